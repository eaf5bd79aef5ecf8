"""The synthetic user of the monitor: two users who play one short round after the other against a target."""

import asyncio
import time
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.resumable_session import ResumableSession
from greenlight_gate.client.session import Session
from greenlight_gate.evidence.monitor_day import TraceOfRound
from greenlight_gate.measure import record_feed
from greenlight_gate.monitor.round import Round, RoundOutcome
from greenlight_gate.rules.engine.suite_stalls import AGAIN, busy
from greenlight_gate.session.loop_thread import SuiteFault, admit, together
from greenlight_gate.session.round_figures import RoundFigures, milliseconds
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.targets.errors import Misconfigured, TargetFault
from greenlight_gate.targets.sections import Persona
from greenlight_gate.trace import Header, encode_header, encode_record

# A round holds few answers, however long they are.
_MOST_BYTES = 33_554_432
_MOST_FINDINGS = 100
_MOST_SAMPLES = 1_000
_MARGIN_S = 60.0
_ENDS_S = 2.0
# A user who returns at once may have missed nothing, and then the round shows nothing of what is missed.
_AWAY_S = 0.2
_HANG_UP = "hang-up"


class Part(NamedTuple):
    """One part of a round, by its name, with the tags of scenarios of its kind and what a target must have for it."""

    name: str
    tags: tuple[str, ...]
    needs: tuple[str, ...]

    def lacking(self, suite: ValidationSession) -> str:
        """Why it cannot be played; "" if it can."""
        target = suite.target
        if self.name == "isolation" and not target.secret_prompt:
            return f"{target.name} has no prompts whose answers hold {{canary}}, such as remember and recall"
        if self.name == "isolation" and target.limits.max_connections < len(_PAIR):
            return f"{target.name} allows {target.limits.max_connections} connection (limits.max_connections)"
        return next((why for need in self.needs if (why := suite.lacks(need)) is not None), "")


PARTS = (
    Part("with_tool", ("@functional", "@with_tool"), ("with_tool",)),
    Part("without_tool", ("@functional", "@without_tool"), ("without_tool",)),
    Part("isolation", ("@security", "@isolation"), ("isolation",)),
    Part("reconnect", ("@resilience", "@reconnect"), ("resume", "with_tool")),
)
_PAIR = (0, 1)


class Played(NamedTuple):
    """A round, and its trace if it has findings."""

    round: Round
    trace: TraceOfRound | None


class SyntheticUser:
    """Plays rounds of these parts. `suite` is prepared; at most two connections are open at a time."""

    def __init__(self, suite: ValidationSession, parts: Sequence[Part]) -> None:
        self._suite = suite
        self._parts = tuple(parts)
        users = suite.target.users(len(_PAIR) if suite.target.limits.max_connections > 1 else 1)
        self._users = users

    def play(self, number: int, began_epoch_s: float, scenario: str) -> Played:
        """Plays one round; `scenario` is what it is called in its trace. Raises KeyboardInterrupt, and nothing else."""
        suite, began = self._suite, time.monotonic()
        budgets = suite.target.budgets
        suite.host.wake()
        try:
            game = suite.loop.call(self._begin(scenario), _MARGIN_S)
            suite.loop.call(game.play(), 4 * (budgets.run_s + budgets.start_s) + _MARGIN_S)
        except Exception as error:  # noqa: BLE001 -- the next round may succeed; this one says that it knows nothing
            took_s = round(time.monotonic() - began, 3)
            broken = Round(
                number=number, began_epoch_s=began_epoch_s, took_s=took_s, outcome=RoundOutcome.BROKEN,
                why=str(error) if isinstance(error, SuiteFault) else f"Suite fault: {error!r}",
            )  # fmt: skip
            return Played(broken, None)
        finally:
            suite.host.rest()
        return game.played(number, began_epoch_s, time.monotonic() - began)

    async def _begin(self, scenario: str) -> "_Game":
        """What a round remembers, made on the loop thread, where it is used."""
        # Between rounds nobody waits: what the loop has missed until now concerns nothing.
        self._suite.loop.watch.forget()
        return _Game(self._suite, self._parts, self._users, scenario)


class _Game:
    """One round in progress."""

    def __init__(
        self, suite: ValidationSession, parts: tuple[Part, ...], users: tuple[Persona, ...], scenario: str
    ) -> None:  # fmt: skip
        self.suite = suite
        self.planned = tuple(part.name for part in parts)
        self.parts = frozenset(self.planned)
        self.users = users
        self.recorder = Recorder(
            scenario, None, suite.profile, suite.target.budgets, suite.access.redact_bytes,
            most_bytes=_MOST_BYTES, rules=suite.plan.rules, watch=suite.loop.watch,
            crowded=suite.host.crowded, look_at_host=suite.host.catch_up,
        )  # fmt: skip
        self.figures = RoundFigures(self.recorder, suite.target.clock)
        self.sessions: dict[str, ResumableSession] = {}
        self.past: list[Session] = []
        self.questions: list[UserRequest] = []
        self.reconnects = 0
        # The request whose connection was cut: its pauses are the suite's own.
        self.resumed: UserRequest | None = None
        self.begun: list[str] = []
        # Who could not sign in: (user, why). No connection was tried, so that no trace shows it.
        self.unsigned: list[tuple[str, str]] = []
        self.ended_by = ""

    async def play(self) -> None:
        """Plays all parts, as far as the target lets the users come, and closes the connections."""
        record_feed.listen(self.figures)
        try:
            await self._all_parts()
        except NotConnected as error:
            if not error.rule:
                raise SuiteFault(str(error)) from error
            self.ended_by = str(error)
        finally:
            try:
                await self._leave()
            finally:
                self.recorder.finish()
                record_feed.leave(self.figures)
        admit(self.recorder.fault)

    async def _all_parts(self) -> None:
        first, last = self.users[0], self.users[-1]
        both = {"without_tool", "isolation"} & self.parts
        await together([self._connect(user) for user in (self.users if both else (first,))])
        plain = [
            (user, prompt) for user, prompt in ((first, "with_tool"), (last, "without_tool")) if prompt in self.parts
        ]
        if first is last:
            for user, prompt in plain:
                await self._answers([(user, prompt)])
        elif plain:
            await self._answers(plain)
        if "isolation" in self.parts:
            await self._isolation()
        if "reconnect" in self.parts:
            await self._reconnect(first)

    async def _connect(self, persona: Persona) -> None:
        suite = self.suite
        session = suite.new_session(ResumableSession, persona.name, persona, self.recorder)
        try:
            token = await suite.access.token_for(persona)
        except (Misconfigured, TargetFault) as error:
            self.unsigned.append((persona.name, str(error)))
            raise NotConnected(f"{persona.name} could not sign in: {error}") from error
        self.sessions[persona.name] = session
        await session.connect(token, suite.tls)

    async def _answers(self, wishes: Sequence[tuple[Persona, str]]) -> None:
        """Each asks at the same moment, and waits for the answer."""
        questions = await together([self._ask(user, prompt) for user, prompt in wishes])
        await together([self.sessions[question.user].wait_end(question) for question in questions])
        self.begun += [prompt for _, prompt in wishes if prompt in self.parts]

    async def _ask(self, persona: Persona, prompt: str) -> UserRequest:
        suite, session = self.suite, self.sessions[persona.name]
        if session.needs_another_to_ask:
            await session.close(keep_tab=True)
            self.past.append(session)
            fresh = suite.new_session(ResumableSession, persona.name, persona, self.recorder, before=session)
            session = self.sessions[persona.name] = fresh
            await session.connect(await suite.access.token_for(persona), suite.tls)
        canary = suite.canary(persona)
        question = await session.ask(
            suite.target.question(prompt, canary), suite.target.expectation(prompt, canary)
        )  # fmt: skip
        self.questions.append(question)
        return question

    async def _isolation(self) -> None:
        """Both users tell the assistant a secret, and ask for it at the same moment; none may receive the other's."""
        target = self.suite.target
        for prompt in dict.fromkeys(("remember", target.secret_prompt)):
            if target.lacks(prompt) is None:
                await self._answers([(user, prompt) for user in self.users])
        self.begun.append("isolation")

    async def _reconnect(self, persona: Persona) -> None:
        """The user loses the connection during an answer, reconnects, and receives the rest of it."""
        suite = self.suite
        question = await self._ask(persona, "with_tool")
        lost = self.sessions[persona.name]
        await lost.wait_until(question, lambda: question.thread is not None)
        if question.over or question.thread is None:
            # It was answered before the connection could be lost, or names no thread: there is nothing to resume.
            await lost.wait_end(question)
            return
        self.resumed = question
        lost.cut(_HANG_UP, f"after {len(question.events)} events")
        lost.hang_up()
        await lost.wait_closed(_ENDS_S)
        self.past.append(lost)
        await asyncio.sleep(_AWAY_S)
        session = suite.new_session(ResumableSession, persona.name, persona, self.recorder)
        self.sessions[persona.name] = session
        session.kept = lost.kept
        await session.connect(await suite.access.token_for(persona), suite.tls, 2, naming=lost.resuming())
        session.take_over(lost)
        await session.restore(question.thread, session.last_seq(question.thread))
        await session.wait_end(question)
        self.reconnects += question.has_end
        self.begun.append("reconnect")

    async def _leave(self) -> None:
        """Waits for late messages, and closes all connections."""
        sessions = [*self.past, *self.sessions.values()]
        await together([session.flush() for session in self.sessions.values()])
        if any(session.open for session in sessions):
            await asyncio.sleep(self.suite.target.budgets.grace_s)
        await together([session.close() for session in sessions])

    # What came of it ----------------------------------------------------------------------------------------------

    def played(self, number: int, began_epoch_s: float, took_s: float) -> Played:
        """The round in figures, and its trace if anything was found."""
        whole, findings = self.figures.timeline.windows.total(), self.recorder.findings
        outcome, why = self._judged(made=whole.made)
        undisturbed = [question for question in self.questions if question is not self.resumed]
        one = Round(
            number=number, began_epoch_s=began_epoch_s, took_s=round(took_s, 3), outcome=outcome, why=why,
            planned=self.planned, parts=tuple(self.begun), findings=tuple(findings[:_MOST_FINDINGS]),
            acknowledgement_ms=tuple(self.figures.acknowledgement.ms[:_MOST_SAMPLES]),
            delivery_ms=tuple(self.figures.delivery.ms[:_MOST_SAMPLES]),
            silence_ms=tuple(_silence_ms(question) for question in undisturbed if question.seen_at),
            run_ms=tuple(
                milliseconds(question.seen_at[-1] - question.asked_at) for question in undisturbed if question.has_end
            ),
            runs=dict(self.figures.runs), connections=whole.tried + len(self.unsigned),
            refused=whole.refused + len(self.unsigned), dropped=whole.dropped, reconnects=self.reconnects,
            errors=tuple(text for _, text in self.figures.timeline.errors),
            troubles=(
                *(text for _, text in self.figures.timeline.troubles),
                *(f"'{self.recorder.scenario}', {user}: sign-in: {said}" for user, said in self.unsigned),
            ),
        )  # fmt: skip
        return Played(one, self._trace(one) if findings else None)

    def _judged(self, *, made: int) -> tuple[RoundOutcome, str]:
        findings = self.recorder.findings
        if not findings and (excuse := self._excuse()):
            return RoundOutcome.BROKEN, excuse
        if not made and (self.ended_by or findings):
            return RoundOutcome.UNREACHABLE, self.ended_by or str(findings[0])
        if why := self._objection():
            return RoundOutcome.FAILED, why
        if not self.begun:
            return RoundOutcome.BROKEN, "Suite fault: the round passed without having observed anything"
        return RoundOutcome.PASSED, ""

    def _objection(self) -> str:
        """What a user did not receive as the round is to show, or a rule objects to; "" if there is nothing."""
        findings = self.recorder.findings
        if findings:
            more = f", and {len(findings) - 1} more" if findings[1:] else ""
            return f"{findings[0]}{more}"
        if self.ended_by:
            return self.ended_by
        unproven = self.recorder.checker.relation("", self._private).unproven
        return f"ISOLATION-3: {', '.join(unproven)} did not receive their own secret" if unproven else ""

    def _excuse(self) -> str:
        """Why the suite, or its machine, may have caused what this round lacks; "" if it lacks nothing, or neither."""
        stalls = self.recorder.checker.registry.stalls
        if stalls.unjudged or not self.ended_by or self.unsigned:
            return str(stalls)
        if stalls.is_long:
            return f"the suite itself stood still for {stalls.longest_s:.1f} s in this round"
        return f"{busy(stalls.crowded)}; {AGAIN}" if stalls.crowded else ""

    @property
    def _private(self) -> tuple[str, ...]:
        return tuple(user.name for user in self.users) if "isolation" in self.begun else ()

    def _trace(self, one: Round) -> TraceOfRound:
        recorder = self.recorder
        records = [encode_record(entry.record) for entry in recorder.entries]
        header = encode_header(Header(recorder.scenario, recorder.epoch_s))
        return TraceOfRound(b"".join([header, *records]), len(records), self._private)


def _silence_ms(question: UserRequest) -> float:
    """The longest pause of an answer, from the request to its last event."""
    return milliseconds(max(later - sooner for sooner, later in pairwise([question.asked_at, *question.seen_at])))
