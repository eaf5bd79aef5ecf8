"""The suite's own fault: told by its class and its text, and by an exit code that is not the target's."""

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
from greenlight_gate.verdict.decision import Verdict


class SuiteFaults:
    """What went wrong in the suite itself while it wrote what nothing is decided by; `told` holds each in one line.

    The decision and the evidence stand; but a suite that is broken approves nothing.
    """

    def __init__(self, folder: Path, console: Console) -> None:
        self.folder = folder
        self.console = console
        self.told: list[str] = []

    @contextlib.contextmanager
    def costing(self, what: str) -> Iterator[None]:
        """Whatever is raised inside costs no more than `what`. A disk that says no is nobody's fault, and told too."""
        try:
            yield
        except OSError as error:
            name = error.filename2 or error.filename
            where = f" ({name})" if name else ""
            self._say("yellow", f"no {what}: {error.strerror or error}{where}")
        except Exception as error:  # noqa: BLE001 -- whatever it is, it is told, and is not the target's fault
            self.told.append(f"Suite fault: no {what}: {in_short(error)}")
            self._say("red", self.told[-1])
            self._log(error)

    def outcome(self, verdict: Verdict) -> Verdict:
        """What the command ends with: that of the decision, but for an approval by a suite that is broken."""
        if not self.told or verdict is not Verdict.APPROVED:
            return verdict
        self._say(
            "yellow",
            "INCONCLUSIVE  The suite itself is at fault, not the target. The report keeps the decision above, and "
            f"{LOG} says what went wrong where. Once that is mended, `greenlight verdict {self.folder}` decides "
            "without another run.",
        )
        return Verdict.INCONCLUSIVE

    def _say(self, colour: str, text: str) -> None:
        self.console.print(f"[{colour}]{escape(text)}[/]", highlight=False, soft_wrap=not self.console.is_terminal)

    def _log(self, error: Exception) -> None:
        # The run's own log is closed by now, and `greenlight verdict` has none.
        with contextlib.suppress(OSError), (self.folder / LOG).open("a", encoding="utf-8", errors="replace") as log:
            lines = named("".join(traceback.format_exception(error)))
            log.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')} ERROR {self.told[-1]}\n{lines}")


def in_short(error: Exception) -> str:
    """The class and the text of an exception, in one line in which nothing acts."""
    return f"{type(error).__name__}: {printable(named(str(error)))}"
