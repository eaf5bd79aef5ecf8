"""The interface to services, as processes or in containers."""

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from greenlight_gate.findings import printable
from greenlight_gate.services.stack_folder import Folder
from greenlight_gate.services.supervisor import ServiceStatus

OnProgress = Callable[[list[ServiceStatus]], None]
_LOOK_EVERY_S = 0.2


@dataclass(frozen=True)
class StackOptions:
    """How to start the stack: who may sign in, which defects to activate, and the port of the entry (0: any)."""

    users: Sequence[str] = ()
    defects: Sequence[str] = ()
    port: int = 0


def silent(_: list[ServiceStatus]) -> None:
    """Shows nothing."""


class Runtime(Protocol):
    """The services of one target. Each method raises Misconfigured with one line that says what to do."""

    runtime: str

    @property
    def services(self) -> tuple[str, ...]:
        """The names of all services, in the order of their start."""

    def start(self, wish: StackOptions, on_progress: OnProgress = silent) -> bool:
        """Starts all, waits until all are healthy, and returns whether anything had to be started."""

    def stop(self, names: Sequence[str] = ()) -> list[str]:
        """Stops services, or all; returns the names of those that were running."""

    def restart(self, names: Sequence[str] = (), on_progress: OnProgress = silent) -> None:
        """Restarts services, or all, with the same settings."""

    def rows(self) -> list[ServiceStatus]:
        """The state of every service."""

    def logs(self, names: Sequence[str], lines: int, *, follow: bool) -> int:
        """Shows the last lines of logs, and follows them if wanted; returns the exit code."""

    def clean(self) -> None:
        """Stops all, and removes their data."""


def tail(folder: Folder, names: Sequence[str], lines: int, *, follow: bool) -> int:
    """Shows the last lines of log files on standard output, until Ctrl-C if `follow`."""
    at: dict[str, int] = {}
    for name in names:
        with contextlib.suppress(FileNotFoundError):
            text = folder.log(name).read_text(encoding="utf-8", errors="replace")
            at[name] = folder.log(name).stat().st_size
            for line in text.splitlines()[-lines:]:
                print(f"{name:<10} {printable(line)}", flush=True)
    while follow:
        time.sleep(_LOOK_EVERY_S)
        for name in names:
            with contextlib.suppress(FileNotFoundError), folder.log(name).open("rb") as file:
                file.seek(at.get(name, 0))
                for line in file.read().decode(errors="replace").splitlines():
                    print(f"{name:<10} {printable(line)}", flush=True)
                at[name] = file.tell()
    return 0
