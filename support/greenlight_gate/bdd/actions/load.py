"""Many virtual users in a scenario: the load engine connects them, and every event of each is checked."""

import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import allure
import msgspec
from behave.runner import Context

from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import World
from greenlight_gate.load.director import Director, State
from greenlight_gate.load.executors import here
from greenlight_gate.load.plan import PlannedUser
from greenlight_gate.measure.latency_summary import LatencySummary
from greenlight_gate.measure.load_result import LoadResult, figures, redacted
from greenlight_gate.probes import Probes, probes_for
from greenlight_gate.session.load_users import plan_of, planned_users
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.session.pace import what_limits
from greenlight_gate.session.validation_session import MeasuredLoad
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.verdict.criteria import LoadOfScenario, slow_under_load
from greenlight_gate.verdict.memory_trend import MemorySamples, MemoryVerdict, Sample, has_shown, judge_watch, longest_s

log = logging.getLogger("greenlight")

# A measurement during which the generator was too busy proves nothing, and is repeated.
_ATTEMPTS = 3
_PLANNING_S = 60.0
# Looks in a soak, which are no further apart than so.
_LOOKS = 100
_PROBE_EVERY_S = 0.5
_SETTLE_S = 2.0
# Each user sends one request a second, or fewer if answers take long.
_INTERVAL_S = 1.0
_ANSWERS_IN_AN_INTERVAL = 2.0
_LONGEST_S = 60.0


class Crowd:
    """The virtual users of one scenario, and the results of their loads.

    `loads` are the results by label, in order. Findings beyond the allowance are raised as Unmet once a
    load is over.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.suite = world.suite
        self.size = 0
        self.loads: dict[str, LoadResult] = {}
        self.watches: list[MemorySamples] = []
        self.pause_s = _INTERVAL_S
        self._count = 0
        self._fetched: dict[tuple[int, tuple[str, ...]], tuple[PlannedUser, ...]] = {}

    @property
    def scale(self) -> int:
        """The number of users in stress scenarios."""
        return self.suite.plan.scale

    def gather(self, count: int, *, stress: bool = False) -> None:
        """Sets the number of users. Raises NotExercised if the target does not allow it."""
        target = self.suite.target
        if stress and not target.limits.allow_stress:
            raise NotExercised(f"{target.name} does not allow stress tests (limits.allow_stress)")
        if exceeded := what_limits(target.limits, count):
            raise NotExercised(f"{target.name} {exceeded[1]}", exceeded[0])
        self.world.need("with_tool")
        self.size = count

    # Load --------------------------------------------------------------------------------------------------

    def talk(
        self, label: str, *, users: int | None = None, prompts: Sequence[str] = ("with_tool",), again_from: int = 0,
        fast: bool = False, watch: Callable[[State], None] | None = None, **plan: Any,
    ) -> LoadResult:  # fmt: skip
        """Runs the load of `plan` (see `greenlight_gate.load.plan.LoadPlan`), and stores the result as evidence.

        `fast`: its latency will be judged, so the load is repeated if the generator was too busy.
        """
        self.world.need(*prompts)
        planned = self._planned_users(self.size if users is None else users, tuple(prompts), again_from)
        for attempt in range(1, _ATTEMPTS + 1):
            with here() as (executors, channels):
                began = time.monotonic()
                summary = Director(plan_of(self.suite, planned, **plan), executors, channels, watch).run()
                summary.crowded = self.suite.host.why(began)
                summary.serves_model = self.suite.model is not None and self.suite.model.is_served_here
            self.suite.patience.hung.update(summary.hung_tools)
            again = fast and bool(summary.saturated) and attempt < _ATTEMPTS and not summary.interrupted
            self._keep(label, summary, fast=fast, discarded=again)
            if not again:
                break
            log.info("'%s' is repeated: the generator was %s", label, summary.saturated)
        self.loads[label] = summary
        convicting = [offence.finding for offence in summary.convicting()]
        if convicting:
            raise Unmet(convicting[0].rule, "\n".join(map(str, convicting)))
        return summary

    def at_steady_rate(self, users: int) -> LoadResult:
        """Each user sends one request per interval, without waiting for the answers.

        A session measures this once; every scenario that judges it uses the same result.
        """
        label = _steady(users)
        measured = self.suite.measured.get(label)
        if measured is not None:
            return self._measured_before(label, measured)
        seconds = min(2.5 * self.pause_s, _LONGEST_S)
        summary = self.talk(
            label, users=users, fast=True, arrival="open", rate=users / self.pause_s, duration_s=seconds
        )
        if not summary.hindered:
            self.suite.measured[label] = MeasuredLoad(summary, self.world.key)
        return summary

    def _measured_before(self, label: str, measured: MeasuredLoad) -> LoadResult:
        self.loads[label] = measured.summary
        self.world.received_elsewhere += measured.summary.messages
        shown = f"measured in {measured.scenario}\n{as_text(measured.summary)}"
        allure.attach(shown, name=label, attachment_type=allure.attachment_type.TEXT)
        return measured.summary

    def find_pace(self) -> None:
        """How often a user can send requests: from the time of an answer without other load."""
        if self.suite.pause_s is None:
            alone = figures(self.talk("one user, to find the request rate", users=1, runs_each=2).whole)
            answer_s = alone.p50_ms / 1e3 if alone is not None else 0.0
            self.suite.pause_s = max(_INTERVAL_S, _ANSWERS_IN_AN_INTERVAL * answer_s)
        self.pause_s = self.suite.pause_s

    def _planned_users(self, count: int, prompts: tuple[str, ...], again_from: int) -> tuple[PlannedUser, ...]:
        if (count, prompts) not in self._fetched:
            try:
                made = self.suite.loop.call(
                    planned_users(self.suite, count, prompts, again_from, seconds=longest_s(self.suite.plan.soak_s)),
                    _PLANNING_S,
                )
            except Misconfigured as error:
                raise NotExercised(str(error)) from error
            self._fetched[count, prompts] = made
        return self._fetched[count, prompts]

    def _keep(self, label: str, summary: LoadResult, *, fast: bool, discarded: bool) -> None:
        world = self.world
        self._count += 1
        self.world.received_elsewhere += summary.messages
        kept = redacted(summary, self.suite.access.redact_bytes)
        category = world.key.partition("/")[0]
        name = f"{Path(world.trace).stem}-{self._count}"
        self.suite.evidence.loaded(name, LoadOfScenario(world.key, category, label, kept, fast, discarded))
        allure.attach(as_text(kept), name=label, attachment_type=allure.attachment_type.TEXT)
        log.info("'%s': %s runs, %s events, %s findings", label, summary.runs, summary.events, summary.findings)
        if summary.interrupted:
            raise KeyboardInterrupt

    # Memory -------------------------------------------------------------------------------------------------

    def soak(self, users: int, think_s: float) -> None:
        """Runs a load until it is clear that the memory does not grow, or for as long as growth is watched."""
        self.world.need("memory_probe")
        soak_s, probes, samples = self.suite.plan.soak_s, self._probes(), list[Sample]()
        most_mb = self.suite.target.thresholds.memory_mb_growth
        every_s = min(_PROBE_EVERY_S, soak_s / _LOOKS)

        def watch(state: State) -> None:
            now = time.monotonic()
            if state.enough or state.began_at is None or now < state.began_at:
                return
            if samples and now - samples[-1].at < every_s:
                return
            sample = probes.look(now, state.total("runs"))
            if sample is None:
                return
            samples.append(sample)
            state.enough = has_shown(self._seen("soak", "run", probes, samples, soak_s), most_mb)

        try:
            self.talk(
                f"{users} users for the soak time", users=users, watch=watch, duration_s=longest_s(soak_s),
                think_s=think_s,
            )  # fmt: skip
        finally:
            self._watched(self._seen("soak", "run", probes, samples, soak_s))

    def churn(self, rounds: int) -> None:
        """Connects and disconnects all users repeatedly, and measures what remains each time."""
        self.world.need("memory_probe")
        probes, samples, came = self._probes(), list[Sample](), 0
        first, settles = probes.look(time.monotonic()), True
        samples += [first] if first is not None else []
        try:
            for number in range(1, rounds + 1):
                made = self.talk(f"connect and disconnect, round {number}", runs_each=0).connections_made
                # A backend may send nothing to users who only connect: that it accepts them is seen.
                self.world.received_elsewhere += made
                came += made
                # Connections that did not close in time after a round are waited for again after the last one.
                patience_s = _SETTLE_S if settles or number == rounds else _SETTLE_S / 10
                settled = self._settled(probes, first, came, patience_s)
                settles = settles and _has_gone(settled, first)
                samples += [settled] if settled is not None else []
        finally:
            self._watched(self._seen("churn", "connection", probes, samples))

    def leave_during_answers(self, users: int, prompt: str, asking_s: float) -> None:
        """All connections are cut during the answers; the backend is looked at until they and their runs ended.

        Raises NotExercised if it does not say how many runs are open, or says nothing of these.
        """
        self.world.need("memory_probe", prompt)
        probes, gauge = self._probes(), self.suite.target.probe.runs_gauge
        before = probes.look(time.monotonic())
        if before is None or before.runs is None:
            raise NotExercised(f"{self.suite.target.name} does not say how many runs are open (probe.runs_gauge)")
        most = before

        def watch(state: State) -> None:
            nonlocal most
            if state.began_at is None or time.monotonic() < state.began_at:
                return
            sample = probes.look(time.monotonic())
            if sample is not None and (sample.runs or 0.0) > (most.runs or 0.0):
                most = sample

        self.talk("all leave during their answers", users=users, prompts=(prompt,), duration_s=asking_s,
                  break_off=True, watch=watch)  # fmt: skip
        if most is before:
            raise NotExercised(f"{gauge} did not rise while {users} users waited for answers (probe.runs_gauge)")
        left = msgspec.structs.replace(most, at=time.monotonic())
        deadline = left.at + self.suite.target.budgets.run_s
        while True:
            after = probes.look(time.monotonic())
            if after is not None and after.runs is not None and after.runs <= before.runs:
                if _has_gone(after, before):
                    break
                deadline = min(deadline, time.monotonic() + self.suite.target.budgets.half_open_s)
            if time.monotonic() > deadline:
                break
            time.sleep(0.02)
        samples = [before, left, *([after] if after is not None else [])]
        self._watched(self._seen("left", "run", probes, samples))

    @staticmethod
    def _settled(probes: Probes, first: Sample | None, came: int, patience_s: float) -> Sample | None:
        """A sample once all have disconnected, as far as the backend reports that in time."""
        deadline = time.monotonic() + patience_s
        while True:
            sample = probes.look(time.monotonic(), came)
            if _has_gone(sample, first) or time.monotonic() > deadline:
                return sample
            time.sleep(0.02)

    def _probes(self) -> Probes:
        return probes_for(self.suite.target, self.suite.backend_pids())

    def _seen(self, kind: str, unit: str, probes: Probes, samples: list[Sample], soak_s: float = 0.0) -> MemorySamples:
        return MemorySamples(
            scenario=self.world.key, kind=kind, unit=unit, by=probes.by, samples=tuple(samples), reason=probes.reason,
            soak_s=soak_s,
        )  # fmt: skip

    def _watched(self, watched: MemorySamples) -> None:
        self.watches.append(watched)
        self.suite.evidence.watch(f"{Path(self.world.trace).stem}-{watched.kind}", watched)

    # Results -----------------------------------------------------------------------------------------

    def latest(self) -> LoadResult:
        """The result of the latest load."""
        return next(reversed(self.loads.values()))

    def judged_memory(self) -> list[MemoryVerdict]:
        """The judgement of the memory samples."""
        return [judge_watch(each, self.suite.target.thresholds.memory_mb_growth) for each in self.watches]

    def too_slow(self, label: str | None = None) -> list[str]:
        """The latencies above the target's thresholds. Raises SuiteFault if the generator was too busy to measure."""
        summary = judgeable(self.latest() if label is None else self.loads[label])
        return slow_under_load(summary, self.suite.target.thresholds)

    def slower_than(self, few: int, many: int, times: float) -> list[str]:
        """The latencies that with many users exceed both the threshold and this many times those with few users.

        Both were measured at a steady rate before. Raises SuiteFault if the generator was too busy.
        """
        alone, together = judgeable(self.loads[_steady(few)]), judgeable(self.loads[_steady(many)])
        thresholds, found = self.suite.target.thresholds, []
        promised = thresholds.latency_ms_p95 or thresholds.latency_ms_avg
        for name, encoded in together.latency.items():
            before, after = figures(alone.latency.get(name)), figures(encoded)
            if before is None or after is None:
                continue
            if after.p95_ms > max(times * before.p95_ms, promised):
                found.append(
                    f"{name} at p95: {before.p95_ms:.1f} ms for {few} user(s), {after.p95_ms:.1f} ms for {many}, "
                    f"{promised:g} ms are promised"
                )
        return found

    def kept_up(self, users: int) -> float:
        """Answers per second of the latest load, divided by requests per second.

        Raises SuiteFault if the generator was too busy.
        """
        summary = judgeable(self.latest())
        return (summary.runs / summary.seconds) / (users / self.pause_s) if summary.seconds else 0.0


def judgeable(summary: LoadResult) -> LoadResult:
    """The summary. Raises SuiteFault if the generator was too busy to measure speed."""
    if summary.saturated:
        raise SuiteFault(f"the load generator was {summary.saturated}, so speed cannot be judged")
    return summary


def _steady(users: int) -> str:
    return f"{users} users at a steady rate"


def _has_gone(sample: Sample | None, first: Sample | None) -> bool:
    """Whether no more connections are open than at first, as far as that is known."""
    before = first.connections if first is not None else None
    return sample is None or before is None or sample.connections is None or sample.connections <= before


def crowd_of(context: Context) -> Crowd:
    """The virtual users of the running scenario."""
    world: World = context.world
    crowd: Crowd | None = getattr(context, "crowd", None)
    if crowd is None or crowd.world is not world:
        crowd = context.crowd = Crowd(world)
    return crowd


def as_text(summary: LoadResult) -> str:
    """A result as lines of text: counts, percentiles, findings."""
    rows = [
        f"users {summary.connections_made} of {summary.users}, requests {summary.asked}, answered {summary.runs}, "
        f"dropped {summary.dropped}, events {summary.events}, success {summary.success_percent:.2f} %",
        f"generator {summary.busy:.0%} busy, {summary.lag_ms_p99:.1f} ms late at p99, {summary.peak_rss_mb:.0f} MB",
    ]
    shown = {
        "acknowledgement": summary.raw, "  from intended send": summary.corrected, "delivery": summary.delivery,
        "whole run": summary.whole, "longest silence": summary.silence, "connecting": summary.connect,
    }  # fmt: skip
    for name, encoded in shown.items():
        found: LatencySummary | None = figures(encoded)
        if found is not None:
            rows.append(
                f"{name:<24}avg {found.avg_ms:8.1f}  p50 {found.p50_ms:8.1f}  p95 {found.p95_ms:8.1f}  "
                f"p99 {found.p99_ms:8.1f}  max {found.max_ms:8.1f} ms  of {found.samples}"
            )
    return "\n".join([*rows, *(str(offence.finding) for offence in summary.offences)])
