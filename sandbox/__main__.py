"""`python -m sandbox ARGS`: the commands of the sandbox, and of pulumi (`sandbox.cli`)."""

import sys

from sandbox import cli


def main() -> None:
    """Runs a command of the sandbox, or else `pulumi`."""
    if sys.argv[1:2] not in (["serve"], ["token"]):
        cli.main()
    from sandbox.serve import main as own  # noqa: PLC0415 - pulumi's commands do not need it

    sys.exit({"serve": own.serve, "token": own.token}[sys.argv[1]](sys.argv[2:]))


if __name__ == "__main__":
    main()
