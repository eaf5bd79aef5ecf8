"""What a client may do: runs side by side, stopping, restoring, fragments and compression."""

from collections import defaultdict
from collections.abc import Iterator

import pytest
from greenlight_gate.backend.launch import BackendProcess

from support.tests.backend.users import DEADLINE_S, Event, User, is_end, kinds, tab

LONG = "Please research the tides thoroughly."
FIVE = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_thinking", "agent_completed"]


def restore(user: User, thread_id: str, last_seq: int) -> list[Event]:
    user.send({"type": "session_restore", "thread_id": thread_id, "last_seq": last_seq})
    return user.read_until(lambda event: event["type"] == "session_restored")


def test_the_greeting(ada: User) -> None:
    greeting = ada.greeting
    assert set(greeting) == {"type", "connection_id", "user_id", "server_time", "resumable", "config"}
    assert (greeting["type"], greeting["user_id"], greeting["resumable"]) == ("connection_established", "ada", True)
    assert greeting["config"] == {"heartbeat_interval_s": 20.0, "max_message_bytes": 65536}


def test_runs_side_by_side_on_one_connection(ada: User) -> None:
    for number in range(20):
        ada.ask(f"What is {number}*{number}?", request_id=number)
    by_request: dict[int, list[Event]] = defaultdict(list)
    while sum(is_end(events[-1]) for events in by_request.values()) < 20:
        event = ada.read()
        by_request[event["request_id"]].append(event)
    for number, events in by_request.items():
        assert kinds(events) == FIVE
        assert len({event["run_id"] for event in events}) == 1
        assert f"= {number * number}." in events[-1]["payload"]["result"]


def test_two_runs_in_one_thread_share_its_numbers(ada: User) -> None:
    thread_id = ada.run("Hello!")[0]["thread_id"]
    ada.ask("What is 1+1?", thread_id=thread_id, request_id="a")
    ada.ask("What is 2+2?", thread_id=thread_id, request_id="b")
    events = ada.read_run() + ada.read_run()
    assert [event["seq"] for event in events] == list(range(4, 16))


def test_without_a_request_id_events_carry_null(ada: User) -> None:
    ada.send({"type": "start_agent", "payload": {"user_request": "Hello!"}})
    assert {event["request_id"] for event in ada.read_run()} == {None}


def test_a_user_id_in_the_payload_is_ignored(ada: User) -> None:
    payload = {"user_request": "Hello!", "user_id": "bashir"}
    ada.send({"type": "start_agent", "user_id": "bashir", "payload": payload})
    assert {event["user_id"] for event in ada.read_run()} == {"ada"}


@pytest.mark.parametrize("nonce", ["n-1", 7, 1.5, None, "ä\U0001f600"])
def test_ping(ada: User, nonce: object) -> None:
    ada.send({"type": "ping", "nonce": nonce})
    pong = ada.read()
    assert (pong["type"], pong["nonce"]) == ("pong", nonce)
    assert pong["server_time"].endswith("Z")


def test_pings_are_answered_during_a_run(ada: User) -> None:
    ada.ask(LONG)
    ada.read_until(lambda event: event["type"] == "tool_executing")
    assert ada.socket.ping().wait(DEADLINE_S)
    ada.send({"type": "ping", "nonce": 1})
    assert ada.read()["type"] == "pong"
    ada.read_run()


def test_stop(ada: User) -> None:
    ada.ask(LONG)
    run_id = ada.read_until(lambda event: event["type"] == "tool_executing")[0]["run_id"]
    ada.send({"type": "stop_agent", "run_id": run_id})
    stopped = ada.read()
    assert (stopped["type"], stopped["run_id"]) == ("agent_stopped", run_id)
    assert stopped["payload"] == {"reason": "stopped by the user"}
    ada.send({"type": "stop_agent", "run_id": run_id})
    assert ada.read()["error_code"] == "FORBIDDEN_THREAD"


def test_stopping_a_helper_stops_the_whole_run(ada: User) -> None:
    ada.ask("Ask your helper to research the tides thoroughly.")
    events = ada.read_until(lambda event: event["type"] == "tool_executing")
    ada.send({"type": "stop_agent", "run_id": events[-1]["run_id"]})
    last = ada.read_run()
    assert [(event["type"], "parent_run_id" in event) for event in last] == [
        ("agent_stopped", True),
        ("agent_stopped", False),
    ]


def test_restore_after_a_lost_connection_misses_nothing(backend: BackendProcess) -> None:
    with tab(backend.url) as ada:
        ada.ask(LONG)
        before = ada.read_until(lambda event: event["type"] == "tool_executing")
        ada.socket.socket.close()
    thread_id = before[0]["thread_id"]
    with tab(backend.url) as ada:
        replay = restore(ada, thread_id, before[-2]["seq"])
        after = replay[:-1] + ada.read_run()
        assert replay[-1] == {"type": "session_restored", "thread_id": thread_id, "replayed": len(replay) - 1}
        assert after[0] == before[-1]
        whole = before[:-1] + after
        assert [event["seq"] for event in whole] == list(range(1, len(whole) + 1))
        assert kinds(whole).count("agent_completed") == 1
        assert len({event["event_id"] for event in whole}) == len(whole)
        assert restore(ada, thread_id, whole[-1]["seq"])[-1]["replayed"] == 0


def test_a_long_thread_is_restored_while_it_goes_on(backend: BackendProcess) -> None:
    with tab(backend.url) as ada, tab(backend.url) as second:
        thread_id = ada.run("Hello!")[0]["thread_id"]
        for _ in range(60):
            ada.run("What is 1+1?", thread_id=thread_id)
        for number in range(20):
            ada.ask("What is 2+2?", thread_id=thread_id, request_id=f"r-{number}")
        seen = restore(second, thread_id, 0)
        whole = [event for event in seen if event["type"] != "session_restored"]
        while sum(map(is_end, whole)) < 81:
            whole.append(second.read())
        assert [event["seq"] for event in whole] == list(range(1, 3 + 80 * 6 + 1))


def test_restoring_on_the_connection_that_asked_keeps_the_order(ada: User) -> None:
    ada.ask(LONG)
    before = ada.read_until(lambda event: event["type"] == "tool_executing")
    replay = restore(ada, before[0]["thread_id"], 0)
    assert replay[: len(before)] == before
    rest = ada.read_run()
    assert [event["seq"] for event in replay[:-1] + rest] == list(range(1, len(replay) + len(rest)))


def test_another_tab_sees_a_thread_only_when_it_restores_it(backend: BackendProcess) -> None:
    with tab(backend.url) as first, tab(backend.url) as second:
        first.ask(LONG)
        begun = first.read_until(lambda event: event["type"] == "tool_executing")
        second.send({"type": "ping", "nonce": 1})
        assert second.read()["type"] == "pong"
        restore(second, begun[0]["thread_id"], begun[-1]["seq"])
        assert second.read_run() == first.read_run()


def test_fragments_are_one_message(ada: User) -> None:
    ada.socket.send(iter(['{"type":', '"ping",', '"nonce":1}']))
    assert ada.read()["nonce"] == 1


def test_a_ping_between_compressed_fragments_does_not_disturb(ada: User) -> None:
    def pieces() -> Iterator[str]:
        yield '{"type":'
        assert ada.socket.ping(b"between").wait(DEADLINE_S)
        yield '"ping","nonce":1}'

    ada.socket.send(pieces())
    assert ada.read()["nonce"] == 1
    ada.send({"type": "ping", "nonce": 2})
    assert ada.read()["nonce"] == 2


def test_a_run_goes_on_when_its_user_is_gone_and_others_do_not_notice(backend: BackendProcess) -> None:
    with tab(backend.url, "bashir") as bashir:
        with tab(backend.url, "ada") as ada:
            ada.ask(LONG)
            ada.read()
        assert kinds(bashir.run("What is 17*23?")) == FIVE


def test_permessage_deflate_is_agreed_and_can_be_declined(backend: BackendProcess) -> None:
    with tab(backend.url) as with_deflate, tab(backend.url, compression=None) as without:
        assert "permessage-deflate" in with_deflate.socket.response.headers["Sec-WebSocket-Extensions"]  # type: ignore[union-attr]
        assert "Sec-WebSocket-Extensions" not in without.socket.response.headers  # type: ignore[union-attr]
        assert kinds(with_deflate.run("What is 17*23?")) == kinds(without.run("What is 17*23?")) == FIVE


def test_a_run_is_stopped_by_its_request_before_its_first_event(backend: BackendProcess) -> None:
    with tab(backend.url, "bashir") as bashir, tab(backend.url, "ada") as ada:
        bashir.ask(LONG, request_id="r-7")
        ada.send({"type": "stop_agent", "request_id": "r-7"})
        assert ada.read()["error_code"] == "FORBIDDEN_THREAD"
        ada.ask(LONG, request_id="r-7")
        ada.send({"type": "stop_agent", "request_id": "r-7"})
        assert ada.read_until(is_end)[-1]["type"] == "agent_stopped"
        assert kinds(ada.run("What is 17*23?")) == FIVE
        assert kinds(bashir.read_run())[-1] == "agent_completed"
