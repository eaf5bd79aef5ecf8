"""How busy a whole machine was, and with whose work: what two samples of Linux's /proc say of the time between them.

Load average, run queue and pressure (PSI) count waits of the suite's own processes as well, and the suite may use a
small machine up by itself. So what decides is CPU time, which is known for each process.
"""

from collections.abc import Collection, Iterable
from typing import NamedTuple

import msgspec

# From here on a machine has no CPU time left, and from here on others have taken too much of it: shares of all CPUs.
MOST_USED = 0.9
MOST_FOREIGN = 0.25


class HostSample(NamedTuple):
    """CPU seconds of all CPUs together since the machine started.

    `programs_s`: of all processes (user, nice, system); `idle_s`: of none; `total_s`: all time, with that of interrupts
    and with `stolen_s`, in which the machine's own host ran others. `own_s`: of the suite and what it has started.
    """

    programs_s: float
    idle_s: float
    total_s: float
    stolen_s: float
    own_s: float


class HostLoad(msgspec.Struct, frozen=True):
    """Shares (0 to 1) of a machine's CPU time between two samples.

    `used`: all but idle time; `foreign`: of processes that are neither the suite nor started by it; `stolen`: taken by
    the machine's own host; `own`: of the suite and what it has started, such as an embedded backend.
    """

    used: float
    foreign: float
    stolen: float
    own: float

    @property
    def is_crowded(self) -> bool:
        """Whether others took so much of a machine without idle time that what was late may be their doing."""
        return self.used >= MOST_USED and self.foreign + self.stolen >= MOST_FOREIGN

    def __str__(self) -> str:
        stolen = f", {self.stolen:.0%} were taken by its host" if self.stolen >= 0.01 else ""
        return (
            f"other programs used {self.foreign:.0%} of its CPU time{stolen} ({MOST_FOREIGN:.0%} are allowed when less "
            f"than {1 - MOST_USED:.0%} is left), the suite and what it started {self.own:.0%}"
        )


class CrowdedTime(NamedTuple):
    """A time in which a machine was crowded: when it ended (monotonic seconds), how long it was, and why, in words."""

    ended_at: float
    for_s: float
    why: str


def sample(stat: str, processes: Iterable[str], own: Collection[int], ticks_per_s: float) -> HostSample:
    """Reads /proc/stat, and /proc/PID/stat of all processes, of which `own` and their descendants are the suite's.

    See proc_stat(5) and proc_pid_stat(5). Raises ValueError for what has another form.
    """
    line = stat.partition("\n")[0]
    fields = line.removeprefix("cpu ").split()
    if fields == line.split() or len(fields) < 8:
        raise ValueError(f"expected the CPU line of /proc/stat, got {line[:80]!r}")
    user, nice, system, idle, iowait, irq, softirq, stolen = (int(field) / ticks_per_s for field in fields[:8])
    programs_s, idle_s = user + nice + system, idle + iowait
    return HostSample(
        programs_s,
        idle_s,
        programs_s + idle_s + irq + softirq + stolen,
        stolen,
        _own_ticks(processes, own) / ticks_per_s,
    )


def between(before: HostSample, after: HostSample) -> HostLoad | None:
    """What passed between two samples; None if no time did."""
    passed_s = after.total_s - before.total_s
    if passed_s <= 0:
        return None
    # Counted in ticks, for each process apart: the difference of two samples may be a little below zero.
    own_s = max(after.own_s - before.own_s, 0.0)
    foreign_s = max(after.programs_s - before.programs_s - own_s, 0.0)
    stolen_s = max(after.stolen_s - before.stolen_s, 0.0)
    used = 1.0 - (after.idle_s - before.idle_s) / passed_s
    return HostLoad(used, foreign_s / passed_s, stolen_s / passed_s, own_s / passed_s)


def _own_ticks(processes: Iterable[str], own: Collection[int]) -> int:
    """The ticks of these processes and of all their descendants, those that have ended and were waited for included."""
    ticks: dict[int, int] = {}
    children: dict[int, list[int]] = {}
    for text in processes:
        # The name of the program, in parentheses, may hold anything.
        pid, (_, parent, *rest) = int(text.split(maxsplit=1)[0]), text.rpartition(")")[2].split()
        # utime, stime, cutime and cstime, the fields 14 to 17.
        ticks[pid] = sum(map(int, rest[9:13]))
        children.setdefault(int(parent), []).append(pid)
    family, found = list(own), set(own)
    for pid in family:
        more = [child for child in children.get(pid, ()) if child not in found]
        found.update(more)
        family += more
    return sum(ticks.get(pid, 0) for pid in family)
