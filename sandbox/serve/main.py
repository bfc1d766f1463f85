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
    """Brings what is deployed to life, until Ctrl-C or SIGTERM.

    Args:
        args: The command's arguments.

    Returns:
        The exit status: 0 after such an end, 1 if something cannot be run.
    """
    parser = argparse.ArgumentParser(
        prog="bin/sandbox serve",
        description="Runs what is deployed on the loopback interface. Ctrl-C ends it.",
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=PORT,
        help="the gateway's port here, 0 for a free one (%(default)s)",
    )
    parser.add_argument(
        "--unsigned",
        action="store_true",
        help="callers have no credentials of AWS; else they have the operator's",
    )
    parser.add_argument(
        "--follow",
        nargs="*",
        metavar="WORKLOAD",
        help="print the logs of these workloads, or of all, in the place of the table",
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
        # Before there was anything to end; later, `_stopped` sees it.
        return 0
    except DeployedError as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return 1
    return 0


def token(args: Sequence[str]) -> int:
    """Prints a token that the deployed fleet trusts, or another one for a try.

    Args:
        args: The command's arguments.

    Returns:
        The exit status: 1 if the fleet asks for no tokens.
    """
    parser = argparse.ArgumentParser(
        prog="bin/sandbox token", description="Prints a token for the deployed fleet."
    )
    parser.add_argument("--issuer", help="who issues it (the fleet's issuer)")
    parser.add_argument("--audience", help="whom it is for (the fleet's audience)")
    parser.add_argument("--scope", default="", help="what it grants, separated by spaces")
    parser.add_argument(
        "--seconds", type=int, default=3600, help="how long it is good for (%(default)s)"
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
    """Logs warnings and errors to a file, so that they do not break the table."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        logging.basicConfig(filename=folder / "serve.log", level=logging.WARNING)
    except OSError as error:
        raise DeployedError(
            f"nothing can be written to {folder} ({error.strerror}); SANDBOX_HOME may name "
            "another folder"
        ) from error


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > _LARGEST_PORT:
        raise argparse.ArgumentTypeError(f"{text} is no port; ports are 0 to {_LARGEST_PORT}")
    return int(text)


@contextmanager
def _alone(home: Path) -> Generator[None]:
    """Keeps a second command from the images and files under the processes of the first."""
    with (home / "serve" / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DeployedError(
                f"bin/sandbox serve runs already for {home}; end that one first, or give the other "
                "one a fleet and a folder of its own with SANDBOX_HOME"
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
        raise DeployedError(f"{path} is no cloud of a sandbox: {error}") from error


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
            f"--follow: {', '.join(unknown)} is not deployed; what is: {', '.join(names)}"
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
    # The processes end first, so that clients still get their last responses.
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(
            runtime_api.listening(
                aws_lambda.functions(cloud).values() if deployed.target == "lambda" else ()
            )
        )
        runtime.on_timeout = supervisor.kill
        hosts = _hosts(cloud, home, deployed, supervisor, runtime)
        inside = router(hosts, workload_names(deployed, supervisor))
        # A load balancer answers for whatever leads to it; API Gateway tells its APIs by host.
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
                f"nothing can listen on port {port} ({reason}); choose another one with --port, or "
                "--port 0 for a free one"
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
        if signal.getsignal(each) is not signal.SIG_IGN:  # as nohup wants it
            asyncio.get_running_loop().add_signal_handler(each, asked)
    return asyncio.create_task(stop.wait())


def _hosts(
    cloud: Cloud,
    home: Path,
    deployed: Fleet,
    supervisor: Supervisor,
    runtime: runtime_api.Runtime,
) -> dict[str, Application]:
    """Who answers for which host, but for the names of workloads."""
    issuers = Issuers(home, cloud, deployed)
    gateway = (
        rest_api.application(cloud, deployed, supervisor, runtime)
        if deployed.target == "lambda"
        else listeners.application(cloud, deployed, supervisor, issuers)
    )
    return {**issuers.applications(), **applications.applications(cloud, deployed), **gateway}


async def _forbid(_scope: Scope, _receive: Receive, send: Send) -> None:
    """The response of API Gateway for a host that is not an API's."""
    await answer(send, _FORBIDDEN, {"message": "Forbidden"})


def _addresses(cloud: Cloud, url: str) -> list[str]:
    """Where the fleet's servers and agents are, by its discovery document."""
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
    """What a platform gives a process besides what is deployed.

    Args:
        deployed: What is deployed.
        process: The process.
        through: The proxy, through which all its requests go.
        trusted: Whose certificates it trusts; it trusts no others.

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
