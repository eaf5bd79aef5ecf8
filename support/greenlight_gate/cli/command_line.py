"""What `greenlight` accepts, and which command it runs.

Exit codes: 0 approved, 1 blocked, 2 inconclusive, 3 misconfigured, 130 interrupted.
"""

import argparse
import sys
from types import ModuleType

from greenlight_gate import __version__
from greenlight_gate.cli.ci_lines import print_unjudged
from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import EPILOG, MISCONFIGURED, Parser, WrongArguments, take_target_here
from greenlight_gate.interpreter import imported

# No command judges nothing: its exit code is not that of an approval.
_FIRST_STEPS = """
next:
  greenlight run              judge the bundled backend, in about a minute
  greenlight init URL         set up a backend of your own, and see how it answers
  greenlight COMMAND --help   what a command does, with an example"""


def parser(*names: str) -> argparse.ArgumentParser:
    """The command line with the options of these commands, or of all; of the others it knows their summaries."""
    says = "Decides whether a streaming AI-chat backend may be released."
    top = Parser(prog="greenlight", description=says, epilog=EPILOG, allow_abbrev=False)
    top.add_argument(
        "--version", action="version", version=f"greenlight {__version__}", help="print the version and exit"
    )
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    for name, summary in SUMMARIES.items():
        if names and name not in names:
            commands.add_parser(name, help=summary)
        else:
            _module(name).add(commands)
    return top


def _module(name: str) -> ModuleType:
    """A command is a module of its own name, which holds `add` for its options and a function of the same name."""
    return imported(f"greenlight_gate.cli.{name}")


def run_command(arguments: list[str]) -> int:
    """Runs a command; returns its exit code. The user's mistakes are one line on stderr and exit code 3."""
    if not arguments:
        parser("none").print_help()
        print(_FIRST_STEPS)
        return MISCONFIGURED
    # Only what is asked for is imported: the others' imports take longer than most commands.
    top = parser(next((word for word in arguments if not word.startswith("-")), "none"))
    try:
        options, unknown = top.parse_known_args(arguments)
        if unknown:
            # Said by the command's own parser, which knows what is nearest.
            options.parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    except WrongArguments as wrong:
        print_unjudged(_asked_for(arguments), "MISCONFIGURED", wrong.said)
        raise
    return _run(options)


def _asked_for(arguments: list[str]) -> argparse.Namespace:
    """What of arguments that make no sense says for whom stdout is."""
    reader = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    reader.add_argument("--ci-mode", action="store_true")
    reader.add_argument("--format", nargs="?")
    return reader.parse_known_args(arguments)[0]


def _run(options: argparse.Namespace) -> int:
    from greenlight_gate.targets.settings import Misconfigured  # noqa: PLC0415

    try:
        take_target_here(options)
        return int(getattr(_module(options.command), options.command)(options))
    except Misconfigured as error:
        sys.stderr.write("greenlight: " + "\n".join(error.lines) + "\n")
        print_unjudged(options, "MISCONFIGURED", str(error))
        return MISCONFIGURED
