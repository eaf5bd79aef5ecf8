"""How far all shards are is told in one, in the order of time."""

from greenlight_gate.events import Event, Reading
from greenlight_gate.load.live_counts import LiveCounts
from greenlight_gate.measure import record_feed
from greenlight_gate.measure.load_counts import Counts
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.trace import AnyRecord


class Listens:
    """Notes what it hears, while it listens."""

    def __init__(self) -> None:
        self.on_control: list[tuple[str, Counts]] = []

    def on_record(self, source: record_feed.FeedSource, record: AnyRecord, reading: Reading | None) -> None:
        raise AssertionError(record)

    def on_event(self, source: record_feed.FeedSource, run: RunState, event: Event, at: float) -> None:
        raise AssertionError(event)

    def on_settled(self, source: record_feed.FeedSource, outcome: Outcome) -> None:
        raise AssertionError(outcome)

    def finished(self, source: record_feed.FeedSource) -> None:
        raise AssertionError(source)

    def counted(self, load: object, counts: Counts) -> None:
        self.on_control.append((str(load), counts))


def test_shards_add_up_and_the_asking_begins_when_it_does() -> None:
    listens, live_counts = Listens(), LiveCounts("load x")
    record_feed.listen(listens)
    try:
        live_counts.tell([Counts(at=10.0, open=2)])
        live_counts.tell([Counts(at=10.0, open=2), Counts(at=10.5, open=3)])
        live_counts.begins_at(11.0)
        one = Counts(at=12.0, open=2, asked=4, events=20, rules={"PAIRING-3": 1}, delays={40: 20}, delay_us=9)
        other = Counts(at=11.9, open=3, busy=2, asked=6, events=30, rules={"PAIRING-3": 2, "LIFECYCLE-2": 1},
                       delays={40: 10, 41: 20}, delay_us=8, hindered=True)  # fmt: skip
        live_counts.tell([one, Counts(at=10.5, open=3)])
        live_counts.tell([one, other])
        kept = live_counts.over(hindered=False)
    finally:
        record_feed.leave(listens)

    before = Counts(at=10.5, open=5)
    part = Counts(at=12.0, open=5, asked=4, events=20, rules={"PAIRING-3": 1}, delays={40: 20}, delay_us=9)
    all_of_it = Counts(
        at=12.0, open=5, busy=2, asked=10, events=50, rules={"LIFECYCLE-2": 1, "PAIRING-3": 3},
        delays={40: 30, 41: 20}, delay_us=17, hindered=True,
    )  # fmt: skip
    last = Counts(
        at=12.0, asked=10, events=50, rules={"LIFECYCLE-2": 1, "PAIRING-3": 3}, delays={40: 30, 41: 20}, delay_us=17,
        is_last=True,
    )  # fmt: skip
    expected = [Counts(at=10.0, open=2), before, Counts(at=11.0, open=5), part, all_of_it, last]
    assert list(kept) == expected
    assert listens.on_control == [("load x", counts) for counts in expected]


def test_a_clock_that_is_behind_does_not_turn_time_back() -> None:
    live_counts = LiveCounts("load x")
    live_counts.tell([Counts(at=10.0)])
    live_counts.tell([Counts(at=9.0, events=5)])

    assert [(counts.at, counts.events) for counts in live_counts.over(hindered=False)] == [
        (10.0, 0),
        (10.0, 5),
        (10.0, 5),
    ]


def test_of_a_load_that_told_nothing_nothing_is_known() -> None:
    assert LiveCounts("load x").over(hindered=False) == ()
