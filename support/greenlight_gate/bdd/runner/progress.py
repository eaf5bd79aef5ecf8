"""The progress of a run: a live line on a terminal, plain lines elsewhere."""

import time
from collections import Counter
from typing import Any

from behave.model import Scenario
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.spinner import Spinner
from rich.text import Text

from greenlight_gate.bdd.world.world import World
from greenlight_gate.evidence.session_folder import Finished
from greenlight_gate.findings import numbered, shortened
from greenlight_gate.monitor import Alert
from greenlight_gate.verdict.reason import in_one_line

_MARKS = {
    "passed": ("ok", "green"),
    "failed": ("FAILED", "red"),
    "broken": ("BROKEN", "magenta"),
    "not_exercised": ("skip", "yellow"),
}
_MARGIN = 11
_NARROWEST = 20
_REASON_INDENT = 9


class RunProgress:
    """Prints a line for each scenario once it is settled; on a terminal also the current state.

    `quiet` prints nothing. The console decides where lines go, and whether it is a terminal. No line is wider than the
    console, which without a terminal has 80 columns.
    """

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self.console = console
        self.quiet = quiet
        self._began = time.monotonic()
        self._counts: Counter[str] = Counter()
        self._events = 0
        self._total = 0
        self._now = ""
        self._category = ""
        self._world: World | None = None
        self._live: Live | None = None

    @classmethod
    def silent(cls) -> "RunProgress":
        """Prints nothing, since behave without `greenlight run` prints its own progress."""
        return cls(Console(stderr=True), quiet=True)

    def starting(self, environment: str) -> None:
        """Reports that the target is being read and its backend started."""
        self._say(f"Preparing {escape(environment)} ...")

    def running(self, name: str, url: str, scenarios: int, jobs: int) -> None:
        """Reports that the target is healthy and the scenarios begin, so many at a time."""
        self._total = scenarios
        at_once = f", {jobs} in parallel except for measurements" if jobs > 1 else ""
        self._say(f"Testing [bold]{escape(name)}[/] at {escape(url)}: {numbered(scenarios, 'scenario')}{at_once}")
        if self.console.is_terminal and not self.quiet:
            self._live = Live(get_renderable=self._line, console=self.console, transient=True, refresh_per_second=8)
            self._live.start()

    def failed(self, reason: str) -> None:
        """Reports why the run cannot continue."""
        self._say(f"[red]{escape(reason)}[/]")

    def warn(self, caveat: str) -> None:
        """Prints a warning, such as a reason that prevents an approval, also if `quiet`."""
        self.console.print(f"[bold yellow]WARNING[/] {escape(caveat)}", highlight=False, soft_wrap=True)

    def began(self, scenario: Scenario, world: World) -> None:
        """A scenario begins."""
        category = world.key.partition("/")[0]
        self._now = f"{category}: {scenario.name}"
        self._world = world

    def ended(self, finished: Finished, name: str, events: int) -> None:
        """A scenario is settled."""
        self._counts[finished.outcome] += 1
        self._events += events
        category = finished.key.partition("/")[0]
        if category != self._category:
            self._category = category
            self._say(f"[bold]{category}[/]")
        word, colour = _MARKS[finished.outcome]
        figures = f"{events:4d} events {finished.duration_s:6.2f} s"
        width = max(self.console.width - len(figures) - _MARGIN, _NARROWEST)
        shown = escape(shortened(Text(name).plain, width).ljust(width))
        self._say(f"  [{colour}]{word:<7}[/]{shown} [dim]{figures}[/]")
        if finished.reason and finished.outcome != "passed":
            self._say(escape(in_one_line(finished.reason)), indent=_REASON_INDENT)

    def alert(self, alert: Alert) -> None:
        """Prints that a failure pattern has begun or ended."""
        colour = {"critical": "red", "warning": "yellow"}.get(alert.level, "green")
        self._say(f"[bold {colour}]ALERT[/]  {escape(str(alert))}", indent=2)

    def close(self) -> None:
        """Restores the terminal."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _say(self, markup: str, *, indent: int = 0) -> None:
        if self.quiet:
            return
        text = self.console.render_str(markup, highlight=False)
        for line in text.wrap(self.console, self.console.width - indent):
            line.rstrip()
            self.console.print(Text(" " * indent).append_text(line))

    def _line(self) -> Any:
        done = sum(self._counts.values())
        world = self._world
        events = self._events + (sum(len(q.events) for q in world.questions) if world is not None else 0)
        elapsed = time.monotonic() - self._began
        text = f" {done}/{self._total}  {self._now}  {numbered(events, 'event')}  {elapsed:.0f} s"
        return Spinner("dots", Text(text[: self.console.width - 4]))
