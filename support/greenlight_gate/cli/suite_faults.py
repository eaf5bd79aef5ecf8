"""Faults of the suite itself: reported by class and text, with an exit code that does not blame the target."""

import contextlib
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from greenlight_gate.evidence.session_folder import LOG
from greenlight_gate.findings import printable
from greenlight_gate.rules.engine.canary import named
from greenlight_gate.verdict.facts import Verdict


class SuiteFaults:
    """Faults of the suite while it wrote files that do not affect the decision; `messages` holds each in one line.

    The decision and the evidence stand, but a faulty suite approves nothing.
    """

    def __init__(self, folder: Path, console: Console) -> None:
        self.folder = folder
        self.console = console
        self.messages: list[str] = []

    @contextlib.contextmanager
    def costing(self, what: str) -> Iterator[None]:
        """Limits an exception to the loss of `what`, and reports it. An OSError is no fault of the suite."""
        try:
            yield
        except OSError as error:
            name = error.filename2 or error.filename
            where = f" ({name})" if name else ""
            self._say("yellow", f"{what} not written: {error.strerror or error}{where}")
        except Exception as error:  # noqa: BLE001 -- reported as the suite's fault
            self.messages.append(f"Suite fault: {what} not written: {in_short(error)}")
            self._say("red", self.messages[-1])
            self._log(error)

    def verdict(self, decided: Verdict) -> Verdict:
        """The verdict for the exit code: the decision, but INCONCLUSIVE for an approval by a faulty suite."""
        return Verdict.INCONCLUSIVE if self.messages and decided is Verdict.APPROVED else decided

    def outcome(self, verdict: Verdict) -> Verdict:
        """The same as `verdict`, and says why it is not the decision."""
        if self.verdict(verdict) is verdict:
            return verdict
        self._say(
            "yellow",
            "INCONCLUSIVE  The suite itself failed, not the target. The report contains the decision above, and "
            f"{LOG} the details. Once the fault is corrected, `greenlight verdict {self.folder}` decides "
            "without another run.",
        )
        return Verdict.INCONCLUSIVE

    def _say(self, colour: str, text: str) -> None:
        self.console.print(f"[{colour}]{escape(text)}[/]", highlight=False, soft_wrap=not self.console.is_terminal)

    def _log(self, error: Exception) -> None:
        # The log of the run is closed by now, and `greenlight verdict` has none.
        with contextlib.suppress(OSError), (self.folder / LOG).open("a", encoding="utf-8", errors="replace") as log:
            lines = named("".join(traceback.format_exception(error)))
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} ERROR {self.messages[-1]}\n{lines}")


def in_short(error: Exception) -> str:
    """The class and the text of an exception, in one line of printable characters."""
    return f"{type(error).__name__}: {printable(named(str(error)))}"
