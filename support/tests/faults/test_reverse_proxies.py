"""What reverse proxies do: they buffer bodies, end what is idle, and send a POST again whose answer they have lost."""

import asyncio

import pytest
from greenlight_gate.faults.buffering import Buffering
from greenlight_gate.faults.drop_idle import DropIdle
from greenlight_gate.faults.resend import Resend

from support.tests.faults.lines import Line, on_a_line

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
UNBUFFERED = HEAD.replace(b"\r\n\r\n", b"\r\nX-Accel-Buffering: no\r\n\r\n")
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\n\r\n"
EVENT, END, FRAME = b"9\r\ndata: 1\n\n\r\n", b"0\r\n\r\n", b"\x81\x02hi"
POST = b"POST /chat HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nbody"


def test_a_body_comes_at_its_end_and_all_at_once_and_the_next_one_too() -> None:
    async def play(line: Line) -> None:
        line.proxy.add(fault := Buffering())
        await fault.switch_on()
        for _ in range(2):
            await line.there.say(HEAD + EVENT)
            assert await line.user.hear(len(HEAD)) == HEAD
            await line.there.say(EVENT)
            assert await line.user.is_silent()
            await line.there.say(END)
            assert await line.user.hear(len(EVENT + EVENT + END)) == EVENT + EVENT + END

    on_a_line(play)


@pytest.mark.parametrize(
    ("head", "body"),
    [(UNBUFFERED, EVENT), (UNBUFFERED.replace(b"X-Accel", b"x-accel"), EVENT), (UPGRADED, FRAME)],
)
def test_an_answer_that_says_so_is_not_buffered_and_no_frame_either(head: bytes, body: bytes) -> None:
    async def play(line: Line) -> None:
        line.proxy.add(fault := Buffering())
        await fault.switch_on()
        await line.there.say(head + body)
        assert await line.user.hear(len(head + body)) == head + body

    on_a_line(play)


def test_a_full_buffer_and_the_end_of_the_connection_let_a_body_through() -> None:
    async def play(line: Line) -> None:
        line.proxy.add(fault := Buffering(len(EVENT) + 1))
        await fault.switch_on()
        await line.there.say(HEAD + EVENT)
        assert await line.user.hear(len(HEAD)) == HEAD
        await line.there.say(EVENT)
        assert await line.user.hear(2 * len(EVENT)) == EVENT + EVENT
        await line.there.say(EVENT)
        line.there.writer.close()
        assert await line.user.rest() == (EVENT, "fin")

    on_a_line(play)


def test_what_is_about_to_end_an_idle_connection_says_so() -> None:
    async def play(line: Line) -> None:
        said: list[bool] = []
        await line.link.add(DropIdle(0.05, lambda: said.append(line.link.ended)))
        assert await line.user.rest() == (b"", "fin")
        assert said == [False]

    on_a_line(play)


def test_a_post_is_sent_twice_and_its_first_answer_is_lost() -> None:
    async def play(line: Line) -> None:
        line.proxy.add(fault := Resend(line.proxy.target))
        await fault.switch_on()
        for start in range(0, len(POST), 7):
            await line.user.say(POST[start : start + 7])
            await asyncio.sleep(0)
        first = await line.target.next()
        assert await first.hear(len(POST)) == POST
        assert not fault.sent_again.is_set()
        await first.say(b"HTTP/1.1 200 OK")
        assert (await first.rest())[0] == b""
        assert await line.there.hear(len(POST)) == POST
        assert fault.sent_again.is_set()
        await line.there.say(HEAD)
        assert await line.user.hear(len(HEAD)) == HEAD
        # Once was what it was asked for.
        await line.user.say(POST)
        assert await line.there.hear(len(POST)) == POST
        assert line.target.newcomers.empty()

    on_a_line(play)


@pytest.mark.parametrize("begins", [b"GET /session HTTP/1.1\r\nHost: here\r\n\r\n", b"\x16\x03\x01\x00\x05hello"])
def test_nothing_but_a_post_is_sent_again(begins: bytes) -> None:
    async def play(line: Line) -> None:
        line.proxy.add(fault := Resend(line.proxy.target))
        await fault.switch_on()
        await line.user.say(begins)
        assert await line.there.hear(len(begins)) == begins
        await line.user.say(POST[:3])  # which is passed on when the user goes
        line.user.writer.write_eof()
        assert await line.there.rest() == (POST[:3], "fin")
        assert line.target.newcomers.empty()
        assert not fault.sent_again.is_set()

    on_a_line(play)


def test_a_request_whose_first_copy_reaches_nothing_is_passed_on() -> None:
    async def play(line: Line) -> None:
        line.proxy.add(fault := Resend(("127.0.0.1", 1)))
        await fault.switch_on()
        await line.user.say(POST)
        assert await line.there.hear(len(POST)) == POST
        assert not fault.sent_again.is_set()

    on_a_line(play)
