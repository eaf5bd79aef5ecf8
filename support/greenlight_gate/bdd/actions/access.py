"""Access: users who try to connect, stop or approve with an invalid or expired token, and the backend's answer."""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

from greenlight_gate.bdd.actions.foreign_access import APPROVAL, ForeignAccess
from greenlight_gate.bdd.actions.stops import completed_at_once, too_late
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.forged_tokens import ANOTHER_NAME, FORGERIES, short_token
from greenlight_gate.client.request import UserRequest, resuming
from greenlight_gate.client.scenario_session import ScenarioSession
from greenlight_gate.rules.engine.connection_checker import ConnectionChecker
from greenlight_gate.rules.engine.deadlines import LEEWAY_S
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.targets.access import Token
from greenlight_gate.trace import SUCCESS
from greenlight_gate.transport.connection_setup import NOTHING_NAMED, Naming

SIGNED_OUT = "a token that was signed out"
ENDED = "a token that has expired since"
# The time in seconds before the expiry at which a long request is sent.
_IN_THE_MIDDLE_S = 0.4
_MARGIN_S = 0.1


class AccessAttempts:
    """The attempts of one scenario. `own`: what shows that users can do with a valid token what is tried without."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.own = ForeignAccess(world)
        self._stopped_at: float | None = None

    # Connecting with a token -------------------------------------------------------------------------------------

    def connect_with(self, user: str, kind: str) -> None:
        """The user tries to connect with an invalid token of this kind."""
        self.world.need("authentication")
        if kind == ANOTHER_NAME:
            self.world.connect(user)
        self.world.call(self._connect_with(user, kind))
        if kind == ANOTHER_NAME:
            self.world.call(self.world.tab(user).close())

    def resume_with(self, user: str, kind: str) -> None:
        """The user tries to resume their last conversation with an invalid token, after they have with a valid one.

        That is the connection or the request by which the profile resumes. Over a channel, a message follows to the
        address that was given to them, if the profile promises that this alone is not enough.
        """
        world = self.world
        world.need("authentication", "resume")
        profile, question = world.suite.profile, world.last(user)
        spec = profile.spec
        if question.thread is None:
            raise NotExercised(f"the answer to {question.text!r} names no conversation that could be resumed")
        by_id = spec.resumes_by_event_id
        naming = self.own.after_first_event(question) if by_id else resuming(question, question.first_seq - 1)
        if spec.resume is not None:
            world.reconnect(user, naming=naming)
        elif not spec.connection.has_stream_for_each:
            how = "resumes conversations by messages on a connection that is open, and by no address of their own"
            raise NotExercised(f"{profile.name} {how}", "resume")
        elif not world.restore(user, question, tab=1):
            raise NotExercised(f"{user} cannot resume the conversation with a valid token either")
        known = world.tab(user).values
        endpoints = spec.endpoints if profile.promises.endpoint_needs_token else ()
        given = {name: known[name] for name in endpoints if name in known}
        world.call(self._connect_with(user, kind, naming._replace(values={**naming.values, **given})))

    async def _connect_with(self, user: str, kind: str, naming: Naming = NOTHING_NAMED) -> None:
        token = await self._invalid_token(user, kind)
        session = self.world.new_session(user)
        session.user_id = None
        try:
            await session.connect(token, self.world.suite.tls, unwelcome=kind, naming=naming)
        except NotConnected:
            return  # as expected; the rules judge how the refusal was done

    async def _invalid_token(self, user: str, kind: str) -> Token:
        suite, persona = self.world.suite, self.world.persona(user)
        if kind == SIGNED_OUT:
            self.world.need("logout")
            if suite.target.auth.obtain == "token":
                raise NotExercised(
                    f"{suite.target.name}: signing out would invalidate the only tokens of the target (auth.obtain)"
                )
            token = await suite.access.fresh_token_for(persona)
            await suite.access.sign_out(token)
            return token
        honest = (await suite.access.token_for(persona)).token
        forged = FORGERIES[kind](suite.access, persona, honest or "")
        if forged is None:
            raise NotExercised(f"{kind} cannot be made for {suite.target.name} (auth)")
        return forged

    def turned_away(self, user: str) -> bool:
        """Whether the backend refused each of the user's invalid tokens, in a way that the target file lists."""
        tried = [self._checker(session).sign_in for session in self.world.sessions[user]]
        attempts = [attempt for attempt in tried if attempt is not None]
        if not attempts and not self.world.findings:
            raise SuiteFault(f"{user} has not tried to connect with an invalid token")
        return not any(attempt.reported for attempt in attempts)

    # Asking, stopping and approving with a token ------------------------------------------------------------------

    def ask_with(self, user: str, prompt: str, kind: str) -> None:
        """A question is sent with an invalid token, after the user has asked it with a valid one.

        On their connection, which is open: what comes of it comes there. Raises as `stop_with`.
        """
        world = self.world
        self._must_show_token(user, "start", "asks", prompt)
        token = world.call(self._invalid_token(user, kind))
        question = world.ask(user, prompt)
        world.wait(question)
        if question.answer is None:
            raise NotExercised(f"{user} is not answered with a valid token either")
        text = world.suite.target.question(prompt, world.canary(user))
        try:
            world.call(world.session_of(question).ask_unwelcome(question, token, kind, text))
        except NotConnected as error:
            raise NotExercised(str(error)) from error

    def stop_with(self, user: str, kind: str) -> None:
        """A stop of a run of the user's is sent with an invalid token, after they have stopped one with a valid one.

        Raises NotExercised where that works by no request that shows whose it is, or not even with a valid one.
        """
        world = self.world
        self._must_show_token(user, "stop", "stops runs", "stop")
        token = world.call(self._invalid_token(user, kind))
        self.own.prove("stop", user)
        question = self.own.stops.begin_long(user, f"it could be stopped with {kind}")
        self._stopped_at = time.monotonic()
        world.call(self._send("stop", question, token, kind, {"run": question.run}))

    def approve_with(self, user: str, kind: str) -> None:
        """What the user is asked is approved with an invalid token, after they have approved with a valid one.

        Raises as `stop_with`.
        """
        world = self.world
        self._must_show_token(user, "respond", "answers what users are asked", APPROVAL)
        token = world.call(self._invalid_token(user, kind))
        self.own.prove("respond", user)
        world.ask(user, APPROVAL)
        question = self.own.approvals.asked(user)
        session, events = world.session_of(question), len(question.events)
        answer = session.answer_to(question, approves=True)
        status = world.call(self._send("respond", question, token, kind, answer, input=answer["input"], approves=True))
        if status in SUCCESS:  # it may take effect a little later
            world.call(session.inbox.until(lambda: len(question.events) > events, world.budgets.refusal_s))

    def _must_show_token(self, user: str, what: str, does: str, need: str) -> None:
        """Raises NotExercised where no request of its own tells the backend whose the message is."""
        self.world.need("authentication", need)
        self.world.need(f"{what}_request")
        profile = self.world.suite.profile
        spec, name = profile.spec, profile.name
        session, carriers = self.world.tab(user), spec.endpoints & spec.places_in(what)
        if carriers and not profile.promises.endpoint_needs_token:
            raise NotExercised(
                f"the profile {name} does not promise that the address of a channel is not enough to send to it "
                "(endpoint_needs_token)", "endpoint_needs_token"
            )  # fmt: skip
        if not session.shows_token(what):
            raise NotExercised(f"{name} {does} by requests that do not carry the token of their user")

    async def _send(
        self, what: str, question: UserRequest, token: Token, kind: str, values: Mapping[str, Any], **kept: Any
    ) -> int:  # fmt: skip
        try:
            return await self.world.session_of(question).send_unwelcome(what, question, token, kind, values, **kept)
        except NotConnected as error:
            raise NotExercised(str(error)) from error

    def gave_access(self, user: str) -> bool:
        """Whether what was sent with an invalid token had an effect on the user's run, once that has ended.

        Raises NotExercised if the run ended so soon after a stop that this may have come too late.
        """
        world, question = self.world, self.world.last(user)
        if any(finding.rule == "REFUSAL-1" for finding in world.findings):
            return True
        if self._stopped_at is None or not completed_at_once(question, self._stopped_at, world.budgets.grace_s):
            return False
        if user in self.own.stops.complete:
            return True
        raise too_late(question, self._stopped_at)

    def connect_with_short_token(self, user: str, most_s: int) -> None:
        """The user connects with a token that expires within this many seconds, but not before the last of them."""
        self.world.need("authentication")
        self.world.need("auth.obtain")
        access = self.world.suite.access
        ahead_s = 0.0
        if self.world.suite.target.clock != "same-host":
            # An earlier valid connection shows the backend's clock, by which the token expires.
            self.world.connect(user)
            ahead_s = self.world.tab(user).inbox.clock_ahead_s
            self.world.leave_all()
        # What a login's token says, a token of ours has to say as well.
        self.world.call(access.token_for(self.world.persona(user)))
        self.world.tokens[user] = short_token(access, self.world.persona(user), most_s - 1.0, ahead_s)
        self.world.connect(user)

    def reconnect_with_old_token(self, user: str) -> None:
        """The user tries to connect again with the token that has expired since, and is no longer accepted."""
        self.world.need("budgets.token_leeway_s")
        self.world.call(self._reconnect_with_old_token(user))

    async def _reconnect_with_old_token(self, user: str) -> None:
        token, target = self.world.tokens[user], self.world.suite.target
        leeway_s = target.budgets.token_leeway_s
        assert token.expires_s is not None
        assert leeway_s is not None
        # Of a backend elsewhere, the clock may differ.
        margin_s = _MARGIN_S if target.clock == "same-host" else LEEWAY_S
        await asyncio.sleep(max(0.0, token.expires_s + leeway_s + margin_s - time.time()))
        # Each replica may remember accepted tokens for itself.
        for url in (target.url, *target.replicas):
            session = self.world.new_session(user)
            session.user_id, session.target = None, target.at(url)
            with contextlib.suppress(NotConnected):  # as expected; the rules judge how the refusal was done
                await session.connect(token, self.world.suite.tls, unwelcome=ENDED)

    def wait_for_the_end(self, user: str, *, while_asking: str = "") -> None:
        """Waits until the user's token has expired, if wanted during the answer to a prompt.

        Raises NotExercised if that answer ended before, and nothing else went wrong.
        """
        question = None
        if while_asking == "long_lasting" and self.world.suite.target.lacks(while_asking):
            # It may end within the leeway: only a token that is honoured after the answer is noticed then.
            while_asking = "long_running"
        if while_asking:
            self.world.need(while_asking)
            early = self._ends_at(user) - _IN_THE_MIDDLE_S - time.monotonic()
            self.world.call(asyncio.sleep(max(0.0, early)))
            question = self.world.ask(user, while_asking)
        run_until = 0.0
        if question is not None and self.world.suite.profile.promises.runs_outlive_tokens:
            self.world.wait(question)
            run_until = question.last_at
        target = self.world.suite.target
        text = target.question(self.world.suite.first_prompt, self.world.canary(user))
        self.world.call(self.world.tab(user).outlast_token(text, run_until=run_until))
        if question is None or self.world.findings or not question.has_end:
            return
        if question.seen_at[-1] < self._ends_at(user):
            raise NotExercised(f"the answer to {question.text!r} ended before the token of {user} expired")

    def _ends_at(self, user: str) -> float:
        """When the user's token expires, on the monotonic clock."""
        expiry = self._checker(self.world.tab(user)).expiry
        if expiry is None:
            raise SuiteFault(f"the expiry of {user}'s token is unknown")
        return self.world.recorder.began + expiry.expires_at

    def is_shown_out(self, user: str) -> bool:
        """Whether the backend has ended the user's access."""
        session = self.world.tab(user)
        expiry = self._checker(session).expiry
        return not session.open or (expiry is not None and expiry.over)

    def _checker(self, session: ScenarioSession) -> ConnectionChecker:
        return self.world.recorder.checker.connections[session.connection]
