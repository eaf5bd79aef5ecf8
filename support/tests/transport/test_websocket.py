"""The one connection, against a server that controls every byte: what it hands over, sends and ends."""

import asyncio
import json
import threading
import zlib
from typing import Any

import pytest
from greenlight_gate.transport.frames import text_frame
from greenlight_gate.transport.interface import ConnectionEnded, ConnectionLimits, Ending
from greenlight_gate.transport.upgrade import Upgrade
from greenlight_gate.transport.websocket import WebSocket
from hypothesis import given, settings
from hypothesis import strategies as st

from support.tests.hostile import conduct as does
from support.tests.hostile.server import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, HostileServer, Wire, head_of
from support.tests.transport.keeping import DEADLINE_S, MOST, NORMAL, Kept, after_upgrade, end, frame, play, raw


class InMemory(asyncio.Transport):
    """The network of a connection that is driven by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass


payloads = st.binary(max_size=200) | st.integers(120, 200_000).map(bytes)
messages = st.lists(
    st.tuples(st.sampled_from([TEXT, BINARY, PING, PONG]), payloads, st.integers(1, 3)), max_size=6
)  # fmt: skip


def _written(opcode: int, payload: bytes, parts: int) -> bytes:
    if opcode in (PING, PONG):
        return frame(opcode, payload[:125])
    size = len(payload) // parts + 1
    pieces = [payload[start : start + size] for start in range(0, len(payload) or 1, size)]
    return b"".join(
        frame(CONTINUATION if index else opcode, piece, fin=index == len(pieces) - 1)
        for index, piece in enumerate(pieces)
    )


@settings(deadline=None, max_examples=150)
@given(messages, st.booleans(), st.data())
def test_messages_are_the_same_however_they_are_torn(
    sent: list[tuple[int, bytes, int]], bounded: bool, data: st.DataObject
) -> None:
    wire = b"".join(_written(*message) for message in sent) + NORMAL
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire) + 129), max_size=6)))

    async def scene() -> Kept:
        kept, network = Kept(), InMemory()
        upgrade = Upgrade("ws://127.0.0.1/")
        limits = ConnectionLimits(10_000, 1 << 30) if bounded else None
        connection = WebSocket(kept, upgrade, max_message_bytes=MOST, limits=limits)
        connection._opening = asyncio.get_running_loop().create_future()
        connection.connection_made(network)
        wire_of_server = Wire(asyncio.StreamReader(), None)  # type: ignore[arg-type]
        wire_of_server.reader.feed_data(network.written)
        await wire_of_server.read_request()
        answer: list[bytes] = []

        async def collect(part: bytes) -> None:
            answer.append(part)

        wire_of_server.raw = collect  # type: ignore[assignment, method-assign]
        await wire_of_server.upgrade()
        whole = b"".join(answer) + wire
        assert len(whole) == len(wire) + 129
        for first, last in zip([0, *cuts], [*cuts, len(whole)], strict=True):
            connection.data_received(whole[first:last])
        return kept

    kept = asyncio.run(scene())
    names = {TEXT: "text", BINARY: "binary", PING: "ping", PONG: "pong"}
    expected = [
        (names[opcode], payload if opcode in (TEXT, BINARY) else payload[:125])
        for opcode, payload, _ in sent
        if payload or opcode in (TEXT, BINARY)
    ]
    assert kept.all[0][0] == "open"
    assert kept.all[1:] == [*expected, ("close", Ending("server", 1000, ""))]


def test_what_was_read_together_has_the_stamp_of_the_read() -> None:
    both = frame(TEXT, b"one") + frame(TEXT, b"t", fin=False) + frame(CONTINUATION, b"wo") + frame(BINARY, b"three")
    kept, _ = play(after_upgrade(raw(both + NORMAL)), end)

    assert kept.of("text", "binary") == [b"one", b"two", b"three"]
    assert kept.stamps[1] > 0
    assert set(kept.stamps[1:5]) == {kept.stamps[1]}


def test_the_protocol_of_websockets_is_kept_only_while_it_has_a_state() -> None:
    """One for each of ten thousand idle users would be ten megabytes."""
    steps = [
        (frame(TEXT, b"one"), False), (frame(PING, b"p"), False), (frame(TEXT, b"t", fin=False), True),
        (frame(PING, b"p"), True), (frame(CONTINUATION, b"w", fin=False), True), (frame(CONTINUATION, b"o"), False),
        (frame(BINARY, b"x" * 100_000)[:70_000], True),
    ]  # fmt: skip

    async def step(connection: WebSocket, _: Kept) -> list[bool]:
        known = []
        for data, _is_kept in steps:
            connection.data_received(data)
            known.append(connection._known_protocol is not None)
        return known

    kept, known = play(after_upgrade(), step)

    assert known == [is_kept for _, is_kept in steps]
    assert kept.of("text", "binary") == [b"one", b"two"]


def test_a_large_frame_that_drips_is_not_copied_for_each_drop() -> None:
    data = frame(TEXT, b"x" * 1_000_000) + frame(TEXT, b"next")

    async def drip(connection: WebSocket, _: Kept) -> int:
        most_held = 0
        for start in range(0, len(data), 500):
            connection.data_received(data[start : start + 500])
            most_held = max(most_held, len(connection._rest))
        return most_held

    kept, most_held = play(after_upgrade(), drip)

    assert [len(text) for text in kept.of("text")] == [1_000_000, 4]
    assert 0 < most_held < 100_000


@pytest.mark.parametrize(
    ("sent", "ending"),
    [
        (frame(CLOSE, b"\x03\xf3sorry"), Ending("server", 1011, "sorry")),
        (frame(CLOSE, b"\x07\xd0why"), Ending("server", 2000, "", b"why")),
        (frame(CLOSE, b"\x03\xe8\xff"), Ending("client", 1007, "invalid start byte at position 0", b"\xff")),
        (frame(TEXT, b"{", fin=False) + NORMAL, Ending("server", 1000, "")),
        (b"\x85\x7d", Ending("client", 1002, "invalid opcode")),
        (b"\x81\x85", Ending("client", 1002, "incorrect masking")),
        (head_of(TEXT, 1 << 62),
         Ending("client", 1009, f"a message too large: frame with {1 << 62} bytes exceeds limit of {MOST} bytes")),
        (head_of(TEXT, 70_000) + bytes([CLOSE | 0x80, 2, 3, 232]) * 17_500 + NORMAL, Ending("server", 1000, "")),
    ],
)  # fmt: skip
def test_the_end_is_seen_at_once(sent: bytes, ending: Ending) -> None:
    kept, _ = play(after_upgrade(raw(sent)), end)

    assert kept.of("close") == [ending]
    assert kept.connection.can_send is False


def test_what_came_of_a_message_is_handed_over_in_the_end() -> None:
    kept, _ = play(after_upgrade(raw(frame(TEXT, b"half a mess", fin=False)), hang_up), end)

    assert kept.all[1:3] == [("part", b"half a mess"), ("close", Ending("nobody", None, ""))]


async def hang_up(_: Wire) -> None:
    raise EOFError


@pytest.mark.parametrize(
    ("limits", "texts", "said"),
    [
        (ConnectionLimits(3, 1000), 3, "more than 3 frames on one connection"),
        (ConnectionLimits(9, 25), 2, "more than 25 bytes on one connection"),
    ],
)
def test_it_takes_exactly_as_much_as_it_may(limits: ConnectionLimits, texts: int, said: str) -> None:
    kept, _ = play(after_upgrade(raw(frame(TEXT, b"x" * 10) * 9)), end, limits=limits)

    assert len(kept.of("text")) == texts
    assert kept.of("close") == [Ending("client", 1008, said)]


def test_who_gives_up_in_the_middle_of_a_read_is_handed_nothing_more() -> None:
    class Weary(Kept):
        def on_binary(self, data: bytes, at: float) -> None:
            super().on_binary(data, at)
            self.connection.give_up("enough")

    async def scene(url: str) -> Kept:
        kept = Weary()
        kept.connection = WebSocket(kept, Upgrade(url), max_message_bytes=MOST)
        await kept.connection.open()
        await end(kept.connection, kept)
        await kept.connection.wait_gone(5)
        return kept

    act = after_upgrade(raw(frame(TEXT, b"one") + frame(BINARY, b"two") + frame(TEXT, b"three") + frame(PING, b"four")))
    with HostileServer(act, does.health()) as server:
        kept = asyncio.run(asyncio.wait_for(scene(server.url), DEADLINE_S))

    assert [name for name, _ in kept.all] == ["open", "text", "binary", "close", "gone"]


# Sending and ending ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 200_000])
def test_messages_of_every_length_of_a_head_arrive(size: int) -> None:
    async def echo(wire: Wire) -> None:
        for _ in range(2):
            opcode, payload = await wire.read_frame()
            await wire.frame(BINARY, bytes([opcode]) + payload)

    async def speak(connection: WebSocket, kept: Kept) -> None:
        connection.send(b"\xff" * size)
        connection.send(b"\xfe" * size, text=False)
        await kept.until(lambda: len(kept.of("binary")) == 2)

    kept, _ = play(after_upgrade(echo), speak)

    assert kept.of("binary") == [bytes([TEXT]) + b"\xff" * size, bytes([BINARY]) + b"\xfe" * size]


def test_what_is_deflated_is_inflated_and_the_other_way_round() -> None:
    async def echo(wire: Wire) -> None:
        first, second = await wire.reader.readexactly(2)
        mask = await wire.reader.readexactly(4)
        masked = await wire.reader.readexactly(second & 127)
        packed = bytes(byte ^ mask[index % 4] for index, byte in enumerate(masked))
        said = zlib.decompressobj(-15).decompress(packed + b"\0\0\xff\xff")
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        again = (packer.compress(said) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]
        await wire.raw(bytes([first, len(again)]) + again + frame(TEXT, b"plain"))

    async def speak(connection: WebSocket, kept: Kept) -> None:
        connection.send(b"hello " * 100)
        await kept.until(lambda: len(kept.of("text")) == 2)

    kept, _ = play(after_upgrade(echo, extra="Sec-WebSocket-Extensions: permessage-deflate\r\n"), speak, compress=True)

    assert kept.of("text") == [b"hello " * 100, b"plain"]


def test_the_answers_to_pings_are_counted_and_not_handed_over() -> None:
    async def answer(wire: Wire) -> None:
        await wire.answer_pings(3)
        await wire.raw(frame(PONG, b"unasked") + frame(PING, b"") + frame(PING, b"you?"))

    async def ping(connection: WebSocket, kept: Kept) -> None:
        for _ in range(3):
            connection.ping()
        await kept.until(lambda: bool(kept.of("ping")))

    kept, _ = play(after_upgrade(answer), ping)

    assert kept.all[1:3] == [("pong", b"unasked"), ("ping", b"you?")]
    assert (kept.connection.frames, kept.connection.pings) == (6, 2)


def test_a_pong_answers_the_pings_before_as_well_and_says_something_new_the_second_time() -> None:
    async def answer(wire: Wire) -> None:
        said = [(await wire.read_frame())[1] for _ in range(3)]
        await wire.raw(frame(PONG, said[2]) + frame(PONG, said[1]) + frame(PONG, said[2]) + NORMAL)

    async def ping(connection: WebSocket, kept: Kept) -> None:
        for _ in range(3):
            connection.ping()
        await end(connection, kept)

    kept, _ = play(after_upgrade(answer), ping)

    assert len(kept.of("pong")) == 2


def test_a_ping_is_answered_with_what_it_said() -> None:
    async def ask(wire: Wire) -> None:
        await wire.frame(PING, b"you?")
        opcode, payload = await wire.read_frame()
        await wire.say(json.dumps([opcode, payload.decode()]))

    async def hear(_: WebSocket, kept: Kept) -> None:
        await kept.until(lambda: bool(kept.of("text")))

    assert play(after_upgrade(ask), hear)[0].of("text") == [b'[10, "you?"]']


def test_it_waits_while_the_server_does_not_read() -> None:
    sent = threading.Event()

    async def read_late(wire: Wire) -> None:
        await asyncio.to_thread(sent.wait, 20)
        left = 200 * len(text_frame(b"x" * 100_000))
        while left:
            left -= len(await wire.reader.read(left))
        await wire.say("all read")

    async def speak(connection: WebSocket, kept: Kept) -> bool:
        for _ in range(200):
            connection.send(b"x" * 100_000)
        was_full = connection.is_full
        sent.set()
        await connection.drained()
        await kept.until(lambda: bool(kept.of("text")))
        return was_full

    kept, was_full = play(after_upgrade(read_late), speak)

    assert was_full
    assert kept.of("writable")
    assert not kept.connection.is_full


def test_who_waits_to_send_is_told_of_the_end() -> None:
    async def speak(connection: WebSocket, kept: Kept) -> None:
        while not connection.is_full:
            connection.send(b"x" * 100_000)
        waiting = asyncio.ensure_future(connection.drained())
        await asyncio.sleep(0)
        connection.abort()
        with pytest.raises(ConnectionEnded):
            await waiting
        with pytest.raises(ConnectionEnded):
            connection.send(b"more")
        with pytest.raises(ConnectionEnded):
            connection.ping()
        await kept.until(lambda: bool(kept.of("gone")))

    kept, _ = play(after_upgrade(), speak)

    assert kept.of("close") == [Ending("nobody", None, "")]


def test_who_leaves_is_answered_and_takes_what_comes_until_then() -> None:
    async def finish(wire: Wire) -> None:
        opcode, payload = await wire.read_frame()
        await wire.frame(TEXT, b"one more")
        await wire.frame(opcode, payload + b"bye")

    async def leave(connection: WebSocket, kept: Kept) -> None:
        connection.close()
        assert not connection.can_send
        await connection.wait_gone(5)

    kept, _ = play(after_upgrade(finish), leave)

    assert kept.all[1:] == [("text", b"one more"), ("close", Ending("client", 1000, "", b"bye")), ("gone", None)]


@pytest.mark.parametrize("says", [b"", NORMAL])
def test_no_server_keeps_a_connection_by_not_hanging_up(says: bytes) -> None:
    async def leave(connection: WebSocket, _: Kept) -> None:
        connection.close()
        await connection.wait_gone(0.05)

    kept, _ = play(after_upgrade(raw(says)), leave)

    assert kept.all[-1] == ("gone", None)
    assert kept.of("close")[0].by in ("client", "server")


def test_no_server_keeps_a_connection_by_not_reading() -> None:
    async def fill(connection: WebSocket, kept: Kept) -> None:
        while not connection.is_full:
            connection.send(b"x" * 100_000)
        await kept.until(lambda: bool(kept.of("gone")))

    async def end_unread(wire: Wire) -> None:
        await wire.reader.readexactly(1)
        await wire.raw(NORMAL)

    kept, _ = play(after_upgrade(end_unread), fill)

    assert kept.all[1:] == [("close", Ending("server", 1000, "")), ("gone", None)]
