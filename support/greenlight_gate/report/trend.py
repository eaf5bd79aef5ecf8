"""The trend of a target over its sessions, for the terminal and the page."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from greenlight_gate.evidence.history import Changed, HistoryEntry
from greenlight_gate.findings import printable
from greenlight_gate.verdict.baseline import MOST_SESSIONS, Baseline

_BARS = "▁▂▃▄▅▆▇█"
_MOST_CHANGES = 20
_WORDS = 2
CAPACITY = (
    ("latency, average, ms", "avg_ms"), ("latency, p95, ms", "p95_ms"), ("memory at the end, MB", "memory_mb_end"),
    ("users at a time", "connections_most"), ("events each second", "events_per_s"),
)  # fmt: skip


def sparkline(values: Sequence[float | None]) -> str:
    """A sparkline: the highest bar for the largest value, a space for a missing one."""
    known = [value for value in values if value is not None]
    if not known:
        return ""
    low, high = min(known), max(known)
    # Differences of less than a tenth are noise, which must not fill the whole height.
    reach = max(high - low, abs(high) / 10) or 1.0
    return "".join(" " if v is None else _BARS[round((v - low) / reach * (len(_BARS) - 1))] for v in values)


def baseline_of(sessions: Sequence[HistoryEntry], *, latency: str, jobs: int, gate: bool) -> Baseline:
    """The last sessions of a series that met all other criteria, with the same number of parallel scenarios.

    `latency`: the kind that they have to have measured.
    """
    alike = [past for past in sessions if past.met and (past.latency, past.jobs) == (latency, jobs)][-MOST_SESSIONS:]
    return Baseline(
        tuple(past.id for past in alike), latency, tuple(past.avg_ms or 0.0 for past in alike),
        tuple(past.p95_ms or 0.0 for past in alike), gate,
    )  # fmt: skip


def figures_of(past: HistoryEntry) -> list[str]:
    """One session as the cells of a table: when, verdict, events, success, average, p95, memory, users."""

    def number(value: float | None, digits: int = 1) -> str:
        return "" if value is None else f"{value:.{digits}f}"

    began = datetime.fromtimestamp(past.started_s, UTC).strftime("%Y-%m-%d %H:%M")
    return [
        began, past.verdict, str(past.events), number(past.success_percent, 2), number(past.avg_ms),
        number(past.p95_ms), number(past.memory_mb_end, 0), str(past.connections_most),
    ]  # fmt: skip


HEADS = ("begun (UTC)", "verdict", "events", "success %", "avg ms", "p95 ms", "MB", "users")


def as_html(sessions: Sequence[HistoryEntry], changed: Changed | None, regression: str = "") -> str:
    """The trend as a part of the page; "" if this is the first session."""
    if len(sessions) < 2:
        return ""
    rows = "".join(
        f"<tr>{''.join(_cell(cell, n) for n, cell in enumerate(figures_of(past)))}</tr>" for past in sessions
    )
    heads = "".join(_cell(head, n, "th scope='col'") for n, head in enumerate(HEADS))
    lines = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td><code>{sparkline(values)}</code></td>"
        f"<td class='n'>{_latest(values)}</td></tr>"
        for name, column in CAPACITY if any(values := [getattr(past, column) for past in sessions])
    )  # fmt: skip
    said = f"<p>{escape(printable(regression))}</p>" if regression else ""
    figures = f"<table class='whole' style='width:auto'><tbody>{lines}</tbody></table>"
    table = f"<table class='whole'><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
    return f"{said}{_wide('Figures', figures)}{_changes(changed)}{_wide('Sessions', table)}"


def _wide(name: str, table: str) -> str:
    """A table that may be wider than the page; it can be scrolled with the keyboard."""
    return f"<div class='wide' tabindex='0' role='region' aria-label='{name}'>{table}</div>"


def _cell(text: str, column: int, tag: str = "td") -> str:
    """A cell of the sessions: words are aligned left, numbers right."""
    kind = "" if column < _WORDS else " class='n'"
    return f"<{tag}{kind}>{escape(printable(text))}</{tag.partition(' ')[0]}>"


def _latest(values: Sequence[float | None]) -> str:
    return "" if values[-1] is None else f"{values[-1]:,.1f}"


def _changes(changed: Changed | None) -> str:
    if changed is None or not any(changed):
        return ""
    parts = []
    for name, items in changed.by_kind:
        if items:
            texts = "; ".join(escape(printable(f"{rule} in '{scenario}'")) for rule, scenario in items[:_MOST_CHANGES])
            more = f" and {len(items) - _MOST_CHANGES} more" if len(items) > _MOST_CHANGES else ""
            parts.append(f"<dt>{name} ({len(items)})</dt><dd>{texts}{more}</dd>")
    return f"<dl>{''.join(parts)}</dl>"
