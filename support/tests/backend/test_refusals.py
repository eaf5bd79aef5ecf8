"""What a client may not do, and how it is told."""

import json
import zlib
from typing import Any

import pytest
from greenlight_gate.backend.launch import BackendProcess

from support.tests.backend.users import User, bare_socket, kinds, read_to_end, tab

LONG = "Please research the tides thoroughly."


def refused(user: User, message: object) -> str:
    user.socket.send(message if isinstance(message, str) else json.dumps(message))
    answer = user.read()
    assert set(answer) == {"type", "error_code", "error_message", "request_id"}
    assert answer["type"] == "error_message"
    assert user.run("What is 17*23?")[-1]["type"] == "agent_completed"
    return str(answer["error_code"])


@pytest.mark.parametrize("action", ["start_agent", "stop_agent", "session_restore"])
@pytest.mark.parametrize("exists", [True, False])
def test_what_belongs_to_others_is_refused_as_if_it_did_not_exist(
    backend: BackendProcess, action: str, exists: bool
) -> None:
    with tab(backend.url, "bashir") as bashir, tab(backend.url, "ada") as ada:
        bashir.ask(LONG)
        begun = bashir.read_until(lambda event: event["type"] == "tool_executing")[-1]
        thread_id, run_id = (begun["thread_id"], begun["run_id"]) if exists else ("thread-x", "run-x")
        members: dict[str, dict[str, Any]] = {
            "start_agent": {"payload": {"user_request": "Hello!", "thread_id": thread_id}},
            "stop_agent": {"run_id": run_id},
            "session_restore": {"thread_id": thread_id, "last_seq": 0},
        }
        ada.send({"type": action, "request_id": "r-9", **members[action]})
        assert ada.read() == {
            "type": "error_message",
            "error_code": "FORBIDDEN_THREAD",
            "error_message": "there is no such conversation or run of yours",
            "request_id": "r-9",
        }
        assert kinds(bashir.read_run())[-1] == "agent_completed"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", "BAD_JSON"),
        ("", "BAD_JSON"),
        ('{"type":"ping","nonce":NaN}', "BAD_JSON"),
        ('{"type":"ping","nonce":"\\ud800"}', "BAD_JSON"),
        ("[" * 60_000, "BAD_JSON"),
        ('{"type":"ping","nonce":' + "9" * 5_000 + "}", "BAD_JSON"),
        ("[]", "BAD_REQUEST"),
        ('"ping"', "BAD_REQUEST"),
        ({}, "BAD_REQUEST"),
        ({"type": 7}, "BAD_REQUEST"),
        ({"type": "dance"}, "UNKNOWN_TYPE"),
        ({"type": "agent_started"}, "UNKNOWN_TYPE"),
        ('{"type":"ping","nonce":1e999}', "BAD_REQUEST"),
        ({"type": "ping", "nonce": {}}, "BAD_REQUEST"),
        ({"type": "start_agent"}, "BAD_REQUEST"),
        ({"type": "start_agent", "payload": {"user_request": " "}}, "BAD_REQUEST"),
        ({"type": "start_agent", "payload": {"user_request": "Hi", "thread_id": 3}}, "BAD_REQUEST"),
        ({"type": "start_agent", "request_id": {}, "payload": {"user_request": "Hi"}}, "BAD_REQUEST"),
        ({"type": "start_agent", "request_id": True, "payload": {"user_request": "Hi"}}, "BAD_REQUEST"),
        ({"type": "stop_agent"}, "BAD_REQUEST"),
        ({"type": "session_restore", "thread_id": "x", "last_seq": -1}, "BAD_REQUEST"),
        ({"type": "session_restore", "thread_id": "x", "last_seq": True}, "BAD_REQUEST"),
        ({"type": "session_restore", "thread_id": "x"}, "BAD_REQUEST"),
    ],
)
def test_what_is_not_understood_gets_an_error_and_the_connection_lives(ada: User, message: object, code: str) -> None:
    assert refused(ada, message) == code


def test_an_error_carries_the_request_id(ada: User) -> None:
    ada.send({"type": "dance", "request_id": "r-7"})
    assert ada.read()["request_id"] == "r-7"


def test_too_many_runs_at_once_are_refused(ada: User) -> None:
    for number in range(101):
        ada.ask(LONG, request_id=number)
    error = ada.read_until(lambda event: event["type"] == "error_message")[-1]
    assert (error["error_code"], error["request_id"]) == ("RATE_LIMITED", 100)


def test_a_message_of_the_greatest_length_is_taken(ada: User) -> None:
    frame = {"type": "start_agent", "payload": {"user_request": ""}}
    text = "ä" * ((65_536 - len(json.dumps(frame))) // 2)
    frame["payload"] = {"user_request": text}
    ada.socket.send(json.dumps(frame, ensure_ascii=False))
    assert ada.read_run()[-1]["type"] == "agent_completed"


@pytest.mark.parametrize("size", [65_537, 5_000_000])
def test_a_message_that_is_too_long_gets_an_error_and_1009(ada: User, size: int) -> None:
    ada.socket.send("x" * size)
    error = ada.read()
    assert (error["type"], error["error_code"]) == ("error_message", "TOO_LARGE")
    assert ada.close_code() == 1009


def test_a_binary_message_closes_with_1003(ada: User) -> None:
    ada.socket.send(b"{}")
    assert ada.close_code() == 1003


def test_text_that_is_not_utf_8_closes_with_1007(ada: User) -> None:
    ada.socket.send(b'{"type":"\xff"}', text=True)
    assert ada.close_code() == 1007


@pytest.mark.parametrize(
    "frame",
    [
        b"\x81\x02{}",
        b"\x83\x80\0\0\0\0",
        b"\xc1\x80\0\0\0\0",
        b"\x09\x80\0\0\0\0",
        b"\x80\x80\0\0\0\0",
        b"\x88\x81\0\0\0\0x",
    ],
    ids=["unmasked", "opcode-3", "reserved-bit", "fragmented-ping", "no-beginning", "close-of-one-byte"],
)
def test_a_protocol_error_closes_with_1002(backend: BackendProcess, frame: bytes) -> None:
    with bare_socket(backend.url) as connection:
        connection.sendall(frame)
        assert b"\x03\xea" in read_to_end(connection)


def test_a_small_frame_that_inflates_to_a_huge_message_is_too_long(ada: User) -> None:
    # The client compresses: 60 MB of one letter are some 60 KB on the wire.
    assert len(zlib.compress(b"x" * 60_000_000)) < 65_536
    ada.socket.send("x" * 60_000_000)
    assert ada.read()["error_code"] == "TOO_LARGE"
    assert ada.close_code() == 1009
