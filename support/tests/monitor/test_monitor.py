"""The live monitor hears every connection of its process, whoever opened it; against a real backend."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.client.connection_manager import WebSocketConnectionManager
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.events import FIVE, Event
from greenlight_gate.monitor import Alert, RealTimeEventMonitor, create_monitoring_session
from greenlight_gate.targets.settings import load_profile, load_target

from support.tests.backend.changing import Changing
from support.tests.cli.process import ROOT, SECRET, environ

ENVIRON = {"CHAT_JWT_SECRET": SECRET}


def talk(url: str, body: Callable[[WebSocketConnectionManager], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        target = load_target("staging", {}).at(url)
        async with WebSocketConnectionManager(target, load_profile(target), ENVIRON) as users:
            await body(users)

    asyncio.run(run())


async def ask(users: WebSocketConnectionManager, user: str = "Ada", text: str = "What is 17*23?") -> list[Event]:
    await users.connect(user)
    await users.send_message(user, text)
    return [event async for event in users.receive_events(user)]


def test_everything_inside_is_seen_and_nothing_outside(backend: BackendProcess, tmp_path: Path) -> None:
    kinds: list[str] = []
    with create_monitoring_session("x", tmp_path) as monitor:
        monitor.subscribe(on_event=lambda user, event: kinds.append(f"{user} {event.kind}"))

        async def two(users: WebSocketConnectionManager) -> None:
            await asyncio.gather(ask(users), ask(users, "Bashir"))

        talk(backend.url, two)
    talk(backend.url, lambda users: _only(ask(users)))

    summary = monitor.summary()
    assert summary.connections.tried == summary.connections.made == 2
    assert (summary.connections.success_rate_percent, summary.connections.open_most) == (100.0, 2)
    assert (summary.questions, summary.patterns, summary.findings) == (2, (), {})
    assert summary.events == len(kinds) >= 2 * len(FIVE)
    assert {f"Ada {kind}" for kind in FIVE} | {f"Bashir {kind}" for kind in FIVE} <= set(kinds)
    assert summary.latency is not None
    assert 0 < summary.latency.avg_ms < 1000
    assert json.loads((tmp_path / "monitoring_summary.json").read_bytes())["events"] == summary.events
    assert json.loads((tmp_path / "failure_patterns.json").read_bytes())["seen"] == []


async def _only(one: Coroutine[Any, Any, list[Event]]) -> None:
    await one


def test_a_leaking_backend_is_alarming_while_it_happens(changing: Changing, tmp_path: Path) -> None:
    told: list[Alert] = []
    with changing.broken("broadcast_to_all") as server, create_monitoring_session("leak", tmp_path) as monitor:
        monitor.subscribe(on_alert=told.append)

        async def two(users: WebSocketConnectionManager) -> None:
            await users.connect("Bashir")
            await ask(users)

        talk(server.url, two)

    assert [(alert.level, alert.pattern) for alert in told] == [("critical", "USER_ISOLATION_VIOLATION")]
    assert monitor.summary().patterns == ("USER_ISOLATION_VIOLATION",)
    assert len((tmp_path / "alerts.log").read_bytes().splitlines()) == 1


def test_nobody_there_is_a_connection_that_did_not_come_about() -> None:
    async def refused(users: WebSocketConnectionManager) -> None:
        for _ in range(3):
            with pytest.raises(NotConnected):
                await users.connect("Ada")

    with create_monitoring_session("nobody") as monitor:
        talk("ws://127.0.0.1:1/ws", refused)

    summary = monitor.summary()
    assert (summary.connections.tried, summary.connections.refused) == (3, 3)
    assert summary.connections.success_rate_percent == 0.0
    assert summary.patterns == ("CONNECTION_INSTABILITY",)


def test_mistakes_are_told() -> None:
    async def wrong(users: WebSocketConnectionManager) -> None:
        with pytest.raises(ValueError, match="'Adda' is none of the target's users: Ada, "):
            await users.connect("Adda")
        with pytest.raises(NotConnected, match="Ada is not connected"):
            await users.send_message("Ada", "Hello?")

    talk("ws://127.0.0.1:1/ws", wrong)


def test_a_subscriber_that_fails_ends_nothing_and_is_told_at_the_end(backend: BackendProcess) -> None:
    def fails(user: str, event: Event) -> None:
        raise ZeroDivisionError

    seen: list[Event] = []
    with pytest.raises(ZeroDivisionError):
        _monitored(backend.url, fails, lambda user, event: seen.append(event))
    assert len(seen) >= len(FIVE)


def _monitored(url: str, *subscribers: Callable[[str, Event], None]) -> None:
    with create_monitoring_session("x") as monitor:
        for subscriber in subscribers:
            monitor.subscribe(on_event=subscriber)
        talk(url, lambda users: _only(ask(users)))


def test_starting_twice_counts_once_and_unsubscribing_ends_it(backend: BackendProcess) -> None:
    monitor = RealTimeEventMonitor()
    seen: list[Event] = []
    unsubscribe = monitor.subscribe(on_event=lambda user, event: seen.append(event))
    try:
        monitor.start_monitoring()
        monitor.start_monitoring()
        talk(backend.url, lambda users: _only(ask(users)))
        first = len(seen)
        unsubscribe()
        talk(backend.url, lambda users: _only(ask(users)))
        monitor.stop_monitoring()
        talk(backend.url, lambda users: _only(ask(users)))
    finally:
        monitor.stop_monitoring()
    assert (len(seen), monitor.summary().questions) == (first, 2)


def test_the_script_of_the_readme_works_as_it_stands(backend: BackendProcess, tmp_path: Path) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (found,) = re.findall(r"^    import asyncio, os\n(?:    (?!END).*\n)+", readme, re.MULTILINE)
    script = tmp_path / "script.py"
    script.write_text(re.sub(r"^    ", "", found, flags=re.MULTILINE), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script], env=environ({"WEBSOCKET_TEST_URL": backend.url}), capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    events, connections = done.stdout.splitlines()
    assert events.startswith("['agent_started', ")
    assert events.endswith("'agent_completed']")
    assert "success_rate_percent=100.0" in connections
