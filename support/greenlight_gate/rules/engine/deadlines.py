"""The time budgets of a target, and how long a user waits for the next event of a run."""

import math
from collections.abc import Collection, Iterable

import msgspec

# What comes a little too late is still received, and judged as late instead of lost.
MARGIN_S = 1.5
# RFC 7519 section 4.1.4 allows some leeway for the clock, "usually no more than a few minutes"; for a user who is
# connected, two seconds do where the target declares none.
LEEWAY_S = 2.0


class TimeBudgets(msgspec.Struct, frozen=True):
    """How long a user may have to wait, in seconds, and how far the server's clock may be off.

    `half_open_s`: how long a backend may keep a connection open whose user has gone without closing it. `stop_s`: from
    a stop to the end of the run. `tool_end_s`: from the end of a tool to tool_completed.
    `token_leeway_s`: for how long a token is still accepted after its end (RFC 7519 section 4.1.4); None: not declared.
    """

    handshake_s: float = 5.0
    start_s: float = 5.0
    silence_s: float = 5.0
    tool_s: float = 60.0
    run_s: float = 300.0
    grace_s: float = 0.25
    ping_s: float = 2.0
    refusal_s: float = 2.0
    clock_skew_s: float = 300.0
    recover_s: float = 5.0
    half_open_s: float = 60.0
    stop_s: float = 2.0
    tool_end_s: float = 2.0
    token_leeway_s: float | None = None

    @property
    def leeway_s(self) -> float:
        """How long after the end of its token a user may still be connected."""
        return max(LEEWAY_S, self.token_leeway_s or 0.0)

    def unhurried(self) -> "TimeBudgets":
        """The same without any limit on how long a run takes."""
        unlimited = dict.fromkeys(("start_s", "silence_s", "tool_s", "run_s", "stop_s", "tool_end_s"), math.inf)
        return msgspec.structs.replace(self, **unlimited)


class Deadlines:
    """One for all users of a validation session, or of a shard of a load. Times are seconds of any one clock.

    `hung`: tools that once did not complete within their whole budget (`tool_s`). From then on such a tool is given no
    more than any other silence, or a session would spend that budget again in each scenario that uses it.
    """

    __slots__ = ("budgets", "hung")

    def __init__(self, budgets: TimeBudgets, hung: Iterable[str] = ()) -> None:
        self.budgets = budgets
        self.hung = set(hung)

    def start_ends(self, since: float) -> float:
        """Until when a user waits for the first event of a run."""
        return since + self.budgets.start_s + MARGIN_S

    def ends(self, asked_at: float, last_at: float, open_tools: Collection[str]) -> float:
        """Until when a user waits for the next event after the last one, while these tools are open."""
        budgets = self.budgets
        silence_s = budgets.silence_s if self.hung.issuperset(open_tools) else budgets.tool_s
        return min(last_at + silence_s, asked_at + budgets.run_s) + MARGIN_S

    def ended(self, last_at: float, at: float, open_tools: Collection[str]) -> None:
        """Nothing came from `last_at` until `at`: tools that were open for their whole budget are remembered."""
        if at - last_at > self.budgets.tool_s:
            self.hung.update(open_tools)
