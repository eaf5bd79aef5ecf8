"""The chat over a channel: GET /events stays open, messages are POSTs beside it, and Last-Event-ID resumes."""

import httpx2
import pytest
from greenlight_gate.backend.launch import BackendProcess

from support.tests.backend.broken_streams import asked, client
from support.tests.backend.channels import channel
from support.tests.backend.test_event_streams import SIX, SLOW
from support.tests.backend.users import DEADLINE_S, ENVIRONMENT, eventually, kinds


def test_events_of_all_requests_come_on_the_channel(backend: BackendProcess) -> None:
    with channel(backend.url) as ada:
        assert (ada.greeting["type"], ada.greeting["user_id"]) == ("connection_established", "ada")
        for _ in range(2):
            answer = ada.post(asked("What is 17*23?"))
            assert (answer.status_code, answer.content) == (202, b"")
            assert kinds(ada.run()) == SIX


def test_a_ping_is_answered_on_the_channel(backend: BackendProcess) -> None:
    with channel(backend.url) as ada:
        ada.post({"type": "ping", "nonce": "n1"})
        pong = next(ada.events)
    assert (pong["type"], pong["nonce"]) == ("pong", "n1")


def test_channels_that_are_closed_during_an_answer_are_forgotten() -> None:
    with BackendProcess.start(env=ENVIRONMENT) as backend:
        for read in [1, 2, 3, 4] * 5:
            with channel(backend.url) as ada:
                ada.post(asked("What is 17*23?"))
                for _ in range(read):
                    next(ada.events)
        with client(backend.url) as ada_again:
            assert eventually(lambda: "\nchat_connections_open 0\n" in ada_again.get("/metrics").text)


def test_an_answer_comes_in_the_tab_that_asked(backend: BackendProcess) -> None:
    with channel(backend.url) as first, channel(backend.url) as second:
        first.post(asked("What is 17*23?"))
        assert kinds(first.run()) == SIX
        second.post({"type": "ping", "nonce": "n1"})
        assert next(second.events)["type"] == "pong"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "BAD_JSON"),
        (b'{"type":"dance","request_id":"r1"}', 400, "UNKNOWN_TYPE"),
        (b'{"type":"stop_agent","run_id":"run-of-nobody"}', 403, "FORBIDDEN_THREAD"),
        (b"\xff", 400, "BAD_JSON"),
        (b"x" * 2_000_000, 413, "TOO_LARGE"),
    ],
)
def test_a_message_that_is_refused_has_an_error_status(
    backend: BackendProcess, body: bytes, status: int, code: str
) -> None:
    with channel(backend.url) as ada:
        answer = ada.http.post(ada.endpoint, content=body)
    assert (answer.status_code, answer.json()["error_code"]) == (status, code)


def test_a_message_to_the_channel_of_another_user_is_refused(backend: BackendProcess) -> None:
    with channel(backend.url) as ada, channel(backend.url, "bashir") as bashir:
        assert bashir.post(asked("What is 17*23?"), ada.endpoint).status_code == 404
        assert ada.post(asked("What is 17*23?")).status_code == 202
        assert {event["user_id"] for event in ada.run()} == {"ada"}


def test_without_a_token_there_is_neither_a_channel_nor_a_message(backend: BackendProcess) -> None:
    with channel(backend.url) as ada, httpx2.Client(base_url=backend.http_url, timeout=DEADLINE_S) as nobody:
        assert nobody.get("/events").status_code == 401
        assert nobody.post(ada.endpoint, json=asked()).status_code == 401


def test_the_last_id_resumes_all_threads_of_a_channel(backend: BackendProcess) -> None:
    with channel(backend.url) as ada:
        for _ in range(2):
            ada.post(asked(SLOW))
        came = [next(ada.events) for _ in range(4)]
    numbers = {event["thread_id"]: event["seq"] for event in came}
    with channel(backend.url, last_id=came[-1]["id"]) as again:
        rest = [event for event in [*again.run(), *again.run()] if event["type"] != "session_restored"]
    for thread, seq in numbers.items():
        later = [event["seq"] for event in rest if event["thread_id"] == thread]
        assert later == list(range(seq + 1, seq + 1 + len(later)))
        assert later


def test_a_thread_of_another_user_is_not_resumed(backend: BackendProcess) -> None:
    with channel(backend.url) as ada:
        ada.post(asked("What is 17*23?"))
        first = ada.run()[0]
    with channel(backend.url, "bashir", last_id=first["id"]) as bashir:
        refused = next(bashir.events)
    assert (refused["type"], refused["error_code"]) == ("error_message", "FORBIDDEN_THREAD")


def test_a_thread_that_does_not_exist_is_not_resumed(backend: BackendProcess) -> None:
    with channel(backend.url, last_id="nowhere:1") as ada:
        refused = next(ada.events)
    assert (refused["type"], refused["error_code"]) == ("error_message", "FORBIDDEN_THREAD")


def test_comments_keep_a_channel_alive_and_it_ends_with_its_token() -> None:
    environment = {**ENVIRONMENT, "CHAT_HEARTBEAT_S": "0.05"}
    with (
        BackendProcess.start([], env=environment) as backend,
        client(backend.url) as ada,
        ada.stream("GET", "/events") as answer,
    ):
        text = ""
        for part in answer.iter_text():
            text += part
            if ": heartbeat" in text:
                ada.post("/auth/logout")
    assert "UNAUTHENTICATED" in text
