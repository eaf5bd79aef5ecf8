"""For each defect of the chat over a channel a conversation, and what is to be seen of it."""

import json
from collections.abc import Callable
from typing import Any

import httpx2

from support.tests.backend.broken_conversations import SUM, Scenario, Seen
from support.tests.backend.broken_streams import OPEN, asked, client
from support.tests.backend.channels import channel
from support.tests.backend.users import Event, token_of


def seen(events: list[Event]) -> Seen:
    return Seen([json.dumps(event) for event in events])


def talked(url: str) -> Seen:
    with channel(url) as ada:
        ada.post(asked(SUM))
        return seen(ada.run())


def resumed(url: str) -> Seen:
    """What comes on another channel after the second event of an answer that has ended meanwhile."""
    with channel(url) as ada:
        ada.post(asked(SUM))
        second = ada.run()[1]
    with channel(url, last_id=second["id"]) as again:
        return seen(again.run())


def beside_another_user(url: str) -> Seen:
    """What Bashir receives, whose channel is the newest, while Ada asks."""
    with channel(url) as ada, channel(url, "bashir") as bashir:
        ada.post(asked(SUM))
        ada.run()
        bashir.post(asked(SUM))
        return seen(bashir.run())


def resumed_by_another_user(url: str) -> Seen:
    """What comes on Bashir's channel after the first event of Ada's answer."""
    with channel(url) as ada:
        ada.post(asked(SUM))
        first = ada.run()[0]
    with channel(url, "bashir", last_id=first["id"]) as bashir:
        return seen([next(bashir.events)])


def sent_to_another_channel(url: str) -> Seen:
    """The status of what Bashir posts to the address of Ada's channel."""
    with channel(url) as ada, channel(url, "bashir") as bashir:
        return Seen([str(bashir.post(asked(SUM), ada.endpoint).status_code)])


def asked_with(**forged: Any) -> Scenario:
    """The status of a question that is posted to the address of Ada's channel with this token, or without one."""

    def scenario(url: str) -> Seen:
        with channel(url) as ada, client(url) as http:
            shown = {"Authorization": f"Bearer {token_of('ada', **forged)}" if forged else ""}
            return Seen([str(http.post(ada.endpoint, json=asked(SUM), headers=shown).status_code)])

    return scenario


def was_taken(seen: Seen) -> bool:
    return seen.frames == ["202"]


def resumed_with(**forged: Any) -> Scenario:
    """The status of a channel that is opened with a Last-Event-ID and this token; without one, if nothing is said."""

    def scenario(url: str) -> Seen:
        with client(url) as http:
            shown = {"Authorization": f"Bearer {token_of('ada', **forged)}" if forged else ""}
            with http.stream("GET", "/events", headers={**shown, "Last-Event-ID": "t:1"}) as answer:
                return Seen([str(answer.status_code)])

    return scenario


def after_an_answer(url: str) -> Seen:
    """How the channel goes on after an answer."""
    with channel(url) as ada:
        ada.post(asked(SUM))
        ada.run()
        try:
            return Seen([next(ada.events, {"type": "the end"})["type"]])
        except httpx2.ReadTimeout:
            return Seen([OPEN])


def was_opened(seen: Seen) -> bool:
    return seen.frames == ["200"]


def unanswered(url: str) -> Seen:
    """What comes of a message while its POST is not answered; the end of that, if it is."""
    with channel(url) as ada:
        try:
            return Seen([str(ada.post(asked(SUM)).status_code)])
        except httpx2.ReadTimeout:
            return seen(ada.run())


CHANNELS: dict[str, tuple[Scenario, Callable[[Seen], bool]]] = {
    "channel_misses_the_first_event": (talked, lambda seen: not seen.of("agent_started")),
    "channel_resumes_one_event_too_late": (resumed, lambda seen: seen.events[0]["seq"] == 4),
    "channel_ids_lag_behind": (resumed, lambda seen: seen.events[0]["seq"] == 2),
    "channel_mixes_users": (beside_another_user, lambda seen: "ada" in {event["user_id"] for event in seen.events}),
    "channel_resumed_by_any_user": (
        resumed_by_another_user,
        lambda seen: [event["user_id"] for event in seen.events] == ["ada"],
    ),
    "channel_address_in_place_of_a_token": (sent_to_another_channel, was_taken),
    "question_accepted_without_a_token": (asked_with(), was_taken),
    "signature_not_checked_of_a_question": (asked_with(secret="x" * 32), was_taken),
    "expired_token_accepted_of_a_question": (asked_with(lifetime_s=-60), was_taken),
    "no_token_accepted_on_resume": (resumed_with(), was_opened),
    "signature_not_checked_on_resume": (resumed_with(secret="x" * 32), was_opened),
    "expired_token_accepted_on_resume": (resumed_with(lifetime_s=-60), was_opened),
    "messages_beside_a_channel_unanswered": (unanswered, lambda seen: bool(seen.of("agent_completed"))),
    "channel_ends_with_an_answer": (after_an_answer, lambda seen: seen.frames == ["the end"]),
}
