"""Parallel scenarios: threads run their steps ahead of behave, which receives the outcomes in its own order.

behave runs one scenario after the other on one thread, and so do its formatters, its hooks and Allure. None of that
changes: when behave runs a step of a scenario that a thread has, it waits until the step has ended there, and returns
or raises as it did. So all files have behave's order, with any number of threads. What runs alone (`jobs.py`) runs in
behave's own thread, after all others.
"""
# mypy: allow-untyped-calls
# behave ships types only of what steps need.

import concurrent.futures
import copy
import functools
import heapq
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any

from behave.model import Rule, Scenario, ScenarioOutline, Step
from behave.runner import Context

from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import World
from greenlight_gate.session.jobs import connections_of, is_hostile, runs_alone
from greenlight_gate.session.loop_thread import INTERRUPTED, SuiteFault
from greenlight_gate.session.validation_session import ValidationSession

_SLICE_S = 0.1
END_S = 10.0

# Makes the World of a scenario; its users are those of a slot.
NewWorld = Callable[[Scenario, int], World]
# A function that runs a step in a context; None for an undefined step.
RunOf = Callable[[Step], Callable[[Context], None] | None]


class Work:
    """One scenario that runs in a thread. behave's thread waits for its outcome, and may be interrupted.

    `world`: None if it could not be made. `lingering`: the wait for late messages after the last step, if it came so
    far. `began_s` and `ended_s` are epoch seconds, `times_s` the same for each step (by `id`).
    """

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.world: World | None = None
        self.lingering: concurrent.futures.Future[None] | None = None
        self.slot = 0
        self.began_s = self.ended_s = self.took_s = 0.0
        self.times_s: dict[int, tuple[float, float]] = {}
        self._became: dict[int, Exception | None] = {}
        self._no_world: Exception | None = None
        self._began = time.monotonic()
        self._over = False
        self._changed = threading.Condition()

    # In behave's thread ------------------------------------------------------------------------------------------

    def begin(self) -> World:
        """Waits until the scenario has begun. Raises the error if its World could not be made."""
        self._wait(lambda: self.world is not None or self._over)
        if self.world is None:
            raise self._no_world or SuiteFault(INTERRUPTED)
        return self.world

    def show(self, step: Step) -> None:
        """Waits until a step has ended, and raises its exception."""
        self._wait(lambda: id(step) in self._became or self._over)
        error = self._became.get(id(step), SuiteFault(INTERRUPTED))
        if error is not None:
            raise error

    def end(self, within_s: float = math.inf) -> None:
        """Waits until the scenario has ended; it may still wait for late messages.

        After `within_s` it counts as ended: nothing can end a step of a team's own that never waits for the suite.
        """
        deadline = time.monotonic() + within_s
        self._wait(lambda: self._over or time.monotonic() > deadline)
        if not self._over:
            self.finish()

    def _wait(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            while not condition():
                # In slices: a signal that comes just before a wait is noticed only when the wait is over.
                self._changed.wait(_SLICE_S)

    # In its own thread -------------------------------------------------------------------------------------------

    def run(self, context: Context, new_world: NewWorld, run_of: RunOf) -> None:
        """Runs the steps until one does not pass, as behave does. Raises nothing."""
        self.began_s, self._began = time.time(), time.monotonic()
        try:
            world = new_world(self.scenario, self.slot)
        except Exception as error:  # noqa: BLE001 -- behave's thread raises it, in the hook where it belongs
            self._no_world = error
            return
        context.feature, context.scenario, context.world = self.scenario.feature, self.scenario, world
        with self._changed:
            self.world = world
            self._changed.notify_all()
        for step in self.scenario.all_steps:
            if not self._run_step(context, step, run_of(step)):
                break
        self.lingering = world.suite.loop.post(world.linger())

    def _run_step(self, context: Context, step: Step, run: Callable[[Context], None] | None) -> bool:
        if run is None:
            return False  # behave reports it itself
        began_s = time.time()
        became: Exception | None = None
        context.text, context.table = step.text, step.table
        try:
            run(context)
        except Exception as error:  # noqa: BLE001 -- behave's thread raises it, in the step where it belongs
            became = error
        self.times_s[id(step)] = (began_s, time.time())
        with self._changed:
            self._became[id(step)] = became
            self._changed.notify_all()
        return became is None

    def finish(self) -> None:
        """Marks the scenario as ended."""
        self.ended_s, self.took_s = time.time(), time.monotonic() - self._began
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def forget(self) -> None:
        """Releases the memory of the scenario once it is reported."""
        self.world = self.lingering = None
        self._became.clear()

    @property
    def is_over(self) -> bool:
        """Whether it has ended; it may still wait for late messages."""
        return self._over

    @property
    def has_failed(self) -> bool:
        """Whether anything in it has failed so far."""
        errors = [self._no_world, *self._became.values()]
        return any(error is not None and not isinstance(error, NotExercised) for error in errors)


class Parallel:
    """Runs the selected scenarios that may run in parallel, `suite.jobs` at a time, in their order.

    With one job, or without such scenarios, behave's own thread runs all. Call `close` at the end in any case.
    """

    def __init__(
        self, runner: Any, suite: ValidationSession, scenarios: Sequence[Scenario], new_world: NewWorld
    ) -> None:
        together = [s for s in scenarios if not runs_alone(s.effective_tags)] if suite.jobs > 1 else []
        self._works = {id(scenario): Work(scenario) for scenario in together}
        self._steps = {id(step): work for work in self._works.values() for step in work.scenario.all_steps}
        self._runner = runner
        self._suite = suite
        self._new_world = new_world
        self._waiting = deque(self._works.values())
        self._free_slots: list[int] = []
        self._slots = self._connections = 0
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._run, name=f"greenlight-scenarios-{number}", daemon=True)
            for number in range(1, min(suite.jobs, len(together)) + 1)
        ]

    @property
    def any(self) -> bool:
        """Whether any scenario runs in a thread."""
        return bool(self._works)

    def start(self) -> None:
        """Starts the first scenarios."""
        for thread in self._threads:
            thread.start()

    def work_of(self, scenario: Scenario) -> Work | None:
        """The work of a scenario that runs in a thread; None for one that behave's thread has to run."""
        return self._works.get(id(scenario))

    def when(self, part: Scenario | Step) -> tuple[float, float] | None:
        """When a scenario or a step of it ran in a thread, from and to (epoch seconds); None if it did not."""
        work = self._works.get(id(part))
        if work is not None:
            return work.began_s, work.ended_s
        work = self._steps.get(id(part))
        return work.times_s.get(id(part)) if work is not None else None

    def interrupt(self) -> None:
        """Ends running scenarios, and starts no more."""
        self._begin_no_more()
        self._suite.loop.interrupt()

    def close(self) -> None:
        """Interrupts scenarios that behave did not reach, and waits until their connections are closed."""
        if any(not work.is_over for work in self._works.values()):
            self.interrupt()
        deadline = time.monotonic() + END_S
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))
        lingering = [work.lingering for work in self._works.values() if work.lingering is not None]
        concurrent.futures.wait(lingering, max(0.0, deadline - time.monotonic()))

    # In the threads ----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while (work := self._next()) is not None:
                try:
                    work.run(Context(self._runner), self._new_world, self._runner.step_registry.run_of)
                finally:
                    work.finish()
                    if work.lingering is not None:
                        work.lingering.add_done_callback(functools.partial(self._release, work))
                    else:
                        self._release(work)
                if self._runner.config.stop and work.has_failed:
                    # behave stops at this one at the latest: all earlier ones have been started.
                    self._begin_no_more()
        except BaseException:
            # No thread may wait for what this one should have done.
            self.interrupt()
            raise

    def _begin_no_more(self) -> None:
        with self._changed:
            for work in self._waiting:
                work.finish()
            self._waiting.clear()
            self._changed.notify_all()

    def _next(self) -> Work | None:
        """The next scenario, once the connection limit allows it; None if there is none."""
        most = self._suite.target.limits.max_connections
        with self._changed:
            while self._waiting:
                wanted = connections_of(self._waiting[0].scenario.effective_tags)
                if not self._connections or self._connections + wanted <= most:
                    work = self._waiting.popleft()
                    self._connections += wanted
                    work.slot = self._new_slot()
                    return work
                self._changed.wait()
            return None

    def _new_slot(self) -> int:
        if self._free_slots:
            return heapq.heappop(self._free_slots)
        self._slots += 1
        return self._slots - 1

    def _release(self, work: Work, _: object = None) -> None:
        """Marks all connections of this scenario as closed."""
        with self._changed:
            self._connections -= connections_of(work.scenario.effective_tags)
            heapq.heappush(self._free_slots, work.slot)
            self._changed.notify_all()


class _Turn(IntEnum):
    """When a scenario runs: what may leave the target ill after all that runs in parallel, then what runs alone."""

    HEALTHY = 1
    HOSTILE = 2
    ALONE = 3

    @classmethod
    def of(cls, scenario: Scenario) -> "_Turn":
        tags = scenario.effective_tags
        if runs_alone(tags):
            return cls.ALONE
        return cls.HOSTILE if is_hostile(tags) else cls.HEALTHY


def in_turn(features: Sequence[Any]) -> list[Any]:
    """The same features, with hostile scenarios after the others, and those that run alone at the end.

    A feature that has several of these kinds appears several times.
    """
    return [part for turn in _Turn for feature in features if (part := _part(feature, turn)).run_items]


def _part(container: Any, turn: _Turn) -> Any:
    """A copy of a feature, rule or outline with only the scenarios of one turn."""
    part = copy.copy(container)
    kept = []
    for item in _items(container):
        if isinstance(item, Rule | ScenarioOutline):
            inner = _part(item, turn)
            kept += [inner] if _items(inner) else []
        elif _Turn.of(item) is turn:
            kept.append(item)
    if isinstance(container, ScenarioOutline):
        part._scenarios = kept  # noqa: SLF001 -- behave has no other place for the rows
    else:
        part.run_items = kept
        part.rules = [item for item in kept if isinstance(item, Rule)]
    return part


def _items(part: Any) -> Sequence[Any]:
    items: Sequence[Any] = part.scenarios if isinstance(part, ScenarioOutline) else part.run_items
    return items
