"""Ends the process of a provider when the engine that started it ends."""

import os
import signal
import threading

_ENGINE_CHECK_SECONDS = 2.0


def tie_to_engine() -> None:
    """Ends this process with the engine; call it before the engine gets the port.

    The engine sends SIGINT to one provider at a time and waits up to five seconds for each. A
    provider that it does not reach in time is reported as crashed. The process therefore ends
    immediately, without waiting for calls or threads. Writes to the cloud's file are atomic.
    Source: pulumi v3.259, host.go `ReleaseContext` and plugin.go `Close`.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # An engine that was killed sends no signal.
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(engine: int) -> None:
    """Ends this process when the engine is no longer its parent."""
    never = threading.Event()
    while os.getppid() == engine:
        never.wait(_ENGINE_CHECK_SECONDS)
    os._exit(0)
