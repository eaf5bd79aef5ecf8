"""What several commands share: the parser, types of values, and groups of options."""

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlsplit

from greenlight_gate.categories import CATEGORIES, OWN

if TYPE_CHECKING:
    from greenlight_gate.cli.signing import Signer

MISCONFIGURED = 3
INTERRUPTED = 130
# The target that commands take where none is named.
HERE = "greenlight.toml"
# Not None, which is no target at all to commands that may look at all of them.
_UNNAMED = object()
# The other value of --format.
JSON_LINES = "json-lines"
EPILOG = "exit codes: 0 approved, 1 blocked, 2 inconclusive, 3 misconfigured, 130 interrupted"

_NO_SUCH_COMMAND = re.compile(r"argument (?:COMMAND|ACTION): invalid choice: ['\"](.*)['\"] \(choose from ")


class _Paragraphs(argparse.HelpFormatter):
    """Wraps each paragraph of a text by itself."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n\n".join(fill(paragraph, width, indent) for paragraph in text.split("\n\n"))


class WrongArguments(SystemExit):
    """The end of a command whose arguments make no sense; `said` is the complaint, which stderr has."""

    def __init__(self, said: str) -> None:
        super().__init__(MISCONFIGURED)
        self.said = said


class Parser(argparse.ArgumentParser):
    """argparse with errors in one line that suggest the nearest option, and the exit code for a user's mistake."""

    def error(self, message: str) -> NoReturn:
        """Prints one line and exits."""
        chosen = _NO_SUCH_COMMAND.search(message)
        if chosen is not None:
            (known,) = [list(action.choices or ()) for action in self._actions if action.dest in ("command", "action")]
            message = f"unknown command {chosen[1]!r}, expected one of {', '.join(_nearest_first(chosen[1], known))}"
        said = f"{message}{self._hint(message)} (see `{self.prog} --help`)"
        sys.stderr.write(f"greenlight: {said}\n")
        raise WrongArguments(said)

    def _hint(self, message: str) -> str:
        """The known options, the nearest first, if an unknown one was given."""
        unknown = message.partition("unrecognized arguments: ")[2].split(" ")[0].partition("=")[0]
        options = [option for action in self._actions for option in action.option_strings if option.startswith("--")]
        if not unknown.startswith("-"):
            return ""
        return f"; expected one of {', '.join(_nearest_first(unknown, options))}"


def _nearest_first(word: str, known: Sequence[str]) -> list[str]:
    return sorted(known, key=lambda name: -difflib.SequenceMatcher(None, name, word).ratio())


def category(text: str) -> str:
    """The name of a category. Raises ArgumentTypeError."""
    names = (*CATEGORIES, OWN)
    if text in names:
        return text
    known = ", ".join(_nearest_first(text, names))
    raise argparse.ArgumentTypeError(f"unknown category {text!r}, expected one of {known}")


def positive(kind: Callable[[str], float]) -> Callable[[str], Any]:
    """The type of a number greater than 0. It raises ArgumentTypeError."""

    def convert(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected a number greater than 0, got {text!r}") from None
        if not 0 < value < 1e9:
            raise argparse.ArgumentTypeError(f"expected a number greater than 0, got {text!r}")
        return value

    return convert


def shard(text: str) -> tuple[int, int]:
    """One part of several: its number from 1, and of how many. Raises ArgumentTypeError."""
    number, _, of = text.partition("/")
    if not (number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of) <= 1_000):
        raise argparse.ArgumentTypeError(f"expected a part of several, such as 1/3, got {text!r}")
    return int(number), int(of)


def zero_or_more(text: str) -> float:
    """A number that is 0 or greater. Raises ArgumentTypeError."""
    if text.strip() in ("0", "0.0"):
        return 0.0
    return float(positive(float)(text))


def percent(text: str) -> float:
    """A share from 0 up to less than 100. Raises ArgumentTypeError."""
    value = zero_or_more(text)
    if value >= 100:
        raise argparse.ArgumentTypeError(f"expected a share in percent below 100, got {text!r}")
    return value


def stages(text: str) -> tuple[tuple[float, float], ...]:
    """Stages of a load, such as 10:50,60:50,10:0: seconds, and the level at their end. Raises ArgumentTypeError."""
    expected = f"expected SECONDS:LEVEL for each stage, such as 10:50,60:50,10:0, got {text!r}"
    found = []
    for stage in text.split(","):
        seconds, _, level = stage.partition(":")
        try:
            found.append((zero_or_more(seconds), zero_or_more(level)))
        except argparse.ArgumentTypeError:
            raise argparse.ArgumentTypeError(expected) from None
    if not any(seconds for seconds, _ in found) or not any(level for _, level in found):
        raise argparse.ArgumentTypeError(f"{expected}; some stage must last, and rise above 0")
    return tuple(found)


def folder(text: str) -> Path:
    """A folder, which need not be there. Raises ArgumentTypeError for one that can never be."""
    try:
        Path(text).exists()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise argparse.ArgumentTypeError(f"expected a folder, or a name for a new one: {why}") from None
    return Path(text)


def new_file(text: str) -> Path:
    """A file to be written at the end, which can be written now. Raises ArgumentTypeError."""
    path = folder(text)
    if not path.parent.is_dir() or path.is_dir():
        raise argparse.ArgumentTypeError(f"expected a file in a folder that exists, got {text!r}")
    was_there = path.exists()
    try:
        with path.open("ab"):
            pass  # nothing is written: it can be opened, or not
        if not was_there:
            path.unlink()
    except OSError as error:
        raise argparse.ArgumentTypeError(
            f"expected a file that can be written, got {text!r}: {error.strerror}"
        ) from None
    return path


def prom_file(text: str) -> Path:
    """A file for the textfile collector, in a folder that is there. Raises ArgumentTypeError."""
    if not text.endswith(".prom"):
        raise argparse.ArgumentTypeError(f"expected a file that ends with .prom, as node_exporter reads, got {text!r}")
    return new_file(text)


def command_of(commands: Any, name: str, help_: str, example: str, exit_codes: str = EPILOG) -> argparse.ArgumentParser:
    """Adds a command with its help. `exit_codes`: those of a command that judges nothing."""
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=help_, description=help_, epilog=f"example: {example}\n\n{exit_codes}", allow_abbrev=False,
        formatter_class=_Paragraphs,
    )  # fmt: skip
    command.set_defaults(parser=command)
    return command


def target(group: Any) -> None:
    """Adds the option for the target."""
    group.add_argument(
        "--environment", default=_UNNAMED, metavar="NAME|FILE.toml",
        help="the target: embedded (the suite starts and stops its own backend), local, staging, or a target file "
        f"(default: {HERE} of the working folder if there is one, else embedded; example: --environment staging)",
    )  # fmt: skip


def take_target_here(options: argparse.Namespace) -> None:
    """Where no target is named: the one of the working folder, which stderr says, or the bundled backend."""
    if getattr(options, "environment", None) is not _UNNAMED:
        return
    options.environment = "embedded"
    if Path(HERE).is_file():
        options.environment = HERE
        sys.stderr.write(f"greenlight: the target is {HERE} of this folder; --environment names another\n")


def output(group: Any) -> None:
    """Adds the option for the output folder."""
    group.add_argument(
        "--output-dir", type=folder, default=Path("websocket_validation_reports"), metavar="DIR",
        help="folder for session folders (default: %(default)s; example: --output-dir reports)",
    )  # fmt: skip


def how_shown(group: Any, command: str) -> None:
    """Adds the options for what is printed."""
    on_stdout = group.add_mutually_exclusive_group()
    on_stdout.add_argument(
        "--ci-mode", action="store_true",
        help=f"print only four machine-readable lines on stdout (example: greenlight {command} --ci-mode)",
    )  # fmt: skip
    on_stdout.add_argument(
        "--format", choices=("text", JSON_LINES), default="text",
        help=f"{JSON_LINES}: print on stdout an object for each finding, with its conversation and the next command, "
        f"and last the verdict (default: text; example: greenlight {command} --format {JSON_LINES})",
    )  # fmt: skip
    group.add_argument(
        "--verbose", action="store_true",
        help=f"print each finding with the messages around it (example: greenlight {command} --verbose)",
    )  # fmt: skip


def for_programs(options: argparse.Namespace) -> bool:
    """Whether stdout is for a program, so that what users read goes to stderr."""
    return bool(options.ci_mode) or options.format == JSON_LINES


def signing(group: Any, command: str) -> None:
    """Adds the options that sign a session."""
    group.add_argument(
        "--sign-key", metavar="ENV",
        help="sign evidence and verdict (attestation.json, an in-toto test result) with the Ed25519 private key in "
        f"this environment variable, as PEM or base64 (example: greenlight {command} --sign-key RELEASE_KEY)",
    )  # fmt: skip
    group.add_argument(
        "--subject", metavar="NAME@sha256:DIGEST",
        help="what is judged, for the signature (default: the version that the target reports; example: --subject "
        f"chat@sha256:{'0' * 8}...)",
    )  # fmt: skip


def signer_of(options: argparse.Namespace) -> "Signer | None":
    """What signs the session, if that is asked for: most commands need not import it. Raises Misconfigured."""
    if options.sign_key is None and options.subject is None:
        return None
    from greenlight_gate.cli.signing import Signer  # noqa: PLC0415 -- as above

    return Signer(options)


def defect_option(add: Callable[..., argparse.Action], does: str, example: str) -> None:
    """Adds `--defect` by a parser's or group's `add_argument`. `does`: what the command does with each defect."""
    add(
        "--defect", action="append", default=[], metavar="NAME[=VALUE]",
        help=f"{does}; may be repeated (example: --defect {example})",
    )  # fmt: skip


def metrics_push(group: Any, command: str) -> None:
    """Adds the option that writes metrics."""
    group.add_argument(
        "--metrics-push", type=prom_file, metavar="FILE.prom",
        help="write metrics for the textfile collector of node_exporter when the session has ended "
        f"(example: greenlight {command} --metrics-push /var/lib/node_exporter/greenlight.prom)",
    )  # fmt: skip


def otlp(group: Any) -> None:
    """Adds `--otlp` and `--otlp-content`. `otlp` is None without the option, and "" without a URL."""
    group.add_argument(
        "--otlp", type=_receiver, nargs="?", const="", metavar="URL",
        help="send each run as an OpenTelemetry trace to this OTLP/HTTP receiver, and its traceparent to the target; "
        "without URL to that of OTEL_EXPORTER_OTLP_ENDPOINT; without this option nothing is sent "
        "(example: --otlp http://127.0.0.1:4318)",
    )  # fmt: skip
    group.add_argument(
        "--otlp-content", action="store_true",
        help="traces hold prompts, answers and what findings quote, without tokens (example: --otlp --otlp-content)",
    )  # fmt: skip


def _receiver(text: str) -> str:
    if not text:
        return text
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        # It may hold a password, and is not repeated.
        raise argparse.ArgumentTypeError("expected a URL like http://127.0.0.1:4318")
    return text
