"""A tab by HTTP/2: one connection, its streams, and how they end, against a server that does as told."""

import asyncio
import json
import random
import threading
from collections.abc import Awaitable, Callable

import pytest
from greenlight_gate.targets.sections import HttpVersion
from greenlight_gate.transport.http_streams import HttpStreams
from greenlight_gate.transport.interface import ConnectionLimits, NotOpened, Post
from h2.settings import SettingCodes
from hyperframe.frame import ContinuationFrame, DataFrame, HeadersFrame, PingFrame

from support.tests.hostile import conduct as does
from support.tests.hostile import http2
from support.tests.hostile.certificate import Authority
from support.tests.hostile.http2 import JSON, Asked, Http2Wire, Serve, speaking
from support.tests.hostile.server import Act, Wire
from support.tests.transport.keeping import DEADLINE_S, Kept, TabPart, play_tab

MOST = 4_096
HELLO = b"data: hi\n\n"
NO_ERROR, INTERNAL_ERROR, REFUSED_STREAM, ENHANCE_YOUR_CALM = 0, 2, 7, 11


def chat(label: str) -> Post:
    return Post("POST", "/chat", (("X-Who", "Ada"), ("Connection", "keep-alive")), label)


def play(
    serve: Serve | None, part: TabPart, *, act: Act | None = None, limits: ConnectionLimits | None = None,
    settings: dict[SettingCodes, int] | None = None, http_version: HttpVersion = "2",
    authority: Authority | None = None, offers: tuple[str, ...] = (), chooses: tuple[str, ...] = (),
    opening: Post | None = None,
) -> Kept:  # fmt: skip
    """Opens a tab at a server that does `serve` on each connection, or `act` to whatever comes, and does `part`."""
    context = tls = None
    if authority is not None:
        from greenlight_gate.targets.sections import Tls
        from greenlight_gate.targets.tls import trust

        context = authority.server_context("127.0.0.1")
        context.set_alpn_protocols(chooses)
        tls = trust(Tls(ca_file=str(authority.ca_file)), offers)
    return play_tab(
        act or speaking(serve or _silent, settings), part, context=context, tls=tls, opening=opening, framing="sse",
        envelope=False, max_message_bytes=MOST, limits=limits, http_version=http_version,
    )  # fmt: skip


async def _silent(wire: Http2Wire) -> None:
    while True:
        await wire.read()


def asking(*labels: str) -> TabPart:
    """Sends all requests at once, and waits until each is answered, or the tab has ended."""

    async def part(tab: HttpStreams, kept: Kept) -> None:
        for label in labels:
            tab.send(json.dumps({"ask": label}).encode(), post=chat(label))
        ends = ("stream end", "reset")
        await kept.until(lambda: len(kept.of(*ends)) >= len(labels) or bool(kept.of("close")))

    return part


class Seen:
    """What the server saw: the connections, each with its requests."""

    def __init__(self) -> None:
        self.wires: list[Http2Wire] = []

    def serving(self, answer: Callable[[Http2Wire, Asked], Awaitable[None]]) -> Serve:
        async def serve(wire: Http2Wire) -> None:
            self.wires.append(wire)
            while True:
                await answer(wire, await wire.request())

        return serve


async def greet(wire: Http2Wire, asked: Asked) -> None:
    await wire.whole(asked, HELLO)


def test_requests_at_the_same_time_are_streams_of_one_connection() -> None:
    seen = Seen()

    async def crossing(wire: Http2Wire, asked: Asked) -> None:
        if len(wire.requests) < 3:
            return
        for each in wire.requests:
            await wire.head(each)
        for number in range(2):
            for each in reversed(wire.requests):
                await wire.data(each, b"data: %d %d\n" % (each.stream, number))
                await wire.data(each, b"\n", end=number == 1)

    kept = play(seen.serving(crossing), asking("q1", "q2", "q3"))
    assert kept.of("text") == [b"5 0", b"3 0", b"1 0", b"5 1", b"3 1", b"1 1"]
    assert kept.of("stream end") == ["q3", "q2", "q1"]
    assert [answer.http_version for answer in kept.of("answer")] == ["2"] * 3
    (wire,) = seen.wires
    assert [asked.body for asked in wire.requests] == [b'{"ask": "q1"}', b'{"ask": "q2"}', b'{"ask": "q3"}']
    assert wire.requests[0].fields[1:] == [
        (":scheme", "http"), (":authority", f"127.0.0.1:{wire.writer.get_extra_info('sockname')[1]}"),
        (":path", "/chat"), ("x-who", "Ada"), ("content-length", "13"),
    ]  # fmt: skip


def test_a_body_is_read_whole_and_an_error_status_with_it() -> None:
    async def refuse(wire: Http2Wire, asked: Asked) -> None:
        await wire.head(asked, ((":status", "403"), ("content-type", "text/html")))
        await wire.data(asked, b"no", end=True)

    async def part(tab: HttpStreams, kept: Kept) -> None:
        tab.send(b"{}", post=chat("q"))
        await kept.until(lambda: bool(kept.of("answer", "close")))
        assert tab.is_open

    (answer,) = play(Seen().serving(refuse), part).of("answer")
    assert (answer.status, answer.body, answer.problem) == (403, b"no", "")


def test_the_answer_to_the_opening_is_the_first_message() -> None:
    async def session(wire: Http2Wire, asked: Asked) -> None:
        await wire.head(asked, JSON)
        await wire.data(asked, b"hi", end=True)

    async def part(tab: HttpStreams, kept: Kept) -> None:
        assert kept.of("text") == [b"hi"]

    play(Seen().serving(session), part, opening=Post("GET", "/session", streams=False))


def test_windows_are_refilled_and_those_of_the_server_kept() -> None:
    seen = Seen()
    size = 3_000_000  # more than the windows of either side

    async def echo(wire: Http2Wire, asked: Asked) -> None:
        await wire.head(asked)
        for _ in range(size // 1_000):
            await wire.data(asked, b"data: %b\n\n" % (b"x" * 1_000))
        await wire.data(asked, b"", end=True)

    async def part(tab: HttpStreams, kept: Kept) -> None:
        tab.send(b"y" * size, post=chat("q"))
        await tab.drained()
        await kept.until(lambda: bool(kept.of("stream end", "close")))

    kept = play(seen.serving(echo), part)
    assert len(kept.of("text")) == size // 1_000
    assert len(seen.wires[0].requests[0].body) == size


def test_who_reads_nothing_opens_no_window() -> None:
    stuck = threading.Event()

    async def flood(wire: Http2Wire, asked: Asked) -> None:
        await wire.head(asked)
        while size := wire.h2.local_flow_control_window(asked.stream):
            await wire.data(asked, b"x" * min(size, 1_000))
        stuck.set()
        await does.forever(wire)

    async def part(tab: HttpStreams, kept: Kept) -> None:
        tab.stop_reading()
        tab.send(b"1", post=chat("q"))
        assert await asyncio.to_thread(stuck.wait, DEADLINE_S)
        assert not kept.of("answer")

    play(Seen().serving(flood), part)


def test_more_requests_than_the_server_allows_wait() -> None:
    seen = Seen()
    kept = play(seen.serving(greet), asking("q1", "q2", "q3"), settings={SettingCodes.MAX_CONCURRENT_STREAMS: 1})
    assert kept.of("stream end") == ["q1", "q2", "q3"]
    assert kept.of("wait") == [False, True]  # over: no, and yes
    assert len(seen.wires) == 1


@pytest.mark.parametrize("times", [1, 2])
def test_a_refused_stream_is_asked_for_once_more(times: int) -> None:
    seen = Seen()

    async def refuse(wire: Http2Wire, asked: Asked) -> None:
        if len(wire.requests) <= times:
            await wire.reset(asked, REFUSED_STREAM)
        else:
            await wire.whole(asked, HELLO)

    async def part(tab: HttpStreams, kept: Kept) -> None:
        tab.send(b"1", post=chat("q"))
        await kept.until(lambda: bool(kept.of("stream end", "answer") if times > 1 else kept.of("stream end")))

    kept = play(seen.serving(refuse), part)
    assert [asked.body for asked in seen.wires[0].requests] == [b"1", b"1"]
    if times == 1:
        assert kept.of("text", "stream end") == [b"hi", "q"]
    else:
        (answer,) = kept.of("answer")
        assert answer.problem == "a stream that was reset in place of an answer (REFUSED_STREAM)"


def test_a_stream_that_is_reset_ends_alone() -> None:
    async def reset_the_first(wire: Http2Wire, asked: Asked) -> None:
        if asked is wire.requests[0]:
            await wire.head(asked)
            await wire.data(asked, HELLO)
        else:
            await wire.reset(wire.requests[0], INTERNAL_ERROR)
            await wire.whole(asked, HELLO)

    kept = play(Seen().serving(reset_the_first), asking("q1", "q2"))
    assert kept.of("text", "reset", "stream end") == [b"hi", ("q1", "INTERNAL_ERROR"), b"hi", "q2"]


def test_a_stream_that_its_user_closes_ends_alone() -> None:
    async def begin(wire: Http2Wire, asked: Asked) -> None:
        if asked is wire.requests[0]:
            await wire.head(asked)
            await wire.data(asked, HELLO)
        else:
            await wire.whole(asked, HELLO)

    async def part(tab: HttpStreams, kept: Kept) -> None:
        tab.send(b"{}", post=chat("q1"))
        await kept.until(lambda: bool(kept.of("text")))
        assert [tab.close_stream(label) for label in ("q2", "q1", "q1")] == [False, True, False]
        tab.send(b"{}", post=chat("q2"))
        await kept.until(lambda: bool(kept.of("stream end")))
        assert tab.is_open

    kept = play((seen := Seen()).serving(begin), part)
    assert kept.of("text", "reset", "stream end") == [b"hi", b"hi", "q2"]
    assert len(seen.wires) == 1


def test_a_reset_in_the_middle_of_a_body_is_a_problem() -> None:
    async def reset(wire: Http2Wire, asked: Asked) -> None:
        await wire.head(asked, JSON)
        await wire.data(asked, b"{")
        await wire.reset(asked, INTERNAL_ERROR)

    async def part(tab: HttpStreams, kept: Kept) -> None:
        tab.send(b"1", post=chat("q"))
        await kept.until(lambda: bool(kept.of("answer", "close")))

    (answer,) = play(Seen().serving(reset), part).of("answer")
    assert answer.body == b"{"
    assert answer.problem == "HTTP 200 whose stream was reset in the middle of the body (INTERNAL_ERROR)"


def test_a_server_that_goes_away_finishes_what_it_has_begun_with_and_the_rest_is_asked_elsewhere() -> None:
    seen = Seen()

    async def leave(wire: Http2Wire, asked: Asked) -> None:
        if wire is not seen.wires[0]:
            await wire.whole(asked, b"data: elsewhere\n\n")
        elif len(wire.requests) == 2:
            first = wire.requests[0]
            await wire.go_away(first.stream)
            await wire.whole(first, HELLO)

    kept = play(seen.serving(leave), asking("q1", "q2"))
    assert sorted(kept.of("stream end")) == ["q1", "q2"]
    assert sorted(kept.of("text")) == [b"elsewhere", b"hi"]
    assert [[asked.body for asked in wire.requests] for wire in seen.wires] == [
        [b'{"ask": "q1"}', b'{"ask": "q2"}'], [b'{"ask": "q2"}'],
    ]  # fmt: skip


def test_several_requests_after_the_connection_is_gone_share_the_next_one() -> None:
    seen = Seen()

    async def once(wire: Http2Wire, asked: Asked) -> None:
        await wire.whole(asked, HELLO)
        if wire is seen.wires[0]:
            await wire.go_away(asked.stream)

    async def part(tab: HttpStreams, kept: Kept) -> None:
        await asking("q1")(tab, kept)
        await kept.until(lambda: not any(connection.takes_more for connection in tab._connections))
        await asking("q2", "q3")(tab, kept)
        await kept.until(lambda: len(kept.of("stream end")) == 3)

    play(seen.serving(once), part)
    assert [len(wire.requests) for wire in seen.wires] == [1, 2]


async def _close(wire: Http2Wire, asked: Asked) -> None:
    await wire.head(asked)
    await wire.data(asked, HELLO)
    raise EOFError


async def _go_away_with_error(wire: Http2Wire, asked: Asked) -> None:
    await wire.go_away(max(asked.stream - 2, 0), ENHANCE_YOUR_CALM, b"calm down")
    await does.forever(wire)


async def _go_away_for_ever(wire: Http2Wire, asked: Asked) -> None:
    await wire.go_away(max(asked.stream - 2, 0))
    await does.forever(wire)


async def _garbage(wire: Http2Wire, asked: Asked) -> None:
    await wire.head(asked)
    # In one write: the message before the broken frame counts.
    await wire.raw(
        DataFrame(asked.stream, data=HELLO).serialize() + DataFrame(asked.stream + 100, data=b"x").serialize()
    )
    await does.forever(wire)


async def _continuations(wire: Http2Wire, asked: Asked) -> None:
    await wire.frame(HeadersFrame(asked.stream, data=b""))
    for _ in range(100_000):
        await wire.frame(ContinuationFrame(asked.stream, data=b""))


async def _bomb(wire: Http2Wire, asked: Asked) -> None:
    await wire.frame(HeadersFrame(asked.stream, data=http2.HEADER_BOMB, flags=["END_HEADERS"]))
    await does.forever(wire)


async def _long_line(wire: Http2Wire, asked: Asked) -> None:
    await wire.head(asked)
    await wire.data(asked, b"data: " + b"x" * 2 * MOST)
    await does.forever(wire)


async def _status(wire: Http2Wire, asked: Asked) -> None:
    await wire.frame(
        HeadersFrame(asked.stream, data=wire.h2.encoder.encode([(":status", "abc")]), flags=["END_HEADERS"])
    )
    await does.forever(wire)


async def _pings(wire: Http2Wire, asked: Asked) -> None:
    for number in range(100):
        await wire.frame(PingFrame(0, opaque_data=b"%8d" % number))
    await does.forever(wire)


# (what the server does, who ended the tab, the code, what the reason holds)
ENDS = [
    (_close, "nobody", None, "the connection was closed in the middle of an answer"),
    (_go_away_with_error, "nobody", None, "GOAWAY with ENHANCE_YOUR_CALM: calm down"),
    (_go_away_for_ever, "nobody", None, "GOAWAY with NO_ERROR, for the second time"),
    (_garbage, "nobody", None, "no HTTP/2: "),
    (_continuations, "nobody", None, "no HTTP/2: Too many continuation frames"),
    (_bomb, "nobody", None, "no HTTP/2: "),
    (_long_line, "client", 1009, "a line of more than 4096 bytes"),
    (_status, "nobody", None, "'abc'"),
    (_pings, "client", 1008, "more than 50 messages on one connection"),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "by", "code", "reason"), ENDS)
def test_what_cannot_be_read_on_ends_the_tab(
    answer: Callable[[Http2Wire, Asked], Awaitable[None]], by: str, code: int | None, reason: str
) -> None:
    kept = play(Seen().serving(answer), asking("q"), limits=ConnectionLimits(50, 100_000))
    (ending,) = kept.of("close")
    assert (ending.by, ending.code) == (by, code)
    assert reason in ending.reason
    assert kept.of("text") == ([b"hi"] if answer in (_close, _garbage) else [])
    assert not kept.of("stream end")


def test_what_a_server_says_as_it_goes_is_handed_over() -> None:
    async def leave(wire: Http2Wire, asked: Asked) -> None:
        await wire.go_away(asked.stream, 0, b"a reason of some length")
        await wire.whole(asked, HELLO)

    assert play(Seen().serving(leave), asking("q")).of("goaway") == [b"a reason of some length"]


def test_a_close_ends_all_streams_at_once() -> None:
    async def begin(wire: Http2Wire, asked: Asked) -> None:
        await wire.head(asked)

    async def part(tab: HttpStreams, kept: Kept) -> None:
        tab.send(b"1", post=chat("q1"))
        tab.send(b"2", post=chat("q2"))
        await kept.until(lambda: len(kept.of("answer")) == 2)
        assert tab.notices_loss
        tab.close()
        await tab.wait_gone(DEADLINE_S)

    kept = play(Seen().serving(begin), part)
    assert [ending.by for ending in kept.of("close")] == ["client"]
    assert len(kept.of("gone")) == 1


def test_what_http_does_not_allow_is_not_sent() -> None:
    async def part(tab: HttpStreams, kept: Kept) -> None:
        with pytest.raises(NotOpened, match="HTTP does not allow"):
            tab.send(b"1", post=Post("POST", "/a b"))

    play(None, part)


async def _of_old(wire: Wire) -> None:
    await wire.respond("400 Bad Request", b"what?")


async def _settles_nothing(wire: Wire) -> None:
    raise EOFError


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (_of_old, "HTTP/1.1 400 Bad Request in place of HTTP/2"),
        (_settles_nothing, "the connection was closed in place of an answer"),
    ],
)
def test_a_server_that_speaks_no_http2_is_not_open(act: Act, said: str) -> None:
    with pytest.raises(NotOpened, match=said):
        play(None, asking("q"), act=act)


# What is chosen with TLS --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_with_tls_http2_is_spoken_where_the_server_chooses_it(authority: Authority) -> None:
    kept = play(
        Seen().serving(greet), asking("q"), authority=authority, http_version="", offers=("h2", "http/1.1"),
        chooses=("h2", "http/1.1"),
    )  # fmt: skip
    (answer,) = kept.of("answer")
    assert (answer.http_version, kept.of("text")) == ("2", [b"hi"])


OLD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 10\r\n\r\ndata: hi\n\n"


@pytest.mark.parametrize("chooses", [("http/1.1",), ()])
def test_with_tls_it_falls_back_to_what_the_server_speaks(authority: Authority, chooses: tuple[str, ...]) -> None:
    async def act(wire: Wire) -> None:
        await wire.reader.readexactly(int(wire.headers["content-length"]))
        await wire.raw(OLD)
        await does.forever(wire)

    kept = play(
        None, asking("q"), act=act, authority=authority, http_version="", offers=("h2", "http/1.1"), chooses=chooses
    )
    (answer,) = kept.of("answer")
    assert (answer.http_version, kept.of("text")) == ("1.1", [b"hi"])


def test_with_tls_only_the_version_of_the_target_is_spoken(authority: Authority) -> None:
    with pytest.raises(NotOpened, match="was chosen with TLS, and not HTTP/2"):
        play(None, asking("q"), act=does.forever, authority=authority, offers=("h2", "http/1.1"), chooses=("http/1.1",))


# Whatever comes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_no_bytes_do_more_than_end_the_tab(seed: int) -> None:
    chosen = random.Random(seed)

    async def nonsense(wire: Http2Wire, asked: Asked) -> None:
        good = wire.h2.encoder.encode([(":status", "200"), ("content-type", "text/event-stream")])
        frames = HeadersFrame(asked.stream, data=good, flags=["END_HEADERS"]).serialize()
        for _ in range(200):
            payload = chosen.randbytes(chosen.choice((0, 1, 4, 5, 8, 9, 40)))
            stream = chosen.choice((0, asked.stream, asked.stream, asked.stream, 2, 99))
            kind, flags = chosen.choice((*range(12), 0, 0, 200)), chosen.choice((0, 0, 1, 4, 5, 8, 0x20, 255))
            frames += len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload
        await wire.raw(frames if seed % 2 else chosen.randbytes(2_000))
        raise EOFError

    kept = play(Seen().serving(nonsense), asking("q"), limits=ConnectionLimits(500, 100_000))
    assert kept.of("close", "reset", "answer")
