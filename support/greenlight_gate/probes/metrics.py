"""A probe of a Prometheus endpoint of the target (text format 0.0.4)."""

import math
import re

import httpx2

from greenlight_gate.probes.base import ProbeFailed
from greenlight_gate.verdict.memory_trend import Sample

_TIMEOUT_S = 2.0
_LARGEST_BYTES = 4_194_304
_LINE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{[^}]*\})?\s+(?P<value>[-+\w.]+)(?:\s+\d+)?$")


def read_metrics(text: str) -> dict[str, float]:
    """The values by name; those of one name with several labels are added up. Invalid lines are skipped."""
    values: dict[str, float] = {}
    for line in text.splitlines():
        found = _LINE.match(line)
        if found is None:
            continue
        try:
            value = float(found["value"])
        except ValueError:
            continue
        if not math.isnan(value):
            values[found["name"]] = values.get(found["name"], 0.0) + value
    return values


class MetricsProbe:
    """Memory, descriptors and CPU under their usual Prometheus names.

    `connections`, `runs`: the names of the gauges of those that are open.
    """

    def __init__(self, url: str, connections: str, runs: str) -> None:
        self.by = f"metrics at {url.partition('?')[0]}"
        self._url = url
        self._gauges = (connections, runs)
        # A persistent connection would count as one of the descriptors.
        self._client = httpx2.Client(timeout=_TIMEOUT_S, trust_env=False, headers={"Connection": "close"})

    def look(self, at: float) -> Sample:
        """One sample. Raises CannotLook without an answer, or if it has no known metric."""
        try:
            reply = self._client.get(self._url)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ProbeFailed(f"{self.by}: {type(error).__name__}: {error}") from error
        if reply.status_code != 200 or len(reply.content) > _LARGEST_BYTES:
            raise ProbeFailed(f"{self.by}: HTTP {reply.status_code} with {len(reply.content)} bytes")
        values = read_metrics(reply.text)
        names = ("process_resident_memory_bytes", "process_open_fds", *self._gauges)
        rss, descriptors, connections, runs = found = [values.get(name) for name in names]
        if all(value is None for value in found):
            raise ProbeFailed(f"{self.by}: none of {', '.join(names)} was found")
        return Sample(at, rss, descriptors, connections, values.get("process_cpu_seconds_total"), runs=runs)
