"""Bad input: invalid messages and unfinished connections, how the backend answers, and whether others are affected."""

import asyncio
import json
from collections.abc import Callable, Sequence

from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import Answered, World
from greenlight_gate.client.abuse import half_open_handshakes
from greenlight_gate.client.session import Session

_DEEP = 10_000
_MEGABYTE = 1_048_576
_TEN_MEGABYTES = 10_000_000
_MOST_SENT = 64 * _MEGABYTE

Message = str | bytes


def _without_parts(world: World) -> Message:
    whole = world.frame("start", request="bare", prompt="What is", thread=None)
    try:
        frame = json.loads(whole)
    except ValueError:
        return whole[:2]  # another format than JSON, such as Socket.IO's: it begins with the type
    if not isinstance(frame, dict):
        return json.dumps(frame[:1])
    first = next(iter(frame))
    return json.dumps({first: frame[first]})


def _half(world: World) -> Message:
    whole = world.frame("start", request="half", prompt="What is", thread=None)
    return whole[: len(whole) // 2]


def _control_characters(world: World) -> Message:
    whole = world.frame("start", request="control", prompt="What is", thread=None)
    return whole.replace("What is", "".join(map(chr, range(32))))


# By their names in the steps. Bytes that are sent as text are listed below.
MESSAGES: dict[str, Callable[[World], Message]] = {
    "a truncated message": _half,
    "a message of unknown type": lambda world: '{"type": "greenlight_unknown", "request_id": "unknown-1"}',
    "a message without its fields": _without_parts,
    "a request without a prompt": lambda world: world.frame("start", request="wordless", prompt=None, thread=None),
    "a number as the prompt": lambda world: world.frame("start", request="number", prompt=17, thread=None),
    "a list instead of an object": lambda world: "[1, 2, 3]",
    "a message nested 10000 levels deep": lambda world: '{"type": ' + "[" * _DEEP + "]" * _DEEP + "}",
    "a prompt of control characters": _control_characters,
    "a binary message": lambda world: bytes(range(256)),
    "text that is not UTF-8": lambda world: b'{"type": "ping", "nonce": "\xff\xfe"}',
    "a prompt of 10 megabytes": lambda world: world.frame(
        "start", request="large", prompt="x" * _TEN_MEGABYTES, thread=None
    ),
}
_SENT_AS_TEXT = "text that is not UTF-8"
_ONE_BYTE_TOO_MANY = "a message one byte over the size limit"
MESSAGE_NAMES = (*MESSAGES, _ONE_BYTE_TOO_MANY)


class BadInput:
    """The bad input of one scenario, and the backend's answers to it."""

    def __init__(self, world: World) -> None:
        self.world = world

    def send(self, *messages: tuple[str, str]) -> None:
        """Sends these (user, name of a message) at the same time, and waits for the answers."""
        self._send_all([(self.world.tab(user), name) for user, name in messages])

    def send_from_others(self, names: Sequence[str]) -> None:
        """The same from users who connect for it, each message in a tab of its own."""
        world = self.world
        here = len(world.sessions)
        here_already = {world.persona(user) for user in world.sessions}
        users = world.users_up_to(here + len(names), at_least=here + 1)
        others = [user for user in users if world.persona(user) not in here_already]
        senders = [others[number % len(others)] for number in range(len(names))]
        world.connect_all(senders)
        tabs = {user: iter(world.sessions[user]) for user in set(senders)}
        self._send_all([(next(tabs[user]), name) for user, name in zip(senders, names, strict=True)])

    def _send_all(self, messages: Sequence[tuple[Session, str]]) -> None:
        self.world.need("errors")
        # Made beforehand: on the event loop it would delay the timestamps of other messages.
        made = [(session, name, self._made(session, name)) for session, name in messages]
        self.world.answered_to += self.world.call(self._at_once(made))

    async def _at_once(self, messages: Sequence[tuple[Session, str, Message]]) -> list[Answered]:
        return await asyncio.gather(*(self._send(*message) for message in messages))

    def _made(self, session: Session, name: str) -> Message:
        return self._too_large(session) if name == _ONE_BYTE_TOO_MANY else MESSAGES[name](self.world)

    async def _send(self, session: Session, name: str, data: Message) -> Answered:
        reply = await session.send_invalid(data, as_text=name == _SENT_AS_TEXT)
        return Answered(session, name, reply)

    def _too_large(self, session: Session) -> str:
        most = session.inbox.announced("max_message_bytes", _MEGABYTE)
        if not 0 < most <= _MOST_SENT:
            raise NotExercised(f"{self.world.suite.target.name} declares that it accepts messages of {most} bytes")
        empty = len(self.world.frame("start", request="large", prompt="", thread=None))
        return self.world.frame("start", request="large", prompt="x" * (most + 1 - empty), thread=None)

    def flood_with_pings(self, user: str, count: int) -> None:
        """The user's client sends this many WebSocket pings (RFC 6455 section 5.5.2) as fast as it can."""
        self.world.call(self.world.tab(user).flood(count))

    def was_dropped(self, user: str) -> bool:
        """Asks another question; returns whether the backend has ended the user's connection, before or meanwhile."""
        world, session = self.world, self.world.tab(user)
        if session.open:
            try:
                world.wait(world.ask(user, "with_tool"))
            except Unmet:
                if session.open:
                    raise
        return not session.open

    def hold_half_open_handshakes(self, count: int) -> None:
        """Opens this many TCP connections that never finish the handshake, until the scenario ends."""
        target = self.world.suite.target
        if not target.limits.allow_stress:
            raise NotExercised(f"{target.name} does not allow stress tests (limits.allow_stress)")
        self.world.hold(half_open_handshakes(target, count))
