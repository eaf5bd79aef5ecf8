"""How often scenarios passed: intervals, pass^k and the probability that one got worse, against literal figures."""

import pytest
from greenlight_gate.verdict.criteria import Status
from greenlight_gate.verdict.repeats import Repeated, differences, pass_hat, repeats, wilson, worse

STABLE = Repeated("Stable", "functional", 5, 5)
FLAKY = Repeated("Flaky", "functional", 4, 5)
LEAKY = Repeated("Leaky", "security", 4, 5)
DEAD = Repeated("Dead", "functional", 0, 5)


@pytest.mark.parametrize(
    ("passes", "times", "low", "high"),
    [(4, 5, 0.3755, 0.9638), (5, 5, 0.5655, 1.0), (0, 5, 0.0, 0.4345), (1, 1, 0.2065, 1.0), (95, 100, 0.8882, 0.9785)],
)
def test_the_interval_of_a_pass_rate(passes: int, times: int, low: float, high: float) -> None:
    """Figures as `proportion_confint(method="wilson")` of statsmodels gives them."""
    assert wilson(passes, times) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("before", "after", "probability"),
    [
        # By hand: of 1/1 and 0/1, P(y < x) with densities 2x and 2(1 - y) is 5/6; the others are rationals as well.
        ((1, 1), (0, 1), 5 / 6),
        ((2, 2), (0, 2), 19 / 20),
        ((5, 5), (0, 5), 923 / 924),
        ((5, 5), (5, 5), 1 / 2),
        ((0, 1), (1, 1), 1 / 6),
    ],
)
def test_the_probability_that_a_pass_rate_is_lower(
    before: tuple[int, int], after: tuple[int, int], probability: float
) -> None:
    assert worse(before, after) == pytest.approx(probability)
    assert worse(after, before) == pytest.approx(1 - probability)


def test_pass_hat_k_of_scenarios_that_pass_sometimes() -> None:
    assert pass_hat([STABLE, FLAKY], 5) == pytest.approx({1: 0.9, 2: 0.8, 3: 0.7, 4: 0.6, 5: 0.5})
    assert pass_hat([Repeated("Short", "functional", 1, 2)], 3) == {1: 0.5, 2: 0.0}
    assert pass_hat([], 3) == {}


def test_what_passes_sometimes_fails_the_criterion_and_security_is_named_first() -> None:
    criterion = repeats([STABLE, FLAKY, LEAKY, DEAD], 5)

    assert (criterion.status, criterion.samples) == (Status.FAILED, 20)
    assert criterion.measured == (
        "1 always, 2 sometimes, 1 never; 'Leaky' of security passed 4 of 5 times (95 % interval 38-96 %); 'Flaky' of "
        "functional passed 4 of 5 times (95 % interval 38-96 %); pass^1 65.0 %; pass^5 25.0 %"
    )
    assert repeats([STABLE], 5).status is Status.PASSED
    assert repeats([DEAD], 5).status is Status.FAILED
    assert repeats([], 5).status is Status.INCONCLUSIVE


def test_a_regression_is_told_from_noise() -> None:
    before = [STABLE, Repeated("Flaky", "functional", 5, 5), Repeated("Dead", "functional", 5, 5), LEAKY]
    found = differences(before, [STABLE, FLAKY, DEAD, Repeated("New", "functional", 0, 5)])

    assert [(each.name, each.is_likely) for each in found] == [("Dead", True), ("Flaky", False)]
    assert str(found[0]) == "'Dead' of functional: 5 of 5 before, 0 of 5 after"
    assert differences([DEAD], [STABLE]) == []
    # A rate counts, not a number: 5 of 5 is not worse than 10 of 10.
    assert differences([Repeated("Stable", "functional", 10, 10)], [STABLE]) == []
    assert differences([Repeated("Two", "functional", 2, 2)], [Repeated("Two", "functional", 0, 2)])[0].is_likely
