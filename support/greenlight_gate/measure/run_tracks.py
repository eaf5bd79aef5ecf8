"""Tracks: single answers as they came, event by event, to be drawn. Few are kept, however many there are."""

from collections import deque
from itertools import pairwise
from typing import Final

from greenlight_gate.events import Event, EventKind
from greenlight_gate.findings import Finding

_MOST_MARKS: Final = 64
_MOST_RECENT = 128
_MOST_GUILTY = 40
_MOST_OF_A_RULE = 4
_MOST_SCENARIOS = 400


class RunTrack:
    """One answer. Times are seconds since the question (`asked_at`, seconds since the epoch).

    `last` is when something was seen, or waited for in vain, for the last time; `cut` when the connection was lost
    before the end; `found` are (time, rule). Of very many events the last one and the first are kept.
    """

    __slots__ = (
        "_seen",
        "asked_at",
        "connection",
        "cut",
        "found",
        "prompt",
        "run",
        "scenario",
        "user",
        "waited",
    )  # fmt: skip

    def __init__(self, scenario: str, user: str, connection: str, prompt: str, asked_at: float) -> None:
        self.scenario = scenario
        self.user = user
        self.connection = connection
        self.prompt = prompt
        self.asked_at = asked_at
        self.run: str | None = None
        self.found: list[tuple[float, str]] = []
        self.cut: float | None = None
        self.waited = 0.0
        self._seen: list[tuple[float, EventKind, str | None, str | None]] = []

    def wait(self, at: float) -> None:
        """It was waited for until `at` (seconds since the epoch)."""
        self.waited = at - self.asked_at

    def take(self, event: Event, at: float) -> None:
        """One event of the answer or of a helper's. `at`: seconds since the epoch."""
        # Of the millions of answers that end without being drawn, nothing more than this is worked out.
        seen = self._seen
        if len(seen) >= _MOST_MARKS:
            seen.pop()
        seen.append((at - self.asked_at, event.kind, event.tool, event.call))

    @property
    def last(self) -> float:
        """Seconds from the question to the last event, or to the end of a wait in vain."""
        return max(self._seen[-1][0] if self._seen else 0.0, self.waited)

    @property
    def marks(self) -> list[tuple[float, EventKind]]:
        """(time, kind) of the events."""
        return [(since, kind) for since, kind, _, _ in self._seen]

    @property
    def silence(self) -> tuple[float, float]:
        """Begin and end of the longest time in which nothing came."""
        times = [0.0, *(seen[0] for seen in self._seen), self.last]
        return max(pairwise(times), key=lambda pause: pause[1] - pause[0])

    @property
    def bars(self) -> list[tuple[float, float | None, str]]:
        """The tools: (begin, end or None for one that never finished, name)."""
        begun: dict[str, tuple[float, str]] = {}
        done: list[tuple[float, float | None, str]] = []
        for since, kind, tool, call in self._seen:
            key = call or tool or ""
            if kind is EventKind.TOOL_EXECUTING:
                begun[key] = (since, tool or "?")
            elif kind is EventKind.TOOL_COMPLETED and key in begun:
                start, name = begun.pop(key)
                done.append((start, since, name))
        return [*done, *((start, None, name) for start, name in begun.values())]


class RunTracks:
    """The runs to show: those with findings first, and of each scenario the one that took longest."""

    def __init__(self) -> None:
        self.guilty: list[RunTrack] = []
        self.of_scenario: dict[str, RunTrack] = {}
        self.recent: deque[RunTrack] = deque(maxlen=_MOST_RECENT)
        self._of_rule: dict[str, int] = {}

    def done(self, track: RunTrack) -> None:
        """A run has ended, in whatever way."""
        self.recent.append(track)
        longest = self.of_scenario.get(track.scenario)
        known = longest is not None or len(self.of_scenario) < _MOST_SCENARIOS
        if known and (longest is None or track.last > longest.last):
            self.of_scenario[track.scenario] = track

    def found(self, track: RunTrack, finding: Finding, at: float) -> None:
        """A rule objected to this answer."""
        if len(track.found) < _MOST_OF_A_RULE:
            track.found.append((max(at - track.asked_at, 0.0), finding.rule))
        known = self._of_rule.get(finding.rule, 0)
        if track not in self.guilty and known < _MOST_OF_A_RULE and len(self.guilty) < _MOST_GUILTY:
            self._of_rule[finding.rule] = known + 1
            self.guilty.append(track)

    def chosen(self, most: int) -> list[RunTrack]:
        """The tracks to draw, at most so many, in the order of time."""
        rest = [track for track in self.of_scenario.values() if track not in self.guilty and track.marks]
        rest.sort(key=lambda track: track.silence[1] - track.silence[0], reverse=True)
        # Runs with findings come first, and one without findings for comparison.
        guilty = self.guilty[: most - min(4, len(rest))]
        return sorted([*guilty, *rest[: most - len(guilty)]], key=lambda track: track.asked_at)
