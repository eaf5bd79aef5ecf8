"""A conversation as readable text: time, user, kind, text; one line for each record."""

from collections.abc import Collection, Iterable

from greenlight_gate.events import Control, Event, EventKind, Foreign, Ignored, More, Reading, Several, Unmapped
from greenlight_gate.findings import numbered, printable
from greenlight_gate.rules.engine.canary import named
from greenlight_gate.trace import (
    AnyRecord,
    ClockMoved,
    Closed,
    Crowded,
    Cut,
    ModelCall,
    Opened,
    Other,
    Received,
    Responded,
    Sent,
    Stalled,
    StreamEnded,
    Throttled,
    TimedOut,
)

_TEXT_WIDTH, _LEAST_TEXT = 72, 20
_MOST_READ = 2_000
_MOST_ROWS = 400


Entry = tuple[AnyRecord, Reading | None]


def as_table(entries: Iterable[Entry], marked: Collection[int] = (), *, columns: int = 0) -> str:
    """The records as an aligned text table. `marked` are record numbers to point at; `columns`: of a terminal.

    Of a very long conversation the beginning, the end and the marked records are shown.
    """
    everything = list(entries)
    users = {
        record.connection: record.user
        for record, _ in everything
        if isinstance(record, Opened | Closed) and record.user
    }
    several = len(users) > 1
    rows = [("", "#", "seconds", "who", "what", "text")]
    shown, left_out = _shortened(everything, marked)
    for record, reading in shown:
        who = users.get(record.connection, "?")
        if several:
            who = f"{who} {record.connection}"
        what, text = describe(record, reading)
        arrow = ">>" if record.n in marked else ""
        rows.append((arrow, str(record.n), f"{record.at:.4f}", who, what, text))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    left = columns - sum(widths) - 2 * len(widths) if columns else _TEXT_WIDTH
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if i in (1, 2) else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        lines.append("  ".join([*cells, _short(row[5], max(left, _LEAST_TEXT))]).rstrip())
    if left_out:
        lines.append(f"(left out here: {numbered(left_out, 'record')}; the trace has them all)")
    return "\n".join(lines)


def _shortened(entries: list[Entry], marked: Collection[int]) -> tuple[list[Entry], int]:
    if len(entries) <= _MOST_ROWS:
        return entries, 0
    half = _MOST_ROWS // 2
    middle = [entry for entry in entries[half:-half] if entry[0].n in marked][:_MOST_ROWS]
    return [*entries[:half], *middle, *entries[-half:]], len(entries) - 2 * half - len(middle)


def describe(record: AnyRecord, reading: Reading | None) -> tuple[str, str]:
    """What one record is, and its text."""
    if isinstance(record, Opened):
        return "connected", f"in {record.handshake_ms:.1f} ms"
    if isinstance(record, Closed):
        code = record.status if record.status is not None else record.code
        said = f"({code})" if code is not None else "(without a close frame)" if record.by == "nobody" else ""
        return "refused" if record.during == "handshake" else "closed", f"by {record.by} {said} {record.reason}"
    if isinstance(record, Cut | Stalled | ClockMoved | Crowded | Throttled | TimedOut):
        return _of_ours(record)
    if isinstance(record, Sent):
        text = record.expect.prompt if record.expect is not None and record.expect.prompt else record.text
        return f"-> {record.what}", f"with {record.unwelcome}: {text}" if record.unwelcome else text
    if isinstance(record, Received):
        return _received(record, reading)
    return _beside(record)


def _of_ours(record: Cut | Stalled | ClockMoved | Crowded | Throttled | TimedOut) -> tuple[str, str]:
    if isinstance(record, Stalled):
        return "we stood still", f"for {record.for_s:.2f} s"
    if isinstance(record, ClockMoved):
        return "our wall clock was moved", f"by {record.by_s:+.2f} s"
    if isinstance(record, Crowded):
        return "our machine was busy", record.why
    if isinstance(record, Cut):
        return "cut by us", str(record)
    if isinstance(record, Throttled):
        return "throttled by us", "no longer" if record.over else "from now on"
    return "waited in vain", f"for {record.waiting_for}, {record.after_s:.2f} s"


def _beside(record: Other | Responded | ModelCall | StreamEnded) -> tuple[str, str]:
    if isinstance(record, Responded):
        what = f"HTTP {record.status} to {record.what}" if record.what else f"{http_of(record)} {record.status}"
        return what, f"in {record.after_ms:.1f} ms {record.problem or record.body}".rstrip()
    if isinstance(record, Other):
        return f"({record.what})", _raw(record)
    if isinstance(record, StreamEnded):
        if record.by_user:
            return "stream closed by us", ""
        return "stream ended", f"reset ({record.reset})" if record.reset else ""
    fault = f", {record.fault}" if record.fault else ""
    return f"model call {record.number}", f"{record.state}{fault}: {record.said}"


def http_of(record: Responded) -> str:
    """The protocol of a response on the connection."""
    return f"HTTP/{record.http_version}" if record.http_version else "HTTP"


def _raw(record: Received | Other) -> str:
    return record.text if record.text is not None else repr(record.data)


def _received(record: Received, reading: Reading | None) -> tuple[str, str]:
    if isinstance(reading, Event):
        tool = f"{reading.tool}{' FAILED' if reading.tool_failed else ''}" if reading.tool is not None else ""
        helper = " (helper)" if reading.parent is not None else ""
        inferred = " (inferred)" if reading.synthesised else ""
        return f"{reading.kind}{helper}{inferred}", ": ".join(part for part in (tool, reading.text) if part)
    if isinstance(reading, Several):
        rows = [_received(record, part) for part in reading.readings]
        return " + ".join(what for what, _ in rows), " | ".join(text for _, text in rows)
    if isinstance(reading, More | Ignored | Foreign):
        return _no_event(reading, _raw(record))
    if isinstance(reading, Control):
        return reading.name, ", ".join(f"{name} {value}" for name, value in reading.values.items())
    if isinstance(reading, Unmapped):
        return "unmapped", f"{reading.reason}: {_raw(record)}"
    return "received", _raw(record)


def _no_event(reading: More | Ignored | Foreign, raw: str) -> tuple[str, str]:
    if isinstance(reading, More):
        part = reading.event.kind is EventKind.ANSWER_PART
        return str(reading.event.kind) if part else f"more {reading.event.kind}", reading.event.text or ""
    if isinstance(reading, Ignored):
        # The message first: what is cut off at the right is the same for many.
        return "ignored", f"{raw} ({reading.because})"
    return "foreign", f"{reading.what} {reading.owner}: {raw}"


def _short(text: str, width: int) -> str:
    """One printable line, as text: whatever a target sends, a report shows it and does not act on it."""
    line = printable(" ".join(named(text[:_MOST_READ]).split()))
    return line if len(line) <= width else f"{line[: width - 3]}..."
