"""Latencies counted while the load runs: an array of counts, made into an HDR histogram when it is over.

Recording costs a quarter of what the histogram's own method costs: short latencies are counted by the microsecond,
which takes no arithmetic, the others in the buckets of the histogram.
"""

from collections.abc import Iterable
from itertools import compress
from operator import add
from typing import Final

from greenlight_gate.measure.histogram import Histogram

# 3 significant digits: 2,048 sub-buckets, half of them for each doubling after the first (hdrhistogram.org).
_SUB_BITS = 11
_HIGHEST_US = 3_600_000_000
_BUCKETS = (_HIGHEST_US.bit_length() - _SUB_BITS + 2) << (_SUB_BITS - 1)
_SHORT_US: Final = 1 << 15
# An eighth of an octave is a coarse bucket: (begin, end) of those that are short, and where the others begin.
_COARSE_SHORT = [
    *((us, us + 1) for us in range(8)),
    *((part << shift, (part + 1) << shift) for shift in range(_SHORT_US.bit_length() - 4) for part in range(8, 16)),
]
_FIRST_LONG = len(_COARSE_SHORT)
_FINE = 1 << (_SUB_BITS - 4)
_COARSE_LONG = range((_SHORT_US.bit_length() - _SUB_BITS + 1) << (_SUB_BITS - 1), _BUCKETS, _FINE)


class LatencyCounter:
    """Counts of latencies. `record` takes seconds; negative ones count as the least."""

    __slots__ = ("_counts", "_long_us", "_short")

    def __init__(self) -> None:
        self._short = [0] * _SHORT_US
        self._counts = [0] * _BUCKETS
        self._long_us = 0

    def record(self, seconds: float) -> None:
        """Adds one sample."""
        us = int(seconds * 1e6)
        if 0 < us < _SHORT_US:
            self._short[us] += 1
        else:
            self._count(us)

    def record_ages(self, moment: float, stamps: list[float]) -> None:
        """Adds the age of each stamp at a moment, both in seconds on one clock. The hot path: no calls."""
        short, longest = self._short, _SHORT_US
        for stamp in stamps:
            us = int((moment - stamp) * 1e6)
            if 0 < us < longest:
                short[us] += 1
            else:
                self._count(us)

    def _count(self, us: int) -> None:
        """Counts a latency that is not short."""
        us = min(max(us, 1), _HIGHEST_US - 1)
        self._counts[_bucket(us)] += 1
        self._long_us += us

    @property
    def sum_us(self) -> int:
        """All samples together."""
        short = self._short
        return self._long_us + sum(us * short[us] for us in compress(range(_SHORT_US), short))

    def coarse(self) -> dict[int, int]:
        """The samples by the buckets of `measure.time_series`: sums of parts of the arrays, which takes no time."""
        found = {number: sum(self._short[begin:end]) for number, (begin, end) in enumerate(_COARSE_SHORT)}
        found |= {_FIRST_LONG + number: sum(self._counts[at : at + _FINE]) for number, at in enumerate(_COARSE_LONG)}
        found[1] += self._counts[1]
        return {number: count for number, count in found.items() if count}

    def histogram(self) -> Histogram:
        """All samples as a histogram."""
        counts, short = self._counts.copy(), self._short
        # The short ones octave by octave, each of which has half of the sub-buckets but for the first: as whole slices.
        _add(counts, 0, short[: 1 << _SUB_BITS])
        for shift in range(1, _SHORT_US.bit_length() - _SUB_BITS):
            octave = iter(short[1 << (_SUB_BITS + shift - 1) : 1 << (_SUB_BITS + shift)])
            _add(counts, (shift + 1) << (_SUB_BITS - 1), map(sum, zip(*[octave] * (1 << shift), strict=True)))
        return Histogram.counted(counts, self.sum_us)


def _add(counts: list[int], at: int, more: Iterable[int]) -> None:
    """Adds to the counts from index `at` on."""
    added = list(map(add, counts[at:], more))
    counts[at : at + len(added)] = added


def _bucket(us: int) -> int:
    """The index of the histogram's bucket for so many microseconds."""
    shift = max(us.bit_length() - _SUB_BITS, 0)
    return (shift << (_SUB_BITS - 1)) + (us >> shift)
