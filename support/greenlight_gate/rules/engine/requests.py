"""What the rules are given: how long a person may have to wait, what was asked, which tool is at work."""

import math
from typing import TYPE_CHECKING

import msgspec

from greenlight_gate.trace import Expect

if TYPE_CHECKING:
    from greenlight_gate.rules.engine.run_state import RunState


class TimeBudgets(msgspec.Struct, frozen=True):
    """How long a person may have to wait, in seconds, and how far the server's clock may be off.

    `half_open_s`: how long a backend may take a line for alive whose person has gone without a word.
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

    def unhurried(self) -> "TimeBudgets":
        """The same, where nobody minds how long an answer takes."""
        return msgspec.structs.replace(self, start_s=math.inf, silence_s=math.inf, tool_s=math.inf, run_s=math.inf)


class Request(msgspec.Struct, eq=False):
    """A question that was sent: what binds its answer to it, and what may be expected.

    `given_up`: the person no longer waits, but what still comes belongs here. `over`: nothing more is owed. `mixed_up`:
    which run answers it, and which another question, cannot be known. `foreign`: it reaches for what is another's.
    `resumed`: its line was lost, and its conversation was asked for again on another one. `lost`: the backend has ended
    its connection. `excused`: the suite took the backend away, so that its run may end without an answer. `settled`:
    its outcome was told.
    """

    n: int
    at: float
    request: str | None
    thread: str | None
    expect: Expect | None
    run: "RunState | None" = None
    given_up: bool = False
    over: bool = False
    mixed_up: bool = False
    foreign: bool = False
    resumed: bool = False
    lost: bool = False
    excused: bool = False
    settled: bool = False


class OpenTool(msgspec.Struct, eq=False, gc=False):
    """A tool at work: its name and since when (record number, time)."""

    name: str | None
    call: str | None
    n: int
    at: float
