"""`python -m sandbox ARGS`: the sandbox's own commands, and pulumi's (`sandbox.cli`)."""

import sys

from sandbox import cli


def main() -> None:
    """Runs one of the sandbox's commands, or hands over to pulumi."""
    if sys.argv[1:2] not in (["serve"], ["token"]):
        cli.main()
    from sandbox.serve import main as own  # noqa: PLC0415 - pulumi's commands need none of it

    sys.exit({"serve": own.serve, "token": own.token}[sys.argv[1]](sys.argv[2:]))


if __name__ == "__main__":
    main()
