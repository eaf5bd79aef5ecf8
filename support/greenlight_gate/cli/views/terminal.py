"""The console of the commands: rich's, but robust against a closed pipe (`| head`) and escape sequences."""

import os
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from greenlight_gate.findings import printable_lines


class Terminal(Console):
    """A console that prints text without its escape sequences, and ignores a closed pipe.

    rich would pass escape sequences on to the terminal, and end the program at a closed pipe with 1, the exit code of a
    blocked target.
    """

    def render_str(self, text: str, **how: Any) -> Text:
        """Every string that is printed passes through here, whether a line or the cell of a table."""
        return super().render_str(printable_lines(text), **how)

    def on_broken_pipe(self) -> None:
        """Continues silently: the verdict, its exit code and the files do not depend on a reader."""
        self.quiet = True
        # Any other writer, and Python itself at exit, would fail as well.
        stream = sys.stderr if self.stderr or self.file is sys.stderr else sys.stdout
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
