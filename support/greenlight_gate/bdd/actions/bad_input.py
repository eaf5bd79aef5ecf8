"""Bad input: invalid messages and unfinished connections, how the backend answers, and whether others are affected."""

import asyncio
from collections.abc import Sequence

from greenlight_gate.bdd.actions.invalid_messages import InvalidMessage, InvalidMessages
from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import Answered, World
from greenlight_gate.client.abuse import half_open_handshakes
from greenlight_gate.client.scenario_session import ScenarioSession


class BadInput:
    """The bad input of one scenario, and the backend's answers to it."""

    def __init__(self, world: World) -> None:
        self.world = world

    def send(self, *messages: tuple[str, str]) -> None:
        """Sends these (user, name of a message) at the same time, and waits for the answers."""
        self._send_all([(self.world.connected_tab(user), name) for user, name in messages])

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

    def _send_all(self, messages: Sequence[tuple[ScenarioSession, str]]) -> None:
        """Sends those that the format of the profile has a place for. Raises NotExercised if there is none."""
        self.world.need("errors")
        # Made beforehand: on the event loop it would delay the timestamps of other messages.
        made: list[tuple[ScenarioSession, str, InvalidMessage]] = []
        unmade: list[NotExercised] = []
        for session, name in messages:
            try:
                made.append((session, name, self._made(session, name)))
            except NotExercised as reason:
                unmade.append(reason)
        if unmade and not made:
            raise unmade[0]
        self.world.answered_to += self.world.call(self._at_once(made))

    async def _at_once(self, messages: Sequence[tuple[ScenarioSession, str, InvalidMessage]]) -> list[Answered]:
        return await asyncio.gather(*(self._send(*message) for message in messages))

    def _made(self, session: ScenarioSession, name: str) -> InvalidMessage:
        return InvalidMessages(session.profile, session.values).made(name, self._most_bytes(session))

    def _most_bytes(self, session: ScenarioSession) -> int | None:
        """The size of the largest message that is accepted, if that is declared."""
        return self.world.suite.target.limits.accepts_message_bytes or session.inbox.announced("max_message_bytes")

    def ask_at_the_limit(self, user: str) -> None:
        """The user sends a request of exactly the largest size that is accepted, and waits for the answer."""
        world, session = self.world, self.world.tab(user)
        world.need("with_tool")
        question = world.suite.target.question("with_tool", world.canary(user))
        text = InvalidMessages(session.profile, session.values).filled_up(question, self._most_bytes(session))
        world.wait(world.ask(user, "with_tool", text=text))

    async def _send(self, session: ScenarioSession, name: str, message: InvalidMessage) -> Answered:
        reply = await session.send_invalid(message.data, request=message.request, as_text=message.as_text)
        return Answered(session, name, reply)

    def flood_with_pings(self, user: str, count: int) -> None:
        """The user's client sends this many WebSocket pings (RFC 6455 section 5.5.2) as fast as it can."""
        self.world.need("websocket")
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
