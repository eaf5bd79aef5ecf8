"""Metrics for Prometheus: what they say of rounds, loads and runs, their text, their address, and the dashboard."""

import asyncio
import json
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import greenlight_gate
import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.client.connection_manager import WebSocketConnectionManager
from greenlight_gate.findings import Finding, Severity
from greenlight_gate.measure import record_feed
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.load_result import LoadResult
from greenlight_gate.monitor.alerts import Alert
from greenlight_gate.monitor.round import Round, RoundOutcome
from greenlight_gate.targets.settings import load_profile, load_target

from support.tests.cli.process import SECRET
from support.tests.needs import no_program, skip_without_extra

skip_without_extra("metrics")

from greenlight_gate.monitor.metric_families import SECONDS, Counters, Gauges, text_of  # noqa: E402
from greenlight_gate.monitor.metrics import Metrics  # noqa: E402
from greenlight_gate.monitor.metrics_server import Address, serving  # noqa: E402
from greenlight_gate.monitor.round_metrics import OpenConnections, RoundMetrics  # noqa: E402
from greenlight_gate.monitor.session_metrics import RunMetrics, add_load, add_runs  # noqa: E402
from prometheus_client import CollectorRegistry, generate_latest  # noqa: E402
from prometheus_client.parser import text_string_to_metric_families  # noqa: E402

DASHBOARD = Path(greenlight_gate.__file__).parent / "monitor/grafana_dashboard.json"
DEADLINE_S = 60.0
FAILED = Round(
    number=7, began_epoch_s=1_000.0, took_s=2.5, outcome=RoundOutcome.FAILED, why="ISOLATION-1",
    findings=(Finding("ISOLATION-1", Severity.CRITICAL, "no leak", "nothing", "canary of Ada", user="Bashir"),),
    acknowledgement_ms=(2.0, 600.0), delivery_ms=(0.5,), silence_ms=(40.0,), run_ms=(1_000.0, 90_000.0),
    runs={"agent_completed": 2, "unfinished": 1}, connections=4, refused=1, dropped=2, reconnects=1,
)  # fmt: skip
ALERT = Alert("2026-01-01T00:00:00.000+00:00", "critical", "USER_ISOLATION_VIOLATION", "1", "1", "look", "begin")


def values(registry: CollectorRegistry) -> dict[str, float]:
    """The values that are not 0, by the name of the series without the labels that all have."""
    found = {}
    for family in text_string_to_metric_families(text_of(registry).decode()):
        for sample in family.samples:
            labels = [f"{name}={value}" for name, value in sorted(sample.labels.items()) if name not in COMMON]
            if sample.value:
                found[" ".join([sample.name, *labels])] = sample.value
    return found


COMMON = ("command", "environment")


def rounds() -> RoundMetrics:
    made = RoundMetrics("staging")
    made.on_round(FAILED)
    made.on_alert(ALERT)
    return made


def test_what_a_round_becomes() -> None:
    found = values(rounds().metrics.registry)

    assert {name: value for name, value in found.items() if "_bucket" not in name and "build_info" not in name} == {
        "greenlight_run_acknowledgement_seconds_count": 2.0,
        "greenlight_run_acknowledgement_seconds_sum": 0.602,
        "greenlight_event_delivery_seconds_count": 1.0,
        "greenlight_event_delivery_seconds_sum": 0.0005,
        "greenlight_run_silence_seconds_count": 1.0,
        "greenlight_run_silence_seconds_sum": 0.04,
        "greenlight_run_duration_seconds_count": 2.0,
        "greenlight_run_duration_seconds_sum": 91.0,
        "greenlight_runs_total outcome=agent_completed": 2.0,
        "greenlight_runs_total outcome=unfinished": 1.0,
        "greenlight_findings_total rule=ISOLATION-1": 1.0,
        "greenlight_connections_total outcome=made": 3.0,
        "greenlight_connections_total outcome=refused": 1.0,
        "greenlight_connections_total outcome=dropped": 2.0,
        "greenlight_reconnects_total": 1.0,
        "greenlight_rounds_total outcome=failed": 1.0,
        "greenlight_alerts_total level=critical": 1.0,
        "greenlight_failure_pattern_active pattern=USER_ISOLATION_VIOLATION": 1.0,
        "greenlight_verdict verdict=BLOCKED": 1.0,
        "greenlight_verdict_timestamp_seconds": 1_002.5,
    }
    buckets = {bound: found.get(f"greenlight_run_acknowledgement_seconds_bucket le={bound}") for bound in SECONDS}
    assert buckets == {bound: None if bound < 0.0025 else 1.0 if bound < 1 else 2.0 for bound in SECONDS}


def test_the_verdict_is_that_of_the_latest_round_that_was_played() -> None:
    made, verdicts = RoundMetrics("staging"), []
    for outcome in RoundOutcome:
        made.on_round(Round(number=1, began_epoch_s=0.0, took_s=0.0, outcome=outcome))
        verdicts.append([name for name in values(made.metrics.registry) if "verdict=" in name])

    # A round that is skipped leaves it.
    names = ("APPROVED", "BLOCKED", "INCONCLUSIVE", "INCONCLUSIVE", "INCONCLUSIVE")
    assert verdicts == [[f"greenlight_verdict verdict={name}"] for name in names]


def test_an_alert_that_is_over_leaves_no_active_pattern() -> None:
    made = rounds()
    made.on_alert(Alert(ALERT.time, "recovered", ALERT.pattern, "", "", "", "over"))

    found = values(made.metrics.registry)
    assert [name for name in found if "pattern" in name] == []
    assert found["greenlight_alerts_total level=recovered"] == 1.0


def test_a_pattern_that_goes_on_after_a_restart_is_active_and_no_new_alert() -> None:
    made = RoundMetrics("staging")
    made.on_restart([ALERT])

    found = values(made.metrics.registry)
    assert found[f"greenlight_failure_pattern_active pattern={ALERT.pattern}"] == 1.0
    assert [name for name in found if "alerts_total" in name] == []


def test_no_label_says_who_it_was() -> None:
    text = text_of(rounds().metrics.registry).decode()

    assert "Bashir" not in text
    assert "Ada" not in text
    labels = {name for family in text_string_to_metric_families(text) for s in family.samples for name in s.labels}
    assert labels == {*COMMON, "le", "level", "outcome", "pattern", "rule", "verdict", "version"}


def test_the_text_is_what_the_library_writes() -> None:
    registry = rounds().metrics.registry
    hard = Counters("hard_total", "Of hard texts.", (("command", 'a\\b"c'),), ("rule",))
    hard.add("two\nlines", by=1.5e7)
    hard.add("é", by=0.1)
    below = Gauges("below_zero", "A number.", ())
    below.set(to=-12)
    for family in (hard, below):
        registry.register(family)

    assert text_of(registry) == generate_latest(registry)


def test_a_load_says_how_its_requests_ended() -> None:
    took = Histogram()
    for seconds in (0.004, 0.2, 0.2):
        took.record(seconds)
    metrics = Metrics("staging", "load")
    add_load(metrics, LoadResult(asked=10, runs=7, failed_runs=2, refused_requests=1, raw=took.encode()))

    found = values(metrics.registry)
    assert {name: value for name, value in found.items() if "_total" in name} == {
        "greenlight_runs_total outcome=agent_completed": 5.0,
        "greenlight_runs_total outcome=agent_failed": 2.0,
        "greenlight_runs_total outcome=refused": 1.0,
        "greenlight_runs_total outcome=unfinished": 2.0,
    }
    name = "greenlight_run_acknowledgement_seconds"
    counts = [found.get(f"{name}_bucket le={bound}", 0.0) for bound in (0.0025, 0.005, 0.1, 0.25)]
    assert counts == [0.0, 1.0, 1.0, 3.0]
    assert found[f"{name}_sum"] == pytest.approx(0.404)


def test_runs_are_measured_while_they_are_played(backend: BackendProcess) -> None:
    measured, metrics = RunMetrics(), Metrics("mine", "run")
    connections = OpenConnections(metrics)
    measured.begin("mine", backend.url, "same-host")

    async def talk() -> None:
        target = load_target("staging", {}).at(backend.url)
        async with WebSocketConnectionManager(target, load_profile(target), {"CHAT_JWT_SECRET": SECRET}) as users:
            for user in ("Ada", "Bashir"):
                await users.connect(user)
                await users.send_message(user, "What is 17*23?")
                assert [event async for event in users.receive_events(user)]
            assert values(metrics.registry)["greenlight_connections_open"] == 2.0

    for listener in (measured, connections):
        record_feed.listen(listener)
    try:
        asyncio.run(talk())
    finally:
        for listener in (measured, connections):
            record_feed.leave(listener)
    add_runs(metrics, measured)

    found = values(metrics.registry)
    assert found["greenlight_runs_total outcome=agent_completed"] == 2.0
    for latency in ("acknowledgement", "silence", "duration"):
        assert found[f"greenlight_run_{latency}_seconds_count"] == 2.0
    assert found["greenlight_event_delivery_seconds_count"] >= 10.0
    assert found["greenlight_run_silence_seconds_sum"] <= found["greenlight_run_duration_seconds_sum"]
    assert found["greenlight_run_acknowledgement_seconds_sum"] <= found["greenlight_run_duration_seconds_sum"]
    assert found["greenlight_connections_peak"] == 2.0
    assert "greenlight_connections_open" not in found


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    file = tmp_path / "greenlight.prom"
    file.write_text("before", encoding="utf-8")
    rounds().metrics.write(file)

    assert file.read_bytes() == generate_latest(rounds().metrics.registry)
    assert list(tmp_path.iterdir()) == [file]


def test_the_address_serves_metrics_and_nothing_else() -> None:
    registry = rounds().metrics.registry
    with serving(registry, Address("127.0.0.1", 0)) as address:
        with urllib.request.urlopen(f"http://{address}/metrics") as answer:
            assert answer.read() == text_of(registry)
            assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"http://{address}/").close()
        with pytest.raises(OSError, match="in use"), serving(registry, address):
            pass


def test_a_reader_who_leaves_before_the_end_is_not_worth_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    registry, many = CollectorRegistry(), Counters("many_total", "Too many for a socket.", (), ("n",))
    for number in range(10_000):
        many.add(f"{number:0>1000}")
    registry.register(many)
    before = threading.active_count()
    with serving(registry, Address("127.0.0.1", 0)) as address:
        reader = socket.create_connection(address)
        reader.sendall(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
        assert reader.recv(8) == b"HTTP/1.1"
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reader.close()
        deadline = time.monotonic() + DEADLINE_S
        while threading.active_count() > before + 1 and time.monotonic() < deadline:
            time.sleep(0.01)

    assert (threading.active_count(), capsys.readouterr().err) == (before, "")


# With Prometheus itself -------------------------------------------------------------------------------------------


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip(no_program("Prometheus", "promtool is not on the PATH"))
    return found


@pytest.fixture
def prometheus() -> str:
    found = shutil.which("prometheus")
    if found is None:
        pytest.skip(no_program("Prometheus", "prometheus is not on the PATH"))
    return found


def test_promtool_has_no_objection(promtool: str) -> None:
    text = text_of(rounds().metrics.registry)
    came = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, check=False)

    assert (came.returncode, came.stdout, came.stderr) == (0, b"", b"")
    worse = text.replace(b"greenlight_runs_total", b"greenlight_runs_count")
    assert subprocess.run([promtool, "check", "metrics"], input=worse, capture_output=True, check=False).returncode


@pytest.mark.slow
def test_prometheus_scrapes_it_and_answers_every_query_of_the_dashboard(prometheus: str, tmp_path: Path) -> None:
    with (
        serving(rounds().metrics.registry, Address("127.0.0.1", 0)) as address,
        _running(prometheus, str(address), tmp_path) as api,
    ):
        (verdict,) = _until(lambda: _ask(api, 'greenlight_verdict{verdict="BLOCKED"}'))
        assert verdict["metric"]["environment"] == "staging"
        assert verdict["value"][1] == "1"
        for expression in expressions():
            _ask(api, _filled(expression))


class _Prometheus:
    def __init__(self, program: str, address: str, folder: Path) -> None:
        config = folder / "prometheus.yml"
        job = {"job_name": "greenlight", "scrape_interval": "1s", "static_configs": [{"targets": [address]}]}
        config.write_text(json.dumps({"scrape_configs": [job]}), encoding="utf-8")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/api/v1/query"
        self.process = subprocess.Popen(
            [program, f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def __enter__(self) -> str:
        return self.url

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(DEADLINE_S)


def _running(program: str, address: str, folder: Path) -> _Prometheus:
    return _Prometheus(program, address, folder)


def _ask(url: str, query: str) -> list[dict[str, Any]]:
    data = urllib.parse.urlencode({"query": query}).encode()
    with urllib.request.urlopen(url, data) as answer:
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found


def _until(asked: Any) -> list[dict[str, Any]]:
    """The first answer that is not empty; until Prometheus listens there is none at all."""
    deadline = time.monotonic() + DEADLINE_S
    while True:
        try:
            found: list[dict[str, Any]] = asked()
        except urllib.error.URLError:
            found = []
        if found:
            return found
        assert time.monotonic() < deadline, "Prometheus has not scraped it"
        time.sleep(0.1)


# The dashboard ----------------------------------------------------------------------------------------------------


def expressions() -> Iterator[str]:
    for panel in json.loads(DASHBOARD.read_bytes())["panels"]:
        for query in panel["targets"]:
            yield query["expr"]


def _filled(expression: str) -> str:
    filled = expression.replace("$environment", ".*").replace("$__rate_interval", "1m").replace("$__range", "1h")
    assert "$" not in filled
    return filled


def test_the_dashboard_asks_for_metrics_and_labels_that_exist_and_for_all_of_them() -> None:
    families = {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(text_of(rounds().metrics.registry).decode())
        for sample in family.samples
    }
    asked = {name for expression in expressions() for name in re.findall(r"greenlight_\w+", expression)}
    grouped = {name for expression in expressions() for name in re.findall(r"by \((\w+)\)", expression)}

    assert asked - families.keys() == set()
    assert grouped - {"le"} <= set.union(*families.values())
    bare = {re.sub("_(bucket|count|sum)$", "", name) for name in families}
    assert bare - {re.sub("_bucket$", "", name) for name in asked} == set()


def test_the_dashboard_is_one_that_grafana_imports() -> None:
    dashboard = json.loads(DASHBOARD.read_bytes())
    panels = dashboard["panels"]

    assert dashboard["schemaVersion"] >= 36
    assert {variable["name"] for variable in dashboard["templating"]["list"]} == {"datasource", "environment"}
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells
        assert [query["refId"] for query in panel["targets"]] == list("ABCD")[: len(panel["targets"])]


def test_the_page_about_metrics_lists_those_that_exist() -> None:
    page = (DASHBOARD.parent / "METRICS_AND_TRACES.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| `(greenlight_\w+)` \| (\w+) \|", page, re.MULTILINE))

    registry = rounds().metrics.registry
    assert listed == {
        f"{family.name}_total" if family.type == "counter" else family.name: family.type
        for family in registry.collect()
    }  # fmt: skip
