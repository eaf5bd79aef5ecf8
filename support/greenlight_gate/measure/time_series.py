"""Windows of time: counts and coarse latency histograms. Their number is bounded, so that they hold days as well.

When there would be too many, neighbours are joined and each window becomes twice as wide.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from greenlight_gate.events import EventKind

MOST_WINDOWS = 600
_NARROWEST_S = 0.25
# A bucket is an eighth of an octave: a latency is known to 12.5 %, which no picture shows.
_STEPS: Final = 8


def bucket(us: int) -> int:
    """The number of the bucket of a latency in whole microseconds."""
    if us < _STEPS:
        return max(us, 0)
    shift = us.bit_length() - 4
    return (shift + 1) * _STEPS + ((us >> shift) & 7)


def bucket_ms(number: int) -> float:
    """The latency in the middle of a bucket, in milliseconds."""
    if number < _STEPS:
        return number / 1e3
    octave, step = divmod(number, _STEPS)
    return ((_STEPS + step + 0.5) * (1 << (octave - 1))) / 1e3


class TimeWindow:
    """What happened within one stretch of time.

    `kinds` counts the events by their kind, in the order of `EventKind`. `delays` counts latencies by bucket,
    `delay_us` is their sum. `open_most` and `busy_most`: the most connections, and answers under way, at any one time.
    `dropped`: connections that broke or that the backend closed without a reason; `refused`: users who were
    refused although they should have been accepted; `errors`: failures and error messages that no request had provoked.
    """

    __slots__ = (
        "asked", "busy_most", "delay_us", "delays", "dropped", "errors", "events", "findings", "kinds", "made",
        "messages", "open_most", "refused", "samples", "tried",
    )  # fmt: skip
    _COUNTS = (
        "asked", "delay_us", "dropped", "errors", "events", "findings", "made", "messages", "refused", "samples",
        "tried",
    )  # fmt: skip

    def __init__(self) -> None:
        self.messages = self.events = self.samples = self.delay_us = 0
        self.asked = self.tried = self.made = self.dropped = self.refused = self.errors = self.findings = 0
        self.open_most = self.busy_most = 0
        self.kinds = [0] * len(EventKind)
        self.delays: dict[int, int] = {}

    def delay(self, us: int) -> None:
        """Adds one latency."""
        self.samples += 1
        self.delay_us += us
        shift = us.bit_length() - 4
        number = (shift + 1) * _STEPS + ((us >> shift) & 7) if shift > -1 else us
        delays = self.delays
        delays[number] = delays.get(number, 0) + 1

    def join(self, other: "TimeWindow") -> None:
        """Adds what happened in another one."""
        for name in self._COUNTS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.open_most = max(self.open_most, other.open_most)
        self.busy_most = max(self.busy_most, other.busy_most)
        self.kinds = [ours + theirs for ours, theirs in zip(self.kinds, other.kinds, strict=True)]
        for number, count in other.delays.items():
            self.delays[number] = self.delays.get(number, 0) + count

    @property
    def delay_ms(self) -> float:
        """The average latency; 0 without a sample."""
        return self.delay_us / self.samples / 1e3 if self.samples else 0.0


def percentiles_ms(delays: dict[int, int], wanted: Iterable[float]) -> list[float]:
    """Percentiles (0 to 100, ascending) of a coarse histogram, in milliseconds; all 0 where it is empty."""
    total = sum(delays.values())
    numbers = sorted(delays)
    found, seen, at = [], 0, 0
    for percent in wanted:
        while at < len(numbers) and seen + delays[numbers[at]] < total * percent / 100:
            seen += delays[numbers[at]]
            at += 1
        found.append(bucket_ms(numbers[min(at, len(numbers) - 1)]) if numbers else 0.0)
    return found


class TimeSeries:
    """All windows of a session, by time (seconds since the epoch)."""

    def __init__(self) -> None:
        self.width_s = _NARROWEST_S
        self.start = 0.0
        self._by_index: dict[int, TimeWindow] = {}

    def at(self, moment: float) -> tuple[TimeWindow, float, float]:
        """The window of a moment, its begin and its end. Moments may come in any order."""
        if not self._by_index:
            self.start = moment - moment % _NARROWEST_S
        if moment < self.start:
            self._begin_earlier(moment)
        index = int((moment - self.start) / self.width_s)
        while index >= MOST_WINDOWS:
            self._widen()
            index = int((moment - self.start) / self.width_s)
        window = self._by_index.get(index)
        if window is None:
            window = self._by_index[index] = TimeWindow()
        begin = self.start + index * self.width_s
        return window, begin, begin + self.width_s

    def _begin_earlier(self, moment: float) -> None:
        by = int((self.start - moment) / self.width_s) + 1
        self.start -= by * self.width_s
        self._by_index = {index + by: window for index, window in self._by_index.items()}
        while max(self._by_index) >= MOST_WINDOWS:
            self._widen()

    def _widen(self) -> None:
        self.width_s *= 2
        wider: dict[int, TimeWindow] = {}
        for index, window in self._by_index.items():
            known = wider.setdefault(index // 2, window)
            if known is not window:
                known.join(window)
        self._by_index = wider

    def __iter__(self) -> Iterator[tuple[float, TimeWindow]]:
        """(begin in seconds since the epoch, window) in the order of time, those without anything left out."""
        for index in sorted(self._by_index):
            yield self.start + index * self.width_s, self._by_index[index]

    def joined(self, least_s: float) -> list[tuple[float, TimeWindow]]:
        """The same in windows of at least so many seconds."""
        together = max(1, round(least_s / self.width_s))
        coarse: dict[int, TimeWindow] = {}
        for index in sorted(self._by_index):
            coarse.setdefault(index // together, TimeWindow()).join(self._by_index[index])
        return [(self.start + index * together * self.width_s, window) for index, window in coarse.items()]

    def total(self) -> TimeWindow:
        """All of it as one window."""
        whole = TimeWindow()
        for window in self._by_index.values():
            whole.join(window)
        return whole
