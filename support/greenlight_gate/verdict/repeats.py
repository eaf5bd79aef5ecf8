"""Scenarios that ran several times: always, sometimes or never passed, with what so many times can say.

Nothing here judges a target by luck: a scenario that failed once has a finding or an unmet demand, which blocks.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from enum import StrEnum
from math import comb, exp, lgamma, log, sqrt
from typing import NamedTuple

from greenlight_gate.verdict.criteria import Criterion, Status

# Of a normal distribution, for intervals of 95 %.
_Z = 1.959964
# From this probability on, a difference is called a regression; below, it may be noise.
LIKELY = 0.95
_MOST_NAMED = 4


class Passed(StrEnum):
    """How often a scenario passed, of all times that it was exercised."""

    ALWAYS = "always"
    SOMETIMES = "sometimes"
    NEVER = "never"


class Repeated(NamedTuple):
    """A scenario that passed `passes` of the `times` that it passed or failed; `times` is 1 or more."""

    name: str
    category: str
    passes: int
    times: int

    @property
    def passed(self) -> Passed:
        """Always, sometimes or never."""
        if self.passes == self.times:
            return Passed.ALWAYS
        return Passed.SOMETIMES if self.passes else Passed.NEVER

    def __str__(self) -> str:
        """The scenario with its figures, as reports show it."""
        return f"'{self.name}' of {self.category} passed {figures(self.passes, self.times)}"


def figures(passes: int, times: int) -> str:
    """How often, with the interval in which the share of passes lies: "4 of 5 times (95 % interval 38-96 %)"."""
    low, high = wilson(passes, times)
    return f"{passes} of {times} times (95 % interval {100 * low:.0f}-{100 * high:.0f} %)"


def wilson(passes: int, times: int) -> tuple[float, float]:
    """The 95 % score interval of a share of passes, from 0 to 1 (Wilson 1927, Brown, Cai and DasGupta 2001)."""
    share, spread = passes / times, _Z * _Z / times
    middle = (share + spread / 2) / (1 + spread)
    half = _Z / (1 + spread) * sqrt(share * (1 - share) / times + spread / (4 * times))
    # At the ends the formula gives exactly 0 or 1, but for rounding.
    return 0.0 if passes == 0 else middle - half, 1.0 if passes == times else middle + half


def pass_hat(scenarios: Sequence[Repeated], most: int) -> dict[int, float]:
    """pass^k for k from 1 to `most`: the share of scenarios that would pass k times out of k, from 0 to 1.

    Of each scenario with c passes in n times the unbiased estimate C(c, k) / C(n, k), averaged (Yao et al. 2024,
    tau-bench). Scenarios with fewer than k times are left out; a k that none reaches has no value.
    """
    shares = {}
    for k in range(1, most + 1):
        known = [comb(each.passes, k) / comb(each.times, k) for each in scenarios if each.times >= k]
        if known:
            shares[k] = sum(known) / len(known)
    return shares


def worse(before: tuple[int, int], after: tuple[int, int]) -> float:
    """The probability that the share of passes is lower after than before, from (passes, times) of each.

    Each rate has a Beta distribution, from a uniform prior: nothing is known of a scenario but how often it passed.
    The sum is the closed form of P(after < before) for whole parameters.
    """
    (a_passes, a_times), (b_passes, b_times) = before, after
    a, b = 1 + a_passes, 1 + a_times - a_passes
    c, d = 1 + b_passes, 1 + b_times - b_passes
    total = sum(
        exp(_log_beta(c + i, b + d) - log(b + i) - _log_beta(1 + i, b) - _log_beta(c, d)) for i in range(a)
    )  # fmt: skip
    return min(1.0, max(0.0, total))


def _log_beta(a: int, b: int) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def repeats(known: Sequence[Repeated], times: int) -> Criterion:
    """REPEATS: how often which scenarios passed. Those that pass now and then are named, those of security first."""
    count = Counter(each.passed for each in known)
    parts = [", ".join(f"{count[kind]} {kind}" for kind in Passed)]
    unstable = [each for each in known if each.passed is Passed.SOMETIMES]
    unstable.sort(key=lambda each: each.category != "security")
    parts += map(str, unstable[:_MOST_NAMED])
    parts += [f"{len(unstable) - _MOST_NAMED} more sometimes"] if len(unstable) > _MOST_NAMED else []
    shares = pass_hat(known, times)
    parts += [f"pass^{k} {100 * shares[k]:.1f} %" for k in (1, times) if k in shares]
    if not known:
        status = Status.INCONCLUSIVE
    else:
        status = Status.PASSED if count[Passed.ALWAYS] == len(known) else Status.FAILED
    requirement = "Each scenario passed each time that it ran: none passes by luck."
    measured = "; ".join(parts) if known else "no scenario passed or failed"
    return Criterion("REPEATS", requirement, "always", measured, sum(each.times for each in known), status)


class Difference(NamedTuple):
    """A scenario that passed less often after than before, with the probability that it got worse."""

    name: str
    category: str
    before: tuple[int, int]
    after: tuple[int, int]
    probability: float

    @property
    def is_likely(self) -> bool:
        """Whether it is called a regression, and not noise."""
        # Rounded: 2 of 2 before and 0 of 2 after are exactly at the limit.
        return round(self.probability, 9) >= LIKELY

    def __str__(self) -> str:
        """What is known, in one line."""
        (was, of), (now, out_of) = self.before, self.after
        return f"'{self.name}' of {self.category}: {was} of {of} before, {now} of {out_of} after"


def differences(before: Iterable[Repeated], after: Iterable[Repeated]) -> list[Difference]:
    """What passed less often, the most probable first; scenarios that only one of both has are left out."""
    known = {(each.category, each.name): each for each in before}
    found = []
    for now in after:
        was = known.get((now.category, now.name))
        if was is not None and now.passes * was.times < was.passes * now.times:
            figures_ = (was.passes, was.times), (now.passes, now.times)
            found.append(Difference(now.name, now.category, *figures_, worse(*figures_)))
    return sorted(found, key=lambda each: (-each.probability, each.category, each.name))
