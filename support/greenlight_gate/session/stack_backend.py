"""Both replicas of the stack as one backend: they end and start together, as in a release that is not rolling."""

from greenlight_gate.services.local import Ours
from greenlight_gate.services.stack import REPLICAS
from greenlight_gate.session.embedded_backend import Running, StartedBackend
from greenlight_gate.targets.model import Target


class StackBackend(StartedBackend):
    """The replicas of a stack. The other services, and so all stored data, stay."""

    def __init__(self, runtime: Ours) -> None:
        super().__init__(_never)
        self._runtime = runtime

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes of both replicas; none if they run in containers."""
        return tuple(self._runtime.pids().values())

    def start(self) -> None:
        """Starts the replicas that are not running."""
        for name in REPLICAS:
            self._runtime.resume(name)

    async def wait_until_up(self, target: Target) -> None:
        """Does nothing: `start` has waited for them."""
        del target
        self.is_away = False

    def stop(self, *, kill: bool) -> None:
        """Ends both replicas: asks them to (SIGTERM), or kills them (SIGKILL)."""
        self.is_away = True
        if kill:
            for name in REPLICAS:
                self._runtime.kill(name)
        else:
            self._runtime.stop(REPLICAS)

    def tear_down(self) -> None:
        """Does nothing: the stack is ended as a whole, if it was started for this run."""


def _never(port: int) -> Running:
    raise AssertionError(f"a stack cannot be started as one process at port {port}")
