"""The cut-point matrix: one answer whose connection is cut at and inside every event, in every way, and the results.

Each cut has a conversation and a trace of its own, so that many can run at the same time. Most answers are over when
their user is back; of a long one, or one with a sub-agent, some events are missed and others are still to come then.
"""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from greenlight_gate.bdd.matchers.demand import Unmet
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.world.proxied_user import ConnectionLoss, ProxiedUser
from greenlight_gate.bdd.world.world import World
from greenlight_gate.client.endings import NotConnected
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest
from greenlight_gate.client.resumable_session import ResumableSession
from greenlight_gate.events import Event
from greenlight_gate.evidence.cut_matrix import CutCell, cut_cells
from greenlight_gate.session.pace import (
    CONNECTIONS_EACH,
    MOST_S,
    cuts_at_once,
    cuts_take_s,
    cuts_that_fit,
    thinned,
)
from greenlight_gate.session.validation_session import RUN_RESUMED
from greenlight_gate.targets.sections import Persona

_LEAST_S = 600.0
# Twice as many as are asked for, since many at once take longer than one.
_ANSWERS_EACH = 6
_RECONNECT_S = 60.0
# Cuts of a run that is still in progress: how many, after how many missed events the user is back, and how long at most
# the user stays away for them.
_IN_PROGRESS = 8
_MISSED = 3
_AWAY_S = 10.0


class CutPoint(NamedTuple):
    """Where a connection is cut: after this many events of the answer, or in the middle of the next one.

    `away_s`: how long the user stays away; None for a cut of the matrix, at once.
    """

    after: int
    inside: bool
    where: str
    away_s: float | None = None


def places(events: Sequence[Event]) -> list[CutPoint]:
    """Every place at which this answer can be cut: 2 n + 1 for n events."""
    found = [CutPoint(0, False, f"before event 1 ({events[0].kind})")]
    for number, event in enumerate(events, 1):
        found.append(CutPoint(number - 1, True, f"inside event {number} ({event.kind})"))
        found.append(CutPoint(number, False, f"after event {number} ({event.kind})"))
    return found


def places_in_progress(events: Sequence[Event], seen_at: Sequence[float], *, sub_agent: bool = False) -> list[CutPoint]:
    """Places after which an answer is still in progress when its user is back, spread over the answer.

    `seen_at`: when each event came, in seconds. The user stays away until some more events were made, but not the last
    one. With `sub_agent`, only places next to an event of a sub-agent.
    """
    last = len(events) - 1
    near = [after for after in range(1, last) if not sub_agent or _is_of_sub_agent(events, after)]
    step = max(1, -(-len(near) // _IN_PROGRESS))
    found = []
    for after in near[::step]:
        back = seen_at[min(after + _MISSED, last) - 1]
        away_s = min(max(0.0, back - seen_at[after]), _AWAY_S)
        found.append(CutPoint(after, False, f"after event {after} ({events[after - 1].kind}), in progress", away_s))
    return found


def _is_of_sub_agent(events: Sequence[Event], after: int) -> bool:
    return any(event.parent is not None for event in events[after - 1 : after + 1])


def deadline_s(cells: int, at_once: int, answer_s: float) -> float:
    """How long all cuts may take together, at the pace of a target whose answer takes `answer_s`.

    Each cut asks twice, waits for its reconnect, and gives up what does not come after the budgets.
    """
    rounds = -(-cells // at_once)
    return _LEAST_S + rounds * (_ANSWERS_EACH * answer_s + _RECONNECT_S)


class CutMatrix:
    """Runs all the cuts of one scenario."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.suite = world.suite
        self.prompt = ""
        self.events: Sequence[Event] = ()
        self.seen_at: Sequence[float] = ()
        self.took_s = 0.0

    def rehearse(self, prompt: str) -> None:
        """Receives the answer to a prompt once without a cut."""
        world = self.world
        world.need(prompt)
        user = world.users(1)[0]
        world.connect(user)
        rehearsal = world.ask(user, prompt)
        world.wait(rehearsal)
        self.took_s = rehearsal.last_at - rehearsal.asked_at
        if not rehearsal.has_end:
            raise Unmet("LIFECYCLE-2", f"{rehearsal.text!r} was not answered: there is nothing to cut")
        self.prompt, self.events, self.seen_at = prompt, rehearsal.events, rehearsal.seen_at

    def play(self) -> None:
        """Cuts that answer at every place, in every way, or as often as fits. Violations become findings of each cut.

        Raises NotExercised if the target cannot resume, or is so slow that not every way fits once.
        """
        self.world.need(*RUN_RESUMED)
        found, ways = places(self.events), list(ConnectionLoss)
        most = cuts_that_fit(self.at_once, self.took_s)
        if most < len(ways):
            raise NotExercised(f"an answer takes {self.took_s:.0f} s: no {len(ways)} cuts fit into {MOST_S / 60:g} min")
        cuts = thinned(found, ways, most)
        if len(cuts) < len(found) * len(ways):
            all_s = cuts_take_s(len(found) * len(ways), self.at_once, self.took_s)
            self.world.fitted.append(
                f"{len(cuts)} of {len(found) * len(ways)} cuts were made: at {self.took_s:.1f} s for an answer, and "
                f"{self.at_once} at a time, all of them would take {all_s / 60:.0f} min"
            )
        self._play(cuts)

    def play_in_progress(self, *, sub_agent: bool = False) -> None:
        """Cuts that answer at some places, and reconnects while it is in progress; with `sub_agent`, near its events.

        Raises NotExercised if the target cannot resume, or shows no event of a sub-agent.
        """
        self.world.need(*RUN_RESUMED)
        found = places_in_progress(self.events, self.seen_at, sub_agent=sub_agent)
        if not found:
            raise NotExercised(f"the answer to {self.prompt} shows nothing to cut" + " of a sub-agent" * sub_agent)
        ways = list(ConnectionLoss)
        self._play([(place, ways[number % len(ways)]) for number, place in enumerate(found)])

    def _play(self, cuts: Sequence[tuple[CutPoint, ConnectionLoss]]) -> None:
        self.world.call(self._play_all(self.prompt, cuts), deadline_s(len(cuts), self.at_once, self.took_s))

    def cells(self) -> list[CutCell]:
        """The result of each cut."""
        return cut_cells_of(self.world)

    def broken(self) -> list[str]:
        """The cuts with findings, and their rules."""
        found = {each.scenario: dict.fromkeys(finding.rule for finding in each.findings) for each in self.world.further}
        return [f"{cut}: {', '.join(rules)}" for cut, rules in found.items() if rules]

    async def _play_all(self, prompt: str, cuts: Sequence[tuple[CutPoint, ConnectionLoss]]) -> None:
        target = self.suite.target
        users = self.world.personas(self.at_once)
        if target.limits.max_connections <= CONNECTIONS_EACH:
            raise NotExercised(f"{target.name} allows {target.limits.max_connections} connections at a time")
        free: asyncio.Queue[Persona] = asyncio.Queue()
        for persona in users:
            free.put_nowait(persona)
        recorders = [self.world.further_recorder(f"{way} {place.where}") for place, way in cuts]

        async def cell(recorder: Recorder, place: CutPoint, way: ConnectionLoss) -> None:
            persona = await free.get()
            try:
                await _Cell(self, persona, recorder).play(prompt, place, way)
            finally:
                recorder.finish()
                free.put_nowait(persona)

        results = await asyncio.gather(
            *(cell(recorder, *cut) for recorder, cut in zip(recorders, cuts, strict=True)), return_exceptions=True
        )
        for result in results:
            # A refused connection is a finding already.
            if isinstance(result, BaseException) and not isinstance(result, NotConnected):
                raise result

    @property
    def at_once(self) -> int:
        """How many cuts run at the same time, as far as the target allows it."""
        return cuts_at_once(self.suite.target.limits)


def cut_cells_of(world: World) -> list[CutCell]:
    """The result of each answer whose connection was cut at an exact place."""
    can_resume = world.suite.lacks("resume") is None
    return [cell for each in world.further for cell in cut_cells(each.checker, can_resume=can_resume)]


class _Cell:
    """One cut: a user sends a request, loses the connection at the place, reconnects, and waits for the answer."""

    def __init__(self, matrix: CutMatrix, persona: Persona, recorder: Recorder) -> None:
        self.suite = matrix.suite
        self.persona = persona
        self.recorder = recorder
        self.connection = ProxiedUser(self.suite, persona, self._new_session)

    def _new_session(self) -> ResumableSession:
        return self.suite.new_session(ResumableSession, self.persona.name, self.persona, self.recorder)

    async def play(self, prompt: str, place: CutPoint, way: ConnectionLoss) -> None:
        connection = self.connection
        try:
            await connection.open()
            # The conversation's id has to be known before an answer is cut at its beginning.
            first = await self._ask(self.suite.first_prompt, None)
            await connection.session.wait_end(first)
            # By HTTP, the end of its stream comes after that of its run, and is not to be held in place of the answer.
            await connection.session.wait_answers()
            connection.hold()
            question = await self._ask(prompt, first.thread)
            if await connection.let_through(question, place.after):
                # Only whole matrices are drawn as a grid.
                after = place.after if place.away_s is None else None
                await connection.cut(way, place.where, after=after, inside=place.inside)
                await asyncio.sleep(place.away_s or 0.0)
                await self._reconnect(question)
            else:
                connection.hold_no_more()
                await connection.session.wait_end(question)
            await connection.session.flush()
            await connection.session.close()
        finally:
            await connection.tear_down()

    async def _reconnect(self, question: UserRequest) -> None:
        session = await self.connection.reconnect()
        await self.connection.restore(question)
        await session.wait_end(question)

    async def _ask(self, prompt: str, thread: str | None) -> UserRequest:
        target, canary = self.suite.target, self.suite.canary(self.persona)
        question = await self.connection.session.ask(
            target.question(prompt, canary), target.expectation(prompt, canary), thread
        )
        question.thread = thread
        return question
