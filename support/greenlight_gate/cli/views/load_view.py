"""Shows a load: one line while it runs, figures and verdict at the end, figures as JSON."""

import time
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from greenlight_gate.cli.views.judgement import COLOURS
from greenlight_gate.evidence.judge import Judgement
from greenlight_gate.evidence.session_folder import write_whole
from greenlight_gate.findings import duration, numbered
from greenlight_gate.load.director import State
from greenlight_gate.measure.latency_summary import LatencySummary
from greenlight_gate.measure.load_result import LoadResult, figures
from greenlight_gate.measure.load_series import over_time

_EVERY_S = 0.5
_MB = 1e6


class LoadView:
    """A few lines that are updated on a terminal; without one, only the result is shown.

    `duration_s`: how long the users will ask; None: as long as it takes them.
    """

    def __init__(self, console: Console, duration_s: float | None = None) -> None:
        self._duration_s = duration_s
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None
        self._drawn_at = 0.0
        self._before: tuple[float, int, int] | None = None
        self._rates = (0.0, 0.0)

    def __enter__(self) -> "LoadView":
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, state: State) -> None:
        """Shows the state, twice a second."""
        now = time.monotonic()
        if self._live is None or now - self._drawn_at < _EVERY_S:
            return
        self._drawn_at = now
        self._live.update(Group(self._time(state, now), self._table(state, now)), refresh=True)

    def _table(self, state: State, now: float) -> Table:
        runs, events = state.total("runs"), state.total("events")
        if self._before is None:
            self._before = (now, runs, events)
        passed = now - self._before[0]
        if passed >= 1.0:
            self._rates = ((runs - self._before[1]) / passed, (events - self._before[2]) / passed)
            self._before = (now, runs, events)
        raw = state.raw
        latency = raw.summary() if raw is not None else None
        table = Table(box=None, pad_edge=False)
        for column in ("users", "runs/s", "events/s", "p50", "p95", "p99", "findings", "generator"):
            table.add_column(column, justify="right")
        shown = (latency.p50_ms, latency.p95_ms, latency.p99_ms) if latency is not None else None
        found = state.total("findings")
        busiest = max((progress.busy for progress in state.shards.values()), default=0.0)
        table.add_row(
            f"{state.total('users')}/{state.users}", f"{self._rates[0]:,.0f}",
            f"{self._rates[1]:,.0f}",
            *([f"{ms:.1f} ms" for ms in shown] if shown is not None else ["-"] * 3),
            f"[red]{found}[/]" if found else "0", f"{busiest:.0%} busy",
        )  # fmt: skip
        return table

    def _time(self, state: State, now: float) -> str:
        """How long the users have asked, and for how long they will."""
        if state.began_at is None or now < state.began_at:
            return "connecting"
        passed = now - state.began_at
        if self._duration_s is None:
            return duration(passed)
        left = self._duration_s - passed
        return f"{duration(passed)}, {duration(left)} left" if left > 0 else f"{duration(passed)}, ending"


def document(judgement: Judgement) -> dict[str, Any]:
    """The result as plain JSON values. Latencies in milliseconds, to agent_started unless said otherwise."""
    session, decision, patterns = judgement.session, judgement.decision, judgement.patterns
    summary = judgement.loads[0].summary
    per_cpu_s = summary.events / summary.cpu_seconds if summary.cpu_seconds else 0.0
    per_s = summary.connections_made / summary.connecting_seconds if summary.connecting_seconds else 0.0
    values: dict[str, Any] = {
        "greenlight_version": session.versions.get("greenlight", ""),
        "target": session.environment,
        "url": session.url,
        "target_version": session.target_version,
        "started_epoch_s": session.started_epoch_s,
        "workload": session.workload,
        "verdict": decision.verdict,
        "reason": decision.reason,
        "criteria": decision.criteria,
        "checked_events": summary.events,
        "runs": summary.runs,
        "findings": summary.findings,
        "cpu_seconds": round(summary.cpu_seconds, 3),
        "checked_events_per_cpu_second": round(per_cpu_s, 1),
        "latency": {"raw": figures(summary.raw), "corrected": figures(summary.corrected)},
        "delivery": figures(summary.delivery),
        "first_token": figures(summary.first_token),
        "whole_run": figures(summary.whole),
        "longest_silence": figures(summary.silence),
        "dropped": summary.dropped,
        "saturated": bool(summary.saturated),
        "peak_rss_mb": summary.peak_rss_mb,
        "connections_per_second": round(per_s, 1),
        "people": summary.users,
        "asked": summary.asked,
        "connections_tried": summary.connections_tried,
        "connections_made": summary.connections_made,
        "success_percent": round(summary.success_percent, 3),
        "seconds": round(summary.seconds, 3),
        "rules": summary.counts,
        "first_findings": summary.offences,
        "patterns": patterns,
        "generator": {
            "saturated_because": summary.saturated, "busy": summary.busy, "lag_ms_p99": summary.lag_ms_p99,
            "idle_rss_mb": summary.idle_rss_mb, "connected_rss_mb": summary.connected_rss_mb,
        },
        "time_series": over_time(summary.timeline),
        "lost_shards": summary.lost,
        "short_of": summary.short,
        "interrupted": summary.interrupted,
        "histograms": {
            name: getattr(summary, name)
            for name in ("raw", "corrected", "delivery", "first_token", "whole") if getattr(summary, name) is not None
        },
    }  # fmt: skip
    plain: dict[str, Any] = msgspec.to_builtins(values)
    return plain


def write_json(judgement: Judgement, path: Path) -> None:
    """Writes the result of a load session, atomically. Raises OSError."""
    write_whole(path, msgspec.json.format(msgspec.json.encode(document(judgement)), indent=2) + b"\n")


def show_load(judgement: Judgement, folder: Path, console: Console) -> None:
    """Shows the figures of the load, the verdict, and the command that draws a page of it, at 80 columns."""
    for load in judgement.loads:
        _figures(load.summary, console)
    decision = judgement.decision
    console.print(
        f"\n[bold {COLOURS[decision.verdict]}]{decision.verdict}[/]  {escape(decision.reason)}", highlight=False
    )
    # Drawn on demand: it takes as much time as a load of a hundred thousand events.
    console.print(f"[dim]Next: greenlight verdict {escape(str(folder))}[/]", highlight=False, soft_wrap=True)


def _figures(summary: LoadResult, console: Console) -> None:
    counts = Table(box=None, pad_edge=False, show_header=False)
    counts.add_column()
    counts.add_column(overflow="fold")
    per_cpu_s = summary.events / summary.cpu_seconds if summary.cpu_seconds else 0.0
    seconds = summary.seconds or 1.0
    rows = [
        ("users", f"{summary.connections_made:,} of {summary.users:,} connected"),
        ("runs", f"{summary.runs:,} of {numbered(summary.asked, 'request')}, {summary.runs / seconds:,.1f}/s"),
        ("checked events", f"{summary.events:,}, {summary.events / seconds:,.0f}/s, {per_cpu_s:,.0f} per CPU-second"),
        (
            "dropped",
            f"{numbered(summary.dropped, 'request')} that could not be sent in time" if summary.dropped else "",
        ),
        ("success", f"{summary.success_percent:.2f} % of the expected events and connections"),
        (
            "generator",
            f"{summary.busy:.0%} busy, {summary.lag_ms_p99:.1f} ms late at p99, {summary.peak_rss_mb:.0f} MB",
        ),
    ]
    for name, text in rows:
        if text:
            counts.add_row(name, text)
    latency = Table(box=None, pad_edge=False)
    latency.add_column("milliseconds")
    for column in ("avg", "p50", "p95", "p99", "max", "samples"):
        latency.add_column(column, justify="right")
    shown = {
        "acknowledgement, raw": summary.raw, "  from intended send": summary.corrected,
        "delivery": summary.delivery, "first token": summary.first_token, "whole run": summary.whole,
    }  # fmt: skip
    for name, encoded in shown.items():
        found: LatencySummary | None = figures(encoded)
        if found is not None:
            ms = (found.avg_ms, found.p50_ms, found.p95_ms, found.p99_ms, found.max_ms)
            latency.add_row(name, *(f"{value:.1f}" for value in ms), f"{found.samples:,}")
    console.print(counts, highlight=False)
    console.print()
    console.print(latency, highlight=False)
    guilty = {offence.finding.rule for offence in summary.convicting()}
    for rule, times in sorted(summary.counts.items()):
        first = next((o.finding for o in summary.offences if o.finding.rule == rule), None)
        said = f": expected {first.expected}, got {first.actual} [{first.user}]" if first is not None else ""
        colour = "red" if rule in guilty else "yellow"
        often = "once" if times == 1 else f"{times:,} times"
        console.print(f"[{colour}]{rule}[/] {often}{escape(said)}", highlight=False)
