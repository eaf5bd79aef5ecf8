"""The stack as processes of this machine: start, stop, restart, status."""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence

import psutil
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from greenlight_gate.services.runtime import OnProgress, StackOptions, silent, tail
from greenlight_gate.services.stack import REPLICAS, SERVICES, Stack
from greenlight_gate.services.stack_folder import Folder
from greenlight_gate.services.supervisor import ServiceStatus, Supervisor
from greenlight_gate.targets.errors import Misconfigured

READY_WITHIN_S = 30.0


class Processes:
    """The stack in a folder. Every method that changes something holds the folder's lock."""

    runtime = "processes"

    def __init__(self, folder: Folder, environ: Mapping[str, str]) -> None:
        self.folder = folder
        self.stack = Stack(folder, environ)
        self._supervisor = Supervisor(folder)

    @property
    def services(self) -> tuple[str, ...]:
        """The names of all services, in the order of their start."""
        return SERVICES

    def start(self, wish: StackOptions, on_progress: OnProgress = silent) -> bool:
        """Starts all and waits until all are healthy; returns whether anything had to be started.

        Raises Misconfigured if that fails, and leaves nothing running.
        """
        with self.folder.claimed():
            running = self._supervisor.running()
            record = self.folder.read()
            if set(running) == set(SERVICES):
                if record["defects"] != list(wish.defects):
                    has = ", ".join(record["defects"]) or "no defect"
                    raise Misconfigured(f"services: they already run, with {has}: run `greenlight services stop` first")
                self._wait(SERVICES, on_progress)
                return False
            # The rest of a killed start, or of a stack of which a process ended, is stopped first.
            self._end_all()
            with self._all_or_nothing():
                self.stack.begin(wish)
                for name in SERVICES:
                    self.stack.start(name)
                self._wait(SERVICES, on_progress)
            return True

    def stop(self, names: Sequence[str] = ()) -> list[str]:
        """Stops services, or all; returns the names of those that were running."""
        with self.folder.claimed():
            return self._end_all(names or SERVICES)

    def restart(self, names: Sequence[str] = (), on_progress: OnProgress = silent) -> None:
        """Restarts services, or all, with the same settings. Raises Misconfigured, also if there are none."""
        with self.folder.claimed():
            self._require_started()
            wanted = [name for name in SERVICES if name in names or not names]
            self._end_all(wanted)
            self._begin_again(wanted, on_progress)

    def kill(self, name: str) -> None:
        """Kills a service (SIGKILL)."""
        with self.folder.claimed():
            self._supervisor.end(name, kill=True)

    def resume(self, name: str) -> None:
        """Starts a service again that was stopped or killed, and waits for it."""
        with self.folder.claimed():
            self._require_started()
            if self._supervisor.process(name) is None:
                self._begin_again([name], silent)

    def rows(self) -> list[ServiceStatus]:
        """The state of every service."""
        return [self._row(name) for name in SERVICES]

    def logs(self, names: Sequence[str], lines: int, *, follow: bool) -> int:
        """Shows the last lines of logs, and follows them if wanted."""
        return tail(self.folder, names or SERVICES, lines, follow=follow)

    def clean(self) -> None:
        """Stops all, and removes data, logs and passwords."""
        with self.folder.claimed():
            try:
                self._end_all()
            except Misconfigured:
                # A record that cannot be read names no process to end.
                self.folder.forget()
        self.folder.remove()

    def pids(self) -> dict[str, int]:
        """The process ids of the replicas that run."""
        found = {name: self._supervisor.process(name) for name in REPLICAS}
        return {name: process.pid for name, process in found.items() if process is not None}

    def _require_started(self) -> None:
        if not self.folder.read().get("programs"):
            raise Misconfigured("services: none are running: start them with `greenlight services start`")

    def _begin_again(self, names: Sequence[str], on_progress: OnProgress) -> None:
        for name in names:
            self.stack.start(name)
        self._wait(names, on_progress)

    @contextlib.contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._end_all()
            raise

    def _end_all(self, names: Sequence[str] = SERVICES) -> list[str]:
        # In reverse order: a service ends before those that it depends on.
        return [name for name in reversed(SERVICES) if name in names and self._supervisor.end(name)][::-1]

    def _wait(self, names: Sequence[str], on_progress: OnProgress) -> None:
        def rows() -> list[ServiceStatus]:
            current = [self._row(name) for name in names]
            on_progress(current)
            for row in current:
                if row.health == "not running":
                    said = self._supervisor.said_last(row.service)
                    log = self.folder.log(row.service)
                    raise Misconfigured(f"services: {row.service} has ended{f': {said}' if said else ''} (see {log})")
            return current

        waiting = Retrying(
            retry=retry_if_result(lambda current: not all(row.up for row in current)),
            stop=stop_after_delay(READY_WITHIN_S),
            wait=wait_fixed(0.1),
        )
        try:
            waiting(rows)
        except RetryError as error:
            late = next(row for row in error.last_attempt.result() if not row.up)
            raise Misconfigured(
                f"services: {late.service} was not ready within {READY_WITHIN_S:g} s: {late.health} "
                f"(see {self.folder.log(late.service)})"
            ) from error

    def _row(self, name: str) -> ServiceStatus:
        process = self._supervisor.process(name)
        port = self.folder.read().get("ports", {}).get(name)
        if process is None:
            return ServiceStatus(name, port=port)
        try:
            family = [process, *process.children(recursive=True)] if name == "postgres" else [process]
            memory_mb = sum(_memory_mb(each) for each in family)
            uptime_s = time.time() - process.create_time()
        except psutil.Error:
            return ServiceStatus(name, port=port)
        return ServiceStatus(name, f"pid {process.pid}", port, self.stack.health(name), memory_mb, uptime_s)


def _memory_mb(process: psutil.Process) -> float:
    # A process that ends during the measurement counts as zero.
    with contextlib.suppress(psutil.Error):
        try:
            # PostgreSQL's processes share most of their memory, which is counted once.
            return float(process.memory_full_info().uss) / 1e6
        except (psutil.AccessDenied, AttributeError):
            return float(process.memory_info().rss) / 1e6
    return 0.0
