"""Whether a session is slower than the last approved ones: above their median by more than their noise."""

from statistics import median

import msgspec

from greenlight_gate.measure.latency_summary import LatencySummary

LEAST_SESSIONS = 3
MOST_SESSIONS = 10
# A difference counts from three times the noise, and only above a quarter of the median and 2 ms (not noticeable).
_NOISES = 3.0
_LEAST_SHARE = 0.25
_LEAST_MS = 2.0
# From a median absolute deviation to the standard deviation of a normal distribution (Rousseeuw, Croux 1993).
_MAD = 1.4826


class Baseline(msgspec.Struct, frozen=True):
    """The sessions to compare with, which met all other criteria: their ids and their latencies in milliseconds.

    `latency`: delivery or acknowledgement. `gate`: being slower blocks; else it is a warning.
    """

    sessions: tuple[str, ...]
    latency: str
    avg_ms: tuple[float, ...]
    p95_ms: tuple[float, ...]
    gate: bool = False


class Compared(msgspec.Struct, frozen=True):
    """The comparison in words, and whether the session is slower: None where that is unknown."""

    said: str
    slower: bool | None


def compare(baseline: Baseline, delivery: LatencySummary | None, acknowledgement: LatencySummary | None) -> Compared:
    """Compares the latencies of a session with the baseline."""
    figures = delivery if baseline.latency == "delivery" else acknowledgement
    if len(baseline.sessions) < LEAST_SESSIONS:
        missing = LEAST_SESSIONS - len(baseline.sessions)
        said = (
            f"{len(baseline.sessions)} of the {LEAST_SESSIONS} earlier sessions that are needed "
            f"met all other criteria: {missing} {'is' if missing == 1 else 'are'} missing"
        )
        return Compared(said, None)
    if figures is None:
        return Compared(f"no {baseline.latency} latency was measured", None)
    parts, slower = [], False
    for name, now, before in (("average", figures.avg_ms, baseline.avg_ms), ("p95", figures.p95_ms, baseline.p95_ms)):
        middle = median(before)
        noise = _MAD * median(abs(value - middle) for value in before)
        is_slower = now - middle > max(_NOISES * noise, _LEAST_SHARE * middle, _LEAST_MS)
        slower = slower or is_slower
        size = f" ({100 * (now - middle) / middle:+.0f} %)" if middle else ""
        mark = " SLOWER" if is_slower else ""
        parts.append(f"{name} {now:.1f} ms against {middle:.1f} ± {noise:.1f} ms{size}{mark}")
    return Compared(f"{', '.join(parts)}, of the last {len(baseline.sessions)} approved sessions", slower)
