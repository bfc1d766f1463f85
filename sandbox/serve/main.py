"""`bin/sandbox serve` and `bin/sandbox token`."""

import argparse
import asyncio
import fcntl
import json
import logging
import os
import re
import signal
import sqlite3
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from sandbox.cloud.store import Cloud
from sandbox.home import cloud_path, sandbox_home
from sandbox.profile import profile
from sandbox.serve.api_gateway import rest_api
from sandbox.serve.aws_apis import applications
from sandbox.serve.fleet import Application, DeployedError, Fleet, Process, Receive, Scope, Send
from sandbox.serve.functions import runtime_api
from sandbox.serve.http import proxy
from sandbox.serve.http.certificates import Authority, authority
from sandbox.serve.http.forwarding import answer
from sandbox.serve.http.router import entry, router, unknown_host
from sandbox.serve.http.workload_names import application as workload_names
from sandbox.serve.issuers import Issuers
from sandbox.serve.load_balancer import listeners
from sandbox.serve.processes.images import lay_out
from sandbox.serve.processes.supervisor import Supervisor
from sandbox.serve.processes.table import live
from sandbox.serve.readers import aws_lambda, ecs, eks

PORT = 8800
_LARGEST_PORT = 65535
_FORBIDDEN = 403
_PARAMETER = "aws:ssm/parameter:Parameter"
_READERS = {
    "aws:ecs/service:Service": ecs.read,
    "kubernetes:apps/v1:Deployment": eks.read,
    aws_lambda.FUNCTION: aws_lambda.read,
}


def serve(args: Sequence[str]) -> int:
    """Runs the deployed workloads until Ctrl-C or SIGTERM.

    Args:
        args: The command's arguments.

    Returns:
        The exit status: 0 after a signal, 1 if the fleet cannot run.
    """
    parser = argparse.ArgumentParser(
        prog="bin/sandbox serve",
        description="Runs the deployed fleet on the loopback interface. Press Ctrl-C to stop.",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=PORT,
        help="local port of the gateway, 0 for a free port (default: %(default)s)",
    )
    parser.add_argument(
        "--unsigned",
        action="store_true",
        help="treat callers as without AWS credentials (default: those of the operator)",
    )
    parser.add_argument(
        "--follow",
        nargs="*",
        metavar="WORKLOAD",
        help="print the logs of these workloads, or of all, instead of the table",
    )
    given = parser.parse_args(args)
    home = sandbox_home()
    try:
        cloud = _cloud(home)
        _log_to(home / "serve")
        with _alone(home):
            asyncio.run(
                _serve(cloud, home, given.port, signed=not given.unsigned, follow=given.follow)
            )
    except KeyboardInterrupt:
        # Ctrl-C before the start; `_stopped` handles later signals.
        return 0
    except DeployedError as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 1
    return 0


def token(args: Sequence[str]) -> int:
    """Prints a token that the deployed fleet trusts, or another one for tests.

    Args:
        args: The command's arguments.

    Returns:
        The exit status: 1 if the fleet does not use tokens.
    """
    parser = argparse.ArgumentParser(
        prog="bin/sandbox token", description="Prints a token for the deployed fleet."
    )
    parser.add_argument("--issuer", help="issuer (default: the fleet's)")
    parser.add_argument("--audience", help="audience (default: the fleet's)")
    parser.add_argument("--scope", default="", help="scopes, separated by spaces")
    parser.add_argument(
        "--seconds", type=int, default=3600, help="validity in seconds (default: %(default)s)"
    )
    given = parser.parse_args(args)
    home = sandbox_home()
    try:
        cloud = _cloud(home)
        issuers = Issuers(home, cloud, _deployed(cloud))
        made = issuers.token(given.issuer, given.audience, seconds=given.seconds, scope=given.scope)
        _say(made)
    except DeployedError as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 1
    return 0


def _log_to(folder: Path) -> None:
    """Logs warnings and errors to a file instead of the terminal with the table."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        logging.basicConfig(filename=folder / "serve.log", level=logging.WARNING)
    except OSError as error:
        raise DeployedError(
            f"cannot write to {folder} ({error.strerror}); set SANDBOX_HOME to another folder"
        ) from error


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is not a port; allowed: 0 to {_LARGEST_PORT}")
    return int(text)


@contextmanager
def _alone(home: Path) -> Generator[None]:
    """Locks a home, so that a second command does not change the files of running processes."""
    with (home / "serve" / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DeployedError(
                f"bin/sandbox serve is already running for {home}; stop it first, or deploy and "
                "serve another fleet in another folder with SANDBOX_HOME"
            ) from error
        yield


def _cloud(home: Path) -> Cloud:
    path = cloud_path(home, os.environ)
    if not path.exists():
        raise DeployedError(
            f"nothing is deployed in this sandbox; run {profile().create_command} first"
        )
    try:
        return Cloud(path)
    except sqlite3.Error as error:
        raise DeployedError(f"{path} is not the cloud file of a sandbox: {error}") from error


def _deployed(cloud: Cloud) -> Fleet:
    found = [type_ for type_ in _READERS if any(one.type == type_ for one in cloud.list())]
    if not found:
        raise DeployedError(
            f"no fleet is deployed in this sandbox; run {profile().create_command} first"
        )
    if len(found) > 1:
        told = ", ".join(found)
        raise DeployedError(
            f"fleets of several targets are deployed in this sandbox ({told}); destroy all but one"
        )
    return _READERS[found[0]](cloud)


async def _serve(
    cloud: Cloud, home: Path, port: int, *, signed: bool, follow: Sequence[str] | None
) -> None:
    deployed = _deployed(cloud)
    names = [process.name for process in deployed.processes]
    unknown = sorted({*(follow or ())} - {*names})
    if unknown:
        raise DeployedError(
            f"--follow: {', '.join(unknown)} is not deployed. Deployed: {', '.join(names)}"
        )
    images = {process.name: lay_out(cloud, process, home) for process in deployed.processes}
    trusted = authority(home)
    table = live(follow)

    def besides(process: Process) -> dict[str, str]:
        return {
            **platform(deployed, process, through, trusted),
            **runtime_api.platform_environment(process, runtime.addresses),
        }

    supervisor = Supervisor(deployed.processes, images, home, besides, table.line)
    stopped = _stopped(supervisor)
    # The processes stop first, so that clients still get their last responses.
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(
            runtime_api.listening(
                aws_lambda.functions(cloud).values() if deployed.target == "lambda" else ()
            )
        )
        runtime.on_timeout = supervisor.kill
        hosts = _hosts(cloud, home, deployed, supervisor, runtime)
        inside = router(hosts, workload_names(deployed, supervisor))
        # A load balancer accepts any host that points to it; API Gateway selects the API by host.
        gateway = hosts.get(urlsplit(deployed.entry).netloc, unknown_host)
        stranger = _forbid if deployed.target == "lambda" else gateway
        outside = router(hosts, workload_names(deployed, supervisor, stranger))
        through = await stack.enter_async_context(proxy.listening(inside, trusted))
        try:
            opened = await stack.enter_async_context(
                proxy.serving(
                    lambda own: entry(outside, deployed.entry, own, signed=signed), port=port
                )
            )
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            raise DeployedError(
                f"cannot listen on port {port} ({reason}); choose another port with --port, or "
                "--port 0 for a free port"
            ) from error
        url = f"http://127.0.0.1:{opened}"
        _say(f"starting {', '.join(names)}")
        await stack.enter_async_context(supervisor)
        healthy = asyncio.create_task(supervisor.wait_healthy())
        await asyncio.wait({stopped, healthy}, return_when=asyncio.FIRST_COMPLETED)
        if not healthy.done():
            healthy.cancel()
            return
        healthy.result()
        _say(*_addresses(cloud, url), "Ctrl-C ends it", f"serving {url}")
        await table.show(supervisor, url, stopped)


def _stopped(supervisor: Supervisor) -> "asyncio.Task[bool]":
    """Completes on the first signal to stop; a second signal kills the processes."""
    stop = asyncio.Event()

    def asked() -> None:
        if stop.is_set():
            for name in {replica.process.name for replica in supervisor.replicas}:
                supervisor.kill(name)
        stop.set()

    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is not signal.SIG_IGN:  # as nohup expects
            asyncio.get_running_loop().add_signal_handler(each, asked)
    return asyncio.create_task(stop.wait())


def _hosts(
    cloud: Cloud,
    home: Path,
    deployed: Fleet,
    supervisor: Supervisor,
    runtime: runtime_api.Runtime,
) -> dict[str, Application]:
    """The applications by host, without those for the names of workloads."""
    issuers = Issuers(home, cloud, deployed)
    gateway = (
        rest_api.application(cloud, deployed, supervisor, runtime)
        if deployed.target == "lambda"
        else listeners.application(cloud, deployed, supervisor, issuers)
    )
    return {**issuers.applications(), **applications.applications(cloud, deployed), **gateway}


async def _forbid(_scope: Scope, _receive: Receive, send: Send) -> None:
    """The response of API Gateway for an unknown host."""
    await answer(send, _FORBIDDEN, {"message": "Forbidden"})


def _addresses(cloud: Cloud, url: str) -> list[str]:
    """The URLs of servers and agents in the discovery document of the fleet."""
    facts, lines = profile(), list[str]()
    for stored in cloud.list("aws", _PARAMETER):
        if re.search(facts.discovery_parameter, str(stored.properties.get("name"))):
            told = json.loads(str(stored.properties["value"]))
            lines += [
                f"server {name}: {url}{facts.server_path.format(name=name)}"
                for name in told["servers"]
            ]
            lines += [
                f"agent {name}: {url}{path}{facts.ask_path}"
                for name, path in told["agents"].items()
            ]
    return lines


def platform(
    deployed: Fleet, process: Process, through: proxy.Proxy, trusted: Authority
) -> Mapping[str, str]:
    """The variables that the platform adds to those that are deployed.

    Args:
        deployed: The deployed workloads.
        process: The process.
        through: The proxy for all its requests.
        trusted: The only certificate authority that it trusts.

    Returns:
        The variables. The AWS key's id is the process's name.
    """
    url, bundle = through.url(process.name), str(trusted.bundle)
    return {
        "AWS_REGION": deployed.region,
        "AWS_DEFAULT_REGION": deployed.region,
        "AWS_ACCESS_KEY_ID": process.name,
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_SESSION_TOKEN": "sandbox",
        "AWS_EC2_METADATA_DISABLED": "true",
        "HTTP_PROXY": url,
        "HTTPS_PROXY": url,
        "http_proxy": url,
        "https_proxy": url,
        "NO_PROXY": "",
        "no_proxy": "",
        "SSL_CERT_FILE": bundle,
        "AWS_CA_BUNDLE": bundle,
        "REQUESTS_CA_BUNDLE": bundle,
    }
