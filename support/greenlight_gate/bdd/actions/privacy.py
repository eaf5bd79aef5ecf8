"""Privacy: who is watched for what they see of others, and how they come to meet on one backend."""

from collections.abc import Sequence

from greenlight_gate.bdd.actions.bad_input import BadInput
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.request import UserRequest
from greenlight_gate.rules.isolation import IsolationPair

_AT_LEAST = 2


class Unproven(Exception):
    """Somebody's own secret was never seen on their own connection: nothing can be said of what others see of it."""


class Privacy:
    """The people of one scenario who have a secret each, and what becomes of it."""

    def __init__(self, world: World) -> None:
        self.world = world

    # Who is here ---------------------------------------------------------------------------------------------

    def watch(self, people: Sequence[str]) -> None:
        """From now on it is noted what these people see of each other."""
        self.world.private = tuple(people)

    def gather(self, *, most: int) -> None:
        """Several people, as many as the target has up to `most`, come and tell the assistant a secret each."""
        world = self.world
        world.need("isolation")
        if not self.question:
            raise NotExercised(
                f"{world.suite.target.name} has no prompts whose answers hold {{canary}}, such as remember and recall"
            )
        people = world.people_up_to(most, at_least=_AT_LEAST)
        self.watch(people)
        world.connect_all(people)
        world.pictured = True
        self.tell(people)

    def gather_crowd(self, connections: int) -> None:
        """So many people that so many connections are open, with several windows each where the target has fewer."""
        self.gather(most=connections)
        world = self.world
        people = list(world.sessions)
        more = [people[number % len(people)] for number in range(connections - len(people))]
        if more:
            world.connect_all(more)

    def watch_those_with_secrets(self) -> None:
        """Watches everybody, if each was asked or told anything that holds their own secret."""
        world = self.world
        told = {q.person for q in world.questions if world.canary(q.person) in f"{q.text} {q.expect.contains}"}
        if told.issuperset(world.sessions):
            self.watch(list(world.sessions))

    def tell(self, people: Sequence[str]) -> None:
        """Each of them tells the assistant what to remember; a target without a memory is told with the question."""
        if self.world.suite.target.lacks("remember") is None:
            self.world.ask_together([(person, "remember") for person in people])

    # How they meet -------------------------------------------------------------------------------------------

    def ask_all(self, *, times: int = 1, windows: int = 1) -> None:
        """All of them ask for their own secrets at the same moment, in each of so many windows."""
        world = self.world
        for _ in range(times):
            world.ask_together([(person, self.question, n + 1) for person in world.private for n in range(windows)])

    def one_after_the_other(self, *, rounds: int) -> None:
        """Each comes, asks and leaves before the next one comes; in further rounds the first come after the last."""
        world = self.world
        world.leave_all()
        for _ in range(rounds):
            for person in world.private:
                world.wait(self.come_and_ask(person))
                world.leave_all()

    def take_each_others_seat(self) -> None:
        """Each leaves in the middle of an answer, and the next one comes at that very moment."""
        world = self.world
        world.leave_all()
        for person in (*world.private, world.private[0]):
            question = self.come_and_ask(person)
            world.wait_for_a_sign(question)
            world.leave_all()
        self.one_after_the_other(rounds=1)

    def come_back_and_ask(self) -> None:
        """All lose their connections at the same moment, come back, and ask for their secrets."""
        self.world.leave_all()
        self.world.connect_all(self.world.private)
        self.ask_all()

    def ask_after_an_error(self) -> None:
        """Each sends what cannot be understood, and then asks for their secret."""
        BadInput(self.world).send(*((person, "a truncated message") for person in self.world.private))
        self.ask_all()

    def ask_during_long_work(self) -> None:
        """Half of them have something done that takes long, and meanwhile the others ask for their secrets."""
        world = self.world
        middle = len(world.private) // 2
        first, second = world.private[:middle], world.private[middle:]
        for busy, asking in ((first, second), (second, first)):
            at_work = world.begin_together([(person, "long_running") for person in busy])
            world.ask_together([(person, self.question) for person in asking])
            world.wait(*at_work)
        self.ask_all()

    def come_and_ask(self, person: str) -> UserRequest:
        """The person opens a connection and asks for their own secret there."""
        self.world.connect(person)
        return self.world.ask(person, self.question, window=len(self.world.sessions[person]))

    @property
    def question(self) -> str:
        """The prompt whose answer holds the canary of whoever asks."""
        return self.world.suite.target.secret_prompt

    # What can be told ----------------------------------------------------------------------------------------

    @property
    def relation(self) -> IsolationPair:
        """Who has seen whom so far."""
        return self.world.recorder.checker.relation(self.world.key, self.world.private)

    def who_saw_whom(self) -> list[str]:
        """Who was shown something of whom, as "Ada saw something of Bashir".

        Raises Unproven where privacy is watched and somebody's own secret was not seen by themselves: then the check
        does not work.
        """
        relation = self.relation
        if relation.unproven:
            people = ", ".join(relation.unproven)
            raise Unproven(f"ISOLATION-3: the own secret of {people} was not seen on their own connection")
        saw = self.world.recorder.checker.who_saw_whom
        return sorted(f"{person} saw something of {other or 'somebody'}" for person, other in saw)
