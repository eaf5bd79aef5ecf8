"""The instruments that all people of one shard write to."""

from greenlight_gate.load.latency_counter import LatencyCounter
from greenlight_gate.measure.latency import Encoded
from greenlight_gate.rules.engine.outcome import Outcome


class Meters:
    """Counts and tallies of one shard; what they mean is said in `Summary`.

    `offset_s`: how far the server's clock is ahead of ours; None where nobody knows, so that no delivery is claimed.
    """

    def __init__(self, epoch_s: float, offset_s: float | None) -> None:
        self.epoch_s = epoch_s
        self.stamp_zero: float | None = None
        self.set_clock_offset(offset_s)
        self.connections_tried = self.connections_made = 0
        self.asked = self.runs = self.messages = self.controls = self.unmapped = 0
        self.expected = self.arrived = self.dropped = 0
        self.lines_lost = self.failed = 0
        self.five_expected = self.five_shown = 0
        self.raw, self.corrected, self.delivery = LatencyCounter(), LatencyCounter(), LatencyCounter()
        self.whole, self.silence, self.connect = LatencyCounter(), LatencyCounter(), LatencyCounter()

    @property
    def events(self) -> int:
        """What came that was neither of the protocol nor unreadable."""
        return self.messages - self.controls - self.unmapped

    def settled(self, outcome: Outcome) -> None:
        """Counts what was expected of one request, and what of it was seen."""
        if outcome.excused:
            return
        self.expected += outcome.due
        self.arrived += outcome.arrived
        if outcome.needs_all_five:
            self.five_expected += 1
            self.five_shown += outcome.shows_all_five

    def delay(self, *, corrected: bool) -> LatencyCounter:
        """How late events come: since the server's stamp where its clock is known, else since the question.

        `corrected`: since it was due.
        """
        if self.stamp_zero is not None:
            return self.delivery
        return self.corrected if corrected else self.raw

    def set_clock_offset(self, offset_s: float | None) -> None:
        """From now on delivery is measured with this offset; None: not at all."""
        self.stamp_zero = None if offset_s is None else self.epoch_s + offset_s


def encoded(tally: LatencyCounter) -> Encoded | None:
    """The tally as a histogram that can be sent; None without a sample."""
    histogram = tally.histogram()
    return histogram.encode() if histogram.samples else None
