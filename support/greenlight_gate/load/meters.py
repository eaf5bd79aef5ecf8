"""Counters and latencies that all virtual users of one shard write to."""

from greenlight_gate.load.latency_counter import LatencyCounter
from greenlight_gate.measure.latency_summary import Encoded
from greenlight_gate.rules.engine.outcome import Outcome


class Meters:
    """Counters and latencies of one shard; `LoadResult` says what each means.

    `offset_s`: how far the server's clock is ahead of ours; None if unknown, when delivery latency is not measured.
    """

    def __init__(self, epoch_s: float, offset_s: float | None) -> None:
        self.epoch_s = epoch_s
        self.stamp_zero: float | None = None
        self.set_clock_offset(offset_s)
        self.connections_tried = self.connections_made = 0
        self.asked = self.runs = self.messages = self.controls = self.unmapped = 0
        self.expected = self.arrived = self.dropped = 0
        self.connections_lost = self.failed = self.failed_runs = self.refused_requests = 0
        self.five_expected = self.five_shown = 0
        self.raw, self.corrected, self.delivery = LatencyCounter(), LatencyCounter(), LatencyCounter()
        self.first_token = LatencyCounter()
        self.whole, self.silence, self.connect = LatencyCounter(), LatencyCounter(), LatencyCounter()

    @property
    def events(self) -> int:
        """Messages that were neither control messages nor unmapped."""
        return self.messages - self.controls - self.unmapped

    def settled(self, outcome: Outcome) -> None:
        """Counts the expected events of one request, and those that were seen."""
        if outcome.excused:
            return
        self.expected += outcome.due
        self.arrived += outcome.arrived
        if outcome.needs_all_five:
            self.five_expected += 1
            self.five_shown += outcome.shows_all_five

    def delay(self, *, corrected: bool) -> LatencyCounter:
        """Delivery latency where the server's clock is known, else acknowledgement latency.

        `corrected`: since the request was due, not since it was sent.
        """
        if self.stamp_zero is not None:
            return self.delivery
        return self.corrected if corrected else self.raw

    def set_clock_offset(self, offset_s: float | None) -> None:
        """From now on delivery latency is measured with this offset; None: not at all."""
        self.stamp_zero = None if offset_s is None else self.epoch_s + offset_s


def encoded(counter: LatencyCounter) -> Encoded | None:
    """The latencies as an encoded histogram; None without a sample."""
    histogram = counter.histogram()
    return histogram.encode() if histogram.samples else None
