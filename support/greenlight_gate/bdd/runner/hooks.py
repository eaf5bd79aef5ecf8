"""The hooks around each scenario: its World begins, is attached to Allure, waits for late messages, and is recorded."""

import concurrent.futures
import gc
import logging
import math
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

from behave.model import Scenario

from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.runner.allure_outcome import scenario_key
from greenlight_gate.bdd.runner.attachments import attach
from greenlight_gate.bdd.runner.parallel import END_S, Parallel, Work
from greenlight_gate.bdd.world.world import NOTHING_OBSERVED, World
from greenlight_gate.evidence.session_folder import Finished
from greenlight_gate.findings import printable, printable_lines, shortened
from greenlight_gate.rules.engine.canary import named
from greenlight_gate.session.interruption import Interruption
from greenlight_gate.session.jobs import is_hostile
from greenlight_gate.session.scripted_model import ModelGone
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.verdict.facts import ScenarioOutcome
from greenlight_gate.verdict.reason import in_one_line

_LINGER_S = 30.0
_MOST_SAID = 400
# While scenarios run in parallel, no full garbage collection runs: it would stop the loop thread.
_ONLY_THE_YOUNG = (20_000, 50, 1_000)
# The loop thread must not wait long for the interpreter while a picture is drawn.
_SWITCH_S = 0.0005
_OUTCOMES = {
    "passed": ScenarioOutcome.PASSED,
    "failed": ScenarioOutcome.FAILED,
    "skipped": ScenarioOutcome.NOT_EXERCISED,
}
_GONE = "the scripted model is gone"
log = logging.getLogger("greenlight")


class Results(Protocol):
    """The interface of AllureResults that holds finished results for late findings."""

    def holds(self, key: str) -> bool:
        """Whether a result waits here."""

    def fail(self, key: str, message: str) -> bool:
        """Turns a held result into a failed one."""

    def release(self, key: str) -> bool:
        """Writes a held result: nothing more can change it."""


class Watcher(Protocol):
    """An observer of scenarios as they begin and end."""

    def began(self, scenario: Scenario, world: World) -> None:
        """A scenario has begun."""

    def ended(self, finished: Finished, name: str, events: int) -> None:
        """A scenario has been settled."""


class Hooks:
    """The hooks of one session, and the scenarios that have ended but still wait for late messages.

    `scenarios` are those that were selected, in the order in which behave runs them. A scenario has a result in
    `results` and a `finished` line in the ledger, or neither, whenever `interruption` comes.
    """

    def __init__(
        self, suite: ValidationSession, scenarios: Sequence[Scenario], runner: Any, results: Results, watcher: Watcher,
        *, interruption: Interruption,
    ) -> None:  # fmt: skip
        self.suite = suite
        self.results = results
        self.watcher = watcher
        self._interruption = interruption
        self.failed = False
        self._numbers = {id(scenario): number for number, scenario in enumerate(scenarios, 1)}
        self._waiting: list[_Waiting] = []
        self._usual_threshold = gc.get_threshold()
        self._usual_switch_s = sys.getswitchinterval()
        gc.collect()
        gc.freeze()
        self._runner = runner
        self._loading: threading.Thread | None = None
        self.parallel = Parallel(runner, suite, scenarios, self._new_world)

    def before_all(self, _: Any) -> None:
        """Starts the scenarios that run in parallel."""
        if self.parallel.any:
            gc.set_threshold(*_ONLY_THE_YOUNG)
            sys.setswitchinterval(_SWITCH_S)
            # Scenarios mostly wait, and nothing is measured meanwhile.
            self._loading = threading.Thread(target=_load_what_draws, name="greenlight-pictures", daemon=True)
            self._loading.start()
        self.parallel.start()

    def after_all(self, _: Any) -> None:
        """Settles everything, since behave closes the formatters next."""
        self.parallel.close()
        self.settle(wait=True)
        if self._loading is not None:
            # Python would hand out half of a module whose import fails in another thread meanwhile.
            self._loading.join()
        self._as_usual()

    def _new_world(self, scenario: Scenario, slot: int | None = None) -> World:
        """A World; with a `slot`, that of a scenario which runs in parallel with others."""
        world = World(self.suite, scenario_key(scenario), self._numbers[id(scenario)], slot or 0)
        world.recorder.in_parallel = slot is not None
        world.is_hostile = is_hostile(scenario.effective_tags)
        return world

    def before_scenario(self, context: Any, scenario: Scenario) -> None:
        """Begins a World, or waits until a thread has; then settles scenarios that have waited long enough."""
        # First of all: behave calls `after_scenario` wherever this is interrupted.
        context.work, context.world, context.began = None, None, time.monotonic()
        self._interruption.check()
        work = context.work = self.parallel.work_of(scenario)
        self.settle()
        if work is not None:
            context.world = work.begin()
        else:
            self._settle_others()
            self._collect()
            context.began = time.monotonic()
            context.world = self._new_world(scenario)
        self.watcher.began(scenario, context.world)

    def after_scenario(self, context: Any, scenario: Scenario) -> None:
        """Attaches the conversation to Allure; the World waits for late messages in the background."""
        work: Work | None = context.work
        if work is not None:
            self._end(work, aborted=context.aborted)
            waiting = _Waiting(scenario, work.world, work.lingering, work.took_s, work)
        else:
            world: World | None = context.world
            future = self.suite.loop.post(world.linger()) if world is not None else None
            waiting = _Waiting(scenario, world, future, time.monotonic() - context.began)
        self._waiting.append(waiting)
        if waiting.world is not None:
            attach(waiting.world, scenario.name)

    def _end(self, work: Work, *, aborted: bool) -> None:
        """Waits for the end of the scenario's thread; an interruption shortens the wait, and loses no records."""
        try:
            if aborted:
                self.parallel.interrupt()
            work.end(END_S if aborted else math.inf)
        except KeyboardInterrupt:
            self.parallel.interrupt()
            work.end(END_S)
            self._runner.abort(reason="KeyboardInterrupt")

    def _collect(self) -> None:
        """Collects garbage: a full collection stops the loop thread, and would delay the timestamps of messages.

        So it runs now, between two scenarios, and without the objects that stay.
        """
        self._as_usual()
        gc.collect()
        if not self._waiting:
            gc.freeze()

    def _as_usual(self) -> None:
        """Ends the parallel part of the run."""
        gc.set_threshold(*self._usual_threshold)
        sys.setswitchinterval(self._usual_switch_s)

    def _settle_others(self) -> None:
        """Settles all other scenarios before one that runs alone: none of their connections may be open any longer.

        What its users sent before, under the same user ids, could still arrive.
        """
        # Waits before anything is removed from the list: an interruption loses nothing.
        lingering = [each.future for each in self._waiting if each.future is not None]
        concurrent.futures.wait(lingering, _LINGER_S)
        self.settle(wait=True)

    def _without_absence(
        self, scenario: Scenario, world: World | None, outcome: ScenarioOutcome, reason: str
    ) -> tuple[ScenarioOutcome, str]:
        """The outcome and its reason; a failure without a finding in which the suite was away is its own fault.

        What it waited for may have come, or was given up, while nobody read it. The same holds for what was late on a
        machine that was busy with other work.
        """
        if outcome is not ScenarioOutcome.FAILED or world is None or world.findings:
            return outcome, reason
        unmet = _unmet(scenario)
        excuse = world.excuse(late=unmet is not None and unmet.is_of_time)
        if not excuse:
            return outcome, reason
        reason = f"Suite fault: {excuse}; {reason}"
        self.results.fail(scenario_key(scenario), reason)
        return ScenarioOutcome.BROKEN, reason

    def settle(self, *, wait: bool = False) -> None:
        """Records in the ledger, in order, the scenarios that can no longer change; with `wait`, all."""
        while self._waiting and (wait or self._waiting[0].is_done()):
            self._settle_first()

    def _settle_first(self) -> None:
        waiting = self._waiting[0]
        if waiting.future is not None:
            concurrent.futures.wait([waiting.future], _LINGER_S)
        with self._interruption.held():
            # Off the list first: what the disk refuses is not entered twice.
            del self._waiting[0]
            self._settle(waiting)

    def _fault_at_the_end(self, error: BaseException) -> str:
        """What failed when a scenario waited for late messages. Without the model, the run ends, which is said once."""
        if isinstance(error, ModelGone):
            if self._interruption.reason:
                return f"Suite fault: {_GONE}"
            self._interruption.end(f"{_GONE}: {error.said}")
            self._runner.abort(reason=_GONE)
            return f"Suite fault: {_GONE}: {error.said}"
        return f"Suite fault: waiting for late messages failed: {error!r}"

    def _settle(self, waiting: "_Waiting") -> None:
        scenario, world = waiting.scenario, waiting.world
        key = scenario_key(scenario)
        if not self.results.holds(key):
            log.warning("%s: behave was interrupted before its result was there", key)
            return
        outcome = _OUTCOMES.get(scenario.status.name, ScenarioOutcome.BROKEN)
        reason = _reason(scenario, outcome, self._interruption.reason)
        outcome, reason = self._without_absence(scenario, world, outcome, reason)
        if waiting.future is not None:
            try:
                waiting.future.result(0)
            except (Exception, concurrent.futures.CancelledError) as error:  # noqa: BLE001 -- it is reported as the reason
                said = self._fault_at_the_end(error)
                self.results.fail(key, said)
                if outcome is not ScenarioOutcome.FAILED:
                    outcome, reason = ScenarioOutcome.BROKEN, said
        findings = world.findings if world is not None else []
        if world is not None and findings and outcome is not ScenarioOutcome.FAILED:
            self.results.fail(key, world.complaint())
            if outcome is not ScenarioOutcome.BROKEN:
                outcome, reason = ScenarioOutcome.FAILED, str(findings[0])
        if outcome is ScenarioOutcome.PASSED and not (world is not None and world.has_observed):
            # A scenario without steps has no last step that could report it.
            outcome, reason = ScenarioOutcome.BROKEN, f"Suite fault: {NOTHING_OBSERVED}"
            self.results.fail(key, reason)
        trace = world.trace if world is not None else ""
        reason = printable_lines(named(reason))
        private = world.private if world is not None else ()
        further = tuple(map(world.further_trace, world.further)) if world is not None else ()
        records = None if world is None else sum(len(each.entries) for each in (world.recorder, *world.further))
        need = world.lacking if world is not None and outcome is ScenarioOutcome.NOT_EXERCISED else ""
        unmet = _unmet(scenario) if outcome is ScenarioOutcome.FAILED else None
        unmet = None if unmet is not None and unmet.rule in {each.rule for each in findings} else unmet
        finished = Finished(
            key, outcome, reason, len(findings), trace, round(waiting.took_s, 3), private, further, records, need,
            health_trace=world.health_trace if world is not None else "", **_demanded(unmet),
        )  # fmt: skip
        self.suite.evidence.append(finished)
        self.results.release(key)
        self.failed = self.failed or outcome in (ScenarioOutcome.FAILED, ScenarioOutcome.BROKEN)
        log.info("%s %s: %s%s", outcome, key, scenario.name, f" ({in_one_line(reason)})" if reason else "")
        self.watcher.ended(finished, scenario.name, _events(world))
        if world is not None and waiting.is_done():
            world.forget()
        if waiting.work is not None:
            waiting.work.forget()


def _load_what_draws() -> None:
    """Loads matplotlib in advance, which takes most of a second. If that fails, it fails again where it is drawn."""
    with suppress(Exception):
        from greenlight_gate.report import html_page, pictures  # noqa: F401, PLC0415 -- as above


class _Waiting:
    def __init__(
        self, scenario: Scenario, world: World | None, future: "concurrent.futures.Future[None] | None", took_s: float,
        work: Work | None = None,
    ) -> None:  # fmt: skip
        self.work = work
        self.scenario = scenario
        self.world = world
        self.future = future
        self.took_s = took_s

    def is_done(self) -> bool:
        """Whether no more messages of the scenario can arrive."""
        return self.future is None or self.future.done()


def _reason(scenario: Scenario, outcome: ScenarioOutcome, interrupted: str) -> str:
    if outcome is ScenarioOutcome.PASSED:
        return ""
    if outcome is ScenarioOutcome.BROKEN and interrupted:
        return f"not finished: {interrupted}"
    if outcome is ScenarioOutcome.NOT_EXERCISED:
        return str(scenario.skip_reason or "skipped")
    for step in scenario.all_steps:
        if step.exception is not None:
            text = str(step.exception) or type(step.exception).__name__
            return text if outcome is ScenarioOutcome.FAILED else f"{type(step.exception).__name__}: {text}"
        if step.status.name in ("undefined", "pending"):
            return f"Suite fault: the step '{step.name}' is {step.status.name}"
    return str(scenario.error_message or scenario.status.name)


def _unmet(scenario: Scenario) -> Unmet | None:
    """The demand that a failed step made in the name of a rule."""
    errors = [step.exception for step in scenario.all_steps if step.exception is not None]
    # Where there are findings, they are said first, and the demand is the cause.
    return next((each for error in errors for each in (error, error.__cause__) if isinstance(each, Unmet)), None)


def _demanded(unmet: Unmet | None) -> dict[str, Any]:
    """What the ledger keeps of a demand that was not met; nothing without one."""
    if unmet is None:
        return {}
    expected, actual = (
        shortened(printable(named(" ".join(text.split()))), _MOST_SAID) for text in (unmet.expected, unmet.actual)
    )
    return {"rule": unmet.rule, "expected": expected, "actual": actual, "record": unmet.record}


def _events(world: World | None) -> int:
    if world is None:
        return 0
    return sum(len(question.events) for question in world.questions) + world.received_elsewhere
