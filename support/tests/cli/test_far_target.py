"""A healthy target far away: the fault proxy delays each byte, and LATENCY says what the distance does."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.faults.latency import Latency
from greenlight_gate.faults.proxy import FaultProxy
from greenlight_gate.session.loop_thread import LoopThread
from greenlight_gate.targets.settings import suite_root

from support.tests.cli.process import SECRET, judged

EMBEDDED = (suite_root() / "support/greenlight_gate/targets/embedded.toml").read_text("utf-8")
DEADLINE_S = 10.0
pytestmark = pytest.mark.slow


@contextmanager
def far_away(url: str, way_s: float) -> Iterator[str]:
    """The url of a proxy before `url` that delays each byte by `way_s` seconds in both directions."""
    parts, loop = urlsplit(url), LoopThread()
    assert parts.hostname is not None
    assert parts.port is not None
    proxy, latency = FaultProxy(parts.hostname, parts.port), Latency(way_s)
    proxy.add(latency)
    loop.start()
    try:
        loop.call(proxy.start(), DEADLINE_S)
        loop.call(latency.switch_on(), DEADLINE_S)
        yield f"ws://127.0.0.1:{proxy.port}{parts.path}"
        loop.call(proxy.stop(), DEADLINE_S)
    finally:
        loop.stop()


@pytest.mark.parametrize("clock", ["ping", "unknown"])
def test_a_target_far_away_is_told_that_the_distance_is_the_cause(tmp_path: Path, clock: str) -> None:
    text = EMBEDDED.replace('start = "embedded"\n', "").replace('clock = "same-host"', f'clock = "{clock}"')
    text = re.sub(r'\[model\]\nscript = "reference"', "", text)
    with (
        BackendProcess.start(env={"CHAT_JWT_SECRET": SECRET}) as backend,
        far_away(backend.url, way_s=0.08) as url,
    ):
        (tmp_path / "far.toml").write_text(re.sub('url = "[^"]*"', f'url = "{url}"', text), encoding="utf-8")
        ran = judged(tmp_path, "--environment", "far.toml", "--categories", "performance", "--shard", "1/3")

    (criterion,) = [each for each in ran.report["compliance_check"]["criteria"] if each["id"] == "LATENCY"]
    measured = criterion["measured"]
    figures = re.search(r"([\d.]+) ms acknowledgement.* ping round trip p50 ([\d.]+) ms", measured)
    assert figures is not None, measured
    acknowledgement_ms, ping_ms = map(float, figures.groups())
    assert min(acknowledgement_ms, ping_ms) >= 160.0
    # A machine that is busy with other work adds to the distance; the sentence says no more than the figures do.
    is_far = criterion["status"] == "failed" and acknowledgement_ms - ping_ms <= 100.0
    assert ("the distance to the target is the cause, not the backend" in measured) is is_far, measured
    assert criterion["status"] != "passed", measured
