"""Patterns of one event of an answer: the arguments of `shows(...)` and `in_order(...)`."""

import msgspec

from greenlight_gate.events import Event, EventKind


class EventPattern(msgspec.Struct, frozen=True):
    """A pattern of an event; None: any value. `helper`: of a sub-agent's run, not of the answer's own."""

    kind: EventKind
    named: str | None = None
    holding: str | None = None
    failed: bool | None = None
    helper: bool | None = False

    def fits(self, event: Event) -> bool:
        """Whether the event matches."""
        return (
            event.kind is self.kind
            and (self.named is None or event.tool == self.named)
            and (self.holding is None or self.holding.casefold() in (event.text or "").casefold())
            and (self.failed is None or event.tool_failed == self.failed)
            and (self.helper is None or (event.parent is not None) == self.helper)
        )

    def __str__(self) -> str:
        parts = [str(self.kind)]
        parts += [f"named {self.named!r}"] if self.named is not None else []
        parts += [f"containing {self.holding!r}"] if self.holding is not None else []
        parts += ["that failed" if self.failed else "that succeeded"] if self.failed is not None else []
        parts += ["of a sub-agent"] if self.helper else []
        return " ".join(parts)


def started() -> EventPattern:
    """Matches agent_started."""
    return EventPattern(EventKind.STARTED)


def thinking() -> EventPattern:
    """Matches agent_thinking."""
    return EventPattern(EventKind.THINKING)


def tool_executing(named: str | None = None) -> EventPattern:
    """Matches tool_executing."""
    return EventPattern(EventKind.TOOL_EXECUTING, named)


def tool_completed(named: str | None = None, *, failed: bool | None = None, holding: str | None = None) -> EventPattern:
    """Matches tool_completed."""
    return EventPattern(EventKind.TOOL_COMPLETED, named, holding, failed)


def input_requested() -> EventPattern:
    """Matches what is asked of the user."""
    return EventPattern(EventKind.INPUT_REQUESTED)


def completed(holding: str | None = None, *, helper: bool = False) -> EventPattern:
    """Matches agent_completed (of a sub-agent, if `helper`)."""
    return EventPattern(EventKind.COMPLETED, holding=holding, helper=helper)


def agent_failed() -> EventPattern:
    """Matches the failure of a run."""
    return EventPattern(EventKind.FAILED)


def stopped() -> EventPattern:
    """Matches the end of a stopped run."""
    return EventPattern(EventKind.STOPPED)
