"""`make demo`: runs the deployed fleet, asks its agent a question, and stops the fleet."""

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from textwrap import shorten
from typing import Any

import httpx2
from rich.console import Console

from sandbox.home import ROOT
from sandbox.profile import profile

_SERVING = "serving "
_WIDTH = 120
_ACCEPTED = 202
_PAUSE_SECONDS = 0.5


def main() -> int:
    """Runs the demonstration.

    Returns:
        0 if the answer of the agent is complete, else 1.
    """
    facts = profile()
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument(
        "--agent", default=facts.demo_agent, help="the agent that is asked (%(default)s)"
    )
    parser.add_argument(
        "--question", default=facts.demo_question, help="what it is asked (%(default)s)"
    )
    given = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    # The same as Ctrl-C, so that `bin/sandbox serve` also ends.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _demonstrate(console, given.agent, given.question)
    except KeyboardInterrupt:
        return 1
    except httpx2.HTTPError as error:
        console.print(f"{type(error).__name__}: {error}", style="red", markup=False)
        return 1


def _demonstrate(console: Console, agent: str, question: str) -> int:
    # The endpoint is local, so no proxy is used. The agent has its own timeout.
    with _served() as entry, httpx2.Client(trust_env=False, timeout=None) as client:
        if entry is None:
            return 1
        path = profile().agent_path.format(name=agent) + profile().ask_path
        console.print(f"\n[bold]POST {entry}{path}[/bold]\n[cyan]question[/cyan]  {question}")
        return 0 if _ask(console, client, entry, path, question) else 1


@contextmanager
def _served() -> Generator[str | None]:
    """The endpoint while `bin/sandbox serve` runs, or None if it ended with an error."""
    with subprocess.Popen(
        [sys.executable, "-m", "sandbox", "serve", "--port", "0"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        # Ctrl-C signals the whole process group, and a second signal would stop the fleet at once.
        start_new_session=True,
    ) as process:
        try:
            yield _entry(process.stdout or ())
        finally:
            process.terminate()
            process.wait()


def _entry(lines: Iterable[str]) -> str | None:
    return next(
        (line.removeprefix(_SERVING).strip() for line in lines if line.startswith(_SERVING)), None
    )


def _ask(console: Console, client: httpx2.Client, entry: str, path: str, question: str) -> bool:
    """Prints the answer as it arrives, and returns whether it is complete."""
    with client.stream(
        "POST",
        entry + path,
        json={"question": question},
        headers={"Accept": "text/event-stream"},
    ) as response:
        if not response.is_success:
            response.read()
            console.print(f"{response.status_code}  {response.text}", style="red", markup=False)
            return False
        if response.status_code == _ACCEPTED:
            status = json.loads(response.read())["status"]
            return _asked_again(console, client, entry + status)
        for event, data in _events(response.iter_lines()):
            if event == "tool":
                said = data.get("text", data.get("error"))
                console.print(f"[cyan]tool call[/cyan] {data['server']} · {data['tool']}")
                console.print(f"          {shorten(str(said), _WIDTH)}", markup=False)
            elif event == "done":
                return _complete(console, data)
            elif event == "error":
                console.print(f"[red]error[/red]     {data}")
    return False


def _asked_again(console: Console, client: httpx2.Client, url: str) -> bool:
    """Polls the execution of a state machine until it has an answer."""
    console.print(f"[bold]GET {url}[/bold]")
    execution: dict[str, Any] = {"status": "RUNNING"}
    while execution["status"] == "RUNNING":
        time.sleep(_PAUSE_SECONDS)
        execution = client.get(url).raise_for_status().json()
    if execution["error"]:
        console.print(f"{execution['status']}  {execution['error']}", style="red", markup=False)
        return False
    return _complete(console, execution["result"])


def _complete(console: Console, result: Mapping[str, Any]) -> bool:
    console.print("[cyan]answer[/cyan]")
    console.print(str(result["answer"]), markup=False)
    return bool(result["complete"])


def _events(lines: Iterable[str]) -> Generator[tuple[str, dict[str, Any]]]:
    """The names and the JSON data of a response's server-sent events."""
    event = ""
    for line in lines:
        name, _, value = line.partition(":")
        if name == "event":
            event = value.strip()
        elif name == "data":
            yield event, json.loads(value)


if __name__ == "__main__":
    sys.exit(main())
