"""Which ways there are to look at a target: by its file, and by where it runs."""

from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from greenlight_gate.probes.base import Probe, ProbeFailed
from greenlight_gate.probes.container import ContainerProbe
from greenlight_gate.probes.metrics import MetricsProbe
from greenlight_gate.probes.pid import PidProbe, pid_of_listener
from greenlight_gate.targets.model import Target
from greenlight_gate.verdict.memory_trend import Sample

_FIELDS = ("rss_bytes", "descriptors", "connections", "cpu_s")


class Probes:
    """Several ways to look at one target: what the first cannot see is asked of the next.

    `by` names those that see anything; `reason` says why the others do not.
    """

    def __init__(self, ways: Sequence[Probe]) -> None:
        self._ways = list(ways)
        self._blind: dict[str, str] = {}

    @property
    def by(self) -> str:
        """How the target is looked at; "" when it cannot be."""
        return " and ".join(way.by for way in self._ways if way.by not in self._blind)

    @property
    def reason(self) -> str:
        """Why not."""
        return "; ".join(self._blind.values()) or "there is no way to look at this target ([probe] in its file)"

    def look(self, at: float, done: float = 0.0) -> Sample | None:
        """One look by all ways together; None when none of them sees anything."""
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
    """The ways for this target. `own_pids`: the processes of a backend that the suite has started."""
    probe = target.probe
    ways: list[Probe] = []
    if probe.container:
        ways.append(ContainerProbe(probe.container, probe.docker_socket))
    elif own_pids:
        ways.append(PidProbe(*own_pids))
    # At the entry of a stack nothing listens whose memory would matter: its replicas are seen, or nothing is.
    elif target.start != "stack" and target.is_loopback and (pid := pid_of_listener(_port(target.url))) is not None:
        ways.append(PidProbe(pid))
    if probe.metrics:
        ways.append(MetricsProbe(target.resolve(probe.metrics), probe.connections_gauge))
    return Probes(ways)


def _port(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (443 if parts.scheme == "wss" else 80)
