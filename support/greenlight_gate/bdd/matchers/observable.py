"""Which events a step may require of an answer: those that the wire can show and the prompt calls for."""

from collections.abc import Sequence

from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.matchers.event_patterns import EventPattern
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import EventKind


class NotExercised(Exception):
    """The target does not claim to do this; the scenario is reported as not exercised, with the reason.

    `need`: what the target lacks, by the name under which `accepted_gaps` can accept it, or as
    `verdict.scope.OPTIONAL` has it; "" if it has none.
    """

    def __init__(self, reason: str, need: str = "") -> None:
        super().__init__(reason)
        self.need = need


def claim(question: UserRequest, pattern: EventPattern) -> None:
    """Raises NotExercised if such events cannot be observed."""
    reason = question.absent.get(pattern.kind)
    if reason is not None:
        raise NotExercised(f"{pattern.kind} is not observable here: {reason}", pattern.kind)
    if _is_unasked(question, pattern):
        need = pattern.kind if pattern.kind in question.expect.hidden else ""
        raise NotExercised(f"the target does not promise {pattern.kind} for {question.expect.prompt!r}", need)


def must_have_shown(question: UserRequest, kind: EventKind) -> None:
    """Checks that the event came for which a step has waited.

    Raises NotExercised if none can come, since the wire does not show it or the prompt needs none; Unmet if it was
    expected and did not come.
    """
    if question.has(kind):
        return
    claim(question, EventPattern(kind))
    if kind in (EventKind.TOOL_EXECUTING, EventKind.TOOL_COMPLETED) and not question.expect.tools:
        raise NotExercised(f"the step waits for {kind}, but {question.expect.prompt!r} needs no tool")
    rule = "LIFECYCLE-1" if kind is EventKind.STARTED else "LIFECYCLE-5"
    raise Unmet(rule, f"{kind} was expected, but was not received for {question.text!r}")


def claimable(question: UserRequest, patterns: Sequence[EventPattern]) -> list[EventPattern]:
    """Those of the patterns that can be observed here. Raises NotExercised if none can."""
    seen = [p for p in patterns if p.kind not in question.absent and not _is_unasked(question, p)]
    if not seen:
        claim(question, patterns[0])
    return seen


def _is_unasked(question: UserRequest, pattern: EventPattern) -> bool:
    """Whether it is reasoning, or what the target accepts not to show, which did not come and need not."""
    thinking, came = EventKind.THINKING, any(event.kind is pattern.kind for event in question.events)
    if pattern.kind in question.expect.hidden and not came:
        return True
    asked = question.expect.thinking or any(event.kind is thinking for event in question.events)
    return pattern.kind is thinking and not asked
