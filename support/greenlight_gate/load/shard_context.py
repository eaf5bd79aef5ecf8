"""What the virtual users of one shard share: the profile and the id registry, the meters, the clock, the deadlines."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from greenlight_gate.events import Control
from greenlight_gate.findings import Finding
from greenlight_gate.load.meters import Meters
from greenlight_gate.load.offenders import Offenders
from greenlight_gate.load.plan import Share
from greenlight_gate.load.request_frames import RequestFrames, speaks_plainly
from greenlight_gate.measure.server_clock import ServerClock
from greenlight_gate.rules.engine.deadlines import Deadlines
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.transport.loop_watch import LoopStall, LoopWatch
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.templates import names_in

# A load asks for thousands of events a second: what is shorter shows as the lag of the generator.
STALL_S = 1.0


def _nothing(_: object) -> None:
    """Nobody has to know."""


class ShardContext:
    """One attempt at a share. `prefix` begins the names of its connections and requests, unlike any other attempt's.

    `sends_thread`: whether a request can name its thread; only then can a run be expected to stay in one.
    `speaks_plainly`: whether users need nothing but a url, headers and a frame. `unable`: why a user could not go on,
    which is no fault of the target. `leaves`: nobody connects any more. `posts_alike`: whether, by HTTP, all requests
    of a user have the same address and headers.
    """

    def __init__(self, share: Share, prefix: str) -> None:
        self.plan = share.plan
        self.budgets = share.budgets
        self.prefix = prefix
        self.profile = Profile.from_toml(self.plan.profile_toml)
        self.sends_thread = "thread" in self.profile.spec.places_in("start")
        self.speaks_plainly = speaks_plainly(self.profile)
        address = self.profile.spec.addresses.get("start")
        named = {name for _, name in names_in([address.path, address.headers], "")} if address is not None else set()
        self.posts_alike = named <= {"user"}
        self.unable: list[str] = []
        self.leaves = False
        self.requests = RequestFrames(self.profile)
        self.registry = IdRegistry()
        self.clock = ServerClock(self.plan.clock)
        self.meters = Meters(time.time() - time.monotonic(), self.clock.offset_s)
        self.offenders = Offenders(f"s{share.shard + 1}")
        self.deadlines = Deadlines(self.budgets, self.plan.hung_tools)
        self.watch = LoopWatch(stall_s=STALL_S)
        # When the shard last stood still, and what is called then, and when the wall clock was moved.
        self.stalled_at = 0.0
        self.on_stall: Callable[[LoopStall], None] = _nothing
        self.on_clock_moved: Callable[[float], None] = _nothing
        # Called with a user whose connection answers no further request.
        self.on_used_up: Callable[[Any], None] = _nothing
        self._stalls = self._steps = 0
        self._moved_s = 0.0
        self._open = 0
        self._all_gone = asyncio.Event()
        self._all_gone.set()
        self._ponged = asyncio.Event()
        # Made once: each user has to be given it.
        self.hear_control = self.on_control

    def found(self, finding: Finding, trace: Callable[[], bytes]) -> None:
        """A rule was broken; `trace` gives what is kept of the connection."""
        self.offenders.take(finding, trace)

    # What the shard itself has missed -------------------------------------------------------------------------

    def look(self, at: float) -> None:
        """The shard is running at `at`; if it stood still before, no time is judged across that."""
        self.watch.look(at)
        self._pass_on()

    def tick(self) -> None:
        """The same, and it looks at the wall clock as well; to be called regularly, and before a wait is given up."""
        self.watch.tick()
        self._pass_on()

    def _pass_on(self) -> None:
        watch = self.watch
        while self._stalls < len(watch.stalls):
            stall = watch.stalls[self._stalls]
            self._stalls += 1
            self.stalled_at = stall.ended_at
            self.registry.stalled(stall.ended_at, stall.for_s)
            self.on_stall(stall)
        while self._steps < len(watch.steps):
            self._moved_s += abs(watch.steps[self._steps].by_s)
            self._steps += 1
            self.on_clock_moved(self._moved_s)

    # Connections of the operating system ----------------------------------------------------------------------

    def connection_opened(self) -> None:
        """One more is open."""
        self._open += 1
        self._all_gone.clear()

    def connection_gone(self) -> None:
        """One that was open is gone."""
        self._open -= 1
        if not self._open:
            self._all_gone.set()

    async def wait_all_gone(self) -> None:
        """Waits until no connection is open."""
        await self._all_gone.wait()

    # The server's clock ---------------------------------------------------------------------------------------

    def on_control(self, control: Control, at: float) -> None:
        """A control message came: a pong may say how far the server's clock is ahead of ours."""
        if control.name == "pong":
            self.clock.ponged(control, at, self.meters.epoch_s)
            self.meters.set_clock_offset(self.clock.offset_s)
            self._ponged.set()

    async def wait_pong(self, nonce: str) -> None:
        """Waits for the pong that answers this ping."""
        while self.clock.awaits(nonce):
            self._ponged.clear()
            await self._ponged.wait()
