"""A rule of a team's own: a class that sees each run once it is settled, and says what in it breaks the rule.

A package of the team names its classes as entry points of the group `greenlight.rules`; whatever is installed is
judged in every session. The same class judges the replay of the evidence, so that it may depend on nothing but the run.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar, Final, NamedTuple

import msgspec

from greenlight_gate.events import Control, Event, EventKind
from greenlight_gate.findings import Severity
from greenlight_gate.trace import Expect

OWN_STEP: Final = "OWN-STEP"
"""What a step of a team's own asserts and names no rule for: the scenario itself is what is required."""


class RunEvent(NamedTuple):
    """An event of a run or of its sub-agents: the number of its record, and when it came (seconds on trace's clock)."""

    record: int
    at: float
    event: Event


class SettledRun(msgspec.Struct, frozen=True):
    """A request and all that came for it until it was settled. Times are seconds on the trace's clock.

    `prompt` is the text that was sent, `asked_record` its record; `expect` what the target file promises of the answer.
    `run` and `thread` are ids of the backend, None where none came. `ended_by` is None for a run that did not end;
    `error` answered in place of a run. `excused`: the suite itself caused what is missing (a stop, a lost connection,
    a backend that was ended), so that only what did come may be judged.
    """

    user: str
    connection: str
    prompt: str
    asked_record: int
    asked_at: float
    settled_at: float
    run: str | None = None
    thread: str | None = None
    expect: Expect | None = None
    events: tuple[RunEvent, ...] = ()
    ended_by: EventKind | None = None
    error: Control | None = None
    excused: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether it ended with an answer, and nothing of it is missing for which the suite is the cause."""
        return self.ended_by is EventKind.COMPLETED and not self.excused

    @property
    def answer(self) -> str | None:
        """The text of the final answer, None where none came."""
        texts = [
            each.event.text for each in self.events if each.event.kind is EventKind.COMPLETED and not each.event.parent
        ]
        return texts[-1] if texts else None

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools that were used, in the order in which they began."""
        begun = [each.event for each in self.events if each.event.kind is EventKind.TOOL_EXECUTING]
        return tuple(event.tool or "" for event in begun)

    @property
    def records(self) -> tuple[int, ...]:
        """The record of the request, and of the last event if one came: what a breach names if it names nothing."""
        return (self.asked_record, *(each.record for each in self.events[-1:]))


class Breach(NamedTuple):
    """One way in which a run breaks a rule: what was expected, what came, and the records that prove it.

    `records`: () for the request and the last event. `late`: nothing is wrong but that something was late, which a
    busy machine may cause as well.
    """

    expected: str
    actual: str
    records: tuple[int, ...] = ()
    late: bool = False


class OwnRule(ABC):
    """A rule of a team's own. A new instance judges each trace, so that it may remember earlier runs of a scenario."""

    id: ClassVar[str]
    """Capitals, a dash and a number, "ORDERS-1"; the word before the dash is no family that ships."""
    severity: ClassVar[Severity]
    requirement: ClassVar[str]
    """What the rule requires, in one sentence that reports print."""

    @abstractmethod
    def on_settled(self, run: SettledRun) -> Iterable[Breach]:
        """The breaches of one run; none if it keeps the rule. Called once for each request, when it is settled."""
