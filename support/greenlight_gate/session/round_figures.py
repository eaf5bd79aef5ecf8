"""The figures of one round: measured by the meter and the timeline of every other session, sample by sample."""

from collections import Counter

from greenlight_gate.events import Event, Reading
from greenlight_gate.evidence.replay import Meter
from greenlight_gate.measure import record_feed
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.load_counts import Counts
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.measure.trace_timeline import TraceTimeline
from greenlight_gate.monitor.monitor import SourceState
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.trace import AnyRecord

_DIGITS = 3


class Samples(Histogram):
    """Latencies of which each one is kept, in milliseconds."""

    def __init__(self) -> None:
        super().__init__()
        self.ms: list[float] = []

    def record(self, seconds: float) -> None:
        """Adds one sample."""
        super().record(seconds)
        self.ms.append(milliseconds(seconds))


class RoundFigures:
    """Observes the trace of one round (`greenlight_gate.measure.record_feed.FeedListener`).

    `clock` is the target's. `runs` counts by how they ended: an end's name, `refused` or `unfinished`.
    """

    def __init__(self, source: record_feed.FeedSource, clock: str) -> None:
        self.meter = Meter(clock)
        self.acknowledgement = self.meter.acknowledgement = Samples()
        self.delivery = self.meter.latency = Samples()
        self.timeline = Timeline(self.meter.offset_s)
        self.runs: Counter[str] = Counter()
        self._source = source
        self._state = SourceState(source, TraceTimeline(self.timeline, source.scenario, source.epoch_s))

    def on_record(self, source: record_feed.FeedSource, record: AnyRecord, reading: Reading | None) -> None:
        """One record."""
        if source is self._source:
            self.meter.take(record, reading, source.epoch_s)
            self._state.take(record, reading)

    def on_event(self, source: record_feed.FeedSource, run: RunState, event: Event, at: float) -> None:
        """An event of a run came."""
        if source is self._source:
            self._state.timeline.on_event(run, event, at)

    def on_settled(self, source: record_feed.FeedSource, outcome: Outcome) -> None:
        """A request is settled."""
        if source is not self._source:
            return
        self.meter.on_settled(outcome)
        self._state.timeline.on_settled(outcome)
        self.runs[str(outcome.ended_by or ("refused" if outcome.error is not None else "unfinished"))] += 1

    def counted(self, load: object, counts: Counts) -> None:
        """No load belongs to a round."""

    def finished(self, source: record_feed.FeedSource) -> None:
        """The trace is complete."""
        if source is self._source:
            self._state.finish()


def milliseconds(seconds: float) -> float:
    """As rounds are kept: rounded to microseconds, and never negative, as clocks that disagree by a little may be."""
    return max(round(seconds * 1e3, _DIGITS), 0.0)
