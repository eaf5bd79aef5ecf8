"""From an evidence folder to a verdict: the same on any machine, as often as one likes."""

import gc
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from greenlight_gate.evidence.attribution import Attributed, first_ill, followed, only_for
from greenlight_gate.evidence.cut_matrix import CutCell
from greenlight_gate.evidence.day_verdict import decide_day, gaps_of_day, is_day
from greenlight_gate.evidence.judged_traces import FinishedTraces, unfinished
from greenlight_gate.evidence.ledger import Ledger, NotAsWritten
from greenlight_gate.evidence.loads import as_observed, gather
from greenlight_gate.evidence.manifest import MANIFEST
from greenlight_gate.evidence.replay import Meter
from greenlight_gate.evidence.scenario_results import durations, each_time, unmet
from greenlight_gate.evidence.session_folder import (
    LOAD_FOLDER,
    UNKNOWN,
    VALIDATION_FOLDER,
    Ended,
    Evidence,
    JudgedTarget,
    Measurements,
)
from greenlight_gate.evidence.waived import waived_in
from greenlight_gate.findings import numbered
from greenlight_gate.measure.thresholds import Thresholds
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.own_rules import UnusableRule, installed_rules
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.isolation import IsolationPair
from greenlight_gate.rules.registry import RULES, Rule
from greenlight_gate.verdict.baseline import Compared, compare
from greenlight_gate.verdict.criteria import Criterion, LoadOfScenario, Status
from greenlight_gate.verdict.decision import decide
from greenlight_gate.verdict.facts import Decision, Facts, Ill, Observed, ScenarioResult, Verdict
from greenlight_gate.verdict.failure_patterns import Occurrence
from greenlight_gate.verdict.memory_trend import MemorySamples, judge_watch
from greenlight_gate.verdict.pattern_detection import Memory, detect
from greenlight_gate.verdict.scope import scope_of, selection_of
from greenlight_gate.verdict.waivers import JudgedWaiver
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import ProfileError

_MOST_UNMAPPED = 0.05
_SELDOM = 50_000
_MOST_CHANGED = 8
_NAME = re.compile(rf"(?:{VALIDATION_FOLDER}|{LOAD_FOLDER})_(\d+)(?:-\d+)?")
_UNBEGUN = (
    "the run was ended before it had said what it was going to judge, so it has to run again; "
    "the run did not come to its end"
)


class NoEvidence(Exception):
    """A folder that is not a validation session: one line says what is missing."""


class Unreadable(Exception):
    """A session that does not say, or not any longer, what was judged: one line says why."""


class Judgement(msgspec.Struct, frozen=True):
    """All that a report says: what was judged, what was found and what follows.

    `timeline` is what pictures are drawn of; nothing is decided by it but the failure patterns (`patterns`).
    `unmet`: what steps have demanded in vain, where no finding says it. `durations` are seconds by
    the key of the scenario, of all times that it ran.
    """

    session: JudgedTarget
    decision: Decision
    scenarios: tuple[ScenarioResult, ...]
    findings: tuple[Attributed, ...]
    observed: Observed
    measurements: Measurements | None
    ended: Ended | None
    relations: tuple[IsolationPair, ...] = ()
    cells: tuple[CutCell, ...] = ()
    loads: tuple[LoadOfScenario, ...] = ()
    watched: tuple[MemorySamples, ...] = ()
    patterns: tuple[Occurrence, ...] = ()
    durations: dict[str, float] = {}
    compared: Compared | None = None
    timeline: Timeline = msgspec.field(default_factory=lambda: Timeline(None))
    waivers: tuple[JudgedWaiver, ...] = ()
    unmet: tuple[Attributed, ...] = ()

    @property
    def broken(self) -> tuple[Attributed, ...]:
        """All by which a rule is broken: findings, and demands of steps."""
        return (*self.findings, *self.unmet)

    @property
    def scope(self) -> str:
        """How much was examined: "full", "partial" or "load"."""
        session = self.session
        is_load = session.workload is not None or session.session_id.startswith(LOAD_FOLDER)
        return scope_of(session.wanted, session.tags, self._selected, session.available, is_load=is_load)

    @property
    def selection(self) -> str:
        """What narrowed the wanted categories, in words."""
        return selection_of(self.session.tags, self._selected, self.session.available)

    @property
    def _selected(self) -> Counter[str]:
        return Counter(scenario.category for scenario in self.scenarios)

    @property
    def measured(self) -> Observed:
        """What is shown in figures: what the traces show, or of a load session what its load shows."""
        return self.observed if self.session.workload is None else as_observed(self.loads)


class JudgedSession(NamedTuple):
    """A session folder and what came of judging it."""

    judgement: Judgement
    folder: Path


def judge(folder: Path, rules: Mapping[str, Rule] = RULES) -> Judgement:
    """Judges a session folder by these rules. Raises NoEvidence for one that holds none.

    Evidence that is not what the run has written is not judged: INCONCLUSIVE names the files.
    """
    evidence = Evidence(folder)
    _require_session(evidence, folder)
    changed = _changed(evidence)
    try:
        if changed:
            return undecided(folder, _in_words(changed), None if "session.json" in changed else _opened(evidence)[0])
        session, profile = _opened(evidence)
    except Unreadable as error:
        return undecided(folder, str(error))
    try:
        ledger = Ledger(evidence)
    except NotAsWritten as error:
        return undecided(folder, str(error), session)
    except OSError as error:
        return undecided(folder, f"evidence/ledger.jsonl cannot be read ({error.strerror})", session)
    # What is kept of millions of records is bounded and has few cycles: looking for them often costs a lot of time.
    usual = gc.get_threshold()
    gc.set_threshold(_SELDOM, 50, 1000)
    try:
        return _judge(evidence, ledger, session, profile, rules)
    finally:
        gc.set_threshold(*usual)


def _judge(
    evidence: Evidence, ledger: Ledger, session: JudgedTarget, profile: Profile, rules: Mapping[str, Rule]
) -> Judgement:
    meter, timeline = (
        Meter(session.clock),
        Timeline(None, {key: entry.name for key, entry in ledger.selected.items()}),
    )
    rules, unknown = _with_own(rules, session)
    of_day = is_day(session)
    gaps = gaps_of_day(session, ledger.torn, ledger.ended) if of_day else [*session.caveats, *ledger.gaps(session)]
    traces = FinishedTraces(evidence, session, profile, meter, timeline)
    for entry in ledger.finished.values():
        if entry.trace:
            traces.take(entry, ledger.name_of(entry.key), rules)
    gaps += [*unknown, *traces.gaps]
    # Of a monitor that was killed, the round under way is lost; nor is a day measured that was not watched to its end.
    gaps += unfinished(evidence, ledger, profile, session, meter) if not of_day else []
    measurements = _measurements(evidence, gaps, needed=not of_day)
    loads, watched = _believed(evidence, gaps)
    if session.workload is not None and not loads:
        gaps.append("the evidence holds no result of the load")
    names = {key: selected.name for key, selected in ledger.selected.items()}
    gather(timeline, loads, names)
    findings = traces.findings + [
        Attributed(offence.finding, names.get(load.scenario, load.scenario), offence.trace)
        for load in loads for offence in load.summary.convicting()
    ]  # fmt: skip
    ill = first_ill(traces.begun)
    if ill is not None:
        findings = followed(findings, ill, traces.begun)
    observed = meter.observed()
    if observed.messages and observed.unmapped > _MOST_UNMAPPED * observed.messages:
        gaps.append(
            f"{observed.unmapped} of {numbered(observed.messages, 'message')} could not be read with the profile"
        )
    compared = _compared(evidence, observed, gaps)
    patterns = detect(
        timeline, session.thresholds,
        # Many users at once need memory while they are there: how it grows is asked in a session that watches it.
        _memory(measurements if session.workload is None else None, watched, session.thresholds.memory_mb_growth),
    )  # fmt: skip
    findings, scenarios, waivers = waived_in(session, findings, each_time(ledger.selected, ledger.finished))
    blocking = [attributed for attributed in findings if not attributed.waived]
    facts = Facts(
        wanted=session.wanted, tags=session.tags, scenarios=scenarios,
        findings=tuple(attributed.finding for attributed in blocking if not attributed.follows), observed=observed,
        waived=tuple(attributed.finding for attributed in findings if attributed.waived), waivers=waivers,
        strict_waivers=session.strict_waivers,
        only={rule: len(names) for rule, names in only_for(blocking).items()},
        ill=None if ill is None else Ill(ill.scenario, ill.ill[0], sum(bool(each.follows) for each in blocking)),
        gaps=tuple(dict.fromkeys(gaps)), absent=session.absent, accepted=session.accepted,
        thresholds=session.thresholds, loads=loads, watched=watched, recover_s=session.budgets.recover_s,
        relations=tuple(traces.relations), patterns=patterns, compared=compared[0], gated=compared[1],
        workload=session.workload, available=session.available, weak=session.weak,
        repeat=session.repeat, ended_early=ledger.ended is None or bool(ledger.ended.interrupted),
        crowded=next(filter(None, (traces.crowded, *(load.summary.crowded for load in loads))), ""),
    )  # fmt: skip
    return Judgement(
        session, _decision(evidence, facts, of_day=of_day), scenarios, tuple(findings), observed, measurements,
        ledger.ended, facts.relations, tuple(traces.cells), loads, watched, patterns,
        durations(ledger.selected, ledger.finished), facts.compared, timeline, waivers,
        unmet(
            ledger.selected, ledger.finished.values(), scenarios, {each.scenario for each in findings}
        ),
    )  # fmt: skip


def _decision(evidence: Evidence, facts: Facts, *, of_day: bool) -> Decision:
    if not of_day:
        return decide(facts)
    return decide_day(evidence.folder.parent, is_convicted=bool(facts.findings), gaps=facts.gaps)


def _with_own(rules: Mapping[str, Rule], session: JudgedTarget) -> tuple[Mapping[str, Rule], list[str]]:
    """The rules with those of the team's own by which the session was judged, and why some of them cannot judge here.

    Any other rule that is installed does not count: a verdict depends on the evidence alone.
    """
    if not session.own_rules:
        return rules, []
    try:
        installed = installed_rules()
    except UnusableRule as error:
        return rules, [f"the rules of the team's own cannot be judged: {error}"]
    own, gaps = dict(rules), []
    for judged in session.own_rules:
        here = installed.get(judged.id)
        if here is not None and here.source == judged.source:
            own[judged.id] = here
        else:
            what = f"here it is of {here.source}" if here is not None else "it is not installed here"
            gaps.append(f"the rule {judged.id} of the team's own is of {judged.source}; {what}")
    return own, gaps


def _require_session(evidence: Evidence, folder: Path) -> None:
    """Raises NoEvidence for a folder that is no session."""
    if not folder.is_dir() or not (_NAME.fullmatch(folder.absolute().name) or evidence.folder.is_dir()):
        raise NoEvidence(f"{folder}: expected a session folder with evidence/session.json")
    if evidence.folder.is_symlink():
        raise NoEvidence(f"{folder}: evidence cannot be read: it is a symbolic link")


def _opened(evidence: Evidence) -> tuple[JudgedTarget, Profile]:
    """What was judged. Raises NoEvidence where it cannot be read, Unreadable where it does not say it."""
    try:
        session = evidence.session()
        return session, Profile.from_toml(session.profile_toml)
    except FileNotFoundError as error:
        begun = evidence.ledger.exists() or any(evidence.traces.glob("*"))
        raise Unreadable("evidence/session.json is missing" if begun else _UNBEGUN) from error
    except OSError as error:
        said = error.strerror or error
        raise NoEvidence(f"{evidence.folder.parent}: evidence/session.json cannot be read: {said}") from error
    except msgspec.MsgspecError as error:
        raise Unreadable(f"evidence/session.json is not whole: {error}") from error
    except ProfileError as error:
        raise Unreadable(f"the profile in its evidence cannot be read: {error}") from error


def undecided(folder: Path, why: str, session: JudgedTarget | None = None) -> Judgement:
    """Of a session that cannot be judged: nothing of it is approved.

    `session`: what was judged, where that is known.
    """
    requirement = "Nothing is missing or changed: the session says what was judged, and by which thresholds."
    criterion = Criterion("EVIDENCE", requirement, "all", why, 0, Status.INCONCLUSIVE)
    reason = f"EVIDENCE: {why} (required: all)."
    if session is None:
        session = _unknown(folder)
    return Judgement(session, Decision(Verdict.INCONCLUSIVE, reason, (criterion,)), (), (), Observed(), None, None)


def _unknown(folder: Path) -> JudgedTarget:
    """A session of which only the name is known, and from it when it began."""
    name = folder.absolute().name
    began = _NAME.fullmatch(name)
    return JudgedTarget(
        session_id=name, started_epoch_s=float(began[1]) if began is not None else 0.0, environment=UNKNOWN, url="",
        profile_toml="", budgets=TimeBudgets(), clock=UNKNOWN, wanted=(), tags="", absent={}, accepted={},
        thresholds=Thresholds(),
    )  # fmt: skip


def _changed(evidence: Evidence) -> dict[str, str]:
    """What is not as the manifest says, in words, by the path of each file."""
    try:
        return evidence.changed()
    except OSError as error:
        return {MANIFEST: f"cannot be read ({error.strerror or error})"}


def _in_words(changed: Mapping[str, str]) -> str:
    said = [f"evidence/{name} {what}" for name, what in changed.items()]
    more = len(said) - _MOST_CHANGED
    return "; ".join([*said[:_MOST_CHANGED], *([f"and {more} more"] if more > 0 else [])])


def _believed(evidence: Evidence, gaps: list[str]) -> tuple[tuple[LoadOfScenario, ...], tuple[MemorySamples, ...]]:
    """What loads and probes have shown."""
    try:
        return tuple(evidence.loads()), tuple(evidence.watches())
    except (OSError, msgspec.MsgspecError) as error:
        gaps.append(f"what loads and probes have shown is not whole: {error}")
        return (), ()


def _compared(evidence: Evidence, observed: Observed, gaps: list[str]) -> tuple[Compared | None, bool]:
    """What comes of the baseline in the evidence, and whether it gates."""
    try:
        baseline = evidence.baseline()
    except (OSError, msgspec.MsgspecError) as error:
        gaps.append(f"baseline.json is not whole: {error}")
        return None, False
    if baseline is None:
        return None, False
    return compare(baseline, observed.latency, observed.acknowledgement), baseline.gate


def _memory(measurements: Measurements | None, watched: tuple[MemorySamples, ...], most_mb: float) -> Memory:
    faults = tuple(f"{each.kind}: {fault}" for each in watched for fault in judge_watch(each, most_mb).faults)
    if measurements is None:
        return Memory(faults=faults)
    return Memory(measurements.target_rss_mb_start, measurements.target_rss_mb_end, faults)


def _measurements(evidence: Evidence, gaps: list[str], *, needed: bool) -> Measurements | None:
    try:
        measurements = evidence.measurements()
    except (OSError, msgspec.MsgspecError) as error:
        gaps.append(f"measurements.json is not whole: {error}")
        return None
    if measurements is None and needed:
        gaps.append("measurements.json is missing")
    return measurements
