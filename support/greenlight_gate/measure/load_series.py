"""The course of a load as figures for each stretch of time, about a second long, for charts of one's own."""

import itertools
from collections.abc import Sequence
from typing import Any

from greenlight_gate.measure.load_counts import Counts
from greenlight_gate.measure.time_series import percentiles_ms

_COUNTED = ("asked", "events", "failed", "lost", "refused")


def over_time(course: Sequence[Counts]) -> list[dict[str, Any]]:
    """One entry between each two of the counts: when it ended, what came in it, and the latency of that.

    `at_s` is seconds since the first counts; `connected` and `waiting` are users at its end. Latencies in milliseconds,
    to 12.5 %, as in `Counts.delays`; None where there is no sample.
    """
    found = []
    for before, after in itertools.pairwise(course):
        if after.at <= before.at:
            continue
        delays = {
            number: more for number, count in after.delays.items() if (more := count - before.delays.get(number, 0)) > 0
        }
        latency = [round(each, 3) for each in percentiles_ms(delays, (50, 95, 99))] if delays else [None] * 3
        found.append(
            {
                "at_s": round(after.at - course[0].at, 3), "seconds": round(after.at - before.at, 3),
                "connected": after.open, "waiting": after.busy,
                **{name: getattr(after, name) - getattr(before, name) for name in _COUNTED},
                "p50_ms": latency[0], "p95_ms": latency[1], "p99_ms": latency[2],
            }
        )  # fmt: skip
    return found
