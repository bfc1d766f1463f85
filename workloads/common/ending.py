"""How an application learns that its process was told to end."""

from collections.abc import Awaitable, Callable

import anyio
from starlette.applications import Starlette


def ending(app: Starlette) -> anyio.Event:
    """The event of an application that is set when its process gets SIGTERM.

    It is set while the application still starts, too. Requests and connections that are open then
    may go on, within `STOP_TIMEOUT_SECONDS`; what has no end of its own should end itself.

    Args:
        app: The application.

    Returns:
        The event, the same one at each call.
    """
    if not hasattr(app.state, "ending"):
        app.state.ending = anyio.Event()
    return app.state.ending


async def unless_set(event: anyio.Event, work: Callable[[], Awaitable[None]]) -> None:
    """Do something, and stop doing it when an event is set.

    Args:
        event: The event.
        work: What is to be done.
    """
    async with anyio.create_task_group() as group:

        async def stop() -> None:
            await event.wait()
            group.cancel_scope.cancel()

        group.start_soon(stop)
        await work()
        group.cancel_scope.cancel()
