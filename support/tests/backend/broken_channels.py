"""For each defect of the chat over a channel a conversation, and what is to be seen of it."""

import json
from collections.abc import Callable

import httpx2

from support.tests.backend.broken_conversations import SUM, Scenario, Seen
from support.tests.backend.broken_streams import OPEN, asked
from support.tests.backend.channels import channel
from support.tests.backend.users import Event


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


def after_an_answer(url: str) -> Seen:
    """How the channel goes on after an answer."""
    with channel(url) as ada:
        ada.post(asked(SUM))
        ada.run()
        try:
            return Seen([next(ada.events, {"type": "the end"})["type"]])
        except httpx2.ReadTimeout:
            return Seen([OPEN])


CHANNELS: dict[str, tuple[Scenario, Callable[[Seen], bool]]] = {
    "channel_misses_the_first_event": (talked, lambda seen: not seen.of("agent_started")),
    "channel_resumes_one_event_too_late": (resumed, lambda seen: seen.events[0]["seq"] == 4),
    "channel_ids_lag_behind": (resumed, lambda seen: seen.events[0]["seq"] == 2),
    "channel_mixes_users": (beside_another_user, lambda seen: "ada" in {event["user_id"] for event in seen.events}),
    "channel_resumed_by_any_user": (
        resumed_by_another_user,
        lambda seen: [event["user_id"] for event in seen.events] == ["ada"],
    ),
    "channel_ends_with_an_answer": (after_an_answer, lambda seen: seen.frames == ["the end"]),
}
