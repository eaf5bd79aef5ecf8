"""The cutter finds the same frames however the bytes are torn, and leaves what is not plain to the library."""

from greenlight_gate.transport.frames import cut, end_of_frame, ping_in
from hypothesis import given
from hypothesis import strategies as st

from support.tests.hostile.server import BINARY, CLOSE, CONTINUATION, PING, TEXT, head_of

MOST = 100_000
payloads = st.binary(max_size=40) | st.integers(120, 70_000).map(bytes)


def frame(payload: bytes, opcode: int = TEXT, *, fin: bool = True) -> bytes:
    return head_of(opcode, len(payload), fin=fin) + payload


def read_in_pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    """As a connection does it: the rest of one read is put before the next."""
    found: list[bytes] = []
    rest = b""
    for first, last in zip([0, *cuts], [*cuts, len(data)], strict=True):
        rest += data[first:last]
        start = 0
        while start < len(rest):
            start = cut(rest, start, MOST, found)
            stop = end_of_frame(rest, start, MOST) if start < len(rest) else None
            if stop is None or stop > len(rest):
                break
            # The library reads frames that are too large or too short for the fast parser.
            found.append(rest[start + (10 if rest[start + 1] == 127 else 2) : stop])
            start = stop
        rest = rest[start:]
    assert rest == b""
    return found


@given(st.lists(payloads, max_size=6), st.data())
def test_frames_are_the_same_however_they_are_torn(texts: list[bytes], data: st.DataObject) -> None:
    wire = b"".join(map(frame, texts))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=5)))

    assert read_in_pieces(wire, cuts) == texts


def test_it_stops_where_something_else_begins() -> None:
    for other in (frame(b"x", PING), frame(b"x", BINARY), frame(b"x", fin=False), frame(b"x", CONTINUATION),
                  frame(b"\x03\xe8", CLOSE), b"\xc1\x01x", b"\x81\x81abcdx"):  # fmt: skip
        found: list[bytes] = []
        wire = frame(b"one") + other + frame(b"two")

        assert cut(wire, 0, MOST, found) == len(frame(b"one"))
        assert found == [b"one"]


def test_where_other_frames_end() -> None:
    ping = frame(b"x" * 100, PING)
    assert end_of_frame(ping + b"more", 0, MOST) == len(ping)
    assert end_of_frame(ping[:-1], 0, MOST) == len(ping)
    assert end_of_frame(head_of(TEXT, 70_000), 0, MOST) == 70_010
    assert end_of_frame(head_of(TEXT, 70_000)[:-1], 0, MOST) is None
    assert end_of_frame(b"\x81", 0, MOST) is None


def test_what_is_too_large_or_masked_or_of_no_kind_is_handed_over_at_once() -> None:
    head = head_of(TEXT, MOST + 1)
    found: list[bytes] = []
    assert cut(head + b"x", 0, MOST, found) == 0
    assert end_of_frame(head + b"x", 0, MOST) == len(head) + 1
    assert end_of_frame(b"\x81\x85abcd", 0, MOST) == 6
    assert end_of_frame(b"\x85\x7dabcd", 0, MOST) == 6
    assert cut(frame(b"x" * 500), 0, 400, found) == 0
    assert found == []


def test_only_a_whole_legal_ping_is_answered_without_the_library() -> None:
    cases = {
        b"\x89\x00": b"", b"\x89\x02ab": b"ab", b"\x89\x7d" + bytes(125): bytes(125), b"\x89": None, b"\x89\x02a": None,
        b"\x89\x7e\x00\x7c" + bytes(124): None, b"\x89\x82keysab": None, b"\x09\x00": None, b"\xc9\x00": None,
        b"\x8a\x02ab": None, b"\x81\x02ab": None,
    }  # fmt: skip
    assert {data: ping_in(data) for data in cases} == cases
