"""The entry point of every image: handles SIGTERM, and only then imports the workload.

The imports of a workload take a second or more. The first process of a container ignores a signal
without a handler. Without this handler, a SIGTERM during the imports would be lost, and SIGKILL
would follow after the whole stop timeout.

    python -m common.run notes.server
"""

import os
import signal
import sys
from importlib import import_module
from types import FrameType


def _exit(_signal: int, _frame: FrameType | None) -> None:
    # Not SystemExit: a module that catches all exceptions during its import would continue.
    os._exit(0)


def main() -> int:
    """Import the module that the first argument names, and call its `main`.

    Returns:
        The exit status.
    """
    signal.signal(signal.SIGTERM, _exit)
    return import_module(sys.argv[1]).main()


if __name__ == "__main__":
    sys.exit(main())
