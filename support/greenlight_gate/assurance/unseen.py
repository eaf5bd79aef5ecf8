"""What it would be like without a rule."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from greenlight_gate.rules.engine.finding_sink import Ledger
from greenlight_gate.rules.isolation import Relation
from greenlight_gate.rules.registry import RULES


@contextmanager
def without(rule: str) -> Iterator[None]:
    """Take a rule out of the registry, with whatever would report by it, for as long as this lasts.

    Only in this process: loads have processes of their own. Raises KeyError for a rule that does not exist.
    """
    known, report, unproven = dict(RULES), Ledger.report, Relation.unproven
    del RULES[rule]
    if rule == "ISOLATION-3":
        # No frame breaks it: it is asked of what was seen, and would then find nobody of whom nothing is known.
        Relation.unproven = property(lambda _: ())  # type: ignore[assignment, method-assign]

    def report_others(self: Ledger, name: str, *arguments: Any, **options: Any) -> None:
        if name != rule:
            report(self, name, *arguments, **options)

    Ledger.report = report_others  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        Ledger.report = report  # type: ignore[method-assign]
        Relation.unproven = unproven  # type: ignore[method-assign]
        # As it was, in its order.
        RULES.clear()
        RULES.update(known)
