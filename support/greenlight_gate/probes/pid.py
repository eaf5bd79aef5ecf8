"""Processes on this machine, measured by their ids."""

import psutil

from greenlight_gate.probes.base import ProbeFailed
from greenlight_gate.verdict.memory_trend import Sample


class PidProbe:
    """Resident memory, descriptors and CPU time of processes and of their children, which may be workers, in sum."""

    def __init__(self, *pids: int) -> None:
        self.by = f"process{'es' if len(pids) > 1 else ''} {' and '.join(map(str, pids))}"
        self._pids = pids

    def look(self, at: float) -> Sample:
        """One measurement. Raises CannotLook when a process is gone or another account's."""
        try:
            heads = [psutil.Process(pid) for pid in self._pids]
            family = [each for head in heads for each in (head, *head.children(recursive=True))]
            rss = sum(each.memory_info().rss for each in family)
            descriptors = sum(each.num_fds() for each in family)
            times = [each.cpu_times() for each in family]
        except psutil.Error as error:
            raise ProbeFailed(f"{self.by} cannot be looked at: {error}") from error
        cpu_s = sum(time.user + time.system for time in times)
        return Sample(at, float(rss), float(descriptors), cpu_s=float(cpu_s))


def pid_of_listener(port: int) -> int | None:
    """Which process of this machine listens on a port; None where that is unknown."""
    try:
        found = psutil.net_connections(kind="tcp")
    except psutil.Error:
        return None
    return next((c.pid for c in found if c.status == psutil.CONN_LISTEN and c.laddr and c.laddr[1] == port), None)
