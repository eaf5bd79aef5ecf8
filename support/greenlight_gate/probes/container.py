"""A probe of a container through the Docker Engine API on its socket (GET /containers/NAME/stats)."""

from pathlib import Path
from typing import Any

import httpx2

from greenlight_gate.probes.base import ProbeFailed
from greenlight_gate.verdict.memory_trend import Sample

_TIMEOUT_S = 5.0
_NS = 1e9


class ContainerProbe:
    """Memory and CPU time of a container; descriptors are not available."""

    def __init__(self, name: str, socket: str) -> None:
        self.by = f"container {name}"
        self._socket = Path(socket)
        self._path = f"/containers/{name}/stats"
        self._client = httpx2.Client(
            transport=httpx2.HTTPTransport(uds=socket), base_url="http://docker", timeout=_TIMEOUT_S, trust_env=False,
            headers={"Connection": "close"},
        )  # fmt: skip

    def look(self, at: float) -> Sample:
        """One sample. Raises CannotLook without an engine, without such a container, or if it does not run."""
        if not self._socket.exists():
            raise ProbeFailed(f"{self.by}: there is no Docker engine at {self._socket}")
        try:
            reply = self._client.get(self._path, params={"stream": "false", "one-shot": "true"})
            said: dict[str, Any] = reply.json()
        except (httpx2.HTTPError, ValueError) as error:
            raise ProbeFailed(f"{self.by}: {type(error).__name__}: {error}") from error
        if reply.status_code != 200:
            raise ProbeFailed(f"{self.by}: {said.get('message', f'HTTP {reply.status_code}')}")
        try:
            memory = said["memory_stats"]
            # As `docker stats` does it: file cache that can be dropped at any time is not counted (cgroup v2, then v1).
            details = memory.get("stats", {})
            cache = details.get("inactive_file", details.get("total_inactive_file", 0))
            cpu_s = said["cpu_stats"]["cpu_usage"]["total_usage"] / _NS
            return Sample(at, float(memory["usage"] - cache), cpu_s=float(cpu_s))
        except (KeyError, TypeError) as error:
            raise ProbeFailed(f"{self.by}: it does not run, or does not report its memory ({error})") from error
