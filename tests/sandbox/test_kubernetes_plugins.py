"""The plugins of awsx, eks and kubernetes, started as the engine starts them."""

import os
import subprocess
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[2] / "sandbox" / "plugins"


@pytest.mark.parametrize("name", ["awsx", "eks", "kubernetes"])
def test_a_plugin_says_on_which_port_it_listens(name: str, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [PLUGINS / name / f"pulumi-resource-{name}", "127.0.0.1:1"],
        cwd=tmp_path,
        env={**os.environ, "SANDBOX_CLOUD": str(tmp_path / "cloud.sqlite")},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        process.kill()
    assert 1024 <= port <= 65535
