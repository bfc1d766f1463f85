"""`bin/sandbox serve` and `bin/sandbox token`."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from sandbox.cli import ROOT
from sandbox.cloud import Cloud
from sandbox.serve import (
    aws_apis,
    aws_lambda,
    ecs,
    eks,
    load_balancer,
    proxy,
    rest_api,
    runtime_api,
)
from sandbox.serve.certificates import Authority, authority
from sandbox.serve.images import lay_out
from sandbox.serve.issuers import Issuers
from sandbox.serve.plan import Application, Deployed, DeployedError, Process
from sandbox.serve.processes import Supervisor
from sandbox.serve.router import entry, router
from sandbox.serve.table import live
from sandbox.serve.workload_names import application as workload_names

PORT = 8800
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
        type=int,
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
    home = _home()
    try:
        cloud = _cloud(home)
        asyncio.run(_serve(cloud, home, given.port, signed=not given.unsigned, follow=given.follow))
    except DeployedError as error:
        print(f"sandbox: {error}", file=sys.stderr)
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
    home = _home()
    try:
        cloud = _cloud(home)
        issuers = Issuers(home, cloud, _deployed(cloud))
        print(issuers.token(given.issuer, given.audience, seconds=given.seconds, scope=given.scope))
    except DeployedError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 1
    return 0


def _home() -> Path:
    return Path(os.environ.get("SANDBOX_HOME") or ROOT / ".sandbox").resolve()


def _cloud(home: Path) -> Cloud:
    path = Path(os.environ.get("SANDBOX_CLOUD") or home / "cloud.sqlite")
    if not path.exists():
        raise DeployedError("nothing is deployed in this sandbox; run make up first")
    return Cloud(path)


def _deployed(cloud: Cloud) -> Deployed:
    found = [type_ for type_ in _READERS if any(one.type == type_ for one in cloud.list())]
    if not found:
        raise DeployedError("no fleet is deployed in this sandbox; run make up first")
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
    images = {process.name: lay_out(cloud, process, home) for process in deployed.processes}
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    trusted = authority(home)
    hosts: dict[str, Application] = {}
    async with AsyncExitStack() as stack:
        running: list[Supervisor] = []
        application = router(hosts, workload_names(deployed, _Late(running)))
        through = await stack.enter_async_context(proxy.listening(application, trusted))
        runtime = await stack.enter_async_context(
            runtime_api.listening(
                aws_lambda.functions(cloud).values() if deployed.target == "lambda" else ()
            )
        )

        def platform(process: Process) -> dict[str, str]:
            return {
                **_platform(deployed, process, through, trusted),
                **runtime_api.platform_environment(process, runtime.addresses),
            }

        table = live(follow)
        supervisor = Supervisor(deployed.processes, images, home, platform, table.line)
        running.append(supervisor)
        issuers = Issuers(home, cloud, deployed)
        hosts |= issuers.applications()
        hosts |= aws_apis.applications(cloud, deployed)
        if deployed.target == "lambda":
            hosts |= rest_api.application(cloud, deployed, supervisor, runtime)
        else:
            hosts |= load_balancer.application(cloud, deployed, supervisor, issuers)
        await stack.enter_async_context(supervisor)
        stopped = asyncio.create_task(stop.wait())
        healthy = asyncio.create_task(supervisor.wait_healthy())
        await asyncio.wait({stopped, healthy}, return_when=asyncio.FIRST_COMPLETED)
        if not healthy.done():
            healthy.cancel()
            return
        healthy.result()
        try:
            opened = await stack.enter_async_context(
                proxy.serving(
                    lambda own: entry(application, deployed.entry, own, signed=signed), port=port
                )
            )
        except OSError as error:
            raise DeployedError(
                f"port {port} is taken ({error.strerror}); choose another one with --port"
            ) from error
        print(f"serving http://127.0.0.1:{opened}", flush=True)
        await table.show(supervisor, f"http://127.0.0.1:{opened}", stopped)


class _Late:
    """The supervisor, for applications that are made before it."""

    def __init__(self, running: Sequence[Supervisor]) -> None:
        self._running = running

    def url(self, name: str) -> str | None:
        return self._running[0].url(name) if self._running else None


def _platform(
    deployed: Deployed, process: Process, through: proxy.Proxy, trusted: Authority
) -> Mapping[str, str]:
    """What a platform gives a process besides what is deployed."""
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
