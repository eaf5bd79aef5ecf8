"""The World: the typed state of one scenario. Steps call it; it passes the work to the loop thread."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from greenlight_gate.bdd.world.model_calls import ScenarioModelCalls
from greenlight_gate.bdd.world.requests import ScenarioRequests
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.scenario_session import ScenarioSession
from greenlight_gate.events import Control
from greenlight_gate.evidence.conversation import as_table
from greenlight_gate.rules.engine.suite_stalls import AGAIN, busy
from greenlight_gate.session.loop_thread import SuiteFault, together
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.trace import Closed, Received, Responded

T = TypeVar("T")
log = logging.getLogger("greenlight")
_MOST_SHOWN = 50
NOTHING_OBSERVED = "the scenario passed without having observed anything"


class Answered(NamedTuple):
    """An invalid message (by its name), its connection, and the error that answered it, if any."""

    session: ScenarioSession
    message: str
    reply: Control | None


class World(ScenarioRequests):
    """One scenario's users, their connections, their requests, and what came of them.

    `private`: the users whose isolation is checked; `pictured`: with a picture. `afterwards`: what is closed after all
    connections. `received_elsewhere`: messages to virtual users, and connections of theirs, which the trace lacks.
    `lacking`: why it is not exercised, by the name under which `accepted_gaps` can accept it. `fitted`: what was done
    less often, to fit the target's pace. `is_hostile`: it may leave the target ill; then a healthy user asks once at
    its end, and `health_trace` is the trace of that.
    """

    def __init__(self, suite: ValidationSession, key: str, number: int, slot: int = 0) -> None:
        self.key = key
        self.trace = f"traces/{number:04d}-{_slug(key)}.jsonl"
        super().__init__(suite, _recorder(suite, key, self.trace), slot)
        self.fitted: list[str] = []
        self.answered_to: list[Answered] = []
        self.pinged: list[bool] = []
        self.private: tuple[str, ...] = ()
        self.pictured = False
        self.afterwards: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._held = contextlib.AsyncExitStack()
        suite.worlds.add(self)
        self.model_calls = ScenarioModelCalls(self)
        self.received_elsewhere = 0
        self.lacking = ""
        self.is_hostile = False
        self.health_trace = ""

    # What is done beside the requests ----------------------------------------------------------------------------

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

    # Results ----------------------------------------------------------------------------------------

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
        self.call(together([session.flush() for tabs in self.sessions.values() for session in tabs]))
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
            await together([session.close() for session in sessions])
            await self.model_calls.record()
            for tear_down in self.afterwards:
                await tear_down()
            if self.is_hostile and sessions:
                await self._ask_as_a_healthy_user()
        finally:
            for recorder in (self.recorder, *self.further):
                recorder.finish()
            self.suite.worlds.discard(self)
            self.model_calls.leave_requests()
        self.admit_fault()
        for recorder in (self.recorder, *self.further):
            for failed in recorder.checker.own_checks.failed:
                log.error("%s: %s", self.key, failed, exc_info=failed.error)
                raise SuiteFault(str(failed))

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


def _recorder(suite: ValidationSession, name: str, trace: str) -> Recorder:
    path: Path = suite.evidence.folder / trace
    return Recorder(
        name, path, suite.profile, suite.target.budgets, suite.access.redact_bytes, rules=suite.plan.rules,
        watch=suite.loop.watch, crowded=suite.host.crowded, look_at_host=suite.host.catch_up,
    )  # fmt: skip


def _slug(key: str) -> str:
    """A scenario's key as a file name: letters, digits and dashes only."""
    return "".join(char if char.isascii() and char.isalnum() else "-" for char in key)[:80].strip("-")
