"""How often each rule was broken during a session."""

from collections.abc import Sequence

from greenlight_gate.findings import Finding

_MOST_EXAMPLES = 5
_MOST_RUNS = 100_000


class RuleCount:
    """How often one rule was broken: in how many answers, when first and last, and where it can be seen.

    `under_load`: in how many answers of each load.
    """

    __slots__ = ("examples", "first_at", "last_at", "runs", "times", "under_load")

    def __init__(self, at: float) -> None:
        self.times = 0
        self.first_at = self.last_at = at
        self.runs: set[tuple[str, str]] = set()
        self.under_load: dict[str, int] = {}
        self.examples: list[str] = []

    def add(self, scenario: str, finding: Finding, at: float) -> None:
        """One more."""
        self.times += 1
        self.last_at = max(self.last_at, at)
        if len(self.runs) < _MOST_RUNS:
            self.runs.add((scenario, finding.run or f"{finding.connection} {finding.evidence[:1]}"))
        self.show(scenario, (finding,))

    def count(self, load: str, times: int, at: float) -> None:
        """So many answers more of a load."""
        self.times += times
        self.last_at = max(self.last_at, at)
        self.under_load[load] = self.under_load.get(load, 0) + times

    def show(self, scenario: str, findings: Sequence[Finding], otherwise: str = "") -> None:
        """Where it can be seen, as far as there is room; `otherwise`: what is said where there is no finding."""
        records = [(finding, ", ".join(map(str, finding.evidence))) for finding in findings]
        said = [f"'{scenario}', {each.user}, records {at}: {each.rule}, {each.actual}" for each, at in records]
        self.examples = [*self.examples, *(said or [otherwise])][:_MOST_EXAMPLES]
