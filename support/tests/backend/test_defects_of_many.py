"""The defects of speed and of crowds are visible on the wire; the healthy backend shows nothing of the kind."""

import contextlib
import json
import time
import urllib.request
from contextlib import ExitStack

import psutil
import pytest
from greenlight_gate.backend.launch import BackendProcess
from websockets.exceptions import InvalidStatus

from support.tests.backend.changing import Changing
from support.tests.backend.users import DEADLINE_S, ENVIRONMENT, User, bare_socket, eventually, tab

SUM = "What is 17*23?"
LONG = "Please research the tides thoroughly."


def took_s(process: BackendProcess, question: str = SUM) -> float:
    with tab(process.url) as ada:
        began = time.monotonic()
        ada.run(question)
        return time.monotonic() - began


def metric(process: BackendProcess, name: str) -> float:
    with urllib.request.urlopen(f"{process.http_url}/metrics", timeout=DEADLINE_S) as reply:
        lines = reply.read().decode().splitlines()
    return float(next(line.split()[1] for line in lines if line.startswith(f"{name} ")))


@pytest.mark.parametrize(
    ("defect", "at_least_s"),
    [
        ("every_event_delayed=60", 0.36), ("latency_grows_with_connections=60", 0.36), ("slow_start=0.4", 0.4),
        ("blocking_sleep_stalls_everyone=400", 0.4), ("silent_gap=0.4", 0.4),
    ],
)  # fmt: skip
def test_what_takes_longer(changing: Changing, defect: str, at_least_s: float) -> None:
    with changing.broken(defect) as broken:
        assert took_s(broken) >= at_least_s


def test_the_handshake_takes_longer(changing: Changing) -> None:
    with changing.broken("handshake_slow=0.4") as broken:
        began = time.monotonic()
        with tab(broken.url):
            assert time.monotonic() - began >= 0.4


def test_everything_comes_at_the_end(changing: Changing) -> None:
    with changing.broken("burst_at_the_end") as broken, tab(broken.url) as ada:

        def comes_at_the_end() -> bool:
            ada.ask(LONG)
            asked = time.monotonic()
            assert ada.read()["type"] == "agent_started"
            first = time.monotonic()
            ada.read_run()
            return first - asked > time.monotonic() - first

        # On a busy machine we may be slow to read.
        assert eventually(comes_at_the_end)


def test_a_tool_that_never_returns(backend: BackendProcess, changing: Changing) -> None:
    with changing.broken("tool_never_returns") as broken, tab(broken.url) as ada:
        ada.ask(SUM)
        frames = [json.loads(frame)["type"] for frame in ada.raw_frames(quiet_s=0.3) if isinstance(frame, str)]
        assert frames[-1] == "tool_executing"


def test_no_sign_of_life_during_a_run(changing: Changing) -> None:
    with changing.broken("ping_unanswered_during_run") as broken, tab(broken.url) as ada:
        ada.ask(LONG)
        ada.read()
        ada.send({"type": "ping", "nonce": "1"})
        assert "pong" not in {event["type"] for event in ada.read_run()}
        # The answer may be shown a moment before the run is over.
        assert eventually(lambda: ponged(ada))


def ponged(user: User) -> bool:
    user.send({"type": "ping", "nonce": "2"})
    return any(json.loads(frame)["type"] == "pong" for frame in user.raw_frames(quiet_s=0.2))


def test_questions_wait_in_line(changing: Changing) -> None:
    with changing.broken("throughput_capped=10") as broken, tab(broken.url) as ada:
        began = time.monotonic()
        for _ in range(5):
            ada.run(SUM)
        assert time.monotonic() - began >= 0.4


@pytest.mark.parametrize("defect", ["connections_capped=2", "refuses_after_churn=2"])
def test_one_too_many_is_turned_away(changing: Changing, defect: str) -> None:
    with changing.broken(defect) as broken, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(tab(broken.url))
        with pytest.raises(InvalidStatus, match="503"), tab(broken.url):
            pass


def test_one_answer_in_two_never_comes(changing: Changing) -> None:
    with changing.broken("drops_one_in=2") as broken, tab(broken.url) as ada:
        assert ada.run(SUM)[-1]["type"] == "agent_completed"
        ada.ask(SUM)
        frames = [json.loads(frame)["type"] for frame in ada.raw_frames(quiet_s=0.3) if isinstance(frame, str)]
        assert frames == ["agent_started"]


@pytest.mark.parametrize("defect", ["memory_leak_per_run=8000", "memory_leak_per_connection=8000"])
def test_memory_is_left_behind(defect: str) -> None:
    # A process of its own: what another defect has left and freed would be used first.
    with BackendProcess.start([defect], env=ENVIRONMENT) as broken:
        took_s(broken)
        before = metric(broken, "process_resident_memory_bytes")
        for _ in range(5):
            took_s(broken)
        assert eventually(lambda: metric(broken, "process_resident_memory_bytes") - before > 30e6)
        assert broken.alive
        assert broken.stderr_tail() == ""


def test_handlers_and_files_are_left_behind(backend: BackendProcess, changing: Changing) -> None:
    def left(process: BackendProcess, connections: int) -> int:
        before = psutil.Process(process.pid).num_fds()
        for _ in range(5):
            with tab(process.url):
                pass
        assert eventually(lambda: metric(process, "chat_connections_open") == connections)
        return psutil.Process(process.pid).num_fds() - before

    left(backend, 0)
    with changing.broken("handler_leak") as broken:
        left(broken, 5)
    with changing.broken("fd_leak") as broken:
        assert left(broken, 0) >= 3


def test_everybody_waits_for_whoever_is_slow(backend: BackendProcess, changing: Changing) -> None:
    def answered_next_to_a_slow_connection(process: BackendProcess) -> bool:
        with bare_socket(process.url, "bashir") as slow, tab(process.url) as ada:
            ping = json.dumps({"type": "ping", "nonce": "x" * 60_000}).encode()
            slow.settimeout(0.5)
            # Pongs that nobody reads fill all that lies between; then our own line is full as well.
            with contextlib.suppress(TimeoutError):
                for _ in range(200):
                    slow.sendall(b"\x81\xfe" + len(ping).to_bytes(2) + b"\0\0\0\0" + ping)
            ada.ask(SUM)
            return any("agent_completed" in str(frame) for frame in ada.raw_frames(quiet_s=0.5))

    assert answered_next_to_a_slow_connection(backend)
    with changing.broken("slow_client_stalls_others") as broken:
        assert not answered_next_to_a_slow_connection(broken)
