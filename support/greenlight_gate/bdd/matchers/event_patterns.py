"""What one event of an answer has to be like: the words inside `shows(...)` and `in_order(...)`."""

import msgspec

from greenlight_gate.events import Event, EventKind


class EventPattern(msgspec.Struct, frozen=True):
    """What an event has to be like; None: does not matter. `helper`: of a helper's run, not of the answer's own."""

    kind: EventKind
    named: str | None = None
    holding: str | None = None
    failed: bool | None = None
    helper: bool | None = False

    def fits(self, event: Event) -> bool:
        """Whether the event is like that."""
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
        parts += [f"holding {self.holding!r}"] if self.holding is not None else []
        parts += ["shown as failed" if self.failed else "shown as fine"] if self.failed is not None else []
        parts += ["of a helper"] if self.helper else []
        return " ".join(parts)


def started() -> EventPattern:
    """Work began."""
    return EventPattern(EventKind.STARTED)


def thinking() -> EventPattern:
    """Reasoning was shown."""
    return EventPattern(EventKind.THINKING)


def tool_executing(named: str | None = None) -> EventPattern:
    """A tool is at work."""
    return EventPattern(EventKind.TOOL_EXECUTING, named)


def tool_completed(named: str | None = None, *, failed: bool | None = None, holding: str | None = None) -> EventPattern:
    """A tool has finished."""
    return EventPattern(EventKind.TOOL_COMPLETED, named, holding, failed)


def completed(holding: str | None = None, *, helper: bool = False) -> EventPattern:
    """The answer is ready (or the helper's)."""
    return EventPattern(EventKind.COMPLETED, holding=holding, helper=helper)


def agent_failed() -> EventPattern:
    """The agent said that it failed."""
    return EventPattern(EventKind.FAILED)


def stopped() -> EventPattern:
    """The work was stopped."""
    return EventPattern(EventKind.STOPPED)
