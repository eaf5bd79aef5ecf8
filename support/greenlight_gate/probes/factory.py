"""Selects the probes of a target from its file and from where it runs."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from greenlight_gate.probes.base import Probe, ProbeFailed
from greenlight_gate.probes.pid import PidProbe, pid_of_listener
from greenlight_gate.targets.model import Target
from greenlight_gate.verdict.memory_trend import Sample

_FIELDS = ("rss_bytes", "descriptors", "connections", "cpu_s", "runs")


class Probes:
    """Several probes of one target: each provides what the earlier ones cannot.

    `by` names those that provide values; `reason` says why the others do not.
    """

    def __init__(self, ways: Sequence[Probe]) -> None:
        self._ways = list(ways)
        self._blind: dict[str, str] = {}

    @property
    def by(self) -> str:
        """The names of the probes in use; "" if there are none."""
        return " and ".join(way.by for way in self._ways if way.by not in self._blind)

    @property
    def reason(self) -> str:
        """Why the target cannot be probed."""
        return "; ".join(self._blind.values()) or "no probe is available for this target ([probe] in its file)"

    def look(self, at: float, done: float = 0.0) -> Sample | None:
        """One sample of all probes together; None if none provides a value."""
        seen: dict[str, float] = {}
        for way in self._ways:
            try:
                sample = way.look(at)
            except ProbeFailed as error:
                self._blind[way.by] = str(error)
                continue
            self._blind.pop(way.by, None)
            for name in _FIELDS:
                value = getattr(sample, name)
                if value is not None:
                    seen.setdefault(name, value)
        return msgspec.structs.replace(Sample(at, **seen), done=done) if seen else None


def probes_for(target: Target, own_pids: Sequence[int]) -> Probes:
    """The probes of this target. `own_pids`: the processes of a backend that the suite has started."""
    probe = target.probe
    ways: list[Probe] = []
    if probe.container:
        from greenlight_gate.probes.container import ContainerProbe  # noqa: PLC0415 -- it takes long

        ways.append(ContainerProbe(probe.container, probe.docker_socket))
    elif own_pids:
        ways.append(PidProbe(*own_pids))
    # The process at the entry of a stack is not the backend: only the replicas are measured.
    elif target.start != "stack" and target.is_loopback and (pid := listener_of(target)) is not None:
        ways.append(PidProbe(pid))
    if probe.metrics:
        from greenlight_gate.probes.metrics import MetricsProbe  # noqa: PLC0415 -- it takes long

        ways.append(MetricsProbe(target.resolve(probe.metrics), probe.connections_gauge, probe.runs_gauge))
    return Probes(ways)


def listener_of(target: Target) -> int | None:
    """The process of this machine that listens on the port of the target's url; None if unknown."""
    parts = urlsplit(target.url)
    return pid_of_listener(parts.port or (443 if parts.scheme == "wss" else 80))
