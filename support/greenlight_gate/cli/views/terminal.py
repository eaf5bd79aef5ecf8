"""The console of the commands: rich's, but robust against a closed pipe (`| head`)."""

import os
import sys

from rich.console import Console


class Terminal(Console):
    """A console that ignores a closed pipe: rich would end the program with 1, the exit code of a blocked target."""

    def on_broken_pipe(self) -> None:
        """Continues silently: the verdict, its exit code and the files do not depend on a reader."""
        self.quiet = True
        # Any other writer, and Python itself at exit, would fail as well.
        stream = sys.stderr if self.stderr or self.file is sys.stderr else sys.stdout
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
