"""When questions are due."""

from itertools import islice, pairwise
from statistics import mean, pstdev

import pytest
from greenlight_gate.load.arrivals import arrivals


def test_constant_is_one_after_the_other() -> None:
    assert list(islice(arrivals(4, poisson=False, seed=1, first=0.1), 4)) == pytest.approx([0.1, 0.35, 0.6, 0.85])


def test_poisson_has_the_rate_and_the_spread_of_exponential_pauses() -> None:
    moments = list(islice(arrivals(50, poisson=True, seed=7), 5_000))
    pauses = [after - before for before, after in pairwise(moments)]

    assert mean(pauses) == pytest.approx(1 / 50, rel=0.05)
    assert pstdev(pauses) == pytest.approx(1 / 50, rel=0.08)


def test_another_seed_is_another_schedule_and_the_same_one_the_same() -> None:
    def some(seed: int) -> list[float]:
        return list(islice(arrivals(5, poisson=True, seed=seed), 10))

    assert some(1) == some(1)
    assert some(1) != some(2)
