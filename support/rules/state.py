"""What the rules remember: of a run, of a thread, of a connection. Bounded for each open run."""

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import msgspec

from support.events import EventKind
from support.trace import Expect


class Budgets(msgspec.Struct, frozen=True):
    """How long a person may have to wait, in seconds, and how far the server's clock may be off."""

    handshake_s: float = 5.0
    start_s: float = 5.0
    silence_s: float = 5.0
    tool_s: float = 60.0
    run_s: float = 300.0
    grace_s: float = 0.25
    ping_s: float = 2.0
    refusal_s: float = 2.0
    clock_skew_s: float = 300.0


class Stage(StrEnum):
    """Where a run stands in its life."""

    ASKED = "asked"
    OPEN = "open"
    ENDED = "ended"


class Ask:
    """A question that was sent: what binds its answer to it, and what may be expected."""

    __slots__ = ("at", "expect", "n", "request", "run", "thread")

    def __init__(self, n: int, at: float, request: str | None, thread: str | None, expect: Expect | None) -> None:
        self.n = n
        self.at = at
        self.request = request
        self.thread = thread
        self.expect = expect or _NOTHING
        self.run: Run | None = None


class OpenTool:
    """A tool at work: its name and since when (record number, time)."""

    __slots__ = ("at", "call", "n", "name")

    def __init__(self, name: str | None, call: str | None, n: int, at: float) -> None:
        self.name = name
        self.call = call
        self.n = n
        self.at = at


class Run:
    """One answer in the making. Its memory does not grow with the number of events, but for bounded windows."""

    __slots__ = (
        "ask",
        "asked_at",
        "connection",
        "ended_at",
        "ended_by",
        "event_ids",
        "events",
        "expect",
        "failed_tools",
        "first_n",
        "id",
        "kinds",
        "last_at",
        "last_n",
        "last_stamp_s",
        "most_open",
        "parent",
        "person",
        "recent",
        "request",
        "stage",
        "started_at",
        "stop_at",
        "thread",
        "tools",
        "tools_done",
        "user",
    )

    def __init__(self, run_id: str, person: str, connection: str, n: int, at: float, ask: Ask | None) -> None:
        self.id = run_id
        self.person = person
        self.connection = connection
        self.ask = ask
        self.expect = ask.expect if ask else _NOTHING
        self.request = ask.request if ask else None
        self.asked_at = ask.at if ask else at
        self.first_n = ask.n if ask else n
        self.stage = Stage.ASKED
        self.parent: Run | None = None
        self.thread: str | None = None
        self.user: str | None = None
        self.started_at: float | None = None
        self.stop_at: float | None = None
        self.ended_at: float | None = None
        self.ended_by: EventKind | None = None
        self.last_at = at
        self.last_n = n
        self.last_stamp_s = 0.0
        self.events = 0
        self.kinds = 0
        self.tools: list[OpenTool] = []
        self.tools_done = 0
        self.failed_tools = 0
        self.most_open = 0
        self.event_ids: set[str] = set()
        self.recent: deque[float] | None = deque(maxlen=_WINDOW) if self.expect.paced else None


class Ended(NamedTuple):
    """What is still known of a run that has ended: enough to name it when something of it arrives late."""

    person: str
    connection: str
    request: str | None
    thread: str | None
    user: str | None
    first_n: int
    last_n: int
    at: float
    by: EventKind
    event_id: str | None


class Thread:
    """A conversation: who owns it, and how far its numbering has come on each connection."""

    __slots__ = ("missing", "next_seq", "person", "seen")

    def __init__(self, person: str) -> None:
        self.person = person
        self.next_seq: dict[str, int] = {}
        self.missing: dict[int, tuple[str, int]] = {}
        self.seen: set[int] = set()


BIT = {kind: 1 << index for index, kind in enumerate(EventKind)}
Report = Callable[..., None]
_NOTHING = Expect()
_WINDOW = 512
