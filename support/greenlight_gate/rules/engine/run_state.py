"""What the rules remember: of a request, a run, a thread, a user. Bounded for each open run."""

from collections import deque
from collections.abc import Iterable
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from greenlight_gate.events import Event, EventKind
from greenlight_gate.rules.engine.asked_input import AskedInput, Intruder
from greenlight_gate.rules.engine.expected import NO_EVENTS, Events
from greenlight_gate.trace import Expect


class Stage(StrEnum):
    """Where a run stands between its request and its end."""

    ASKED = "asked"
    OPEN = "open"
    ENDED = "ended"


NOTHING_EXPECTED = Expect()
_MOST_RECENT = 512
_NO_CANARIES: frozenset[bytes] = frozenset()
_OF_SUB_AGENTS = frozenset({EventKind.THINKING, EventKind.TOOL_EXECUTING, EventKind.TOOL_COMPLETED})


class Request(msgspec.Struct, eq=False):
    """A request that was sent: what binds its run to it, and what may be expected.

    `abandoned`: the user no longer waits, but what still comes belongs here. `over`: nothing more is owed. `mixed_up`:
    which of several runs answers it cannot be known. `foreign`: it names what belongs to another user. `resumed`: its
    connection was lost, and its thread was restored on another one. `lost`: the backend has ended its connection.
    `excused`: the suite took the backend away, so that its run may end without an answer. `untimed`: the
    suite stood still before its run began; `unwatched`: for so long that the backend may have given it up. `settled`:
    its outcome was reported to the observers. `invalid`: it is malformed or too large, and has to be refused.
    `refusable`: it may be refused, or wait until another one is answered; `behind`: that one, if it is known, which was
    in progress in its thread. `stopped`: its user asked for a stop before anything of its run had come.
    `repeats`: how often it was sent again and may still be refused for that.
    `maybe_refused`: something came that may have refused it, or may have been about something else: no answer is owed,
    but one that comes is its answer. `unwelcome`: what is wrong with the token that it was sent with.
    """

    n: int
    at: float
    request: str | None
    thread: str | None
    expect: Expect | None
    run: "RunState | None" = None
    abandoned: bool = False
    over: bool = False
    mixed_up: bool = False
    foreign: bool = False
    resumed: bool = False
    lost: bool = False
    excused: bool = False
    untimed: bool = False
    unwatched: bool = False
    settled: bool = False
    invalid: bool = False
    refusable: bool = False
    behind: str = ""
    stopped: bool = False
    repeats: int = 0
    maybe_refused: bool = False
    unwelcome: str = ""


class TimedEvent(NamedTuple):
    """When an event came (seconds on the trace's clock), when the server says that it was sent, and what it was."""

    at: float
    server_s: float | None
    kind: EventKind


class GivenAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer that came: to which prompt, what had to be in it, and where it was received."""

    prompt: str
    wanted: tuple[tuple[str, ...], ...]
    connection: str
    n: int


class StoppedAnswer(msgspec.Struct, frozen=True, gc=False):
    """An answer that the user has stopped: to which prompt, what had to be in it, and the record of its end."""

    prompt: str
    wanted: tuple[tuple[str, ...], ...]
    n: int


class OpenTool(msgspec.Struct, eq=False, gc=False):
    """A tool call that is open: the tool's name, the call id, and since when (record number, time).

    `asked`: what the user was asked about it; `arguments`: with which it runs, where something was asked in its run.
    """

    name: str | None
    call: str | None
    n: int
    at: float
    asked: AskedInput | None = None
    arguments: Any = None

    @property
    def may_stay_open(self) -> bool:
        """Whether the user was asked about it, and has not approved it: then it need not have run."""
        return self.asked is not None and not self.asked.latest.approves


class AnswerPart(NamedTuple):
    """A piece of an answer: its record, when it came (seconds on the trace's clock), whose it is, and its text."""

    n: int
    at: float
    agent: str | None
    text: str


# No struct of msgspec: several of its fields are written with each event, and a slot takes a third of the time.
class RunState:
    """One run. Its memory does not grow with the number of events, but for bounded windows.

    `id` begins with "?" where the backend gave none. `connection` is the connection that it belongs to, and `siblings`
    the open runs of that one. `expect` is None where it is not known which request this run answers; `expected` are the
    events that its request is owed. The run of a sub-agent has a `parent`; its events count for the run that the user
    asked for. `shown` are the keys of the events that were received, once another connection of the user may receive
    them too.
    `detailed_timing`: it has a parent, or the times of its events are kept. `said`: its last texts, where they may be
    parts of one word, by the number of their records, negative for all but agent_thinking; they are searched and
    shortened once there are more than `said_most`. `thought` and `other_text`: the latest text of agent_thinking, and
    the latest one of any other event; `thought_n` and `other_text_n`: their records. `sub_agent_events`: how many
    events its sub-agents have sent. `has_thought`, `has_result`: a thought or a result was more than a placeholder;
    `hollow_n`: the record of a result that was one. `intruder`: who else asked for this run to be stopped.
    `end_seq`: the number of agent_stopped in its thread: what has a greater one was made after it.
    `tool_turns`: when its tools, or those of its sub-agents, were announced or have completed while others were open.
    `results`: what its tools have returned beyond ASCII, and an answer may quote, bounded.
    `inputs`: what was asked of the user in it or by its sub-agents, None where nothing was; `waits_since`: since when
    it waits for an answer, and `waited_s`: for how long it has waited so far.
    `parts`: the pieces of its answer that came before the whole, each with its record and its agent, within a bound.
    `inferred`: how many events of each kind a profile only inferred, so that they were not received; None where there
    are none.
    """

    __slots__ = (
        "ask",
        "asked_at",
        "connection",
        "detailed_timing",
        "end_seq",
        "ended_by",
        "event_ids",
        "events",
        "expect",
        "expected",
        "first_n",
        "first_stamp_s",
        "has_result",
        "has_thought",
        "hollow_n",
        "id",
        "inferred",
        "inputs",
        "intruder",
        "last_at",
        "last_n",
        "last_stamp_s",
        "most_open",
        "order",
        "other_text",
        "other_text_n",
        "parent",
        "parts",
        "recent",
        "request",
        "results",
        "said",
        "said_most",
        "shown",
        "siblings",
        "stage",
        "started_at",
        "stop_at",
        "sub_agent_events",
        "thought",
        "thought_n",
        "thoughts",
        "thread",
        "tool_turns",
        "tools",
        "tools_begun",
        "tools_done",
        "tools_failed",
        "user",
        "user_id",
        "waited_s",
        "waits_since",
    )  # fmt: skip

    # `event` is the first of the run, `order` its thread on the connection. By name, the arguments would cost as much
    # again as all else here.
    def __init__(  # noqa: PLR0917
        self, name: str, event: Event, n: int, user: str, connection: str,
        siblings: "dict[str | None, RunState]", order: "ThreadOrder", asked_at: float, at: float,
        ask: Request | None = None, expect: Expect | None = None, expected: Events = NO_EVENTS,
        parent: "RunState | None" = None,
    ) -> None:  # fmt: skip
        self.id = name
        self.user = user
        self.connection = connection
        self.siblings = siblings
        self.order = order
        self.first_n = self.last_n = n
        self.asked_at = asked_at
        self.last_at = at
        self.ask = ask
        self.expect = expect
        self.expected = expected
        self.parent = parent
        self.request = event.request
        self.thread = event.thread
        self.user_id = event.user
        self.stage = Stage.ASKED
        self.started_at: float | None = None
        self.stop_at: float | None = None
        self.ended_by: EventKind | None = None
        self.end_seq: int | None = None
        self.last_stamp_s = 0.0
        self.first_stamp_s: float | None = None
        self.events = 0
        self.sub_agent_events = 0
        self.thoughts = 0
        self.tools_begun = 0
        self.tools_done = 0
        self.tools_failed = 0
        self.most_open = 0
        self.tools: list[OpenTool] = []
        self.results = ""
        self.tool_turns: tuple[float, ...] = ()
        self.event_ids: set[str | int] = set()
        self.shown: set[str | int] | None = None
        self.recent: deque[TimedEvent] | None = None
        self.detailed_timing = parent is not None
        self.said: dict[int, str] | None = None
        self.said_most = 64
        self.thought = ""
        self.thought_n = 0
        self.other_text = ""
        self.other_text_n = 0
        self.has_thought = self.has_result = False
        self.hollow_n = 0
        self.inferred: dict[EventKind, int] | None = None
        self.intruder: Intruder | None = None
        self.inputs: list[AskedInput] | None = None
        self.waited_s = 0.0
        self.waits_since: float | None = None
        self.parts: list[AnswerPart] | None = None

    @property
    def root(self) -> "RunState":
        """The run that the user asked for, of which this is part."""
        run = self
        while run.parent is not None:
            run = run.parent
        return run

    @property
    def lacks_approval(self) -> bool:
        """Whether something was asked of the user that they have not approved."""
        return any(not asked.approves for asked in self.root.inputs or () if asked.replaced_by is None)

    @property
    def waits(self) -> bool:
        """Whether something is asked of the user that nobody has answered yet."""
        return self.waits_since is not None

    def without_user(self, since: float, at: float) -> float:
        """How many seconds of the run from `since`, before anything was asked, to `at` it did not wait for its user."""
        waits_s = 0.0 if self.waits_since is None else at - self.waits_since
        return at - since - self.waited_s - waits_s

    def answered(self, at: float, runs: "Iterable[RunState]") -> None:
        """Something that was asked of the user needs no answer any more: once nothing does, the run waits no longer.

        Their time counts as no silence of the run, as none of its tools, and not for its pace. `runs`: all open ones.
        """
        since = self.waits_since
        if since is None or any(asked.is_open for asked in self.inputs or ()):
            return
        self.waits_since = None
        self.waited_s += max(at - since, 0.0)
        self.last_at = max(self.last_at, at)
        self.recent = None
        for run in runs:
            for tool in run.tools if run.root is self else ():
                tool.at = max(tool.at, min(tool.at + at - since, at))

    def infer(self, kind: EventKind) -> None:
        """The profile inferred an event of this kind. Of a sub-agent it counts for the run that the user asked for."""
        run = self.root if kind in _OF_SUB_AGENTS else self
        if run.inferred is None:
            run.inferred = {}
        run.inferred[kind] = run.inferred.get(kind, 0) + 1


def recent_times() -> deque[TimedEvent]:
    """An empty list for the times of a run's latest events, bounded."""
    return deque(maxlen=_MOST_RECENT)


class Thread:
    """A thread: whose it is, and which numbers were seen or missed while its user had several connections."""

    __slots__ = ("missing", "seen", "user")

    def __init__(self, user: str) -> None:
        self.user = user
        self.seen: set[int] | None = None
        self.missing: dict[int, int] | None = None


class ThreadOrder:
    """One thread on one connection: the sequence number that is due next (None: any).

    `resumed` from the request to restore it until what was missed and the first event after it have come. `known`:
    the user has received events of it before it was to be restored here. `unread`: how many frames could not be read
    while `unread_due` was due. `stopped`: the last answer in it that was stopped, until the next one has come.
    `latest`: the greatest number of each run that came while several streams answered at once; None over a WebSocket.
    """

    __slots__ = ("due", "known", "latest", "replaying", "resumed", "stopped", "thread", "unread", "unread_due")

    def __init__(self, thread: Thread | None, *, by_http: bool = False) -> None:
        self.thread = thread
        self.latest: dict[str, int] | None = {} if by_http else None
        self.due: int | None = None
        self.replaying = False
        self.resumed = False
        self.known = False
        self.unread = 0
        self.unread_due: int | None = None
        self.stopped: StoppedAnswer | None = None


class UserTabs:
    """The connections of one user: those open now, how many there ever were, and the requests left without an end.

    `closed_in_run`: one was closed during a run, so that some events may have been lost with it.
    `several_or_restored`: events may have gone to another connection or stream, or may come again after a restore.
    `stopped`: by thread, the last answer that the user left where that stops its run, until the next one there.
    `canaries`: the owner codes of the user's own. `cut`: how and where the suite last cut a connection of theirs.
    """

    __slots__ = ("canaries", "closed_in_run", "cut", "ever", "open", "several_or_restored", "stopped", "unfinished")

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.ever = 0
        self.closed_in_run = False
        self.cut = ""
        self.several_or_restored = False
        self.unfinished: list[Request] = []
        self.stopped: dict[str, StoppedAnswer] = {}
        self.canaries = _NO_CANARIES
