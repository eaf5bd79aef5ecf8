"""What a load has counted comes into the course: all of it, spread over the time in which it came."""

from typing import Any

import pytest
from greenlight_gate.findings import Finding, Severity
from greenlight_gate.measure.load_counts import Counts
from greenlight_gate.measure.load_timeline import LoadTimeline
from greenlight_gate.measure.time_series import bucket
from greenlight_gate.measure.timeline import Timeline
from hypothesis import given
from hypothesis import strategies as st

from support.tests.measure.test_timeline import timeline_of
from support.tests.rules.talk import EPOCH_S, asked

MS = bucket(5_000)


def at(seconds: float, **counts: Any) -> Counts:
    return Counts(at=EPOCH_S + seconds, **counts)


def gathered(*told: Counts, timeline: Timeline | None = None, **values: Any) -> Timeline:
    timeline = timeline or Timeline(0.0)
    counted = LoadTimeline(timeline, "a load", **values)
    for counts in told:
        counted.take(counts)
    return timeline


def test_a_whole_load() -> None:
    told = (
        at(0.0), at(0.1, tried=25, made=25, messages=25, open=25),
        at(1.1, tried=25, made=25, asked=40, messages=225, events=200, open=25, busy=15, delays={MS: 200},
           delay_us=1_000_000),
        at(1.5, tried=25, made=25, asked=40, messages=265, events=240, is_last=True, delays={MS: 240},
           delay_us=1_200_000),
    )  # fmt: skip
    timeline = gathered(*told)
    whole = timeline.windows.total()

    assert (whole.tried, whole.made, whole.asked, whole.messages, whole.events) == (25, 25, 40, 265, 240)
    assert (whole.samples, whole.delay_ms, whole.delays) == (240, 5.0, {MS: 240})
    assert (whole.dropped, whole.refused, whole.errors, whole.findings, timeline.troubles) == (0, 0, 0, 0, [])
    assert (whole.open_most, whole.busy_most, timeline.open, timeline.busy) == (25, 15, 0, 0)
    assert [window.events for _, window in timeline.windows] == [30, 50, 50, 50, 20 + 15, 25, 0]


def test_it_comes_evenly_in_the_time_since_the_one_before() -> None:
    timeline = gathered(at(10.0), at(12.0, events=8_000, delays={MS: 8_000}, delay_us=40_000_000))

    found = [(begin - EPOCH_S, w.events, w.samples, w.delay_ms) for begin, w in timeline.windows]
    assert found == [*((10.0 + n / 4, 1000, 1000, 5.0) for n in range(8)), (12.0, 0, 0, 0.0)]


@given(st.lists(st.tuples(st.floats(0, 900), st.integers(0, 10**6), st.integers(0, 500)), min_size=1, max_size=20))
def test_nothing_is_lost_between_windows(steps: list[tuple[float, int, int]]) -> None:
    seconds, events, late, told = 0.0, 0, 0, [at(0.0)]
    for passed, more, more_late in steps:
        seconds, events, late = seconds + passed, events + more, late + more_late
        told.append(at(seconds, events=events, delays={MS: late, 3: late}, delay_us=late * 10))
    whole = gathered(*told).windows.total()

    assert (whole.events, whole.samples, whole.delays.get(MS, 0)) == (events, 2 * late, late)


def test_what_came_before_one_listened_is_not_of_this_moment() -> None:
    before = at(50.0, events=10**6, asked=10**5, open=7, rules={"PAIRING-3": 9})
    timeline = gathered(before, at(51.0, events=10**6 + 10, asked=10**5 + 2, open=7, rules={"PAIRING-3": 10}))
    whole = timeline.windows.total()

    assert (whole.events, whole.asked, whole.open_most, whole.findings) == (10, 2, 7, 1)


@pytest.mark.parametrize(("answering_us", "users", "busy"), [(0, 25, 0), (8_000_000, 25, 8), (90_000_000, 25, 25)])
def test_who_waits_between_two_looks_is_known_by_how_long_answers_take(
    answering_us: int, users: int, busy: int
) -> None:
    told = at(0.0, open=users), at(1.0, open=users, answering_us=answering_us)

    assert gathered(*told).windows.total().busy_most == busy


@pytest.mark.parametrize(("hindered", "is_timed", "samples"), [(False, True, 9), (True, True, 0), (False, False, 0)])
def test_a_generator_that_is_late_itself_measures_nothing(hindered: bool, is_timed: bool, samples: int) -> None:
    told = at(0.0), at(1.0, events=9, delays={MS: 9}, delay_us=45_000, hindered=hindered)
    whole = gathered(*told, is_timed=is_timed).windows.total()

    assert (whole.events, whole.samples) == (9, samples)


def test_lines_that_are_lost_users_who_are_refused_and_answers_that_fail() -> None:
    timeline = gathered(
        at(0.0), at(1.0, tried=9, made=7, refused=2), at(2.0, tried=9, made=7, refused=2, lost=3, failed=4)
    )
    whole = timeline.windows.total()

    assert (whole.refused, whole.dropped, whole.errors) == (2, 3, 4)
    assert [(round(when - EPOCH_S), said) for when, said in timeline.troubles] == [
        (1, "'a load': 2 refused"), (2, "'a load': 3 lines lost")
    ]  # fmt: skip
    assert [round(when - EPOCH_S, 2) for when, _ in timeline.errors] == [1.25, 1.5, 1.75, 2.0]


@pytest.mark.parametrize(
    ("rule", "times", "hindered", "convicting", "found"),
    [
        ("ISOLATION-2", 1, False, None, 1),
        ("LIFECYCLE-2", 10, False, None, 0),
        ("LIFECYCLE-2", 11, False, None, 11),
        ("LIFECYCLE-2", 11, False, set(), 0),
        ("LIFECYCLE-2", 1, False, {"LIFECYCLE-2"}, 1),
        ("TIMELINESS-2", 50, True, None, 0),
        ("TIMELINESS-2", 50, False, None, 50),
        ("ISOLATION-2", 1, True, None, 1),
    ],
)
def test_single_losses_are_not_held_against_anybody(
    rule: str, times: int, hindered: bool, convicting: set[str] | None, found: int
) -> None:
    told = at(0.0), at(1.0, asked=1_000, rules={rule: times}, hindered=hindered)
    timeline = gathered(*told, convicting=convicting)

    assert timeline.windows.total().findings == sum(each.times for each in timeline.broken.values()) == found


def test_single_losses_that_become_many_count_all() -> None:
    told = at(0.0), at(1.0, asked=1_000, rules={"LIFECYCLE-2": 9}), at(2.0, asked=1_100, rules={"LIFECYCLE-2": 40})
    (broken,) = gathered(*told).broken.values()

    assert (broken.times, broken.under_load, broken.first_at - EPOCH_S) == (40, {"a load": 40}, 2.0)
    assert broken.examples == ["'a load': LIFECYCLE-2"]


def test_findings_that_are_known_are_the_examples() -> None:
    finding = Finding("PAIRING-3", Severity.NORMAL, "", "", "None", "Ada", "c1", "r1", (6,))
    told = at(0.0), at(1.0, rules={"PAIRING-3": 2})
    (broken,) = gathered(*told, offences=[finding]).broken.values()

    assert broken.examples == ["'a load', Ada, records 6: PAIRING-3, None"]


def test_a_load_that_was_before_or_beside_a_conversation() -> None:
    timeline = timeline_of(asked().answer().close())
    gathered(at(-60.0, open=5), at(0.2, open=5, events=603), at(0.3, events=603, is_last=True), timeline=timeline)

    begins = [begin - EPOCH_S for begin, _ in timeline.windows]
    assert (begins[0], begins == sorted(begins), timeline.windows.total().events) == (-60.0, True, 608)
    assert (timeline.open, timeline.busy) == (0, 0)
