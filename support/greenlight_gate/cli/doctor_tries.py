"""What doctor tries after the first answer, from a second request to a second user and a model that fails."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from greenlight_gate.cli.doctor_advice import said
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.session import Session
from greenlight_gate.events import EventKind
from greenlight_gate.findings import numbered
from greenlight_gate.model.faults import FAULTS, UNFINISHED
from greenlight_gate.rules.isolation import is_leak
from greenlight_gate.session.loop_thread import together
from greenlight_gate.session.pace import MadeAnswer, made_at_once, users_at_once
from greenlight_gate.session.scripted_model import ModelGone
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.targets.access import TargetFault
from greenlight_gate.targets.sections import CANARY, Prompt
from greenlight_gate.trace import Expect

# The prompts that fail in some way, the plainest first.
_FAILING = ("failing_agent", "failing_tool", "moderated")
_LONG = "long_running"
# So many users ask at once, and for so long it is waited for all of their answers.
_AT_ONCE = 6
_AT_ONCE_S = 60.0


class Tried(NamedTuple):
    """What came of one try: it did as the target file says (ok), did not (no), or was not tried (--)."""

    mark: str
    step: str
    text: str


class Tries:
    """Tries what scenarios will need, each with as few requests as show it. `session`: the first user's, still open.

    `answers_s`: how long each answer took that came to its end.
    """

    def __init__(self, suite: ValidationSession, recorder: Recorder, session: Session) -> None:
        self.suite = suite
        self.recorder = recorder
        self.session = session
        self.answers_s: list[float] = []

    async def all(self, show: Callable[[Tried], None]) -> bool:
        """Tries all, and shows each as it ends. Returns whether nothing was as it should not be."""
        well = True
        for step, attempt in (
            ("2nd request", self.second_request), ("stop", self.stop), ("failure", self.failure),
            ("reconnect", self.reconnect), ("2nd user", self.second_user), ("at once", self.at_once),
            ("model", self.model),
        ):  # fmt: skip
            tried = await self._tried(step, attempt)
            show(tried)
            well = well and tried.mark != "no"
        await self.session.close()
        return well

    async def _tried(self, step: str, attempt: Callable[[], Awaitable[tuple[str, str]]]) -> Tried:
        try:
            mark, text = await attempt()
        except (NotConnected, TargetFault) as error:
            mark, text = "no", str(error)
        return Tried(mark, step, text)

    async def second_request(self) -> tuple[str, str]:
        """One more request of the same user."""
        before = self.session
        question = await self._ask(self.suite.first_prompt)
        where = "on the same connection" if self.session is before else "on a new connection"
        return _ended(question, where)

    async def stop(self) -> tuple[str, str]:
        """A request that is stopped as soon as anything came."""
        if (reason := self.suite.lacks("stop")) is not None:
            return "--", f"not tried: {reason}"
        prompt = _LONG if self.suite.lacks(_LONG) is None else self.suite.first_prompt
        question = await self._ask(prompt, wait=False)
        await self.session.wait_until(question, question.has_begun)
        if question.over:
            return (
                "--",
                f"the answer was over before it could be stopped: a prompt {_LONG} with a longer answer shows it",
            )
        controls = len(self.session.inbox.controls)
        await self.session.stop(question)
        if self.suite.profile.spec.stops_by_closing:
            came = numbered(len(question.events), "event")
            return "ok", f"the stream was closed after {came}; nothing on it shows the end of the run"
        await self.session.wait_end(question)
        ended_by = question.outcome.ended_by if question.outcome is not None else None
        if ended_by is EventKind.STOPPED:
            return "ok", f"the run ended with agent_stopped after {numbered(len(question.events), 'event')}"
        errors = [control for control in self.session.inbox.controls[controls:] if control.name == "error"]
        answered = f", and {said(errors[0])} in answer to the stop" if errors else ""
        return "no", f"expected agent_stopped, got {ended_by or 'no end of the run within its budget'}{answered}"

    async def failure(self) -> tuple[str, str]:
        """A request that fails, in the way that the target file has a prompt for."""
        prompt = next((name for name in _FAILING if self.suite.lacks(name) is None), None)
        if prompt is None:
            return "--", f"not tried: {self.suite.target.name} has no {' or '.join(f'[prompts.{n}]' for n in _FAILING)}"
        question = await self._ask(prompt)
        if question.outcome is not None and question.outcome.error is not None:
            return "ok", f"{prompt} was refused with an error"
        failed = any(event.tool_failed for event in question.events)
        if prompt == "failing_tool" and question.has_end and not failed:
            return "no", "the run ended, but no tool_completed says that its tool failed (status of the profile)"
        return _ended(question, f"to {prompt}")

    async def reconnect(self) -> tuple[str, str]:
        """The connection ends, and the user is back in the same tab and asks."""
        await self._renew()
        return _ended(await self._ask(self.suite.first_prompt), "after a reconnect")

    async def second_user(self) -> tuple[str, str]:
        """Two users ask at the same time; neither may receive what is the other's."""
        suite = self.suite
        if len(suite.target.personas) < 2:
            return "--", f"not tried: {suite.target.name} has a single persona"
        other = suite.target.personas[1]
        theirs = suite.new_session(Session, other.name, other, self.recorder)
        await theirs.connect(await suite.access.token_for(other), suite.tls)
        try:
            prompt = suite.target.secret_prompt or suite.first_prompt
            if prompt == "recall":
                await together([self._ask("remember"), self._ask_on(theirs, "remember")])
                theirs = await self._renewed(theirs) if theirs.needs_another_to_ask else theirs
            mine, second = await together([self._ask(prompt), self._ask_on(theirs, prompt)])
        finally:
            await theirs.close()
        leaks = [str(finding) for finding in self.recorder.findings if is_leak(finding.rule)]
        if leaks:
            return "no", leaks[0]
        if not (mine.has_end and second.has_end):
            return _ended(second if mine.has_end else mine, f"to {other.name} and {self.session.user} at the same time")
        shown = all(suite.canary(each.played_by) in (asked.answer or "") for each, asked in
                    ((self.session, mine), (theirs, second)))  # fmt: skip
        if shown:
            return "ok", f"{self.session.user} and {other.name} each received their own canary, and not the other's"
        return "ok", f"{other.name} was answered; no answer holds {CANARY}, so that isolation is not shown"

    async def at_once(self) -> tuple[str, str]:
        """Several users ask at the same time: how many answers are made at once. Nothing of them is judged."""
        suite = self.suite
        wanted = users_at_once(suite.target.limits, _AT_ONCE + 1) - 1
        if wanted < 2:
            return "--", "not tried: the limits of the target allow one user beside the first one"
        recorder = Recorder(
            "at once", None, suite.profile, suite.target.budgets, suite.access.redact_bytes, watch=suite.loop.watch
        )
        sessions: list[Session] = []
        try:
            for number in range(wanted):
                persona = suite.target.personas[number % len(suite.target.personas)]
                sessions.append(suite.new_session(Session, persona.name, persona, recorder))
                await sessions[-1].connect(await suite.access.token_for(persona), suite.tls)
            asked = [self._ask_on(session, suite.first_prompt, refusable=True) for session in sessions]
            async with asyncio.timeout(_AT_ONCE_S):
                answers = await together(asked)
        except NotConnected as error:
            open_ones = sum(each.open for each in (self.session, *sessions))
            said_so = f"limits.max_connections = {open_ones} of the target says so"
            return "no", f"{numbered(open_ones, 'connection')} at a time, and no more: {error}; {said_so}"
        except TimeoutError:
            return "--", f"not seen: {wanted} answers at once took longer than {_AT_ONCE_S:g} s"
        finally:
            for session in sessions:
                await session.close()
        return _made(answers)

    async def model(self) -> tuple[str, str]:
        """A request at which the scripted model fails: the backend has to ask it."""
        suite, model = self.suite, self.suite.model
        if (reason := suite.lacks("model")) is not None or model is None:
            return "--", f"not tried: {reason}; `greenlight model --help` says how to have one"
        faulty = [answer for name in FAULTS if (answer := model.script.faulty(name)) is not None]
        if not faulty:
            return "--", "not tried: the script of [model] has no answer with a fault"
        if self.session.needs_another_to_ask or not self.session.open:
            await self._renew()
        began, prompt = time.monotonic(), Prompt(ask=min(faulty, key=lambda answer: answer.fault in UNFINISHED).ask)
        text = suite.target.asked(prompt, suite.canary(self.session.played_by))
        await self.session.wait_end(await self.session.ask(text, Expect(end=EventKind.FAILED), refusable=True))
        try:
            calls = [heard.call for heard in await model.calls(began) if prompt.ask in heard.call.asked]
        except ModelGone as error:
            return "no", error.said
        if calls:
            return "ok", f"the backend asked the scripted model by {calls[0].wire}: {numbered(len(calls), 'call')}"
        return (
            "no",
            f"the backend did not ask the model at {model.url}: let it use that as the base url of its provider",
        )

    # Asking -------------------------------------------------------------------------------------------------------

    async def _ask(self, prompt: str, *, wait: bool = True) -> UserRequest:
        if self.session.needs_another_to_ask or not self.session.open:
            await self._renew()
        return await self._ask_on(self.session, prompt, wait=wait)

    async def _ask_on(
        self, session: Session, prompt: str, *, wait: bool = True, refusable: bool = False
    ) -> UserRequest:
        target, canary = self.suite.target, self.suite.canary(session.played_by)
        text, expect = target.question(prompt, canary), target.expectation(prompt, canary)
        question = await session.ask(text, expect, refusable=refusable or prompt == "moderated")
        if wait:
            await session.wait_end(question)
            alone = question.has_end and not refusable
            self.answers_s += [question.last_at - question.asked_at] if alone else []
        return question

    async def _renew(self) -> None:
        self.session = await self._renewed(self.session)

    async def _renewed(self, before: Session) -> Session:
        """A new connection in the same tab."""
        suite, persona = self.suite, before.played_by
        await before.close(keep_tab=True)
        session = suite.new_session(Session, before.user, persona, self.recorder, before=before)
        await session.connect(await suite.access.token_for(persona), suite.tls)
        return session


def _ended(question: UserRequest, where: str) -> tuple[str, str]:
    """Whether a run ended as the prompt says."""
    came = numbered(len(question.events), "event")
    ended_by = question.outcome.ended_by if question.outcome is not None else None
    if ended_by is None:
        return "no", f"no end of the answer {where} within the budgets: {came} came"
    if ended_by is not question.expect.end:
        return "no", f"expected {question.expect.end} {where}, got {ended_by}"
    return "ok", f"answered {where}: {came}"


def _made(answers: list[UserRequest]) -> tuple[str, str]:
    """How many answers were made at the same time, and what the target has to say of it."""
    count, refused = len(answers), sum(each.outcome is not None and each.outcome.error is not None for each in answers)
    made = count - refused if refused else made_at_once([_times_of(each) for each in answers])
    if made is None:
        return "ok", f"{count} users asked at the same time: no limit of answers at once was seen"
    others = "were refused" if refused else "waited"
    return (
        "ok",
        f"{made} of {count} answers at a time, the others {others}: limits.max_concurrent_runs = {made} says so",
    )


def _times_of(question: UserRequest) -> MadeAnswer:
    """When an answer was begun and ended: that it has started says nothing, where a queue says so."""
    events = zip(question.events, question.seen_at, strict=True)
    began_at = next((at for event, at in events if event.kind is not EventKind.STARTED), math.inf)
    return MadeAnswer(question.asked_at, began_at, question.last_at if question.has_end else math.inf)
