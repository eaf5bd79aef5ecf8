"""The address at which Prometheus reads the metrics: HTTP on a thread of its own, read-only."""

import contextlib
import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from greenlight_gate.monitor.metric_families import text_of

_IDLE_S = 10.0


class Address(NamedTuple):
    """Where to listen. `port` 0: a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class _MetricsServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: Address, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.address_family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        super().__init__((address.host, address.port), _Scrape)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader who has left before the end is not worth a traceback."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


class _Scrape(BaseHTTPRequestHandler):
    server: _MetricsServer
    timeout = _IDLE_S
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answers a scrape."""
        found = self.path.partition("?")[0] == "/metrics"
        body = text_of(self.server.registry) if found else b"the metrics are at /metrics\n"
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", CONTENT_TYPE_PLAIN_0_0_4 if found else "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
        """A scrape every few seconds is not worth a line."""


@contextlib.contextmanager
def serving(registry: CollectorRegistry, address: Address) -> Iterator[Address]:
    """Serves the metrics of a registry at /metrics; gives the address with its port. Raises OSError."""
    with _MetricsServer(address, registry) as server:
        thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
        thread.start()
        try:
            yield Address(address.host, server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
