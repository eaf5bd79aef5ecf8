"""For each defect of resilience somebody who loses a line, or comes back, and what is to be seen then."""

import base64
import json
from collections.abc import Callable

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from support.tests.backend.broken_conversations import LONG, SUM, Scenario, Seen, frames_of
from support.tests.backend.users import DEADLINE_S, tab, tab_with_an_ending_token, token_of

_RUN_S = 0.9
FIRST = 3


def away(url: str) -> Seen:
    """Somebody leaves in the middle of an answer, and asks for the rest on another line."""
    with tab(url) as ada:
        ada.ask(LONG)
        seen = ada.read_until(lambda event: event.get("seq") == FIRST)
    with tab(url) as ada:
        ada.send({"type": "session_restore", "thread_id": seen[0]["thread_id"], "last_seq": FIRST})
        return Seen(ada.raw_frames(quiet_s=_RUN_S))


def away_for_all(url: str) -> Seen:
    """Somebody leaves when an answer has begun, and asks for the rest when it is over."""
    with tab(url) as ada:
        ada.ask(SUM)
        seen = ada.read_until(lambda event: event.get("seq") == 1)
    # By then another one that was begun later is over.
    with tab(url, "bashir") as bashir:
        bashir.run(SUM)
        bashir.run(SUM)
    with tab(url) as ada:
        ada.send({"type": "session_restore", "thread_id": seen[0]["thread_id"], "last_seq": 1})
        return frames_of(ada)


def coming(url: str) -> Seen:
    """Somebody comes, and asks at once."""
    try:
        with tab(url) as ada:
            ada.ask(SUM)
            return frames_of(ada)
    except ConnectionClosed as error:
        return Seen([f"closed: {error}"])


def asking_long(url: str) -> Seen:
    with tab(url) as ada:
        ada.ask(LONG)
        return Seen(ada.raw_frames(quiet_s=_RUN_S))


def coming_often(url: str) -> Seen:
    """Somebody comes five times with one pass."""
    token, frames = token_of("emeka"), []
    for _ in range(5):
        try:
            with tab(url, token=token) as ada:
                frames.append(json.dumps(ada.greeting["type"]))
        except InvalidStatus as error:
            frames.append(f"refused: {error.response.status_code}")
    return Seen(list(frames))


def saying_nothing(url: str) -> Seen:
    with tab(url) as ada:
        return Seen(ada.raw_frames(quiet_s=2.6))


def signing_out(url: str) -> Seen:
    """Somebody's pass ends while they are connected."""
    with tab_with_an_ending_token(url) as (ada, _):
        return Seen(ada.raw_frames(quiet_s=DEADLINE_S))


def offering(url: str) -> Seen:
    """Somebody sends the token as a subprotocol, and does not mind if it is not chosen."""
    encoded = base64.urlsafe_b64encode(token_of("ada").encode()).decode().rstrip("=")
    with connect(url, subprotocols=[Subprotocol("jwt-auth"), Subprotocol(f"jwt.{encoded}")]) as socket:
        return Seen([str(socket.subprotocol)])


def pinging(url: str) -> Seen:
    """Somebody sends a WebSocket ping, and a message after it: once that is answered, no pong will come any more."""
    with tab(url) as ada:
        pong = ada.socket.ping()
        ada.send({"type": "ping", "nonce": "1"})
        ada.read_until(lambda message: message["type"] == "pong")
        return Seen(["answered" if pong.is_set() else "unanswered"])


def seqs(*expected: int) -> Callable[[Seen], bool]:
    return lambda seen: [event["seq"] for event in seen.events] == list(expected)


def ends(how: str) -> Callable[[Seen], bool]:
    return lambda seen: how in str(seen.frames[-1:])


def refused(times: int) -> Callable[[Seen], bool]:
    return lambda seen: sum(str(frame).startswith("refused: 401") for frame in seen.frames) == times


def ends_after_the_first_thought(seen: Seen) -> bool:
    return [event["type"] for event in seen.events] == ["agent_started", "agent_thinking"]


def restored(seen: Seen) -> bool:
    return any('"session_restored"' in str(frame) for frame in seen.frames)


LINES: dict[str, tuple[Scenario, Callable[[Seen], bool]]] = {
    "events_lost_across_reconnect": (away_for_all, lambda seen: restored(seen) and not seen.events),
    "replay_buffer_drops_oldest": (away_for_all, seqs(5, 6)),
    "resume_unknown_but_says_ok": (away, lambda seen: restored(seen) and not seen.events),
    "replay_duplicates": (away_for_all, seqs(2, 2, 3, 3, 4, 4, 5, 5, 6, 6)),
    "replay_out_of_order": (away_for_all, seqs(6, 5, 4, 3, 2)),
    "closes_1011_at_start": (coming, ends("received 1011")),
    "accepted_then_closed_1000": (coming, ends("received 1000")),
    "subprotocol_not_chosen": (offering, lambda seen: seen.frames == ["None"]),
    "websocket_pings_unanswered": (pinging, lambda seen: seen.frames == ["unanswered"]),
    "events_before_ready_lost": (coming, lambda seen: seen.frames == []),
    "dies_mid_run_without_a_word": (
        asking_long,
        lambda seen: ends_after_the_first_thought(seen) and ends("no close frame received")(seen),
    ),
    "hangs_mid_run_socket_open": (
        asking_long,
        lambda seen: ends_after_the_first_thought(seen) and len(seen.frames) == 2,
    ),
    "reconnect_refused_after": (coming_often, refused(2)),
    "same_token_refused_within_1_s": (coming_often, refused(4)),
    "half_open_after_reconnect": (away, lambda seen: seen.frames == []),
    "idle_cut_after": (saying_nothing, ends("no close frame received")),
    "illegal_close_code": (signing_out, ends("invalid status code")),
}
