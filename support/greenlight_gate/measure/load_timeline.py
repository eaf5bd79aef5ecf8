"""Counts of a load as a part of the timeline: spread evenly over the time since the counts before."""

from collections.abc import Callable, Collection, Sequence
from functools import partial

import msgspec

from greenlight_gate.findings import Finding
from greenlight_gate.measure.load_counts import Counts
from greenlight_gate.measure.load_result import LATE, within_allowance
from greenlight_gate.measure.rule_counts import RuleCount
from greenlight_gate.measure.time_series import TimeWindow
from greenlight_gate.measure.timeline import Timeline, remember

_ADDED = ("tried", "made", "refused", "asked", "messages", "events")
_MOST_REMEMBERED = 1_000
# Each part of a stretch of time: its window, and how much of the whole has passed at its end (0 to 1).
_Parts = list[tuple[TimeWindow, float]]


class LoadTimeline:
    """One load. `convicting` are the rules whose breaches no allowance covers, once that is known.

    `is_timed`: what it says of latency counts. `offences` are findings of it that can be shown.
    """

    def __init__(
        self, timeline: Timeline, name: str, *, convicting: Collection[str] | None = None, is_timed: bool = True,
        offences: Sequence[Finding] = (),
    ) -> None:  # fmt: skip
        self.timeline = timeline
        self.name = name
        self.convicting = convicting
        self.is_timed = is_timed
        self.offences = offences
        self._last: Counts | None = None
        self._held: dict[str, int] = {}

    def take(self, counts: Counts) -> None:
        """The latest. What had been counted before the first one that is taken is not known to have just come."""
        timeline, last = self.timeline, self._last
        if last is None:
            last = msgspec.structs.replace(counts, open=0, busy=0)
            self._held = dict(counts.rules)
        parts = _parts(timeline, last.at, counts.at)
        self._present(parts, last, counts)
        for name in _ADDED:
            _spread(parts, _more(name, last, counts), partial(_add, name))
        if self.is_timed and not counts.hindered:
            self._delays(parts, last, counts)
        self._trouble(parts, last, counts)
        for rule in counts.rules:
            self._breaches(parts[-1][0], rule, counts)
        self._last = counts

    def _present(self, parts: _Parts, last: Counts, counts: Counts) -> None:
        """Who is connected, and who waits for an answer.

        Between two looks as many do, on average, as are answered in a second times how long that takes (Little 1961).
        """
        timeline = self.timeline
        timeline.open += counts.open - last.open
        timeline.busy += counts.busy - last.busy
        passed_us = (counts.at - last.at) * 1e6
        average = round(_more("answering_us", last, counts) / passed_us) if passed_us > 0 else 0
        open_most = max(timeline.open, timeline.open + last.open - counts.open)
        busy_most = max(timeline.busy, timeline.busy + last.busy - counts.busy, min(average, open_most))
        for window, _ in parts:
            window.open_most = max(window.open_most, open_most)
            window.busy_most = max(window.busy_most, busy_most)

    @staticmethod
    def _delays(parts: _Parts, last: Counts, counts: Counts) -> None:
        came = sum(counts.delays.values()) - sum(last.delays.values())
        each_us = (counts.delay_us - last.delay_us) / came if came > 0 else 0.0
        for number, count in counts.delays.items():

            def late(window: TimeWindow, more: int, number: int = number) -> None:
                window.samples += more
                window.delay_us += round(each_us * more)
                window.delays[number] = window.delays.get(number, 0) + more

            _spread(parts, max(count - last.delays.get(number, 0), 0), late)

    def _trouble(self, parts: _Parts, last: Counts, counts: Counts) -> None:
        timeline = self.timeline
        lost, refused, failed = (_more(name, last, counts) for name in ("lost", "refused", "failed"))
        _spread(parts, lost, partial(_add, "dropped"))
        _spread(parts, failed, partial(_add, "errors"))
        if lost:
            remember(timeline.troubles, (counts.at, f"'{self.name}': {lost} lines lost"))
        if refused:
            remember(timeline.troubles, (counts.at, f"'{self.name}': {refused} refused"))
        each_s = (counts.at - last.at) / max(failed, 1)
        for number in range(min(failed, _MOST_REMEMBERED)):
            remember(timeline.errors, (last.at + each_s * (number + 1), f"'{self.name}': an answer failed"))

    def _breaches(self, window: TimeWindow, rule: str, counts: Counts) -> None:
        times = counts.rules[rule]
        more = times - self._held.get(rule, 0)
        if more <= 0 or not self._convicts(rule, times, counts):
            return
        self._held[rule] = times
        window.findings += more
        broken = self.timeline.broken.setdefault(rule, RuleCount(counts.at))
        if self.name not in broken.under_load:
            shown = [finding for finding in self.offences if finding.rule == rule]
            broken.show(self.name, shown, f"'{self.name}': {rule}")
        broken.count(self.name, more, counts.at)

    def _convicts(self, rule: str, times: int, counts: Counts) -> bool:
        """Whether this is more than single losses, which SUCCESS judges, or than what the generator itself delayed."""
        if self.convicting is not None:
            return rule in self.convicting
        return not (rule in LATE and counts.hindered) and not within_allowance(
            rule, times, max(counts.asked, counts.tried)
        )


def _more(name: str, last: Counts, counts: Counts) -> int:
    return max(int(getattr(counts, name)) - int(getattr(last, name)), 0)


def _add(name: str, window: TimeWindow, more: int) -> None:
    setattr(window, name, getattr(window, name) + more)


def _parts(timeline: Timeline, begin: float, end: float) -> _Parts:
    """The windows of a stretch of time. Looking them up may join windows, so that the ends are looked up first."""
    timeline.window(begin)
    timeline.window(end)
    parts: _Parts = []
    at = begin
    while True:
        window = timeline.window(at)
        at, before = min(timeline.end, end), at
        parts.append((window, (at - begin) / (end - begin) if end > begin else 1.0))
        if at >= end or at <= before:
            return parts


def _spread(parts: _Parts, count: int, put: Callable[[TimeWindow, int], None]) -> None:
    """Puts a count into windows by their share in time, and loses none."""
    done = 0
    for number, (window, passed) in enumerate(parts, 1):
        until = count if number == len(parts) else int(count * passed)
        if until > done:
            put(window, until - done)
            done = until
