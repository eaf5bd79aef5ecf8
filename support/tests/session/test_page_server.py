"""The live page of the monitor: what it serves, to whom, and how a browser shows hostile text."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from greenlight_gate.findings import Finding, Severity
from greenlight_gate.monitor.alerts import Alert
from greenlight_gate.monitor.round import Round, RoundOutcome, Watched
from greenlight_gate.report.live_state import LiveState
from greenlight_gate.session.page_server import MOST_CONNECTIONS, MOST_STREAMS, PageServer
from greenlight_gate.trace import AnyRecord, Header, Opened, Received, encode_header, encode_record

from support.tests.cli.process import environ
from support.tests.report.browser import CHROMIUM, needs_browser
from support.tests.wire.recorded import shipped

TOKEN = "a-token-of-sixteen-characters"
HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[31m"
WATCHED = Watched("mine", "wss://ada:secret@chat.example/ws?token=abc", "out", 60.0)
NOW = 1_800_000_000.0


def one(number: int, outcome: RoundOutcome = RoundOutcome.PASSED, **other: Any) -> Round:
    return Round(number=number, began_epoch_s=NOW - 100 + number, took_s=0.5, outcome=outcome, **other)


def finding(rule: str = "CONTENT-4", actual: str = HOSTILE) -> Finding:
    return Finding(rule, Severity.CRITICAL, "The answer is right.", "391", actual, "Ada", evidence=(2,))


def alert(change: Any = "begin", pattern: str = "LOST_EVENTS") -> Alert:
    return Alert("2026-11-29T00:00:00+00:00", "critical", pattern, HOSTILE, "0", "Look.", change)


@contextlib.contextmanager
def serving(folder: Path, token: str = "") -> Iterator[tuple[PageServer, str]]:
    listener = socket.create_server(("127.0.0.1", 0))
    server = PageServer(
        listener, LiveState(WATCHED), shipped("agent-events"), folder, token=token, now=lambda: NOW
    )  # fmt: skip
    server.start()
    try:
        yield server, f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.stop()


def failed(folder: Path, number: int = 1) -> Round:
    """A round whose trace has a hostile answer."""
    frame = json.dumps({
        "type": "agent_completed", "run_id": "r", "timestamp": "2026-11-29T00:00:00Z", "agent_name": "a",
        "payload": {"result": HOSTILE},
    })  # fmt: skip
    records: list[AnyRecord] = [
        Opened(n=1, at=0.0, connection="c1", user="Ada"), Received(n=2, at=0.1, connection="c1", text=frame),
    ]  # fmt: skip
    trace = folder / "trace.jsonl"
    trace.write_bytes(encode_header(Header("round", NOW)) + b"".join(encode_record(record) for record in records))
    return one(
        number, RoundOutcome.FAILED, why=HOSTILE, findings=(finding(),), evidence="trace.jsonl", troubles=(HOSTILE,)
    )  # fmt: skip


def test_the_state_the_day_alerts_and_findings_are_served(tmp_path: Path) -> None:
    with serving(tmp_path) as (server, url):
        assert httpx2.get(f"{url}/state").json()["state"] is None
        server.on_round(one(1, acknowledgement_ms=(2.0, 4.0), runs={"agent_completed": 2}))
        server.on_round(failed(tmp_path, 2))
        server.on_alert(alert())
        seen = httpx2.get(f"{url}/state").json()
        conversation = httpx2.get(f"{url}/finding/{seen['findings'][0]['id']}").json()
        server.on_alert(alert("over"))
        over = httpx2.get(f"{url}/state").json()

    assert (seen["environment"], seen["url"]) == ("mine", "wss://chat.example/ws")
    assert (seen["state"]["outcome"], seen["state"]["number"]) == ("failed", 2)
    (bucket,) = seen["day"]
    assert (bucket["passed"], bucket["failed"], bucket["findings"], bucket["acknowledgement_ms_max"]) == (1, 1, 1, 4.0)
    assert ([each["change"] for each in seen["open"]], over["open"]) == (["begin"], [])
    assert [each["change"] for each in over["alerts"]] == ["over", "begin"]
    assert [row["what"] for row in conversation["rows"]] == ["connected", "agent_completed"]
    assert "\x1b" not in json.dumps([seen, conversation], ensure_ascii=False)


def test_each_round_is_an_event_and_the_stream_ends_with_the_server(tmp_path: Path) -> None:
    numbers = []
    with serving(tmp_path) as (server, url), httpx2.stream("GET", f"{url}/events", timeout=60) as stream:
        lines = stream.iter_lines()
        for number in (1, 2):
            server.on_round(one(number))
            for line in lines:
                if line.startswith("data: ") and (state := json.loads(line[6:])["state"]):
                    numbers.append(state["number"])
                    if state["number"] == number:
                        break
        server.stop()
        # It would wait for ever for a stream that goes on.
        with contextlib.suppress(httpx2.HTTPError):
            assert len(list(lines)) < 10
    assert numbers[-1] == 2


def test_no_more_streams_than_a_monitor_has_readers(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, url), contextlib.ExitStack() as held:
        client = held.enter_context(httpx2.Client(timeout=60, limits=httpx2.Limits(max_connections=100)))
        reading = []
        for _ in range(MOST_STREAMS):
            stream = held.enter_context(client.stream("GET", f"{url}/events"))
            reading.append(stream.iter_lines())
            assert next(reading[-1]).startswith("data: ")
        assert client.get(f"{url}/events").status_code == 503
        assert client.get(f"{url}/state").status_code == 200


def test_idle_connections_and_strange_requests_keep_no_reader_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(tmp_path) as (server, url), contextlib.ExitStack() as held:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        stream = held.enter_context(httpx2.stream("GET", f"{url}/events", timeout=60)).iter_lines()
        assert next(stream).startswith("data: ")
        for said in (b"", b"GET / HTTP/1.1\r\n"):
            for _ in range(MOST_CONNECTIONS):
                held.enter_context(socket.create_connection(address)).sendall(said)
            assert [httpx2.get(f"{url}/state").status_code for _ in range(3)] == [200] * 3
        strange = held.enter_context(socket.create_connection(address, timeout=60))
        strange.sendall(b"\x00\r\n\r\n")
        assert strange.recv(100).startswith(b"HTTP/1.1 400 ")
        # The page that was open stays open.
        server.on_round(one(7))
        assert next(line for line in stream if '"number":7' in line)
    # What is logged is printed on stderr.
    assert caplog.messages == []


def test_without_a_token_only_this_machine_by_its_own_name_may_read(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, url):
        for path in ("/", "/state", "/events", "/finding/1"):
            assert httpx2.get(url + path, headers={"Host": "evil.example"}).status_code == 403
        page = httpx2.get(url)
        changed = [httpx2.request(method, f"{url}/state").status_code for method in ("POST", "PUT", "DELETE")]
        assert httpx2.post(url, data={"token": ""}).status_code == 401
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert changed == [405, 405, 405]
    assert "http" not in page.text.replace("http-equiv", "")


def test_with_a_token_nothing_is_read_without_it(tmp_path: Path) -> None:
    with serving(tmp_path, TOKEN) as (_, url), httpx2.Client(base_url=url) as client:
        assert [client.get(path).status_code for path in ("/", "/state", "/events", "/finding/1")] == [401] * 4
        assert client.get("/state", headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert client.get("/state", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert client.post("/", data={"token": "wrong"}).status_code == 401
        assert client.post("/", content=b"x" * 10_000).status_code == 413
        signed_in = client.post("/", data={"token": TOKEN})
        assert (signed_in.status_code, TOKEN in signed_in.headers["set-cookie"]) == (303, False)
        assert client.get("/state").status_code == 200


def test_its_memory_is_bounded() -> None:
    state = LiveState(WATCHED)
    for number in range(3_000):
        found = tuple(finding(f"RULE-{number}-{part}", "x" * 5_000) for part in range(3))
        state.take(one(number * 900, RoundOutcome.FAILED, why="y" * 5_000, findings=found))
        state.alert(alert(pattern=f"P{number}"))
    seen = state.snapshot(NOW - 100 + 2_999 * 900)
    assert (len(seen["day"]), len(seen["alerts"]), len(seen["open"]), len(seen["findings"])) == (97, 100, 50, 30)
    assert len(json.dumps(seen)) < 250_000


def test_the_same_finding_of_many_rounds_is_shown_once_with_its_newest_trace() -> None:
    state = LiveState(WATCHED)
    for number, evidence in ((1, "a"), (2, "b"), (3, "")):
        state.take(one(number, RoundOutcome.FAILED, findings=(finding(),), evidence=evidence))
    (shown,) = state.snapshot(NOW)["findings"]
    kept = state.finding(shown["id"])
    assert (shown["times"], kept and kept.evidence) == (3, "b")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--page", "0.0.0.0:0"), "others can reach this address"),
        (("--page", "8088"), "expected HOST:PORT, such as 127.0.0.1:8088"),
        (("--page", "127.0.0.1:99999"), "expected HOST:PORT"),
        (("--page-token-env", "TOKEN"), "there is no --page to protect"),
        (("--page", "127.0.0.1:0", "--page-token-env", "SHORT"), "expected a token of at least 16 characters"),
    ],
)
def test_a_wrong_page_option_is_one_line(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    from greenlight_gate.cli import monitor_page
    from greenlight_gate.cli.command_line import parser
    from greenlight_gate.targets.settings import Misconfigured

    options = parser("monitor").parse_args(["monitor", *arguments])
    with pytest.raises(Misconfigured) as caught, monitor_page.observing(options, WATCHED):
        pass
    assert said in str(caught.value)


@pytest.mark.slow
@needs_browser
def test_chromium_shows_hostile_text_as_text_and_asks_nobody_else(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    with serving(tmp_path) as (server, url), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 360, "height": 800})
        asked: list[str] = []
        complaints: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(dialog.message))
        page.goto(url)
        server.on_round(failed(tmp_path))
        server.on_alert(alert())
        page.wait_for_selector("#findings summary")
        page.focus("#findings summary")
        page.keyboard.press("Enter")
        page.wait_for_selector(".talk .marked")
        shown = page.inner_text("body")
        page.click("text=hour by hour")
        # A word of the table's head is on one line.
        one_line = page.evaluate(
            "['passed', 'failed'].map((name) => { const range = document.createRange();"
            " range.selectNodeContents([...document.querySelectorAll('th')].find((th) => th.textContent === name));"
            " return range.getClientRects().length; })"
        ) == [1, 1]
        wider = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        images = page.locator("img").count()
        browser.close()

    assert shown.count("</script><img src=x onerror=alert(1)>") >= 4
    assert (complaints, wider, images, one_line) == ([], 0, 0, True)
    assert all(each.startswith(f"{url}/") for each in asked), asked


@pytest.mark.slow
@needs_browser
def test_a_page_that_was_refused_tries_again(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    with serving(tmp_path) as (server, url), sync_playwright() as playwright, contextlib.ExitStack() as readers:
        lines = [
            readers.enter_context(httpx2.stream("GET", f"{url}/events", timeout=60)).iter_lines()
            for _ in range(MOST_STREAMS)
        ]
        assert all(next(each).startswith("data: ") for each in lines)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(url)
        page.wait_for_selector("#lost:not([hidden])")
        readers.close()
        server.on_round(failed(tmp_path))
        page.wait_for_selector("#findings summary", timeout=60_000)
        assert page.is_hidden("#lost")
        browser.close()


@pytest.mark.slow
def test_the_command_serves_the_page_of_its_rounds_and_again_after_a_restart(tmp_path: Path) -> None:
    rounds = []
    for _ in range(2):
        monitor = subprocess.Popen(
            [sys.executable, "-m", "greenlight_gate.cli.main", "monitor", "--every", "5", "--page", "127.0.0.1:0"],
            cwd=tmp_path, env=environ({}), stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        try:
            assert monitor.stdout is not None
            url = next(line.split()[2] for line in monitor.stdout if line.startswith("page at "))
            with httpx2.stream("GET", f"{url}events", timeout=60) as stream:
                for line in stream.iter_lines():
                    if line.startswith("data: ") and (state := json.loads(line[6:])["state"]):
                        rounds.append((state["number"], state["outcome"]))
                        break
        finally:
            os.kill(monitor.pid, signal.SIGTERM)
            monitor.communicate(timeout=60)
        assert monitor.returncode == 0
    assert rounds == [(1, "passed"), (1, "passed")], time.time()
