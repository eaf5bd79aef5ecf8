"""Each way to look at a backend, at a real process, a real endpoint, and an engine that answers as Docker does."""

import json
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.probes.base import ProbeFailed
from greenlight_gate.probes.container import ContainerProbe
from greenlight_gate.probes.factory import probes_for
from greenlight_gate.probes.metrics import MetricsProbe, read_metrics
from greenlight_gate.probes.pid import PidProbe, pid_of_listener
from greenlight_gate.targets.settings import load_target

from support.tests.backend.users import ENVIRONMENT, tab

GAUGES = ("chat_connections_open", "chat_runs_open")
STATS = {
    "memory_stats": {"usage": 50_000_000, "stats": {"inactive_file": 8_000_000}},
    "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
}


@contextmanager
def engine(path: Path, replies: dict[str, tuple[int, Any]]) -> Iterator[str]:
    """Answers on a unix socket, as the Docker engine does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = replies.get(urlsplit(self.path).path, (404, {"message": "No such container"}))
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def address_string(self) -> str:
            return "local"

        def log_message(self, *_: object) -> None:
            """Tests are quiet."""

    with socketserver.ThreadingUnixStreamServer(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield str(path)
        server.shutdown()
        thread.join()


@contextmanager
def waiting() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that does nothing, until the end of the block."""
    command = [sys.executable, "-c", "import sys; sys.stdout.write('.'); sys.stdout.flush(); sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(1) == b"."
        yield process
        process.communicate()


def test_by_process_id(backend: BackendProcess) -> None:
    sample = PidProbe(backend.pid).look(1.0)

    assert sample.rss_bytes is not None
    assert 1e7 < sample.rss_bytes < 1e9
    assert sample.descriptors is not None
    assert sample.descriptors > 3
    assert (sample.at, sample.connections) == (1.0, None)
    with tab(backend.url):
        more = PidProbe(backend.pid).look(2.0)
    assert more.descriptors == sample.descriptors + 1


def test_a_process_that_is_gone() -> None:
    with waiting() as process:
        pass
    with pytest.raises(ProbeFailed, match=f"process {process.pid} cannot be measured"):
        PidProbe(process.pid).look(0.0)


def test_several_processes_are_one_sum(backend: BackendProcess) -> None:
    with waiting() as other:
        one, two = PidProbe(backend.pid).look(0.0), PidProbe(other.pid).look(0.0)
        both = PidProbe(backend.pid, other.pid)
        sample = both.look(0.0)
    assert one.descriptors is not None
    assert two.descriptors is not None
    assert sample.descriptors == one.descriptors + two.descriptors
    assert both.by == f"processes {backend.pid} and {other.pid}"
    with pytest.raises(ProbeFailed, match=rf"processes {backend.pid} and {other.pid} cannot be measured"):
        both.look(1.0)


def test_a_stack_is_not_watched_at_its_entry(backend: BackendProcess) -> None:
    target = load_target("local", ENVIRONMENT).at(backend.url)

    assert probes_for(target, ()).by == ""
    assert probes_for(target, (backend.pid,)).by == f"process {backend.pid}"


def test_who_listens_on_a_port(backend: BackendProcess) -> None:
    port = urlsplit(backend.url).port
    assert port is not None
    assert pid_of_listener(port) == backend.pid
    assert pid_of_listener(1) is None


def test_by_metrics(backend: BackendProcess) -> None:
    probe = MetricsProbe(f"{backend.http_url}/metrics", *GAUGES)
    before = probe.look(1.0)
    with tab(backend.url) as ada:
        ada.ask("Please research the tides thoroughly.")
        ada.read()
        during = probe.look(2.0)
        ada.read_run()

    assert before.rss_bytes is not None
    assert before.descriptors is not None
    assert before.connections is not None
    assert during.connections == before.connections + 1
    assert before.runs is not None
    assert during.runs == before.runs + 1


def test_an_endpoint_without_any_of_it(backend: BackendProcess) -> None:
    with pytest.raises(ProbeFailed, match="none of process_resident_memory_bytes"):
        MetricsProbe(f"{backend.http_url}/health", *GAUGES).look(0.0)
    with pytest.raises(ProbeFailed, match="HTTP 404"):
        MetricsProbe(f"{backend.http_url}/nothing", *GAUGES).look(0.0)
    with pytest.raises(ProbeFailed, match="ConnectError"):
        MetricsProbe("http://127.0.0.1:9/metrics", *GAUGES).look(0.0)


def test_the_text_format() -> None:
    text = (
        '# HELP a b\n# TYPE a gauge\na 1.5e3\nb{x="1"} 2\nb{x="2"} 3 1700000000000\nc NaN\nd +Inf\nnot a line at all\n'
    )

    assert read_metrics(text) == {"a": 1500.0, "b": 5.0, "d": float("inf")}


def test_by_container(tmp_path: Path) -> None:
    stopped: dict[str, Any] = {"memory_stats": {}, "cpu_stats": {"cpu_usage": {}}}
    replies = {"/containers/chat/stats": (200, STATS), "/containers/idle/stats": (200, stopped)}
    with engine(tmp_path / "docker.sock", replies) as socket:
        sample = ContainerProbe("chat", socket).look(3.0)
        assert (sample.at, sample.rss_bytes, sample.cpu_s, sample.descriptors) == (3.0, 42e6, 2.5, None)
        with pytest.raises(ProbeFailed, match="container chad: No such container"):
            ContainerProbe("chad", socket).look(0.0)
        with pytest.raises(ProbeFailed, match="container idle: it does not run"):
            ContainerProbe("idle", socket).look(0.0)
    with pytest.raises(ProbeFailed, match="there is no Docker engine at"):
        ContainerProbe("chat", str(tmp_path / "none.sock")).look(0.0)


def test_the_ways_of_a_target_complete_each_other(backend: BackendProcess) -> None:
    target = load_target("staging", {**ENVIRONMENT, "WEBSOCKET_TEST_URL": backend.url})
    probes = probes_for(target, ())

    sample = probes.look(1.0, done=7)

    assert sample is not None
    assert None not in (sample.rss_bytes, sample.descriptors, sample.connections, sample.cpu_s)
    assert sample.done == 7
    assert probes.by == f"process {backend.pid} and metrics at {backend.http_url}/metrics"


def test_no_way_is_said_and_not_guessed() -> None:
    target = load_target("staging", {**ENVIRONMENT, "WEBSOCKET_TEST_URL": "ws://127.0.0.1:9/ws"})
    probes = probes_for(target, ())

    assert probes.look(0.0) is None
    assert probes.by == ""
    assert "ConnectError" in probes.reason
