"""greenlight: decides whether a streaming AI-chat backend may be released.

Exit codes: 0 approved, 1 blocked, 2 inconclusive, 3 misconfigured, 130 interrupted.
"""

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import NoReturn

from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import EPILOG, INTERRUPTED, MISCONFIGURED, Parser


def parser(*names: str) -> argparse.ArgumentParser:
    """The parser with the options of these commands, or of all; of the others only the summaries."""
    top = Parser(prog="greenlight", description=__doc__.split("\n")[0], epilog=EPILOG, allow_abbrev=False)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for name, summary in SUMMARIES.items():
        if names and name not in names:
            commands.add_parser(name, help=summary)
        else:
            _module(name).add(commands)
    return top


def _module(name: str) -> ModuleType:
    """The module of a command, which has `add` for its options and a function of the same name."""
    return importlib.import_module(f"greenlight_gate.cli.{name}")


def _interrupted(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command; returns its exit code. The user's mistakes are one line on stderr and exit code 3."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        # Only the given command is imported: importing all takes longer than most commands.
        top = parser(next((word for word in arguments if not word.startswith("-")), "none"))
        options, unknown = top.parse_known_args(arguments)
        if unknown:
            # The command's own parser reports it, since it can suggest the nearest option.
            options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
        if options.command == "serve":
            return _run(options)
        # Before and after the run has handlers of its own, a signal ends the command with 130.
        signal.signal(signal.SIGTERM, _interrupted)
        return _run(options)
    except KeyboardInterrupt:
        sys.stderr.write("greenlight: interrupted\n")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 -- Python would end with 1, which is what a blocked target ends with
        from greenlight_gate.cli.unexpected import unexpected  # noqa: PLC0415

        return unexpected(error)


def _run(options: argparse.Namespace) -> int:
    from greenlight_gate.targets.settings import Misconfigured  # noqa: PLC0415

    try:
        return int(getattr(_module(options.command), options.command)(options))
    except Misconfigured as error:
        sys.stderr.write(f"greenlight: {error}\n")
        return MISCONFIGURED


if __name__ == "__main__":
    raise SystemExit(main())
