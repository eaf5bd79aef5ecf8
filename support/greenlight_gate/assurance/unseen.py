"""What it would be like without a rule."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from greenlight_gate.rules.engine.finding_sink import FindingSink
from greenlight_gate.rules.isolation import IsolationPair
from greenlight_gate.rules.registry import RULES


@contextmanager
def without(rule: str) -> Iterator[None]:
    """Take a rule out of the registry, with whatever would report by it, for as long as this lasts.

    Only in this process: loads have processes of their own. Raises KeyError for a rule that does not exist.
    """
    known, report, unproven = dict(RULES), FindingSink.report, IsolationPair.unproven
    del RULES[rule]
    if rule == "ISOLATION-3":
        # No frame breaks it: it is asked of what was seen, and would then find nobody of whom nothing is known.
        IsolationPair.unproven = property(lambda _: ())  # type: ignore[assignment, method-assign]

    def report_others(self: FindingSink, name: str, *arguments: Any, **options: Any) -> None:
        if name != rule:
            report(self, name, *arguments, **options)

    FindingSink.report = report_others  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        FindingSink.report = report  # type: ignore[method-assign]
        IsolationPair.unproven = unproven  # type: ignore[method-assign]
        # As it was, in its order.
        RULES.clear()
        RULES.update(known)
