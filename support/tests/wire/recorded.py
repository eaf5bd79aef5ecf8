"""Captures of real servers, read with the profiles that ship."""

from pathlib import Path

from greenlight_gate.events import Event, Foreign, Ignored, More, Unmapped, each
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import Received
from greenlight_gate.wire.capture import read_capture
from greenlight_gate.wire.profile import Profile

HERE = Path(__file__).parent
PROFILES = HERE.parents[1] / "greenlight_gate" / "wire" / "profiles"
CAPTURES = HERE / "captures"
# One event in short: its kind, the tool, the call, and what a user reads.
Short = tuple[str, str | None, str | None, str | None]


def shipped(name: str) -> Profile:
    """A profile that ships."""
    return Profile.from_toml((PROFILES / f"{name}.toml").read_text())


class Recorded:
    """A capture, read and judged: for each user the events in short, and how often what else was read."""

    def __init__(self, profile: Profile, lines: list[bytes]) -> None:
        records, epoch_s = read_capture(lines, profile.spec)
        checker = TraceChecker(profile, TimeBudgets(start_s=10, silence_s=10), epoch_s)
        self.events: dict[str, list[Short]] = {}
        self.whole: dict[str, list[Event]] = {}
        self.more: dict[str, int] = {}
        self.ignored: dict[str, int] = {}
        self.foreign: dict[str, list[Foreign]] = {}
        self.unmapped: list[str] = []
        self.inferred: dict[str, list[str]] = {}
        for record in records:
            for part in each(checker.feed(record)):
                assert isinstance(record, Received)
                who = record.connection
                if isinstance(part, Event) and part.synthesised:
                    self.inferred.setdefault(who, []).append(part.kind)
                elif isinstance(part, Event):
                    self.events.setdefault(who, []).append((str(part.kind), part.tool, part.call, part.text))
                    self.whole.setdefault(who, []).append(part)
                elif isinstance(part, More):
                    self.more[who] = self.more.get(who, 0) + 1
                elif isinstance(part, Ignored):
                    self.ignored[who] = self.ignored.get(who, 0) + 1
                elif isinstance(part, Foreign):
                    self.foreign.setdefault(who, []).append(part)
                elif isinstance(part, Unmapped):
                    self.unmapped.append(part.reason)
        checker.finish()
        self.findings = [(finding.rule, finding.user) for finding in checker.findings]
        self.saw = checker.who_saw_whom


def capture(name: str) -> list[bytes]:
    """The lines of a capture in this folder."""
    return (CAPTURES / f"{name}.jsonl").read_bytes().splitlines()
