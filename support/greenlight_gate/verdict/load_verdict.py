"""What is judged of a load session, beside what every session is judged on. A load never approves a release."""

from typing import Literal

import msgspec

from greenlight_gate.measure.load_result import LATE, LoadResult
from greenlight_gate.measure.thresholds import LEAST_SUCCESS
from greenlight_gate.verdict.criteria import Criterion, Loaded, Status


class Workload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `greenlight load` was asked to do. Times in seconds, `rate` in requests a second of all users together.

    It ends after `duration_s`, or when each user has made `runs_per_user` requests; None: not limited by this.
    `judges_latency`: a latency threshold was given; otherwise latency is shown and decides nothing.
    """

    users: int
    arrival: Literal["closed", "open"]
    rate: float
    poisson: bool
    duration_s: float | None
    runs_per_user: int | None
    think_s: float
    ramp_s: float
    hold_s: float
    ramp_down_s: float
    prompts: tuple[str, ...]
    judges_latency: bool

    def __str__(self) -> str:
        users = "1 user" if self.users == 1 else f"{self.users:,} users"
        parts = [f"{users} at {self.rate:g} requests a second" if self.arrival == "open" else users]
        if self.runs_per_user is not None:
            each = "request" if self.runs_per_user == 1 else "requests"
            parts.append(f"{self.runs_per_user} {each} each")
        if self.duration_s is not None:
            parts.append(f"{self.duration_s:g} s")
        return ", ".join(parts)


def rules(loads: tuple[Loaded, ...]) -> Criterion:
    """RULES: no rule objected, but for single losses, which SUCCESS judges, and for what the generator delayed."""
    events = sum(load.summary.events for load in loads)
    guilty = {offence.finding.rule for load in loads for offence in load.summary.convicting()}
    said = [f"{rule} ({sum(load.summary.counts[rule] for load in loads)})" for rule in sorted(guilty)]
    excuses = [text for load in loads if (text := excused(load.summary))]
    if not events:
        said, status = ["no event was checked"], Status.INCONCLUSIVE
    elif guilty:
        status = Status.FAILED
    else:
        said, status = ["no rule objected" if not excuses else "no rule objected to more than that"], Status.PASSED
    requirement = "Every event of every run was checked, and no rule objected."
    return Criterion("RULES", requirement, "0 findings", "; ".join([*excuses, *said]), events, status)


def excused(summary: LoadResult) -> str:
    """Which findings convict nobody, and why; "" where there are none."""
    guilty = {offence.finding.rule for offence in summary.convicting()}
    others = {rule: times for rule, times in summary.counts.items() if rule not in guilty}
    late = sum(times for rule, times in others.items() if summary.saturated and rule in LATE)
    lost = sum(others.values()) - late
    parts = []
    if lost:
        parts.append(f"runs or connections lost: {lost:,}, within the {100 - LEAST_SUCCESS:g} % allowed")
    if late:
        parts.append(f"late: {late:,}, which the generator may have caused itself, {summary.saturated}")
    return "; ".join(parts)


def isolation(loads: tuple[Loaded, ...]) -> Criterion | None:
    """ISOLATION under load: nobody received a canary of somebody else. None where nobody was told a canary.

    The positive control is that users receive their own: where they do not, nothing shows that leaks would be seen.
    """
    users = sum(load.summary.canaries_expected for load in loads)
    if not users:
        return None
    seen = sum(load.summary.canaries_seen for load in loads)
    leaks = {rule: load.summary.counts[rule] for load in loads for rule in load.summary.counts if _is_leak(rule)}
    found = ", ".join(f"{rule} ({times})" for rule, times in sorted(leaks.items())) or "0"
    status = Status.INCONCLUSIVE if seen < users else Status.PASSED
    requirement = "No user receives anything of another user, and each was seen to receive their own."
    measured = f"{found}; {seen:,} of {users:,} users received their own canary"
    return Criterion("ISOLATION", requirement, "0", measured, users, Status.FAILED if leaks else status)


def _is_leak(rule: str) -> bool:
    return rule.startswith("ISOLATION")
