"""The options for metrics and traces: what they accept, and the monitor with both."""

import argparse
import re
from pathlib import Path

import pytest
from greenlight_gate.cli.metrics_option import host_and_port

from support.tests.cli.process import greenlight, mistaken
from support.tests.needs import needs_extra


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("9464", ("127.0.0.1", 9464)),
        (":9464", ("127.0.0.1", 9464)),
        ("[::1]:0", ("::1", 0)),
        ("metrics.example:65535", ("metrics.example", 65_535)),
    ],
)
def test_an_address_is_on_the_loopback_interface_unless_it_names_a_host(text: str, address: tuple[str, int]) -> None:
    assert host_and_port(text) == address


@pytest.mark.parametrize("text", ["", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "a:b"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="expected HOST:PORT"):
        host_and_port(text)


@needs_extra("otel")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--metrics-push", "out.txt"), r"expected a file that ends with \.prom"),
        (("--metrics-push", "nowhere/out.prom"), "expected a file in a folder that exists"),
        (("--otlp", "127.0.0.1:4318"), "expected a URL like"),
        (("--otlp", "ftp://127.0.0.1"), "expected a URL like"),
        (("--otlp",), "expected the URL of a receiver, or OTEL_EXPORTER_OTLP_ENDPOINT in the environment"),
        (("--otlp", "ftp://me:a-password@127.0.0.1"), "expected a URL like"),
        (("--otlp-content",), "--otlp-content needs --otlp"),
    ],
)
def test_a_mistake_is_one_line(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    ran = mistaken(tmp_path, "run", *arguments)

    assert ran.code == 3
    (line,) = ran.err.splitlines()
    assert re.search(said, line)
    assert "a-password" not in line


@needs_extra("metrics")
@needs_extra("otel")
@pytest.mark.slow
def test_the_monitor_serves_metrics_and_sends_traces(tmp_path: Path) -> None:
    from support.tests.monitor.test_tracing import Receiver

    with Receiver() as receiver:
        ran = greenlight(tmp_path, "monitor", "--rounds", "1", "--metrics", "127.0.0.1:0", "--otlp", receiver.url)

    assert ran.code == 0, ran.out + ran.err
    assert re.search(r"^metrics at http://127\.0\.0\.1:\d+/metrics$", ran.out, re.MULTILINE)
    roots = [span for span in receiver.spans if span.name.startswith("invoke_agent")]
    assert len(roots) >= 2
    assert "spans were not accepted" not in ran.err
