"""The criteria that only a load session has. A load never approves a release."""

from collections import Counter
from typing import Literal

import msgspec

from greenlight_gate.findings import numbered
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.measure.thresholds import LEAST_SUCCESS
from greenlight_gate.rules.isolation import is_leak
from greenlight_gate.verdict.criteria import Criterion, LoadOfScenario, Status


class Workload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The load that `greenlight load` was asked for. Times in seconds, `rate` in requests per second.

    It ends after `duration_s`, or when each user has made `runs_per_user` requests; None: not limited by this. `stages`
    are (seconds, level at their end), where the level is users who ask, or the rate of an open load. `weights`: how
    often each of the `prompts` is asked for; () where they are asked in their order. `judges_latency`: a latency
    threshold was given; otherwise latency is shown and decides nothing.
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
    stages: tuple[tuple[float, float], ...] = ()
    weights: tuple[int, ...] = ()

    def __str__(self) -> str:
        users = numbered(self.users, "user")
        parts = [f"{users} at {self.rate:g} requests a second" if self.arrival == "open" else users]
        if self.stages:
            what = "requests a second" if self.arrival == "open" else "users who ask"
            levels = ", ".join(f"{seconds:g} s to {level:g}" for seconds, level in self.stages)
            parts = [f"{users} in stages of {what} ({levels})"]
        if self.runs_per_user is not None:
            parts.append(f"{numbered(self.runs_per_user, 'request')} each")
        if self.duration_s is not None:
            parts.append(f"{self.duration_s:g} s")
        return ", ".join(parts)


def rules(loads: tuple[LoadOfScenario, ...]) -> Criterion:
    """RULES: no findings, except single losses, which SUCCESS judges, and what the generator delayed itself."""
    events = sum(load.summary.events for load in loads)
    guilty = convicting(loads)
    said = [f"{rule} ({times})" for rule, times in sorted(guilty.items())]
    excuses = [text for load in loads if (text := excused(load.summary))]
    if not events:
        said, status = ["no event was received"], Status.INCONCLUSIVE
    elif guilty:
        status = Status.FAILED
    else:
        said, status = ["no findings" if not excuses else "no other findings"], Status.PASSED
    requirement = "Every event of every run was checked, without findings."
    return Criterion("RULES", requirement, "0 findings", "; ".join([*excuses, *said]), events, status)


def convicting(loads: tuple[LoadOfScenario, ...]) -> Counter[str]:
    """The number of findings of each rule that has findings beyond the allowance."""
    guilty: Counter[str] = Counter()
    for load in loads:
        # Sorted, so that the reason is the same in every process.
        for rule in sorted({offence.finding.rule for offence in load.summary.convicting()}):
            guilty[rule] += load.summary.counts[rule]
    return guilty


def excused(summary: LoadResult) -> str:
    """The findings that do not block, and why; "" if there are none."""
    guilty = {offence.finding.rule for offence in summary.convicting()}
    others = {rule: times for rule, times in summary.counts.items() if rule not in guilty}
    late = sum(summary.late.values())
    lost = sum(others.values()) - late
    parts = []
    if lost:
        parts.append(f"runs or connections lost: {lost:,}, within the {100 - LEAST_SUCCESS:g} % allowed")
    if late:
        cause = f"which the load generator may have caused itself, {summary.saturated}"
        parts.append(f"late: {late:,}, {cause if summary.saturated else f'but {summary.hindered}'}")
    return "; ".join(parts)


def isolation(loads: tuple[LoadOfScenario, ...]) -> Criterion | None:
    """ISOLATION under load: no user received another user's canary. None if no user had a canary.

    The positive control: users receive their own canary. Without it, nothing shows that a leak would be detected.
    """
    users = sum(load.summary.canaries_expected for load in loads)
    if not users:
        return None
    seen = sum(load.summary.canaries_seen for load in loads)
    leaks: Counter[str] = Counter()
    for load in loads:
        leaks.update({rule: times for rule, times in load.summary.counts.items() if is_leak(rule)})
    found = ", ".join(f"{rule} ({times})" for rule, times in sorted(leaks.items())) or "0"
    status = Status.INCONCLUSIVE if seen < users else Status.PASSED
    requirement = "No user receives data of another user, and each received their own."
    measured = f"{found}; {seen:,} of {users:,} users received their own canary"
    return Criterion("ISOLATION", requirement, "0", measured, users, Status.FAILED if leaks else status)


def failed_runs(loads: tuple[LoadOfScenario, ...], most: float) -> Criterion:
    """FAILURES: requests that no completed answer ended, at most so many percent of each load."""
    asked = [load.summary for load in loads if load.summary.asked] or [LoadResult()]
    judged = [_failures(summary, most) for summary in asked]
    status = next((each for each in (Status.FAILED, Status.INCONCLUSIVE) if each in dict(judged)), Status.PASSED)
    requests, measured = sum(summary.asked for summary in asked), "; ".join(said for _, said in judged)
    return Criterion("FAILURES", "Requests are answered to the end.", f"<= {most:g} %", measured, requests, status)


def _failures(summary: LoadResult, most: float) -> tuple[Status, str]:
    """Whether few enough requests of a load failed, and what was measured.

    A generator or machine that was too busy to read in time may be why some have no end. What failed or was refused
    needs no clock, unless the model behind it was the suite's own: that was as busy, and the backend may have waited
    for it in vain.
    """
    failed, refused = summary.failed_runs, summary.refused_requests
    unanswered = max(summary.asked - summary.runs - refused, 0)
    lost = failed + refused + unanswered
    percent = 100.0 * lost / summary.asked if summary.asked else 0.0
    measured = f"{percent:.2f} % of {numbered(summary.asked, 'request')}"
    if lost:
        measured += f": {failed:,} failed, {refused:,} refused, {unanswered:,} without an end"
    if not summary.asked:
        return Status.INCONCLUSIVE, measured
    if percent <= most:
        return Status.PASSED, measured
    certain = 0 if summary.serves_model else failed + refused
    if not summary.hindered or 100.0 * certain / summary.asked > most:
        return Status.FAILED, measured
    return Status.INCONCLUSIVE, f"{measured}; {summary.hindered}"
