"""The World: the typed state of one scenario. Steps call it; it passes the work to the loop thread."""

import asyncio
import contextlib
import json
import logging
import math
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.matchers.observable import NotExercised, must_have_shown
from greenlight_gate.bdd.world.users import Users
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import PastRequest, UserRequest, resuming
from greenlight_gate.client.resumable_session import ResumableSession
from greenlight_gate.client.scenario_session import ScenarioSession
from greenlight_gate.events import ENDS, Control, Event, EventKind, each
from greenlight_gate.evidence.conversation import as_table
from greenlight_gate.findings import Finding
from greenlight_gate.model.calls import ServedCall
from greenlight_gate.rules.engine import canary_search
from greenlight_gate.rules.engine.deadlines import MARGIN_S, TimeBudgets
from greenlight_gate.rules.engine.suite_stalls import AGAIN, busy
from greenlight_gate.session.loop_thread import SuiteFault
from greenlight_gate.session.loop_thread import together as _all
from greenlight_gate.session.scripted_model import HeardCall, ScriptedModel
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.trace import Closed, Expect, ModelCall, Received, Responded, Stalled
from greenlight_gate.transport.connection_setup import NOTHING_NAMED, Naming

T = TypeVar("T")
# (user, prompt), and the number of the tab if it is not the first.
StackOptions = tuple[str, str] | tuple[str, str, int]

_HOP_S = 600.0
log = logging.getLogger("greenlight")
_MOST_SHOWN = 50
_MOST_SAID = 20_000
_LOOK_AGAIN_S = 0.05
# How long after a request was recorded as sent, or its end as received, a call of it may begin.
_SAME_MOMENT_S = 0.05
# The requests that need tools, the most demanding first.
_WITH_TOOLS = ("parallel_tools", "two_tools", "with_tool")
# What moderation refuses may be refused by an error in place of a run.
_MODERATED = "moderated"
NOTHING_OBSERVED = "the scenario passed without having observed anything"


class Answered(NamedTuple):
    """An invalid message (by its name), its connection, and the error that answered it, if any."""

    session: ScenarioSession
    message: str
    reply: Control | None


class World(Users):
    """One scenario's users, their connections, and their requests.

    `questions`: all requests, in order. `private`: the users whose isolation is checked; `pictured`: with a picture.
    `further`: recorders of further conversations, each with a trace of its own. `afterwards`: what is closed after all
    connections. `received_elsewhere`: messages to virtual users, and connections of theirs, which the trace lacks.
    `lacking`: why it is not exercised, by the name under which `accepted_gaps` can accept it. `fitted`: what was done
    less often, to fit the target's pace. `is_hostile`: it may leave the target ill; then a healthy user asks once at
    its end, and `health_trace` is the trace of that.
    """

    def __init__(self, suite: ValidationSession, key: str, number: int, slot: int = 0) -> None:
        self.key = key
        self.trace = f"traces/{number:04d}-{_slug(key)}.jsonl"
        super().__init__(suite, _recorder(suite, key, self.trace), slot)
        self.questions: list[UserRequest] = []
        self.fitted: list[str] = []
        self._prompt_of: dict[UserRequest, str] = {}
        self.answered_to: list[Answered] = []
        self.pinged: list[bool] = []
        self.private: tuple[str, ...] = ()
        self.pictured = False
        self.further: list[Recorder] = []
        self.afterwards: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._reopening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._held = contextlib.AsyncExitStack()
        suite.worlds.add(self)
        self._calls_before = suite.model.count if suite.model is not None else 0
        self.received_elsewhere = 0
        self.lacking = ""
        self.is_hostile = False
        self.health_trace = ""

    # Users ---------------------------------------------------------------------------------------------

    def connect(self, user: str) -> None:
        """Opens a (further) tab for a user."""
        self.call(self.open_tab(user))

    def connect_all(self, users: Sequence[str]) -> None:
        """Opens a tab for each user, all at the same time."""
        self.call(_all([self.open_tab(user) for user in users]))

    def leave_all(self) -> None:
        """Closes all tabs, also those with unfinished runs."""
        self._leave(*self.sessions.values())

    def leave(self, user: str) -> None:
        """Closes all tabs of a user."""
        self._leave(self.sessions[user])

    def _leave(self, *users: list[ScenarioSession]) -> None:
        sessions = [session for tabs in users for session in tabs]
        self._past += sessions
        self.call(_all([session.close() for session in sessions]))
        for tabs in users:
            tabs.clear()

    def close_tab_during(self, question: UserRequest, kind: EventKind) -> None:
        """Closes the tab of a request once an event of the kind came. Raises as `must_have_shown` if none did."""
        session, tabs = self.session_of(question), self.sessions[question.user]
        self.call(session.wait_until(question, lambda: question.has(kind)))
        must_have_shown(question, kind)
        tabs.remove(session)
        self._past.append(session)
        self.call(session.close())

    def reconnect(self, user: str, tab: int = 1, naming: Naming = NOTHING_NAMED) -> None:
        """Closes the connection of a user's tab, and opens another one in it. `naming`: what that resumes."""
        self.call(self._renewed(user, tab, naming))

    def need(self, *needs: str) -> None:
        """Raises NotExercised for a capability or a prompt that the target lacks."""
        for need in needs:
            reason = self.suite.lacks(need)
            if reason is not None:
                raise NotExercised(reason, need)

    # Requests --------------------------------------------------------------------------------------------

    def ask(
        self, user: str, prompt: str, *, tab: int = 1, follow: UserRequest | None = None, text: str = "",
        resent: bool = False, any_answer: bool = False,
    ) -> UserRequest:  # fmt: skip
        """Sends a request and does not wait.

        `follow` continues the thread of that request; `text` replaces that of the prompt; `resent`: a proxy on the way
        sends it once more; `any_answer`: it need not hold what is expected of that prompt elsewhere.
        """
        self.need(prompt)
        self._one_at_a_time([(user, tab)])
        return self.call(self._ask(user, prompt, tab, follow, text=text, resent=resent, any_answer=any_answer))

    def ask_behind(self, user: str, prompt: str, left: UserRequest) -> UserRequest:
        """Sends a request in the thread of an answer that its user no longer receives; does not wait.

        Until the run of that has ended, the backend may refuse it or let it wait.
        """
        self.need(prompt)
        return self.call(self._ask(user, prompt, follow=left, refusable=True))

    def ask_with_id_of(self, other: UserRequest, user: str, prompt: str, text: str = "") -> UserRequest:
        """Sends a request with the id of another user's, so that it may be refused; waits for the result.

        `text` replaces that of the prompt.
        """
        self.need(prompt)
        self._one_at_a_time([(user, 1)])
        question = self.call(self._ask(user, prompt, text=text, refusable=True, request=other.request))
        self.wait(question)
        return question

    def ask_and_stop(self, user: str, prompt: str) -> UserRequest:
        """Sends a request, and a stop of it before anything of its run can be known; does not wait."""
        self.need("early_stop", prompt)
        self._need_frame("early_stop", "early_stop")
        self._one_at_a_time([(user, 1)])

        async def both() -> UserRequest:
            question = await self._ask(user, prompt)
            await self.session_of(question).stop_early(question)
            return question

        return self.call(both())

    def ask_twice(self, user: str, prompt: str) -> UserRequest:
        """Sends a request twice at the same moment, with the same id; does not wait.

        Raises NotExercised where the profile does not promise that this starts a single run, and where the server
        allows one request at a time: as a browser would, the client then sends the copy after the answer.
        """
        self.need(prompt, "one_run_per_request")
        self._one_at_a_time([(user, 1)])

        async def both() -> UserRequest:
            if (await self._ready_to_ask(user, 1)).one_at_a_time:
                name = self.suite.target.name
                raise NotExercised(f"{name} allows one request at a time (SETTINGS_MAX_CONCURRENT_STREAMS of HTTP/2)")
            return await self._ask(user, prompt, twice=True)

        return self.call(both())

    def change(self, question: UserRequest, prompt: str) -> UserRequest:
        """Replaces an earlier request and its answer by another request; does not wait.

        Raises NotExercised where the profile has no frame for it.
        """
        self.need(prompt)
        self._need_frame("edit", "edited")
        return self.call(self._ask(question.user, prompt, follow=question, replaces=(question, "edit")))

    def regenerate(self, question: UserRequest) -> UserRequest:
        """Asks for another answer to an earlier request; does not wait. Raises as `change`."""
        what = "regenerate" if self.suite.profile.can_send("regenerate") else "edit"
        self._need_frame(what, "edited")
        prompt = self.prompt_of(question)
        return self.call(self._ask(question.user, prompt, follow=question, replaces=(question, what)))

    def _need_frame(self, what: str, need: str) -> None:
        if not self.suite.profile.can_send(what):
            raise NotExercised(f"the profile {self.suite.profile.name} has no [send.{what}]", need)

    def prompt_of(self, question: UserRequest) -> str:
        """The name of the prompt that a request was made of."""
        return self._prompt_of[question]

    def runs_of(self, question: UserRequest) -> list[str]:
        """The ids of all runs, without those of sub-agents, that name a request."""
        readings = (part for entry in self.recorder.entries for part in each(entry.reading))
        named = (e for e in readings if isinstance(e, Event) and e.request == question.request and e.parent is None)
        return list(dict.fromkeys(event.run for event in named if event.run is not None))

    def ask_freely(self, user: str, text: str) -> UserRequest:
        """Sends a request that may be refused or fail, so that only its end is expected; does not wait."""
        self._one_at_a_time([(user, 1)])
        return self.call(self._ask_freely(user, text))

    async def _ask_freely(self, user: str, text: str) -> UserRequest:
        session = await self._ready_to_ask(user, 1)
        question = await session.ask(text, Expect(end=EventKind.FAILED), refusable=True)
        question.absent = self.suite.profile.spec.absent
        self.questions.append(question)
        return question

    @property
    def model(self) -> ScriptedModel:
        """The scripted model that the backend asks. Raises NotExercised where the target has none."""
        self.need("model")
        model = self.suite.model
        assert model is not None
        return model

    def calls_for(self, question: UserRequest) -> list[ServedCall]:
        """The calls to the model whose prompt holds this request, in order."""
        heard = self.call(self.model.calls(self.recorder.began))
        return [each.call for each in heard if _asks(each.call, question.text) or _holds(each.call, question.text)]

    def claim(self, user: str, prompt: str, owner: str) -> UserRequest:
        """Sends a request with the user id of `owner`; waits for the result. With their own, it may be refused."""
        self.need(prompt)
        question = self.call(self._ask(user, prompt, claims=owner, refusable=owner == user))
        self.wait(question)
        return question

    async def _ask(
        self, user: str, prompt: str, tab: int = 1, follow: UserRequest | None = None, claims: str = "", *,
        text: str = "", refusable: bool = False, behind: UserRequest | None = None, twice: bool = False,
        replaces: tuple[UserRequest, str] | None = None, resent: bool = False, request: str = "",
        any_answer: bool = False,
    ) -> UserRequest:  # fmt: skip
        target, canary = self.suite.target, self.canary(user)
        expect = target.expectation(prompt, canary)
        expect = msgspec.structs.replace(expect, contains=()) if any_answer else expect
        text = text or target.question(prompt, canary)
        thread = follow.thread if follow is not None else None
        user_id = self.persona(claims).user if claims else None
        refusable = refusable or prompt == _MODERATED
        session = await self._ready_to_ask(user, tab)
        is_cut = follow is not None and self.recorder.checker.connections[follow.connection].cut_by_us
        if is_cut and not session.by_http:
            self.need("resume")  # without it, nobody has promised that a conversation outlives its connection
        question = await session.ask(
            text, expect, thread, foreign=claims if claims != user else "", claims=user_id, refusable=refusable,
            behind=behind.request if behind is not None else "", twice=twice,
            replaces=replaces, request=request,
        )  # fmt: skip
        if resent:
            session.resent(question)
        self._prompt_of[question] = prompt
        question.absent = self.suite.profile.spec.absent
        self.questions.append(question)
        return question

    async def _ready_to_ask(self, user: str, number: int) -> ScenarioSession:
        """The user's tab, with a connection that accepts a request.

        If a connection answers only one request, or one at a time and the last one is still unanswered, the client
        opens a new one for the next, in the same tab.
        """
        if self.tab(user, number).needs_another_to_ask:
            return await self._renewed(user, number)
        return await self._opened_again(user, number)

    def connected_tab(self, user: str, number: int = 1) -> ScenarioSession:
        """The user's tab; a channel that the server has ended in order is opened again, as an EventSource does.

        So is a connection that the server has closed to refuse what the user has tried. Raises Unmet if it ends again
        at once, and NotExercised where a proxy of the scenario would no longer be on the way.
        """
        return self.call(self._opened_again(user, number))

    async def _opened_again(self, user: str, number: int) -> ScenarioSession:
        async with self._reopening[user]:
            session = self.tab(user, number)
            if session.was_refused_by_close:
                return await self._renewed(user, number)
            if not session.ended_in_order:
                return session
            if isinstance(session, ResumableSession):
                raise NotExercised(f"{self.suite.target.name} ended the channel of {user} before it could be cut")
            naming = session.going_on() if self.suite.lacks("resume") is None else NOTHING_NAMED
            fresh = await self._renewed(user, number, naming)
            if not fresh.open:
                raise NotConnected(f"{user}'s channel was opened again, and ended at once")
            return fresh

    async def _renewed(self, user: str, number: int, naming: Naming = NOTHING_NAMED) -> ScenarioSession:
        """A new connection for a user's tab; `naming`: the conversation that it resumes."""
        suite, session = self.suite, self.tab(user, number)
        persona = session.played_by
        await session.close(keep_tab=True)
        fresh = suite.new_session(ScenarioSession, user, persona, session.recorder, before=session)
        self.sessions[user][number - 1] = fresh
        await fresh.connect(await self.token_of(user), suite.tls, naming=naming)
        return fresh

    def ask_meanwhile(self, user: str, prompt: str) -> None:
        """Sends a request on the connection on which the user's last one is being answered; waits for both.

        Where the wire has one request at a time, the second may be refused, or answered later.
        """
        self.need(prompt)
        first, profile = self.asking(user), self.suite.profile
        if profile.spec.connection.runs == "one":
            raise NotExercised(f"a connection of {profile.name} answers a single request (connection.runs)")
        if not profile.spec.tells_runs_apart:
            raise NotExercised(f"events of {profile.name} do not say which of two requests they answer")
        self.wait_for_first_event(first)
        if first.over:
            raise NotExercised(f"{first.text!r} was answered before a second request could be sent")
        target, canary, session = self.suite.target, self.canary(user), self.session_of(first)
        text, expect = target.question(prompt, canary), target.expectation(prompt, canary)
        refusable = profile.spec.connection.runs != "many" or target.lacks("parallel_runs") is not None
        second = self.call(session.ask(text, expect, refusable=refusable))
        second.absent = profile.spec.absent
        self.questions.append(second)
        self.wait(first)
        second.wait_from_now()
        self.wait(second)

    def ask_together(self, wishes: Sequence[StackOptions]) -> list[UserRequest]:
        """Sends all at the same time; waits for all the answers."""
        questions = self.begin_together(wishes)
        self.wait(*questions)
        return questions

    def begin_together(self, wishes: Sequence[StackOptions]) -> list[UserRequest]:
        """Sends all at the same time; does not wait."""
        self.need(*{wish[1] for wish in wishes})
        self._one_at_a_time([(wish[0], wish[2] if len(wish) == 3 else 1) for wish in wishes])
        return self.call(_all([self._ask(*wish) for wish in wishes]))

    def ask_at_once_in(self, thread_of: UserRequest, prompts: tuple[str, str]) -> tuple[UserRequest, UserRequest]:
        """Sends two requests at once in the thread of an earlier one; waits for both, the second after the first.

        The backend may refuse the second, or begin it when the first has ended. Raises NotExercised without threads.
        """
        user = thread_of.user
        self.need(*prompts, "parallel_runs")
        self._one_at_a_time([(user, 1), (user, 1)])
        if thread_of.thread is None:
            raise NotExercised(f"the answer to {thread_of.text!r} names no conversation in which two could be asked")
        return self.call(self._ask_at_once_in(thread_of, prompts))

    async def _ask_at_once_in(
        self, thread_of: UserRequest, prompts: tuple[str, str]
    ) -> tuple[UserRequest, UserRequest]:
        first = await self._ask(thread_of.user, prompts[0], follow=thread_of)
        second = await self._ask(thread_of.user, prompts[1], follow=thread_of, behind=first)
        await self.session_of(first).wait_end(first)
        second.last_at = max(second.last_at, first.last_at)
        await self.session_of(second).wait_end(second)
        return first, second

    def ask_in_two_tabs(self, thread_of: UserRequest, prompts: tuple[str, str]) -> None:
        """The first two tabs send at the same moment in the thread of an earlier request; waits for both.

        The backend may take either first, and refuse the other or let it wait. Raises NotExercised without threads.
        """
        self.need(*prompts, "parallel_runs")
        if thread_of.thread is None:
            raise NotExercised(f"the answer to {thread_of.text!r} names no conversation in which two could be asked")
        self.call(self._ask_in_two_tabs(thread_of, prompts))

    async def _ask_in_two_tabs(self, thread_of: UserRequest, prompts: tuple[str, str]) -> None:
        asked = await asyncio.gather(*(
            self._ask(thread_of.user, prompt, tab, thread_of, refusable=True) for tab, prompt in enumerate(prompts, 1)
        ))  # fmt: skip
        begun = [asyncio.ensure_future(self._begun(question)) for question in asked]
        await asyncio.wait(begun, return_when=asyncio.FIRST_COMPLETED)
        for waiting in begun:
            waiting.cancel()
        for question in sorted(asked, key=UserRequest.has_begun, reverse=True):
            question.wait_from_now()
            await self.session_of(question).wait_end(question)

    async def _begun(self, question: UserRequest) -> None:
        await self.session_of(question).wait_until(question, question.has_begun)

    def converse(self, users: Sequence[str], *, times: int, most_s: float) -> None:
        """Each user holds so many conversations, one after the other: a request that needs tools, then one more.

        None begins after `most_s` seconds, or after a finding.
        """
        self.need("with_tool")
        begins = [prompt for prompt in _WITH_TOOLS if self.suite.target.lacks(prompt) is None]
        ends_at = time.monotonic() + most_s

        async def hold(user: str) -> None:
            for number in range(times):
                if number and (self.findings or time.monotonic() > ends_at):
                    return
                first = await self._ask(user, begins[number % len(begins)])
                await self.session_of(first).wait_end(first)
                second = await self._ask(user, "with_tool", follow=first)
                await self.session_of(second).wait_end(second)

        self.call(_all([hold(user) for user in users]), most_s + _HOP_S)

    def _one_at_a_time(self, tabs: Sequence[tuple[str, int]]) -> None:
        """Raises NotExercised for parallel requests on a connection that does not accept them."""
        name = self.suite.profile.name
        for place in tabs:
            alone = self.suite.profile.spec.connection.runs == "many" or tabs.count(place) == 1
            if not alone or _is_busy(self.tab(*place)):
                raise NotExercised(f"a connection of {name} answers one request at a time (connection.runs)")

    def wait_for_first_event(self, question: UserRequest) -> None:
        """Waits for the first event of an answer."""
        self.call(self.session_of(question).wait_until(question, question.has_begun))

    def wait_for_text(self, question: UserRequest) -> None:
        """Waits until the run shows text. Raises as `must_have_shown` if it shows none."""
        self.call(self.session_of(question).wait_until(question, question.has_text))
        if not question.has_text():
            must_have_shown(question, EventKind.THINKING)

    def wait(self, *questions: UserRequest) -> None:
        """Waits for answers to end. A timeout is a finding, and no error here."""
        self.call(_all([self.session_of(question).wait_end(question) for question in questions]))

    def ping(self, user: str) -> None:
        """Sends an application ping and remembers whether it was answered."""
        self.need("ping")
        self.pinged.append(self.call(self.connected_tab(user).ping()))

    def websocket_ping(self, user: str) -> None:
        """Sends a WebSocket ping and remembers whether it was answered; no server may leave it out."""
        self.need("websocket")
        self.pinged.append(self.call(self.tab(user).websocket_ping()))

    def hold(self, resource: AbstractAsyncContextManager[T]) -> T:
        """Enters a context manager on the loop thread, and leaves it when the scenario ends."""
        return self.call(self._held.enter_async_context(resource))

    def restore_in_another_tab(self, question: UserRequest, tab: int) -> bool:
        """The same as `restore`, in a tab that has not sent the request. Raises NotExercised where none can do that."""
        profile = self.suite.profile
        named = profile.spec.named_at_opening(resumes=True)
        if not profile.can_send("restore") and not named & {"thread", "run"}:
            raise NotExercised(f"a tab of {self.suite.target.name} resumes nothing of another one's: [resume]")
        return self.restore(question.user, question, tab)

    def restore(self, user: str, question: UserRequest, tab: int) -> bool:
        """Requests, in a tab, the whole thread of an answer; returns whether the backend confirmed the restore."""
        self.need("resume")
        if question.thread is None:
            raise NotExercised(f"the answer to {question.text!r} names no conversation that could be restored")
        since = question.first_seq - 1
        if not self.suite.profile.can_send("restore"):
            self.call(self._renewed(user, tab, resuming(question, since)))
        session = self.connected_tab(user, tab)
        return self.call(session.restore(question.thread, since, question.run))

    def stop(self, question: UserRequest, *, times: int = 1) -> None:
        """Sends so many stops of a run at once, and does not wait."""
        session = self.session_of(question)
        self.call(_all([session.stop(question) for _ in range(times)]))

    def is_connected(self, question: UserRequest) -> bool:
        """Whether the connection on which a request was sent is still open."""
        return self.session_of(question).open

    def flush(self, question: UserRequest) -> None:
        """Waits until the connection of a request has been read up to here, if the backend answers pings."""
        self.call(self.session_of(question).flush())

    def wait_for(self, question: UserRequest, kind: EventKind) -> None:
        """Waits for an event of the kind. Raises as `must_have_shown` if none was received."""
        self.call(self.session_of(question).wait_until(question, lambda: question.has(kind)))
        must_have_shown(question, kind)

    # Results ----------------------------------------------------------------------------------------

    def asking(self, user: str | None = None) -> UserRequest:
        """The latest request, of any user or of this one; its answer may be unfinished."""
        for question in reversed(self.questions):
            if user in (None, question.user):
                return question
        raise SuiteFault(f"{user or 'no user'} has sent no request in this scenario")

    def last(self, user: str | None = None) -> UserRequest:
        """The latest request, once its answer has ended or timed out."""
        question = self.asking(user)
        if not question.over:
            self.wait(question)
        return question

    def asked_by(self, user: str) -> list[UserRequest]:
        """All requests of a user, in order."""
        return [question for question in self.questions if question.user == user]

    def answered(self, user: str) -> bool:
        """Whether the user received any event of an answer."""
        return any(question.events for question in self.asked_by(user))

    def tab_of(self, question: UserRequest) -> int:
        """The number of the tab in which a request was sent."""
        return self.sessions[question.user].index(self.session_of(question)) + 1

    def tabs_that_showed(self, question: UserRequest) -> list[int]:
        """The numbers of the user's tabs that received the end of an answer."""
        runs = {event.run for event in question.events if event.parent is None}
        shown = {
            entry.record.connection
            for entry in self.recorder.entries
            if any(isinstance(e, Event) and e.kind in ENDS and e.run in runs for e in each(entry.reading))
        }
        tabs = self.sessions[question.user]
        return [number for number, session in enumerate(tabs, 1) if session.connection in shown]

    def excuse(self, *, late: bool) -> str:
        """Why the suite, or its machine, may have caused a failure of this scenario without a finding; "" if neither.

        `late`: in the step that failed, something was only late. Then, or where other waits were in vain before, it is
        enough that the machine was busy with other work.
        """
        stalls = [recorder.checker.registry.stalls for recorder in (self.recorder, *self.further)]
        if any(each.is_long for each in stalls):
            longest_s = max(each.longest_s for each in stalls)
            return f"the suite itself stood still for {longest_s:.1f} s in this scenario"
        crowded = next((each.crowded for each in stalls if each.crowded and (late or each.unjudged)), "")
        return f"{busy(crowded)}; {AGAIN}" if crowded else ""

    def admit_stall(self, question: UserRequest) -> None:
        """Raises SuiteFault if the suite itself stalled during an answer: then its pace cannot be judged."""
        if self.recorder.stood_still(question.asked_at):
            raise SuiteFault(f"the suite stalled while {question.text!r} was answered, so its pace cannot be judged")

    @property
    def last_record(self) -> int | None:
        """The number of the last record of the trace so far."""
        entries = self.recorder.entries
        return entries[-1].record.n if entries else None

    def was_closed_by_backend(self, session: ScenarioSession) -> bool:
        """Whether the backend closed a connection with a code; REFUSAL-4 judges what it says."""
        ends = [entry.record for entry in self.recorder.entries if isinstance(entry.record, Closed)]
        return any(end.connection == session.connection and end.by == "server" and end.code for end in ends)

    @property
    def budgets(self) -> TimeBudgets:
        """The limits of each wait."""
        return self.suite.target.budgets

    @property
    def findings(self) -> list[Finding]:
        """The findings so far."""
        return [*self.recorder.findings, *(finding for each in self.further for finding in each.findings)]

    def table(self) -> str:
        """The whole conversation, or the first one with findings, with the records that prove them marked."""
        recorders = [self.recorder, *self.further]
        reply = next((recorder for recorder in recorders if recorder.findings), self.recorder)
        marked = {number for finding in reply.findings for number in finding.evidence}
        return as_table([(entry.record, entry.reading) for entry in reply.entries], marked)

    @property
    def has_observed(self) -> bool:
        """Whether the backend has sent anything in this scenario, including refused connections."""
        records = [entry.record for entry in self.recorder.entries]
        came = (Received, Responded)
        received = any(isinstance(r, came) or (isinstance(r, Closed) and r.by == "server") for r in records)
        return received or self.received_elsewhere > 0

    def ended_questions(self) -> list[UserRequest]:
        """All requests that were not abandoned."""
        return [question for question in self.questions if question.over and not self._left(question)]

    def _left(self, question: UserRequest) -> bool:
        return self.session_of(question) in self._past and not question.has_end

    def complaint(self) -> str:
        """All findings, one to a line, and the conversation; "" when there are none."""
        if not self.findings:
            return ""
        shown = [str(finding) for finding in self.findings[:_MOST_SHOWN]]
        more = len(self.findings) - len(shown)
        shown += [f"... and {more} more findings"] if more else []
        return "\n".join([*shown, "", self.table()])

    def further_recorder(self, name: str) -> Recorder:
        """A recorder for one more conversation, which is judged on its own."""
        trace = f"{self.trace.removesuffix('.jsonl')}.{len(self.further) + 1}.jsonl"
        self.further.append(_recorder(self.suite, name, trace))
        self.further[-1].in_parallel = self.recorder.in_parallel
        return self.further[-1]

    # The end of the scenario -------------------------------------------------------------------------------------

    def conclude(self) -> None:
        """Concludes the last step: waits for every answer to end; any finding fails the scenario.

        Raises AssertionError with the findings, or SuiteFault for a scenario that received nothing.
        """
        self.wait(*[question for question in self.questions if not question.over])
        self.call(_all([session.flush() for tabs in self.sessions.values() for session in tabs]))
        if self.findings:
            raise AssertionError(self.complaint())
        if not self.has_observed:
            raise SuiteFault(NOTHING_OBSERVED)

    async def linger(self) -> None:
        """Waits for late messages during the grace time, then closes all connections and the trace."""
        sessions = [*self._past, *(session for tabs in self.sessions.values() for session in tabs)]
        if any(session.open for session in sessions):
            await asyncio.sleep(self.suite.target.budgets.grace_s)
        try:
            await self._held.aclose()
            await _all([session.close() for session in sessions])
            await self._record_model_calls()
            for tear_down in self.afterwards:
                await tear_down()
            if self.is_hostile and sessions:
                await self._ask_as_a_healthy_user()
        finally:
            for recorder in (self.recorder, *self.further):
                recorder.finish()
            self._leave_requests()
        self._admit_fault()
        for recorder in (self.recorder, *self.further):
            for failed in recorder.checker.own_checks.failed:
                log.error("%s: %s", self.key, failed, exc_info=failed.error)
                raise SuiteFault(str(failed))

    def _leave_requests(self) -> None:
        """Leaves the text and the time of each request to the scenarios beside this one: their calls may be for it.

        Those that follow get the ones without an end, as long as their runs may go on.
        """
        suite = self.suite
        suite.worlds.discard(self)
        began = min(
            (world.recorder.began for world in list(suite.worlds) if isinstance(world, World)), default=math.inf
        )
        now = time.monotonic()
        left = [
            PastRequest(each.text, self.persona(each.user).name, each.asked_at, each.over_at, now)
            for each in self.questions
        ]
        left += [attempt._replace(left_at=now) for attempt in self.recorder.attempts]
        suite.past_requests = [
            past for past in (*suite.past_requests, *left)
            if past.left_at >= began or (past.over_at == math.inf and now - past.left_at < self.budgets.run_s)
        ]  # fmt: skip

    async def _record_model_calls(self) -> None:
        """Records the calls to the model for the requests of this scenario, once those for stopped runs have ended.

        Raises ModelGone if the model does not answer.
        """
        model = self.suite.model
        if model is None or model.is_idle_since(self._calls_before):
            return
        recorder = self.recorder
        while True:
            calls = [(heard, self._asker_of(heard)) for heard in await model.calls(recorder.began)]
            stops = [
                stop for heard, asker in calls if heard.ended_at is None and (stop := self._stop_of(asker)) is not None
            ]
            if not stops or time.monotonic() - recorder.began > self._calls_end_by(max(stops)):
                break
            await asyncio.sleep(_LOOK_AGAIN_S)
        for (call, began_at, ended_at, _), asker in calls:
            if asker is None:
                continue
            recorder.add(
                ModelCall, asker.connection, request=asker.request, number=call.number,
                began_at=round(began_at - recorder.began, 6),
                ended_at=None if ended_at is None else round(ended_at - recorder.began, 6),
                state=call.state, fault=call.fault, said=recorder.clean(call.said[:_MOST_SAID]), finish=call.finish,
                owners=tuple(sorted(owners_in(call.body))), role=call.role, stream=call.stream, tools=len(call.tools),
                alone=_plain(call.asked) == _plain(asker.text),
            )  # fmt: skip

    def _calls_end_by(self, stop: float) -> float:
        """Until when calls have to end after a stop, on the trace's clock; the suite's own stalls are not judged."""
        stalls = (entry.record for entry in self.recorder.entries if isinstance(entry.record, Stalled))
        return stop + self.budgets.stop_s + MARGIN_S + sum(stall.for_s for stall in stalls if stall.at > stop)

    def _stop_of(self, question: UserRequest | None) -> float | None:
        """When the user stopped a run, or left it where that has to end it, on the trace's clock; None if neither."""
        if question is None:
            return None
        run = question.outcome.run if question.outcome is not None else None
        if run is not None and run.stop_at is not None:
            return run.stop_at
        if question.has_end or not self.suite.profile.promises.runs_end_with_connection:
            return None
        ends = (entry.record for entry in self.recorder.entries if isinstance(entry.record, Closed))
        return next((end.at for end in ends if end.connection == question.connection), None)

    def _asker_of(self, heard: HeardCall) -> UserRequest | None:
        """The request of this scenario that a call is for: the only one with this text that was open when it began.

        The text is that of the user's last message, or, where a backend asks on in other words, it stands before. A
        call with the canary of a user whose run had no end when an earlier scenario was over may still be for that.
        """
        latest, call = heard.began_at + _SAME_MOMENT_S, heard.call
        owners = owners_in(call.body)
        earliest = heard.began_at - heard.error_s - _SAME_MOMENT_S
        beside = [world for world in list(self.suite.worlds) if isinstance(world, World)]
        open_then: list[tuple[World | None, UserRequest | PastRequest]] = [
            (world, question) for world in beside for question in list(world.questions)
        ]
        open_then += [(None, attempt) for world in beside for attempt in list(world.recorder.attempts)]
        open_then += [
            (None, past) for past in self.suite.past_requests
            if past.left_at >= self.recorder.began or past.persona in owners
        ]  # fmt: skip
        for is_in in (_asks, _holds):
            found = [
                (world, question) for world, question in open_then
                if question.asked_at <= latest and question.over_at >= earliest and is_in(call, question.text)
            ]  # fmt: skip
            if found:
                world, question = found[0]
                return question if len(found) == 1 and world is self and isinstance(question, UserRequest) else None
        return None

    async def _ask_as_a_healthy_user(self) -> None:
        """Connects and asks once more: whatever is wrong with that is a finding of this scenario."""
        suite, persona = self.suite, self.personas(1)[0]
        recorder = self.further_recorder(f"{self.key}, a healthy user afterwards")
        self.health_trace = self.further_trace(recorder)
        session = suite.new_session(ScenarioSession, persona.name, persona, recorder)
        prompt, canary = suite.first_prompt, suite.canary(persona)
        try:
            await session.connect(await suite.access.token_for(persona), suite.tls)
            question = await session.ask(
                suite.target.question(prompt, canary), suite.target.expectation(prompt, canary)
            )
            await session.wait_end(question)
            await session.close()
        except NotConnected as error:
            log.info("%s: afterwards %s", self.key, error)  # which is a finding

    @staticmethod
    def further_trace(recorder: Recorder) -> str:
        """The name of a trace in the evidence."""
        return f"traces/{recorder.path.name}" if recorder.path is not None else ""

    def forget(self) -> None:
        """Releases the memory of the records, which are on disk."""
        for recorder in (self.recorder, *self.further):
            recorder.entries.clear()

    def call(self, coroutine: Coroutine[Any, Any, T], within_s: float = _HOP_S) -> T:
        """Runs a coroutine on the loop thread. Raises Unmet for a failed connection: the target caused it."""
        try:
            result = self.suite.loop.call(coroutine, within_s)
        except NotConnected as error:
            if not error.rule:
                raise SuiteFault(str(error)) from error
            raise Unmet(error.rule, str(error)) from error
        finally:
            self._admit_fault()
        return result

    def _admit_fault(self) -> None:
        fault = next((each.fault for each in (self.recorder, *self.further) if each.fault is not None), None)
        if fault is not None:
            raise SuiteFault(f"a message could not be processed: {fault!r}") from fault


def _recorder(suite: ValidationSession, name: str, trace: str) -> Recorder:
    path: Path = suite.evidence.folder / trace
    return Recorder(
        name, path, suite.profile, suite.target.budgets, suite.access.redact_bytes, rules=suite.plan.rules,
        watch=suite.loop.watch, crowded=suite.host.crowded, look_at_host=suite.host.catch_up,
    )  # fmt: skip


def _asks(call: ServedCall, request: str) -> bool:
    """Whether the user's last message holds a request; white space and case may have changed."""
    return _plain(request) in _plain(call.asked)


def _holds(call: ServedCall, request: str) -> bool:
    """Whether anything that was sent holds a request; as JSON, all but ASCII may be written in two ways."""
    body = _plain(call.body)
    return any(_plain(json.dumps(request, ensure_ascii=only_ascii)[1:-1]) in body for only_ascii in (False, True))


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def owners_in(prompt: str) -> set[str]:
    """Whose canaries stand in a prompt to the model."""
    data = prompt.encode()
    if not canary_search.suspicious(data):
        return set()
    return {sighting.owner for sighting in canary_search.search(data).sightings if sighting.whole}


def _is_busy(session: ScenarioSession) -> bool:
    """Whether an answer is unfinished on a connection that answers one request at a time."""
    runs = session.profile.spec.connection.runs
    return runs != "many" and any(not question.over for question in session.inbox.questions)


def _slug(key: str) -> str:
    """A scenario's key as a file name: letters, digits and dashes only."""
    return "".join(char if char.isascii() and char.isalnum() else "-" for char in key)[:80].strip("-")
