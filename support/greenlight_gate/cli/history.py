"""greenlight history: the sessions of an output folder, their trend, what changed, and the days of the monitor."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import Parser, command_of, folder, output, positive
from greenlight_gate.cli.views.terminal import Terminal
from greenlight_gate.evidence.history import HISTORY, Changed, History, HistoryEntry
from greenlight_gate.evidence.monitor_day import DayFigures, days_in
from greenlight_gate.findings import numbered
from greenlight_gate.monitor.round import RoundOutcome
from greenlight_gate.report.trend import CAPACITY, HEADS, figures_of, sparkline
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.verdict.repeats import Repeated, differences


def add(commands: Any) -> None:
    """Adds the command."""
    history = command_of(
        commands, "history", SUMMARIES["history"],
        "greenlight history --environment staging --last 10",
        "exit codes: 0 listed, 3 misconfigured",
    )  # fmt: skip
    history.add_argument(
        "--environment", metavar="NAME", help="show only the target of this name (example: --environment embedded)"
    )
    history.add_argument(
        "--last",
        type=positive(int),
        default=20,
        metavar="N",
        help="number of sessions to show (default: 20; example: --last 5)",
    )
    output(history)
    actions = history.add_subparsers(
        dest="action", metavar="ACTION", parser_class=Parser,
        help="compare two sessions (example: greenlight history compare EARLIER LATER)",
    )  # fmt: skip
    compare = command_of(
        actions, "compare", "tell what passed less often in a later session than in an earlier one, and how probably",
        "greenlight history compare EARLIER_SESSION LATER_SESSION",
        "exit codes: 0 nothing passed less often, 1 a regression, 2 a difference that may be noise, 3 misconfigured",
    )  # fmt: skip
    for name, which in (("before", "earlier"), ("after", "later")):
        compare.add_argument(
            name, metavar="AB"[name == "after"],
            help=f"the {which} session: its id or its folder (example: validation_session_1767225600)",
        )  # fmt: skip
    # What was given before `compare` stays.
    compare.add_argument("--output-dir", type=folder, default=argparse.SUPPRESS, metavar="DIR", help=_OF_COMPARE)


_OF_COMPARE = (
    "output folder with the history of both (default: websocket_validation_reports; example: --output-dir reports)"
)
_COLOURS = {"APPROVED": "green", "BLOCKED": "red", "INCONCLUSIVE": "yellow"}
_MOST_CHANGES = 12


def history(options: argparse.Namespace) -> int:
    """Shows each target, or the named one. Raises Misconfigured if there is nothing to show."""
    where: Path = options.output_dir
    is_kept = (where / HISTORY).is_file()
    days = [] if options.action == "compare" else days_in(where, options.environment, options.last)
    if not is_kept and not days:
        raise Misconfigured(
            f"{where}: has no history; `greenlight run`, `greenlight load` and `greenlight monitor` write one"
        )
    console = Terminal()
    if is_kept:
        kept = History(where)
        if options.action == "compare":
            return _compare(kept, options, console)
        _sessions(kept, options, console, is_needed=not days)
    if days:
        _days(days, console)
    return 0


def _sessions(kept: History, options: argparse.Namespace, console: Console, *, is_needed: bool) -> None:
    try:
        sessions = kept.sessions(options.environment, most=options.last)
        if kept.warning:
            console.print(f"[yellow]{escape(kept.warning)}[/]", highlight=False)
        if not sessions and is_needed:
            raise Misconfigured(
                f"{options.output_dir}: the history has no session of {options.environment or 'any target'}"
            )
        for series in dict.fromkeys(past.series for past in sessions):
            _series([past for past in sessions if past.series == series], kept, console)
    except OSError as error:
        raise Misconfigured(f"{kept.path} cannot be read: {error}") from error


def _days(days: Sequence[DayFigures], console: Console) -> None:
    """The days of `greenlight monitor`, of each target by itself."""
    for environment in dict.fromkeys(day.environment for day in days):
        console.print(f"\n[bold]{escape(environment)}[/], monitored", highlight=False, soft_wrap=True)
        table = Table(box=None, pad_edge=False, show_edge=False)
        for number, head in enumerate(("day (UTC)", "rounds", *RoundOutcome, "rounds that broke a rule")):
            table.add_column(head, justify="right" if 0 < number <= len(RoundOutcome) + 1 else "left", overflow="fold")
        for day in days:
            if day.environment == environment:
                counts = (str(day.outcomes[outcome] or "") for outcome in RoundOutcome)
                broken = ", ".join(f"{rule} {times}" for rule, times in day.rules.most_common(_MOST_CHANGES))
                table.add_row(day.day, str(day.outcomes.total()), *counts, f"[red]{escape(broken)}[/]")
        console.print(table, highlight=False)


def _compare(kept: History, options: argparse.Namespace, console: Console) -> int:
    """Shows what passed less often, and which rules are new. Returns 0, 1 for a regression, 2 for what may be noise."""
    names = (options.before, options.after)
    try:
        sessions = [_session(kept, name) for name in names]
        before, after = (_passed(kept, session) for session in sessions)
        changed = kept.changed(Path(options.before).name, Path(options.after).name)
    except OSError as error:
        raise Misconfigured(f"{kept.path} cannot be read: {error}") from error
    ran, again = ({(each.category, each.name) for each in some} for some in (before, after))
    if not ran & again:
        raise Misconfigured(f"{options.before} and {options.after}: no scenario ran in both")
    times = " and ".join(str(max(each.times for each in some)) for some in (before, after))
    console.print(
        f"{numbered(len(ran & again), 'scenario')} in both sessions, run up to {times} times", highlight=False
    )  # fmt: skip
    for said in _not_alike(sessions, len(ran - again)):
        console.print(f"[yellow]{escape(said)}[/]", highlight=False, soft_wrap=True)
    found = differences(before, after)
    for each in found[:_MOST_CHANGES]:
        word, colour = ("regression", "red") if each.is_likely else ("maybe noise", "yellow")
        said = f"{escape(str(each))}; worse with a probability of {100 * each.probability:.1f} %"
        console.print(f"  [{colour}]{word:<12}[/] {said}", highlight=False, soft_wrap=True)
    if len(found) > _MOST_CHANGES:
        console.print(f"  and {len(found) - _MOST_CHANGES} more that passed less often", highlight=False)
    _changes(changed, console)
    if any(each.is_likely for each in found):
        return 1
    if not found:
        console.print("nothing passed less often", highlight=False)
        return 0
    console.print(
        "Next: greenlight run --repeat 5, as often for both: then noise and regression differ", soft_wrap=True
    )
    return 2


def _not_alike(sessions: Sequence[HistoryEntry], missing: int) -> Iterator[str]:
    """Why what two sessions show need not be the doing of the target. `missing`: scenarios that the later one lacks."""
    before, after = sessions
    if before.target != after.target:
        yield f"They judged different targets: {before.target} and {after.target}"
    if missing:
        yield f"{numbered(missing, 'scenario')} of {before.id} neither passed nor failed in {after.id}"


def _session(kept: History, name: str) -> HistoryEntry:
    """The session of an id or a folder. Raises Misconfigured, OSError."""
    # A folder is named as its session.
    session = kept.session(Path(name).name)
    if session is None:
        known = ", ".join(past.id for past in reversed(kept.sessions(most=5)))
        raise Misconfigured(f"{name}: the history has no such session; the latest are {known or 'none'}")
    return session


def _passed(kept: History, session: HistoryEntry) -> list[Repeated]:
    """What a session's scenarios passed. Raises Misconfigured, OSError."""
    passed = kept.repeats(session.id)
    if not passed:
        what = (
            "is a load" if session.is_load else "has no scenario that passed or failed, or an earlier version kept it"
        )
        raise Misconfigured(f"{session.id}: {what}; `greenlight verdict FOLDER` keeps a session anew")
    return passed


def _series(sessions: list[HistoryEntry], kept: History, console: Console) -> None:
    target, categories, selection = sessions[0].series
    of = "under load" if sessions[0].is_load else ", ".join(categories.split())
    only = f"; only {selection}" if selection else ""
    console.print(f"\n[bold]{escape(target)}[/], {escape(of + only)}", highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, show_edge=False)
    for number, head in enumerate(HEADS):
        table.add_column(head, justify="left" if number < 2 else "right", overflow="fold")
    for past in sessions:
        cells = figures_of(past)
        shown = [escape(cell) for cell in cells]
        table.add_row(shown[0], f"[{_COLOURS.get(past.verdict, 'white')}]{shown[1]}[/]", *shown[2:])
    console.print(table, highlight=False)
    if len(sessions) < 2:
        return
    for figure, column in CAPACITY:
        values = [getattr(past, column) for past in sessions]
        if any(values):
            console.print(f"  {figure:<24} {sparkline(values)}", highlight=False)
    _changes(kept.changed(sessions[-2].id, sessions[-1].id), console)


def _changes(changed: Changed, console: Console) -> None:
    for name, items in changed.by_kind:
        for rule, scenario in items[:_MOST_CHANGES]:
            console.print(f"  {name:<12} {escape(rule)} in '{escape(scenario)}'", highlight=False, soft_wrap=True)
        if len(items) > _MOST_CHANGES:
            console.print(f"  {name:<12} and {len(items) - _MOST_CHANGES} more", highlight=False)
