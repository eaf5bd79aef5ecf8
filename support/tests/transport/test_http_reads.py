"""One answer by HTTP/1.1 brings the same, whether it is read at once or chunk by chunk."""

import asyncio
from typing import Any

import pytest
from greenlight_gate.transport.http_connection import HttpConnection
from greenlight_gate.transport.http_streams import HttpStreams
from greenlight_gate.transport.interface import Accepted

from support.tests.transport.keeping import Kept
from support.tests.transport.test_http import MOST, STREAM, chat, chunk

HEAD = STREAM.replace(b"text/event-stream", b"text/plain")
LINE = b"data: " + b"x" * MOST + b"\n\n"
# (the reads of an answer, what they bring besides its head)
ANSWERS: dict[str, tuple[list[bytes], list[Any]]] = {
    "events": (
        [STREAM, chunk(b"id: 1\ndata: a\n\n"), chunk(b"event: step\ndata: b\n\n"), chunk(b"data: c\n\n"), b"0\r\n\r\n"],
        [b"a", b"b", b"c", "q"],
    ),
    "half an event": ([STREAM, chunk(b"data: a\n"), chunk(b"\ndata: b\n\n"), b"0\r\n\r\n"], [b"a", b"b", "q"]),
    "no chunk": ([STREAM, chunk(b"data: a\n\n"), b"zz\r\n"], [b"a", "nobody"]),
    "another protocol": ([STREAM, chunk(b"data: a\n\n"), chunk(b"data: b\n\n") + b"\0\0\0"], [b"a", b"b", "nobody"]),
    "an event too large": ([STREAM, chunk(b"data: a\n\n"), chunk(LINE)], [b"a", "client"]),
    "a body too large": ([HEAD, chunk(b"x" * 262_000), chunk(b"x" * 262_000)], ["answer"]),
}  # fmt: skip


class Socket(asyncio.Transport):
    """A connection of the operating system that keeps nothing."""

    def write(self, data: Any) -> None:
        """Nothing is sent."""

    def is_closing(self) -> bool:
        return False

    def close(self) -> None:
        """Nothing is closed."""

    abort = close


def brought(pieces: list[bytes]) -> list[Any]:
    """What the reads of an answer to the request q bring: texts, the ends of streams and tabs, or only an answer."""

    async def scene() -> tuple[Kept, bytes]:
        kept = Kept()
        tab = HttpStreams(kept, "http://t", opening=None, framing="sse", envelope=False, max_message_bytes=MOST)
        connection = tab.speaking("1.1")
        assert isinstance(connection, HttpConnection)
        connection.connection_made(Socket())
        tab._accept(Accepted((), None, b""), 0.0)
        connection.request(chat("q"), b"{}")
        for piece in pieces:
            connection.data_received(piece)
        return kept, tab.last_id

    kept, last_id = asyncio.run(scene())
    assert last_id == (b"1" if any(b"id: 1" in piece for piece in pieces) else b"")
    found = kept.of("text", "stream end") + [ending.by for ending in kept.of("close")]
    return found or [what for what, _ in kept.all if what == "answer"]


@pytest.mark.parametrize("name", ANSWERS)
def test_one_answer_brings_the_same_however_it_is_read(name: str) -> None:
    reads, expected = ANSWERS[name]
    assert brought(reads) == expected
    assert brought([b"".join(reads)]) == expected
