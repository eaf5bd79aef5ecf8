"""Where the commands print: rich's console, but for two things that a server or a reader can do to it."""

import os
import sys
from typing import Any

from rich.console import Console
from rich.text import Text

from greenlight_gate.findings import printable_lines


class Terminal(Console):
    """Shows text without its escape sequences, and goes on when nobody reads any longer (`| head`).

    rich would pass escape sequences on to the terminal, where they act, and end the program at a broken pipe, in the
    middle of a run and with 1: the exit code of a blocked target.
    """

    def render_str(self, text: str, **how: Any) -> Text:
        """Every string that is printed comes through here, be it a line or the cell of a table."""
        return super().render_str(printable_lines(text), **how)

    def on_broken_pipe(self) -> None:
        """Goes on without a word: the verdict, its exit code and the files do not depend on a reader."""
        self.quiet = True
        # What else writes there, and Python itself when it ends, would fail as well.
        stream = sys.stderr if self.stderr or self.file is sys.stderr else sys.stdout
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
