"""The course of a load as figures for each stretch of time."""

from greenlight_gate.measure.load_counts import Counts
from greenlight_gate.measure.load_series import over_time
from greenlight_gate.measure.time_series import bucket


def test_each_stretch_has_what_came_in_it() -> None:
    first = Counts(at=100.0, open=4)
    second = Counts(at=101.0, open=4, busy=2, asked=10, events=40, delays={bucket(1_000): 9, bucket(50_000): 1})
    third = Counts(at=101.0, open=4, asked=10, events=40, delays=second.delays)  # nothing passed
    last = Counts(at=102.5, asked=11, events=45, failed=1, lost=1, delays={bucket(1_000): 9, bucket(50_000): 1})

    made = over_time([first, second, third, last])

    assert [(each["at_s"], each["seconds"], each["connected"], each["waiting"]) for each in made] == [
        (1.0, 1.0, 4, 2), (2.5, 1.5, 0, 0),
    ]  # fmt: skip
    assert made[0]["asked"] == 10
    assert (made[0]["p50_ms"] < 1.2, 45 < made[0]["p99_ms"] < 57) == (True, True)


def test_a_stretch_without_an_answer_has_no_latency() -> None:
    same = {bucket(1_000): 9}
    (made,) = over_time([Counts(at=1.0, delays=same, asked=5), Counts(at=2.0, delays=same, asked=7, failed=1)])

    assert made == {
        "at_s": 1.0, "seconds": 1.0, "connected": 0, "waiting": 0, "asked": 2, "events": 0, "failed": 1, "lost": 0,
        "refused": 0, "p50_ms": None, "p95_ms": None, "p99_ms": None,
    }  # fmt: skip
    assert over_time([]) == []
