"""An event that is set when the process gets SIGTERM."""

from collections.abc import Awaitable, Callable

import anyio
from starlette.applications import Starlette


def ending(app: Starlette) -> anyio.Event:
    """Return the event of an application that is set when its process gets SIGTERM.

    It is also set while the application is still starting. Open requests and connections may
    continue within `STOP_TIMEOUT_SECONDS`; work without an end of its own should stop.

    Args:
        app: The application.

    Returns:
        The event, the same one for each call.
    """
    if not hasattr(app.state, "ending"):
        app.state.ending = anyio.Event()
    return app.state.ending


async def unless_set(event: anyio.Event, work: Callable[[], Awaitable[None]]) -> None:
    """Run work, and cancel it when an event is set.

    Args:
        event: The event.
        work: The work.
    """
    async with anyio.create_task_group() as group:

        async def stop() -> None:
            await event.wait()
            group.cancel_scope.cancel()

        group.start_soon(stop)
        await work()
        group.cancel_scope.cancel()
