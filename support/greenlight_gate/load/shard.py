"""One shard: some of the users of a load, on one event loop, from the first connection to the result."""

import asyncio
import errno
import gc
import itertools
import os
import socket
import ssl
import time
import uuid
from contextlib import suppress
from urllib.parse import urlsplit

from greenlight_gate.events import FIVE
from greenlight_gate.load.channel import Channel, ShardCommand, ShardProgress
from greenlight_gate.load.generator_health import GeneratorHealth
from greenlight_gate.load.machine_limits import MachineLimit, raise_descriptor_limit
from greenlight_gate.load.meters import encoded
from greenlight_gate.load.plan import PlannedUser, Share
from greenlight_gate.load.request_schedule import RequestSchedule
from greenlight_gate.load.set_up_user import SetUpUser
from greenlight_gate.load.shard_context import ShardContext
from greenlight_gate.load.virtual_user import VirtualUser
from greenlight_gate.measure.load_counts import Counts
from greenlight_gate.measure.load_result import HISTOGRAMS, LoadResult
from greenlight_gate.rules.engine.deadlines import MARGIN_S
from greenlight_gate.targets.tls import offered, trust
from greenlight_gate.transport.connection_setup import StepRefused
from greenlight_gate.transport.event_loop import new_event_loop
from greenlight_gate.transport.interface import NotOpened
from greenlight_gate.transport.loop_watch import LoopStall

_CONNECTING_AT_ONCE = 128
_LEAVING_AT_ONCE = 128
_CLEANING_AT_ONCE = 16
_TICK_S = 0.25
_WATCH_S = 0.1
_REPORT_S = 1.0
_POLL_S = 0.01
_CLOSE_S = 2.0
_GRACE_S = 0.25
_PINGS = 8
_PING_S = 2.0
_GC_THRESHOLDS = (50_000, 20, 100)
# Limits of the generator's machine, not faults of the target; with an address of our own also one that does not fit.
_OWN_ERRORS = (errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL)
_OF_SOURCES = (errno.EINVAL, errno.EAFNOSUPPORT)
_SLOW_BYTES = 8_000_000
_SLOW_NONCE = 30_000
# Browsers open six connections to a server, of which the channel is one.
_BESIDE_A_CHANNEL = 5
# In these phases more connections may still be opened.
_CONNECTING = ("began", "connecting")


class RestartedTooLate(Exception):
    """The shard was started again after the load had begun: its first attempt must have died."""


class Shard:
    """Runs one share."""

    def __init__(self, share: Share, channel: Channel) -> None:
        self.share, self.plan = share, share.plan
        self.channel = channel
        self.attempt = uuid.uuid4().hex[:12]
        self.worker = f"{socket.gethostname()} process {os.getpid()}"
        self.context = ShardContext(share, f"s{share.shard + 1}-{self.attempt}")
        self.meters = self.context.meters
        self.users: dict[str, VirtualUser] = {}
        self.health = GeneratorHealth()
        self.short: list[str] = []
        self.context.on_stall = self._stalled
        self.context.on_clock_moved = self._clock_moved
        self.context.on_used_up = self._used_up
        self._tls: ssl.SSLContext | None = None
        self._renewals: set[asyncio.Task[None]] = set()
        # Attempts of users who connect again, of which nothing is known yet.
        self._connecting_again: set[SetUpUser] = set()
        self._stopping = asyncio.Event()
        self._schedule = RequestSchedule(share, self.meters, self.users, self._stopping)
        self._is_free = self._schedule.is_free
        self._phase = "began"
        self._order = ShardCommand()
        self._reported_at = 0.0

    async def run(self) -> LoadResult:
        """Connects, waits for the order to begin, asks, and leaves. Raises RestartedTooLate for a second attempt."""
        await self._report("began")
        if (await self._read_order()).go_at is not None:
            raise RestartedTooLate(f"shard {self.share.shard + 1} was started again on {self.worker}")
        result = LoadResult(attempt=self.attempt, worker=self.worker, idle_rss_mb=self.health.rss_mb())
        self.context.watch.begin()
        watcher, ticker = asyncio.create_task(self._watch()), asyncio.create_task(self._tick())
        try:
            try:
                raise_descriptor_limit(len(self.plan.users))
            except MachineLimit as error:
                self.short.append(str(error))
            began = time.monotonic()
            if not self.short:
                await self._connect()
            result.connecting_seconds = time.monotonic() - began
            result.connected_rss_mb = self.health.rss_mb()
            await self._measure_clock()
            await self._report("connected")
            go_at = await self._wait_go()
            if go_at is not None and not self.short:
                await self._ask(go_at - self.meters.epoch_s)
            await self._leave()
        finally:
            ticker.cancel()
            watcher.cancel()
            for user in self.users.values():
                user.hang_up()
        await self._report("left")
        return self._fill(result)

    # Connecting -----------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        await self._report("connecting")
        planned = self.plan.users
        waiting = iter(enumerate(planned))
        began = time.monotonic()
        pause_s = self.plan.ramp_s / max(len(planned), 1)
        url = planned[0].url if planned else ""
        is_secure = urlsplit(url).scheme in ("wss", "https")
        self._tls = trust(self.plan.tls, offered(url, self.plan.http_version)) if is_secure else None
        sources = itertools.cycle(self.plan.sources or ("",))

        async def connect_some() -> None:
            for number, each in waiting:
                if self._stopping.is_set() or self.short:
                    return
                if (left_s := began + number * pause_s - time.monotonic()) > 0:
                    await asyncio.sleep(left_s)
                user = self._user(number + 1, each)
                self.users[user.key] = user
                await self._open(user, next(sources))

        await asyncio.gather(*(connect_some() for _ in range(min(_CONNECTING_AT_ONCE, len(planned)))))

    def _user(self, number: int, planned: PlannedUser) -> VirtualUser:
        kind = VirtualUser if self.context.speaks_plainly else SetUpUser
        return kind(planned, self.context, number, self._is_free)

    async def _open(self, user: VirtualUser, source: str = "") -> None:
        self.meters.connections_tried += 1
        handshake_s, ready = user.opens_within_s, user.ready
        assert ready is not None
        try:
            await user.prepare()
            async with asyncio.timeout(handshake_s + MARGIN_S):
                await user.connect(self._tls, source)
                await ready.wait()
        except TimeoutError:
            self.context.tick()
            if user.began_at < self.context.stalled_at:
                # The user did not wait: the shard stood still meanwhile.
                self.meters.connections_tried -= 1
                self.short.append("the suite itself stood still while users connected, who then asked nothing")
                user.gone = True
                user.hang_up()
                return
            if user.open:
                user.not_ready(handshake_s, time.monotonic())
            user.refused(TimeoutError("no answer to the upgrade in time"))
            user.hang_up()
        except (NotOpened, StepRefused) as error:
            user.refused(error)
        except OSError as error:
            if error.errno not in (*_OWN_ERRORS, *(_OF_SOURCES if source else ())):
                user.refused(error)
                return
            # Not the target's fault: the attempt does not count.
            self.meters.connections_tried -= 1
            self.short.append(f"this machine cannot open more connections: {error.strerror}")
            user.gone = True

    def _used_up(self, user: SetUpUser) -> None:
        if not self._schedule.wants(user):
            user.renews = False
            return
        task = asyncio.get_running_loop().create_task(self._renew(user))
        self._renewals.add(task)
        task.add_done_callback(self._renewals.discard)

    async def _renew(self, user: SetUpUser) -> None:
        """Gives a user the next connection, on which it may ask."""
        await user.end_connection()
        self._connecting_again.add(user)
        try:
            await self._open(user)
        except asyncio.CancelledError:
            # Who leaves meanwhile was not refused, and is not connected when an answer still comes.
            if user.ready is not None:
                self.meters.connections_tried -= 1
                user.ready = None
            raise
        finally:
            self._connecting_again.discard(user)
            user.renews = False
        if user.is_free:
            self._is_free(user, time.monotonic())

    async def _measure_clock(self) -> None:
        """Cristian's algorithm with application pings, for targets whose clock can be read from their pongs."""
        context = self.context
        if self.plan.clock != "ping" or not context.profile.can_send("ping"):
            return
        user = next((each for each in self.users.values() if each.is_free), None)
        if user is None:
            return
        for number in range(_PINGS):
            nonce = f"{context.prefix}-{number}"
            context.clock.pinged(nonce, time.monotonic())
            user.ping(nonce)
            with suppress(TimeoutError):
                async with asyncio.timeout(_PING_S):
                    await context.wait_pong(nonce)

    # Asking ---------------------------------------------------------------------------------------------------

    async def _ask(self, begin: float) -> None:
        """Lets the users ask from `begin` (monotonic seconds) until the load is over and their requests are settled."""
        if self.plan.own_process:
            # What exists by now stays: collecting garbage among it again and again costs a tenth of the time.
            gc.collect()
            gc.freeze()
            gc.set_threshold(*_GC_THRESHOLDS)
        await self._schedule.wait_until(begin)
        self._phase = "asking"
        self.health.begin()
        self._slow_down()
        await self._schedule.run(begin)
        if not self.plan.break_off:
            await self._schedule.drain()
        self.health.end()

    def _slow_down(self) -> None:
        """The plan's slow users stop reading, and request more than fits into the buffers on the way.

        By HTTP they have no more requests under way than a browser would, as nothing answers any of them.
        """
        pings = _SLOW_BYTES // _SLOW_NONCE
        if self.context.profile.spec.connection.by_http:
            pings = _BESIDE_A_CHANNEL
        for user in list(self.users.values())[: self.plan.slow]:
            if not user.is_free:
                continue
            user.stop_reading()
            if self.context.profile.can_send("ping"):
                for number in range(pings):
                    user.ping(f"{number:05d}" + "x" * _SLOW_NONCE)

    # Leaving --------------------------------------------------------------------------------------------------

    async def _leave(self) -> None:
        await self._report("leaving")
        self.context.leaves = True
        renewals = [*self._renewals]
        for task in renewals:
            task.cancel()
        await asyncio.gather(*renewals, return_exceptions=True)
        users = [user for user in self.users.values() if user.open]
        if self.plan.break_off:
            for user in users:
                user.hang_up()
        else:
            await self._wait_answers(users)
            pause_s = self.plan.ramp_down_s / max(len(users), 1)
            for number, user in enumerate(users):
                if user.is_slow:
                    user.hang_up()
                else:
                    user.leave()
                # What those who leave need is taken up again by the next ones.
                if (pause_s or number % _LEAVING_AT_ONCE == 0) and number + 1 < len(users):
                    await asyncio.sleep(pause_s)
        with suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_S):
                await self.context.wait_all_gone()
        for user in self.users.values():
            if not user.is_slow and not self.plan.break_off:
                user.finish()
        if not self.context.speaks_plainly:
            await self._clean_up()

    async def _wait_answers(self, users: list[VirtualUser]) -> None:
        """Waits for what may still come, and by HTTP for answers that are no streams: nothing else waits for those."""
        await asyncio.sleep(_GRACE_S if self.meters.asked else 0.0)
        by_http = self.context.profile.spec.connection.by_http
        began, budget = time.monotonic(), self.context.budgets.handshake_s
        while by_http and any(user.lacks_answer for user in users):
            at = time.monotonic()
            if at - began <= budget:
                await asyncio.sleep(_POLL_S)
                continue
            self.context.tick()
            if self.context.stalled_at < began:
                for user in users:
                    if user.lacks_answer:
                        user.not_answered(budget, at)
            return

    async def _clean_up(self) -> None:
        waiting = iter(self.users.values())

        async def clean_some() -> None:
            for user in waiting:
                await user.clean_up()

        await asyncio.gather(*(clean_some() for _ in range(_CLEANING_AT_ONCE)))

    # Orders and progress --------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self.context.tick()
            now = time.monotonic()
            if self._phase == "asking":
                for user in self.users.values():
                    if user.ask is not None:
                        user.check_deadline(now)
                self._schedule.serve_overdue(now)
            self.health.look()
            await self._read_order()
            if now - self._reported_at >= _REPORT_S:
                self._reported_at = now
                await self._report(self._phase)

    async def _watch(self) -> None:
        while True:
            self.context.tick()
            await asyncio.sleep(_WATCH_S)

    def _stalled(self, stall: LoopStall) -> None:
        for user in self.users.values():
            user.stalled(stall.ended_at, stall.for_s)

    def _clock_moved(self, moved_s: float) -> None:
        for user in self.users.values():
            user.checker.clock_moved(moved_s)

    async def _wait_go(self) -> float | None:
        """The wall time at which the load begins; None if it was stopped before."""
        while not self._stopping.is_set():
            order = await self._read_order()
            if order.go_at is not None:
                return order.go_at
            await asyncio.sleep(_POLL_S)
        return None

    async def _read_order(self) -> ShardCommand:
        self._order = await asyncio.get_running_loop().run_in_executor(None, self.channel.order)
        if self._order.enough:
            self._schedule.end()
        if self._order.stop:
            self._stopping.set()
        return self._order

    async def _report(self, phase: str) -> None:
        self._phase = phase
        meters = self.meters
        asking = phase == "asking"
        counts = self._counts()
        progress = ShardProgress(
            self.share.shard, self.attempt, self.worker, phase, users=counts.open, runs=meters.runs,
            events=meters.events, dropped=meters.dropped, findings=self.context.offenders.found,
            busy=self.health.busy_now() if asking else 0.0, raw=encoded(meters.raw) if asking else None, counts=counts,
        )  # fmt: skip
        await asyncio.get_running_loop().run_in_executor(None, self.channel.report, progress)

    def _counts(self) -> Counts:
        """All counts until now: once a second, and not with each event."""
        meters, users = self.meters, self.users.values()
        undecided = sum(user.ready is not None for user in self._connecting_again)
        tried, made = meters.connections_tried - undecided, meters.connections_made
        delay = meters.delay(corrected=self.plan.arrival == "open")
        return Counts(
            at=meters.epoch_s + time.monotonic(), tried=tried, made=made,
            refused=0 if self._phase in _CONNECTING else tried - made, lost=meters.connections_lost, asked=meters.asked,
            messages=meters.messages, events=meters.events, failed=meters.failed,
            open=sum(user.takes_part for user in users),
            # A user that reads nothing is not known to wait for anything.
            busy=sum(user.ask is not None and not user.is_slow for user in users), answering_us=meters.whole.sum_us,
            rules=dict(self.context.offenders.by_rule), delays=delay.coarse(), delay_us=delay.sum_us,
            hindered=self.health.hinders,
        )  # fmt: skip

    def _fill(self, result: LoadResult) -> LoadResult:
        meters, health, context = self.meters, self.health, self.context
        for name in ("connections_tried", "connections_made", "asked", "runs", "events", "messages", "unmapped",
                     "five_expected", "five_shown", "dropped", "failed_runs", "refused_requests"):  # fmt: skip
            setattr(result, name, getattr(meters, name))
        for name in HISTOGRAMS:
            setattr(result, name, encoded(getattr(meters, name)))
        result.users = len(self.users)
        result.expected_events, result.arrived_events = meters.expected, meters.arrived
        result.kinds = tuple(set(FIVE) - context.profile.spec.absent.keys()) if meters.five_shown else ()
        counts: dict[str, int] = {}
        for user in self.users.values():
            for rule, times in user.counts.items():
                counts[rule] = counts.get(rule, 0) + times
            if user.awaits_canary:
                result.canaries_expected += 1
                result.canaries_seen += user.has_seen_own
        result.counts = counts
        result.offences, result.traces = context.offenders.offences, context.offenders.traces
        result.seconds, result.cpu_seconds = health.seconds, health.cpu_seconds
        result.busy, result.lag_ms_p99 = round(health.busy, 4), health.lag_ms_p99
        result.drift_ms = abs(time.time() - time.monotonic() - meters.epoch_s) * 1e3
        result.peak_rss_mb = max(health.peak_rss_mb, health.rss_mb())
        stalls = context.registry.stalls
        if stalls.is_long:
            missed = str(stalls) or f"the suite itself stood still for {stalls.longest_s:.1f} s"
            self.short.append(f"{missed}: the load was not what was asked for")
        self.short += context.unable
        result.short = tuple(dict.fromkeys(self.short))
        result.hung_tools = tuple(sorted(context.deadlines.hung))
        result.interrupted = self._order.stop
        return result


def run_shard(share: Share, channel: Channel) -> LoadResult:
    """Runs a share to its end, on an event loop of its own; for any executor, here or elsewhere."""
    with asyncio.Runner(loop_factory=new_event_loop) as runner:
        return runner.run(_shard(share, channel.here()))


async def _shard(share: Share, channel: Channel) -> LoadResult:
    return await Shard(share, channel).run()
