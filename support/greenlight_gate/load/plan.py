"""The plan of a load: its users, what they ask, and when. Plain data that can be sent to other processes."""

from typing import Any, Literal

import msgspec

from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.targets.access import Token
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import HttpVersion, Persona, Tls
from greenlight_gate.trace import Expect

# From so many users on, more time is allowed for the first event (TIMELINESS-1) and the ends of tools (TIMELINESS-6).
_MANY_USERS = 1_000
_START_OF_MANY_S = 30.0


class PlannedPrompt(msgspec.Struct, frozen=True):
    """The text of a request, and what is expected of its run."""

    text: str
    expect: Expect


class PlannedUser(msgspec.Struct, frozen=True):
    """One virtual user: how it connects, and what it asks.

    `questions` are asked in order; after the last one it continues with number `again_from`. `persona` and `token` are
    given where the profile asks for more than a url and headers: each connection is then set up as in a scenario.
    """

    user: str
    user_id: str | None
    url: str
    questions: tuple[PlannedPrompt, ...]
    again_from: int = 0
    headers: dict[str, str] = {}
    subprotocols: tuple[str, ...] = ()
    first_message: dict[str, Any] | None = None
    persona: Persona | None = None
    token: Token | None = None


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole load. Times in seconds, `rate` in requests a second of all users together.

    closed: each user asks again `think_s` after an answer has ended. open: requests are due at a constant `rate`, or,
    with `poisson`, at random moments of this rate, whatever the backend does. It ends after `duration_s`, when each
    user has asked `runs_each` times, or with the last of the `stages` (see `Stages`), which say how many users ask, or
    the rate of an open load. First all connect (over `ramp_s`) and wait (`hold_s`); in the end they leave over
    `ramp_down_s`. `break_off`: every connection is cut at the end, whatever is under way. `slow`: this many users, the
    first ones, read nothing. `own_process`: the process runs nothing else. `hung_tools`: tools that are known to hang;
    the silence budget applies to them in place of the tool budget. `target`: for users whose connections are set up as
    in a scenario.
    """

    id: str
    profile_toml: str
    users: tuple[PlannedUser, ...]
    budgets: TimeBudgets
    clock: str = "unknown"
    tls: Tls = Tls()
    http_version: HttpVersion = ""
    max_frame_bytes: int = 1_048_576
    arrival: Literal["closed", "open"] = "closed"
    rate: float = 0.0
    poisson: bool = False
    seed: int = 1
    duration_s: float | None = None
    runs_each: int | None = None
    stages: tuple[tuple[float, float], ...] = ()
    think_s: float = 0.0
    ramp_s: float = 0.0
    hold_s: float = 0.0
    ramp_down_s: float = 0.0
    compress: bool = False
    break_off: bool = False
    slow: int = 0
    sources: tuple[str, ...] = ()
    own_process: bool = False
    hung_tools: tuple[str, ...] = ()
    target: Target | None = None

    @property
    def patience(self) -> TimeBudgets:
        """The budgets, with more time for the first event and the ends of tools where many users ask at once."""
        if len(self.users) <= _MANY_USERS or self.budgets.start_s >= _START_OF_MANY_S:
            return self.budgets
        return msgspec.structs.replace(self.budgets, start_s=_START_OF_MANY_S, tool_end_s=_START_OF_MANY_S)


class Share(msgspec.Struct, frozen=True):
    """One shard's part of a plan: every `of`-th user, beginning with number `shard` (from 0)."""

    plan: LoadPlan
    shard: int
    of: int
    budgets: TimeBudgets

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.plan.rate / self.of


def shares(plan: LoadPlan, count: int) -> list[Share]:
    """The plan divided into `count` shares, which do not depend on each other."""
    return [
        Share(_part(plan, plan.users[shard::count], shard, count), shard, count, plan.patience)
        for shard in range(count)
    ]


def _part(plan: LoadPlan, users: tuple[PlannedUser, ...], shard: int, count: int) -> LoadPlan:
    # The slow users are the first ones of the plan, and so the first ones of each share.
    slow = len(range(shard, plan.slow, count))
    return msgspec.structs.replace(plan, users=users, slow=slow)
