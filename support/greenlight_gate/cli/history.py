"""greenlight history: the sessions of an output folder, their trend, and what changed."""

import argparse
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from greenlight_gate.cli.commands import SUMMARIES
from greenlight_gate.cli.options import command_of, output, positive
from greenlight_gate.cli.views.terminal import Terminal
from greenlight_gate.evidence.history import HISTORY, Changed, History, HistoryEntry
from greenlight_gate.report.trend import CAPACITY, HEADS, figures_of, sparkline
from greenlight_gate.targets.settings import Misconfigured


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


_COLOURS = {"APPROVED": "green", "BLOCKED": "red", "INCONCLUSIVE": "yellow"}
_MOST_CHANGES = 12


def history(options: argparse.Namespace) -> int:
    """Shows each target, or the named one. Raises Misconfigured if there is nothing to show."""
    folder: Path = options.output_dir
    if not (folder / HISTORY).is_file():
        raise Misconfigured(f"{folder}: has no history; `greenlight run` and `greenlight load` write one")
    console = Terminal()
    kept = History(folder)
    try:
        sessions = kept.sessions(options.environment, most=options.last)
        if kept.warning:
            console.print(f"[yellow]{escape(kept.warning)}[/]", highlight=False)
        if not sessions:
            raise Misconfigured(f"{folder}: the history has no session of {options.environment or 'any target'}")
        for series in dict.fromkeys(past.series for past in sessions):
            _series([past for past in sessions if past.series == series], kept, console)
    except OSError as error:
        raise Misconfigured(f"{kept.path} cannot be read: {error}") from error
    return 0


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
