"""Lanes: single answers as they came, event by event, to be drawn. Few are kept, however many there are."""

from collections import deque

from support.events import Event, EventKind
from support.findings import Finding

_MOST_MARKS = 64
_MOST_RECENT = 256
_MOST_GUILTY = 40
_MOST_OF_A_RULE = 4
_MOST_SCENARIOS = 400
_TOOL_EXECUTING, _TOOL_COMPLETED = EventKind.TOOL_EXECUTING, EventKind.TOOL_COMPLETED


class Lane:
    """One answer. Times are seconds since the question (`asked_at`, seconds since the epoch).

    `marks` are (time, kind), of which the middle ones may be left out; `tools` that are done are (begin, end, name);
    `cut` is when the line was lost before the end; `found` are (time, rule).
    """

    __slots__ = (
        "_open", "asked_at", "connection", "cut", "found", "last", "left_out", "marks", "person", "prompt", "run",
        "scenario", "silence", "tools",
    )  # fmt: skip

    def __init__(self, scenario: str, person: str, connection: str, prompt: str, asked_at: float) -> None:
        self.scenario = scenario
        self.person = person
        self.connection = connection
        self.prompt = prompt
        self.asked_at = asked_at
        self.run: str | None = None
        self.marks: list[tuple[float, EventKind]] = []
        self.tools: list[tuple[float, float, str]] = []
        self.found: list[tuple[float, str]] = []
        self.cut: float | None = None
        self.left_out = 0
        self.last = 0.0
        self.silence = (0.0, 0.0)
        self._open: dict[str, tuple[float, str]] = {}

    def wait(self, at: float) -> float:
        """It was waited for until `at` (seconds since the epoch); returns how long since the question."""
        since = at - self.asked_at
        if since - self.last > self.silence[1] - self.silence[0]:
            self.silence = (self.last, since)
        self.last = since
        return since

    def take(self, event: Event, at: float) -> None:
        """One event of the answer or of a helper's. `at`: seconds since the epoch."""
        since = at - self.asked_at
        begin, end = self.silence
        if since - self.last > end - begin:
            self.silence = (self.last, since)
        self.last = since
        kind, marks = event.kind, self.marks
        if len(marks) < _MOST_MARKS:
            marks.append((since, kind))
        else:
            self.left_out += 1
            marks[-1] = (since, kind)
        if kind is _TOOL_EXECUTING:
            if len(self.tools) + len(self._open) < _MOST_MARKS:
                self._open[event.call or event.tool or ""] = (since, event.tool or "?")
        elif kind is _TOOL_COMPLETED and self._open:
            begun = self._open.pop(event.call or event.tool or "", None)
            if begun is not None:
                self.tools.append((begun[0], since, begun[1]))

    @property
    def bars(self) -> list[tuple[float, float | None, str]]:
        """The tools to draw: (begin, end or None for one that never finished, name)."""
        return [*self.tools, *((begun, None, name) for begun, name in self._open.values())]


class Lanes:
    """The answers that are worth a look: those with findings first, and of each scenario the one that took longest."""

    def __init__(self) -> None:
        self.guilty: list[Lane] = []
        self.of_scenario: dict[str, Lane] = {}
        self.recent: deque[Lane] = deque(maxlen=_MOST_RECENT)
        self._of_rule: dict[str, int] = {}

    def done(self, lane: Lane) -> None:
        """An answer that has come to its end, in whatever way."""
        self.recent.append(lane)
        longest = self.of_scenario.get(lane.scenario)
        known = longest is not None or len(self.of_scenario) < _MOST_SCENARIOS
        if known and (longest is None or lane.last > longest.last):
            self.of_scenario[lane.scenario] = lane

    def found(self, lane: Lane, finding: Finding, at: float) -> None:
        """A rule objected to this answer."""
        if len(lane.found) < _MOST_OF_A_RULE:
            lane.found.append((max(at - lane.asked_at, 0.0), finding.rule))
        known = self._of_rule.get(finding.rule, 0)
        if lane not in self.guilty and known < _MOST_OF_A_RULE and len(self.guilty) < _MOST_GUILTY:
            self._of_rule[finding.rule] = known + 1
            self.guilty.append(lane)

    def chosen(self, most: int) -> list[Lane]:
        """The lanes to draw, at most so many, in the order of time."""
        rest = [lane for lane in self.of_scenario.values() if lane not in self.guilty and lane.marks]
        rest.sort(key=lambda lane: lane.silence[1] - lane.silence[0], reverse=True)
        # What is wrong goes first, but not alone: beside it stands what an answer looks like that is right.
        guilty = self.guilty[: most - min(4, len(rest))]
        return sorted([*guilty, *rest[: most - len(guilty)]], key=lambda lane: lane.asked_at)
