"""The conversations of a session for the viewer of verdict.html: packed JSON; canaries in it bear their owners' names.

Packed, since the frames of a usual run are 4 MB of JSON, and a tenth of that deflated; and in base64, no text of a
target can be taken for HTML.
"""

import base64
import re
import zlib
from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from greenlight_gate.events import Control, Event, More, Reading, each
from greenlight_gate.evidence.attribution import Attributed
from greenlight_gate.evidence.conversation import describe
from greenlight_gate.evidence.judge import Judgement
from greenlight_gate.evidence.safe_files import bounded_lines, open_regular
from greenlight_gate.evidence.session_folder import Evidence
from greenlight_gate.findings import numbered
from greenlight_gate.rules.engine.canary import HALF, named
from greenlight_gate.rules.registry import gravity
from greenlight_gate.trace import (
    AnyRecord,
    Closed,
    Opened,
    Other,
    Received,
    Responded,
    Sent,
    StreamEnded,
    encode_record,
    read_trace,
)
from greenlight_gate.wire.profile import Profile

# Of one session; a page that compares two has both.
MOST_PACKED_BYTES = 1_000_000
_FIRST, _LAST = 500, 300
_BEFORE, _AFTER = 6, 3
_MOST_MARKED = 50
# Of one rule in one conversation: those after them say the same again.
_MOST_OF_A_RULE = 50
_MOST_TEXT = 240
_MOST_OF_A_FRAME = 4_000
# With the longest text cut, a record is longer than this only if it has many texts.
_USUAL_BYTES = 3_000
_KINDS: dict[type, str] = {
    Sent: "sent", Opened: "opened", Closed: "closed", Other: "other", Responded: "other", StreamEnded: "other",
}  # fmt: skip
_NUMBER = re.compile(r"\d{1,18}")
_encoder = msgspec.json.Encoder()


class Conversations(NamedTuple):
    """Those of one session. `packed`: base64 of deflated JSON; `traces`: whose conversations it holds.

    `left_out`: how many had no room.
    """

    packed: str
    traces: frozenset[str]
    left_out: int


class _ShownRecord(NamedTuple):
    """One record. `kind`: a kind of event, sent, opened, closed, more, control, other, or suite: what it did itself."""

    kind: str
    what: str
    text: str
    record: Any


class _Shown(NamedTuple):
    """The frames of a trace, and how many had no room. `connections`: whose each is; `torn`: why it ends too early."""

    frames: list[_ShownRecord]
    left_out: int
    connections: dict[str, str]
    torn: str


def pack(judgement: Judgement, folder: Path) -> Conversations | None:
    """The conversations of a judged session as far as there is room, the gravest findings first; None without any."""
    evidence, found = Evidence(folder), _by_trace(judgement)
    names = dict.fromkeys([*found, *(_traces(evidence) if judgement.scenarios else ())])
    if not names:
        return None
    packer, held = _Packer(judgement), []
    profile = Profile.from_toml(judgement.session.profile_toml)
    scenarios = {scenario.key: scenario for scenario in judgement.scenarios}
    for name in names:
        items = found.get(name, [])
        try:
            with open_regular(evidence.inside(name)) as file:
                header, records = read_trace(bounded_lines(file))
                shown = _shown(records, profile, {n for item in items for n in item.finding.evidence})
        except (OSError, msgspec.MsgspecError) as error:
            # The verdict says it as well; what it has found in this trace is not shown without the reason.
            header, shown = None, _Shown([], 0, {}, str(error))
        told = _first_of_each_rule(items)
        scenario = scenarios.get(header.scenario) if header is not None else None
        conversation = {
            "trace": name, "scenario": scenario.name if scenario is not None else items[0].scenario if items else name,
            "category": scenario.category if scenario is not None else "",
            "outcome": scenario.outcome.value if scenario is not None else "",
            "findings": [_finding(item) for item in told], "untold": len(items) - len(told), **shown._asdict(),
        }  # fmt: skip
        if not packer.add(conversation):
            break
        held.append(name)
    left_out = len(names) - len(held)
    return Conversations(packer.finish(left_out), frozenset(held), left_out)


class _Packer:
    """Deflates one conversation after the other, so that all of them are never in memory at once."""

    def __init__(self, judgement: Judgement) -> None:
        session = judgement.session
        head = {
            "name": session.session_id, "target": session.environment, "began": session.started_epoch_s,
            "verdict": judgement.decision.verdict.value,
        }  # fmt: skip
        self._deflate = zlib.compressobj(9)
        self._parts = [self._deflate.compress(_encoder.encode(head)[:-1] + b',"conversations":[')]
        self._size, self._separator = 0, b""

    def add(self, conversation: dict[str, Any]) -> bool:
        """Returns whether it had room."""
        if self._size > MOST_PACKED_BYTES:
            return False
        part = self._deflate.compress(self._separator + _encoder.encode(conversation))
        self._parts.append(part)
        self._size += len(part)
        self._separator = b","
        return True

    def finish(self, left_out: int) -> str:
        """The whole in base64."""
        self._parts += [self._deflate.compress(b'],"left_out":%d}' % left_out), self._deflate.flush()]
        return base64.b64encode(b"".join(self._parts)).decode()


def _by_trace(judgement: Judgement) -> dict[str, list[Attributed]]:
    found: dict[str, list[Attributed]] = {}
    for item in judgement.findings:
        if item.trace:
            found.setdefault(item.trace, []).append(item)
    # First what the page begins with: data that were exposed, then what else is critical, and last what is waived.
    for items in found.values():
        items.sort(key=_gravity)
    return dict(sorted(found.items(), key=lambda each: _gravity(each[1][0])))


def _gravity(item: Attributed) -> tuple[bool, int]:
    return bool(item.waived), gravity(item.finding.rule, item.finding.severity)


def _first_of_each_rule(items: Iterable[Attributed]) -> list[Attributed]:
    count: Counter[str] = Counter()
    told = []
    for item in items:
        count[item.finding.rule] += 1
        told += [item] if count[item.finding.rule] <= _MOST_OF_A_RULE else []
    return told


def _traces(evidence: Evidence) -> list[str]:
    """The traces of scenarios in the order in which they began; their names are numbered."""
    names = [path.name for path in evidence.traces.glob("*.jsonl")]
    return [f"traces/{name}" for name in sorted(names, key=lambda name: (_number(name), name))]


def _number(name: str) -> int:
    first = _NUMBER.match(name)
    return int(first[0]) if first is not None else 0


def _shown(records: Iterator[AnyRecord], profile: Profile, marked: Collection[int]) -> _Shown:
    """The first and the last records, and those that prove a finding with some around them."""
    frames: list[_ShownRecord] = []
    connections: dict[str, str] = {}
    near = {n + by for n in sorted(marked)[:_MOST_MARKED] for by in range(-_BEFORE, _AFTER + 1)}
    last: deque[AnyRecord] = deque()
    left_out, torn = 0, ""
    try:
        for record in records:
            if isinstance(record, Opened | Closed) and record.user:
                connections[record.connection] = record.user
            if len(frames) < _FIRST:
                frames.append(_frame(record, profile))
                continue
            last.append(record)
            if len(last) > _LAST:
                oldest = last.popleft()
                if oldest.n in near:
                    frames.append(_frame(oldest, profile))
                else:
                    left_out += 1
    except msgspec.MsgspecError as error:
        torn = str(error)
    frames += [_frame(record, profile) for record in last]
    return _Shown(frames, left_out, connections, torn)


def _frame(record: AnyRecord, profile: Profile) -> _ShownRecord:
    reading = profile.read(record.raw(), binary=record.binary) if isinstance(record, Received) else None
    what, text = describe(record, reading)
    short = " ".join(named(text)[:_MOST_OF_A_FRAME].split())
    return _ShownRecord(_kind(record, reading), named(what), short[:_MOST_TEXT], _as_json(record))


def _kind(record: AnyRecord, reading: Reading | None) -> str:
    if not isinstance(record, Received):
        return _KINDS.get(type(record), "suite")
    first = next(each(reading), None)
    if isinstance(first, Event):
        return first.kind.value
    return "more" if isinstance(first, More) else "control" if isinstance(first, Control) else "other"


def _as_json(record: AnyRecord) -> Any:
    """The record as its line of the trace says it, with canaries named and long texts cut."""
    line = encode_record(record)
    if len(line) <= _USUAL_BYTES and HALF not in line.lower():
        return msgspec.Raw(line)
    return _readable(msgspec.json.decode(line))


def _readable(value: Any) -> Any:
    if isinstance(value, str):
        text = named(value)
        more = len(text) - _MOST_OF_A_FRAME
        return text if more <= 0 else f"{text[:_MOST_OF_A_FRAME]}... ({numbered(more, 'character')} more in the trace)"
    if isinstance(value, dict):
        return {named(key): _readable(item) for key, item in value.items()}
    return [_readable(item) for item in value] if isinstance(value, list) else value


def _finding(item: Attributed) -> dict[str, Any]:
    finding = item.finding
    return {
        "rule": finding.rule, "severity": finding.severity.value, "requirement": finding.requirement,
        "expected": _readable(finding.expected), "actual": _readable(finding.actual), "user": finding.user,
        "records": finding.evidence, "follows": item.follows, "waived": item.waived,
    }  # fmt: skip
