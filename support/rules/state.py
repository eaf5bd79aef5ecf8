"""What the rules remember: of a question, a run, a thread, a person. Bounded for each open run."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from support.events import EventKind
from support.trace import Expect

if TYPE_CHECKING:
    from support.rules.questions import Questions


class Budgets(msgspec.Struct, frozen=True):
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

    def unhurried(self) -> "Budgets":
        """The same, where nobody minds how long an answer takes."""
        return msgspec.structs.replace(self, start_s=math.inf, silence_s=math.inf, tool_s=math.inf, run_s=math.inf)


class Stage(StrEnum):
    """Where a run stands in its life."""

    ASKED = "asked"
    OPEN = "open"
    ENDED = "ended"


NOTHING_EXPECTED = Expect()
_WINDOW = 512
# Questions that were left without an end, of one person.
MOST_LEFT = 512


class Ask(msgspec.Struct, eq=False):
    """A question that was sent: what binds its answer to it, and what may be expected.

    `given_up`: the person no longer waits, but what still comes belongs here. `over`: nothing more is owed. `mixed_up`:
    which run answers it, and which another question, cannot be known. `foreign`: it reaches for what is another's.
    `resumed`: its line was lost, and its conversation was asked for again on another one.
    """

    n: int
    at: float
    request: str | None
    thread: str | None
    expect: Expect | None
    run: "Run | None" = None
    given_up: bool = False
    over: bool = False
    mixed_up: bool = False
    foreign: bool = False
    resumed: bool = False


class OpenTool(msgspec.Struct, eq=False, gc=False):
    """A tool at work: its name and since when (record number, time)."""

    name: str | None
    call: str | None
    n: int
    at: float


# No struct of msgspec: several of its fields are written with each event, and a slot takes a third of the time.
@dataclass(slots=True, eq=False)
class Run:
    """One answer in the making. Its memory does not grow with the number of events, but for bounded windows.

    `id` begins with "?" where the backend gave none. `expect` is None where it is not known which question this
    answers. A helper's run has a `parent`; what it shows counts for the run that the person asked for. `shown` are
    the keys of the events that the window which asked was shown, once another window may be shown them too.
    `in_company`: it has a parent, or the times of its events are kept. `said`: its last texts, where they may
    be parts of one word, by the number of their records, negative where it is no thought; they are searched and
    shortened once there are more than `said_most`. `thought` and `aside`: the latest thought and the latest other
    text, and their records. `helped`: how many events its helpers have shown. `intruder`: somebody else who asked for
    this run to be stopped, and the record of that.
    `excused`: the suite took the backend away under it, so that it may end without an answer.
    """

    id: str
    person: str
    desk: "Questions"
    line: "Line"
    first_n: int
    last_n: int
    asked_at: float
    last_at: float
    ask: Ask | None = None
    expect: Expect | None = None
    parent: "Run | None" = None
    request: str | None = None
    thread: str | None = None
    user: str | None = None
    stage: Stage = Stage.ASKED
    started_at: float | None = None
    stop_at: float | None = None
    ended_by: EventKind | None = None
    last_stamp_s: float = 0.0
    first_stamp_s: float | None = None
    events: int = 0
    helped: int = 0
    thoughts: int = 0
    tools_begun: int = 0
    tools_done: int = 0
    tools_failed: int = 0
    most_open: int = 0
    tools: list[OpenTool] = field(default_factory=list)
    event_ids: set[str | int] = field(default_factory=set)
    shown: set[str | int] | None = None
    recent: deque[float] | None = None
    in_company: bool = False
    said: dict[int, str] | None = None
    said_most: int = 64
    thought: str = ""
    thought_n: int = 0
    aside: str = ""
    aside_n: int = 0
    excused: bool = False
    intruder: tuple[str, int] | None = None

    @property
    def root(self) -> "Run":
        """The run that the person asked for, of which this is part."""
        run = self
        while run.parent is not None:
            run = run.parent
        return run


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


class Line:
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


class Windows:
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
        self.left: list[Ask] = []
        self.canaries: set[bytes] = set()


Report = Callable[..., None]
