"""Wall-clock time as the wire shows it."""

import time
from datetime import UTC, datetime


def now_us() -> int:
    """Return the wall clock in whole microseconds since 1970."""
    return time.time_ns() // 1_000


def iso(time_us: int) -> str:
    """Write microseconds since 1970 as ISO 8601 UTC: always six digits, always `Z`."""
    seconds, fraction_us = divmod(time_us, 1_000_000)
    # Whole seconds only go through datetime: a float would round the microseconds.
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction_us:06d}Z"


def epoch_s(text: str) -> float:
    """Return the seconds since 1970 of a time that `iso` wrote."""
    return datetime.fromisoformat(text).timestamp()
