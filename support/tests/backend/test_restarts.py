"""The backend ends, or is killed, and comes back with the same data: nothing that was shown is forgotten."""

import os
import signal
from pathlib import Path

import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.backend.settings import SettingsError, settings_from

from support.tests.backend.users import ENVIRONMENT, Event, User, eventually, tab

SLOW = {**ENVIRONMENT, "CHAT_SLOW_TOOL_MS": "60000"}


def test_whoever_saw_an_event_before_a_kill_sees_the_end_after_it(tmp_path: Path) -> None:
    """Killed five times, each time after one event more, and started again with what is on the disk by then."""
    last: Event = {}
    for number in (1, 2, 3, 4, 5, None):
        with BackendProcess.start(env=SLOW, data=tmp_path) as process, tab(process.url) as ada:
            if last:
                assert_ended(ada, last)
            if number is not None:
                ada.ask("Please research the tides thoroughly.")
                last = ada.read_until(lambda event, number=number: event["seq"] == number)[-1]  # type: ignore[misc]
                # At once: what was shown has to be on the way to the disk already.
                os.kill(process.pid, signal.SIGKILL)
                assert eventually(lambda process=process: not process.alive)  # type: ignore[misc]


def assert_ended(user: User, last: Event) -> None:
    """What comes after the last event that was seen: without a gap, and with the end of the run."""
    user.send({"type": "session_restore", "thread_id": last["thread_id"], "last_seq": last["seq"]})
    replayed = user.read_until(lambda event: event["type"] == "session_restored")
    assert [event["seq"] for event in replayed[:-1]] == list(range(last["seq"] + 1, last["seq"] + len(replayed)))
    assert (replayed[-2]["type"], replayed[-2]["run_id"]) == ("agent_failed", last["run_id"])
    assert replayed[-2]["payload"]["error_code"] == "SERVER_RESTARTED"


def test_comes_back_at_the_port_that_it_had(tmp_path: Path) -> None:
    with BackendProcess.start(env=ENVIRONMENT, data=tmp_path) as process, tab(process.url) as ada:
        thread = ada.run("What is 17*23?")[0]["thread_id"]
    port = int(process.http_url.rpartition(":")[2])
    with BackendProcess.start(env=ENVIRONMENT, data=tmp_path, port=port) as again, tab(again.url) as ada:
        assert again.url == process.url
        assert "17*23" in ada.run("And what was my previous question?", thread_id=thread)[-1]["payload"]["result"]


def test_without_resume_it_says_so_and_refuses_to_restore() -> None:
    with BackendProcess.start(env={**ENVIRONMENT, "CHAT_RESUME": "off"}) as process, tab(process.url) as ada:
        assert ada.greeting["resumable"] is False
        thread = ada.run("What is 17*23?")[0]["thread_id"]
        ada.send({"type": "session_restore", "thread_id": thread, "last_seq": 0})
        assert ada.read()["error_code"] == "UNKNOWN_TYPE"
        assert ada.run("What is 6*7?", thread_id=thread)[-1]["type"] == "agent_completed"


def test_resume_is_on_or_off() -> None:
    assert settings_from({}).resume
    assert settings_from({"CHAT_RESUME": "on"}).resume
    assert not settings_from({"CHAT_RESUME": "off"}).resume
    with pytest.raises(SettingsError, match="CHAT_RESUME must be on or off, not 'maybe'"):
        settings_from({"CHAT_RESUME": "maybe"})
