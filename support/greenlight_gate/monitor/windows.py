"""Failure patterns over minutes, hours and days: of each, two timelines that overlap are kept, for any duration.

A pattern is looked for in the last minutes first. What is too rare there, one lost event in an hour, shows in the
hours or in the days.
"""

from collections import deque
from datetime import UTC, datetime
from typing import NamedTuple

from greenlight_gate.findings import Severity
from greenlight_gate.measure.rule_counts import RuleCount
from greenlight_gate.measure.thresholds import Thresholds
from greenlight_gate.measure.timeline import Timeline, remember
from greenlight_gate.monitor.round import Round, RoundOutcome
from greenlight_gate.verdict.failure_patterns import PATTERNS, Occurrence
from greenlight_gate.verdict.pattern_detection import detect

_MINUTE_S, _HOUR_S = 60.0, 3600.0
_LEAST_ROUNDS = 5
# Beyond this, a window of a timeline is as long as what counts as sustained (10 s), and one slow round would be.
_MOST_MINUTES_S = 80 * _MINUTE_S
FAILED_IN_A_ROW = 3
FAILED_ROUNDS = "FAILED_ROUNDS"
# A round that is later than this after the one before, in intervals, follows a pause.
_PAUSE = 1.5
# How many stretches of rounds are remembered: one more begins with a pause, and where other parts are played.
_MOST_STRETCHES = 10_000


class Recent(NamedTuple):
    """A pattern that occurred in one of the windows. `quiet_s`: after so long without it, it is over."""

    occurrence: Occurrence
    window: str
    quiet_s: float


class _Stretch(NamedTuple):
    """A time without a pause in which rounds were played that could show what these parts show."""

    began_at: float
    ended_at: float
    parts: frozenset[str]


class RoundWindows:
    """Takes rounds in the order of time, and tells which failure patterns the last minutes, hours and days show.

    `thresholds` are the target's, `every_s` is the longest usual interval between rounds.
    """

    def __init__(self, thresholds: Thresholds, every_s: float) -> None:
        self._thresholds = thresholds
        minutes_s = min(max(15 * _MINUTE_S, _LEAST_ROUNDS * every_s), _MOST_MINUTES_S)
        self._windows = (
            _Window("minutes", minutes_s, max(3 * every_s, _MINUTE_S), timed=True),
            _Window("hours", 6 * _HOUR_S, _HOUR_S),
            _Window("days", 72 * _HOUR_S, 12 * _HOUR_S),
        )
        self._failed: list[Round] = []
        self._every_s = every_s
        self._last_at: float | None = None
        self._stretches: deque[_Stretch] = deque(maxlen=_MOST_STRETCHES)
        # Of a pattern, the parts of the round that showed it last: without them, its absence says nothing.
        self._needs: dict[str, frozenset[str]] = {}

    @property
    def longest_s(self) -> float:
        """How old a round may be to count."""
        return max(window.span_s for window in self._windows)

    @property
    def quiet_s(self) -> float:
        """After how long without it a pattern of the last minutes is over."""
        return self._windows[0].quiet_s

    def take(self, one: Round) -> None:
        """One round more; those that were skipped show nothing."""
        if one.outcome in (RoundOutcome.SKIPPED, RoundOutcome.BROKEN):
            return
        self._failed = [*self._failed, one][-FAILED_IN_A_ROW:] if one.outcome is RoundOutcome.FAILED else []
        self._remember(one)
        for window in self._windows:
            window.take(one)

    def unseen_s(self, pattern: str, last_at: float, _: float = 0.0) -> float:
        """For how long, since it occurred last, rounds were played that could have shown this pattern, in seconds.

        It does not count while nothing was played, the target was unreachable, or the parts that showed it were left
        out.
        """
        needs = self._needs.get(pattern, frozenset())
        return sum(
            max(0.0, each.ended_at - max(each.began_at, last_at)) for each in self._stretches if needs <= each.parts
        )

    def _remember(self, one: Round) -> None:
        """What this round could show, and which parts have shown what was found."""
        at, before = one.began_epoch_s, self._last_at
        self._last_at = at
        planned = frozenset(one.planned or one.parts)
        rules = {finding.rule for finding in one.findings}
        for name in (name for name, pattern in PATTERNS.items() if rules & pattern.rules):
            self._needs[name] = planned
        if one.outcome is RoundOutcome.UNREACHABLE:
            return
        if one.outcome is RoundOutcome.FAILED:
            self._needs[FAILED_ROUNDS] = planned
        since_s = 0.0 if before is None else max(0.0, at - before)
        # After a pause, only the last interval of it counts.
        began_at = at - (since_s if since_s <= _PAUSE * self._every_s else self._every_s)
        # What passed has shown all that it was to show; of a failed one, only what was played to its end counts.
        parts = planned if one.outcome is RoundOutcome.PASSED else frozenset(one.parts)
        latest = self._stretches[-1] if self._stretches else None
        if latest is not None and latest.parts == parts and latest.ended_at == before and began_at <= before:
            self._stretches[-1] = latest._replace(ended_at=at)
        else:
            self._stretches.append(_Stretch(began_at, at, parts))

    def patterns(self) -> tuple[Recent, ...]:
        """Each pattern once, as the shortest window shows it in which it occurred."""
        found: dict[str, Recent] = {}
        for window in self._windows:
            for occurrence in detect(window.timeline, self._thresholds):
                found.setdefault(occurrence.pattern, Recent(occurrence, window.name, window.quiet_s))
        failing = self._failing(frozenset().union(*(PATTERNS[name].rules for name in found)))
        return (*found.values(), *([failing] if failing is not None else []))

    def _failing(self, explained: frozenset[str]) -> Recent | None:
        """Rounds that fail one after the other, each by more than these rules, of which another pattern tells."""
        if len(self._failed) < FAILED_IN_A_ROW:
            return None
        broken = [{finding.rule for finding in one.findings} - explained for one in self._failed]
        if not all(rules or not one.findings for one, rules in zip(self._failed, broken, strict=True)):
            return None
        rules = ", ".join(sorted(set().union(*broken))) or self._failed[-1].why
        occurrence = Occurrence(
            FAILED_ROUNDS, Severity.CRITICAL, "Rounds fail one after the other, by rules that no other pattern has.",
            f"{FAILED_IN_A_ROW} rounds in a row", f"the last {FAILED_IN_A_ROW} rounds failed: {rules}",
            "Read the findings of the rounds, each with its conversation.",
            self._failed[0].began_epoch_s, self._failed[-1].began_epoch_s,
            tuple(f"{scenario_of(one)}: {one.why}" for one in self._failed),
        )  # fmt: skip
        return Recent(occurrence, "minutes", self.quiet_s)


class _Window:
    """The rounds of the last `span_s` seconds: at least of the half of it, so that old ones can go all at once.

    `timed`: its windows of time are short enough to tell whether latency is too high for a sustained time.
    """

    def __init__(self, name: str, span_s: float, quiet_s: float, *, timed: bool = False) -> None:
        self.name = name
        self.span_s = span_s
        self.quiet_s = quiet_s
        self._timed = timed
        self._timelines: list[tuple[float, Timeline]] = []

    @property
    def timeline(self) -> Timeline:
        """What happened in the window."""
        return self._timelines[0][1] if self._timelines else Timeline(None)

    def take(self, one: Round) -> None:
        """One round more."""
        at, kept = one.began_epoch_s, self._timelines
        if not kept or abs(at - kept[-1][0]) >= self.span_s / 2:
            kept.append((at, Timeline(None)))
        # Also where the clock was set back by more than that.
        self._timelines = [each for each in kept if abs(at - each[0]) < self.span_s]
        for _, timeline in self._timelines:
            _add(timeline, one, timed=self._timed)


def scenario_of(one: Round) -> str:
    """What a round is called in evidence and examples: "round of 2026-11-29 14:03:00Z"."""
    return f"round of {datetime.fromtimestamp(one.began_epoch_s, UTC):%Y-%m-%d %H:%M:%S}Z"


def _add(timeline: Timeline, one: Round, *, timed: bool) -> None:
    """Adds a round to a timeline, as if its connections had been observed there."""
    at, name = one.began_epoch_s, scenario_of(one)
    window = timeline.window(at)
    window.asked += sum(one.runs.values())
    window.tried += one.connections
    window.made += one.connections - one.refused
    window.refused += one.refused
    window.dropped += one.dropped
    window.errors += len(one.errors)
    window.findings += len(one.findings)
    if timed:
        for ms in one.delivery_ms or one.acknowledgement_ms:
            window.delay(int(ms * 1e3))
    for text in one.errors:
        remember(timeline.errors, (at, text))
    for text in one.troubles:
        remember(timeline.troubles, (at, text))
    for finding in one.findings:
        broken = timeline.broken.get(finding.rule)
        if broken is None:
            broken = timeline.broken[finding.rule] = RuleCount(at)
        broken.add(name, finding, at)
