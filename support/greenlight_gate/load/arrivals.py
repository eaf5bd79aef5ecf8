"""When requests are due in an open load: at a constant rate, or at random moments (a Poisson process)."""

import random
from collections.abc import Iterator

from greenlight_gate.load.stages import Stages


def arrivals(rate: float, *, poisson: bool, seed: int, first: float = 0.0) -> Iterator[float]:
    """Seconds from the beginning at which a request is due, without end. `rate`: requests a second.

    Constant: one every 1/rate seconds, the first at `first`. Poisson: exponential pauses of mean 1/rate.
    """
    rng = random.Random(seed)  # noqa: S311 -- a schedule, no secret
    at = first
    while True:
        if poisson:
            at += rng.expovariate(rate)
            yield at
        else:
            yield at
            at += 1.0 / rate


def staged_arrivals(stages: Stages, of: int, *, poisson: bool, seed: int, first: int) -> Iterator[float]:
    """The same for stages of a rate, until their end: each `of`-th request of all, beginning with number `first`."""
    for count in arrivals(1.0 / of, poisson=poisson, seed=seed, first=float(first)):
        at = stages.moment(count)
        if at is None:
            return
        yield at
