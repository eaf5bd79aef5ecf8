"""Isolation: whether users receive data of others, while they use one backend in several ways."""

from collections.abc import Sequence

from greenlight_gate.bdd.actions.bad_input import BadInput
from greenlight_gate.bdd.actions.foreign_access import ForeignAccess, secret_prompt_of
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.request import UserRequest
from greenlight_gate.rules.isolation import IsolationPair

_AT_LEAST = 2


class Unproven(Exception):
    """A user never received their own secret, so it is unknown whether others would have received it."""


class Privacy:
    """The users of one scenario who have a secret each, and who received which."""

    def __init__(self, world: World) -> None:
        self.world = world

    # Users ---------------------------------------------------------------------------------------------

    def watch(self, users: Sequence[str]) -> None:
        """From now on the scenario records which of these users receive data of each other."""
        self.world.private = tuple(users)

    def gather(self, *, most: int) -> None:
        """Several users, as many as the target has up to `most`, connect and tell the assistant a secret each."""
        world = self.world
        world.need("isolation")
        secret_prompt_of(world)  # without one, nobody connects
        users = world.users_up_to(most, at_least=_AT_LEAST)
        self.watch(users)
        world.connect_all(users)
        world.pictured = True
        self.tell(users)

    def gather_crowd(self, connections: int) -> None:
        """Opens this many connections, one for each user, or several tabs for each if the target has fewer users."""
        self.gather(most=connections)
        world = self.world
        users = list(world.sessions)
        more = [users[number % len(users)] for number in range(connections - len(users))]
        if more:
            world.connect_all(more)

    def watch_those_with_secrets(self) -> None:
        """Checks the isolation of all users, if each requested their own secret."""
        world = self.world
        requested = {q.user for q in world.questions if world.canary(q.user) in str(q.expect.contains)}
        if requested.issuperset(world.sessions):
            self.watch(list(world.sessions))

    def tell(self, users: Sequence[str]) -> None:
        """Each user tells the assistant what to remember; without a memory, the secret is part of the request."""
        if self.world.suite.target.lacks("remember") is None:
            self.world.ask_together([(user, "remember") for user in users])

    # Ways to interfere -------------------------------------------------------------------------------------------

    def ask_all(self, *, times: int = 1, tabs: int = 1) -> None:
        """All users ask for their own secrets at the same time, in each of this many tabs."""
        world = self.world
        for _ in range(times):
            world.ask_together([(user, self.question, n + 1) for user in world.private for n in range(tabs)])

    def one_after_the_other(self, *, rounds: int) -> None:
        """Each user connects, asks and disconnects before the next one connects, for this many rounds."""
        world = self.world
        world.leave_all()
        for _ in range(rounds):
            for user in world.private:
                world.wait(self.connect_and_ask(user))
                world.leave_all()

    def reconnect_in_each_others_place(self) -> None:
        """Each user disconnects during an answer, and the next one connects at that moment."""
        world = self.world
        world.leave_all()
        for user in (*world.private, world.private[0]):
            question = self.connect_and_ask(user)
            world.wait_for_first_event(question)
            world.leave_all()
        self.one_after_the_other(rounds=1)

    def reconnect_and_ask(self) -> None:
        """All users lose their connections at the same time, reconnect, and ask for their secrets."""
        self.world.leave_all()
        self.world.connect_all(self.world.private)
        self.ask_all()

    def ask_after_an_error(self) -> None:
        """Each user sends an invalid message, and then asks for their secret."""
        BadInput(self.world).send(*((user, "a truncated message") for user in self.world.private))
        self.ask_all()

    def restore_each_others(self, attempts: ForeignAccess) -> None:
        """Each user asks to restore the next one's conversation, and then for their own secret."""
        world = self.world
        world.need("resume")
        # Without a memory nobody has told anything yet, and a conversation begins with the first request.
        silent = [user for user in world.private if not world.asked_by(user)]
        if silent:
            world.ask_together([(user, self.question) for user in silent])
        for user, owner in zip(world.private, world.private[1:] + world.private[:1], strict=True):
            attempts.ask_to_see_conversation_of(owner, user)
        self.ask_all()

    def ask_during_long_work(self) -> None:
        """Half of the users send a long request, and meanwhile the others ask for their secrets."""
        world = self.world
        middle = len(world.private) // 2
        first, second = world.private[:middle], world.private[middle:]
        for busy, asking in ((first, second), (second, first)):
            at_work = world.begin_together([(user, "long_running") for user in busy])
            world.ask_together([(user, self.question) for user in asking])
            world.wait(*at_work)
        self.ask_all()

    def connect_and_ask(self, user: str) -> UserRequest:
        """The user opens a connection and asks for their own secret there."""
        self.world.connect(user)
        return self.world.ask(user, self.question, tab=len(self.world.sessions[user]))

    @property
    def question(self) -> str:
        """The prompt whose answer contains the user's own canary. Raises NotExercised if there is none."""
        return secret_prompt_of(self.world)

    # Results ----------------------------------------------------------------------------------------

    @property
    def relation(self) -> IsolationPair:
        """Which user has received data of which so far."""
        return self.world.recorder.checker.relation(self.world.key, self.world.private)

    def who_saw_whom(self) -> list[str]:
        """Which user received data of which, as "Ada received data of Bashir".

        Raises Unproven if a user did not receive their own secret: then the check proves nothing.
        """
        relation = self.relation
        if relation.unproven:
            users = ", ".join(relation.unproven)
            raise Unproven(f"ISOLATION-3: {users} did not receive their own secret")
        saw = self.world.recorder.checker.who_saw_whom
        return sorted(f"{user} received data of {other or 'another user'}" for user, other in saw)
