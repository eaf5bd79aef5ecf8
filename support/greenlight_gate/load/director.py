"""Directs the shards of a load: starts them, lets all begin at one moment, and merges their results.

A shard runs on any `concurrent.futures.Executor`. One that dies loses only its own users, and the result names it.
"""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, wait

import msgspec

from greenlight_gate.load.channel import Channel, DirectorChannel, ShardCommand, ShardProgress
from greenlight_gate.load.live_counts import LiveCounts
from greenlight_gate.load.plan import LoadPlan, Share, shares
from greenlight_gate.load.shard import RestartedTooLate, run_shard
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.latency_summary import Encoded
from greenlight_gate.measure.load_result import LoadResult, merged

# Time for the order to reach every shard before the load begins.
_LEAD_S = 0.1
_LEAD_ELSEWHERE_S = 1.0
_POLL_S = 0.05
_STOP_S = 15.0

Watch = Callable[["State"], None]


class State(msgspec.Struct):
    """The latest progress of each shard, and when the load began (monotonic seconds).

    A watcher sets `enough` to end the load before its time, as if that were over.
    """

    shards: dict[int, ShardProgress]
    users: int
    began_at: float | None = None
    enough: bool = False

    def total(self, name: str) -> int:
        """The sum over all shards of one of their counts."""
        return sum(getattr(progress, name) for progress in self.shards.values())

    @property
    def raw(self) -> Histogram | None:
        """The acknowledgement latencies so far."""
        known: list[Encoded] = [progress.raw for progress in self.shards.values() if progress.raw is not None]
        if not known:
            return None
        histogram = Histogram.decode(known[0])
        for encoded in known[1:]:
            histogram.merge(Histogram.decode(encoded))
        return histogram


class Director:
    """One load; each of the executors runs one shard."""

    def __init__(
        self, plan: LoadPlan, executors: Sequence[Executor], channels: DirectorChannel, watch: Watch | None = None
    ) -> None:
        self.plan = plan
        self.executors = executors
        self.channels = channels
        self.watch = watch or (lambda state: None)
        self.state = State({}, len(plan.users))
        self.live_counts = LiveCounts(f"load of {len(plan.users)} users")
        self._attempts: dict[int, list[ShardProgress]] = {}
        self._connected: set[int] = set()

    def run(self) -> LoadResult:
        """Runs the load to its end, or until KeyboardInterrupt, when the result holds what was done until then."""
        channel = self.channels.channel()
        futures = {
            executor.submit(run_shard, share, channel): share
            for executor, share in zip(self.executors, shares(self.plan, len(self.executors)), strict=True)
        }
        interrupted = False
        try:
            self._direct(futures)
        except KeyboardInterrupt:
            interrupted = True
            self.channels.tell(ShardCommand(stop=True))
            wait(futures, _STOP_S)
        except BaseException:
            self.live_counts.over(hindered=True)
            raise
        finally:
            self.channels.tell(ShardCommand(stop=True))
        self._hear(0.0)
        whole = merged([self._result(future, share) for future, share in futures.items()])
        whole.interrupted = interrupted
        whole.timeline = self.live_counts.over(hindered=bool(whole.saturated))
        return whole

    def _direct(self, futures: dict["Future[LoadResult]", Share]) -> None:
        go_at: float | None = None
        ends = False
        while True:
            self._hear(_POLL_S)
            running = [future for future in futures if not future.done()]
            if not running:
                return
            waiting = {futures[future].shard for future in running}
            if go_at is None and waiting <= self._connected:
                lead_s = _LEAD_S if len(futures) == 1 else _LEAD_ELSEWHERE_S
                go_at = time.time() + self.plan.hold_s + lead_s
                self.state.began_at = time.monotonic() + self.plan.hold_s + lead_s
                self.channels.tell(ShardCommand(go_at=go_at))
                self.live_counts.begins_at(go_at)
            self.watch(self.state)
            if self.state.enough and not ends:
                ends = True
                self.channels.tell(ShardCommand(go_at=go_at, enough=True))

    def _hear(self, timeout_s: float) -> None:
        for progress in self.channels.news(timeout_s):
            known = self._attempts.setdefault(progress.shard, [])
            if all(progress.attempt != earlier.attempt for earlier in known):
                known.append(progress)
            before = self.state.shards.get(progress.shard)
            if progress.attempt == known[0].attempt and (before is None or before.counts.at <= progress.counts.at):
                self.state.shards[progress.shard] = progress
                self.live_counts.tell([each.counts for each in self.state.shards.values()])
            if progress.phase in ("connected", "asking", "leaving"):
                self._connected.add(progress.shard)

    def _result(self, future: "Future[LoadResult]", share: Share) -> LoadResult:
        """The shard's result; one that names the shard in `lost` if it, or its first attempt, has died."""
        attempts = self._attempts.get(share.shard, [])
        first = attempts[0] if attempts else None
        name = f"shard {share.shard + 1} of {share.of}" + (f" ({first.worker})" if first is not None else "")
        died = LoadResult(users=len(share.plan.users), lost=(f"{name} died",))
        if not future.done():
            future.cancel()
            return died
        error = future.exception()
        if error is not None:
            if isinstance(error, RestartedTooLate) or len(attempts) > 1:
                died.lost = (f"{name} died, and was started again elsewhere after the load had begun",)
            else:
                died.lost = (f"{name} died: {type(error).__name__}: {error}",)
            return died
        summary = future.result()
        if first is not None and summary.attempt != first.attempt:
            died.lost = (f"{name} died, and was started again on {summary.worker}",)
            return died
        return summary


__all__ = ["Channel", "Director", "State"]
