"""One shard: some of the people, on one event loop, from the first connection to the summary."""

import asyncio
import gc
import itertools
import os
import socket
import ssl
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from greenlight_gate.events import FIVE, Control
from greenlight_gate.load.arrivals import arrivals
from greenlight_gate.load.channel import Channel, Order, ShardProgress
from greenlight_gate.load.first_findings import Offenders
from greenlight_gate.load.generator_health import GeneratorHealth
from greenlight_gate.load.machine_limits import Short, make_room
from greenlight_gate.load.meters import Meters, encoded
from greenlight_gate.load.plan import Share
from greenlight_gate.load.shard_counts import counted
from greenlight_gate.load.virtual_user import VirtualUser
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.measure.server_clock import ServerClock
from greenlight_gate.rules.engine.deadlines import MARGIN_S, Deadlines
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.targets.trust import trust
from greenlight_gate.trace import Header, encode_header
from greenlight_gate.transport.interface import NotOpened
from greenlight_gate.wire.profile import Profile

_CONNECTING_AT_ONCE = 128
_TICK_S = 0.25
_TELL_S = 1.0
_POLL_S = 0.01
_CLOSE_S = 2.0
_GRACE_S = 0.25
_PINGS = 8
_PING_S = 2.0
_RARELY = (50_000, 20, 100)
_OURS = (24, 99)  # EMFILE and EADDRNOTAVAIL: what our own machine lacks is no fault of the target
_SLOW_BYTES = 8_000_000
_SLOW_NONCE = 30_000
_SLOW_QUESTIONS = 50


class TooLate(Exception):  # noqa: N818 -- reads as what happened to the attempt
    """The shard was started again after the asking had begun: its first attempt must have died."""


class Shard:
    """Runs one share. `prefix` names this attempt: no request of it is called as one of another attempt."""

    def __init__(self, share: Share, channel: Channel) -> None:
        self.share, self.plan, self.budgets = share, share.plan, share.budgets
        self.channel = channel
        self.attempt = uuid.uuid4().hex[:12]
        self.prefix = f"s{share.shard + 1}-{self.attempt}"
        self.worker = f"{socket.gethostname()} process {os.getpid()}"
        self.profile = Profile.from_toml(self.plan.profile_toml)
        # Who cannot say in which conversation a question belongs is not owed that it stays in one.
        self.sends_thread = "{thread}" in str(self.profile.spec.send.get("start"))
        self.book = IdRegistry()
        epoch_s = time.time() - time.monotonic()
        self.clock = ServerClock(self.plan.clock)
        self.meters = Meters(epoch_s, self.clock.offset_s)
        self.offenders = Offenders(self._trace_of, f"s{share.shard + 1}")
        self.people: dict[str, VirtualUser] = {}
        self.strain = GeneratorHealth()
        self.short: list[str] = []
        self._phase = "began"
        self._order = Order()
        self._asking = False
        self._end_at = float("inf")
        self._told_at = 0.0
        self._stopping = asyncio.Event()
        self._idle: deque[VirtualUser] = deque()
        self._overdue: deque[float] = deque()
        self._answered: list[VirtualUser] = []
        self.patience = Deadlines(self.budgets, self.plan.hung_tools)
        # Connections that came about and are not gone.
        self.present = 0

    # The whole of it ------------------------------------------------------------------------------------------

    async def run(self) -> LoadResult:
        """Connects, waits for the word, asks, and leaves. Raises TooLate for a second attempt."""
        await self._say("began")
        if (await self._ordered()).go_at is not None:
            raise TooLate(f"shard {self.share.shard + 1} was started again on {self.worker}")
        summary = LoadResult(attempt=self.attempt, worker=self.worker, idle_rss_mb=self.strain.rss_mb())
        ticker = asyncio.create_task(self._tick())
        try:
            try:
                make_room(len(self.plan.guests))
            except Short as error:
                self.short.append(str(error))
            began = time.monotonic()
            if not self.short:
                await self._connect()
            summary.connecting_seconds = time.monotonic() - began
            summary.connected_rss_mb = self.strain.rss_mb()
            await self._measure_clock()
            await self._say("connected")
            go_at = await self._word()
            if go_at is not None and not self.short:
                await self._ask_all(go_at)
            await self._leave()
        finally:
            ticker.cancel()
            for person in self.people.values():
                person.hang_up()
        await self._say("left")
        return self._summary(summary)

    # Connecting -----------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        await self._say("connecting")
        waiting = iter(enumerate(self.plan.guests))
        began = time.monotonic()
        pause_s = self.plan.ramp_s / max(len(self.plan.guests), 1)
        is_secure = any(urlsplit(guest.url).scheme == "wss" for guest in self.plan.guests[:1])
        context = trust(self.plan.ca_file, verifies=self.plan.verifies) if is_secure else None
        sources = itertools.cycle(self.plan.sources) if self.plan.sources else None

        async def some() -> None:
            for number, guest in waiting:
                if self._stopping.is_set() or self.short:
                    return
                due = began + number * pause_s
                if (left := due - time.monotonic()) > 0:
                    await asyncio.sleep(left)
                person = VirtualUser(guest, self, number + 1)
                self.people[person.connection] = person
                await self._connect_one(person, context, next(sources) if sources else None)

        await asyncio.gather(*(some() for _ in range(min(_CONNECTING_AT_ONCE, len(self.plan.guests)))))

    async def _connect_one(self, person: VirtualUser, context: ssl.SSLContext | None, source: str | None) -> None:
        self.meters.connections_tried += 1
        ready = person.ready
        assert ready is not None
        try:
            async with asyncio.timeout(self.budgets.handshake_s + MARGIN_S):
                await person.connect(context, source or "")
                await ready.wait()
        except TimeoutError:
            if person.open:
                person.checker.timed_out("ready", self.budgets.handshake_s, None, time.monotonic(), 1)
            person.refused(TimeoutError("no answer to the upgrade in time"))
            person.hang_up()
        except NotOpened as error:
            person.refused(error)
        except OSError as error:
            if error.errno in _OURS:
                # What our machine lacks is not the target's fault, so that the attempt does not count.
                self.meters.connections_tried -= 1
                self.short.append(f"this machine has no room for more connections: {error.strerror}")
            person.gone = True
            if error.errno not in _OURS:
                person.gone = False
                person.refused(error)

    async def _measure_clock(self) -> None:
        """Cristian's algorithm with application pings, where the target says that its clock is to be had so."""
        if self.plan.clock != "ping" or not self.profile.can_send("ping"):
            return
        person = next((each for each in self.people.values() if each.is_free), None)
        if person is None:
            return
        for number in range(_PINGS):
            nonce = f"{self.prefix}-{number}"
            self.clock.pinged(nonce, time.monotonic())
            person.ping(nonce)
            deadline = time.monotonic() + _PING_S
            while self.clock.awaits(nonce) and time.monotonic() < deadline:  # noqa: ASYNC110 -- a deadline as well
                await asyncio.sleep(0.001)

    def ponged(self, person: VirtualUser, control: Control, at: float) -> None:
        """The answer to a ping, which may say how far the server's clock is ahead of ours."""
        del person
        self.clock.ponged(control, at, self.meters.epoch_s)
        self.meters.knows_clock(self.clock.offset_s)

    # Asking ---------------------------------------------------------------------------------------------------

    async def _ask_all(self, go_at: float) -> None:
        plan = self.plan
        begin = go_at - self.meters.epoch_s
        if plan.own_process:
            # What is there stays there; looking for cycles among it again and again costs a tenth of the time.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_RARELY)
        await self._sleep_until(begin)
        self._phase = "asking"
        self.strain.begin()
        self._asking = not self._stopping.is_set()
        if plan.duration_s is not None:
            # Who is busy with ten thousand people does not come to look at the clock.
            self._end_at = begin + plan.duration_s
        self._be_slow()
        if plan.arrival == "open":
            await self._open_load(begin)
        else:
            for person in list(self.people.values()):
                if person.is_free and not person.is_slow and self._may_ask(person):
                    person.put(None)
            await self._until_over(begin)
        self._asking = False
        self.meters.dropped += len(self._overdue)
        self._overdue.clear()
        if not plan.break_off:
            await self._drain()
        self.strain.end()

    def _be_slow(self) -> None:
        """The slow guests stop reading, and have a lot sent to them."""
        for person in list(self.people.values())[: self.plan.slow]:
            if not person.is_free:
                continue
            person.stop_reading()
            if self.profile.can_send("ping"):
                for number in range(_SLOW_BYTES // _SLOW_NONCE):
                    person.ping(f"{number:05d}" + "x" * _SLOW_NONCE)

    async def _until_over(self, begin: float) -> None:
        """Until the time is over, nobody is connected any more, or all were answered as often as they want to ask."""
        end = None if self.plan.duration_s is None else begin + self.plan.duration_s
        while not self._stopping.is_set():
            left = _TICK_S if end is None else min(_TICK_S, end - time.monotonic())
            if left <= 0 or self._order.enough or not any(person.open for person in self.people.values()):
                return
            if self.plan.runs_each is not None and not any(self._has_more(p) for p in self.people.values()):
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), min(left, 0.02 if self.plan.runs_each else left))

    def _has_more(self, person: VirtualUser) -> bool:
        return person.open and not person.is_slow and (person.ask is not None or self._may_ask(person))

    def _may_ask(self, person: VirtualUser) -> bool:
        return self.plan.runs_each is None or person.asked < self.plan.runs_each

    async def _open_load(self, begin: float) -> None:
        plan, share = self.plan, self.share
        self._idle.extend(p for p in self.people.values() if p.is_free and not p.is_slow)
        most = None if plan.runs_each is None else plan.runs_each * len(plan.guests)
        due_times: Iterator[float] = arrivals(
            share.rate, poisson=plan.poisson, seed=plan.seed + share.shard, first=share.shard / max(plan.rate, 1e-9)
        )
        for count, offset in enumerate(due_times):
            over = self._order.enough or (plan.duration_s is not None and offset >= plan.duration_s)
            if over or self._stopping.is_set():
                return
            if most is not None and count >= most:
                return
            await self._sleep_until(begin + offset)
            self._overdue.append(begin + offset)
            self._serve_overdue(time.monotonic())

    def _serve_overdue(self, now: float) -> None:
        """Whoever is free takes the oldest question that is due; one that waited too long is dropped."""
        overdue, idle = self._overdue, self._idle
        while overdue and now - overdue[0] > self.budgets.start_s:
            overdue.popleft()
            self.meters.dropped += 1
        while overdue and idle:
            person = idle.popleft()
            if person.is_free:
                person.put(overdue.popleft())

    def is_free(self, person: VirtualUser, at: float) -> None:
        """The person has been answered and may ask again."""
        if not self._asking or person.is_full or person.is_slow or at >= self._end_at:
            return
        if self.plan.arrival == "open":
            self._idle.append(person)
            self._serve_overdue(at)
        elif self._may_ask(person):
            if self.plan.think_s > 0:
                asyncio.get_running_loop().call_later(self.plan.think_s, self._after_thinking, person)
            else:
                # First all that has come is judged, then all who were answered ask: a question that was sent at once
                # would wake the backend for itself alone, and wait the longer for its answer to be read.
                if not self._answered:
                    asyncio.get_running_loop().call_soon(self._ask_again)
                self._answered.append(person)

    def _ask_again(self) -> None:
        answered, self._answered = self._answered, []
        for person in answered:
            self._after_thinking(person)

    def _after_thinking(self, person: VirtualUser) -> None:
        if self._asking and person.is_free:
            person.put(None)

    async def _drain(self) -> None:
        """What is under way is waited for, as long as a person would wait; whoever gave up is no longer waited for."""

        def is_waited_for(p: VirtualUser) -> bool:
            return p.ask is not None and p.open and not p.is_slow

        while any(map(is_waited_for, self.people.values())):
            if self._stopping.is_set() and self._order.stop:
                return
            await asyncio.sleep(0.01)

    # Leaving --------------------------------------------------------------------------------------------------

    async def _leave(self) -> None:
        await self._say("leaving")
        people = [person for person in self.people.values() if person.open]
        if self.plan.break_off:
            for person in people:
                person.hang_up()
        else:
            await asyncio.sleep(_GRACE_S if self.meters.asked else 0.0)
            pause_s = self.plan.ramp_down_s / max(len(people), 1)
            for number, person in enumerate(people):
                if person.is_slow:
                    person.hang_up()
                else:
                    person.leave()
                if pause_s and number + 1 < len(people):
                    await asyncio.sleep(pause_s)
        deadline = time.monotonic() + _CLOSE_S
        while self.present > 0 and time.monotonic() < deadline:  # noqa: ASYNC110 -- a deadline as well
            await asyncio.sleep(0.005)
        for person in self.people.values():
            if not person.is_slow and not self.plan.break_off:
                person.checker.finish(person.last_n)

    # Beside it ------------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            now = time.monotonic()
            if self._phase == "asking":
                for person in self.people.values():
                    if person.ask is not None:
                        person.patience_ends(now)
                if self._overdue:
                    self._serve_overdue(now)
            self.strain.look()
            await self._ordered()
            if now - self._told_at >= _TELL_S:
                self._told_at = now
                await self._say(self._phase)

    async def _word(self) -> float | None:
        """The wall time at which the asking begins; None when it is called off."""
        while not self._stopping.is_set():
            order = await self._ordered()
            if order.go_at is not None:
                return order.go_at
            await asyncio.sleep(_POLL_S)
        return None

    async def _ordered(self) -> Order:
        self._order = await asyncio.get_running_loop().run_in_executor(None, self.channel.order)
        if self._order.stop:
            self._stopping.set()
        return self._order

    async def _say(self, phase: str) -> None:
        self._phase = phase
        meters = self.meters
        asking = phase == "asking"
        progress = ShardProgress(
            self.share.shard, self.attempt, self.worker, phase, people=sum(p.open for p in self.people.values()),
            runs=meters.runs, events=meters.events, dropped=meters.dropped, findings=self.offenders.found,
            busy=self.strain.busy_now() if asking else 0.0, raw=encoded(meters.raw) if asking else None,
            counts=counted(self, phase),
        )  # fmt: skip
        await asyncio.get_running_loop().run_in_executor(None, self.channel.report, progress)

    async def _sleep_until(self, at: float) -> None:
        while (left := at - time.monotonic()) > 0 and not self._stopping.is_set():  # noqa: ASYNC110 -- until a time
            await asyncio.sleep(min(left, _TICK_S))

    def _trace_of(self, connection: str) -> bytes:
        person = self.people.get(connection)
        header = encode_header(Header(f"load, {connection}", self.meters.epoch_s))
        return header + (person.trace() if person is not None else b"")

    def _summary(self, summary: LoadResult) -> LoadResult:
        meters, strain = self.meters, self.strain
        for name in ("connections_tried", "connections_made", "asked", "runs", "events", "messages", "unmapped",
                     "five_expected", "five_shown", "dropped"):  # fmt: skip
            setattr(summary, name, getattr(meters, name))
        for name in ("raw", "corrected", "delivery", "whole", "silence", "connect"):
            setattr(summary, name, encoded(getattr(meters, name)))
        summary.people = len(self.people)
        summary.expected_events, summary.arrived_events = meters.expected, meters.arrived
        summary.kinds = tuple(set(FIVE) - self.profile.spec.absent.keys()) if meters.five_shown else ()
        counts: dict[str, int] = {}
        for person in self.people.values():
            for rule, times in person.checker.counts.items():
                counts[rule] = counts.get(rule, 0) + times
            if person.asks_for_canary and person.asked > 1:
                summary.canaries_expected += 1
                summary.canaries_seen += person.checker.search.seen_own
        summary.counts = counts
        summary.offences, summary.traces = self.offenders.offences, self.offenders.traces
        summary.seconds, summary.cpu_seconds = strain.seconds, strain.cpu_seconds
        summary.busy, summary.lag_ms_p99 = round(strain.busy, 4), strain.lag_ms_p99
        summary.drift_ms = abs(time.time() - time.monotonic() - meters.epoch_s) * 1e3
        summary.peak_rss_mb = max(strain.peak_rss_mb, strain.rss_mb())
        summary.short = tuple(dict.fromkeys(self.short))
        summary.hung_tools = tuple(sorted(self.patience.hung))
        summary.interrupted = self._order.stop
        return summary


def run_shard(share: Share, channel: Channel) -> LoadResult:
    """Runs a share to its end, on an event loop of its own; for any executor, here or elsewhere."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_shard(share, channel.here()))


async def _shard(share: Share, channel: Channel) -> LoadResult:
    return await Shard(share, channel).run()


def _loop_factory() -> Any:
    try:
        import uvloop  # noqa: PLC0415 -- absent on Windows
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop
