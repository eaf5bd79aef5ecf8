"""What a load is: who takes part, what they ask, and when. Plain data, which other processes can be sent."""

from typing import Any, Literal

import msgspec

from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.trace import Expect

# So many people at once are given more time for the first sign of life (TIMELINESS-1).
_A_CROWD = 1_000
_START_OF_A_CROWD_S = 30.0


class PlannedPrompt(msgspec.Struct, frozen=True):
    """What a person says, and what may be expected of the answer."""

    text: str
    expect: Expect


class PlannedUser(msgspec.Struct, frozen=True):
    """One person who takes part: how they get in, and what they ask.

    `questions` are asked in order; after the last one it goes on with number `again_from`.
    """

    person: str
    user: str | None
    url: str
    questions: tuple[PlannedPrompt, ...]
    again_from: int = 0
    headers: dict[str, str] = {}
    subprotocols: tuple[str, ...] = ()
    first_message: dict[str, Any] | None = None


class LoadPlan(msgspec.Struct, frozen=True, kw_only=True):
    """A whole load. Times in seconds, `rate` in questions a second of all people together.

    closed: each person asks again `think_s` after an answer has ended. open: questions come at a constant `rate`, or,
    with `poisson`, at random moments of this rate, whatever the backend does. It ends after `duration_s`, or when
    each person has asked `runs_each` times. First all connect (over `ramp_s`) and hold (`hold_s`); in the end they
    leave over `ramp_down_s`. `break_off`: every line is cut at the end, whatever is under way. `slow`: so many of the
    guests, the first ones, read nothing of what they are sent. `verifies`: the target's certificate, against `ca_file`
    if given. `own_process`: nothing else lives in the process. `hung_tools`: known to be never heard of again, and
    given no more than any other silence.
    """

    id: str
    profile_toml: str
    guests: tuple[PlannedUser, ...]
    budgets: TimeBudgets
    clock: str = "unknown"
    ca_file: str = ""
    verifies: bool = True
    max_frame_bytes: int = 1_048_576
    arrival: Literal["closed", "open"] = "closed"
    rate: float = 0.0
    poisson: bool = False
    seed: int = 1
    duration_s: float | None = None
    runs_each: int | None = None
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

    @property
    def patience(self) -> TimeBudgets:
        """The budgets, with more time for the start where a crowd asks at the same moment."""
        if len(self.guests) <= _A_CROWD or self.budgets.start_s >= _START_OF_A_CROWD_S:
            return self.budgets
        return msgspec.structs.replace(self.budgets, start_s=_START_OF_A_CROWD_S)


class Share(msgspec.Struct, frozen=True):
    """What one shard does of a plan: every `of`-th guest, beginning with number `shard` (from 0)."""

    plan: LoadPlan
    shard: int
    of: int
    budgets: TimeBudgets

    @property
    def rate(self) -> float:
        """Questions a second."""
        return self.plan.rate / self.of


def shares(plan: LoadPlan, count: int) -> list[Share]:
    """The plan cut into `count` shares, which together are the whole plan and need nothing of each other."""
    return [
        Share(_part(plan, plan.guests[shard::count], shard, count), shard, count, plan.patience)
        for shard in range(count)
    ]


def _part(plan: LoadPlan, guests: tuple[PlannedUser, ...], shard: int, count: int) -> LoadPlan:
    # The slow ones are the first guests, and so the first ones of each share.
    slow = len(range(shard, plan.slow, count))
    return msgspec.structs.replace(plan, guests=guests, slow=slow)
