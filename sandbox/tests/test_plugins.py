"""The plugins, started as the engine starts them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "sandbox" / "plugins"
NAMES = sorted(folder.name for folder in PLUGINS.iterdir() if folder.is_dir())


# The engine finds `python3` on PATH, where bin/sandbox puts the checkout's environment first.
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"


def start(folder: Path, *command: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "PATH": PATH, "SANDBOX_CLOUD": str(folder / "cloud.sqlite")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def port_of(process: "subprocess.Popen[str]") -> int:
    assert process.stdout is not None
    return int(process.stdout.readline())


@pytest.mark.parametrize("name", NAMES)
def test_a_plugin_prints_its_port_and_exits_silently_on_request(name: str, tmp_path: Path):
    plugin = PLUGINS / name / f"pulumi-resource-{name}"
    with start(tmp_path, str(plugin), "127.0.0.1:1") as process:
        assert 1024 <= port_of(process) <= 65535
        process.send_signal(signal.SIGINT)
        assert process.communicate() == ("", "")
    assert process.returncode == -signal.SIGINT


@pytest.mark.parametrize("name", ["awsx", "random"])
def test_a_plugin_exits_when_its_engine_is_killed(name: str, tmp_path: Path):
    plugin = PLUGINS / name / f"pulumi-resource-{name}"
    with start(tmp_path, "sh", "-c", f'"{plugin}" 127.0.0.1:1; true') as engine:
        port_of(engine)
        engine.kill()
        # The plugin holds the other end of both pipes until it exits.
        assert engine.communicate(timeout=60) == ("", "")
