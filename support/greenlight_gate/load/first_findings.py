"""What the rules found under load: counted all, kept with their frames for the first offenders of each rule only."""

from collections import Counter
from collections.abc import Callable

from greenlight_gate.findings import Finding
from greenlight_gate.measure.load_result import MOST_OFFENCES_OF_A_RULE, Offence


class Offenders:
    """Counts the findings of one shard, and keeps the first of each rule with `trace_of` their connection."""

    def __init__(self, trace_of: Callable[[str], bytes], prefix: str) -> None:
        self.offences: list[Offence] = []
        self.traces: dict[str, bytes] = {}
        self.by_rule: Counter[str] = Counter()
        self._trace_of = trace_of
        self._prefix = prefix
        self._kept: Counter[str] = Counter()

    @property
    def found(self) -> int:
        """How many there were."""
        return self.by_rule.total()

    def take(self, finding: Finding) -> None:
        """Counts a finding, and keeps it where it is one of the first of its rule."""
        self.by_rule[finding.rule] += 1
        if self._kept[finding.rule] >= MOST_OFFENCES_OF_A_RULE:
            return
        self._kept[finding.rule] += 1
        name = f"{self._prefix}-{finding.rule}-{self._kept[finding.rule]}.jsonl"
        self.traces[name] = self._trace_of(finding.connection)
        self.offences.append(Offence(finding, name))
