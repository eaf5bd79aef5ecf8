"""The records around a finding, read as a stream: only the records to show are kept in memory."""

from collections import deque
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

from greenlight_gate.events import Reading
from greenlight_gate.evidence.conversation import describe
from greenlight_gate.evidence.safe_files import bounded_lines, open_regular
from greenlight_gate.findings import printable, printable_lines
from greenlight_gate.rules.engine.canary import named
from greenlight_gate.trace import AnyRecord, Closed, Opened, Received, Responded, Sent, encode_record, read_trace
from greenlight_gate.wire.profile import Profile

_BEFORE = 6
_AFTER = 3
_MOST_ROWS = 60
_TEXT = 240
_FRAME = 4_000


class ExcerptRow(NamedTuple):
    """One record in readable form. `frame` is the record itself, for those that prove the finding."""

    n: int
    seconds: str
    who: str
    what: str
    text: str
    marked: bool
    frame: str


def excerpt(path: Path, profile: Profile, marked: Collection[int]) -> list[ExcerptRow]:
    """The marked records and their neighbours, in order. Raises OSError, msgspec.MsgspecError for a torn trace."""
    users: dict[str, str] = {}
    before: deque[AnyRecord] = deque(maxlen=_BEFORE)
    rows: list[ExcerptRow] = []
    after, last = 0, max(marked, default=0)
    with open_regular(path) as file:
        for record in read_trace(bounded_lines(file))[1]:
            if isinstance(record, Opened | Closed) and record.user:
                users[record.connection] = record.user
            if record.n in marked:
                rows += [_row(earlier, profile, users, marked) for earlier in before]
                before.clear()
                after = _AFTER
                rows.append(_row(record, profile, users, marked))
            elif after:
                after -= 1
                rows.append(_row(record, profile, users, marked))
            else:
                before.append(record)
            if len(rows) >= _MOST_ROWS or (record.n > last and not after):
                break
    return rows


def _row(record: AnyRecord, profile: Profile, users: dict[str, str], marked: Collection[int]) -> ExcerptRow:
    reading: Reading | None = None
    if isinstance(record, Received):
        reading = profile.read(record.raw(), binary=record.binary)
    what, text = describe(record, reading)
    is_marked = record.n in marked
    shown = printable(" ".join(named(text)[: 4 * _TEXT].split()))
    frame = _frame(record) if is_marked else ""
    return ExcerptRow(
        record.n, f"{record.at:.3f}", users.get(record.connection, "?"), what,
        shown if len(shown) <= _TEXT else f"{shown[:_TEXT]}…", is_marked, frame,
    )  # fmt: skip


def _frame(record: AnyRecord) -> str:
    raw = record.text if isinstance(record, Sent | Received) else record.body if isinstance(record, Responded) else ""
    text = raw or encode_record(record).decode()
    return printable_lines(named(text)[:_FRAME])
