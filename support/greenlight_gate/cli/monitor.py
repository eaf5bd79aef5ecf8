"""greenlight monitor: watches a target all day, as two synthetic users who play a short round at each interval."""

# mypy: allow-untyped-calls
# The parser of tag expressions ships no types.
import argparse
import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.monitor_observers import OBSERVERS
from greenlight_gate.cli.options import INTERRUPTED, command_of, output, positive, target
from greenlight_gate.cli.views.terminal import Terminal
from greenlight_gate.findings import numbered
from greenlight_gate.monitor.alerts import Alert
from greenlight_gate.monitor.clock import WallClock
from greenlight_gate.monitor.round import Round, RoundObserver, RoundOutcome, Watched
from greenlight_gate.monitor.schedule import MonitorSchedule
from greenlight_gate.session.interruption import interruptible
from greenlight_gate.session.synthetic_user import PARTS, Part, SyntheticUser
from greenlight_gate.session.target_watch import TargetWatch
from greenlight_gate.session.validation_session import SessionPlan, ValidationSession
from greenlight_gate.targets.sections import LEAST_EVERY_S, MOST_EVERY_S
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.verdict.facts import Verdict

_EXIT_CODES = (
    "exit codes: 0 ended by SIGTERM, 3 misconfigured, 130 interrupted; with --rounds: 0 all rounds passed, 1 a round "
    "failed, 2 a round was unreachable, skipped or broken, 3 misconfigured, 130 interrupted"
)


def add(commands: Any) -> None:
    """Adds the command."""
    monitor = command_of(
        commands, "monitor", SUMMARIES["monitor"],
        "greenlight monitor --environment mine.toml --every 60", _EXIT_CODES,
    )  # fmt: skip
    what = monitor.add_argument_group("target and rounds")
    target(what)
    what.add_argument(
        "--every", type=_interval, metavar="SECONDS",
        help=f"interval between the beginnings of rounds, {LEAST_EVERY_S} to {MOST_EVERY_S} (default: [monitor] "
        "every_s of the target file, 60; example: --every 30)",
    )  # fmt: skip
    what.add_argument(
        "--scenarios", default="", metavar="TAGS",
        help="only the parts of a round with these tags, as a tag expression: "
        f"{', '.join(' '.join(part.tags) for part in PARTS)} (default: all that the target can show; "
        "example: --scenarios '@functional or @isolation')",
    )  # fmt: skip
    what.add_argument(
        "--rounds", type=positive(int), metavar="N",
        help="end after so many rounds: 0 if all passed, 1 if one failed, 2 if one was unreachable, was not played or "
        "failed by the suite's own fault (default: until SIGTERM, which then is exit code 0; example: --rounds 1)",
    )  # fmt: skip
    out = monitor.add_argument_group("output")
    output(out)
    out.add_argument(
        "--verbose", action="store_true",
        help="print every round, not only those that did not pass (example: greenlight monitor --verbose)",
    )  # fmt: skip
    for each in OBSERVERS:
        each.add(out)


def _interval(text: str) -> float:
    every_s: float = positive(float)(text)
    if not LEAST_EVERY_S <= every_s <= MOST_EVERY_S:
        raise argparse.ArgumentTypeError(f"expected {LEAST_EVERY_S} to {MOST_EVERY_S} seconds, got {text!r}")
    return every_s


def monitor(options: argparse.Namespace) -> int:
    """Plays rounds until it is interrupted, or as many as are asked for. Raises Misconfigured."""
    console = Terminal()
    plan = SessionPlan(environment=options.environment, output_dir=options.output_dir, environ=dict(os.environ))
    suite = ValidationSession(plan)
    with interruptible(None) as interruption, contextlib.ExitStack() as held:
        held.callback(suite.stop)
        suite.prepare()
        suite.watch_host()
        parts = _parts(options.scenarios, suite, console)
        schedule = MonitorSchedule(suite.target.monitor, options.every)
        watched = Watched(
            suite.target.name, suite.target.url, str(plan.output_dir), schedule.longest_every_s, suite.lasting_url
        )
        observers: list[RoundObserver] = [_Printed(console, plan.output_dir, verbose=options.verbose)]
        for each in OBSERVERS:
            observer = held.enter_context(each.observing(options, watched))
            observers += [observer] if observer is not None else []
        watch = TargetWatch(
            suite, SyntheticUser(suite, parts), WallClock(), schedule, observers=observers,
            tell_fault=lambda said: _say(console, f"[yellow]{escape(said)}[/]"),
            tell_folder=lambda folder: _say(console, f"rounds are kept in {escape(str(folder))}"),
        )  # fmt: skip
        _say(
            console,
            f"Greenlight watches [bold]{escape(suite.target.name)}[/] every {schedule.every_s(WallClock().now()):g} s: "
            f"{', '.join(part.name for part in parts)}",
        )
        try:
            watch.run(interruption, options.rounds)
        except KeyboardInterrupt:
            _say(console, f"ended by {interruption.reason or 'SIGINT'} after {_counted(watch)}{_kept(watch)}")
            return 0 if interruption.reason == "SIGTERM" and options.rounds is None else INTERRUPTED
        _say(console, f"{_counted(watch)}{_kept(watch)}")
        return _code(watch)


def _parts(tags: str, suite: ValidationSession, console: Console) -> tuple[Part, ...]:
    """The parts of a round that are asked for, and that the target can show. Raises Misconfigured if there is none."""
    from cucumber_tag_expressions import parse  # noqa: PLC0415 -- most commands need it not
    from cucumber_tag_expressions.parser import TagExpressionError  # noqa: PLC0415 -- as above

    try:
        wanted = parse(tags)
    except TagExpressionError as error:
        complaint = str(error).splitlines()[0]
        raise Misconfigured(
            f"--scenarios {tags!r}: expected an expression like '@functional or @isolation': {complaint}"
        ) from error
    parts = [part for part in PARTS if wanted.evaluate(part.tags)]
    if not parts:
        known = ", ".join(dict.fromkeys(tag for part in PARTS for tag in part.tags))
        raise Misconfigured(f"--scenarios {tags!r}: no part of a round has these tags; there are {known}")
    lacking = {part.name: why for part in parts if (why := part.lacking(suite))}
    for name, why in lacking.items():
        _say(console, f"[yellow]{escape(f'not in the rounds: {name} ({why})')}[/]")
    if len(lacking) == len(parts):
        raise Misconfigured(f"{suite.target.name}: no part of a round can be played: {'; '.join(lacking.values())}")
    for said in (*suite.notices, *suite.caveats):
        _say(console, f"[yellow]{escape(said)}[/]")
    return tuple(part for part in parts if part.name not in lacking)


def _code(watch: TargetWatch) -> int:
    """The exit code after as many rounds as were asked for."""
    outcomes = set(watch.outcomes)
    if RoundOutcome.FAILED in outcomes:
        return Verdict.BLOCKED.exit_code
    return Verdict.APPROVED.exit_code if outcomes == {RoundOutcome.PASSED} else Verdict.INCONCLUSIVE.exit_code


def _counted(watch: TargetWatch) -> str:
    said = [f"{count} {outcome}" for outcome in RoundOutcome if (count := watch.outcomes[outcome])]
    return f"{numbered(watch.outcomes.total(), 'round')}{': ' if said else ''}{', '.join(said)}"


def _kept(watch: TargetWatch) -> str:
    return f"; kept in {escape(str(watch.folder))}" if watch.folder is not None else ""


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, soft_wrap=not console.is_terminal)


class _Printed(RoundObserver):
    """What the terminal shows of the rounds."""

    def __init__(self, console: Console, output_dir: Path, *, verbose: bool) -> None:
        self._console = console
        self._output_dir = output_dir
        self._verbose = verbose
        self._last: RoundOutcome | None = None

    def on_restart(self, going_on: Sequence[Alert]) -> None:
        """Prints what has begun before, and was not over."""
        for alert in going_on:
            _say(self._console, f"[bold]{escape(f'{alert.time}  {alert}')}[/] [dim](before the restart)[/]")

    def on_round(self, one: Round) -> None:
        """Prints a round that did not pass, and the first one that passes again."""
        passed = one.outcome is RoundOutcome.PASSED
        if self._verbose or not passed or self._last is not RoundOutcome.PASSED:
            colour = "green" if passed else "yellow" if one.outcome is RoundOutcome.SKIPPED else "red"
            said = one.why or f"{sum(one.runs.values())} answers in {one.took_s:.1f} s"
            kept = f" ({self._output_dir / one.evidence})" if one.evidence else ""
            _say(self._console, f"[{colour}]round {one.number} {one.outcome}[/]  {escape(f'{said}{kept}')}")
        self._last = one.outcome

    def on_alert(self, alert: Alert) -> None:
        """Prints an alert."""
        _say(self._console, f"[bold]{escape(f'{alert.time}  {alert}')}[/]")
