"""Where the commands print: rich's console, but for what it does when nobody reads any longer (`| head`)."""

import os
import sys

from rich.console import Console


class Terminal(Console):
    """rich would end the program, in the middle of a run and with 1: the exit code of a blocked target."""

    def on_broken_pipe(self) -> None:
        """Goes on without a word: the verdict, its exit code and the files do not depend on a reader."""
        self.quiet = True
        # What else writes there, and Python itself when it ends, would fail as well.
        stream = sys.stderr if self.stderr or self.file is sys.stderr else sys.stdout
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
