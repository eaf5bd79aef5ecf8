"""The chat by HTTP: POST /chat streams the events, Last-Event-ID resumes, and refusals have a status."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.wire.event_stream import EventStream

from support.tests.backend.users import DEADLINE_S, ENDS, ENVIRONMENT, Event, kinds, token_of

SIX = ["agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_thinking", "agent_completed"]
SLOW = "Please research the tides."


class Browser:
    """One user's HTTP client."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client

    def body(self, question: str, thread: str | None = None, request: str = "") -> dict[str, Any]:
        payload = {"user_request": question, "thread_id": thread}
        return {"type": "start_agent", "request_id": request or uuid.uuid4().hex, "payload": payload}

    @contextmanager
    def stream(self, method: str, path: str, **options: Any) -> Iterator[tuple[httpx2.Response, Iterator[Event]]]:
        with self.client.stream(method, path, **options) as answer:
            yield answer, events_of(answer)

    def run(self, question: str, thread: str | None = None, request: str = "") -> list[Event]:
        with self.stream("POST", "/chat", json=self.body(question, thread, request)) as (answer, events):
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            return list(events)


def events_of(answer: httpx2.Response) -> Iterator[Event]:
    """Each event as it comes, its id as `id`."""
    stream = EventStream()
    for data in answer.iter_raw():
        for event in stream.feed(data):
            yield {**json.loads(event.data), "id": event.last_id.decode()}


@contextmanager
def browser(backend: BackendProcess, user: str = "ada", **headers: str) -> Iterator[Browser]:
    bearer = {"Authorization": f"Bearer {token_of(user)}"} if user else {}
    with httpx2.Client(base_url=backend.http_url, headers={**bearer, **headers}, timeout=DEADLINE_S) as client:
        yield Browser(client)


@pytest.fixture
def ada(backend: BackendProcess) -> Iterator[Browser]:
    with browser(backend) as user:
        yield user


def test_a_request_streams_its_run_and_the_stream_ends_with_it(ada: Browser) -> None:
    events = ada.run("What is 17*23?")
    assert kinds(events) == SIX
    assert [event["id"] for event in events] == [str(event["seq"]) for event in events]
    again = ada.run("And what is 2*21?", events[0]["thread_id"])
    assert again[0]["thread_id"] == events[0]["thread_id"]
    assert again[0]["seq"] == events[-1]["seq"] + 1


def test_the_tab_begins_with_a_greeting(ada: Browser) -> None:
    greeting = ada.client.get("/session").json()
    assert (greeting["type"], greeting["user_id"]) == ("connection_established", "ada")


def test_a_thread_is_read_on_after_the_last_event_id(ada: Browser) -> None:
    events = ada.run("What is 17*23?")
    path = f"/threads/{events[0]['thread_id']}/events"
    with ada.stream("GET", path, headers={"Last-Event-ID": events[2]["id"]}) as (_, missed):
        *rest, restored = list(missed)
    assert [event["event_id"] for event in rest] == [event["event_id"] for event in events[3:]]
    assert (restored["type"], restored["replayed"]) == ("session_restored", 3)


def test_a_run_that_is_under_way_goes_on_in_another_stream_after_its_own_was_closed(ada: Browser) -> None:
    with ada.stream("POST", "/chat", json=ada.body(SLOW)) as (_, events):
        first = next(events)
    with ada.stream("GET", f"/threads/{first['thread_id']}/events", headers={"Last-Event-ID": first["id"]}) as (_, on):
        rest = [event for event in on if event["type"] != "session_restored"]
    assert [event["seq"] for event in rest] == list(range(2, len(rest) + 2))
    assert rest[-1]["type"] in ENDS


def test_a_stop_by_its_owner_ends_the_run_and_its_stream(ada: Browser, backend: BackendProcess) -> None:
    with ada.stream("POST", "/chat", json=ada.body(SLOW)) as (_, events):
        run = next(events)["run_id"]
        with browser(backend, "bashir") as bashir:
            assert bashir.client.post(f"/runs/{run}/stop").status_code == 403
        assert ada.client.post(f"/runs/{run}/stop").status_code == 204
        assert list(events)[-1]["type"] == "agent_stopped"


def test_a_request_that_is_sent_again_is_refused_while_it_is_answered(ada: Browser) -> None:
    body = ada.body(SLOW)
    with ada.stream("POST", "/chat", json=body) as (_, events):
        next(events)
        again = ada.client.post("/chat", json=body)
        assert (again.status_code, again.json()["error_code"]) == (409, "IN_PROGRESS")
        assert again.json()["request_id"] == body["request_id"]


def test_a_request_whose_stream_was_cut_is_answered_with_its_own_run_when_it_is_sent_again(ada: Browser) -> None:
    thread = ada.run("What is 17*23?")[0]["thread_id"]
    body = ada.body(SLOW, thread)
    with ada.stream("POST", "/chat", json=body) as (_, events):
        first = next(events)
    with ada.stream("POST", "/chat", json=body) as (_, events):
        again = list(events)
    assert again[0] == first
    assert {event["run_id"] for event in again if "parent_run_id" not in event} == {first["run_id"]}
    assert [event["seq"] for event in again] == list(range(first["seq"], first["seq"] + len(again)))
    assert again[-1]["type"] in ENDS


def test_a_request_that_was_answered_is_answered_with_the_same_events_when_it_is_sent_again(ada: Browser) -> None:
    events = ada.run("What is 17*23?", request="answered")
    ada.run("And what is 2*21?", events[0]["thread_id"])
    assert ada.run("What is 17*23?", request="answered") == events


def test_a_request_is_known_by_its_idempotency_key_where_its_body_has_no_id(ada: Browser) -> None:
    body = ada.body("What is 2*21?")
    del body["request_id"]
    key, other = ({"Idempotency-Key": uuid.uuid4().hex} for _ in range(2))
    runs = []
    for headers in (key, key, other):
        with ada.client.stream("POST", "/chat", json=body, headers=headers) as answer:
            runs.append({(event["run_id"], event["request_id"]) for event in events_of(answer)})
    first, again, another = runs
    assert first == again
    assert [request for _, request in first] == [key["Idempotency-Key"]]
    assert not first & another


def test_the_same_request_id_of_another_user_or_for_another_question_is_not_answered_again(
    ada: Browser, backend: BackendProcess
) -> None:
    events = ada.run("What is 17*23?", request="of-ada")
    other = ada.client.post("/chat", json=ada.body("What is 2*21?", request="of-ada"))
    assert (other.status_code, other.json()["error_code"]) == (400, "BAD_REQUEST")
    with browser(backend, "bashir") as bashir:
        assert bashir.run("What is 17*23?", request="of-ada")[0]["run_id"] != events[0]["run_id"]


# (method, path, what is sent, status, code of the error)
REFUSED = [
    ("POST", "/chat", {"content": b"{"}, 400, "BAD_JSON"),
    ("POST", "/chat", {"content": b"\xff"}, 400, "BAD_JSON"),
    ("POST", "/chat", {"json": {"type": "start_agent", "payload": {}}}, 400, "BAD_REQUEST"),
    ("POST", "/chat", {"json": {"type": "fly"}}, 400, "UNKNOWN_TYPE"),
    ("POST", "/chat", {"content": b"x" * 10_000_000}, 413, "TOO_LARGE"),
    ("GET", "/threads/unknown/events", {}, 403, "FORBIDDEN_THREAD"),
    ("GET", "/threads/t/events", {"headers": {"Last-Event-ID": "one"}}, 400, "BAD_REQUEST"),
    ("POST", "/runs/unknown/stop", {}, 403, "FORBIDDEN_THREAD"),
    ("POST", "/runs/r/input", {"content": b"["}, 400, "BAD_JSON"),
    ("POST", "/runs/r/input", {"json": {"input_id": "i", "choice": "maybe"}}, 400, "BAD_REQUEST"),
]


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: f"{case[1]} {case[4]}")
def test_what_is_wrong_has_a_status_and_a_code(ada: Browser, case: tuple[Any, ...]) -> None:
    method, path, sent, *expected = case
    answer = ada.client.request(method, path, **sent)
    assert [answer.status_code, answer.json()["error_code"]] == expected


def test_nobody_reads_another_user_s_thread_and_nobody_without_a_token_anything(
    ada: Browser, backend: BackendProcess
) -> None:
    path = f"/threads/{ada.run('What is 17*23?')[0]['thread_id']}/events"
    with browser(backend, "bashir") as bashir:
        assert bashir.client.get(path).status_code == 403
    with browser(backend, "") as stranger:
        seen = [stranger.client.get(path), stranger.client.get("/session"), stranger.client.post("/chat", json={})]
    assert [answer.status_code for answer in seen] == [401, 401, 401]


def test_comments_are_sent_while_a_tool_runs() -> None:
    own = BackendProcess.start(env={**ENVIRONMENT, "CHAT_HEARTBEAT_S": "0.02", "CHAT_SLOW_TOOL_MS": "60"})
    with own, browser(own) as user, user.client.stream("POST", "/chat", json=user.body(SLOW)) as answer:
        text = b"".join(answer.iter_raw())
    assert text.count(b": heartbeat\n\n") >= 2
    assert text.endswith(b"\n\n")
