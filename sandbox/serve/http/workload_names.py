"""Requests to the private names of workloads: in Cloud Map, the cluster's DNS, or a task."""

from sandbox.serve.fleet import Application, Fleet, Receive, Scope, Send, Workloads, source
from sandbox.serve.http.forwarding import answer, forward
from sandbox.serve.http.router import host, unknown_host

_UNAVAILABLE, _GATEWAY_TIMEOUT = 503, 504


def application(
    deployed: Fleet, workloads: Workloads, otherwise: Application = unknown_host
) -> Application:
    """Makes the application that answers for the names of workloads.

    Args:
        deployed: The deployed workloads.
        workloads: The processes that run.
        otherwise: The application for all other names.

    Returns:
        The application. A request that the network rules do not allow gets a 504 immediately
        instead of a timeout; the header `x-sandbox-refused` has the reason.
    """

    async def called(scope: Scope, receive: Receive, send: Send) -> None:
        caller, (name, port) = source(scope), host(scope)
        process = deployed.resolve(caller, name, port)
        if process is None:
            await otherwise(scope, receive, send)
            return
        refused = deployed.refusal(caller, process, port)
        if refused:
            headers = [(b"x-sandbox-refused", refused.encode("latin-1", "replace"))]
            await answer(send, _GATEWAY_TIMEOUT, {"error": refused}, headers)
            return
        url = workloads.named(process)
        if url is None:
            await answer(send, _UNAVAILABLE, {"error": f"no replica of {process} is healthy"})
            return
        await forward(scope, receive, send, base_url=url)

    return called
