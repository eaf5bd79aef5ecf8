"""Alerts reach a webhook: signed, again after failures, at most one a minute of a pattern, and no round waits."""

import argparse
import contextlib
import hashlib
import hmac
import json
import re
import socket
import textwrap
import threading
import time
import tomllib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
from greenlight_gate.cli import monitor_notices
from greenlight_gate.monitor import webhook
from greenlight_gate.monitor.alerts import Alert
from greenlight_gate.monitor.round import Watched
from greenlight_gate.monitor.webhook import WebhookNotices, body_of
from greenlight_gate.targets.sections import Invalid, MonitorSection, Webhook
from greenlight_gate.targets.settings import Misconfigured

from support.tests.cli.process import target

SECRET = "a-secret-of-the-receiver"
WATCHED = Watched("mine", "wss://chat.example/ws?token=abc", "out", 60.0)


def alert(pattern: str = "LOST_EVENTS", change: Any = "begin", measured: str = "3 lost") -> Alert:
    return Alert("2026-11-29T00:00:00+00:00", "critical", pattern, measured, "0", "Look.", change)


class Receiver:
    """A real HTTP receiver on loopback, which answers with these statuses first, and then with 200."""

    def __init__(self, *statuses: int) -> None:
        self.came: list[tuple[dict[str, str], bytes]] = []
        self.came_at: list[float] = []
        self._statuses = list(statuses)
        self._arrived = threading.Condition()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(receiver.arrived(dict(self.headers), body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def arrived(self, headers: dict[str, str], body: bytes) -> int:
        with self._arrived:
            self.came.append((headers, body))
            self.came_at.append(time.monotonic())
            self._arrived.notify_all()
            return self._statuses.pop(0) if self._statuses else 200

    def wait(self, count: int) -> list[Any]:
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.came) >= count, 60), self.came
        return [json.loads(body) for _, body in self.came]

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver(request: pytest.FixtureRequest) -> Iterator[Receiver]:
    made = Receiver(*getattr(request, "param", ()))
    yield made
    made.stop()


@pytest.mark.parametrize("receiver", [(503, 429, 500)], indirect=True)
def test_a_receiver_that_fails_first_gets_the_same_notice_again_signed_each_time(receiver: Receiver) -> None:
    with WebhookNotices(receiver.url, SECRET, WATCHED, first_pause_s=0.01) as notices:
        notices.on_notice(alert())
        bodies = receiver.wait(4)

    assert notices.sent == 1
    assert bodies[0] == {
        "version": 1, "time": "2026-11-29T00:00:00+00:00", "level": "critical", "pattern": "LOST_EVENTS",
        "measured": "3 lost", "threshold": "0", "what_to_do": "Look.", "change": "begin", "environment": "mine",
        "url": "wss://chat.example/ws", "text": "mine: LOST_EVENTS (critical): 3 lost. Look.",
    }  # fmt: skip
    assert len({headers["Greenlight-Delivery"] for headers, _ in receiver.came}) == 1
    for headers, body in receiver.came:
        signed = headers["Greenlight-Timestamp"].encode() + b"." + body
        assert headers["Greenlight-Signature"] == f"v1={hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()}"


@pytest.mark.parametrize("receiver", [(404,)], indirect=True)
def test_a_refusal_is_not_tried_again_and_the_next_pattern_is_told(receiver: Receiver) -> None:
    with WebhookNotices(receiver.url, SECRET, WATCHED) as notices:
        notices.on_notice(alert("A"))
        notices.on_notice(alert("B"))
        bodies = receiver.wait(2)

    assert [body["pattern"] for body in bodies] == ["A", "B"]
    assert notices.sent == 1


def test_of_one_pattern_only_one_is_sent_in_a_minute_and_others_do_not_wait(receiver: Receiver) -> None:
    with WebhookNotices(receiver.url, SECRET, WATCHED) as notices:
        for change in ("begin", "worse", "over"):
            notices.on_notice(alert("A", change))
        notices.on_notice(alert("B"))
        receiver.wait(2)

    # What still waits at the end is not sent before its time.
    assert [(body["pattern"], body["change"]) for body in receiver.wait(2)] == [("A", "begin"), ("B", "begin")]


def test_what_waited_is_sent_in_its_order_once_the_time_is_over(receiver: Receiver) -> None:
    with WebhookNotices(receiver.url, SECRET, WATCHED, least_between_s=0.02) as notices:
        for change in ("begin", "worse", "over"):
            notices.on_notice(alert("A", change))
        bodies = receiver.wait(3)

    assert [body["change"] for body in bodies] == ["begin", "worse", "over"]


@pytest.mark.parametrize("receiver", [(503, 503)], indirect=True)
def test_the_minute_of_a_pattern_begins_with_the_last_attempt(receiver: Receiver) -> None:
    with WebhookNotices(receiver.url, SECRET, WATCHED, least_between_s=0.2, first_pause_s=0.15) as notices:
        notices.on_notice(alert("A"))
        notices.on_notice(alert("A", "over"))
        bodies = receiver.wait(4)

    assert [body["change"] for body in bodies] == ["begin", "begin", "begin", "over"]
    assert receiver.came_at[3] - receiver.came_at[2] >= 0.2


def test_a_receiver_whose_answer_never_ends_keeps_nobody() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    ended, patterns = threading.Event(), list[str]()

    def talk(connection: socket.socket) -> None:
        came = b""
        while b"}" not in came:
            came += connection.recv(65_536)
        patterns.append(json.loads(came.partition(b"\r\n\r\n")[2])["pattern"])
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with contextlib.suppress(OSError):
            while not ended.wait(0.01):
                connection.sendall(b"3\r\nand\r\n")
        connection.close()

    with listener, WebhookNotices(f"http://127.0.0.1:{listener.getsockname()[1]}/", SECRET, WATCHED) as notices:
        listener.settimeout(60)
        notices.on_notice(alert("A"))
        notices.on_notice(alert("B"))
        talkers = []
        try:
            for _ in range(2):
                talkers.append(threading.Thread(target=talk, args=(listener.accept()[0],)))
                talkers[-1].start()
        finally:
            ended.set()
            for each in talkers:
                each.join()

    assert patterns == ["A", "B"]


def test_nobody_waits_for_a_receiver_that_is_not_there(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    receiver.stop()
    with WebhookNotices(receiver.url.replace("/hook", "/secret-path"), SECRET, WATCHED) as notices:
        for number in range(1_000):
            notices.on_notice(alert(f"P{number}"))

    assert notices.sent == 0
    assert "secret-path" not in caplog.text


def test_a_body_of_ones_own_holds_the_values_and_nothing_that_a_chat_acts_on() -> None:
    template = {"text": "*{environment}* {measured}", "blocks": [{"n": 1, "t": "{text} {unknown}"}]}
    body = body_of(alert(measured="<!channel> {url} \x1b[31m"), WATCHED, template)

    assert body["text"] == "*mine* \u2039!channel\u203a {url} \\x1b[31m"
    assert body["blocks"][0]["n"] == 1
    assert body["blocks"][0]["t"].endswith("{unknown}")


def test_the_bodies_of_the_documentation_can_be_used() -> None:
    page = (Path(webhook.__file__).parent / "page_and_notices.md").read_text(encoding="utf-8")
    blocks = re.findall(r"(?:^ {4}.*\n|^\n(?= {4}))+", page, re.MULTILINE)
    tables = [tomllib.loads(textwrap.dedent(block)) for block in blocks if "[monitor.webhook]" in block]
    sections = [msgspec.convert(table["monitor"], MonitorSection) for table in tables]
    bodies = [body_of(alert(), WATCHED, each.webhook.body) for each in sections if each.webhook is not None]

    assert len(bodies) == 3
    assert bodies[1] == {"text": "*begin* LOST_EVENTS in mine (critical): 3 lost\nLook."}
    assert bodies[2]["attachments"][0]["content"]["body"][1]["text"] == "critical: 3 lost"


def test_a_body_with_a_value_that_no_alert_has_is_refused() -> None:
    Webhook(url_env="A", secret_env="B", body={"text": "{text}"})
    with pytest.raises(Invalid, match="measurd"):
        Webhook(url_env="A", secret_env="B", body={"text": ["{measurd}"]})


@pytest.mark.parametrize(
    ("url", "secret", "said"),
    [
        ("", SECRET, "ALERT_URL (monitor.webhook.url_env): expected the https url of a webhook"),
        ("hooks.example/abc", SECRET, "but it is none"),
        ("http://hooks.example/private", SECRET, "expected an https url, for alerts leave this machine"),
        ("https://hooks.example/private", "short", "ALERT_SECRET (monitor.webhook.secret_env): expected a secret of"),
    ],
)
def test_a_webhook_that_cannot_be_used_is_refused_without_showing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, secret: str, said: str
) -> None:
    hook = '\n[monitor.webhook]\nurl_env = "ALERT_URL"\nsecret_env = "ALERT_SECRET"\n'
    monkeypatch.setenv("ALERT_URL", url)
    monkeypatch.setenv("ALERT_SECRET", secret)
    options = argparse.Namespace(environment=str(target(tmp_path, "ws://127.0.0.1:9/ws", more=hook)))

    with pytest.raises(Misconfigured) as caught, monitor_notices.observing(options, WATCHED):
        pass
    assert said in str(caught.value)
    assert "private" not in str(caught.value)
