"""Waivers: findings that an owner answers for until a date. They are shown, and do not block until then."""

import difflib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import date
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from greenlight_gate.findings import Finding, numbered
from greenlight_gate.verdict.criteria import Criterion, Status

_Text = Annotated[str, Meta(min_length=1, pattern=r"\S", description="a text that is not empty")]
_Date = Annotated[date, Meta(description="the last day on which it holds, such as 2027-01-31")]

# What else a finding of these rules fails: the figures that count what it says.
_COUNTED_BY: Final = {
    "COMPLETENESS": ("LIFECYCLE-", "PAIRING-", "CONTINUITY-", "TIMELINESS-"),
    "SUCCESS": ("LIFECYCLE-", "PAIRING-", "CONTENT-", "CONTINUITY-", "TIMELINESS-", "CONNECTION-1"),
    "RULES": ("",),
}


class Waiver(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[waiver]]: findings of `rule` do not block until the end of the day `until` (UTC). `scenario`: "" for any."""

    rule: _Text
    scenario: str = ""
    because: _Text
    owner: _Text
    until: _Date

    def covers(self, rule: str, scenario: str) -> bool:
        """Whether it is about this rule in this scenario, on whatever day."""
        return self.rule == rule and self.scenario in ("", scenario)

    def __str__(self) -> str:
        """What is waived, until when, and who answers for it."""
        where = f" in '{self.scenario}'" if self.scenario else ""
        return _in_one_line(f"{self.rule}{where} until {self.until} ({self.owner}: {self.because})")


class AcceptedGap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A gap that is accepted until the end of a day (UTC): why, and who answers for it."""

    because: _Text
    owner: _Text
    until: _Date

    def __str__(self) -> str:
        """The reason, with who answers for it until when."""
        return _in_one_line(f"{self.because}; {self.owner}, until {self.until}")


def _in_one_line(text: str) -> str:
    """Reasons of several lines would tear the first line of a decision."""
    return " ".join(text.split())


class WaiverState(StrEnum):
    """What became of a waiver. Expired: what it covers blocks. Stale: it covers nothing that was seen to be broken.

    Not run: its scenario was not exercised, or only a part was, so that nobody knows.
    """

    APPLIED = "applied"
    EXPIRED = "expired"
    STALE = "stale"
    NOT_RUN = "not_run"


class JudgedWaiver(msgspec.Struct, frozen=True):
    """A waiver, what became of it, and how many findings it covers. `hint`: the scenario that was probably meant."""

    waiver: Waiver
    state: WaiverState
    findings: int
    hint: str = ""


def in_force(waivers: Iterable[Waiver], today: date, rule: str, scenario: str) -> Waiver | None:
    """The waiver that covers a rule in a scenario on a day; None if it blocks."""
    return next((each for each in waivers if each.covers(rule, scenario) and today <= each.until), None)


def judged(
    waivers: Sequence[Waiver], today: date, broken: Iterable[tuple[str, str]], exercised: Collection[str],
    known: Collection[str], *, whole: bool,
) -> tuple[JudgedWaiver, ...]:  # fmt: skip
    """What became of each waiver.

    `broken` are pairs of rule and scenario, one for each finding; `exercised` and `known` names of scenarios; `whole`:
    nothing was left out of the session.
    """
    counted = Counter(broken)
    found = []
    for waiver in waivers:
        times = sum(count for (rule, scenario), count in counted.items() if waiver.covers(rule, scenario))
        hint = ""
        if times:
            state = WaiverState.APPLIED if today <= waiver.until else WaiverState.EXPIRED
        elif waiver.scenario in exercised or (whole and (not waiver.scenario or waiver.scenario not in known)):
            state = WaiverState.STALE
            if waiver.scenario and waiver.scenario not in known:
                hint = next(iter(difflib.get_close_matches(waiver.scenario, known, n=1)), "")
        else:
            state = WaiverState.NOT_RUN
        found.append(JudgedWaiver(waiver, state, times, hint))
    return tuple(found)


def waivers_criterion(waivers: Sequence[JudgedWaiver], *, strict: bool) -> Criterion:
    """WAIVERS: none that covers findings has expired, and, where that is asked for, none is stale."""
    count = Counter(each.state for each in waivers)
    parts = [f"{count[state]} {state.replace('_', ' ')}" for state in WaiverState if count[state]]
    parts += [f"{each.state}: {each.waiver}" for each in waivers if each.state is WaiverState.EXPIRED]
    for each in waivers:
        if each.state is WaiverState.STALE:
            meant = f"; there is no such scenario, the nearest is '{each.hint}'" if each.hint else ""
            parts.append(f"covers nothing any longer: {each.waiver}{meant}")
    failed = count[WaiverState.EXPIRED] or (strict and count[WaiverState.STALE])
    requirement = "Every waiver is in date, and covers something that is still there."
    threshold = "none expired, none stale" if strict else "none expired"
    status = Status.FAILED if failed else Status.PASSED
    return Criterion("WAIVERS", requirement, threshold, "; ".join(parts), len(waivers), status)


def waive(criterion: Criterion, waived: Sequence[Finding], findings: Sequence[Finding]) -> Criterion:
    """A criterion that only waived findings fail: it does not block. `findings`: those that are not waived."""
    rules = _COUNTED_BY.get(criterion.id)
    if criterion.status is not Status.FAILED or rules is None:
        return criterion
    if not any(each.rule.startswith(rules) for each in waived) or any(each.rule.startswith(rules) for each in findings):
        return criterion
    return msgspec.structs.replace(
        criterion, measured=f"{criterion.measured}; what is missing is waived", status=Status.WAIVED
    )


def in_words(waivers: Sequence[JudgedWaiver]) -> str:
    """How many findings are waived, by whom and until when, and which waivers are of no use; "" without any."""
    applied = [each for each in waivers if each.state is WaiverState.APPLIED]
    said = ""
    if applied:
        times = sum(each.findings for each in applied)
        said = f"{numbered(times, 'finding')} waived: {'; '.join(str(each.waiver) for each in applied)}. "
    for state, words in ((WaiverState.EXPIRED, "expired"), (WaiverState.STALE, "stale")):
        those = [str(each.waiver) for each in waivers if each.state is state]
        if those:
            said += f"{numbered(len(those), 'waiver')} {words}: {'; '.join(those)}. "
    return said
