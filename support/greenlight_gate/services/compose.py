"""Services in containers, by a compose file: the bundled one, or one that a target file names."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from greenlight_gate.services.programs import docker_engine
from greenlight_gate.services.supervisor import ServiceStatus
from greenlight_gate.targets.errors import Misconfigured

_UP_WITHIN_S = 600.0
_QUICK_S = 60.0


class Compose:
    """A compose file, run with `environ` added to the environment. Raises Misconfigured if Docker does not work."""

    def __init__(self, file: Path, environ: Mapping[str, str], project: str = "") -> None:
        reason = docker_engine()
        if reason is not None:
            raise Misconfigured(f"services: {reason}, or use --runtime processes")
        if not file.is_file():
            raise Misconfigured(f"services: {file}: expected a compose file, but there is none")
        self._command = ["docker", "compose", *(["-p", project] if project else []), "-f", str(file)]
        self._environ = {**os.environ, **environ}

    def up(self, names: Sequence[str] = ()) -> None:
        """Builds, starts and waits until all are healthy; stops everything if that fails."""
        try:
            self._run("up", "--build", "--detach", "--wait", *names, timeout_s=_UP_WITHIN_S)
        except BaseException:
            if not names:
                self._run("down", check=False)
            raise

    def down(self, names: Sequence[str] = (), *, volumes: bool = False) -> None:
        """Stops services, or all; `volumes` also removes their data."""
        if names:
            self._run("stop", *names)
        else:
            self._run("down", *(["--volumes"] if volumes else []))

    def restart(self, names: Sequence[str] = ()) -> None:
        """Stops and starts services, or all, and waits until they are healthy."""
        self._run("restart", *names)
        self.up(names)

    def kill(self, name: str) -> None:
        """Kills a service."""
        self._run("kill", name)

    def rows(self) -> list[ServiceStatus]:
        """The state of every service of the file."""
        said = self._run("ps", "--all", "--format", "json")
        # An array in old versions of the plugin, one object per line in newer ones.
        containers = json.loads(said) if said.startswith("[") else [json.loads(line) for line in said.splitlines()]
        known = {container["Service"]: container for container in containers}
        services = self._run("config", "--services").split()
        stats = self._memory([container["ID"] for container in containers if container["State"] == "running"])
        return [_row(name, known.get(name), stats) for name in services]

    def logs(self, names: Sequence[str], lines: int, *, follow: bool) -> int:
        """Shows logs on the terminal."""
        more = ["--follow"] if follow else []
        return subprocess.run(
            [*self._command, "logs", "--tail", str(lines), *more, *names], env=self._environ, check=False
        ).returncode

    def _memory(self, ids: Sequence[str]) -> dict[str, float]:
        if not ids:
            return {}
        command = ["docker", "stats", "--no-stream", "--format", "{{.ID}} {{.MemUsage}}", *ids]
        said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_QUICK_S).stdout
        return {line.split()[0]: _megabytes(line.split()[1]) for line in said.splitlines() if len(line.split()) > 1}

    def _run(self, *arguments: str, timeout_s: float = _QUICK_S, check: bool = True) -> str:
        try:
            done = subprocess.run(
                [*self._command, *arguments], env=self._environ, capture_output=True, text=True, check=False,
                timeout=timeout_s,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise Misconfigured(f"services: docker compose {arguments[0]} took longer than {timeout_s:g} s") from error
        if check and done.returncode:
            said = [line for line in done.stderr.strip().splitlines() if line.strip()]
            raise Misconfigured(f"services: docker compose {arguments[0]}: {said[-1] if said else 'failed'}")
        return done.stdout


def _row(name: str, container: dict[str, Any] | None, memory: Mapping[str, float]) -> ServiceStatus:
    if container is None or container["State"] != "running":
        return ServiceStatus(name)
    ports = [port["PublishedPort"] for port in container.get("Publishers") or [] if port.get("PublishedPort")]
    health = container.get("Health") or "healthy"
    return ServiceStatus(
        name, container.get("Name", container["ID"])[:24], ports[0] if ports else None, health,
        memory.get(container["ID"][:12]), _age_s(container["ID"]),
    )  # fmt: skip


def _age_s(container: str) -> float | None:
    command = ["docker", "inspect", "--format", "{{.State.StartedAt}}", container]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_QUICK_S).stdout.strip()
    try:
        began = datetime.fromisoformat(f"{said[:19]}+00:00")
    except ValueError:
        return None
    return (datetime.now(began.tzinfo) - began).total_seconds()  # noqa: TID251 -- a shell's clock


def _megabytes(text: str) -> float:
    units = {"GiB": 1073.741824, "MiB": 1.048576, "KiB": 0.001024, "B": 1e-6}
    for unit, factor in units.items():
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return 0.0
