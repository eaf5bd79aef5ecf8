"""The services that a target file names: a compose file, or a command that serves until it is stopped."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx2
import psutil
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from greenlight_gate.services.compose import Compose
from greenlight_gate.services.processes import READY_WITHIN_S
from greenlight_gate.services.runtime import OnProgress, StackOptions, silent, tail
from greenlight_gate.services.stack_folder import Folder
from greenlight_gate.services.supervisor import Program, ServiceStatus, Supervisor
from greenlight_gate.targets.errors import Misconfigured
from greenlight_gate.targets.model import Target

_NAME = "command"


class TargetCompose:
    """The services of a target's `compose` file."""

    runtime = "docker"

    def __init__(self, file: Path) -> None:
        self._compose = Compose(file, {})

    @property
    def services(self) -> tuple[str, ...]:
        """The names of the file's services."""
        return tuple(row.service for row in self.rows())

    def start(self, wish: StackOptions, on_progress: OnProgress = silent) -> bool:
        """Starts all and waits until they are healthy; returns whether anything had to be started."""
        _refuse_defects(wish)
        if all(row.up for row in self.rows()):
            return False
        self._compose.up()
        on_progress(self.rows())
        return True

    def stop(self, names: Sequence[str] = ()) -> list[str]:
        """Stops services, or all; returns the names of those that were running."""
        running = [row.service for row in self.rows() if row.health != "not running"]
        self._compose.down(names)
        return [name for name in running if not names or name in names]

    def restart(self, names: Sequence[str] = (), on_progress: OnProgress = silent) -> None:
        """Restarts services."""
        self._compose.restart(names)
        on_progress(self.rows())

    def rows(self) -> list[ServiceStatus]:
        """The state of every service."""
        return self._compose.rows()

    def logs(self, names: Sequence[str], lines: int, *, follow: bool) -> int:
        """Shows logs."""
        return self._compose.logs(names, lines, follow=follow)

    def clean(self) -> None:
        """Stops all, and removes their volumes."""
        self._compose.down(volumes=True)


class TargetCommand:
    """A target's `command`, as one service of that name, in the folder `folder_of_target` its file."""

    runtime = "processes"
    services = (_NAME,)

    def __init__(self, folder: Folder, target: Target, environ: Mapping[str, str], folder_of_target: Path) -> None:
        self.folder = folder
        self._folder_of_target = folder_of_target
        self._target = target
        self._environ = environ
        self._supervisor = Supervisor(folder)

    def start(self, wish: StackOptions, on_progress: OnProgress = silent) -> bool:
        """Starts it and waits until the target is healthy; whether it had to be started. Raises Misconfigured."""
        _refuse_defects(wish)
        with self.folder.claimed():
            if self._supervisor.process(_NAME) is not None:
                return False
            self._supervisor.start(Program(_NAME, self._target.command, 0, self._environ, cwd=self._folder_of_target))
            try:
                self._wait(on_progress)
            except BaseException:
                self._supervisor.end(_NAME)
                raise
            return True

    def stop(self, names: Sequence[str] = ()) -> list[str]:
        """Stops it; returns its name if it was running."""
        del names
        with self.folder.claimed():
            return [_NAME] if self._supervisor.end(_NAME) else []

    def restart(self, names: Sequence[str] = (), on_progress: OnProgress = silent) -> None:
        """Restarts it."""
        self.stop(names)
        self.start(StackOptions(), on_progress)

    def rows(self) -> list[ServiceStatus]:
        """The state of the command."""
        process = self._supervisor.process(_NAME)
        if process is None:
            return [ServiceStatus(_NAME)]
        try:
            memory_mb = sum(each.memory_info().rss for each in (process, *process.children(recursive=True))) / 1e6
            uptime_s = time.time() - process.create_time()
        except psutil.Error:
            return [ServiceStatus(_NAME)]
        return [ServiceStatus(_NAME, f"pid {process.pid}", None, self._health(), memory_mb, uptime_s)]

    def logs(self, names: Sequence[str], lines: int, *, follow: bool) -> int:
        """Shows its log."""
        del names
        return tail(self.folder, [_NAME], lines, follow=follow)

    def clean(self) -> None:
        """Stops it and removes its log."""
        self.stop()
        self.folder.remove()

    def _health(self) -> str:
        if not self._target.health:
            return "healthy"
        try:
            answer = httpx2.get(self._target.resolve(self._target.health), timeout=1, trust_env=False)
        except httpx2.HTTPError as error:
            return f"no answer ({type(error).__name__})"
        return "healthy" if answer.status_code == 200 else f"HTTP {answer.status_code}"

    def _wait(self, on_progress: OnProgress) -> None:
        def rows() -> list[ServiceStatus]:
            current = self.rows()
            on_progress(current)
            if current[0].health == "not running":
                said = self._supervisor.said_last(_NAME)
                raise Misconfigured(f"services: the command has ended{f': {said}' if said else ''}")
            return current

        stop = stop_after_delay(READY_WITHIN_S)
        try:
            Retrying(retry=retry_if_result(lambda now: not now[0].up), stop=stop, wait=wait_fixed(0.1))(rows)
        except RetryError as error:
            raise Misconfigured(
                f"services: the command was not ready within {READY_WITHIN_S:g} s "
                f"({error.last_attempt.result()[0].health}); see {self.folder.log(_NAME)}"
            ) from error


def _refuse_defects(wish: StackOptions) -> None:
    if wish.defects:
        raise Misconfigured(f"--defect {wish.defects[0]}: works only with the bundled stack (--environment local)")
