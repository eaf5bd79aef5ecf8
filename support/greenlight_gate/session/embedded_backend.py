"""A backend that the suite starts itself: it can be restarted or killed, and then uses the same address again."""

import asyncio
import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from greenlight_gate.backend.launch import BackendFailed, BackendProcess, promises_before
from greenlight_gate.session.leftovers import data_folder
from greenlight_gate.session.scripted_model import ScriptedModel
from greenlight_gate.targets.access import NotReady, Unreachable, check_health
from greenlight_gate.targets.model import Target
from greenlight_gate.wire.spec import Promises

_START_S = 30.0
_END_S = 10.0
_ASK_EVERY_S = 0.05
# Short enough that lost connections are noticed while a scenario waits.
_HEARTBEAT_S = "2"
# The bundled backend takes a model that is silent for so long, or for half of the longest silence, for a failed one.
_MODEL_SILENCE_S = 2.0
MODEL_URL = "CHAT_MODEL_URL"
log = logging.getLogger("greenlight")

__all__ = ["MODEL_URL", "BackendFailed", "Running", "StartedBackend", "backend_variables", "promises_before"]


class Running(Protocol):
    """A process that serves a target."""

    @property
    def pid(self) -> int:
        """The id of the process."""

    @property
    def url(self) -> str:
        """Its URL; "" if the target file has it."""

    @property
    def alive(self) -> bool:
        """Whether the process is running."""

    def stop(self, timeout_s: float = _END_S) -> None:
        """Asks it to end (SIGTERM), and kills it after `timeout_s`; at once, if that is 0."""

    def stderr_tail(self) -> str:
        """The end of its output."""


class StartedBackend:
    """One backend, one process after the other. Call `tear_down` at the end, also after an error.

    `launch` starts a process at a port (0: any free one), or raises BackendFailed. `is_away`: from when it is
    ended until it is healthy again.
    """

    def __init__(self, launch: Callable[[int], Running], data: Path | None = None) -> None:
        self.process: Running | None = None
        self.is_away = False
        self._launch = launch
        self._data = data

    @classmethod
    def embedded(cls, defects: Sequence[str], environ: Mapping[str, str]) -> "StartedBackend":
        """The embedded backend, whose data survives its processes."""
        data = data_folder()
        return cls(
            lambda port: BackendProcess.start(defects, env=environ, port=port, timeout_s=_START_S, data=data), data
        )

    @property
    def url(self) -> str:
        """The URL of the process that was started last."""
        return self.process.url if self.process is not None else ""

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that serve now; none once it has been ended for good."""
        return () if self.process is None else (self.process.pid,)

    def start(self) -> None:
        """Starts it, at the port that it had before. Raises BackendFailed, also if that port is taken."""
        self.process = self._launch(urlsplit(self.url).port or 0)
        log.info("backend started: %s (pid %s)", self.process.url, self.process.pid)

    async def wait_until_up(self, target: Target) -> None:
        """Waits until the target is healthy. Raises BackendFailed if the process ends first or takes too long."""
        process, said = self.process, ""
        assert process is not None
        try:
            async with asyncio.timeout(_START_S):
                while process.alive:
                    try:
                        await check_health(target)
                    except (Unreachable, NotReady) as error:
                        said = str(error)
                        await asyncio.sleep(_ASK_EVERY_S)
                    else:
                        self.is_away = False
                        return
        except TimeoutError:
            raise BackendFailed(f"the backend was not ready within {_START_S:g} s: {said}") from None
        last = process.stderr_tail().strip().splitlines()[-1:] or ["it printed nothing"]
        raise BackendFailed(f"the backend ended before it was ready: {last[0]}")

    def stop(self, *, kill: bool) -> None:
        """Ends the process: asks it to (SIGTERM), or kills it (SIGKILL)."""
        if self.process is not None:
            self.is_away = True
            self.process.stop(0 if kill else _END_S)
            log.info("backend %s: pid %s", "killed" if kill else "stopped", self.process.pid)

    def tear_down(self) -> None:
        """Ends the process and removes its data."""
        if self.process is not None:
            self.process.stop()
        if self._data is not None:
            shutil.rmtree(self._data, ignore_errors=True)


def backend_variables(
    target: Target, promises: Promises, model: ScriptedModel | None, environ: Mapping[str, str]
) -> dict[str, str]:
    """The variables with which the bundled backend does what the target and the profile say; `environ` comes first."""
    own = {"CHAT_HEARTBEAT_S": _HEARTBEAT_S, **environ}
    if model is not None:
        answers = "all" if own.get(MODEL_URL) else "unknown"
        silence_s = min(_MODEL_SILENCE_S, target.budgets.silence_s / 2)
        own = {
            MODEL_URL: model.url, "CHAT_MODEL_ANSWERS": answers, "CHAT_MODEL_SILENCE_S": f"{silence_s:g}", **own
        }  # fmt: skip
    if not target.capabilities.resume:
        own["CHAT_RESUME"] = "off"
    if promises.runs_outlive_tokens:
        own["CHAT_RUNS_OUTLIVE_TOKENS"] = "on"
    if promises.runs_end_with_connection:
        own["CHAT_RUNS_END_WITH_CONNECTION"] = "on"
    return own
