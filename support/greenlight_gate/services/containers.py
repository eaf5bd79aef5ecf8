"""The stack in containers: the same record, keys and ports as with processes, run by Docker."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from greenlight_gate.services.compose import Compose
from greenlight_gate.services.runtime import OnProgress, StackOptions, silent
from greenlight_gate.services.stack import SERVICES, new_record
from greenlight_gate.services.stack_folder import Folder
from greenlight_gate.services.supervisor import ServiceStatus
from greenlight_gate.targets.errors import Misconfigured

_FILE = Path(__file__).with_name("compose.yaml")


class Containers:
    """The stack by `compose.yaml`."""

    runtime = "docker"

    def __init__(self, folder: Folder, environ: Mapping[str, str]) -> None:
        del environ
        self.folder = folder

    @property
    def services(self) -> tuple[str, ...]:
        """The names of all services."""
        return SERVICES

    def start(self, wish: StackOptions, on_progress: OnProgress = silent) -> bool:
        """Starts all and waits until all are healthy; returns whether any had to be started. Raises Misconfigured."""
        with self.folder.claimed():
            if self.folder.read() and all(row.up for row in self.rows()):
                return False
            kept = self.folder.read().get("secrets")
            record = new_record("docker", wish)
            if kept:
                # The volume of the database accepts only the password that it was made with.
                record["secrets"]["postgres"] = kept["postgres"]
            self.folder.write(record)
            self._compose().up()
            on_progress(self.rows())
            return True

    def stop(self, names: Sequence[str] = ()) -> list[str]:
        """Stops services, or all; returns the names of those that were running."""
        with self.folder.claimed():
            running = [row.service for row in self.rows() if row.health != "not running"]
            self._compose().down(names)
            return [name for name in running if not names or name in names]

    def restart(self, names: Sequence[str] = (), on_progress: OnProgress = silent) -> None:
        """Restarts services."""
        with self.folder.claimed():
            self._compose().restart(names)
            on_progress(self.rows())

    def kill(self, name: str) -> None:
        """Kills a service."""
        self._compose().kill(name)

    def resume(self, name: str) -> None:
        """Starts a service again that was stopped or killed."""
        self._compose().up([name])

    def rows(self) -> list[ServiceStatus]:
        """The state of every service."""
        return self._compose().rows()

    def logs(self, names: Sequence[str], lines: int, *, follow: bool) -> int:
        """Shows logs."""
        return self._compose().logs(names, lines, follow=follow)

    def clean(self) -> None:
        """Stops all, and removes data and passwords."""
        with self.folder.claimed():
            if self.folder.read():
                self._compose().down(volumes=True)
        self.folder.remove()

    def pids(self) -> dict[str, int]:
        """Returns no process ids: a container is measured through its own metrics."""
        return {}

    def _compose(self) -> Compose:
        record = self.folder.read()
        if not record:
            raise Misconfigured("services: none are running: start them with `greenlight services start`")
        ports = {f"GREENLIGHT_{n.upper().replace('-', '_')}_PORT": str(p) for n, p in record["ports"].items()}
        kept = record["secrets"]
        users = ",".join(f"{user}:{kept['users']}" for user in record["users"])
        return Compose(
            _FILE,
            {
                **ports, "GREENLIGHT_POSTGRES_PASSWORD": kept["postgres"], "GREENLIGHT_REDIS_PASSWORD": kept["redis"],
                "GREENLIGHT_AUTH_KEY": kept["auth"], "GREENLIGHT_USERS": users,
                "GREENLIGHT_DEFECTS": " ".join(f"--defect {defect}" for defect in record["defects"]),
            },
        )  # fmt: skip
