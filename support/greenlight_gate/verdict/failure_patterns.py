"""The failure patterns: definition, threshold, severity, and where to look for the cause.

The table in `rules/README.md` is generated from here (`python -m greenlight_gate.verdict.failure_patterns`).
"""

from typing import NamedTuple

import msgspec

from greenlight_gate.findings import Severity


class FailurePattern(NamedTuple):
    """The definition of a pattern: it is reported if `rules` have findings in at least `least` different runs."""

    id: str
    severity: Severity
    definition: str
    threshold: str
    hint: str
    rules: frozenset[str] = frozenset()
    least: int = 3


class Occurrence(msgspec.Struct, frozen=True):
    """A pattern that occurred: measured value, first and last time (seconds since the epoch), evidence."""

    pattern: str
    severity: Severity
    definition: str
    threshold: str
    measured: str
    hint: str
    first_at: float
    last_at: float
    evidence: tuple[str, ...] = ()


_CRITICAL, _NORMAL = Severity.CRITICAL, Severity.NORMAL
SLOW = "SUSTAINED_HIGH_LATENCY"
# How long, in seconds, and from how many samples latency has to be above its threshold.
SUSTAINED_S = 10.0
SUSTAINED_SAMPLES = 50
UNSTABLE_LEAST = 3
UNSTABLE_PERCENT = 1.0
BURST_ERRORS = 5
BURST_S = 10.0
LOAD_RATIO = 4.0
LOAD_LEAST = 8
DELAY_RATIO = 3.0


def _rules(*rules: str) -> frozenset[str]:
    return frozenset(rules)


_ALL = (
    FailurePattern(
        SLOW, _CRITICAL, "Event latency stays too high for a sustained time.",
        f"average latency above the target's threshold for {SUSTAINED_S:g} s without a break, "
        f"{SUSTAINED_SAMPLES} events or more",
        "Check what the backend waits for: a blocked event loop, the database, the model, blocking log writes.",
    ),
    FailurePattern(
        "MISSING_EVENT_SEQUENCES", _CRITICAL, "Events of a run are missing repeatedly.",
        "3 runs or more", "Check the code that turns the agent's steps into messages: which step is never sent?",
        _rules("LIFECYCLE-2", "LIFECYCLE-4", "LIFECYCLE-5", "PAIRING-2", "CONTINUITY-1"),
    ),
    FailurePattern(
        "ORDER_DISORDER", _NORMAL, "Events arrive in an impossible order.",
        "3 runs or more", "Look for two tasks or workers that write to one connection without a common queue.",
        _rules("LIFECYCLE-3", "PAIRING-1", "CONTENT-3"),
    ),
    FailurePattern(
        "USER_ISOLATION_VIOLATION", _CRITICAL, "A user receives, or gets access to, another user's data.",
        "1 occurrence",
        "Check how the connection for an event is chosen: by user and run, or is it the last one opened?",
        _rules("ISOLATION-1", "ISOLATION-2", "IDENTITY-2", "REFUSAL-2"), 1,
    ),
    FailurePattern(
        "CONNECTION_INSTABILITY", _CRITICAL, "Connections break, or are refused, without a reason.",
        f"{UNSTABLE_LEAST} connections or more, and more than {UNSTABLE_PERCENT:g} % of all attempts",
        "Check for restarts, for limits on file descriptors and memory, and for idle timeouts of proxies.",
    ),
    FailurePattern(
        "MEMORY_LEAK", _CRITICAL, "The backend's memory grows and is not released.",
        "growth above the target's threshold, or a slope that is significantly above zero",
        "Look for objects that are kept for each run or connection and never removed: registries, queues, callbacks.",
    ),
    FailurePattern(
        "SILENT_STALLS", _CRITICAL, "Runs stall, and the user receives no event that says why.",
        "3 runs or more", "Look for a call without a timeout between two events: model, tool, lock.",
        _rules("TIMELINESS-1", "TIMELINESS-2", "TIMELINESS-4"),
    ),
    FailurePattern(
        "BURST_DELIVERY", _NORMAL, "Events are held back and arrive together at the end of the run.",
        "2 runs or more",
        "Look for a buffer that is not flushed: a proxy, a generator that is collected into a list, a batch writer.",
        _rules("TIMELINESS-3", "TIMELINESS-6"), 2,
    ),
    FailurePattern(
        "DUPLICATE_DELIVERY", _NORMAL, "Events are delivered more than once.",
        "3 runs or more",
        "Check retries, and the replay after session_restore: does the backend know what it has sent?",
        _rules("CONTINUITY-2", "CONTINUITY-3"),
    ),
    FailurePattern(
        "ERROR_BURST", _CRITICAL, "Failures that no test provoked occur close together.",
        f"{BURST_ERRORS} or more within {BURST_S:g} s",
        "Read the backend's log of that time: one dependency that is down makes every run fail.",
    ),
    FailurePattern(
        "LATENCY_GROWS_WITH_LOAD", _NORMAL, "Event latency grows with the number of concurrent runs.",
        f"with {LOAD_RATIO:g} times as many concurrent runs, the average latency is {DELAY_RATIO:g} times as high, "
        "and above the target's threshold",
        "Look for a resource that all runs share and only one can use at a time: a lock, a pool, one thread.",
    ),
)  # fmt: skip

PATTERNS: dict[str, FailurePattern] = {pattern.id: pattern for pattern in _ALL}


def occurrence(name: str, measured: str, when: tuple[float, float], evidence: tuple[str, ...] = ()) -> Occurrence:
    """An occurrence of the pattern of this name."""
    known = PATTERNS[name]
    return Occurrence(
        known.id, known.severity, known.definition, known.threshold, measured, known.hint, *when, evidence
    )


def as_markdown() -> str:
    """The patterns as a Markdown table."""
    rows = [f"| {p.id} | {p.severity} | {p.definition} | {p.threshold} |" for p in PATTERNS.values()]
    return "\n".join(["| pattern | severity | definition | threshold |", "|---|---|---|---|", *rows])


if __name__ == "__main__":
    print(as_markdown())
