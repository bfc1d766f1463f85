"""`bin/sandbox serve` and `bin/sandbox token`, from start to exit."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import jwt
import psutil
import pytest

from sandbox import __main__ as command
from sandbox import cli
from sandbox.cloud.store import Cloud, StoredResource
from sandbox.home import ROOT
from sandbox.serve import main
from sandbox.serve.fleet import Fleet, Process
from sandbox.tests.serve.fleets import fleet

SERVER = """
import json, os, signal, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps(dict(os.environ)).encode()
        if self.path == "/wait":
            print("waiting", flush=True)
            gate = os.path.join(os.environ["FOLDER"], "open")
            while not os.path.exists(gate):
                time.sleep(0.01)
            body = b'"done"'
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

server = ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler)
server.daemon_threads = False
def stop(*args):
    print("asked to end", flush=True)
    if {stubborn}:
        return
    threading.Thread(target=server.shutdown).start()
signal.signal(signal.SIGTERM, stop)
print("here I am", flush=True)
server.serve_forever()
server.server_close()
"""
WELL, STUBBORN = (SERVER.replace("{stubborn}", text) for text in ("False", "True"))
SICK = """
import sys
print("the disk is full")
sys.exit(3)
"""


class Command:
    """A running command.

    Attributes:
        process: The process.
        said: The lines that it has printed.
        url: The endpoint.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.said: list[str] = []
        self.url = self.until("serving ").removeprefix("serving ")

    def until(self, start: str) -> str:
        """Reads until a line with this start, and returns the line."""
        for line in self.process.stdout or ():
            self.said.append(line.rstrip("\n"))
            if start in line:
                return self.said[-1]
        raise AssertionError("\n".join(self.said))

    def ended(self) -> int:
        """Its exit status."""
        self.said += self.process.communicate(timeout=60)[0].splitlines()
        return self.process.returncode


def started(folder: Path, *args: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "sandbox.tests.serve.small_fleet", str(folder), *args],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )


@contextmanager
def serving(folder: Path, *args: str) -> Generator[Command]:
    with started(folder, "--port", "0", *args) as process:
        try:
            yield Command(process)
        finally:
            if process.poll() is None:
                for each in (*psutil.Process(process.pid).children(), process):
                    each.kill()


def test_a_healthy_fleet_is_told_and_reached_by_the_entry(tmp_path: Path) -> None:
    (tmp_path / "clock.py").write_text(WELL)
    (tmp_path / "notes.py").write_text(WELL)
    with serving(tmp_path) as command:
        assert command.said == [
            "starting clock, notes",
            f"server clock: {command.url}/servers/clock/mcp",
            f"agent assistant: {command.url}/agents/assistant/ask",
            "Ctrl-C ends it",
            f"serving {command.url}",
        ]
        environment = httpx2.get(f"{command.url}/any").json()
    bundle = environment["SSL_CERT_FILE"]
    assert Path(bundle).read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert environment["OWN"] == "deployed"
    assert {name: environment[name] for name in environment if name.startswith("AWS_")} == {
        "AWS_ACCESS_KEY_ID": "clock",
        "AWS_CA_BUNDLE": bundle,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": "us-east-1",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_SESSION_TOKEN": "sandbox",
    }
    assert environment["HTTP_PROXY"].startswith("http://clock:")
    assert environment["HTTPS_PROXY"] == environment["HTTP_PROXY"]
    assert environment["NO_PROXY"] == ""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_cleanly_and_its_processes_with_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    (tmp_path / "clock.py").write_text(WELL)
    with serving(tmp_path) as command:
        processes = psutil.Process(command.process.pid).children(recursive=True)
        assert len(processes) == 1
        command.process.send_signal(number)
        assert command.ended() == 0
        assert not any(each.is_running() for each in processes)
        assert command.said[-1] == f"serving {command.url}"


def test_what_is_asked_before_the_end_is_answered(tmp_path: Path) -> None:
    (tmp_path / "clock.py").write_text(WELL)
    with serving(tmp_path, "--follow") as command:
        answers: list[Any] = []

        def ask() -> None:
            answers.append(httpx2.get(f"{command.url}/wait", timeout=60).json())

        asking = threading.Thread(target=ask)
        asking.start()
        command.until("waiting")
        command.process.terminate()
        command.until("asked to end")
        (tmp_path / "open").touch()
        asking.join()
        assert answers == ["done"]
        assert command.ended() == 0


def test_whoever_asks_twice_need_not_wait_for_a_process_that_does_not_end(tmp_path: Path) -> None:
    (tmp_path / "clock.py").write_text(STUBBORN)
    with serving(tmp_path, "--follow", "clock") as command:
        command.process.send_signal(signal.SIGINT)
        command.until("asked to end")
        command.process.send_signal(signal.SIGINT)
        assert command.ended() == 0


def test_logs_are_followed_by_workload(tmp_path: Path) -> None:
    (tmp_path / "clock.py").write_text(WELL)
    (tmp_path / "notes.py").write_text(WELL)
    with serving(tmp_path, "--follow", "notes") as command:
        command.process.terminate()
        assert command.ended() == 0
        logs = [line.split() for line in command.said if "here I am" in line]
    assert logs == [["notes", "here", "I", "am"]]


def test_a_workload_that_never_gets_healthy_is_told_with_its_last_words(tmp_path: Path) -> None:
    (tmp_path / "clock.py").write_text(WELL)
    (tmp_path / "sick.py").write_text(SICK)
    with started(tmp_path, "--port", "0") as process:
        said = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert "sandbox: sick did not become healthy" in said
    assert "the disk is full" in said
    assert "serving" not in said
    assert "Traceback" not in said


def test_a_port_that_is_taken_is_told_before_anything_is_started(tmp_path: Path) -> None:
    (tmp_path / "clock.py").write_text(WELL)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with started(tmp_path, "--port", str(port)) as process:
            said = process.communicate(timeout=60)[0]
    assert (process.returncode, said) == (
        1,
        f"sandbox: cannot listen on port {port} (Address already in use); choose another port "
        "with --port, or --port 0 for a free port\n",
    )


def test_a_second_command_does_not_touch_what_the_first_one_runs(tmp_path: Path) -> None:
    (tmp_path / "clock.py").write_text(WELL)
    with serving(tmp_path):
        with started(tmp_path, "--port", "0") as process:
            said = process.communicate(timeout=60)[0]
        assert (process.returncode, said) == (
            1,
            f"sandbox: bin/sandbox serve is already running for {tmp_path / 'home'}; stop it "
            "first, or deploy and serve another fleet in another folder with SANDBOX_HOME\n",
        )
    with serving(tmp_path) as command:
        assert command.said[0] == "starting clock"


@pytest.mark.parametrize(("args", "source"), [((), "operator"), (("--unsigned",), "anonymous")])
def test_callers_are_the_operator_unless_they_are_not_to_be(
    tmp_path: Path, args: tuple[str, ...], source: str
) -> None:
    (tmp_path / "clock.py").write_text(WELL)
    with serving(tmp_path, *args) as command:
        assert httpx2.get(f"{command.url}/source").json() == source


@pytest.mark.parametrize("port", ["-1", "65536", "http", "²"])
def test_a_port_that_is_none_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.serve([f"--port={port}"])
    assert ended.value.code == 2
    assert f"{port} is not a port; allowed: 0 to 65535" in capsys.readouterr().err


def put(cloud: Cloud, type_: str) -> None:
    cloud.put(StoredResource(provider="x", type=type_, id=type_, inputs={}, properties={}))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SANDBOX_HOME", str(tmp_path))
    monkeypatch.delenv("SANDBOX_CLOUD", raising=False)
    return tmp_path


@pytest.mark.parametrize("command", [main.serve, main.token])
def test_where_nothing_is_deployed_nothing_is_made(
    home: Path, capsys: pytest.CaptureFixture[str], command: Any
) -> None:
    assert command([]) == 1
    assert capsys.readouterr().err == (
        "sandbox: nothing is deployed in this sandbox; run make up first\n"
    )
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("command", [main.serve, main.token])
def test_a_file_that_is_no_cloud_is_told(
    home: Path, capsys: pytest.CaptureFixture[str], command: Any
) -> None:
    (home / "cloud.sqlite").write_text("no database at all, and long enough to be seen as none")
    assert command([]) == 1
    assert capsys.readouterr().err.endswith(
        "is not the cloud file of a sandbox: file is not a database\n"
    )


def test_a_home_that_cannot_be_written_to_is_told(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Cloud(home / "cloud.sqlite")
    (home / "serve").write_text("")
    assert main.serve([]) == 1
    assert capsys.readouterr().err == (
        f"sandbox: cannot write to {home / 'serve'} (File exists); set SANDBOX_HOME to "
        "another folder\n"
    )


@pytest.mark.parametrize("command", [main.serve, main.token])
def test_a_cloud_without_a_fleet_is_told(
    home: Path, capsys: pytest.CaptureFixture[str], command: Any
) -> None:
    Cloud(home / "cloud.sqlite").close()
    assert command([]) == 1
    assert capsys.readouterr().err == (
        "sandbox: no fleet is deployed in this sandbox; run make up first\n"
    )


def test_fleets_of_several_targets_are_told(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cloud = Cloud(home / "cloud.sqlite")
    put(cloud, "aws:ecs/service:Service")
    put(cloud, "aws:lambda/function:Function")
    cloud.close()
    assert main.serve([]) == 1
    said = capsys.readouterr().err
    assert said.startswith("sandbox: fleets of several targets are deployed in this sandbox (")
    assert "aws:ecs/service:Service, aws:lambda/function:Function" in said


def test_the_cloud_may_be_elsewhere(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SANDBOX_CLOUD", str(home / "elsewhere.sqlite"))
    Cloud(home / "elsewhere.sqlite").close()
    assert main.token([]) == 1
    assert "no fleet is deployed" in capsys.readouterr().err


def deploy(monkeypatch: pytest.MonkeyPatch, home: Path, **environment: str) -> None:
    """Replaces the result of the readers with a fleet."""
    Cloud(home / "cloud.sqlite").close()
    clock = Process(name="clock", image="x", environment=environment, kind="task")

    def read(_cloud: Cloud) -> Fleet:
        return fleet(processes=(clock,))

    monkeypatch.setattr(main, "_deployed", read)


def test_an_image_that_is_not_to_be_had_is_told_before_anything_is_started(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(monkeypatch, home)
    assert main.serve(["--port=0"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("sandbox: clock: ")


def test_logs_of_what_is_not_deployed_cannot_be_followed(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(monkeypatch, home)
    assert main.serve(["--port=0", "--follow", "notes", "clock", "clok"]) == 1
    assert capsys.readouterr().err == (
        "sandbox: --follow: clok, notes is not deployed. Deployed: clock\n"
    )


def test_whoever_ends_the_command_before_anything_runs_is_not_shown_an_error(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        signal.raise_signal(signal.SIGINT)

    deploy(monkeypatch, home)
    monkeypatch.setattr(main, "lay_out", interrupted)
    assert main.serve(["--port=0"]) == 0
    assert capsys.readouterr().err == ""


AUTH = {
    "AUTH_ISSUER": "https://login.example.com",
    "AUTH_AUDIENCE": "https://mcp.example.com",
    "AUTH_JWKS_URI": "https://login.example.com/keys",
}


def test_a_token_is_for_the_deployed_audience(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(monkeypatch, home, **AUTH)
    assert main.token([]) == 0
    said = capsys.readouterr().out
    made = jwt.decode(said.removesuffix("\n"), options={"verify_signature": False})
    assert (made["iss"], made["aud"]) == ("https://login.example.com", "https://mcp.example.com")


@pytest.mark.parametrize(
    ("args", "asked"),
    [
        ([], (None, None, 3600, "")),
        (
            ["--audience=a", "--issuer=https://b", "--scope=read write", "--seconds=-60"],
            ("https://b", "a", -60, "read write"),
        ),
    ],
)
def test_a_token_is_what_the_arguments_ask_for(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    args: list[str],
    asked: tuple[str | None, str | None, int, str],
) -> None:
    given: list[Any] = []

    class Issuers:
        def __init__(self, *_: object) -> None:
            pass

        def token(
            self, issuer: str | None, audience: str | None, *, seconds: int, scope: str
        ) -> str:
            given.append((issuer, audience, seconds, scope))
            return "a.b.c"

    deploy(monkeypatch, home)
    monkeypatch.setattr(main, "Issuers", Issuers)
    assert main.token(args) == 0
    assert (given, capsys.readouterr().out) == ([asked], "a.b.c\n")


def test_a_fleet_that_wants_no_tokens_has_none(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    deploy(monkeypatch, home)
    assert main.token([]) == 1
    assert capsys.readouterr().err.startswith("sandbox: ")


@pytest.mark.parametrize("name", ["serve", "token"])
def test_the_sandbox_has_commands_of_its_own(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[str]] = []

    def own(args: list[str]) -> int:
        given.append(args)
        return 7

    monkeypatch.setattr(main, name, own)
    monkeypatch.setattr(sys, "argv", ["sandbox", name, "--help"])
    with pytest.raises(SystemExit) as ended:
        command.main()
    assert (ended.value.code, given) == (7, [["--help"]])


@pytest.mark.parametrize("args", [[], ["--help"], ["-h"], ["help"]])
def test_help_names_the_sandboxs_commands_before_pulumis(
    args: list[str], home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = handed_over(monkeypatch, args)
    said = capsys.readouterr().out
    assert "  serve    run the deployed fleet on the loopback interface\n" in said
    assert "  token    print a token that the deployed fleet trusts\n" in said
    assert ran[3:] == args


@pytest.mark.parametrize("args", [["up", "--help"], ["stack", "ls"], ["--version"]])
def test_other_commands_are_pulumis_alone(
    args: list[str], home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert handed_over(monkeypatch, args)[3:] == args
    assert capsys.readouterr().out == ""


class _EndedError(Exception):
    pass


def handed_over(monkeypatch: pytest.MonkeyPatch, args: list[str]) -> list[str]:
    """The arguments of the engine."""
    ran: list[str] = []

    def execve(program: str, words: list[str], environment: Any) -> None:
        ran.extend(words)
        raise _EndedError

    monkeypatch.setattr(os, "execve", execve)
    monkeypatch.setattr(sys, "argv", ["sandbox", *args])
    with pytest.raises(_EndedError):
        cli.main()
    return ran
