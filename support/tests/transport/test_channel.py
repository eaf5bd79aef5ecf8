"""A tab by HTTP whose events come on one stream that stays open: against a server that does as told."""

import json

import pytest
from greenlight_gate.targets.sections import HttpVersion
from greenlight_gate.transport.http_streams import HttpStreams
from greenlight_gate.transport.interface import NotOpened, Post

from support.tests.hostile import conduct as does
from support.tests.hostile.http2 import Asked, Http2Wire, speaking
from support.tests.hostile.server import Act, Wire
from support.tests.transport.keeping import Kept, TabPart, play_tab

OPENING = Post("GET", "/events", (("Accept", "text/event-stream"),))
STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
ACCEPTED = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi"
END = b"0\r\n\r\n"


def message(label: str) -> Post:
    return Post("POST", "/messages", (), label, streams=False)


def event(data: bytes) -> bytes:
    block = b"data: %b\n\n" % data
    return b"%x\r\n%b\r\n" % (len(block), block)


class Backend:
    """Answers the GET with `opening`, which stays open, and each POST with the next of `answers`.

    What a POST says is sent on the channel, as an event; `ends`: after so many of them the channel is ended with these
    bytes, and its connection closed.
    """

    def __init__(self, *answers: bytes, opening: bytes = STREAM, ends: tuple[int, bytes] = (0, b"")) -> None:
        self.answers = list(answers)
        self.opening = opening
        self.ends = ends
        self.asked: list[str] = []
        self.channel: Wire | None = None

    async def act(self, wire: Wire) -> None:
        if wire.path == "/events":
            self.asked.append("channel")
            await wire.raw(self.opening)
            if self.opening is STREAM:
                self.channel = wire
                await does.forever(wire)
            await wire.read_request()
        while True:
            body = await wire.reader.readexactly(int(wire.headers["content-length"]))
            self.asked.append(json.loads(body))
            if self.channel is not None:
                await self.channel.raw(event(body))
                count, end = self.ends
                if len(self.asked) - 1 == count:
                    await self.channel.raw(end)
                    self.channel.writer.close()
            await wire.raw(self.answers.pop(0))
            await wire.read_request()


def play(act: Act, part: TabPart, *, expects_refusal: bool = False, http_version: HttpVersion = "") -> Kept:
    return play_tab(
        act, part, opening=OPENING, framing="sse", envelope=False, max_message_bytes=4_096, is_channel=True,
        expects_refusal=expects_refusal, http_version=http_version,
    )  # fmt: skip


def asking(*labels: str) -> TabPart:
    """Sends a request for each label at once, and waits for an event and an answer of each, or for the end."""

    async def part(tab: HttpStreams, kept: Kept) -> None:
        most = len(kept.of("answer")) + len(labels)
        for label in labels:
            tab.send(json.dumps(label).encode(), post=message(label))
        await kept.until(
            lambda: bool(kept.of("close")) or (len(kept.of("text")) >= most and len(kept.of("answer")) >= most)
        )

    return part


def test_events_come_on_the_channel_and_a_request_is_answered_without_a_body() -> None:
    backend = Backend(ACCEPTED, NO_CONTENT)

    async def part(tab: HttpStreams, kept: Kept) -> None:
        await asking("q1")(tab, kept)
        await asking("q2")(tab, kept)
        assert tab.notices_loss

    kept = play(backend.act, part)
    assert backend.asked == ["channel", "q1", "q2"]
    assert kept.of("text") == [b'"q1"', b'"q2"']
    assert [(answer.label, answer.status, answer.problem) for answer in kept.of("answer")] == [
        ("q1", 202, ""), ("q2", 204, ""),
    ]  # fmt: skip
    assert not kept.of("stream end")


def test_requests_at_the_same_time_share_the_channel() -> None:
    kept = play(Backend(ACCEPTED, ACCEPTED, ACCEPTED).act, asking("q1", "q2", "q3"))
    assert sorted(kept.of("text")) == [b'"q1"', b'"q2"', b'"q3"']


def test_a_request_that_is_refused_leaves_the_channel_open() -> None:
    async def part(tab: HttpStreams, kept: Kept) -> None:
        await asking("q1")(tab, kept)
        assert tab.is_open

    kept = play(Backend(REFUSED).act, part)
    assert [(answer.label, answer.status) for answer in kept.of("answer")] == [("q1", 401)]


def test_events_in_the_answer_to_a_request_are_none_of_the_channel() -> None:
    block = b"id: a:1\ndata: stray\n\n"
    answer = STREAM + b"%x\r\n%b\r\n" % (len(block), block) + END

    async def part(tab: HttpStreams, kept: Kept) -> None:
        await asking("q1")(tab, kept)
        await asking("q2")(tab, kept)
        assert tab.is_open
        assert tab.last_event_id == ""

    kept = play(Backend(answer, ACCEPTED).act, part)
    assert kept.of("text") == [b'"q1"', b'"q2"']
    assert [(each.label, each.status, each.body) for each in kept.of("answer")] == [
        ("q1", 200, block), ("q2", 202, b""),
    ]  # fmt: skip


@pytest.mark.parametrize(("end", "by", "why"), [(END, "server", "the event stream has ended"), (b"", "nobody", "")])
def test_the_tab_ends_with_its_channel_in_order_or_not(end: bytes, by: str, why: str) -> None:
    kept = play(Backend(ACCEPTED, ends=(1, end)).act, asking("q1"))
    assert kept.of("text") == [b'"q1"']
    (ending,) = kept.of("close")
    assert (ending.by, ending.code) == (by, None)
    assert why in ending.reason


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (PAGE, 200, "HTTP 200 with text/html in place of text/event-stream"),
        (REFUSED, 401, "HTTP 401"),
        (NO_CONTENT, 204, "HTTP 204 with no content type in place of text/event-stream"),
        (b"HTTP/1.1 302 Found\r\nLocation: /login\r\nContent-Length: 0\r\n\r\n", 302, "a redirect to /login"),
    ],
)
def test_what_is_answered_in_place_of_a_channel_refuses_the_tab(answer: bytes, status: int, said: str) -> None:
    with pytest.raises(NotOpened, match=said) as refused:
        play(Backend(opening=answer).act, asking("q1"))
    assert refused.value.status == status


def test_where_a_refusal_is_expected_a_request_is_tried_after_that_of_the_channel() -> None:
    backend = Backend(REFUSED, opening=REFUSED)

    async def part(tab: HttpStreams, kept: Kept) -> None:
        tab.send(b'"q1"', post=message("q1"))
        await kept.until(lambda: len(kept.of("answer")) == 2)

    kept = play(backend.act, part, expects_refusal=True)
    assert [(answer.label, answer.status) for answer in kept.of("answer")] == [("", 401), ("q1", 401)]
    assert backend.asked == ["channel", "q1"]


def test_the_last_event_id_is_kept_as_an_event_source_keeps_it() -> None:
    ids: list[str] = []

    async def serve(wire: Wire) -> None:
        block = b"id: a:1\ndata: 1\n\ndata: 2\n\nid: b:2\n\nid: c:3\ndata: unfinished\n"
        await wire.raw(STREAM + b"%x\r\n%b\r\n" % (len(block), block))
        await does.forever(wire)

    async def part(tab: HttpStreams, kept: Kept) -> None:
        await kept.until(lambda: len(kept.of("text")) == 2)
        ids.append(tab.last_event_id)

    play(serve, part)
    assert ids == ["b:2"]


@pytest.mark.parametrize("resets", [False, True])
def test_by_http_2_the_channel_and_its_requests_share_a_connection(*, resets: bool) -> None:
    async def serve(wire: Http2Wire) -> None:
        channel: Asked | None = None
        while True:
            asked = await wire.request()
            if channel is None:
                channel = asked
                await wire.head(channel)
                continue
            await wire.head(asked, ((":status", "202"),), end=True)
            await wire.data(channel, b"data: %b\n\n" % asked.body)
            if len(wire.requests) == 3:
                await (wire.reset(channel, 2) if resets else wire.data(channel, b"", end=True))

    async def part(tab: HttpStreams, kept: Kept) -> None:
        await asking("q1")(tab, kept)
        await asking("q2")(tab, kept)
        await kept.until(lambda: bool(kept.of("close")))

    kept = play(speaking(serve), part, http_version="2")
    assert kept.of("text") == [b'"q1"', b'"q2"']
    assert [(answer.label, answer.status) for answer in kept.of("answer")] == [("q1", 202), ("q2", 202)]
    assert [ending.by for ending in kept.of("close")] == ["nobody" if resets else "server"]


def test_what_http_does_not_allow_is_said_before_a_connection_is_opened_for_it() -> None:
    async def part(tab: HttpStreams, kept: Kept) -> None:
        with pytest.raises(NotOpened, match="HTTP does not allow this path"):
            tab.send(b"", post=Post("POST", "/of ada", (), "q1", streams=False))
        assert not tab.unanswered
        await asking("q2")(tab, kept)

    assert play(Backend(ACCEPTED).act, part).of("text") == [b'"q2"']
