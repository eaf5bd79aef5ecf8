"""The stack as a target: starts it if needed, and provides its addresses."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from greenlight_gate.services.containers import Containers
from greenlight_gate.services.processes import Processes
from greenlight_gate.services.programs import docker_engine, postgres_folder, redis_program
from greenlight_gate.services.runtime import OnProgress, Runtime, StackOptions, silent
from greenlight_gate.services.stack import REPLICAS, require_packages
from greenlight_gate.services.stack_folder import Folder, default_folder
from greenlight_gate.services.supervisor import Supervisor
from greenlight_gate.services.target_services import TargetCommand, TargetCompose
from greenlight_gate.targets.errors import Misconfigured
from greenlight_gate.targets.model import Target

Ours = Processes | Containers
KEY, PASSWORD = "CHAT_AUTH_KEY", "CHAT_PASSWORD"


def services_of(target: Target, runtime: str, environ: Mapping[str, str], folder_of_target: Path) -> Runtime:
    """The runtime of a target's services; `folder_of_target` holds its file. Raises Misconfigured if it has none."""
    folder = Folder(default_folder(dict(environ)))
    if target.start == "stack":
        return runtime_of(runtime, folder, environ)
    if target.compose:
        return TargetCompose(folder_of_target / target.compose)
    if target.command:
        return TargetCommand(Folder(folder.path / "own" / target.name), target, environ, folder_of_target)
    raise Misconfigured(
        f'services: {target.name} has none that could be started: give its file compose = "docker-compose.yml", or '
        f'start = "command" and a command, or use --environment local'
    )


def runtime_of(name: str, folder: Folder, environ: Mapping[str, str]) -> Ours:
    """The runtime of this name; for "auto" that of running services, else the installed one. Raises Misconfigured."""
    started = folder.read().get("runtime", "")
    if name == "auto":
        name = started or _installed()
    elif started and started != name and (started == "docker" or Supervisor(folder).running()):
        raise Misconfigured(
            f"services: they were started with --runtime {started}: run `greenlight services clean` first"
        )
    return Containers(folder, environ) if name == "docker" else Processes(folder, environ)


def _installed() -> str:
    require_packages()
    try:
        postgres_folder()
        redis_program()
    except Misconfigured as error:
        if docker_engine() is None:
            return "docker"
        raise Misconfigured(f"{error}; and Docker: {docker_engine()}") from error
    return "processes"


class LocalStack:
    """The stack that a run uses. `started`: by this run, which then stops it."""

    def __init__(self, runtime: Ours, *, started: bool) -> None:
        self.runtime = runtime
        self.started = started
        self._record: dict[str, Any] = runtime.folder.read()

    @classmethod
    def ready(
        cls, target: Target, environ: Mapping[str, str], defects: Sequence[str] = (), *, check: bool = True,
        on_progress: OnProgress = silent,
    ) -> "LocalStack":  # fmt: skip
        """The healthy stack; without `check`, in its present state. Raises Misconfigured."""
        folder = Folder(default_folder(dict(environ)))
        runtime = runtime_of("auto", folder, environ)
        if check:
            users = [persona.user for persona in target.personas]
            return cls(runtime, started=runtime.start(StackOptions(users, defects), on_progress))
        if not folder.read():
            raise Misconfigured(
                "services: none are running, and --skip-services-check starts none: "
                "start them with `greenlight services start`"
            )
        return cls(runtime, started=False)

    def environ(self) -> dict[str, str]:
        """The credentials of the stack's users, as the variables that the target file names."""
        kept = self._record["secrets"]
        return {KEY: kept["auth"], PASSWORD: kept["users"]}

    def located(self, target: Target) -> Target:
        """The target with the addresses of this stack."""
        ports = self._record["ports"]
        sign = f"http://127.0.0.1:{ports['auth']}/auth"
        auth = msgspec.structs.replace(target.auth, login_url=f"{sign}/token", logout_url=f"{sign}/logout")
        replicas = tuple(f"ws://127.0.0.1:{ports[name]}/ws" for name in REPLICAS)
        return msgspec.structs.replace(target, url=f"ws://127.0.0.1:{ports['entry']}/ws", replicas=replicas, auth=auth)

    def stop(self) -> None:
        """Stops the stack, if this run has started it."""
        if self.started:
            self.runtime.stop()
