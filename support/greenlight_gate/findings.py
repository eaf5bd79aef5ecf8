"""A finding: one violation of a rule, with what was expected, what was received, and the records that prove it."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Severity(StrEnum):
    """How severe a finding is for users: nothing compensates for a critical one."""

    CRITICAL = "critical"
    NORMAL = "normal"


class Finding(msgspec.Struct, frozen=True):
    """One broken rule.

    `rule` is an id of the registry (`greenlight_gate.rules.registry`), `requirement` its sentence. `evidence` holds the
    numbers of the trace records that prove it; `user` is the user who observed it, `run` the run concerned, if any.
    `late`: it says only that something was late or did not come in time, which a busy machine may cause as well.
    """

    rule: str
    severity: Severity
    requirement: str
    expected: str
    actual: str
    user: str = msgspec.field(default="", name="person")
    connection: str = ""
    run: str | None = None
    evidence: tuple[int, ...] = ()
    late: bool = False

    def __str__(self) -> str:
        where = f" [{self.user}, records {', '.join(map(str, self.evidence))}]" if self.evidence else ""
        return f"{self.rule}: expected {self.expected}, got {self.actual}{where}"


def broken_rules(findings: Iterable[Finding]) -> str:
    """The rules that these findings break, each once, in the order of the findings."""
    return ", ".join(dict.fromkeys(finding.rule for finding in findings))


def printable(text: str) -> str:
    """The text as one line of printable characters: text of a target must have no effect on a terminal.

    Line breaks, escape sequences, marks that reverse the direction of writing and lone surrogates become visible.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


def numbered(count: int, noun: str) -> str:
    """A number with its noun: "1 frame", "2 frames"."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def duration(seconds: float) -> str:
    """A length of time in two units at most: "8 s", "2 min 5 s", "1 h 3 min"."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    parts = ((hours, "h"), (minutes, "min")) if hours else ((minutes, "min"), (whole % 60, "s"))
    return " ".join(f"{count} {unit}" for count, unit in parts if count) or "0 s"


def shortened(text: str, most: int) -> str:
    """The text with at most so many characters: cut after a whole word, if one fits, and marked with an ellipsis."""
    if len(text) <= most:
        return text
    words = text[:most].rpartition(" ")[0].rstrip()
    return f"{words or text[: most - 1]}…"


def printable_lines(text: str) -> str:
    """The same for a text of several lines: line breaks are kept."""
    return text if text.isprintable() else "\n".join(printable(line) for line in text.split("\n"))
