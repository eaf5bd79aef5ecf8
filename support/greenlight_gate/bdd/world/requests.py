"""The requests of one scenario: sent, also several at once, stopped, restored, and waited for."""

import asyncio
import time
from collections.abc import Sequence

import msgspec

from greenlight_gate.bdd.matchers.observable import NotExercised, must_have_shown
from greenlight_gate.bdd.world.users import HOP_S, Users
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest, resuming
from greenlight_gate.client.scenario_session import ScenarioSession
from greenlight_gate.events import ENDS, Event, EventKind, each
from greenlight_gate.session.loop_thread import SuiteFault, together
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.trace import Expect

# (user, prompt), and the number of the tab if it is not the first.
UserPrompt = tuple[str, str] | tuple[str, str, int]

# The requests that need tools, the most demanding first.
_WITH_TOOLS = ("parallel_tools", "two_tools", "with_tool")
# What moderation refuses may be refused by an error in place of a run.
_MODERATED = "moderated"


class ScenarioRequests(Users):
    """`questions`: all requests, in order."""

    def __init__(self, suite: ValidationSession, recorder: Recorder, slot: int = 0) -> None:
        super().__init__(suite, recorder, slot)
        self.questions: list[UserRequest] = []
        self._prompt_of: dict[UserRequest, str] = {}

    # Sending -----------------------------------------------------------------------------------------------------

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

    def ask_meanwhile(self, user: str, prompt: str) -> None:
        """Sends a request on the connection on which the user's last one is being answered; waits for both.

        Where the wire has one request at a time, the second may be refused, or answered later.
        """
        self.need(prompt, "second_request")
        first, profile = self.asking(user), self.suite.profile
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

    def ask_together(self, prompts: Sequence[UserPrompt]) -> list[UserRequest]:
        """Sends all at the same time; waits for all the answers."""
        questions = self.begin_together(prompts)
        self.wait(*questions)
        return questions

    def begin_together(self, prompts: Sequence[UserPrompt]) -> list[UserRequest]:
        """Sends all at the same time; does not wait."""
        self.need(*{each[1] for each in prompts})
        self._one_at_a_time([(each[0], each[2] if len(each) == 3 else 1) for each in prompts])
        return self.call(together([self._ask(*each) for each in prompts]))

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

        self.call(together([hold(user) for user in users]), most_s + HOP_S)

    def _one_at_a_time(self, tabs: Sequence[tuple[str, int]]) -> None:
        """Raises NotExercised for parallel requests on a connection that does not accept them."""
        for place in tabs:
            if tabs.count(place) > 1 or _is_busy(self.tab(*place)):
                self.need("connection.runs")

    # Waiting, stopping and restoring -----------------------------------------------------------------------------

    def wait_for_first_event(self, question: UserRequest) -> None:
        """Waits for the first event of an answer."""
        self.call(self.session_of(question).wait_until(question, question.has_begun))

    def wait_for_text(self, question: UserRequest) -> None:
        """Waits until the run shows text. Raises as `must_have_shown` if it shows none."""
        self.call(self.session_of(question).wait_until(question, question.has_text))
        if not question.has_text():
            must_have_shown(question, EventKind.THINKING)

    def wait_for(self, question: UserRequest, kind: EventKind) -> None:
        """Waits for an event of the kind. Raises as `must_have_shown` if none was received."""
        self.call(self.session_of(question).wait_until(question, lambda: question.has(kind)))
        must_have_shown(question, kind)

    def wait(self, *questions: UserRequest) -> None:
        """Waits for answers to end. A timeout is a finding, and no error here."""
        self.call(together([self.session_of(question).wait_end(question) for question in questions]))

    def stop(self, question: UserRequest, *, times: int = 1) -> None:
        """Sends so many stops of a run at once, and does not wait."""
        session = self.session_of(question)
        self.call(together([session.stop(question) for _ in range(times)]))

    def flush(self, question: UserRequest) -> None:
        """Waits until the connection of a request has been read up to here, if the backend answers pings."""
        self.call(self.session_of(question).flush())

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

    # Which requests there are ------------------------------------------------------------------------------------

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

    def ended_questions(self) -> list[UserRequest]:
        """All requests that were not abandoned."""
        return [question for question in self.questions if question.over and not self._left(question)]

    def _left(self, question: UserRequest) -> bool:
        return self.session_of(question) in self._past and not question.has_end


def _is_busy(session: ScenarioSession) -> bool:
    """Whether an answer is unfinished on a connection that answers one request at a time."""
    runs = session.profile.spec.connection.runs
    return runs != "many" and any(not question.over for question in session.inbox.questions)
