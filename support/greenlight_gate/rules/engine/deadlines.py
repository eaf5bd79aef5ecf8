"""How long a person waits for the next event of an answer: alone in a scenario, or among thousands under load."""

from collections.abc import Collection, Iterable

from greenlight_gate.rules.engine.run_state import TimeBudgets

# What comes a little too late is still seen, and judged as late instead of lost.
MARGIN_S = 1.5


class Deadlines:
    """One for all people of a validation session, or of a shard of a load. Times are seconds of any one clock.

    `hung`: tools that were once waited for in vain for their whole budget (`tool_s`). From then on such a tool is
    given no more than any other silence, or a session would spend that budget again in each scenario that uses it.
    """

    __slots__ = ("budgets", "hung")

    def __init__(self, budgets: TimeBudgets, hung: Iterable[str] = ()) -> None:
        self.budgets = budgets
        self.hung = set(hung)

    def start_ends(self, since: float) -> float:
        """When nobody would wait any longer for the first event of an answer."""
        return since + self.budgets.start_s + MARGIN_S

    def ends(self, asked_at: float, last_at: float, open_tools: Collection[str]) -> float:
        """The same for the next event after the last one, while these tools are at work."""
        budgets = self.budgets
        silence_s = budgets.silence_s if self.hung.issuperset(open_tools) else budgets.tool_s
        return min(last_at + silence_s, asked_at + budgets.run_s) + MARGIN_S

    def ended(self, last_at: float, at: float, open_tools: Collection[str]) -> None:
        """Nothing came from `last_at` until `at`: tools that were at work for their whole budget are remembered."""
        if at - last_at > self.budgets.tool_s:
            self.hung.update(open_tools)
