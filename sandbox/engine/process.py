"""How a provider's process ends: with the engine that started it, at once and without a word."""

import os
import signal
import threading

_ENGINE_CHECK_SECONDS = 2.0


def tie_to_engine() -> None:
    """Makes this process end with the engine; call it before the engine learns the port.

    The engine ends a provider with SIGINT and waits for five seconds, in which it tells no other
    provider of the end: those that hear of it too late count as crashed. So nothing is waited for
    here, no call and no thread; the cloud's file takes a write as a whole or not at all. Source:
    pulumi v3.259, host.go `ReleaseContext` and plugin.go `Close`.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # An engine that was killed cannot say goodbye.
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(engine: int) -> None:
    """Ends this process when its parent is no longer the engine."""
    never = threading.Event()
    while os.getppid() == engine:
        never.wait(_ENGINE_CHECK_SECONDS)
    os._exit(0)
