"""Foreign access: users who try to reach conversations and runs of others, and what the backend answers.

Each attempt carries whatever this wire names the other user's request, run and conversation by. It is made only after
the other user has done the same with their own: a backend that refuses both has shown nothing.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from typing import Any

from greenlight_gate.bdd.actions.approvals import Approvals
from greenlight_gate.bdd.actions.stops import LONG, Stops, completed_at_once
from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.request import UserRequest, after_event
from greenlight_gate.events import EventKind
from greenlight_gate.rules.engine.disturbed_answers import TIMES
from greenlight_gate.session.conditions import ACTS
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.trace import Closed, Opened, Sent
from greenlight_gate.transport.connection_setup import Naming

APPROVAL = "approval"


def secret_prompt_of(world: World) -> str:
    """The prompt whose answer holds the canary of the user who asks. Raises NotExercised if there is none."""
    target = world.suite.target
    if not target.secret_prompt:
        reason = f"{target.name} has no prompts whose answers hold {{canary}}, such as remember and recall"
        raise NotExercised(reason, "isolation")
    return target.secret_prompt


class ForeignAccess:
    """The attempts of one scenario. `proven`: (a user, what they have done with what is theirs).

    `stops`: those by which owners of runs have proven that they can stop them. `with_used_ids`: requests with the id of
    another user's.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.proven: set[tuple[str, str]] = set()
        self.stops = Stops(world)
        self.approvals = Approvals(world)
        self.with_used_ids: list[UserRequest] = []

    def tell_secret(self, user: str) -> None:
        """The user tells the assistant what to remember, or asks a question whose answer holds their own canary."""
        remembers = self.world.suite.target.lacks("remember") is None
        self.world.wait(self.world.ask(user, "remember" if remembers else secret_prompt_of(self.world)))

    # What another user tries -------------------------------------------------------------------------------------

    def ask_in_conversation_of(self, owner: str, user: str) -> None:
        """The user sends requests in another user's conversation, of which nothing may stay there.

        So its owner, if still connected, then asks what the question before was.
        """
        self.prove("start", owner, user)
        world = self.world
        before = world.last(owner)
        for text in self._curious_questions(user):
            for own in self._own_beside_conversation(user, before):
                self._reach(user, "start", before, prompt=text, **own)
        # The prompt says what that was.
        is_usable = world.prompt_of(before) == "with_tool" and world.suite.target.lacks("follow_up") is None
        if is_usable and world.is_connected(before):
            world.wait(world.ask(owner, "follow_up", follow=before))

    def ask_while_answered(self, owner: str, user: str, prompt: str) -> None:
        """The user sends requests in another user's conversation, in which the owner's next question is answered.

        Each beside a question of its own, and first what takes as long as that: where the end of one stream ends the
        other, or the next stream takes its place, a short answer might be over before more of the owner's has come.
        For the rule of answers that change for that, the owner asks the same before, and again once one was another.
        No such request may stay in the conversation: so they ask in the end what the question before was.
        """
        self.prove("start", owner, user)
        world, before, tried = self.world, self.world.last(owner), False
        same = world.suite.target.question(prompt, world.canary(user))
        texts = dict.fromkeys((same, *self._curious_questions(user)))
        alone = world.ask(owner, prompt, follow=before)
        world.wait(alone)

        def disturbed(text: str, own: Mapping[str, Any]) -> UserRequest | None:
            """The owner's answer during which the user has asked; None if that had ended before."""
            answering = world.ask(owner, prompt, follow=before)
            world.wait_for_first_event(answering)
            if answering.over:
                return None
            self._reach(user, "start", before, behind=answering, prompt=text, **own)
            world.wait(answering)
            return answering

        varies = False
        for own, text in product(self._own_beside_conversation(user, before), texts):
            answer = disturbed(text, own)
            tried = tried or answer is not None
            if not varies and _is_another(answer, alone):
                varies = True  # once is enough, whatever comes of it
                self._compare(alone, partial(disturbed, text, own))
        if not tried:
            raise NotExercised(f"{owner}'s run ended before {user} could ask in its conversation")
        if world.suite.target.lacks("follow_up") is None and world.is_connected(before):
            world.wait(world.ask(owner, "follow_up", follow=before, any_answer=True))

    def _compare(self, alone: UserRequest, disturbed: Callable[[], UserRequest | None]) -> None:
        """Repeats an answer that was another one when another user asked meanwhile: by turns without them and with."""
        for _ in range(TIMES):
            again = self.world.ask(alone.user, self.world.prompt_of(alone), follow=alone)
            self.world.wait(again)
            if again.answer != alone.answer or not _is_another(disturbed(), alone):
                return

    def _own_beside_conversation(self, user: str, question: UserRequest) -> list[dict[str, Any]]:
        """What the user names of their own in each attempt to ask in another user's conversation (that of `question`).

        First all but the conversation, if a request names more that was captured, which a backend may look at in its
        place; then nothing.
        """
        theirs, own = self.world.session_of(question).names_of(question), self.world.tab(user).values
        places = self._places("start", user, question)
        beside = {place: own[place] for place in places & own.keys() if theirs[place] != question.thread}
        return [beside, {}] if beside and places - beside.keys() else [{}]

    def _curious_questions(self, user: str) -> list[str]:
        """The texts with which a user asks in another user's conversation.

        First the one whose answer would reveal most of the other user's conversation or memory.
        """
        target = self.world.suite.target
        prompts = dict.fromkeys(("follow_up", target.secret_prompt, self.world.suite.first_prompt))
        usable = [prompt for prompt in prompts if prompt and target.lacks(prompt) is None]
        canary = self.world.canary(user)
        texts = [target.question(prompt, canary) for prompt in usable]
        # What shows whose it is comes last: the last one is the most likely to be in the conversation still.
        return sorted(texts, key=lambda text: canary in text)

    def restore_while_answered(self, owner: str, user: str, prompt: str) -> None:
        """The user requests another user's conversation, in which the owner's next question is answered.

        The owner has done so before in another tab, which stays open: a backend may end an answer that is left.
        """
        world = self.world
        self._require("restore")
        world.need("resume")
        answering = world.ask(owner, prompt, follow=world.last(owner))
        world.wait_for_first_event(answering)
        self._places("restore", user, answering)
        world.connect(owner)
        if not world.restore(owner, answering, tab=len(world.sessions[owner])):
            raise NotExercised(f"{owner} cannot restore a conversation of their own in which an answer is in progress")
        for tried, last_seq in enumerate((0, 1)):
            if not answering.over:
                self._reach(user, "restore", answering, behind=answering, last_seq=last_seq)
            elif not tried:
                raise NotExercised(f"{owner}'s run ended before {user} could restore its conversation")

    def ask_to_see_conversation_of(self, owner: str, user: str) -> None:
        """The user requests another user's conversation from its beginning."""
        self.prove("restore", owner, user)
        for last_seq in (0, 1):
            self._reach(user, "restore", self.world.last(owner), last_seq=last_seq)

    def resume_from_event_of(self, owner: str, user: str) -> None:
        """The user connects with the id of an early event of another user's answer, as if it had come to them.

        Its owner has done so before, and received what came after it.
        """
        question, naming = self._resume_from_event(owner)
        mine = self.world.tab(user)
        if naming.values["last_event_id"] in (mine.first_event_id, mine.last_event_id):
            raise NotExercised(f"events of {user} have the same ids as those of {owner}, which name nothing therefore")
        self._open(user, "resume", naming._replace(foreign=owner), question, {})

    def _resume_from_event(self, owner: str) -> tuple[UserRequest, Naming]:
        """The owner has a request answered in a tab of its own, and connects again with the first id that came there.

        Returns the request and what that connection names. Raises NotExercised if nothing comes then.
        """
        world = self.world
        if not world.suite.profile.spec.resumes_by_event_id:
            raise NotExercised(f"{world.suite.target.name} resumes by no id of an event ([resume])", "resume")
        world.connect(owner)
        tab = len(world.sessions[owner])
        question = world.ask(owner, world.suite.first_prompt, tab=tab)
        world.wait(question)
        naming = self.after_first_event(question)
        world.reconnect(owner, tab, naming)
        if not world.call(world.tab(owner, tab).wait_event()):
            raise NotExercised(f"{owner} receives nothing after the id of an early event, so that nobody else would")
        return question, naming

    def after_first_event(self, question: UserRequest) -> Naming:
        """What a connection names that resumes behind the first event that came where a request was answered.

        Raises NotExercised if that has no id, or the answer names no conversation.
        """
        event_id = self.world.session_of(question).first_event_id
        if not event_id or question.thread is None:
            name = self.world.suite.target.name
            raise NotExercised(f"{name} sends events without an id, or of no conversation", "resume")
        return after_event(question, event_id)

    def send_to_channel_of(self, owner: str, user: str) -> None:
        """The user sends a request of their own to the address of another user's channel, which that user has used."""
        world = self.world
        world.need("endpoint_needs_token")
        question = world.ask(owner, world.suite.first_prompt)
        world.wait(question)
        theirs, own = world.session_of(question).values, world.tab(user).values
        endpoints = world.suite.profile.spec.endpoints
        given = {name: theirs[name] for name in endpoints if theirs.get(name) not in (None, own.get(name))}
        if question.answer is None or not given:
            raise NotExercised(f"{owner} has no address of their own at which messages are answered")
        text = world.suite.target.question(world.suite.first_prompt, world.canary(user))
        named = {"thread": None, "run": None, "prompt": text, **given}
        self._send(user, "start", owner, named)

    def send_stop_to(self, owner: str, user: str) -> None:
        """The user sends a stop for a run of another user, who has stopped one before, and has begun this one since.

        Where a stop makes a run complete at once, it shows in no event who has stopped it. Raises Unmet if this run
        completes at once as well.
        """
        world = self.world
        self.prove("stop", owner, user)
        question = self.stops.begin_long(owner, f"{user} could try to stop it")
        tried_at = time.monotonic()
        self._reach(user, "stop", question)
        if owner in self.stops.complete:
            world.wait(question)
            if completed_at_once(question, tried_at, world.budgets.grace_s):
                raise Unmet("REFUSAL-2", f"{owner}'s run completed at once after {user} tried to stop it")

    def answer_for(self, owner: str, user: str) -> None:
        """The user approves what another user is asked, who has approved such a request before.

        A connection may answer one request at a time, so that what the owner has asked until now ends first.
        """
        self.world.wait(self.world.asking(owner))
        self.prove("respond", owner)
        self.world.ask(owner, APPROVAL)
        question = self.approvals.asked(owner)
        answer = self.world.session_of(question).answer_to(question, approves=True)
        if not self._places("respond", user, question, answer):
            raise NotExercised(f"{owner} is asked by no id that {user} could name")
        theirs = {**self.world.session_of(question).names_of(question), **answer}
        self._send(user, "respond", owner, theirs)

    def claim_to_be(self, owner: str, user: str, prompt: str) -> None:
        """The user sends a request that claims another user's id."""
        self._require("claim")
        if not self.world.persona(owner).user:
            raise NotExercised(f"{owner} has no user id that {user} could claim (`user` of a persona)")
        # With the user's own id, any backend may refuse it.
        if self.world.claim(owner, prompt, owner).answer is None:
            raise NotExercised(f"{owner} cannot {ACTS['claim']}, so that a refusal of others shows nothing")
        self.world.claim(user, prompt, owner)

    def ask_with_request_id_of(self, owner: str, user: str, prompt: str, *, meanwhile: bool = False) -> None:
        """The user sends a request of their own with the id of another user's last one, and may be refused.

        `meanwhile`: while that is being answered. Then both ask the same, in a text that names neither: a server may
        compare the texts, and not the users.
        """
        world, first = self.world, self.world.asking(owner)
        self._ask_with_id_of(first, user, prompt, meanwhile=meanwhile)
        world.wait(first)
        prompt = world.prompt_of(first) if meanwhile else prompt
        same = world.suite.target.question(prompt, "")
        question = world.ask(owner, prompt, text=same)
        if not meanwhile:
            world.wait(question)
        self._ask_with_id_of(question, user, prompt, text=same, meanwhile=meanwhile)

    def _ask_with_id_of(
        self, question: UserRequest, user: str, prompt: str, *, text: str = "", meanwhile: bool = False
    ) -> None:  # fmt: skip
        """Where the id names the run or the conversation as well, all that answers the user would name the owner's.

        Then nothing is tried.
        """
        world, owner = self.world, question.user
        world.need("request_id")
        world.wait_for_first_event(question)
        if not question.has_begun():
            raise NotExercised(f"{owner} was not answered, so that no answer could reach {user}")
        if any(question.request in each for each in (question.run, question.thread) if each is not None):
            raise NotExercised(f"the id of {owner}'s request is a part of the ids of what answers it")
        if meanwhile and question.over:
            raise NotExercised(f"{owner}'s run ended before {user} could send a request with its id")
        self.with_used_ids.append(world.ask_with_id_of(question, user, prompt, text))

    def leave(self, user: str) -> None:
        """The user disconnects, after what shows that others could reach the conversation if they were let."""
        for what in ("start", "restore") if self.world.suite.lacks("resume") is None else ("start",):
            self.prove(what, user)
        self.world.leave(user)

    def has_reached(self, user: str) -> bool:
        """Whether the user obtained data of another user."""
        tried = bool(self.with_used_ids) or any(
            isinstance(entry.record, Sent | Opened | Closed) and entry.record.foreign
            for entry in self.world.recorder.entries
        )
        if not tried:
            raise SuiteFault(f"{user} has not tried to reach data of another user")
        concerned = ("REFUSAL-2", "ISOLATION-1", "ISOLATION-2")
        return any(finding.rule in concerned for finding in self.world.findings)

    def _places(
        self, what: str, user: str, question: UserRequest, answer: Mapping[str, object] | None = None
    ) -> set[str]:  # fmt: skip
        """Where the owner's ids, and what was captured for them, go. Raises NotExercised where none has a place.

        An id that is null, or that the user's own runs and threads have as well, names nothing of the owner's.
        """
        theirs = {**self.world.session_of(question).names_of(question), **(answer or {})}
        places = self.world.tab(user).places_for(what, theirs)
        if not places and self._naming(what, user, question) is None:
            name = self.world.suite.profile.name
            raise NotExercised(f"{name} has no place for what is another user's where users {ACTS[what]}")
        mine = [each for each in self.world.questions if each.user == user]
        own = {"thread": {each.thread for each in mine}, "run": {each.run for each in mine}}
        return {place for place in places if theirs[place] is not None and theirs[place] not in own.get(place, ())}

    def _naming(self, what: str, user: str, question: UserRequest, last_seq: int = 0) -> Naming | None:
        """What a connection of the user names of the owner's when it is opened: where no message has a place for it."""
        owner, session = self.world.session_of(question), self.world.tab(user)
        if what not in ("start", "restore"):
            return None
        from_seq = last_seq if what == "restore" else None
        return session.foreign_naming(question.user, owner.names_of(question), session.values, last_seq=from_seq)

    def _reach(
        self, user: str, what: str, question: UserRequest, *, behind: UserRequest | None = None, **named: object
    ) -> None:  # fmt: skip
        """Sends the other user's ids, and what was captured for them.

        `behind`: a request of the other user whose answer the backend may end first.
        """
        if not self._places(what, user, question):
            last_seq = named.get("last_seq", 0)
            naming = self._naming(what, user, question, last_seq if isinstance(last_seq, int) else 0)
            if naming is not None:
                self._open(user, what, naming, question, named, behind=behind)
                return
            which = "run" if what == "stop" else "conversation"
            raise NotExercised(f"{question.user}'s answers name no {which} of their own that {user} could try to reach")
        theirs = self.world.session_of(question).names_of(question)
        self._send(user, what, question.user, {**theirs, **named}, behind)

    def _send(
        self, user: str, what: str, owner: str, theirs: Mapping[str, object], behind: UserRequest | None = None
    ) -> None:  # fmt: skip
        """Sends a message with what is the owner's in the user's tab, opened again if it has ended in order."""
        world = self.world
        world.call(world.connected_tab(user).send_foreign(what, owner, theirs, behind=behind))

    def _open(
        self, user: str, what: str, naming: Naming, question: UserRequest, named: Mapping[str, object], *,
        behind: UserRequest | None = None,
    ) -> None:  # fmt: skip
        """Opens a connection that names what is the other user's, and sends a request on it if that is the act."""
        world = self.world
        theirs = world.session_of(question).names_of(question)
        start = {**theirs, **named} if what == "start" else None

        async def try_it() -> None:
            token = await world.suite.access.token_for(world.persona(user))
            session = world.new_session(user)
            await session.open_foreign(token, world.suite.tls, naming, start, behind=behind)
            await session.close()

        if world.is_full:
            raise NotExercised(f"{world.suite.target.name} allows no further connection, on which to try it")
        world.call(try_it())

    # What the other user can do themselves -----------------------------------------------------------------------

    def _require(self, what: str) -> None:
        profile = self.world.suite.profile
        if not profile.can_send(what) and not (what == "restore" and profile.spec.can_resume):
            raise NotExercised(f"the profile {profile.name} has no frame with which users {ACTS[what]}")

    def prove(self, what: str, owner: str, user: str = "") -> None:
        """The owner does the same with what is theirs. Raises NotExercised if not even that works.

        `user`: who will try it, if that is known. Without a place for what is the owner's, nothing is tried.
        """
        self._require(what)
        if user:
            self._places(what, user, self.world.asking(owner))
        if (owner, what) in self.proven:
            return
        ways = {
            "start": self._continues, "restore": self._restores, "stop": self._stops, "respond": self._approves,
        }  # fmt: skip
        if not ways[what](owner):
            raise NotExercised(f"{owner} cannot {ACTS[what]} of their own, so that a refusal of others shows nothing")
        self.proven.add((owner, what))

    def _continues(self, owner: str) -> bool:
        world, before = self.world, self.world.last(owner)
        session = world.session_of(before)
        theirs = session.names_of(before)
        if not session.names_sent("start", theirs) and session.foreign_naming(owner, theirs, {}) is not None:
            # Where only the connection says which conversation it is, that has to be one that can be opened again.
            world.reconnect(owner)
        again = world.ask(owner, world.suite.first_prompt, follow=before)
        world.wait(again)
        return again.answer is not None and again.thread == before.thread

    def _restores(self, owner: str) -> bool:
        self.world.need("resume")
        world, question = self.world, self.world.last(owner)
        if world.is_full:
            world.reconnect(owner)
            return world.restore(owner, question, tab=1)
        world.connect(owner)
        number = len(world.sessions[owner])
        restored = world.restore(owner, question, tab=number)
        world.call(world.tab(owner, number).close())
        return restored

    def _stops(self, owner: str) -> bool:
        self.world.need("stop", LONG)
        self.stops.stop_once(self.world.asking(owner))
        outcome = next(reversed(self.stops.stopped)).outcome
        return owner in self.stops.complete or (outcome is not None and outcome.ended_by is EventKind.STOPPED)

    def _approves(self, owner: str) -> bool:
        self.world.need(APPROVAL)
        question = self.world.ask(owner, APPROVAL)
        self.approvals.answer(owner, approves=True)
        self.world.wait(question)
        return question.answer is not None


def _is_another(answer: UserRequest | None, usual: UserRequest) -> bool:
    """Whether two answers that came differ."""
    text = answer.answer if answer is not None else None
    return None not in (text, usual.answer) and text != usual.answer
