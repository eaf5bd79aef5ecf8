"""Findings of a load: all are counted, and the first of each rule are kept with the trace of their connection.

Those that say only that something was late are kept apart: what excuses them must not hide what is wrong otherwise.
"""

from collections import Counter
from collections.abc import Callable

from greenlight_gate.findings import Finding
from greenlight_gate.measure.load_result import MOST_OFFENCES_OF_A_RULE, Offence


class Offenders:
    """Counts the findings of one shard and keeps the first of each rule. `prefix` begins the names of their traces."""

    def __init__(self, prefix: str) -> None:
        self.offences: list[Offence] = []
        self.traces: dict[str, bytes] = {}
        self.by_rule: Counter[str] = Counter()
        self._prefix = prefix
        self._kept: Counter[tuple[str, bool]] = Counter()
        self._traces_of: Counter[str] = Counter()

    @property
    def found(self) -> int:
        """How many findings there were."""
        return self.by_rule.total()

    def take(self, finding: Finding, trace: Callable[[], bytes]) -> None:
        """Counts a finding; keeps it with the `trace` of its connection if it is one of the first of its kind."""
        self.by_rule[finding.rule] += 1
        if self._kept[finding.rule, finding.late] >= MOST_OFFENCES_OF_A_RULE:
            return
        self._kept[finding.rule, finding.late] += 1
        self._traces_of[finding.rule] += 1
        name = f"{self._prefix}-{finding.rule}-{self._traces_of[finding.rule]}.jsonl"
        self.traces[name] = trace()
        self.offences.append(Offence(finding, name))
