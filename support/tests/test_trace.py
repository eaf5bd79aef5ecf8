"""A trace file holds what was recorded, whatever it was."""

import msgspec
import pytest
from greenlight_gate.events import EventKind
from greenlight_gate.trace import (
    AnyRecord,
    Closed,
    Cut,
    Expect,
    Header,
    Opened,
    Received,
    Sent,
    TimedOut,
    encode_header,
    encode_record,
    read_trace,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from support.tests.rules.broken import BROKEN
from support.tests.rules.talk import asked

EVERYTHING: list[AnyRecord] = [
    Opened(n=1, at=0.5, connection="c1", user="Ada", user_id="u", attempt=2, handshake_ms=1.5, subprotocol="jwt-auth"),
    Sent(
        n=2, at=1.0, connection="c1", what="start", text="{}", request="q", run="r", thread="t", nonce="n", last_seq=3,
        expect=Expect("p", True, 2, True, True, True, (("a", "b"),), EventKind.STOPPED), intended_at=0.9,
    ),
    Received(n=3, at=2, connection="c1", text="Grüße \u2028 \x00"),
    Received(n=4, at=3, connection="c1", data=b"\xff\x00", binary=True),
    Closed(n=5, at=4, connection="c1", by="server", during="handshake", code=1000, reason="x", status=401,
           user="Ada", unwelcome="an expired token"),
    Cut(n=7, at=6, connection="c1", way="RST", where="inside event 3", after=2, inside=True, user="Ada"),
    TimedOut(n=6, at=5, connection="c1", waiting_for="end", after_s=6.5, request="q", run="r"),
]  # fmt: skip


def test_everything_comes_back() -> None:
    lines = [encode_header(Header("a scenario", 1.5)), *map(encode_record, EVERYTHING)]
    header, records = read_trace(lines)
    assert (header, list(records)) == (Header("a scenario", 1.5), EVERYTHING)
    assert all(line.count(b"\n") == 1 and line.endswith(b"\n") for line in lines)


@pytest.mark.parametrize("name", ["invalid_utf8", "binary_frame", "broadcast_to_all"])
def test_a_trace_that_was_read_back_gives_the_same_findings(name: str) -> None:
    talk = BROKEN[name][0]()
    again = asked()
    again.records = list(read_trace([encode_header(Header("", 0.0)), *map(encode_record, talk.records)])[1])
    assert again.findings() == talk.findings()


@settings(deadline=None)
@given(st.text(), st.binary())
def test_any_text_and_bytes(text: str, data: bytes) -> None:
    records = [Received(n=1, at=0.0, connection=text, text=text), Received(n=2, at=0.0, connection="", data=data)]
    assert list(read_trace([encode_header(Header(text, 0.0)), *map(encode_record, records)])[1]) == records


def test_halves_of_surrogate_pairs_are_replaced() -> None:
    line = encode_record(Sent(n=1, at=0, connection="c1", what="invalid", text="a\ud800b"))
    _, records = read_trace([encode_header(Header("", 0)), line])
    assert next(records) == Sent(n=1, at=0, connection="c1", what="invalid", text="a?b")


@pytest.mark.parametrize("lines", [[], [b""], [b"{"], [b'{"scenario":1}']])
def test_what_is_no_trace(lines: list[bytes]) -> None:
    with pytest.raises(msgspec.DecodeError):
        read_trace(lines)


def test_a_line_that_was_cut_off() -> None:
    whole = encode_record(EVERYTHING[0])
    _, records = read_trace([encode_header(Header("", 0)), whole, whole[:20]])
    assert next(records) == EVERYTHING[0]
    with pytest.raises(msgspec.DecodeError):
        next(records)
