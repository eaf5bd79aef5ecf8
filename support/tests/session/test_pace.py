"""What fits a target: users and answers at once by its limits, and cuts at its pace."""

import itertools
import math
from collections import Counter

import pytest
from greenlight_gate.session.pace import (
    MadeAnswer,
    cuts_at_once,
    cuts_take_s,
    cuts_that_fit,
    made_at_once,
    thinned,
    users_at_once,
    what_limits,
)
from greenlight_gate.targets.sections import Limits

WAYS = ("FIN", "RST", "black hole", "half-open")


@pytest.mark.parametrize(
    ("limits", "users", "cuts"),
    [
        (Limits(max_connections=100), 25, 24),
        (Limits(max_connections=8), 8, 3),
        (Limits(max_connections=100, max_concurrent_runs=10), 10, 10),
        (Limits(max_connections=8, max_concurrent_runs=2), 2, 2),
        (Limits(max_connections=1), 1, 1),
    ],
)
def test_how_many_at_once(limits: Limits, users: int, cuts: int) -> None:
    assert (users_at_once(limits, 25), cuts_at_once(limits)) == (users, cuts)


def test_which_limit_a_crowd_exceeds() -> None:
    limits = Limits(max_connections=8, max_concurrent_runs=5)
    assert what_limits(limits, 5) is None
    assert what_limits(limits, 6) == ("limits.max_concurrent_runs", "makes 5 answers at a time")
    assert what_limits(limits, 9) == ("limits.max_connections", "allows 8 connections at a time")


@pytest.mark.parametrize("answer_s", [0.0, 0.3, 7.0, 100.0, 299.0])
def test_what_fits_takes_ten_minutes_at_most(answer_s: float) -> None:
    for at_once in (1, 3, 24):
        fits = min(cuts_that_fit(at_once, answer_s), 10_000)
        assert fits >= 1
        assert cuts_take_s(fits, at_once, answer_s) <= 600 or fits == 10_000
    assert cuts_that_fit(24, 301.0) == 0


@pytest.mark.parametrize("most", [4, 5, 12, 13, 26, 40, 51])
def test_fewer_cuts_are_spread_over_the_answer_in_all_ways(most: int) -> None:
    places = list(range(13))
    cuts = thinned(places, WAYS, most)
    assert len(cuts) == len(set(cuts)) == (most if most < 13 else most // 13 * 13)
    used = Counter(way for _, way in cuts)
    assert set(used) == set(WAYS)
    assert max(used.values()) - min(used.values()) <= 1
    apart = sorted({place for place, _ in cuts})
    assert max(second - first for first, second in itertools.pairwise(apart)) <= -(-13 // min(most, 13)) + 1


def test_all_cuts_are_made_where_they_fit() -> None:
    assert len(thinned(range(13), WAYS, 52)) == len(set(thinned(range(13), WAYS, 1_000_000))) == 52


NEVER = math.inf


@pytest.mark.parametrize(
    ("spans", "made"),
    [
        ([(0.1, 1.0), (0.2, 1.1), (0.3, 1.2), (0.2, 1.3)], None),
        ([(0.1, 1.0), (0.2, 1.1), (1.0, 2.0), (1.1, 2.1)], 2),
        ([(0.1, 1.0), (1.1, 2.0), (2.1, 3.0)], 1),
        # The third was given up before it began.
        ([(0.1, 1.0), (0.2, 1.1), (NEVER, NEVER)], 2),
        # Answers that are over at once wait for no other one, whatever their order.
        ([(0.001, 0.002), (0.003, 0.004), (0.005, 0.006)], None),
        # One is late by itself; two others are made at the same time.
        ([(0.1, 1.0), (0.2, 1.1), (0.3, 1.2), (1.3, 2.0)], 3),
        ([(0.1, 1.0), (0.2, 3.0), (1.2, 3.1), (2.9, 3.2)], None),
        ([(NEVER, NEVER), (NEVER, NEVER)], None),
        ([], None),
    ],
)
def test_how_many_answers_are_made_at_once(spans: list[tuple[float, float]], made: int | None) -> None:
    assert made_at_once([MadeAnswer(0.0, began, ended) for began, ended in spans]) == made
