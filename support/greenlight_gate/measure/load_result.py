"""What came of a load: counts, histograms and the first offenders. Summaries of shards merge to that of the whole."""

import math
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from greenlight_gate.findings import Finding
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.latency_summary import Encoded, LatencySummary
from greenlight_gate.measure.load_counts import Counts
from greenlight_gate.measure.thresholds import LEAST_SUCCESS, success
from greenlight_gate.rules.engine.suite_stalls import busy

# A saturated generator cannot judge latency (performance.md).
MOST_BUSY = 0.85
MOST_LAG_MS = 20.0
# How far the wall clock may move against the monotonic one while stamps of both are compared.
MOST_DRIFT_MS = 5.0

# Rules broken by the loss of one answer or one connection; and those about lateness only.
LATE = frozenset({*(f"TIMELINESS-{number}" for number in range(1, 7)), "CONNECTION-2"})
# What a backend shows that has waited for the model in vain, or has given it up: a run that failed, or a text about it.
OF_THE_MODEL = frozenset({"CONTENT-4"})
LOSSES = frozenset({"CONNECTION-1", "CONNECTION-3", "LIFECYCLE-2", "TIMELINESS-1", "TIMELINESS-2"})


class Offence(msgspec.Struct, frozen=True):
    """A finding, and the name of the trace that shows it ("" where that was not kept)."""

    finding: Finding
    trace: str = ""


class LoadResult(msgspec.Struct, kw_only=True):
    """Of one shard, or merged of all.

    `events` were checked by all rules. `expected_events` is what the questions asked for, `arrived_events` what of it
    came; `five_expected` answers had to show all five kinds, and `five_shown` did. `dropped` are questions of an open
    load that could not be put. Of `asked`, `runs` ended, `failed_runs` of them as failed, and `refused_requests` were
    answered by an error. `raw` and `corrected` are the times to agent_started from when it was asked and from
    when it was due (open loads only); `delivery` from the server's stamp to the receipt; `first_token` from
    asking to the first part of the answer; `whole` from asking to the end; `silence` the longest pause of each answer;
    `connect` from the first byte until the backend is ready.
    `counts` says how often each rule was broken, `offences` holds the first findings of each. `seconds` and
    `cpu_seconds` (of the whole process) are those of the asking. `hung_tools` were waited for in vain for their whole
    budget. `lost` names the shards that died, `short` what the machine of the generator lacked. `crowded`: why others
    left that machine too little CPU time; "" if they did not. `serves_model`: the suite itself has served the scripted
    model of the target there.
    """

    users: int = msgspec.field(default=0, name="people")
    connections_tried: int = 0
    connections_made: int = 0
    asked: int = 0
    runs: int = 0
    events: int = 0
    messages: int = 0
    unmapped: int = 0
    expected_events: int = 0
    arrived_events: int = 0
    five_expected: int = 0
    five_shown: int = 0
    dropped: int = 0
    failed_runs: int = 0
    refused_requests: int = 0
    canaries_expected: int = 0
    canaries_seen: int = 0
    kinds: tuple[str, ...] = ()
    counts: dict[str, int] = {}
    offences: list[Offence] = []
    traces: dict[str, bytes] = {}
    raw: Encoded | None = None
    corrected: Encoded | None = None
    delivery: Encoded | None = None
    whole: Encoded | None = None
    first_token: Encoded | None = None
    silence: Encoded | None = None
    connect: Encoded | None = None
    seconds: float = 0.0
    connecting_seconds: float = 0.0
    cpu_seconds: float = 0.0
    busy: float = 0.0
    lag_ms_p99: float = 0.0
    drift_ms: float = 0.0
    idle_rss_mb: float = 0.0
    connected_rss_mb: float = 0.0
    peak_rss_mb: float = 0.0
    lost: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    crowded: str = ""
    serves_model: bool = False
    hung_tools: tuple[str, ...] = ()
    interrupted: bool = False
    attempt: str = ""
    worker: str = ""
    timeline: tuple[Counts, ...] = msgspec.field(default=(), name="course")

    @property
    def findings(self) -> int:
        """How often any rule was broken."""
        return sum(self.counts.values())

    @property
    def saturated(self) -> str:
        """Why the generator was too busy to judge how fast anything was; "" if it was not."""
        reasons = []
        if self.busy > MOST_BUSY:
            reasons.append(f"{self.busy:.0%} busy ({MOST_BUSY:.0%} are allowed)")
        if self.lag_ms_p99 > MOST_LAG_MS:
            reasons.append(f"{self.lag_ms_p99:.0f} ms late at p99 ({MOST_LAG_MS:g} ms are allowed)")
        if self.drift_ms > MOST_DRIFT_MS:
            reasons.append(f"on a clock that was moved by {self.drift_ms:.0f} ms")
        return " and ".join(reasons)

    @property
    def hindered(self) -> str:
        """Why what was late, or did not come in time, says nothing about the target; "" if it does."""
        if self.saturated:
            return f"the load generator was {self.saturated}"
        return busy(self.crowded) if self.crowded else ""

    @property
    def success_percent(self) -> float:
        """Of the events that were expected and the connections that were tried; 0 where there was neither."""
        share = success(self)
        return share.percent if share is not None else 0.0

    @property
    def latency(self) -> dict[str, Encoded]:
        """What is judged of how fast it was: delivery where the clock is known, and the acknowledgement.

        The latter from when it was due, where that is known.
        """
        acknowledgement = self.corrected or self.raw
        known = {"delivery": self.delivery, "acknowledgement": acknowledgement}
        return {name: encoded for name, encoded in known.items() if encoded is not None}

    def convicting(self) -> list[Offence]:
        """The offences that no allowance covers.

        Single losses are for SUCCESS to judge, as long as there are few of them; and a generator that comes late
        itself, or a machine that is busy with other work, accuses nobody of being late; nor of a wrong answer, where
        the suite itself serves the model.
        """
        return [offence for offence in self.offences if not self._is_allowed(offence.finding)]

    @property
    def late(self) -> dict[str, int]:
        """How often each rule was broken by what may be the doing of the generator, or of its machine, alone."""
        convicting = {offence.finding.rule for offence in self.convicting()}
        late = {offence.finding.rule for offence in self.offences if self._is_hindered(offence.finding)} - convicting
        return {rule: times for rule, times in self.counts.items() if rule in late}

    def _is_hindered(self, finding: Finding) -> bool:
        of_model = self.serves_model and finding.rule in OF_THE_MODEL
        return bool(self.hindered) and (finding.late or finding.rule in LATE or of_model)

    def _is_allowed(self, finding: Finding) -> bool:
        if self._is_hindered(finding):
            return True
        rule = finding.rule
        few = within_allowance(rule, self.counts.get(rule, 0), max(self.asked, self.connections_tried))
        return few and self.success_percent >= LEAST_SUCCESS


def within_allowance(rule: str, times: int, of: int) -> bool:
    """Whether a rule was broken by single losses only, so few of so many that SUCCESS judges them."""
    return rule in LOSSES and times * 100.0 <= (100.0 - LEAST_SUCCESS) * of


@lru_cache(maxsize=64)
def figures(encoded: Encoded | None) -> LatencySummary | None:
    """The figures of a histogram as they are shown; None without a sample. Several reports show the same ones."""
    return Histogram.decode(encoded).summary() if encoded is not None else None


def redacted(summary: LoadResult, redact: Callable[[bytes], bytes]) -> LoadResult:
    """The same without secrets, as it may be kept: `redact` takes them out of bytes."""
    offences = msgspec.json.decode(redact(msgspec.json.encode(summary.offences)), type=list[Offence])
    traces = {name: redact(trace) for name, trace in summary.traces.items()}
    return msgspec.structs.replace(summary, offences=offences, traces=traces)


_SUMS = (
    "users", "connections_tried", "connections_made", "asked", "runs", "events", "messages", "unmapped",
    "expected_events", "arrived_events", "five_expected", "five_shown", "dropped", "canaries_expected",
    "canaries_seen", "failed_runs", "refused_requests",
)  # fmt: skip
_PEAKS = ("seconds", "connecting_seconds", "busy", "lag_ms_p99", "drift_ms")
HISTOGRAMS = ("raw", "corrected", "delivery", "first_token", "whole", "silence", "connect")
_MEMORIES = ("idle_rss_mb", "connected_rss_mb", "peak_rss_mb")
MOST_OFFENCES_OF_A_RULE = 3


def merged(parts: list[LoadResult]) -> LoadResult:
    """The summary of the whole load: counts add, histograms merge, and the worst of what has a limit is kept.

    Memory adds as well, since each shard is a process of its own; shards of one process give it once. In whatever order
    the parts come, the whole is the same.
    """
    whole = LoadResult()
    for name in _SUMS:
        setattr(whole, name, sum(getattr(part, name) for part in parts))
    whole.cpu_seconds = math.fsum(part.cpu_seconds for part in parts)
    for name in _PEAKS:
        setattr(whole, name, max((getattr(part, name) for part in parts), default=0.0))
    for name in HISTOGRAMS:
        setattr(whole, name, _together([getattr(part, name) for part in parts]))
    for name in _MEMORIES:
        workers = {part.worker for part in parts}
        most = [max(getattr(part, name) for part in parts if part.worker == worker) for worker in workers]
        setattr(whole, name, round(math.fsum(most), 1))
    whole.kinds = tuple(sorted({kind for part in parts for kind in part.kinds}))
    counts: Counter[str] = Counter()
    for part in parts:
        counts.update(part.counts)
    whole.counts = dict(sorted(counts.items()))
    kept: Counter[tuple[str, bool]] = Counter()
    shown = [(offence, part) for part in parts for offence in part.offences]
    for offence, where in sorted(shown, key=lambda pair: _place(pair[0])):
        kind = offence.finding.rule, offence.finding.late
        if kept[kind] < MOST_OFFENCES_OF_A_RULE:
            kept[kind] += 1
            whole.offences.append(offence)
            if offence.trace:
                whole.traces[offence.trace] = where.traces[offence.trace]
    whole.lost = tuple(sorted(lost for part in parts for lost in part.lost))
    whole.short = tuple(sorted({short for part in parts for short in part.short}))
    whole.hung_tools = tuple(sorted({name for part in parts for name in part.hung_tools}))
    whole.crowded = next((part.crowded for part in parts if part.crowded), "")
    whole.interrupted = any(part.interrupted for part in parts)
    return whole


def _place(offence: Offence) -> tuple[Any, ...]:
    """Where an offence stands among others: those of each shard by when they came."""
    finding = offence.finding
    return finding.rule, offence.trace, finding.evidence, finding.connection, finding.actual, finding.expected


def _together(encoded: list[Encoded | None]) -> Encoded | None:
    histograms = [Histogram.decode(each) for each in encoded if each is not None]
    if not histograms:
        return None
    first, *others = histograms
    for other in others:
        first.merge(other)
    first.sum_us = math.fsum(each.sum_us for each in encoded if each is not None)
    return first.encode()
