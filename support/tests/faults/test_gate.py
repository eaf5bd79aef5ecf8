"""The gate lets frames through one by one, whatever they are cut into on the way, and exactly half of one."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from greenlight_gate.faults.framing import Framer
from greenlight_gate.faults.gate import Gate
from hyperframe.frame import DataFrame, SettingsFrame
from hypothesis import given
from hypothesis import strategies as st

from support.tests.faults.lines import DEADLINE_S, Line, on_a_line

Play = Callable[[Line, Gate], Awaitable[None]]
HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


def frame(payload: bytes, mask: bool = False) -> bytes:
    size = len(payload)
    head = bytes([0x81])
    flag = 0x80 if mask else 0
    if size < 126:
        head += bytes([flag | size])
    elif size < 65_536:
        head += bytes([flag | 126]) + size.to_bytes(2)
    else:
        head += bytes([flag | 127]) + size.to_bytes(8)
    return head + (b"mask" if mask else b"") + payload


def record(payload: bytes, kind: int = 0x17) -> bytes:
    return bytes([kind, 3, 3]) + len(payload).to_bytes(2) + payload


FRAMES = [frame(b""), frame(b"x" * 125), frame(b"y" * 126), frame(b"z" * 70_000), frame(b"masked", mask=True)]
UNITS = {"frames": [HEAD, *FRAMES], "records": [record(b"hello", 0x16), record(b""), record(b"a" * 16_000)]}


@pytest.mark.parametrize("kind", UNITS)
@given(data=st.data())
def test_units_are_found_wherever_the_stream_is_cut(kind: str, data: st.DataObject) -> None:
    units = UNITS[kind]
    stream = b"".join(units)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    framer = Framer()
    found: list[bytes] = []
    whole = True
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        for piece in framer.cut(stream[start:end]):
            assert piece.first is whole
            found[-1:] = [found[-1] + piece.data] if not piece.first else [*found[-1:], piece.data]
            whole = piece.last
    assert found == units


def on_a_gated_line(play: Play) -> None:
    gates: list[Gate] = []

    def each() -> tuple[Gate]:
        gates.append(Gate())
        return (gates[-1],)

    async def scene(line: Line) -> None:
        await play(line, gates[0])

    on_a_line(scene, each=each)


def test_an_open_gate_lets_all_through() -> None:
    async def play(line: Line, gate: Gate) -> None:
        await line.there.say(HEAD + FRAMES[1] + FRAMES[2])
        assert await line.user.hear(len(HEAD + FRAMES[1] + FRAMES[2])) == HEAD + FRAMES[1] + FRAMES[2]

    on_a_gated_line(play)


def test_a_shut_gate_lets_one_frame_through_for_each_release() -> None:
    async def play(line: Line, gate: Gate) -> None:
        await line.there.say(HEAD)
        await line.user.hear(len(HEAD))
        gate.shut()
        await line.there.say(b"".join(FRAMES))
        for unit in FRAMES[:3]:
            await asyncio.wait_for(gate.arrived.wait(), DEADLINE_S)
            assert await line.user.is_silent(0.02)
            await gate.release()
            assert await line.user.hear(len(unit)) == unit
        gate.open()
        assert await line.user.hear(len(FRAMES[3] + FRAMES[4])) == FRAMES[3] + FRAMES[4]

    on_a_gated_line(play)


def test_half_a_frame_and_never_the_rest() -> None:
    async def play(line: Line, gate: Gate) -> None:
        await line.there.say(HEAD)
        await line.user.hear(len(HEAD))
        gate.shut()
        await line.there.say(frame(b"0123456789"))
        await asyncio.wait_for(gate.arrived.wait(), DEADLINE_S)
        await gate.release_half()
        assert await line.user.hear(6) == frame(b"0123456789")[:6]
        assert await line.user.is_silent()
        line.link.reset()
        assert (await line.user.rest())[1] == "rst"

    on_a_gated_line(play)


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LENGTH = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\n"
# Answers on one connection, as the units that they consist of: heads, chunks with the last one, and whole bodies.
ANSWERS = [
    CHUNKED, b"5\r\nhello\r\n", b"a;x=y\r\n0123456789\r\n", b"0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n", LENGTH, b"no", LENGTH.replace(b"2", b"0"),
    b"HTTP/1.1 100 Continue\r\n\r\n", CHUNKED, b"1\r\nx\r\n", b"0\r\nTrailer: t\r\n\r\n",
]  # fmt: skip


@given(st.integers(1, 60))
def test_answers_by_http_are_cut_into_heads_chunks_and_bodies(size: int) -> None:
    framer, units, data = Framer(), [b""], b"".join(ANSWERS)
    for start in range(0, len(data), size):
        for piece in framer.cut(data[start : start + size]):
            units[-1] += piece.data
            units += [b""] if piece.last else []
    assert units == [*ANSWERS, b""]


OF_HTTP2 = [
    SettingsFrame(0).serialize(), SettingsFrame(0, flags=["ACK"]).serialize(),
    DataFrame(1, data=b"data: 1\n\n").serialize(), DataFrame(1, data=b"HTTP/1.1 200 OK\r\n\r\n").serialize(),
    DataFrame(1, flags=["END_STREAM"]).serialize(),
]  # fmt: skip


@given(st.integers(1, 60))
def test_http2_is_cut_into_its_frames(size: int) -> None:
    framer, units, data = Framer(), [b""], b"".join(OF_HTTP2)
    for start in range(0, len(data), size):
        for piece in framer.cut(data[start : start + size]):
            assert not piece.is_head
            units[-1] += piece.data
            units += [b""] if piece.last else []
    assert units == [*OF_HTTP2, b""]


REQUESTS = [
    b"GET /session HTTP/1.1\r\nHost: here\r\n\r\n", b"POST /chat HTTP/1.1\r\nContent-Length: 4\r\n\r\n", b"body",
    b"POST /chat HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n", b"0\r\n\r\n",
]  # fmt: skip


@given(st.integers(1, 60))
def test_requests_are_cut_into_heads_chunks_and_bodies(size: int) -> None:
    framer, units, ends, data = Framer(requests=True), [b""], [], b"".join(REQUESTS)
    for start in range(0, len(data), size):
        for piece in framer.cut(data[start : start + size]):
            units[-1] += piece.data
            ends += [len(units)] if piece.ends_message else []
            units += [b""] if piece.last else []
    assert units == [*REQUESTS, b""]
    assert ends == [1, 3, 6]


def test_requests_of_http2_pass_as_they_come() -> None:
    framer, data = Framer(requests=True), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + OF_HTTP2[0]
    assert b"".join(piece.data for piece in framer.cut(data)) == data


def test_a_body_without_a_length_passes_as_it_comes() -> None:
    framer = Framer()
    assert [piece.data for piece in framer.cut(b"HTTP/1.1 200 OK\r\n\r\n")] == [b"HTTP/1.1 200 OK\r\n\r\n"]
    assert [piece.data for piece in framer.cut(b"data: 1\n\n")] == [b"data: 1\n\n"]
