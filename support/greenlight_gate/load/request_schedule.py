"""When each virtual user of a shard asks: as soon as it is free in a closed load, at due times in an open one."""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress

from greenlight_gate.load.arrivals import arrivals, staged_arrivals
from greenlight_gate.load.meters import Meters
from greenlight_gate.load.plan import Share
from greenlight_gate.load.stages import Stages
from greenlight_gate.load.virtual_user import VirtualUser

_LOOK_S = 0.25
_LOOK_CLOSED_S = 0.02
_LOOK_STAGES_S = 0.05
_DRAIN_S, _DRAIN_OF_A_USER_S = 0.01, 0.000_01


class RequestSchedule:
    """Lets `users` (by connection; more may be added) ask from `run` until its end. `stopping` ends it early.

    Times are monotonic seconds. Requests of an open load that no user was free for in time count as dropped.
    """

    def __init__(self, share: Share, meters: Meters, users: Mapping[str, VirtualUser], stopping: asyncio.Event) -> None:
        self._share, self._plan = share, share.plan
        self._meters = meters
        self._users = users
        self._stopping = stopping
        self._asking = False
        self._end_at = float("inf")
        self._idle: deque[VirtualUser] = deque()
        self._overdue: deque[float] = deque()
        self._answered: list[VirtualUser] = []
        # Stages of a closed load: who of the whole load each user is, and who waits for the level to rise.
        self._stages = Stages(self._plan.stages) if self._plan.stages else None
        self._began = 0.0
        self._number: dict[str, int] = {}
        self._resting: list[VirtualUser] = []

    async def run(self, begin: float) -> None:
        """Lets users ask from `begin` until the plan's end or until stopped."""
        plan = self._plan
        self._asking = not self._stopping.is_set()
        if plan.duration_s is not None:
            # A loop that is busy with thousands of users may come late to the end of `_until_over`.
            self._end_at = begin + plan.duration_s
        if self._stages is not None:
            self._end_at = begin + self._stages.seconds
            self._began = begin
            self._number = {name: self._share.shard + at * self._share.of for at, name in enumerate(self._users)}
        if plan.arrival == "open":
            await self._open_load(begin)
        else:
            for user in list(self._users.values()):
                if user.is_free and not user.is_slow and self._may_ask(user):
                    self._ask(user)
            await self._until_over()
        self._asking = False
        self._meters.dropped += len(self._overdue)
        self._overdue.clear()

    def end(self) -> None:
        """Ends it before the plan's end, as if that had come."""
        self._end_at = min(self._end_at, time.monotonic())

    async def drain(self) -> None:
        """Waits until every open request is settled; those whose deadline passes are given up meanwhile."""
        # To look at ten thousand users takes a millisecond.
        look_s = max(_DRAIN_S, len(self._users) * _DRAIN_OF_A_USER_S)
        while any(user.ask is not None and user.open and not user.is_slow for user in self._users.values()):
            if await self.stopped_within(look_s):
                return

    async def wait_until(self, at: float) -> bool:
        """Waits until a moment; False if stopped before."""
        while (left_s := at - time.monotonic()) > 0 and not self._stopping.is_set():
            if left_s > _LOOK_S:
                await self.stopped_within(left_s)
            else:
                await asyncio.sleep(left_s)  # cheaper, at thousands of requests a second
        return not self._stopping.is_set()

    async def stopped_within(self, seconds: float) -> bool:
        """Whether the load was stopped, waiting for it so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    # Closed: a user asks again after its answer ---------------------------------------------------------------

    async def _until_over(self) -> None:
        """Until the time is over, no user is connected, or all have asked as often as planned."""
        is_counted = self._plan.runs_each is not None
        look_s = _LOOK_CLOSED_S if is_counted else _LOOK_STAGES_S if self._stages is not None else _LOOK_S
        while (left_s := self._end_at - time.monotonic()) > 0:
            users = self._users.values()
            if not any(map(self._has_more, users) if is_counted else (user.takes_part for user in users)):
                return
            if await self.stopped_within(min(left_s, look_s)):
                return
            if self._resting:
                rested, self._resting = self._resting, []
                for user in rested:
                    self._ask(user)

    def _has_more(self, user: VirtualUser) -> bool:
        return user.takes_part and not user.is_slow and (user.ask is not None or self._may_ask(user))

    def _may_ask(self, user: VirtualUser) -> bool:
        return self._plan.runs_each is None or user.asked < self._plan.runs_each

    def wants(self, user: VirtualUser) -> bool:
        """Whether the user is to ask again, as far as is known now."""
        return self._asking and time.monotonic() < self._end_at and self._may_ask(user)

    def is_free(self, user: VirtualUser, at: float) -> None:
        """The user's request is settled, or its connection takes more again: it may ask."""
        if not self._asking or user.is_full or user.is_slow or at >= self._end_at:
            return
        if self._plan.arrival == "open":
            self._idle.append(user)
            self.serve_overdue(at)
        elif self._may_ask(user):
            if self._plan.think_s > 0:
                asyncio.get_running_loop().call_later(self._plan.think_s, self._ask, user)
            else:
                # All that has come is judged before the users ask again: a request sent at once would wake the
                # backend for itself alone, and wait the longer for its answer to be read.
                if not self._answered:
                    asyncio.get_running_loop().call_soon(self._ask_again)
                self._answered.append(user)

    def _ask_again(self) -> None:
        answered, self._answered = self._answered, []
        for user in answered:
            self._ask(user)

    def _ask(self, user: VirtualUser) -> None:
        if not self._asking or not user.is_free:
            return
        if self._stages is not None and self._stages.level(time.monotonic() - self._began) <= self._number.get(
            user.key, 0
        ):
            self._resting.append(user)
            return
        user.put(None)

    # Open: requests are due at the times of the arrival rate --------------------------------------------------

    async def _open_load(self, begin: float) -> None:
        plan, share = self._plan, self._share
        self._idle.extend(user for user in self._users.values() if user.is_free and not user.is_slow)
        most = None if plan.runs_each is None else plan.runs_each * len(plan.users)
        seed = plan.seed + share.shard
        due_times: Iterator[float]
        if self._stages is not None:
            due_times = staged_arrivals(self._stages, share.of, poisson=plan.poisson, seed=seed, first=share.shard)
        else:
            first = share.shard / max(plan.rate, 1e-9)
            due_times = arrivals(share.rate, poisson=plan.poisson, seed=seed, first=first)
        for count, offset in enumerate(due_times):
            if begin + offset >= self._end_at or (most is not None and count >= most):
                return
            if not await self.wait_until(begin + offset) or begin + offset >= self._end_at:
                return
            self._overdue.append(begin + offset)
            self.serve_overdue(time.monotonic())

    def serve_overdue(self, now: float) -> None:
        """Free users take the oldest requests that are due; those that waited longer than `start_s` are dropped."""
        overdue, idle = self._overdue, self._idle
        while overdue and now - overdue[0] > self._share.budgets.start_s:
            overdue.popleft()
            self._meters.dropped += 1
        while overdue and idle:
            user = idle.popleft()
            if user.is_free:
                user.put(overdue.popleft())
