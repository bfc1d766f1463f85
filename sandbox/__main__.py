"""`python -m sandbox ARGS`: see `sandbox.cli`."""

from sandbox.cli import main

main()
