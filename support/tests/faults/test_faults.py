"""Each fault does what it says, in the direction that it was told, and only while it is on."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import pytest
from greenlight_gate.faults.bandwidth import Bandwidth
from greenlight_gate.faults.close import Close
from greenlight_gate.faults.cut_after import CutAfter
from greenlight_gate.faults.drop_idle import DropIdle
from greenlight_gate.faults.fault import Fault
from greenlight_gate.faults.half_open import HalfOpen
from greenlight_gate.faults.latency import Latency
from greenlight_gate.faults.link import Direction, End
from greenlight_gate.faults.refuse import Refuse
from greenlight_gate.faults.reset import Reset
from greenlight_gate.faults.slices import Slices
from greenlight_gate.faults.stall import Stall

from support.tests.faults.lines import Line, connect, on_a_line, until


async def both_ways(line: Line) -> None:
    await line.user.say(b"question")
    assert await line.there.hear(8) == b"question"
    await line.there.say(b"answer")
    assert await line.user.hear(6) == b"answer"


ALL: list[Callable[[], Fault]] = [
    lambda: Latency(0.05), lambda: Bandwidth(1e5), Slices, Stall, Reset, Close, HalfOpen, lambda: CutAfter(3), Refuse,
    lambda: DropIdle(0.05),
]  # fmt: skip


def test_without_faults_all_goes_through_and_ends_are_passed_on() -> None:
    async def play(line: Line) -> None:
        await both_ways(line)
        line.user.writer.write_eof()
        assert await line.there.rest() == (b"", "fin")
        await line.there.say(b"the last word")
        line.there.writer.close()
        assert await line.user.rest() == (b"the last word", "fin")
        await until(lambda: not line.proxy.links)

    on_a_line(play)


def test_all_faults_are_off_by_default() -> None:
    async def play(line: Line) -> None:
        line.proxy.add(*(make() for make in ALL))
        await both_ways(line)

    on_a_line(play)


async def takes(least_s: float, most_s: float, act: Callable[[], Awaitable[None]]) -> bool:
    """Whether it takes at least and less than so long; on a busy machine, one time of several is enough."""
    for _ in range(5):
        began = time.monotonic()
        await act()
        if least_s <= time.monotonic() - began < most_s:
            return True
    return False


@pytest.mark.parametrize(("direction", "slow"), [("up", True), ("down", False), ("both", True)])
def test_latency_delays_its_direction(direction: str, slow: bool) -> None:
    async def play(line: Line) -> None:
        fault = Latency(0.5, 0.1, Direction(direction), seed=7)
        line.proxy.add(fault)
        await fault.switch_on()

        async def numbers() -> None:
            # What is sent while the first is on its way is not delayed twice, and stays behind it.
            for number in range(5):
                await line.user.say(b"%d" % number)
                await asyncio.sleep(0.01)
            assert await line.there.hear(5) == b"01234"

        assert await takes(0.4, 2.0, numbers) if slow else await takes(0.0, 0.4, numbers)
        await fault.switch_off()
        assert await takes(0.0, 0.4, lambda: both_ways(line))

    on_a_line(play)


def test_bandwidth_is_a_ceiling() -> None:
    async def play(line: Line) -> None:
        fault = Bandwidth(50_000, Direction.DOWN)
        line.proxy.add(fault)
        await fault.switch_on()
        began = time.monotonic()
        await line.there.say(b"x" * 15_000)
        await line.user.hear(15_000)
        assert 0.29 <= time.monotonic() - began <= 2.0

    on_a_line(play)


def test_slices_arrive_one_by_one() -> None:
    async def play(line: Line) -> None:
        fault = Slices(2, 0.01, Direction.DOWN)
        line.proxy.add(fault)
        await fault.switch_on()
        await line.there.say(b"abcdefg")
        assert [await line.user.hear_some() for _ in range(4)] == [b"ab", b"cd", b"ef", b"g"]

    on_a_line(play)


def test_a_stalled_line_is_open_and_silent_and_goes_on_later() -> None:
    async def play(line: Line) -> None:
        fault = await line.link.add(Stall())
        await line.user.say(b"question")
        await line.there.say(b"answer")
        assert await line.user.is_silent()
        assert await line.there.is_silent()
        line.there.writer.write_eof()
        assert await line.user.is_silent(), "an end is news as well"
        await fault.switch_off()
        assert await line.there.hear(8) == b"question"
        assert await line.user.rest() == (b"answer", "fin")

    on_a_line(play)


def test_a_user_who_leaves_a_stalled_line_is_not_missed() -> None:
    async def play(line: Line) -> None:
        await line.link.add(Stall())
        line.user.writer.transport.abort()
        await until(lambda: line.link.user.finished)
        await line.there.say(b"is anybody there?")
        assert await line.there.is_silent()

    on_a_line(play)


@pytest.mark.parametrize("dead", [Direction.UP, Direction.DOWN])
def test_half_open_loses_what_goes_the_dead_way(dead: Direction) -> None:
    async def play(line: Line) -> None:
        fault = await line.link.add(HalfOpen(dead))
        living, gone = (line.user, line.there) if dead is Direction.UP else (line.there, line.user)
        await living.say(b"lost")
        await gone.say(b"heard")
        assert await living.hear(5) == b"heard"
        assert await gone.is_silent()
        await fault.switch_off()
        await living.say(b"new")
        assert await gone.hear(3) == b"new", "what was lost stays lost"

    on_a_line(play)


def test_half_open_passes_on_no_end() -> None:
    async def play(line: Line) -> None:
        await line.link.add(HalfOpen(Direction.DOWN))
        line.user.writer.transport.abort()
        await until(lambda: line.link.user.finished)
        assert await line.there.is_silent()

    on_a_line(play)


@pytest.mark.parametrize(("fault", "how"), [(Reset, "rst"), (Close, "fin")])
def test_a_line_is_ended_on_both_sides(fault: Callable[[], Fault], how: str) -> None:
    async def play(line: Line) -> None:
        await both_ways(line)
        cut = fault()
        line.proxy.add(cut)
        await cut.switch_on()
        assert await line.user.rest() == (b"", how)
        assert await line.there.rest() == (b"", how)
        newcomer = await connect(line.proxy)
        assert (await newcomer.rest())[0] == b""
        newcomer.writer.close()
        await until(lambda: not line.proxy.links)

    on_a_line(play)


@pytest.mark.parametrize("how", list(End))
@pytest.mark.parametrize("size", [0, 1, 7, 10])
def test_a_line_is_cut_after_so_many_bytes(how: End, size: int) -> None:
    async def play(line: Line) -> None:
        await line.link.add(CutAfter(size, how=how))

        async def speak() -> None:
            with contextlib.suppress(ConnectionError):
                for part in (b"0123", b"456", b"789abc"):
                    await line.there.say(part)
                    await asyncio.sleep(0.01)

        (received, ended), _ = await asyncio.gather(line.user.rest(), speak())
        assert received == b"0123456789abc"[:size]
        assert ended == how

    on_a_line(play)


def test_refused_and_then_not() -> None:
    async def play(line: Line) -> None:
        fault = Refuse()
        line.proxy.add(fault)
        port = line.proxy.port
        await fault.switch_on()
        with pytest.raises(ConnectionRefusedError):
            await connect(line.proxy)
        await both_ways(line)
        await fault.switch_off()
        assert line.proxy.port == port
        newcomer = await connect(line.proxy)
        await newcomer.say(b"hello")
        await until(lambda: len(line.proxy.links) == 2)
        newcomer.writer.close()

    on_a_line(play)


def test_whoever_says_nothing_is_dropped_and_whoever_speaks_is_not() -> None:
    async def play(line: Line) -> None:
        fault = DropIdle(1.0)
        line.proxy.add(fault)
        await fault.switch_on()
        began = time.monotonic()
        for _ in range(6):
            await line.user.say(b".")
            await line.there.hear(1)
            await asyncio.sleep(0.2)
        assert await line.user.rest() == (b"", "fin")
        assert 1.9 <= time.monotonic() - began <= 20.0

    on_a_line(play)


def test_faults_act_one_after_the_other_in_the_order_in_which_they_were_added() -> None:
    async def play(line: Line) -> None:
        line.proxy.add(latency := Latency(0.1), slices := Slices(3, 0.01))
        for fault in (latency, slices):
            await fault.switch_on()
        began = time.monotonic()
        await line.there.say(b"abcdef")
        assert [await line.user.hear_some() for _ in range(2)] == [b"abc", b"def"]
        assert time.monotonic() - began >= 0.1

    on_a_line(play)


def test_a_narrow_line_takes_little_at_a_time_and_all_in_the_end() -> None:
    async def play(line: Line) -> None:
        fault = await line.link.add(Stall())
        line.link.narrow(1_024)
        line.there.writer.write(b"x" * 80_000)
        assert await line.user.is_silent()
        assert 0 < line.link.down._held_bytes < 70_000, "what one read brought, and no more"
        line.link.narrow(1_048_576)
        await fault.switch_off()
        assert await line.user.hear(80_000) == b"x" * 80_000

    on_a_line(play)


BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: Latency(-1), "delay_s"), (lambda: Latency(61), "delay_s"), (lambda: Latency(1, 2), "jitter_s"),
    (lambda: Bandwidth(0), "bytes_per_s"), (lambda: Slices(0), "size_bytes"), (lambda: Slices(1, 11), "gap_s"),
    (lambda: CutAfter(-1), "size_bytes"), (lambda: DropIdle(0), "after_s"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "name"), BAD)
def test_what_lies_out_of_bounds_is_refused(make: Callable[[], object], name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected .* to .*, got"):
        make()


def test_whatever_was_held_back_has_a_bound() -> None:
    async def play(line: Line) -> None:
        await line.link.add(Stall())
        sending: Awaitable[None] = asyncio.ensure_future(line.there.say(b"x" * 60_000_000))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(sending, 0.5)
        assert line.link.down._held_bytes < 1_000_000

    on_a_line(play)
