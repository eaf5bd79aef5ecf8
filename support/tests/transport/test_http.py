"""A tab by HTTP: its pool of connections, what streams bring, and how it ends, against a server that does as told."""

import asyncio
import json

import pytest
from greenlight_gate.transport.http_streams import HttpStreams
from greenlight_gate.transport.interface import ConnectionLimits, NotOpened, Post
from greenlight_gate.wire.by_http import Framing

from support.tests.hostile import conduct as does
from support.tests.hostile.server import Act, HostileServer, Wire
from support.tests.transport.keeping import DEADLINE_S, Kept, TabPart, play_tab

MOST = 4_096
OPENING = Post("GET", "/session", (("Accept", "application/json"),), streams=False)
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
HELLO = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\nhi"


def chat(label: str, path: str = "/chat") -> Post:
    return Post("POST", path, (("X-Who", "Ada"),), label)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def whole(*events: bytes) -> bytes:
    """An answer that streams these, each in a chunk of its own, and ends in order."""
    return STREAM + b"".join(chunk(event) for event in events) + b"0\r\n\r\n"


class Seen:
    """What the server saw: on each connection, by its number, the requests as (method and path, body)."""

    def __init__(self) -> None:
        self.requests: list[list[tuple[str, bytes]]] = []

    def serving(self, *answers: bytes) -> Act:
        """Answers the requests of each connection in turn with these bytes; without one left, it is silent."""
        left = list(answers)

        async def serve(wire: Wire) -> None:
            here: list[tuple[str, bytes]] = []
            self.requests.append(here)
            while True:
                body = await wire.reader.readexactly(int(wire.headers.get("content-length", "0")))
                here.append((wire.path, body))
                if not left:
                    await does.forever(wire)
                await wire.raw(left.pop(0))
                await wire.read_request()

        return serve


def play(
    act: Act, part: TabPart, *, opening: Post | None = OPENING, limits: ConnectionLimits | None = None,
    framing: Framing = "sse", envelope: bool = False,
) -> Kept:  # fmt: skip
    return play_tab(
        act, part, opening=opening, framing=framing, envelope=envelope, max_message_bytes=MOST, limits=limits
    )


def asking(*labels: str) -> TabPart:
    """Sends a request for each label, one after the other, each once the stream before has ended."""

    async def part(tab: HttpStreams, kept: Kept) -> None:
        for count, label in enumerate(labels, 1):
            tab.send(json.dumps({"ask": label}).encode(), post=chat(label))
            await kept.until(lambda count=count: len(kept.of("stream end", "close")) >= count)  # type: ignore[misc]

    return part


def test_one_connection_takes_one_request_after_the_other_and_its_messages_come_in_order() -> None:
    seen = Seen()
    act = seen.serving(HELLO, whole(b"id: 1\ndata: a\n\ndata: ", b"b\n\n"), whole(b": beat\n\n", b"data: c\n\n"))
    kept = play(act, asking("q1", "q2"))
    said = [(what, value) for what, value in kept.all if what in ("text", "stream end")]
    assert said == [
        ("text", b"hi"), ("text", b"a"), ("text", b"b"), ("stream end", "q1"), ("text", b"c"), ("stream end", "q2"),
    ]  # fmt: skip
    assert seen.requests == [[("/session", b""), ("/chat", b'{"ask": "q1"}'), ("/chat", b'{"ask": "q2"}')]]
    assert [(answer.label, answer.status, answer.problem) for answer in kept.of("answer")] == [
        ("q1", 200, ""), ("q2", 200, ""),
    ]  # fmt: skip
    assert [value.by for value in kept.of("close")] == ["nobody"]  # it was aborted at the end


def test_the_bytes_of_a_request() -> None:
    came: list[bytes] = []

    async def serve(wire: Wire) -> None:
        wire.path = "/"
        came.append(await wire.reader.readuntil(b'{"ask": "q"}'))
        await wire.raw(whole(b"data: a\n\n"))
        await does.forever(wire)

    class Raw(HostileServer):
        async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self.door(Wire(reader, writer))

    async def scene(port: int) -> None:
        kept = Kept()
        tab = HttpStreams(
            kept, f"http://127.0.0.1:{port}", opening=None, framing="sse", envelope=False, max_message_bytes=MOST
        )
        await tab.open()
        await asking("q")(tab, kept)
        tab.abort()
        await tab.wait_gone(1.0)

    with Raw(serve, does.health()) as server:
        asyncio.run(scene(server.port))
    assert came == [
        b"POST /chat HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX-Who: Ada\r\nContent-Length: 12\r\n\r\n" % server.port
        + b'{"ask": "q"}'
    ]


def test_requests_at_the_same_time_have_connections_of_their_own() -> None:
    seen = Seen()

    async def both(tab: HttpStreams, kept: Kept) -> None:
        tab.send(b"1", post=chat("q1"))
        tab.send(b"2", post=chat("q2"))
        await kept.until(lambda: len(kept.of("answer")) == 2)
        assert {answer.label for answer in kept.of("answer")} == {"q1", "q2"}

    play(seen.serving(HELLO, STREAM, STREAM), both)
    assert sorted(map(len, seen.requests)) == [1, 2]


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_an_answer_may_be_cut_into_parts_at_any_byte(size: int) -> None:
    answer = whole("data: Sm\u00f8rebr\u00f8d\r\n\r\n".encode(), b"event: x\rdata: 2\r\r")

    async def serve(wire: Wire) -> None:
        for start in range(0, len(answer), size):
            await wire.raw(answer[start : start + size])
            await asyncio.sleep(0)
        await does.forever(wire)

    kept = play(serve, asking("q"), opening=None)
    assert kept.of("text") == ["Sm\u00f8rebr\u00f8d".encode(), b"2"]
    assert kept.of("stream end") == ["q"]


def test_lines_of_json_are_messages_and_the_last_may_lack_its_newline() -> None:
    head = STREAM.replace(b"text/event-stream", b"application/x-ndjson")
    answer = head + chunk(b'{"a":1}\n{"b"') + chunk(b":2}\n\n[3]") + b"0\r\n\r\n"
    kept = play(Seen().serving(answer), asking("q"), opening=None, framing="ndjson")
    assert kept.of("text") == [b'{"a":1}', b'{"b":2}', b"[3]"]


def test_with_envelope_a_message_is_the_whole_event() -> None:
    answer = whole(b": c\nevent: done\nid: 7\ndata: x\ndata: y\n\n")
    kept = play(Seen().serving(answer), asking("q"), opening=None, envelope=True)
    assert kept.of("text") == [b"event: done\nid: 7\ndata: x\ndata: y\n\n"]


def test_comments_and_fields_that_may_hold_something_are_handed_over() -> None:
    answer = whole(b": beat\n\n", b": a comment of some length\n\n", b"id: an id of some length\ndata: x\n\n")

    async def part(tab: HttpStreams, kept: Kept) -> None:
        await asking("q")(tab, kept)
        assert tab.pings == 2

    kept = play(Seen().serving(answer), part, opening=None)
    assert kept.of("comment") == [b" a comment of some length"]
    assert kept.of("id") == [b"an id of some length"]


ERROR = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nno"
# (answer, status, body, what is wrong): none of them ends the tab.
NO_STREAMS = [
    (ERROR, 403, b"no", ""),
    (HELLO, 200, b"hi", "HTTP 200 with application/json in place of text/event-stream"),
    (HELLO.replace(b"application/json", b"text/html"), 200, b"hi", "HTTP 200 with text/html in place of"),
    (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", "HTTP 204 with no content type in place of text/event-stream"),
    (b"HTTP/1.1 302 Found\r\nLocation: https://sso.example/login?t=1\r\nContent-Length: 0\r\n\r\n", 302, b"",
     "HTTP 302, a redirect to https://sso.example/login; redirects are not followed"),
    (whole(b"x").replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n", 1), 200, b"x", "content-encoding gzip"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "status", "body", "problem"), NO_STREAMS)
def test_what_comes_in_place_of_a_stream_is_an_answer(answer: bytes, status: int, body: bytes, problem: str) -> None:
    async def part(tab: HttpStreams, kept: Kept) -> None:
        tab.send(b"{}", post=chat("q"))
        await kept.until(lambda: bool(kept.of("answer", "close")))
        assert tab.is_open

    kept = play(Seen().serving(answer), part, opening=None)
    (came,) = kept.of("answer")
    assert (came.label, came.status, came.body) == ("q", status, body)
    assert came.problem.startswith(problem)
    assert bool(came.problem) is bool(problem)
    assert not kept.of("text", "stream end")


# (answer, who ended the tab, the code, what the reason holds): what cannot be read on ends the tab.
ENDS = [
    (STREAM + chunk(b"data: 1\n\n"), "nobody", None, ""),  # and then the connection is closed
    (STREAM + b"zz\r\n", "nobody", None, ""),
    (STREAM.replace(b"Transfer-Encoding: chunked", b"Content-Length: 99") + b"data: 1\n\n", "nobody", None, ""),
    (b"data: 1\n\n", "nobody", None, ""),  # HTTP/0.9
    (b"HTTP/1.1 200 OK\r\n" + b"X-Bomb: " + b"x" * 70_000, "nobody", None, ""),
    (b"", "nobody", None, ""),
    (STREAM + chunk(b"data: " + b"x" * (MOST + 1)), "client", 1009, "a line of more than 4096 bytes"),
    (STREAM + chunk(b"data: 12345678\n" * 1_000), "client", 1009, "an event of more than 4096 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "by", "code", "reason"), ENDS)
def test_what_cannot_be_read_on_ends_the_tab(answer: bytes, by: str, code: int | None, reason: str) -> None:
    async def act(wire: Wire) -> None:
        await wire.reader.readexactly(int(wire.headers["content-length"]))
        await wire.raw(answer)
        wire.writer.close()
        await does.forever(wire)

    kept = play(act, asking("q"), opening=None)
    (ending,) = kept.of("close")
    assert (ending.by, ending.code) == (by, code)
    assert reason in ending.reason
    assert not kept.of("stream end")


def test_a_body_that_ends_with_its_connection_is_whole() -> None:
    head = STREAM.replace(b"Transfer-Encoding: chunked\r\n", b"")

    async def act(wire: Wire) -> None:
        await wire.raw(head + b"data: 1\n\ndata: 2")
        wire.writer.write_eof()
        await does.forever(wire)

    kept = play(act, asking("q"), opening=None)
    assert kept.of("text") == [b"1"]  # an event that nothing has ended is dropped
    assert kept.of("stream end") == ["q"]


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (ERROR, 403, "HTTP 403: no"),
        (ERROR.replace(b"403 Forbidden", b"302 Found\r\nLocation: /login"), 302, "a redirect to /login"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", None, "no HTTP answer"),
    ],
)
def test_a_tab_that_is_refused_is_not_opened(answer: bytes, status: int | None, said: str) -> None:
    with pytest.raises(NotOpened, match=said) as refused:
        play(Seen().serving(answer), asking("q"))
    assert refused.value.status == status


@pytest.mark.parametrize(
    "post",
    [
        Post("POST", "/a b"), Post("POST", "/a\r\nX: y"), Post("POST", "/\u00e9"),
        Post("POST", "/", (("X", "a\r\nY: z"),)), Post("POST", "/", (("X", "a "),)),
        Post("POST", "/", (("X y", "a"),)), Post("POST", "/", (("X", "\u20ac"),)),
    ],
)  # fmt: skip
def test_what_http_does_not_allow_is_not_sent(post: Post) -> None:
    async def part(tab: HttpStreams, kept: Kept) -> None:
        with pytest.raises(NotOpened, match="cannot be requested: HTTP does not allow"):
            tab.send(b"1", post=post)

    seen = Seen()
    play(seen.serving(STREAM), part, opening=None)
    assert seen.requests == []


def test_what_follows_an_answer_unasked_is_given_to_no_request() -> None:
    seen = Seen()
    kept = play(seen.serving(whole(b"data: a\n\n") + HELLO, whole(b"data: b\n\n")), asking("q1", "q2"), opening=None)
    assert kept.of("text") == [b"a", b"b"]
    assert [len(requests) for requests in seen.requests] == [1, 1]


def test_a_close_ends_all_streams_at_once() -> None:
    async def part(tab: HttpStreams, kept: Kept) -> None:
        tab.send(b"1", post=chat("q1"))
        tab.send(b"2", post=chat("q2"))
        await kept.until(lambda: len(kept.of("answer")) == 2)
        tab.close()
        await tab.wait_gone(DEADLINE_S)
        assert not tab.is_open

    kept = play(Seen().serving(STREAM, STREAM), part, opening=None)
    assert [ending.by for ending in kept.of("close")] == ["client"]
    assert len(kept.of("gone")) == 1


def test_limits_end_a_tab_that_receives_too_much() -> None:
    kept = play(
        Seen().serving(whole(*[b"data: 1\n\n"] * 50)), asking("q"), opening=None, limits=ConnectionLimits(20, 10_000)
    )
    (ending,) = kept.of("close")
    assert (ending.code, ending.reason) == (1008, "more than 20 messages on one connection")
    assert len(kept.of("text")) == 19  # and the head of the answer


def test_a_stream_that_its_user_closes_ends_alone() -> None:
    async def part(tab: HttpStreams, kept: Kept) -> None:
        tab.send(b"{}", post=chat("q1"))
        await kept.until(lambda: len(kept.of("text")) == 2)
        assert [tab.close_stream(label) for label in ("q2", "q1", "q1")] == [False, True, False]
        tab.send(b"{}", post=chat("q2"))
        await kept.until(lambda: bool(kept.of("stream end")))
        assert tab.is_open

    kept = play(Seen().serving(HELLO, STREAM + chunk(b"data: a\n\n"), whole(b"data: b\n\n")), part)
    assert kept.of("text", "stream end") == [b"hi", b"a", b"b", "q2"]
