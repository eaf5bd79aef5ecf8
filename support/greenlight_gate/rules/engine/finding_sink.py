"""Where broken rules are counted, and kept as findings as far as they help."""

from collections.abc import Callable, Mapping
from typing import Protocol

from greenlight_gate.findings import Finding, Severity, printable
from greenlight_gate.rules.engine.canary import named
from greenlight_gate.rules.engine.run_state import RunState, UserTabs
from greenlight_gate.rules.engine.suite_stalls import Stalls
from greenlight_gate.rules.registry import RULES, Rule

MOST_FINDINGS = 10_000


class Report(Protocol):
    """How a rule family reports that a rule was broken."""

    def __call__(
        self, rule: str, expected: str, actual: str, *evidence: int, run: RunState | None = None, about: str = "",
        late: bool = False,
    ) -> None:  # fmt: skip
        """Counts it. The first of each rule, run and `about` becomes a finding.

        `rule`: an id of the family. `evidence`: the numbers of the records that prove it. `run`: the run in which the
        rule was broken. `about`: whom or what it concerns, where several have to be distinguished in one run. `late`:
        nothing is wrong but that something was late, or did not come in time.
        """


class FindingSink:
    """The broken rules of one connection.

    The first of each rule, run and `about` becomes a finding, 10,000 at most, for which `found` is called; `counts`
    says how often each rule was broken. After the suite itself has cut a connection of the user, each finding says
    where. `rules`: those that are judged; any other one is neither counted nor reported. `stalls`: what the suite may
    have caused itself while it was away for long, or its machine while that was busy, is counted there instead.
    """

    def __init__(
        self, user: str, connection: str, found: Callable[[Finding], None], tabs: UserTabs,
        rules: Mapping[str, Rule] = RULES, *, stalls: Stalls,
    ) -> None:  # fmt: skip
        self.user = user
        self.connection = connection
        self.found = found
        self.tabs = tabs
        self._stalls = stalls
        self.counts: dict[str, int] = {}
        self._rules = rules
        # By rule, run and `about`: whether the finding says only that something was late.
        self._reported: dict[tuple[str, str, str], bool] = {}

    def report(
        self, rule: str, expected: str, actual: str, *evidence: int, run: RunState | None = None, about: str = "",
        late: bool = False,
    ) -> None:  # fmt: skip
        """Counts a broken rule; the first of each rule, run and `about` becomes a finding."""
        known = self._rules.get(rule)
        if known is None or self._stalls.may_have_caused(rule, late=late):
            return
        self.counts[rule] = self.counts.get(rule, 0) + 1
        key = (rule, run.id if run is not None else "", about)
        # What was late is withdrawn where the machine proves to have been busy; it must not hide what is wrong then.
        was_late = self._reported.get(key)
        if was_late is False or (was_late and not self._stalls.crowded) or len(self._reported) >= MOST_FINDINGS:
            return
        self._reported[key] = late
        if self.tabs.cut:
            actual = f"{actual}; cut by the suite: {self.tabs.cut}"
        self.found(
            Finding(
                rule, known.severity, known.requirement, _shown(expected), _shown(actual), self.user,
                self.connection, run.id if run is not None else None, tuple(sorted(set(evidence))), late,
            )
        )  # fmt: skip


def _shown(text: str) -> str:
    return printable(named(text))


def demanded(rule: str, expected: str, actual: str, record: int | None) -> Finding:
    """What a step has demanded in vain in the name of a rule, or of a criterion, as a finding says it.

    `record`: the last one of the trace by then.
    """
    known = RULES.get(rule)
    severity, requirement = (known.severity, known.requirement) if known is not None else (Severity.NORMAL, "")
    return Finding(rule, severity, requirement, expected, actual, evidence=() if record is None else (record,))
