"""What the suite has missed while it stood still itself, and what others have delayed on its machine.

It stands still when it is frozen, for instance, with its process or its machine.
"""

from collections import Counter

from greenlight_gate.rules.engine.run_state import Request, RunState
from greenlight_gate.rules.registry import CAUSED_BY_ABSENCE

# A suite that is away so long may have caused what comes then: backends give up users who answer no ping.
LONG_S = 2.0
AGAIN = "run again when it is idle"


class Stalls:
    """Of one trace, or of a shard of a load: how long the suite stood still, and what was not judged because of it.

    `total_s` and `longest_s` are seconds; `crowded` says why others left the machine too little CPU time, "" if they
    did not. `unjudged` counts the findings that the suite or its machine may have caused, by rule.
    """

    __slots__ = ("crowded", "longest_s", "total_s", "unjudged")

    def __init__(self) -> None:
        self.total_s = self.longest_s = 0.0
        self.crowded = ""
        self.unjudged: Counter[str] = Counter()

    def add(self, for_s: float) -> None:
        """The suite has stood still for so long."""
        self.total_s += for_s
        self.longest_s = max(self.longest_s, for_s)

    @property
    def is_long(self) -> bool:
        """Whether a backend may have given up its users meanwhile."""
        return self.longest_s >= LONG_S

    def may_have_caused(self, rule: str, *, late: bool) -> bool:
        """Whether a rule that is broken now says nothing about the backend; then it is counted here.

        `late`: nothing is wrong but that something was late, or did not come in time.
        """
        if not (self.is_long and rule.startswith(CAUSED_BY_ABSENCE)) and not (self.crowded and late):
            return False
        self.unjudged[rule] += 1
        return True

    def __str__(self) -> str:
        """What was not judged, in words; "" where all was."""
        if not self.unjudged:
            return ""
        rules = ", ".join(f"{rule} ({times})" for rule, times in sorted(self.unjudged.items()))
        if not self.is_long:
            return f"{busy(self.crowded)}, so that {rules} cannot be judged; {AGAIN}"
        return f"the suite itself stood still for {self.longest_s:.1f} s, so that {rules} cannot be judged"


def busy(why: str) -> str:
    """That the suite's machine was busy, and why."""
    return f"this machine was busy: {why}"


def without(moment: float, at: float, for_s: float) -> float:
    """A moment of the time before `at`, moved as if the `for_s` seconds until then had not passed."""
    return max(moment, min(moment + for_s, at))


def skip_in_request(ask: Request, at: float, for_s: float, *, long: bool) -> None:
    """The suite stood still while this request was open: what the time says of it is not measured."""
    ask.at = without(ask.at, at, for_s)
    ask.untimed = ask.untimed or ask.run is None or ask.run.started_at is None
    ask.unwatched = ask.unwatched or long


def skip_in_run(run: RunState, at: float, for_s: float) -> None:
    """The suite stood still while this run was open: no silence, no budget and no pace is judged across it."""
    run.recent = None
    run.asked_at = without(run.asked_at, at, for_s)
    run.last_at = without(run.last_at, at, for_s)
    if run.started_at is not None:
        run.started_at = without(run.started_at, at, for_s)
    if run.stop_at is not None:
        run.stop_at = without(run.stop_at, at, for_s)
    if run.waits_since is not None:
        run.waits_since = without(run.waits_since, at, for_s)
    for tool in run.tools:
        tool.at = without(tool.at, at, for_s)
