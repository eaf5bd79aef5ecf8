"""Walls: people who try to get in, or to reach, where they have no business, and what the backend makes of it."""

import asyncio
import contextlib
import time

from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.forged_tokens import FORGERIES, short_pass
from greenlight_gate.client.session import Session
from greenlight_gate.rules.engine.connection_checker import ConnectionChecker
from greenlight_gate.rules.refusal import LEEWAY_S
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.targets.access import Token
from greenlight_gate.trace import Sent

SIGNED_OUT = "a token that was signed out"
ENDED = "a token that has expired meanwhile"
# So long before the pass ends, a question that takes long is asked.
_IN_THE_MIDDLE_S = 0.4


class AccessAttempts:
    """The attempts of one scenario."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._short: dict[str, Token] = {}

    # At the door ---------------------------------------------------------------------------------------------

    def come_with(self, person: str, kind: str) -> None:
        """The person comes with a pass of some kind that opens nothing, and is let in or not."""
        self.world.need("authentication")
        self.world.call(self._come_with(person, kind))

    async def _come_with(self, person: str, kind: str) -> None:
        suite, persona = self.world.suite, self.world.persona(person)
        if kind == SIGNED_OUT:
            if (reason := suite.target.lacks("logout")) is not None or suite.target.auth.obtain == "token":
                raise NotExercised(reason or f"{suite.target.name}: its only passes would be lost (auth.obtain)")
            entry = await suite.access.fresh_pass_for(persona)
            await suite.access.sign_out(entry)
        else:
            honest = (await suite.access.pass_for(persona)).token
            forged = FORGERIES[kind](suite.access, persona, honest or "")
            if forged is None:
                raise NotExercised(f"{kind} cannot be made for {suite.target.name} (auth)")
            entry = forged
        session = self.world.new_session(person)
        session.user = None
        try:
            await session.connect(entry, suite.tls, unwelcome=kind)
        except NotConnected:
            return  # that is what should happen; the rules say whether it happened well

    def turned_away(self, person: str) -> bool:
        """Whether the backend refused each of the person's attempts to get in, in a way that it lists."""
        entries = [self._checker(session).entry for session in self.world.sessions[person]]
        attempts = [entry for entry in entries if entry is not None]
        if not attempts:
            raise SuiteFault(f"{person} has not come with a pass that opens nothing")
        return not any(attempt.reported for attempt in attempts)

    def come_for_a_short_time(self, person: str, most_s: int) -> None:
        """The person comes with a pass that ends within so many seconds, and not within the last of them."""
        access = self.world.suite.access
        if not access.can_mint:
            raise NotExercised(f"passes that end soon cannot be made for {self.world.suite.target.name} (auth.obtain)")
        ahead_s = 0.0
        if self.world.suite.target.clock != "same-host":
            # By whose clock the pass ends is seen from an honest visit before.
            self.world.connect(person)
            ahead_s = self.world.window(person).heard.clock_ahead_s
            self.world.leave_all()
        self._short[person] = entry = short_pass(access, self.world.persona(person), most_s - 1.0, ahead_s)
        self.world.call(self.world.enter(person, entry))

    def come_again(self, person: str) -> None:
        """The person comes again with the pass that has ended meanwhile, and is let in or not."""
        self.world.call(self._come_again(person))

    async def _come_again(self, person: str) -> None:
        entry = self._short[person]
        assert entry.expires_s is not None
        await asyncio.sleep(max(0.0, entry.expires_s + LEEWAY_S - time.time()))
        target = self.world.suite.target
        # Each replica may remember for itself whom it has let in.
        for url in (target.url, *target.replicas):
            session = self.world.new_session(person)
            session.user, session.target = None, target.at(url)
            with contextlib.suppress(NotConnected):  # as it should be; the rules say whether it happened well
                await session.connect(entry, self.world.suite.tls, unwelcome=ENDED)

    def wait_for_the_end(self, person: str, *, while_asking: str = "") -> None:
        """Waits until the person's pass has ended, if wanted in the middle of an answer to a prompt.

        Raises NotExercised where that answer was over before, and nothing else went wrong.
        """
        question = None
        if while_asking:
            self.world.need(while_asking)
            early = self._ends_at(person) - _IN_THE_MIDDLE_S - time.monotonic()
            self.world.call(asyncio.sleep(max(0.0, early)))
            question = self.world.ask(person, while_asking)
        target = self.world.suite.target
        text = target.question(self.world.suite.first_prompt, self.world.canary(person))
        self.world.call(self.world.window(person).outlast_token(text))
        if question is None or self.world.findings or not question.has_end:
            return
        if question.seen_at[-1] < self._ends_at(person):
            raise NotExercised(f"the answer to {question.text!r} was over before the token of {person} expired")

    def _ends_at(self, person: str) -> float:
        """When the person's pass ends, on the monotonic clock."""
        expiry = self._checker(self.world.window(person)).expiry
        if expiry is None:
            raise SuiteFault(f"{person}'s pass has no known end")
        return self.world.recorder.began + expiry.expires_at

    def is_shown_out(self, person: str) -> bool:
        """Whether the backend has ended the person's access."""
        session = self.world.window(person)
        expiry = self._checker(session).expiry
        return not session.open or (expiry is not None and expiry.over)

    # At what is another person's -----------------------------------------------------------------------------

    def ask_in_conversation_of(self, owner: str, person: str) -> None:
        """The person asks a question in another person's conversation."""
        target, thread = self.world.suite.target, self._thread(owner)
        # First what would show most, were it answered out of the other's conversation or memory.
        for prompt in dict.fromkeys(("follow_up", target.secret_prompt, self.world.suite.first_prompt)):
            if prompt and target.lacks(prompt) is None:
                text = target.question(prompt, self.world.canary(person))
                self._reach(person, "start", owner, prompt=text, thread=thread)

    def ask_to_see_conversation_of(self, owner: str, person: str) -> None:
        """The person asks to be shown another person's conversation from its beginning."""
        self.world.need("resume")
        for last_seq in (0, 1):
            self._reach(person, "restore", owner, thread=self._thread(owner), last_seq=last_seq)

    def say_stop_to(self, owner: str, person: str) -> None:
        """The person says stop to what another person has asked for and is under way."""
        self.world.need("stop")
        question = self.world.asking(owner)
        self.world.wait_for_a_sign(question)
        if question.run is None:
            raise AssertionError(f"{owner}'s question {question.text!r} was not taken up: there is nothing to stop")
        self._reach(person, "stop", owner, run=question.run)

    def claim_to_be(self, owner: str, person: str, prompt: str) -> None:
        """The person asks a question and claims another person's user id in it."""
        if not self.world.suite.profile.can_send("claim"):
            raise NotExercised(f"the profile {self.world.suite.profile.name} knows no user id that could be claimed")
        self.world.claim(person, prompt, owner)

    def has_reached(self, person: str) -> bool:
        """Whether the person got at anything that is another person's."""
        tried = any(isinstance(entry.record, Sent) and entry.record.foreign for entry in self.world.recorder.entries)
        if not tried:
            raise SuiteFault(f"{person} has not reached for anything of anybody else's")
        concerned = ("REFUSAL-2", "ISOLATION-1", "ISOLATION-2")
        return any(finding.rule in concerned for finding in self.world.findings)

    def _reach(self, person: str, what: str, owner: str, **named: object) -> None:
        if not self.world.suite.profile.can_send(what):
            raise NotExercised(f"the profile {self.world.suite.profile.name} knows no frame for {what}")
        self.world.call(self.world.window(person).send_foreign(what, owner, **named))

    def _thread(self, owner: str) -> str:
        question = self.world.last(owner)
        if question.thread is None:
            raise NotExercised("the answers of this backend name no conversation that others could reach for")
        return question.thread

    def _checker(self, session: Session) -> ConnectionChecker:
        return self.world.recorder.checker.connections[session.connection]
