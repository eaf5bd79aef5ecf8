"""Latencies as mergeable HDR histograms (3 significant digits), in microseconds inside and milliseconds outside."""
# mypy: allow-untyped-calls
# hdrhistogram ships no types.

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate, compress
from typing import Final
from weakref import proxy

from hdrh.histogram import HdrHistogram

from greenlight_gate.measure.latency_summary import Encoded, LatencySummary

_LOWEST_US: Final = 1
_HIGHEST_US: Final = 3_600_000_000
_DIGITS = 3
_EXACT_BITS: Final = 11
_EXACT_US: Final = 1 << 11


class Histogram:
    """Latencies from 1 us to 1 h. What lies outside is recorded at the nearest bound."""

    def __init__(self) -> None:
        self._filled = _gone_with_its_last_user(HdrHistogram(_LOWEST_US, _HIGHEST_US, _DIGITS))
        self._waiting: dict[int, int] = {}
        self.sum_us = 0.0

    @classmethod
    def decode(cls, encoded: Encoded) -> "Histogram":
        """What `encode` made."""
        histogram = cls()
        histogram._hdr.add(_gone_with_its_last_user(HdrHistogram.decode(encoded.hdr)))
        histogram.sum_us = encoded.sum_us
        return histogram

    @classmethod
    def counted(cls, counts: Sequence[int], sum_us: float) -> "Histogram":
        """Samples that were counted by bucket: `counts[i]` of the i-th of a histogram of three digits."""
        histogram = cls()
        hdr, found = histogram._filled, list(compress(range(len(counts)), counts))
        if found:
            hdr.counts[: len(counts)] = counts
            hdr.set_internal_tacking_values(found[0], found[-1], sum(counts))
        histogram.sum_us = sum_us
        return histogram

    def encode(self) -> Encoded:
        """The samples in a form that can be kept and sent (HdrHistogram V2, compressed, base64)."""
        return Encoded(self._hdr.encode().decode(), self.sum_us)

    @property
    def _hdr(self) -> HdrHistogram:
        """The histogram with all that waited to be put into it: that is slow, one by one."""
        for us, count in self._waiting.items():
            self._filled.record_value(us, count)
        self._waiting.clear()
        return self._filled

    def record(self, seconds: float) -> None:
        """Adds one sample; negative ones (clocks that disagree by a little) count as the least."""
        us = seconds * 1e6
        if us < _LOWEST_US:
            self.sum_us += max(us, 0.0)
            whole = _LOWEST_US
        else:
            self.sum_us += us
            whole = int(us)
            if whole >= _EXACT_US:
                # The lowest value of the same bucket, as HDR histograms of three digits have them (2048 to an octave).
                whole = min(whole, _HIGHEST_US)
                spare = whole.bit_length() - _EXACT_BITS
                whole = whole >> spare << spare
        waiting = self._waiting
        waiting[whole] = waiting.get(whole, 0) + 1

    def merge(self, other: "Histogram") -> None:
        """Adds all samples of another one."""
        self._hdr.add(other._hdr)  # noqa: SLF001 -- of its own kind
        self.sum_us += other.sum_us

    @property
    def samples(self) -> int:
        """How many there are."""
        return int(self._hdr.get_total_count())

    def counts(self) -> list[tuple[float, int]]:
        """The samples as (seconds, how many of them), the least first; each to three digits."""
        steps = self._hdr.get_recorded_iterator()
        return [(step.value_iterated_to / 1e6, int(step.count_at_value_iterated_to)) for step in steps]

    def summary(self) -> LatencySummary | None:
        """The figures, or None without a sample."""
        if not self.samples:
            return None
        p50, p95, p99 = (us / 1e3 for us in self._percentiles(50, 95, 99))
        top = self._hdr.get_max_value() / 1e3
        return LatencySummary(self.samples, round(self.sum_us / self.samples / 1e3, 3), p50, p95, p99, top)

    def _percentiles(self, *wanted: float) -> list[int]:
        """The values at these percentiles, as the library finds them, which counts all buckets anew for each."""
        hdr = self._hdr
        up_to = list(accumulate(hdr.counts[: hdr.counts_len]))
        buckets = (bisect_left(up_to, hdr.get_target_count_at_percentile(each)) for each in wanted)
        return [hdr.get_highest_equivalent_value(hdr.get_value_from_index(bucket)) for bucket in buckets]


def _gone_with_its_last_user(hdr: HdrHistogram) -> HdrHistogram:
    """The library ties each to its encoder in a cycle: 190 KB a second of a load, which looks for cycles rarely."""
    hdr.encoder.histogram = proxy(hdr)
    return hdr
