"""When requests are due in an open load: at a constant rate, or at random moments (a Poisson process)."""

import random
from collections.abc import Iterator


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
