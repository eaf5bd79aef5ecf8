"""The events that a request is owed, computed in one place for rules, outcomes and counts."""

from collections.abc import Collection

import msgspec

from greenlight_gate.events import FIVE, EventKind
from greenlight_gate.trace import Expect

_COMPLETED = EventKind.COMPLETED


class Events(msgspec.Struct, frozen=True, gc=False):
    """How many events of each kind; `ended` counts ends of the kind that is expected."""

    started: int = 0
    thinking: int = 0
    tool_executing: int = 0
    tool_completed: int = 0
    ended: int = 0

    @property
    def total(self) -> int:
        """All together."""
        return self.started + self.thinking + self.tool_executing + self.tool_completed + self.ended

    @property
    def by_kind(self) -> dict[EventKind, int]:
        """The counts of the five kinds, whichever end it is that counts."""
        return dict(zip(FIVE, msgspec.structs.astuple(self), strict=True))

    def of(self, expected: "Events") -> int:
        """How many of the expected events these are: of each kind as many as were expected, at most."""
        if (
            self.started >= expected.started
            and self.thinking >= expected.thinking
            and self.tool_executing >= expected.tool_executing
            and self.tool_completed >= expected.tool_completed
            and self.ended >= expected.ended
        ):
            return expected.total  # as nearly all are, and it is counted for each request of a load
        return sum(map(min, msgspec.structs.astuple(self), msgspec.structs.astuple(expected)))


NO_EVENTS = Events()


def observable(expect: Expect, absent: Collection[str]) -> Expect:
    """What may be expected on a wire that does not show the kinds in `absent`: nothing that depends on them."""
    no_tools = EventKind.TOOL_EXECUTING in absent or EventKind.TOOL_COMPLETED in absent
    return msgspec.structs.replace(
        expect,
        thinking=expect.thinking and EventKind.THINKING not in absent,
        tools=0 if no_tools else expect.tools,
        parallel=expect.parallel and not no_tools,
        failing_tool=expect.failing_tool and EventKind.TOOL_COMPLETED not in absent,
        hidden=tuple(dict.fromkeys((*expect.hidden, *absent))),
    )


def unapproved(expect: Expect) -> Expect:
    """What may be expected of a run whose tool its user has not approved: no tool, and no answer that needs it."""
    return msgspec.structs.replace(expect, tools=0, parallel=False, failing_tool=False, contains=())


def kinds_not_owed(expect: Expect) -> tuple[str, ...]:
    """The kinds of event that no run of this prompt owes: those that are hidden here, and reasoning by the prompt."""
    return expect.hidden if expect.thinking else (*expect.hidden, EventKind.THINKING)


def expected_events(expect: Expect | None) -> Events:
    """The events that a request is owed. The prompt says what, the target what it can do, the profile what is shown.

    `expect` is what `observable` has left of the prompt's expectation. Tools are owed only by a run that is to be
    completed. None: nothing is known of the request, so that nothing is owed.
    """
    if expect is None:
        return NO_EVENTS
    end, hidden = expect.end, expect.hidden
    tools = expect.tools if end is _COMPLETED else 0
    if hidden:
        return Events(EventKind.STARTED not in hidden, expect.thinking, tools, tools, end not in hidden)
    return Events(1, expect.thinking, tools, tools, 1)
