"""The backend as a process: it starts, says so, and ends."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from greenlight_gate.backend.cli import main
from greenlight_gate.backend.launch import BackendFailed, BackendProcess

from support.tests.backend.users import DEADLINE_S, ENVIRONMENT, bare_socket, eventually, kinds, tab

Ended = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def ended(capfd: pytest.CaptureFixture[str]) -> Ended:
    """Runs the backend's command to its end in this process: its exit code, and what it says."""

    def run(*arguments: str) -> tuple[int, str, str]:
        try:
            code = main(arguments)
        except SystemExit as end:
            code = int(str(end.code))
        return code, *capfd.readouterr()

    return run


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_is_ready_soon_and_says_only_that_on_stdout(host: str) -> None:
    command = [sys.executable, "-m", "greenlight_gate.backend", "--host", host, "--die-with-parent"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        took = psutil.Process(process.pid).cpu_times()
        process.terminate()
        rest = process.stdout.read()
        assert process.wait(DEADLINE_S) == 0
    # By the time of the processor, of which other tests may leave it little.
    assert took.user + took.system < 5
    assert rest == b""
    port = ready["http"].rpartition(":")[2]
    expected = {"ready": True, "url": f"ws://127.0.0.1:{port}/ws", "http": f"http://127.0.0.1:{port}"}
    assert ready == {**expected, "listens_on": host, "pid": process.pid}


def test_sigterm_ends_runs_says_1001_and_exits_with_zero() -> None:
    with BackendProcess.start(env={**ENVIRONMENT, "CHAT_SLOW_TOOL_MS": "60000"}) as process:
        with tab(process.url) as ada:
            ada.ask("Please research the tides thoroughly.")
            ada.read_until(lambda event: event["type"] == "tool_executing")
            os.kill(process.pid, signal.SIGTERM)
            asked = time.monotonic()
            last = ada.read()
            assert (last["type"], last["payload"]) == ("agent_stopped", {"reason": "the server is going away"})
            assert ada.close_code() == 1001
        assert eventually(lambda: not process.alive)
        assert time.monotonic() - asked < DEADLINE_S
        assert process.exit_code == 0
        assert process.stderr_tail() == ""


def test_ends_in_time_even_when_a_client_does_not_answer_the_close() -> None:
    with BackendProcess.start(env=ENVIRONMENT) as process, bare_socket(process.url):
        started = time.monotonic()
        process.stop(timeout_s=DEADLINE_S)
        assert process.exit_code == 0
        assert time.monotonic() - started < 10


def test_dies_with_its_parent() -> None:
    script = (
        "import os, sys\n"
        "from greenlight_gate.backend.launch import BackendProcess\n"
        "process = BackendProcess.start()\n"
        "print(process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    parent = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, timeout=100, check=False)
    pid = int(parent.stdout)
    assert eventually(lambda: not is_running(pid))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")
    # Where nobody reaps orphans they stay as zombies; that is no running backend.
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def test_stop_is_idempotent_and_keeps_the_tail() -> None:
    process = BackendProcess.start()
    process.stop()
    process.stop()
    assert not process.alive
    assert process.exit_code == 0
    assert process.stderr_tail() == ""


def test_a_backend_that_hangs_is_killed() -> None:
    process = BackendProcess.start()
    os.kill(process.pid, signal.SIGSTOP)
    process.stop(timeout_s=0.2)
    assert process.exit_code == -signal.SIGKILL
    assert not list(Path(tempfile.gettempdir()).glob(f"reference-chat-{process.pid}-*"))


def test_a_port_in_use_is_one_line_and_exit_code_3(ended: Ended) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = f"greenlight_gate.backend: cannot serve on 127.0.0.1:{port}: Address already in use\n"
        assert ended("--port", str(port)) == (3, "", said)
        with pytest.raises(BackendFailed, match="Address already in use") as failed:
            BackendProcess.start(port=port)
        assert failed.value.exit_code == 3


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--defect", "thinking_mising"], "there is no defect called 'thinking_mising': did you mean thinking_missing"),
        (["--defect", "thinking_missing=3"], "the defect thinking_missing takes no value, but was given '3'"),
        (["--defect", "events_after_completed=soon"], "the defect events_after_completed takes a number of ms, not"),
        (["--port", "many"], "argument --port: 'many' is not a number from 0 to 65535"),
        (["--port", "99999"], "argument --port: '99999' is not a number"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_3(ended: Ended, arguments: list[str], line: str) -> None:
    code, out, err = ended(*arguments)
    assert (code, out) == (3, "")
    assert line in err
    assert len(err.splitlines()) == 1


def test_a_mistake_ends_the_process_in_the_same_way() -> None:
    command = [sys.executable, "-m", "greenlight_gate.backend", "--port", "many"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=20, check=False)
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr == "greenlight_gate.backend: argument --port: 'many' is not a number from 0 to 65535\n"


@pytest.mark.parametrize(
    "env", [{"CHAT_PACE_MS": "quick"}, {"CHAT_USERS": "ada"}, {"CHAT_SLOW_TOOL_MS": "nan"}, {"CHAT_WEBSOCKETS": "ws"}]
)
def test_an_unusable_variable_is_one_line_and_exit_code_3(
    ended: Ended, monkeypatch: pytest.MonkeyPatch, env: dict[str, str]
) -> None:
    ((name, value),) = env.items()
    monkeypatch.setenv(name, value)
    code, out, err = ended()
    assert (code, out) == (3, "")
    assert name in err
    assert len(err.splitlines()) == 1


def test_list_defects_shows_them_all(ended: Ended) -> None:
    from greenlight_gate.backend.defects import REGISTRY

    code, out, err = ended("--list-defects")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines() if not line.startswith(" ")] == list(REGISTRY)
    assert max(map(len, out.splitlines())) <= 80
    assert "The profile has to promise\n    runs_end_with_connection.\n" in out


def test_with_data_the_threads_outlive_the_process(tmp_path: Path) -> None:
    with BackendProcess.start(env=ENVIRONMENT, data=tmp_path) as process, tab(process.url) as ada:
        before = ada.run("What is 17*23?")
        thread_id = before[0]["thread_id"]
    with BackendProcess.start(env=ENVIRONMENT, data=tmp_path) as process, tab(process.url) as ada:
        ada.send({"type": "session_restore", "thread_id": thread_id, "last_seq": 0})
        assert ada.read_until(lambda event: event["type"] == "session_restored")[:-1] == before
        after = ada.run("And what was my previous question?", thread_id=thread_id)
        assert "What is 17*23?" in after[-1]["payload"]["result"]
        assert after[0]["seq"] == before[-1]["seq"] + 1


def test_two_backends_cannot_share_their_data(tmp_path: Path) -> None:
    with BackendProcess.start(data=tmp_path):
        with pytest.raises(BackendFailed, match="another backend uses it") as failed:
            BackendProcess.start(data=tmp_path)
        assert failed.value.exit_code == 3
    BackendProcess.start(data=tmp_path).stop()


def test_a_run_that_a_crash_cut_off_is_given_an_end(tmp_path: Path) -> None:
    slow = {**ENVIRONMENT, "CHAT_SLOW_TOOL_MS": "60000"}
    with BackendProcess.start(env=slow, data=tmp_path) as process, tab(process.url) as ada:
        ada.ask("Please research the tides thoroughly.")
        begun = ada.read_until(lambda event: event["type"] == "tool_executing")
        log = tmp_path / "chat.sqlite3-wal"
        assert eventually(lambda: begun[-1]["event_id"].encode() in log.read_bytes())
        process.stop(timeout_s=0)
    with BackendProcess.start(env=ENVIRONMENT, data=tmp_path) as process, tab(process.url) as ada:
        ada.send({"type": "session_restore", "thread_id": begun[0]["thread_id"], "last_seq": begun[-1]["seq"]})
        seen = ada.read_until(lambda event: event["type"] == "session_restored")
        assert kinds(seen) == ["agent_failed", "session_restored"]
        assert seen[0]["payload"]["error_code"] == "SERVER_RESTARTED"
        assert seen[0]["seq"] == begun[-1]["seq"] + 1


def test_heartbeats_come_at_the_announced_interval() -> None:
    with BackendProcess.start(env={**ENVIRONMENT, "CHAT_HEARTBEAT_S": "0.05"}) as process:
        with tab(process.url) as ada:
            assert ada.greeting["config"]["heartbeat_interval_s"] == 0.05
        with bare_socket(process.url) as connection:
            # 0x89 0x04 is the header of a ping with four bytes.
            assert b"\x89\x04" in connection.recv(4_096)
