"""greenlight: decides whether a streaming AI-chat backend may be released.

Exit codes: 0 approved, 1 blocked, 2 inconclusive, 3 misconfigured, 130 interrupted.
"""

import argparse
import difflib
import importlib
import re
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

MISCONFIGURED = 3
INTERRUPTED = 130
CATEGORIES = ("functional", "integration", "performance", "resilience", "security", "stress")

_NO_SUCH_COMMAND = re.compile(r"argument (?:COMMAND|ACTION): invalid choice: ['\"](.*)['\"] \(choose from ")
_EPILOG = "exit codes: 0 approved, 1 blocked, 2 inconclusive, 3 misconfigured, 130 interrupted"


class _Parser(argparse.ArgumentParser):
    """argparse whose errors are one line, name what is nearest, and end with the exit code for a user's mistake."""

    def error(self, message: str) -> NoReturn:
        chosen = _NO_SUCH_COMMAND.search(message)
        if chosen is not None:
            (known,) = [list(action.choices or ()) for action in self._actions if action.dest in ("command", "action")]
            message = f"unknown command {chosen[1]!r}, expected one of {', '.join(_nearest_first(chosen[1], known))}"
        sys.stderr.write(f"greenlight: {message}{self._hint(message)} (see `{self.prog} --help`)\n")
        raise SystemExit(MISCONFIGURED)

    def _hint(self, message: str) -> str:
        """The options that exist, the nearest first, where an unknown one was given."""
        unknown = message.partition("unrecognized arguments: ")[2].split(" ")[0].partition("=")[0]
        options = [option for action in self._actions for option in action.option_strings if option.startswith("--")]
        if not unknown.startswith("-"):
            return ""
        return f"; expected one of {', '.join(_nearest_first(unknown, options))}"


def _nearest_first(word: str, known: Sequence[str]) -> list[str]:
    return sorted(known, key=lambda name: -difflib.SequenceMatcher(None, name, word).ratio())


def _category(text: str) -> str:
    if text in CATEGORIES:
        return text
    known = ", ".join(_nearest_first(text, CATEGORIES))
    raise argparse.ArgumentTypeError(f"unknown category {text!r}, expected one of {known}")


def _positive(kind: Callable[[str], float]) -> Callable[[str], Any]:
    def convert(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"expected a number greater than 0, got {text!r}") from None
        if not 0 < value < 1e9:
            raise argparse.ArgumentTypeError(f"expected a number greater than 0, got {text!r}")
        return value

    return convert


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = _Parser(prog="greenlight", description=__doc__.split("\n")[0], epilog=_EPILOG, allow_abbrev=False)
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=_Parser)
    _run(commands)
    _verdict(commands)
    _serve(commands)
    _doctor(commands)
    _profile(commands)
    _load(commands)
    _history(commands)
    _schema(commands)
    _services(commands)
    return top


def _command(commands: Any, name: str, help_: str, example: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=help_, description=help_, epilog=f"example: {example}\n\n{_EPILOG}", allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.set_defaults(parser=command)
    return command


def _target(group: Any) -> None:
    group.add_argument(
        "--environment", default="embedded", metavar="NAME|FILE.toml",
        help="what is judged: embedded (starts and stops its own backend), local, staging, or a target file "
        "(default: embedded; example: --environment staging)",
    )  # fmt: skip


def _output(group: Any) -> None:
    group.add_argument(
        "--output-dir", type=Path, default=Path("websocket_validation_reports"), metavar="DIR",
        help="where session folders are kept (default: %(default)s; example: --output-dir reports)",
    )  # fmt: skip


def _how_shown(group: Any, command: str) -> None:
    group.add_argument(
        "--ci-mode", action="store_true",
        help=f"print three machine-readable lines on stdout, no more (example: greenlight {command} --ci-mode)",
    )  # fmt: skip
    group.add_argument(
        "--verbose", action="store_true",
        help=f"show each finding with its conversation (example: greenlight {command} --verbose)",
    )  # fmt: skip


def _run(commands: Any) -> None:
    run = _command(
        commands, "run", "judge a backend: run the scenarios, keep the evidence, give the verdict",
        "greenlight run --categories functional integration",
    )  # fmt: skip
    what = run.add_argument_group("what is judged")
    _target(what)
    what.add_argument(
        "--categories", nargs="+", action="extend", type=_category, metavar="CATEGORY",
        help=f"any of {', '.join(CATEGORIES)} (default: all that have features; example: --categories functional)",
    )  # fmt: skip
    what.add_argument(
        "--tags", default="", metavar="EXPR",
        help="behave tag expression within the categories (example: --tags '@functional and not @slow')",
    )  # fmt: skip
    what.add_argument(
        "--defect", action="append", default=[], metavar="NAME[=VALUE]",
        help="start the embedded backend with a seeded defect, to see it caught (example: --defect thinking_missing)",
    )  # fmt: skip
    how = run.add_argument_group("how it is judged")
    how.add_argument(
        "--performance-threshold", type=_positive(float), metavar="MS",
        help="largest average event latency in milliseconds (default: the target's, 100; "
        "example: --performance-threshold 50)",
    )  # fmt: skip
    how.add_argument(
        "--timeout", type=_positive(float), default=900, metavar="SECONDS",
        help="for the whole run; past it the verdict is INCONCLUSIVE (default: 900; example: --timeout 300)",
    )  # fmt: skip
    how.add_argument(
        "--scale", type=_positive(int), default=25, metavar="N",
        help="people at once in stress scenarios (default: 25; example: --scale 500)",
    )  # fmt: skip
    how.add_argument(
        "--soak", type=_positive(float), default=20, metavar="SECONDS",
        help="how long the memory is watched in stress scenarios (default: 20; example: --soak 1800)",
    )  # fmt: skip
    how.add_argument(
        "--baseline", action="store_true",
        help="block if it is slower than the sessions of this target that were approved before; without it that is "
        "only shown (example: greenlight run --baseline)",
    )  # fmt: skip
    how.add_argument(
        "--skip-services-check", action="store_true",
        help="with --environment local: take the stack as it is, start nothing (example: --skip-services-check)",
    )  # fmt: skip
    how.add_argument(
        "--fail-fast", action="store_true",
        help="stop at the first scenario that fails (example: greenlight run --fail-fast)",
    )  # fmt: skip
    out = run.add_argument_group("what comes out")
    _output(out)
    out.add_argument(
        "--allure", action="store_true",
        help="make allure-report.html, even if npx has to fetch Allure (example: greenlight run --allure)",
    )  # fmt: skip
    _how_shown(out, "run")


def _verdict(commands: Any) -> None:
    verdict = _command(
        commands, "verdict", "judge an evidence folder again, offline",
        "greenlight verdict websocket_validation_reports/validation_session_1694123456",
    )  # fmt: skip
    verdict.add_argument(
        "session", nargs="?", type=Path, metavar="SESSION",
        help="a session folder (default: the newest one in --output-dir)",
    )  # fmt: skip
    _output(verdict)
    _how_shown(verdict, "verdict")


def _serve(commands: Any) -> None:
    serve = _command(
        commands, "serve", "run the embedded backend in the foreground, as another team's would run",
        "greenlight serve --port 8000 --defect started_twice",
    )  # fmt: skip
    serve.add_argument(
        "--host", default="127.0.0.1",
        help="address to listen on (default: %(default)s; example: --host 0.0.0.0)",
    )  # fmt: skip
    serve.add_argument(
        "--port", type=int, default=8000,
        help="port to listen on, 0 for any (default: %(default)s; example: --port 8001)",
    )  # fmt: skip
    serve.add_argument(
        "--defect", action="append", default=[], metavar="NAME[=VALUE]",
        help="seed a defect; may be repeated (example: --defect tool_name_missing)",
    )  # fmt: skip
    serve.add_argument(
        "--admin-token-env", default="", metavar="NAME",
        help="PUT /admin/defects changes the defects while it runs, for whoever shows the token in this variable "
        "(default: nobody can; example: --admin-token-env CHAT_ADMIN_TOKEN)",
    )  # fmt: skip
    serve.add_argument(
        "--list-defects", action="store_true",
        help="print the known defects and exit (example: greenlight serve --list-defects)",
    )  # fmt: skip


def _doctor(commands: Any) -> None:
    doctor = _command(
        commands, "doctor",
        "try a target step by step: DNS, TCP, TLS, health, auth, handshake, one run, each frame as read",
        "greenlight doctor --environment mine.toml",
    )  # fmt: skip
    _target(doctor)
    doctor.add_argument(
        "--record", type=Path, metavar="FILE.jsonl", help="keep the frames (example: --record capture.jsonl)"
    )


def _profile(commands: Any) -> None:
    profile = commands.add_parser(
        "profile", help="check a profile on recorded frames, or draft one from them", allow_abbrev=False,
        description="check a profile on recorded frames, or draft one from them",
    )  # fmt: skip
    actions = profile.add_subparsers(dest="action", metavar="ACTION", required=True, parser_class=_Parser)
    check = _command(
        actions, "check", "read a profile, and recorded frames with it: events, unmapped frames, findings",
        "greenlight profile check mine.toml capture.jsonl",
    )  # fmt: skip
    check.add_argument(
        "file",
        metavar="FILE.toml|NAME",
        help="a profile file, or the name of one that ships (example: greenlight profile check agno)",
    )
    check.add_argument(
        "capture", nargs="?", type=Path, metavar="CAPTURE.jsonl",
        help="recorded frames, as `greenlight doctor --record` keeps them "
        "(default: none; example: greenlight profile check mine.toml capture.jsonl)",
    )  # fmt: skip
    draft = _command(
        actions, "draft", "propose a profile from recorded frames, for a person to finish",
        "greenlight profile draft capture.jsonl > mine.toml",
    )  # fmt: skip
    draft.add_argument(
        "capture",
        type=Path,
        metavar="CAPTURE.jsonl",
        help="recorded frames (example: greenlight profile draft capture.jsonl)",
    )


def _load(commands: Any) -> None:
    load = _command(
        commands, "load", "put many people on a backend at once, and check every event of each of them",
        "greenlight load --users 500 --duration 30 --json load.json",
    )  # fmt: skip
    _target(load)
    number, whole = _positive(float), _positive(int)
    how_many = load.add_argument_group("how many, how often")
    how_many.add_argument(
        "--users", type=whole, required=True, metavar="N",
        help="people at once; all are connected before the first one asks (example: --users 500)",
    )  # fmt: skip
    for option, kind, metavar, help_ in (
        ("--duration", number, "S", "seconds of asking (default: 10; example: --duration 60)"),
        ("--runs-per-user", whole, "K", "questions of each person (example: --runs-per-user 3)"),
        ("--rate", number, "R", "open: questions a second of all together (example: --arrival open --rate 50)"),
    ):
        how_many.add_argument(option, type=kind, metavar=metavar, help=help_)
    how_many.add_argument(
        "--arrival", choices=("closed", "open"), default="closed",
        help="closed: each asks again when answered; open: questions come at a rate, whatever the backend does "
        "(default: closed; example: --arrival open --rate 50)",
    )  # fmt: skip
    how_many.add_argument(
        "--poisson", action="store_true",
        help="open: at random moments of this rate (example: --arrival open --rate 50 --poisson)",
    )  # fmt: skip
    for option, help_ in (
        ("--think", "closed: seconds between an answer and the next question (default: 0; example: --think 2)"),
        ("--ramp", "seconds over which all connect (default: at once; example: --ramp 30)"),
        ("--hold", "seconds to be connected without a word before the asking (default: 0; example: --hold 10)"),
        ("--ramp-down", "seconds over which all leave (default: at once; example: --ramp-down 5)"),
    ):
        how_many.add_argument(option, type=_zero_or_more, default=0.0, metavar="S", help=help_)
    what = load.add_argument_group("what and from where")
    what.add_argument(
        "--prompt", action="append", default=[], metavar="NAME",
        help="what is asked, by the name in the target file; may be repeated (example: --prompt with_tool)",
    )  # fmt: skip
    what.add_argument(
        "--processes", type=whole, metavar="P",
        help="share the people among so many processes, or workers of the cluster (example: --processes 2)",
    )  # fmt: skip
    what.add_argument(
        "--cluster", metavar="ADDRESS",
        help="share the people among the workers of a Dask scheduler (example: --cluster tcp://scheduler:8786)",
    )  # fmt: skip
    what.add_argument(
        "--source", action="append", default=[], metavar="ADDRESS",
        help="an address of this machine to connect from; may be repeated (example: --source 10.0.0.5)",
    )  # fmt: skip
    what.add_argument(
        "--compress", action="store_true", help="offer permessage-deflate (example: greenlight load ... --compress)"
    )
    what.add_argument(
        "--defect", action="append", default=[], metavar="NAME[=VALUE]",
        help="start the embedded backend with a seeded defect (example: --defect drops_one_in)",
    )  # fmt: skip
    out = load.add_argument_group("what comes out")
    out.add_argument(
        "--performance-threshold", type=number, metavar="MS",
        help="largest average latency in milliseconds; without it latency is only shown "
        "(example: --performance-threshold 100)",
    )  # fmt: skip
    out.add_argument("--json", type=Path, metavar="FILE", help="write the result as JSON (example: --json load.json)")
    _output(out)


def _zero_or_more(text: str) -> float:
    if text.strip() in ("0", "0.0"):
        return 0.0
    return float(_positive(float)(text))


def _history(commands: Any) -> None:
    history = _command(
        commands, "history", "past sessions, their trend, and what is new, fixed and still there",
        "greenlight history --environment staging --last 10",
    )  # fmt: skip
    history.add_argument(
        "--environment", metavar="NAME", help="one target only, by its name (example: --environment embedded)"
    )
    history.add_argument(
        "--last", type=_positive(int), default=20, metavar="N", help="so many sessions (default: 20; example: --last 5)"
    )
    _output(history)


def _schema(commands: Any) -> None:
    schema = _command(
        commands, "schema", "print the JSON schemas of the report and the monitoring files",
        "greenlight schema comprehensive_validation_report.json",
    )  # fmt: skip
    schema.add_argument(
        "file", nargs="?", default="", metavar="FILE",
        help="a file of the session folder (default: all; example: greenlight schema monitoring/failure_patterns.json)",
    )  # fmt: skip


def _services(commands: Any) -> None:
    services = _command(
        commands, "services", "start, stop and look at the services of a target (default: the stack of `local`)",
        "greenlight services start --runtime processes",
    )  # fmt: skip
    services.add_argument(
        "action", choices=("start", "stop", "restart", "status", "logs", "clean"),
        help="what is to be done; clean ends all and removes data and logs (example: greenlight services status)",
    )  # fmt: skip
    services.add_argument(
        "service", nargs="*", metavar="SERVICE",
        help="only these, for stop, restart and logs (example: greenlight services restart redis)",
    )  # fmt: skip
    services.add_argument(
        "--environment", default="local", metavar="NAME|FILE.toml",
        help="whose services: local, or a target file with compose or a command (default: local; "
        "example: --environment mine.toml)",
    )  # fmt: skip
    services.add_argument(
        "--runtime", choices=("auto", "processes", "docker"), default="auto",
        help="processes of this machine, or containers; auto takes what is there, and says which (default: auto; "
        "example: --runtime docker)",
    )  # fmt: skip
    services.add_argument(
        "--port", type=int, default=0,
        help="start: where people come in (default: any free port; example: --port 8000)",
    )  # fmt: skip
    services.add_argument(
        "--defect", action="append", default=[], metavar="NAME[=VALUE]",
        help="start: seed a defect in both replicas; may be repeated (example: --defect fan_out_to_one_replica)",
    )  # fmt: skip
    services.add_argument(
        "--lines", type=_positive(int), default=20, help="logs: how many of each (default: 20; example: --lines 100)"
    )
    services.add_argument(
        "--follow", action="store_true", help="logs: go on until Ctrl-C (example: greenlight services logs --follow)"
    )
    services.add_argument(
        "--yes", action="store_true", help="clean: do not ask (example: greenlight services clean --yes)"
    )


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
