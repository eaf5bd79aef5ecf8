"""Latencies counted while the load runs: an array of counts in the buckets of an HDR histogram.

Recording costs a quarter of what the histogram's own method costs; the histogram is made when it is over.
"""

from support.histogram import Histogram

# 3 significant digits: 2,048 sub-buckets, half of them for each doubling after the first (hdrhistogram.org).
_SUB_BUCKETS = 2_048
_SUB_BITS = 11
_HIGHEST_US = 3_600_000_000
_BUCKETS = (_HIGHEST_US.bit_length() - _SUB_BITS + 2) << (_SUB_BITS - 1)


class Tally:
    """Counts of latencies by bucket. `record` takes seconds; negative ones count as the least."""

    __slots__ = ("_counts", "_sum_us")

    def __init__(self) -> None:
        self._counts = [0] * _BUCKETS
        self._sum_us = 0.0

    def record(self, seconds: float) -> None:
        """Adds one sample."""
        us = int(seconds * 1e6)
        if us < 1:
            us = 1
        elif us >= _HIGHEST_US:
            us = _HIGHEST_US - 1
        self._sum_us += us
        if us < _SUB_BUCKETS:
            self._counts[us] += 1
        else:
            shift = us.bit_length() - _SUB_BITS
            self._counts[(shift << (_SUB_BITS - 1)) + (us >> shift)] += 1

    def record_ages(self, moment: float, stamps: list[float]) -> None:
        """Adds how old each of some stamps was at a moment, both in seconds on one clock. The hot path: no calls."""
        counts, total = self._counts, 0
        for stamp in stamps:
            us = int((moment - stamp) * 1e6)
            if us < 1:
                us = 1
            elif us >= _HIGHEST_US:
                us = _HIGHEST_US - 1
            total += us
            if us < _SUB_BUCKETS:
                counts[us] += 1
            else:
                shift = us.bit_length() - _SUB_BITS
                counts[(shift << (_SUB_BITS - 1)) + (us >> shift)] += 1
        self._sum_us += total

    def histogram(self) -> Histogram:
        """All samples as a histogram."""
        histogram = Histogram()
        for index, count in enumerate(self._counts):
            if count:
                shift = max((index >> (_SUB_BITS - 1)) - 1, 0)
                histogram.record_us((index - (shift << (_SUB_BITS - 1))) << shift, count)
        histogram.sum_us = self._sum_us
        return histogram
