"""What happens around each scenario: its World begins, is attached to Allure, lingers, and goes into the ledger."""

import concurrent.futures
import gc
import logging
import time
from typing import Any, Protocol

from behave.model import Scenario

from greenlight_gate.bdd.runner.allure_outcome import scenario_key
from greenlight_gate.bdd.runner.attachments import attach
from greenlight_gate.bdd.world.world import NOTHING_OBSERVED, World
from greenlight_gate.evidence.session_folder import Finished
from greenlight_gate.findings import printable_lines
from greenlight_gate.rules.engine.canary import named
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.verdict.decision import Outcome, in_one_line

_LINGER_S = 30.0
_OUTCOMES = {"passed": Outcome.PASSED, "failed": Outcome.FAILED, "skipped": Outcome.NOT_EXERCISED}
log = logging.getLogger("greenlight")


class Results(Protocol):
    """Where finished results wait for what comes late (AllureResults)."""

    def fail(self, key: str, message: str) -> bool:
        """Turns a waiting result into a failed one."""

    def release(self, key: str) -> bool:
        """Lets a result go: nothing more can change it."""


class Watcher(Protocol):
    """Somebody who wants to see scenarios begin and end while it happens."""

    def began(self, scenario: Scenario, world: World) -> None:
        """A scenario has begun."""

    def ended(self, finished: Finished, name: str, events: int) -> None:
        """A scenario has been settled."""


class Hooks:
    """The hooks of one session, and the scenarios that have ended but still listen for what may come late."""

    def __init__(self, suite: ValidationSession, results: Results, watcher: Watcher) -> None:
        self.suite = suite
        self.results = results
        self.watcher = watcher
        self.count = 0
        self.failed = False
        self._waiting: list[_Waiting] = []
        gc.collect()
        gc.freeze()

    def before_scenario(self, context: Any, scenario: Scenario) -> None:
        """Begins a World, after settling whatever has waited long enough."""
        self.settle()
        # A full collection stops the loop thread, and what arrives meanwhile would be stamped late, all at once: it is
        # made now, between two scenarios, and without what was there when the session began.
        gc.collect()
        self.count += 1
        context.world = None
        context.began = time.monotonic()
        context.world = World(self.suite, scenario_key(scenario), self.count)
        self.watcher.began(scenario, context.world)

    def after_scenario(self, context: Any, scenario: Scenario) -> None:
        """Shows the conversation to Allure, and lets the World listen on in the background."""
        world: World | None = context.world
        future = self.suite.loop.post(world.linger()) if world is not None else None
        self._waiting.append(_Waiting(scenario, world, future, time.monotonic() - context.began))
        if world is not None:
            attach(world, scenario.name)

    def settle(self, *, wait: bool = False) -> None:
        """Enters into the ledger, in order, what can no longer change; with `wait`, everything."""
        while self._waiting and (wait or self._waiting[0].is_done()):
            self._settle(self._waiting.pop(0))

    def _settle(self, waiting: "_Waiting") -> None:
        scenario, world = waiting.scenario, waiting.world
        key = scenario_key(scenario)
        outcome = _OUTCOMES.get(scenario.status.name, Outcome.BROKEN)
        reason = _reason(scenario, outcome)
        if waiting.future is not None:
            try:
                waiting.future.result(_LINGER_S)
            except (Exception, concurrent.futures.CancelledError) as error:  # noqa: BLE001 -- whatever it is, it is told
                said = f"Suite fault: listening on failed: {error!r}"
                self.results.fail(key, said)
                if outcome is not Outcome.FAILED:
                    outcome, reason = Outcome.BROKEN, said
        findings = world.findings if world is not None else []
        if world is not None and findings and outcome is not Outcome.FAILED:
            self.results.fail(key, world.complaint())
            if outcome is not Outcome.BROKEN:
                outcome, reason = Outcome.FAILED, str(findings[0])
        if outcome is Outcome.PASSED and not (world is not None and world.has_observed):
            # A scenario without steps has none that could have said so.
            outcome, reason = Outcome.BROKEN, f"Suite fault: {NOTHING_OBSERVED}"
            self.results.fail(key, reason)
        self.results.release(key)
        trace = world.trace if world is not None else ""
        reason = printable_lines(named(reason))
        private = world.private if world is not None else ()
        beside = tuple(f"traces/{each.path.name}" for each in world.beside if each.path) if world is not None else ()
        finished = Finished(key, outcome, reason, len(findings), trace, round(waiting.took_s, 3), private, beside)
        self.suite.evidence.append(finished)
        self.failed = self.failed or outcome in (Outcome.FAILED, Outcome.BROKEN)
        log.info("%s %s: %s%s", outcome, key, scenario.name, f" ({in_one_line(reason)})" if reason else "")
        self.watcher.ended(finished, scenario.name, _events(world))


class _Waiting:
    def __init__(
        self, scenario: Scenario, world: World | None, future: "concurrent.futures.Future[None] | None", took_s: float
    ) -> None:
        self.scenario = scenario
        self.world = world
        self.future = future
        self.took_s = took_s

    def is_done(self) -> bool:
        """Whether nothing more of the scenario can arrive."""
        return self.future is None or self.future.done()


def _reason(scenario: Scenario, outcome: Outcome) -> str:
    if outcome is Outcome.PASSED:
        return ""
    if outcome is Outcome.NOT_EXERCISED:
        return str(scenario.skip_reason or "skipped")
    for step in scenario.all_steps:
        if step.exception is not None:
            text = str(step.exception) or type(step.exception).__name__
            return text if outcome is Outcome.FAILED else f"{type(step.exception).__name__}: {text}"
        if step.status.name in ("undefined", "pending"):
            return f"Suite fault: the step '{step.name}' is {step.status.name}"
    return str(scenario.error_message or scenario.status.name)


def _events(world: World | None) -> int:
    if world is None:
        return 0
    return sum(len(question.events) for question in world.questions) + world.heard_beside
