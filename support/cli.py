"""greenlight: decides whether a streaming AI-chat backend may be released.

Exit codes: 0 approved, 1 blocked, 2 inconclusive, 3 misconfigured, 130 interrupted.
"""

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from support.options import COMMANDS
from support.options.common import EPILOG, INTERRUPTED, MISCONFIGURED, Parser


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = Parser(prog="greenlight", description=__doc__.split("\n")[0], epilog=EPILOG, allow_abbrev=False)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for command in COMMANDS:
        command.add(commands)
    return top


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit code. The user's mistakes are one line on stderr and exit code 3."""
    options, unknown = parser().parse_known_args(argv)
    if unknown:
        # Said by the command's own parser, which knows what is nearest.
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    # Imported when needed: whoever asks for help, or waits for the first sign of life, does not wait for behave.
    if options.command == "serve":
        from support.commands.serve import serve  # noqa: PLC0415

        return serve(options)
    try:
        # Until the run has handlers of its own, and after it: whoever is told to stop says so, and ends with 130.
        signal.signal(signal.SIGTERM, _interrupted)
        return _judging(options)
    except KeyboardInterrupt:
        sys.stderr.write("greenlight: interrupted\n")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 -- Python would end with 1, which is what a blocked target ends with
        from support.commands.unexpected import unexpected  # noqa: PLC0415

        return unexpected(error)


def _judging(options: argparse.Namespace) -> int:
    from support.settings import Misconfigured  # noqa: PLC0415

    try:
        # Each command is a function of its own name, in a module of its own name; only that one is loaded.
        command = getattr(importlib.import_module(f"support.commands.{options.command}"), options.command)
        return int(command(options))
    except Misconfigured as error:
        sys.stderr.write(f"greenlight: {error}\n")
        return MISCONFIGURED


if __name__ == "__main__":
    raise SystemExit(main())
