"""The command line: parse, call, print."""

import sys


def main() -> None:
    """Run `grapevine` and leave with its exit code.

    0 done; 1 it ran and the answer is no; 2 the request or its input is wrong; 3 interrupted,
    with what was done kept. Anything else is a bug.
    """
    from grapevine.cli.app import run

    sys.exit(run(sys.argv[1:]))
