"""What a verdict is made of, and what it says: the outcomes of scenarios, the counts of traces, and the decision."""

from collections import Counter
from enum import StrEnum

import msgspec

from greenlight_gate.findings import Finding, Severity
from greenlight_gate.measure.latency_summary import LatencySummary
from greenlight_gate.measure.thresholds import Thresholds
from greenlight_gate.rules.isolation import IsolationPair
from greenlight_gate.verdict.baseline import Compared
from greenlight_gate.verdict.criteria import Criterion, LoadOfScenario
from greenlight_gate.verdict.failure_patterns import PATTERNS, SLOW, Occurrence
from greenlight_gate.verdict.load_verdict import Workload
from greenlight_gate.verdict.memory_trend import MemorySamples
from greenlight_gate.verdict.repeats import Repeated
from greenlight_gate.verdict.waivers import JudgedWaiver

# Failure patterns of what was late or did not come in time, which a busy machine may cause as well.
LATE_PATTERNS = frozenset({SLOW, "SILENT_STALLS", "CONNECTION_INSTABILITY"})


class Verdict(StrEnum):
    """The three values, each with its exit code."""

    APPROVED = "APPROVED"
    BLOCKED = "BLOCKED"
    INCONCLUSIVE = "INCONCLUSIVE"

    @property
    def exit_code(self) -> int:
        """The exit code of a command with this verdict."""
        return {"APPROVED": 0, "BLOCKED": 1, "INCONCLUSIVE": 2}[self.value]


class ScenarioOutcome(StrEnum):
    """The outcome of a scenario. Broken: the suite failed. Not exercised: the target cannot do this."""

    PASSED = "passed"
    FAILED = "failed"
    BROKEN = "broken"
    NOT_EXERCISED = "not_exercised"
    NOT_RUN = "not_run"


class ScenarioResult(msgspec.Struct, frozen=True):
    """One scenario of the ledger. `category` is the folder below features/; `need`: see `evidence.Finished`.

    `rule`: the rule or criterion that a step of a failed scenario named, where no finding is of it. `waived`: by which
    waivers a failed scenario does not block; "" for one that does. A scenario that ran several times has the worst
    outcome of all; `passes` of the `times` that it passed or failed it passed.
    """

    key: str
    name: str
    category: str
    outcome: ScenarioOutcome
    reason: str = ""
    need: str = ""
    rule: str = ""
    passes: int = 0
    times: int = 0
    waived: str = ""

    @property
    def repeated(self) -> Repeated | None:
        """How often it passed; None if it neither passed nor failed at any time."""
        return Repeated(self.name, self.category, self.passes, self.times) if self.times else None

    @property
    def is_missing(self) -> bool:
        """Whether the target cannot do what it needs."""
        return self.outcome is ScenarioOutcome.NOT_EXERCISED


class Observed(msgspec.Struct, frozen=True):
    """Counts over the traces.

    `expected_events` and `arrived_events` count the events that the requests call for; `five_expected` and `five_shown`
    the answers that had to have, and had, all five kinds; `model_calls` those that the scripted model has recorded.
    `latency` is from the server's timestamp to the receipt; `recovery` from a user's first attempt to reconnect until
    it succeeds; `ping` from an application ping to its pong.
    """

    events: int = 0
    kinds: tuple[str, ...] = ()
    expected_events: int = 0
    arrived_events: int = 0
    connections_tried: int = 0
    connections_made: int = 0
    five_expected: int = 0
    five_shown: int = 0
    messages: int = 0
    unmapped: int = 0
    model_calls: int = 0
    latency: LatencySummary | None = None
    acknowledgement: LatencySummary | None = None
    first_token: LatencySummary | None = None
    recovery: LatencySummary | None = None
    ping: LatencySummary | None = None


class Ill(msgspec.Struct, frozen=True):
    """The first scenario after which a healthy user was not served, what was found then, and how much followed."""

    scenario: str
    finding: Finding
    consequences: int


class Facts(msgspec.Struct, frozen=True):
    """Everything that the verdict depends on.

    `gaps` are the reasons why evidence is incomplete; `absent` what the target declares that it cannot do, with the
    reason; `accepted` the gaps that were accepted, with the reason. `relations` say which users received data of which;
    `loads` are the results of loads, `watched` those of probes, `patterns` failures over many answers. `compared` is
    the comparison with the baseline, which decides only if `gated`. `workload`: this is a load session, of this load;
    it has no scenarios and approves no release. `available`: how many scenarios each wanted category has; `weak`: in
    what the target file asks for less than usual. `ended_early`: the run was interrupted or killed. `crowded`: why
    other programs left the suite's machine too little CPU time in some of it; "" if they did not. `only`: how many
    scenarios have findings of no other rule; `ill`: which one left the target ill. What may have followed from that is
    counted there, and is not among the `findings`. `repeat`: how often each scenario ran.
    What is `waived` is not among them either; `waivers` says what became of each, and `strict_waivers` that a stale one
    blocks.
    """

    wanted: tuple[str, ...]
    tags: str
    scenarios: tuple[ScenarioResult, ...]
    findings: tuple[Finding, ...]
    observed: Observed
    gaps: tuple[str, ...]
    absent: dict[str, str]
    accepted: dict[str, str]
    thresholds: Thresholds = Thresholds()
    relations: tuple[IsolationPair, ...] = ()
    recover_s: float = 5.0
    loads: tuple[LoadOfScenario, ...] = ()
    watched: tuple[MemorySamples, ...] = ()
    patterns: tuple[Occurrence, ...] = ()
    compared: Compared | None = None
    gated: bool = False
    workload: Workload | None = None
    available: dict[str, int] = {}
    weak: tuple[str, ...] = ()
    ended_early: bool = False
    crowded: str = ""
    only: dict[str, int] = {}
    ill: Ill | None = None
    repeat: int = 1
    waived: tuple[Finding, ...] = ()
    waivers: tuple[JudgedWaiver, ...] = ()
    strict_waivers: bool = False

    @property
    def selected(self) -> Counter[str]:
        """How many scenarios of each category were selected."""
        return Counter(scenario.category for scenario in self.scenarios)

    def is_part(self, category: str) -> bool:
        """Whether scenarios were selected, but not all that this category has."""
        return bool(self.scenarios) and self.selected[category] < self.available.get(category, 0)

    def is_due(self, *categories: str) -> bool:
        """Whether one of these categories was to be judged as a whole: then what shows it must be there."""
        return not self.tags and any(each in self.wanted and not self.is_part(each) for each in categories)

    @property
    def seen(self) -> set[str]:
        """The categories of which a scenario was exercised."""
        return {scenario.category for scenario in self.scenarios if not scenario.is_missing}

    @property
    def critical_patterns(self) -> list[Occurrence]:
        """The patterns that block. Latency does so only with a threshold, and on a machine that is not too busy."""
        excused = LATE_PATTERNS if self.crowded else frozenset()
        untimed = self.workload is not None and not self.workload.judges_latency
        # Where a load shows that this machine was busy, its work may have delayed all that came.
        untimed = untimed or any(load.summary.saturated for load in self.loads)
        critical = [seen for seen in self.patterns if seen.severity is Severity.CRITICAL and not self._waives(seen)]
        excused |= {SLOW} if untimed else set()
        return [seen for seen in critical if seen.pattern not in excused]

    def _waives(self, seen: Occurrence) -> bool:
        """Whether all findings that make a pattern are waived."""
        rules = PATTERNS[seen.pattern].rules
        return any(each.rule in rules for each in self.waived) and not any(each.rule in rules for each in self.findings)


class Decision(msgspec.Struct, frozen=True):
    """The verdict, its reason, and each criterion."""

    verdict: Verdict
    reason: str
    criteria: tuple[Criterion, ...]
