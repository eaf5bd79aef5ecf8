"""For each defect of the chat by HTTP a request, and what is to be seen of its answer."""

import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx2

from support.tests.backend.broken_conversations import LONG, SUM, Scenario, Seen
from support.tests.backend.users import DEADLINE_S, token_of
from support.tests.cli.process import wait_for

# What stands in the place of the end of a stream.
ENDED, CUT, OPEN = "[ended]", "[cut]", "[open]"
# Longer than a busy machine takes between two events.
_SILENT_S = 3.0
_DONE = 204


def client(url: str, user: str = "ada") -> httpx2.Client:
    headers = {"Authorization": f"Bearer {token_of(user)}"}
    timeout = httpx2.Timeout(DEADLINE_S, read=_SILENT_S)
    return httpx2.Client(base_url=f"http://{urlsplit(url).netloc}", headers=headers, timeout=timeout)


def asked(question: str = SUM) -> dict[str, Any]:
    """A request with an id of its own: other requests of the same user are answered at the same time."""
    payload = {"user_request": question, "thread_id": None}
    return {"type": "start_agent", "request_id": uuid.uuid4().hex, "payload": payload}


def frames(answer: httpx2.Response) -> list[str | bytes]:
    """The status and two headers, the data lines and comments of the stream as they are, and how it ended."""
    head = [str(answer.status_code), answer.headers["content-type"], answer.headers.get("content-encoding", "")]
    text, end = b"", ENDED
    try:
        for part in answer.iter_raw():
            text += part
    except httpx2.ReadTimeout:
        end = OPEN
    except httpx2.RemoteProtocolError:
        end = CUT
    lines = text.decode().split("\n")
    return [*head, *(line.removeprefix("data: ") for line in lines if line and not line.startswith("id: ")), end]


def answered(url: str) -> Seen:
    with client(url) as ada, ada.stream("POST", "/chat", json=asked()) as answer:
        return Seen(frames(answer))


def refused(url: str) -> Seen:
    with client(url) as ada:
        answer = ada.post("/chat", content=b"{")
        return Seen([str(answer.status_code), answer.text])


def resumed(url: str) -> Seen:
    with client(url) as ada:
        with ada.stream("POST", "/chat", json=asked()) as answer:
            thread = Seen(frames(answer)).events[0]["thread_id"]
        with ada.stream("GET", f"/threads/{thread}/events", headers={"Last-Event-ID": "2"}) as answer:
            return Seen(frames(answer))


def left(url: str) -> Seen:
    """What is read of a long answer whose stream was closed once it had begun."""
    with client(url) as ada:
        with ada.stream("POST", "/chat", json=asked(LONG)) as answer:
            thread = re.search(rb'"thread_id":"([^"]+)"', next(answer.iter_raw()))
        assert thread is not None
        with ada.stream("GET", f"/threads/{thread[1].decode()}/events", timeout=DEADLINE_S) as answer:
            return Seen(frames(answer))


def asked_after_a_cut(url: str) -> Seen:
    """What comes of another question in the conversation of a long answer whose stream was closed early."""
    with client(url) as ada:
        with ada.stream("POST", "/chat", json=asked(LONG)) as answer:
            thread = re.search(rb'"thread_id":"([^"]+)"', next(answer.iter_raw()))
        assert thread is not None
        # The backend sees that a stream is closed in its own time.
        wait_for(lambda: "chat_connections_open 0" in ada.get("/metrics").text, "the end of the stream")
        question = asked(LONG)
        question["payload"]["thread_id"] = thread[1].decode()
        with ada.stream("POST", "/chat", json=question, timeout=DEADLINE_S) as answer:
            return Seen(frames(answer))


def beside_another_stream(url: str) -> Seen:
    """What Bashir receives, who asks just after Ada."""
    with client(url) as ada, client(url, "bashir") as bashir:
        first, second = (each.stream("POST", "/chat", json=asked(LONG)) for each in (ada, bashir))
        with first, second as answer:
            return Seen(frames(answer))


def sent_again(url: str) -> Seen:
    """The status of a request that is sent again while its run waits for the user."""
    with client(url) as ada:
        waiting = asked("Ask me within 10 seconds before you work out 6*7.")
        with ada.stream("POST", "/chat", json=waiting) as first:
            # An iterator that is dropped closes its stream.
            parts = first.iter_raw()
            next(parts)
            with ada.stream("POST", "/chat", json=waiting) as again:
                return Seen([str(again.status_code)])


def told_not_to_buffer(url: str) -> Seen:
    """The header that tells reverse proxies not to collect a stream."""
    with client(url) as ada, ada.stream("POST", "/chat", json=asked()) as answer:
        return Seen([answer.headers.get("x-accel-buffering", "")])


def heard_while_asked(url: str) -> Seen:
    """What comes next on a stream whose run waits for the user."""
    with client(url) as ada:
        waiting = asked("Ask me within 10 seconds before you work out 6*7.")
        with ada.stream("POST", "/chat", json=waiting) as answer:
            parts = answer.iter_raw()
            while b'"input_requested"' not in next(parts):
                pass
            try:
                return Seen([next(parts).decode()])
            except httpx2.ReadTimeout:
                return Seen([OPEN])


def has(text: str) -> Callable[[Seen], bool]:
    return lambda seen: any(text in str(frame) for frame in seen.frames)


def stopped_once_begun(url: str) -> Seen:
    """A long answer, whose run is stopped as soon as its first event has come."""
    with client(url) as ada, ada.stream("POST", "/chat", json=asked(LONG), timeout=DEADLINE_S) as answer:
        parts = answer.iter_raw()
        text = next(parts)
        run = re.search(rb'"run_id":"([^"]+)"', text)
        assert run is not None
        ada.post(f"/runs/{run[1].decode()}/stop")
        return Seen([line.removeprefix("data: ") for line in (text + b"".join(parts)).decode().split("\n")])


def acted_on_with(question: str, until: bytes, act: str, **forged: Any) -> Scenario:
    """The rest of an answer, once so much of it came and a request about its run was sent with this token, or none."""

    def scenario(url: str) -> Seen:
        with client(url) as ada, ada.stream("POST", "/chat", json=asked(question), timeout=DEADLINE_S) as answer:
            parts, text = answer.iter_raw(), b""
            while until not in text:
                text += next(parts)
            found = re.search(rb'"run_id":"([^"]+)"', text)
            asks = re.search(rb'"input_id":"([^"]+)"', text)
            assert found is not None
            run = found[1].decode()
            shown = {"Authorization": f"Bearer {token_of('ada', **forged)}" if forged else ""}
            body = {"input_id": asks[1].decode() if asks else "", "choice": "approve"}
            status = ada.post(f"/runs/{run}/{act}", json=body, headers=shown).status_code
            if asks and status != _DONE:
                ada.post(f"/runs/{run}/input", json={**body, "choice": "deny"})
            return Seen([line.removeprefix("data: ") for line in b"".join(parts).decode().split("\n")])

    return scenario


def stopped_with(**forged: Any) -> Scenario:
    return acted_on_with(LONG, b'"run_id"', "stop", **forged)


def approved_with(**forged: Any) -> Scenario:
    return acted_on_with("Ask me before you work out 6*7.", b'"input_requested"', "input", **forged)


STREAMS: dict[str, tuple[Scenario, Callable[[Seen], bool]]] = {
    "stream_ends_without_the_end_event": (answered, lambda seen: not seen.of("agent_completed")),
    "stream_of_another_content_type": (answered, lambda seen: "text/plain" in str(seen.frames[1])),
    "stream_compressed_unasked": (answered, lambda seen: seen.frames[2] == "gzip"),
    "error_page_with_status_200": (refused, lambda seen: seen.frames[0] == "200"),
    "stream_buffered_until_its_end": (stopped_once_begun, has("agent_completed")),
    "stream_open_after_the_end": (answered, lambda seen: seen.frames[-1] == OPEN),
    "stream_cut_after_its_last_event": (answered, lambda seen: seen.frames[-1] == CUT),
    "data_lines_without_their_field": (answered, lambda seen: not seen.events),
    "only_comments_before_the_answer": (answered, has(": still working")),
    "resume_begins_one_event_too_late": (resumed, lambda seen: seen.events[0]["seq"] != 3),
    "answers_sent_on_the_newest_stream": (beside_another_stream, has('"user_id":"ada"')),
    "rest_of_a_cut_answer_in_the_next": (
        asked_after_a_cut,
        lambda seen: len({event["run_id"] for event in seen.events}) > 1,
    ),
    "cut_answer_locks_its_conversation": (asked_after_a_cut, lambda seen: seen.frames[0] == "409"),
    "closed_stream_stops_its_run": (left, lambda seen: bool(seen.of("agent_stopped"))),
    "streams_may_be_buffered": (told_not_to_buffer, lambda seen: seen.frames == [""]),
    "stop_accepted_without_a_token": (stopped_with(), has("agent_stopped")),
    "signature_not_checked_of_a_stop": (stopped_with(secret="x" * 32), has("agent_stopped")),
    "expired_token_accepted_of_a_stop": (stopped_with(lifetime_s=-60), has("agent_stopped")),
    "signature_not_checked_of_an_approval": (approved_with(secret="x" * 32), has("tool_completed")),
    "approval_accepted_without_a_token": (approved_with(), has("tool_completed")),
    "expired_token_accepted_of_an_approval": (approved_with(lifetime_s=-60), has("tool_completed")),
    "retried_post_starts_a_second_run": (sent_again, lambda seen: seen.frames == ["200"]),
}
