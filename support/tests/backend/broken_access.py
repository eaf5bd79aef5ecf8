"""For each security defect a scene, and what somebody sees in it who should not."""

import base64
import json
import re
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from support.tests.backend.broken_conversations import FIVE, LONG, QUIET_S, SUM, Scenario, Seen, answered, frames_of
from support.tests.backend.users import DEADLINE_S, Event, User, eventually, tab, tab_with_an_ending_token, token_of

WORD = "SWORDFISHERMAN"
REMEMBER = f"Please remember that my secret word is {WORD}."
RECALL = "What is my secret word?"
Check = Callable[[Seen], bool]


def watching(url: str) -> Seen:
    """Dmitri does nothing while Cleo asks."""
    with tab(url, "cleo") as cleo, tab(url, "dmitri") as dmitri:
        cleo.ask(SUM)
        return frames_of(dmitri)


def in_a_crowd(url: str) -> Seen:
    """Dmitri does nothing while Cleo asks twice: with 19 connections open, and with 20."""
    with ExitStack() as stack:
        cleo, dmitri, *_ = [
            stack.enter_context(tab(url, user)) for user in ("cleo", "dmitri", *(f"guest-{n}" for n in range(17)))
        ]
        cleo.run("What is 1+1?")
        stack.enter_context(tab(url, "one-more"))
        cleo.run("What is 2+2?")
        return frames_of(dmitri)


def after_a_reconnect(url: str) -> Seen:
    """Dmitri does nothing while Cleo asks, comes back, and asks again."""
    with tab(url, "dmitri") as dmitri:
        for question in ("What is 1+1?", "What is 2+2?"):
            with tab(url, "cleo") as cleo:
                cleo.run(question)
        return frames_of(dmitri)


def at_the_same_time(url: str) -> Seen:
    """Cleo has a long question; Dmitri asks and is answered meanwhile."""
    with tab(url, "cleo") as cleo, tab(url, "dmitri") as dmitri:
        cleo.ask(LONG)
        dmitri.run(SUM)
        return shown_to(cleo.read_run())


def after_another_sum(url: str) -> Seen:
    """Cleo has asked for a sum; then Dmitri does."""
    with tab(url, "cleo") as cleo, tab(url, "dmitri") as dmitri:
        cleo.run("What is 1+1?")
        dmitri.ask(SUM)
        return frames_of(dmitri)


def after_a_note(question: str, **members: object) -> Scenario:
    """Cleo has noted something down; then Dmitri asks."""

    def scenario(url: str) -> Seen:
        with tab(url, "cleo") as cleo, tab(url, "dmitri") as dmitri:
            cleo.run(REMEMBER)
            payload = {"user_request": question, "thread_id": None, **members}
            dmitri.send({"type": "start_agent", "request_id": "r-1", "payload": payload})
            return frames_of(dmitri)

    return scenario


def with_her_request_id(url: str) -> Seen:
    """Cleo has noted something down; then Dmitri asks for a sum with the id of her request."""
    with tab(url, "cleo") as cleo, tab(url, "dmitri") as dmitri:
        for user, question in ((cleo, REMEMBER), (dmitri, SUM)):
            payload = {"user_request": question, "thread_id": None}
            user.send({"type": "start_agent", "request_id": "r-1", "payload": payload})
            seen = frames_of(user)
        return seen


def in_the_fortieth_answer(url: str) -> Seen:
    """Cleo has noted something down 39 times; then Dmitri asks."""
    with tab(url, "cleo") as cleo, tab(url, "dmitri") as dmitri:
        for _ in range(39):
            cleo.run(REMEMBER)
        dmitri.ask(SUM)
        return frames_of(dmitri)


def in_her_thread(message: Callable[[str], Event]) -> Scenario:
    """Cleo has asked; then Dmitri sends a message about her thread."""

    def scenario(url: str) -> Seen:
        with tab(url, "cleo") as cleo, tab(url, "dmitri") as dmitri:
            dmitri.send(message(cleo.run(SUM)[0]["thread_id"]))
            return frames_of(dmitri)

    return scenario


def her_question_before(url: str) -> Seen:
    """Dmitri has asked in Cleo's thread, and was refused; then she asks there what she has asked before."""
    with tab(url, "cleo") as cleo, tab(url, "dmitri") as dmitri:
        thread_id = cleo.run(SUM)[0]["thread_id"]
        dmitri.send({"type": "start_agent", "payload": {"user_request": "Who is Dmitri?", "thread_id": thread_id}})
        assert dmitri.read()["error_code"] == "FORBIDDEN_THREAD"
        cleo.ask("What was my previous question?", thread_id=thread_id)
        return shown_to(cleo.read_run())


def her_answer_while_one_asks(url: str) -> Seen:
    """Dmitri asks in Cleo's thread while she is answered there, and is refused."""
    with tab(url, "cleo") as cleo, tab(url, "dmitri") as dmitri:
        return shown_to(_asked_meanwhile(cleo, dmitri))


def her_next_answer_after_one_asked_meanwhile(url: str) -> Seen:
    """The same; then she asks there what the question before was."""
    with tab(url, "cleo") as cleo, tab(url, "dmitri") as dmitri:
        thread_id = _asked_meanwhile(cleo, dmitri)[0]["thread_id"]
        cleo.ask("What was my previous question?", thread_id=thread_id)
        return shown_to(cleo.read_run())


def _asked_meanwhile(cleo: User, dmitri: User) -> list[Event]:
    cleo.ask(LONG)
    began = cleo.read()
    dmitri.send({"type": "start_agent", "payload": {"user_request": "Who is Dmitri?", "thread_id": began["thread_id"]}})
    assert dmitri.read()["error_code"] == "FORBIDDEN_THREAD"
    return [began, *cleo.read_run()]


def in_her_thread_once_she_left(url: str) -> Seen:
    """Cleo has asked and disconnected; then Dmitri restores her thread."""
    with tab(url, "dmitri") as dmitri:
        with tab(url, "cleo") as cleo:
            thread_id = cleo.run(SUM)[0]["thread_id"]
            dmitri.send({"type": "session_restore", "thread_id": thread_id, "last_seq": 0})
            assert dmitri.read()["error_code"] == "FORBIDDEN_THREAD"
        seen: list[str | bytes] = []

        def is_shown() -> bool:
            dmitri.send({"type": "session_restore", "thread_id": thread_id, "last_seq": 0})
            seen[:] = dmitri.raw_frames(quiet_s=QUIET_S)
            return len(seen) > 1

        # When she is gone is the backend's to notice.
        eventually(is_shown, deadline_s=3)
        return Seen(seen)


def stopping_hers(url: str) -> Seen:
    """Dmitri stops what Cleo waits for."""
    with tab(url, "cleo") as cleo, tab(url, "dmitri") as dmitri:
        cleo.ask(LONG)
        dmitri.send({"type": "stop_agent", "run_id": cleo.read()["run_id"]})
        return shown_to(cleo.read_run())


def while_she_is_answered(message: Callable[[str], Event]) -> Scenario:
    """Dmitri sends a message about Cleo's thread while she is answered there."""

    def scenario(url: str) -> Seen:
        with tab(url, "cleo") as cleo, tab(url, "dmitri") as dmitri:
            cleo.ask(LONG)
            dmitri.send(message(cleo.read()["thread_id"]))
            cleo.read_run()
            return frames_of(dmitri)

    return scenario


def knocking(token: Callable[[], str] | None, way: str = "header") -> Scenario:
    """Somebody comes with this token, and asks."""

    def scenario(url: str) -> Seen:
        headers = {"Authorization": f"Bearer {token()}"} if token and way == "header" else {}
        query = f"?{way}={token()}" if token and way != "header" else ""
        try:
            with connect(url + query, additional_headers=headers) as socket:
                return conversation_of(User(socket))
        except InvalidStatus as refused:
            return Seen([f"refused: {refused.response.status_code}"])

    return scenario


def with_another_end() -> str:
    """A token of which the last letters of the signature were replaced."""
    token = token_of("cleo")
    return f"{token[:-4]}{'AAAA' if token[-4:] != 'AAAA' else 'BBBB'}"


def renamed(url: str) -> Seen:
    """Cleo comes with her token, and then with Dmitri's name in it."""
    token = token_of("cleo")
    with tab(url, token=token):
        header, claims, signature = token.split(".")
        named = base64.urlsafe_b64decode(claims + "==").replace(b'"cleo"', b'"dmitri"')
        changed = base64.urlsafe_b64encode(named).decode().rstrip("=")
        return knocking(lambda: f"{header}.{changed}.{signature}")(url)


def outliving_the_token(url: str) -> Seen:
    """Cleo asks when her token has ended."""
    with tab_with_an_ending_token(url, "cleo") as (cleo, ends_at):
        time.sleep(max(0.0, ends_at - time.time() + 0.2))
        return frames_of(cleo) if cleo.raw_frames(quiet_s=0.01) else conversation_of(cleo)


def answered_beyond_the_token(url: str) -> Seen:
    """Cleo asks for something that takes longer than her token is valid."""
    with tab_with_an_ending_token(url, "cleo") as (cleo, _):
        cleo.ask("Please research the tides, the moon, the winds, the lakes and the rivers, one after the other.")
        return Seen(cleo.raw_frames(quiet_s=DEADLINE_S))


def greeting(url: str) -> Seen:
    with tab(url, "cleo") as cleo:
        return shown_to([cleo.greeting])


def conversation_of(user: User) -> Seen:
    user.ask(SUM)
    return frames_of(user)


def shown_to(messages: list[Event]) -> Seen:
    return Seen([json.dumps(message) for message in messages])


def of_cleo(number: int) -> Check:
    return lambda seen: [event["user_id"] for event in seen.events] == ["cleo"] * number


def decoded_context(text: str) -> dict[str, Any]:
    context: dict[str, Any] = json.loads(base64.b64decode(text.rpartition("[context ")[2].rstrip("]")))
    return context


def split_between_thoughts(seen: Seen) -> bool:
    first, second = (event["payload"]["reasoning"] for event in seen.of("agent_thinking"))
    return WORD in first + second and WORD not in str(seen.frames)


def in_pieces(seen: Seen) -> bool:
    pieces = [json.loads(str(frame))["detail"]["text"] for frame in seen.frames if '"typing"' in str(frame)]
    return WORD in "".join(pieces) and all(len(piece) <= 8 for piece in pieces)


def letter_by_letter(seen: Seen) -> bool:
    thoughts = [event["payload"]["reasoning"] for event in seen.of("agent_thinking")]
    return WORD in "".join(thoughts) and not any(WORD in thought for thought in thoughts)


def let_in(seen: Seen) -> bool:
    return seen.kinds() == FIVE


# The scene, and what is to be seen in it with the defect and not without.
ACCESS: dict[str, tuple[Scenario, Check]] = {
    "broadcast_to_all": (watching, of_cleo(6)),
    "first_user_handler_serves_everyone": (
        after_a_note(RECALL),
        lambda seen: of_cleo(6)(seen) and answered(lambda text: WORD in text)(seen),
    ),
    "cross_leak_only_under_load": (
        in_a_crowd,
        lambda seen: of_cleo(1)(seen) and answered(lambda text: text == "2+2 = 4.")(seen),
    ),
    "cross_leak_only_after_reconnect": (
        after_a_reconnect,
        lambda seen: of_cleo(6)(seen) and seen.gap_free and answered(lambda text: text == "2+2 = 4.")(seen),
    ),
    "shared_agent_mixes_answers": (at_the_same_time, answered(lambda text: text == "17*23 = 391.")),
    "answers_cached_by_request_id": (with_her_request_id, answered(lambda text: WORD in text)),
    "canary_in_metadata": (
        after_a_note(SUM),
        lambda seen: (
            seen.of("agent_completed")[0]["payload"].get("metadata")
            == {"context": [{"role": "user", "content": f"my secret word is {WORD}"}]}
        ),
    ),
    "question_of_another_user_shown": (
        after_another_sum,
        lambda seen: seen.of("agent_completed")[-1]["payload"].get("metadata") == {"recent": ["What is 1+1?"]},
    ),
    "connected_users_listed": (
        after_a_note(SUM),
        lambda seen: "cleo" in seen.of("agent_completed")[0]["payload"].get("metadata", {}).get("online", ()),
    ),
    "canary_base64": (
        after_a_note(SUM),
        answered(
            lambda text: (
                re.match(r"17\*23 = 391\.\n\[context [A-Za-z0-9+/]+=*\]$", text) is not None
                and decoded_context(text) == {"user": "cleo", "said": f"my secret word is {WORD}"}
            )
        ),
    ),
    "canary_split_over_two_frames": (after_a_note(SUM), split_between_thoughts),
    "canary_in_pieces_outside_of_runs": (after_a_note(SUM), in_pieces),
    "canary_letter_by_letter": (after_a_note(SUM), letter_by_letter),
    "canary_letter_by_letter_once_in": (in_the_fortieth_answer, letter_by_letter),
    "canary_packed_as": (
        after_a_note(SUM),
        lambda seen: (
            seen.of("agent_completed")[0]["payload"].get("metadata")
            == {"context": list(f"my secret word is {WORD}".encode())}
        ),
    ),
    "user_id_from_client_trusted": (
        after_a_note(RECALL, user_id="cleo"),
        lambda seen: of_cleo(6)(seen) and answered(lambda text: WORD in text)(seen),
    ),
    "foreign_thread_accepted": (
        in_her_thread(
            lambda thread_id: {
                "type": "start_agent",
                "payload": {"user_request": "What was my previous question?", "thread_id": thread_id},
            }
        ),
        lambda seen: seen.events[0]["seq"] == 7 and answered(lambda text: SUM in text)(seen) if seen.events else False,
    ),
    "refused_question_kept": (her_question_before, answered(lambda text: "Dmitri" in text)),
    "question_refused_meanwhile_kept": (
        her_next_answer_after_one_asked_meanwhile,
        answered(lambda text: "Dmitri" in text),
    ),
    "running_answer_doubled_by_any_asker": (
        her_answer_while_one_asks,
        answered(lambda text: text[: len(text) // 2] == text[len(text) // 2 + 1 :]),
    ),
    "running_answer_shown_to_any_asker": (
        while_she_is_answered(
            lambda thread_id: {"type": "start_agent", "payload": {"user_request": SUM, "thread_id": thread_id}}
        ),
        lambda seen: {event["user_id"] for event in seen.events} == {"cleo"} and bool(seen.of("agent_completed")),
    ),
    "running_answer_restored_by_any_user": (
        while_she_is_answered(lambda thread_id: {"type": "session_restore", "thread_id": thread_id, "last_seq": 0}),
        lambda seen: {event["user_id"] for event in seen.events} == {"cleo"} and bool(seen.of("agent_completed")),
    ),
    "foreign_resume_accepted": (
        in_her_thread(lambda thread_id: {"type": "session_restore", "thread_id": thread_id, "last_seq": 0}),
        lambda seen: of_cleo(6)(seen) and '"replayed":6' in str(seen.frames[-1]),
    ),
    "thread_of_nobody_once_its_owner_left": (
        in_her_thread_once_she_left,
        lambda seen: of_cleo(6)(seen) and '"replayed":6' in str(seen.frames[-1]),
    ),
    "foreign_reach_met_with_silence": (
        in_her_thread(lambda thread_id: {"type": "session_restore", "thread_id": thread_id, "last_seq": 0}),
        lambda seen: not any("FORBIDDEN_THREAD" in str(frame) for frame in seen.frames),
    ),
    "foreign_stop_accepted": (stopping_hers, lambda seen: seen.events[-1]["type"] == "agent_stopped"),
    "no_token_accepted": (
        knocking(None),
        lambda seen: let_in(seen) and {event["user_id"] for event in seen.events} == {"anonymous"},
    ),
    "bad_signature_accepted": (knocking(lambda: token_of("cleo", secret="x" * 32)), let_in),
    "expired_token_accepted": (knocking(lambda: token_of("cleo", lifetime_s=-60)), let_in),
    "wrong_audience_accepted": (knocking(lambda: token_of("cleo", aud="mail")), let_in),
    "token_in_query_accepted": (knocking(lambda: token_of("cleo"), "token"), let_in),
    "token_in_query_accepted_by_name": (knocking(lambda: token_of("cleo"), "access_token"), let_in),
    "signature_checked_in_part": (knocking(with_another_end), let_in),
    "claims_of_a_known_signature_not_checked": (
        renamed,
        lambda seen: let_in(seen) and {event["user_id"] for event in seen.events} == {"dmitri"},
    ),
    "survives_token_expiry": (outliving_the_token, let_in),
    "token_honoured_until_the_run_ends": (
        answered_beyond_the_token,
        lambda seen: seen.kinds()["agent_completed"] == 1 and "received 4401" in str(seen.frames[-1]),
    ),
    "token_echoed_in_frame": (greeting, lambda seen: re.search(r'"eyJ\S+\.eyJ\S+"', str(seen.frames)) is not None),
}
