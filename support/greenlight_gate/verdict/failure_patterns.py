"""The failure patterns: what each is, from when it counts, how bad it is, and where to look.

The table in `rules/README.md` is generated from here (`python -m greenlight_gate.verdict.failure_patterns`).
"""

from typing import NamedTuple

import msgspec

from greenlight_gate.findings import Severity


class FailurePattern(NamedTuple):
    """A definition. `rules` are those whose findings show it, in at least `least` different answers."""

    id: str
    severity: Severity
    definition: str
    threshold: str
    hint: str
    rules: frozenset[str] = frozenset()
    least: int = 3


class Occurrence(msgspec.Struct, frozen=True):
    """A pattern that was seen: what was measured, from when to when (seconds since the epoch), and where to see it."""

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
        SLOW, _CRITICAL, "Events keep coming late, not for a moment but for a while.",
        f"average above the target's threshold for {SUSTAINED_S:g} s on end, {SUSTAINED_SAMPLES} events or more",
        "Look at what the backend waits for in that time: event loop, database, model, a log that blocks.",
    ),
    FailurePattern(
        "MISSING_EVENT_SEQUENCES", _CRITICAL, "Steps of an answer are missing again and again.",
        "3 answers or more", "Look at where the agent's steps become frames: which of them has no way to the socket?",
        _rules("LIFECYCLE-2", "LIFECYCLE-4", "LIFECYCLE-5", "PAIRING-2", "CONTINUITY-1"),
    ),
    FailurePattern(
        "ORDER_DISORDER", _NORMAL, "Events come in an order that cannot be.",
        "3 answers or more", "Look for two tasks or workers that write to one connection without a queue between them.",
        _rules("LIFECYCLE-3", "PAIRING-1", "CONTENT-3"),
    ),
    FailurePattern(
        "USER_ISOLATION_VIOLATION", _CRITICAL, "Somebody is shown, or gets at, what belongs to somebody else.",
        "1 is enough", "Look at how a connection is found for an event: by user and run, or by whoever came last?",
        _rules("ISOLATION-1", "ISOLATION-2", "IDENTITY-2", "REFUSAL-2"), 1,
    ),
    FailurePattern(
        "CONNECTION_INSTABILITY", _CRITICAL, "Lines break, or people are turned away, without a reason.",
        f"{UNSTABLE_LEAST} lines or more, and more than {UNSTABLE_PERCENT:g} % of those that were tried",
        "Look at restarts, at limits of descriptors and memory, and at the idle timeout of proxies in between.",
    ),
    FailurePattern(
        "MEMORY_LEAK", _CRITICAL, "The backend's memory grows and does not come back.",
        "growth above what the target allows, or a slope that is above zero for sure",
        "Look at what is kept for each run or connection and never taken out: registries, queues, callbacks.",
    ),
    FailurePattern(
        "SILENT_STALLS", _CRITICAL, "Answers stand still, and nothing tells the person why.",
        "3 answers or more", "Look for a call without a timeout between two events: model, tool, lock.",
        _rules("TIMELINESS-1", "TIMELINESS-2", "TIMELINESS-4"),
    ),
    FailurePattern(
        "BURST_DELIVERY", _NORMAL, "Events are held back and come all at once at the end.",
        "2 answers or more",
        "Look for a buffer without a flush: a proxy, a generator that is collected, a batch writer.",
        _rules("TIMELINESS-3"), 2,
    ),
    FailurePattern(
        "DUPLICATE_DELIVERY", _NORMAL, "Events come more than once.",
        "3 answers or more", "Look at retries and at what is replayed after a restore: is it known what was sent?",
        _rules("CONTINUITY-2", "CONTINUITY-3"),
    ),
    FailurePattern(
        "ERROR_BURST", _CRITICAL, "Failures that nobody provoked come close together.",
        f"{BURST_ERRORS} or more within {BURST_S:g} s",
        "Look at the backend's log at that time: one dependency that is down fails every answer.",
    ),
    FailurePattern(
        "LATENCY_GROWS_WITH_LOAD", _NORMAL, "The more answers are under way, the later events come.",
        f"with {LOAD_RATIO:g} times as many answers at once the average is {DELAY_RATIO:g} times as long, and above "
        "the target's threshold",
        "Look for what all answers share and only one can have at a time: a lock, a pool, one thread.",
    ),
)  # fmt: skip

PATTERNS: dict[str, FailurePattern] = {pattern.id: pattern for pattern in _ALL}


def occurrence(name: str, measured: str, when: tuple[float, float], evidence: tuple[str, ...] = ()) -> Occurrence:
    """The pattern of this name, as it was seen."""
    known = PATTERNS[name]
    return Occurrence(
        known.id, known.severity, known.definition, known.threshold, measured, known.hint, *when, evidence
    )


def as_markdown() -> str:
    """The patterns as a Markdown table."""
    rows = [f"| {p.id} | {p.severity} | {p.definition} | {p.threshold} |" for p in PATTERNS.values()]
    return "\n".join(["| pattern | severity | what it is | from when it counts |", "|---|---|---|---|", *rows])


if __name__ == "__main__":
    print(as_markdown())
