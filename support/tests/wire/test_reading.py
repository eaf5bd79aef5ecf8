"""The two readers agree, and no bytes make them fail."""

import json
from typing import Any

import msgspec
import pytest
from greenlight_gate.events import Control, Event, EventKind, Mistake, Reading, Unmapped
from greenlight_gate.wire.fields import Field
from greenlight_gate.wire.profile import UNREADABLE, Profile
from greenlight_gate.wire.values import read_stamp
from hypothesis import given
from hypothesis import strategies as st

from support.tests.rules.talk import PROFILE
from support.tests.wire.frames import any_frame, legal_looking


def fast(profile: Profile, data: bytes) -> Reading | None:
    try:
        return profile.fast(data)
    except UNREADABLE:
        return None


def comparable(reading: Reading) -> Any:
    """All of a reading; times to the microsecond, which is how exactly the wire has them."""
    value = msgspec.structs.asdict(reading)
    if value.get("server_s") is not None:
        value["server_s"] = round(value["server_s"] * 1e5)
    return type(reading), value


@given(legal_looking)
def test_what_the_fast_reader_reads_the_patient_one_reads_alike(data: bytes) -> None:
    quick = fast(PROFILE, data)
    if quick is not None:
        patient = PROFILE.explain(data)
        if isinstance(quick, Event) and isinstance(patient, Event) and quick.server_s and patient.server_s:
            assert abs(quick.server_s - patient.server_s) < 2e-6
            patient = msgspec.structs.replace(patient, server_s=quick.server_s)
        assert comparable(quick) == comparable(patient)


@given(any_frame, st.booleans())
def test_no_bytes_make_the_reader_fail(data: bytes, binary: bool) -> None:
    reading = PROFILE.read(data, binary=binary)
    assert isinstance(reading, Event | Control | Unmapped)
    assert not binary or reading.problems


FRAME = {
    "type": "tool_completed", "request_id": "q", "run_id": "r", "thread_id": "t", "user_id": "u", "agent_name": "a",
    "seq": 7, "event_id": "e", "timestamp": "2026-01-01T00:00:01.250000Z", "parent_run_id": "p",
    "payload": {"tool_name": "weather", "tool_call_id": "k", "status": "error", "error_message": "no such city",
                "execution_time_ms": 3},
}  # fmt: skip
READ = Event(
    EventKind.TOOL_COMPLETED, run="r", thread="t", user="u", request="q", parent="p", seq=7, event_id="e",
    stamp="2026-01-01T00:00:01.250000Z", server_s=1767225601.25, stamp_format="ISO Z", agent="a", tool="weather",
    call="k", tool_failed=True, text="no such city", duration_ms=3,
)  # fmt: skip


def test_an_event_whole() -> None:
    data = json.dumps(FRAME).encode()
    assert PROFILE.fast(data) == READ
    assert PROFILE.explain(data) == READ


def test_events_are_read_together_unless_one_of_the_frames_is_none() -> None:
    data = json.dumps(FRAME).encode()
    assert PROFILE.events([data, data]) == [READ, READ]
    assert PROFILE.events([data, b'{"type":"pong"}']) is None
    assert PROFILE.events([data, b"{"]) is None
    assert PROFILE.events([data, json.dumps(FRAME | {"run_id": None}).encode()]) == [READ, None]


@pytest.mark.parametrize(
    ("frame", "reading"),
    [
        (
            {"type": "connection_established", "user_id": "u", "config": {"max_message_bytes": 5}, "resumable": True},
            Control("ready", {"user": "u", "resumable": True, "max_message_bytes": 5}),
        ),
        ({"type": "pong", "nonce": None, "server_time": "x"}, Control("pong", {"server_time": "x"})),
        (
            {"type": "error_message", "error_code": "BAD_JSON", "error_message": "no", "request_id": 5},
            Control("error", {"code": "BAD_JSON", "text": "no", "request": 5}),
        ),
        ({"type": "session_restored", "thread_id": "t"}, Control("restored", {"thread": "t"})),
        ({"type": "agent_update"}, Unmapped("unknown kind agent_update")),
        ({"type": 5}, Unmapped("unknown kind 5")),
        ({}, Unmapped("no kind at type or data.event")),
    ],
)
def test_what_is_no_event(frame: dict[str, Any], reading: Reading) -> None:
    data = json.dumps(frame).encode()
    assert PROFILE.read(data) == reading
    assert PROFILE.explain(data) == reading


@pytest.mark.parametrize(
    ("stamp", "seconds", "name"),
    [
        ("1970-01-01T00:00:01Z", 1.0, "ISO Z"),
        ("1970-01-01T00:00:01.5z", 1.5, "ISO Z"),
        ("1970-01-01T01:00:01+01:00", 1.0, "ISO offset"),
        ("1970-01-01T01:00:17+0100", 17.0, "ISO offset"),
        ("1970-01-01T00:00:01", 1.0, "ISO"),
        (1.5, 1.5, "epoch s"),
        (1_767_225_600_000, 1_767_225_600.0, "epoch ms"),
        (1_767_225_600_000_000, 1_767_225_600.0, "epoch us"),
        ("yesterday", None, None),
        (float("inf"), None, None),
        (float("nan"), None, None),
        (10**400, None, None),
    ],
)
def test_timestamps(stamp: str | float, seconds: float | None, name: str | None) -> None:
    assert read_stamp(stamp) == (seconds, name)


@pytest.mark.parametrize("request_id", [5, [], {}, True, 1.5])
def test_ids_are_texts_even_where_a_control_captures_the_same_path(request_id: object) -> None:
    data = json.dumps({**FRAME, "request_id": request_id}).encode()
    event = PROFILE.read(data)
    assert isinstance(event, Event)
    assert event.request == ("5" if request_id == 5 else None)
    assert [problem.mistake for problem in event.problems] == ([] if request_id == 5 else [Mistake.FIELD])


def test_frames_to_send() -> None:
    text = PROFILE.frame("start", request="q", prompt="Grüße", thread=None)
    assert json.loads(text) == {
        "type": "start_agent", "request_id": "q", "payload": {"user_request": "Grüße", "thread_id": None},
    }  # fmt: skip
    assert "Grüße" in text
    assert PROFILE.can_send("restore")
    assert not PROFILE.can_send("hello")
    with pytest.raises(KeyError):
        PROFILE.frame("stop")
    assert PROFILE.name == "agent-events"
    assert PROFILE.promises.ready
    assert PROFILE.promises.gap_free_seq


def test_a_duration_counts_only_where_its_name_says_that_it_is_in_milliseconds() -> None:
    names = {"execution_time_ms": True, "data.durationMs": True, "tookMillis": True, "duration": False, "terms": False}
    assert {name: Field(at=(name,)).is_in_milliseconds for name in names} == names
    assert not Field(at=("execution_time_ms", "seconds")).is_in_milliseconds
