"""What can be claimed of an answer on a wire that does not show every kind of event."""

from collections.abc import Sequence

from support.bdd.patterns import Pattern
from support.client.question import Question


class NotExercised(Exception):  # noqa: N818 -- the word of the report
    """The target does not claim to do this; the scenario is reported as not exercised, with the reason."""


def claim(question: Question, pattern: Pattern) -> None:
    """Raises NotExercised where events like this cannot be seen at all."""
    reason = question.absent.get(pattern.kind)
    if reason is not None:
        raise NotExercised(f"{pattern.kind} is not observable here: {reason}")


def claimable(question: Question, patterns: Sequence[Pattern]) -> list[Pattern]:
    """Those of the patterns that can be seen here. Raises NotExercised where none can."""
    seen = [pattern for pattern in patterns if pattern.kind not in question.absent]
    if not seen:
        claim(question, patterns[0])
    return seen
