"""What the rules remember: of a question, a run, a thread, a person. Bounded for each open run."""

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from greenlight_gate.events import Event, EventKind
from greenlight_gate.rules.engine.expected import NO_EVENTS, Events
from greenlight_gate.rules.engine.requests import OpenTool, Request, TimeBudgets
from greenlight_gate.trace import Expect

if TYPE_CHECKING:
    from greenlight_gate.rules.engine.open_requests import OpenRequests

__all__ = [
    "MOST_LEFT",
    "NOTHING_EXPECTED",
    "OpenTool",
    "Report",
    "Request",
    "RunState",
    "Stage",
    "Thread",
    "ThreadOrder",
    "TimeBudgets",
    "UserTabs",
    "window",
]  # fmt: skip


class Stage(StrEnum):
    """Where a run stands in its life."""

    ASKED = "asked"
    OPEN = "open"
    ENDED = "ended"


NOTHING_EXPECTED = Expect()
_WINDOW = 512
_SHOWN_BY_HELPERS = frozenset({EventKind.THINKING, EventKind.TOOL_EXECUTING, EventKind.TOOL_COMPLETED})
# Questions that were left without an end, of one person.
MOST_LEFT = 512


# No struct of msgspec: several of its fields are written with each event, and a slot takes a third of the time.
class RunState:
    """One answer in the making. Its memory does not grow with the number of events, but for bounded windows.

    `id` begins with "?" where the backend gave none. `expect` is None where it is not known which question this
    answers, `expected` what that one is owed. A helper's run has a `parent`; what it shows counts for the run that the
    person asked for. `shown` are the keys of the events that the window which asked was shown, once another window may
    be shown them too.
    `in_company`: it has a parent, or the times of its events are kept. `said`: its last texts, where they may
    be parts of one word, by the number of their records, negative where it is no thought; they are searched and
    shortened once there are more than `said_most`. `thought` and `aside`: the latest thought and the latest other
    text, and their records. `helped`: how many events its helpers have shown. `intruder`: somebody else who asked for
    this run to be stopped, and the record of that. `inferred`: how many events of each kind a profile only inferred,
    so that nobody saw them; None where there are none.
    """

    __slots__ = (
        "aside", "aside_n", "ask", "asked_at", "desk", "ended_by", "event_ids", "events", "expect", "expected",
        "first_n", "first_stamp_s", "helped", "id", "in_company", "inferred", "intruder", "last_at", "last_n",
        "last_stamp_s", "line", "most_open", "parent", "person", "recent", "request", "said", "said_most", "shown",
        "stage", "started_at", "stop_at", "thought", "thought_n", "thoughts", "thread", "tools", "tools_begun",
        "tools_done", "tools_failed", "user",
    )  # fmt: skip

    # `event` is the first that was seen of it.
    def __init__(
        self, name: str, desk: "OpenRequests", event: Event, n: int, *, asked_at: float, at: float,
        ask: Request | None = None, expect: Expect | None = None, expected: Events = NO_EVENTS,
        parent: "RunState | None" = None,
    ) -> None:  # fmt: skip
        self.id = name
        self.person = desk.person
        self.desk = desk
        self.line: ThreadOrder = desk.line(event.thread)
        self.first_n = self.last_n = n
        self.asked_at = asked_at
        self.last_at = at
        self.ask = ask
        self.expect = expect
        self.expected = expected
        self.parent = parent
        self.request = event.request
        self.thread = event.thread
        self.user = event.user
        self.stage = Stage.ASKED
        self.started_at: float | None = None
        self.stop_at: float | None = None
        self.ended_by: EventKind | None = None
        self.last_stamp_s = 0.0
        self.first_stamp_s: float | None = None
        self.events = 0
        self.helped = 0
        self.thoughts = 0
        self.tools_begun = 0
        self.tools_done = 0
        self.tools_failed = 0
        self.most_open = 0
        self.tools: list[OpenTool] = []
        self.event_ids: set[str | int] = set()
        self.shown: set[str | int] | None = None
        self.recent: deque[float] | None = None
        self.in_company = parent is not None
        self.said: dict[int, str] | None = None
        self.said_most = 64
        self.thought = ""
        self.thought_n = 0
        self.aside = ""
        self.aside_n = 0
        self.inferred: dict[EventKind, int] | None = None
        self.intruder: tuple[str, int] | None = None

    @property
    def root(self) -> "RunState":
        """The run that the person asked for, of which this is part."""
        run = self
        while run.parent is not None:
            run = run.parent
        return run

    def infer(self, kind: EventKind) -> None:
        """An event of this kind was inferred by the profile. What a helper shows counts for the run that it helps."""
        run = self.root if kind in _SHOWN_BY_HELPERS else self
        if run.inferred is None:
            run.inferred = {}
        run.inferred[kind] = run.inferred.get(kind, 0) + 1


def window() -> deque[float]:
    """Room for the times of a run's latest events."""
    return deque(maxlen=_WINDOW)


class Thread:
    """A conversation: whose it is, and which numbers were seen or missed while its person had several windows."""

    __slots__ = ("missing", "person", "seen")

    def __init__(self, person: str) -> None:
        self.person = person
        self.seen: set[int] | None = None
        self.missing: dict[int, int] | None = None


class ThreadOrder:
    """One thread as one connection is shown it: the number that is due next (None: any).

    `resumed` from the request to restore it until what was missed and the first event after it have come. `known`:
    the person was shown something of it before it was to be restored here. `unread`: how many frames could not be read
    while `unread_due` was due.
    """

    __slots__ = ("due", "known", "replaying", "resumed", "thread", "unread", "unread_due")

    def __init__(self, thread: Thread | None) -> None:
        self.thread = thread
        self.due: int | None = None
        self.replaying = False
        self.resumed = False
        self.known = False
        self.unread = 0
        self.unread_due: int | None = None


class UserTabs:
    """The connections of one person: those open now, how many there ever were, and what was left without an end.

    `torn`: one was closed in the middle of an answer, so that some events may have gone to nobody. `careful`: events
    may have gone to another window, or may come again after a restore. `canaries`: the beginnings of those that the
    person used. `cut`: where and how the suite cut a line of theirs last.
    """

    __slots__ = ("canaries", "careful", "cut", "ever", "left", "open", "torn")

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.ever = 0
        self.torn = False
        self.cut = ""
        self.careful = False
        self.left: list[Request] = []
        self.canaries: set[bytes] = set()


Report = Callable[..., None]
