"""The parsers of streaming answers: cases of the web platform tests as facts, and a slow reference by hypothesis."""

import random
import re

import pytest
from greenlight_gate.wire.event_stream import EventStream, LineStream, StreamError
from hypothesis import example, given
from hypothesis import strategies as st

Found = tuple[list[tuple[str, str, str]], str, int | None]
# (stream, events as (name, data, last id), last id, retry): eventsource/format-*.any.js of the web platform tests.
CASES: list[tuple[bytes, list[tuple[str, str, str]], str, int | None]] = [
    (b"\xef\xbb\xbfdata:1\n\n\xef\xbb\xbfdata:2\n\ndata:3\n\n", [("", "1", ""), ("", "3", "")], "", None),
    (b"\xef\xbb\xbf\xef\xbb\xbfdata:1\n\ndata:2\n\ndata:3\n\n", [("", "2", ""), ("", "3", "")], "", None),
    (b"data:1\r:\0\n:\r\ndata:2\n:x\rdata:3\r:data:fail\r:x\ndata:4\n\n", [("", "1\n2\n3\n4", "")], "", None),
    (b"data:test\n\ndata:", [("", "test", "")], "", None),
    (b"data:\n\ndata\ndata\n\ndata:test\n\n", [("", "", ""), ("", "\n", ""), ("", "test", "")], "", None),
    (b"event:test\ndata:x\n\ndata:x\n\n", [("test", "x", ""), ("", "x", "")], "", None),
    (b"event:\ndata:x\n\n", [("", "x", "")], "", None),
    (b"event: test\n\ndata:x\n\n", [("", "x", "")], "", None),
    (b"data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\n\n", [("", "test\n", "")], "", None),
    (b"data:\ttest\rdata: \ndata:test\n\n", [("", "\ttest\n\ntest", "")], "", None),
    (b"data:test\r\ndata\ndata:test\r\n\r\n", [("", "test\n\ntest", "")], "", None),
    (b"data:\0\n data:2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
     [("", "\0\n1\n3\n\n4", "")], "", None),
    (b"retry:03000\ndata:x\n\n", [("", "x", "")], "", 3000),
    (b"retry:1000x\ndata:x\n\n", [("", "x", "")], "", None),
    (b"retry\ndata:test\n\n", [("", "test", "")], "", None),
    (b"id: \xe2\x80\xa6\ndata: a\n\ndata: b\n\n", [("", "a", "\u2026"), ("", "b", "\u2026")], "\u2026", None),
    (b"id:1\ndata:x\n\nid\ndata:y\n\n", [("", "x", "1"), ("", "y", "")], "", None),
    (b"id:1\ndata:x\n\nid:a\0b\ndata:y\n\n", [("", "x", "1"), ("", "y", "1")], "1", None),
    (b"id:7\n\nid:8\n", [], "7", None),
    (b"data:ok\xe2\n\n", [("", "ok\ufffd", "")], "", None),
    (b"data:msg\ndata: msg\n\n:\nfalsefield:msg\n\nfalsefield:msg\nData:data\n\ndata\n\ndata:end\n\n",
     [("", "msg\nmsg", ""), ("", "", ""), ("", "end", "")], "", None),
    (b"data:\0\n\n\n\n", [("", "\0", "")], "", None),
    (b"id\ndata:1\n\ndata:2\n\n", [("", "1", ""), ("", "2", "")], "", None),
    (b"retry:3000\nretry:1000x\ndata:x\n\n", [("", "x", "")], "", 3000),
    (b"data:hello\n\n\ndata:more", [("", "hello", "")], "", None),
]  # fmt: skip
TOKENS = [
    b"data", b"event", b"id", b"retry", b":", b": ", b" ", b"\r", b"\n", b"\r\n", b"\n\n", b"\0", b"1", b"\xef\xbb\xbf",
    b"\xef", b"\xe2\x82\xac", b"x", b"data: 1\n\n", b"id: 1\ndata: x\n\n", b"event: x\ndata: 1\n\n",
]  # fmt: skip
STREAMS = st.lists(st.sampled_from(TOKENS), max_size=60).map(b"".join)


def parsed(pieces: list[bytes]) -> Found:
    stream = EventStream()
    events = [event for piece in pieces for event in stream.feed(piece)]
    shown = [(_text(event.name), _text(event.data), _text(event.last_id)) for event in events]
    return shown, _text(stream.last_id), stream.retry_ms


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def reference(data: bytes) -> Found:
    """The standard word for word: decode the whole stream, cut it into lines, process each."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace")
    *lines, _ = re.split(r"\r\n|\r|\n", text)
    events: list[tuple[str, str, str]] = []
    buffer, kind, last_id, id_buffer, retry = "", "", "", "", None
    for line in lines:
        if not line:
            last_id = id_buffer
            if buffer:
                events.append((kind, buffer.removesuffix("\n"), last_id))
            buffer = kind = ""
        elif line[0] != ":":
            field, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if field == "data":
                buffer += value + "\n"
            elif field == "event":
                kind = value
            elif field == "id" and "\0" not in value:
                id_buffer = value
            elif field == "retry" and value.isascii() and value.isdigit():
                retry = int(value)
    return events, last_id, retry


@pytest.mark.parametrize(("data", "events", "last_id", "retry"), CASES)
def test_cases_of_the_web_platform_tests(
    data: bytes, events: list[tuple[str, str, str]], last_id: str, retry: int | None
) -> None:
    assert parsed([data]) == (events, last_id, retry)
    assert parsed([data[i : i + 1] for i in range(len(data))]) == (events, last_id, retry)


@given(data=STREAMS, places=st.lists(st.integers(0, 200), max_size=8))
@example(data=b"data:1\r\n\r\ndata:2\r\r", places=[7, 8, 9, 17])
def test_it_reads_as_the_reference_wherever_the_stream_is_split(data: bytes, places: list[int]) -> None:
    ends = sorted(place for place in places if place < len(data))
    pieces = [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]
    assert parsed(pieces) == reference(data)


def test_events_that_each_come_in_one_read_are_read_as_the_reference_does() -> None:
    pieces = [
        b"id: 1\ndata: a\n\n", b"event: step\ndata: b\n\n", b"data: c\n\n", b"id: \ndata: d\n\n", b"id: 2\n",
        b"data: e\n\n", b"data: f\r\ndata: g\n\n", b"id: 3\0\ndata: h\n\n", b"event: \ndata: \n\n", b"event: x\n",
        b"data: i\n\n", b"data: j\n\ndata: k\n\n",
    ]  # fmt: skip
    for _ in range(2):
        assert parsed(pieces) == reference(b"".join(pieces))
        pieces.reverse()


@pytest.mark.slow
def test_a_hundred_thousand_streams_that_are_split_at_random_bytes() -> None:
    """More than hypothesis tries, and each with as many pieces as a network may make of it."""
    chance = random.Random("streams")
    for _ in range(100_000):
        data = b"".join(chance.choices(TOKENS, k=chance.randint(0, 40)))
        ends = sorted(chance.choices(range(len(data) + 1), k=chance.randint(0, 12)))
        pieces = [data[start:end] for start, end in zip([0, *ends], [*ends, len(data)], strict=True)]
        assert parsed(pieces) == reference(data), pieces


def test_a_line_or_an_event_without_end_is_not_kept() -> None:
    with pytest.raises(StreamError, match="a line of more than 100 bytes"):
        EventStream(100).feed(b"data:" + b"x" * 100)
    with pytest.raises(StreamError, match="an event of more than 100 bytes"):
        EventStream(100).feed(b"data: " + b"x" * 100 + b"\n\n")
    with pytest.raises(StreamError, match="an event of more than 100 bytes"):
        EventStream(100).feed(b"data\n" * 101)
    with pytest.raises(StreamError, match="a line of more than 100 bytes"):
        LineStream(100).feed(b"x" * 101)


def test_the_events_before_one_that_is_too_long_are_not_lost() -> None:
    with pytest.raises(StreamError) as broken:
        EventStream(100).feed(b"data: 1\n\ndata: 2\n\n" + b"data\n" * 101)
    assert [event.data for event in broken.value.before] == [b"1", b"2"]


def test_lines_of_json_split_anywhere() -> None:
    data = b'{"a":1}\r\n\n{"b":2}\n{"c":3}'
    for size in range(1, len(data)):
        stream = LineStream()
        lines = [line for i in range(0, len(data), size) for line in stream.feed(data[i : i + size])]
        assert lines == [b'{"a":1}', b'{"b":2}']
        assert stream.finish() == [b'{"c":3}']
