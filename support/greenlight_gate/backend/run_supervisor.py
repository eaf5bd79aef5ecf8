"""Starts and stops runs, and makes sure that each one ends."""

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from greenlight_gate.backend.agent import Agent
from greenlight_gate.backend.bus import Bus, run_topic
from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.event_log import Journal
from greenlight_gate.backend.frames import FAILED, STOPPED
from greenlight_gate.backend.hooks import Chain
from greenlight_gate.backend.runs import AgentRun
from greenlight_gate.backend.store import Store, UnfinishedRun

_log = logging.getLogger(__name__)
# Why a run is stopped whose connection has ended.
LEFT = "the user has left"
# So many requests are known by their ids.
_MOST_KNOWN = 4096


@dataclass(frozen=True)
class KnownRequest:
    """A request that was answered, or is being answered: what was asked, and in which thread."""

    question: str
    thread_id: str


class RunSupervisor:
    """Starts runs, stops them, and makes sure that each one ends."""

    def __init__(self, store: Store, bus: Bus, chain: Chain, journal: Journal, agent: Agent, *, replica: str) -> None:
        self._replica = replica
        self._store = store
        self._bus = bus
        self._chain = chain
        self._journal = journal
        self._agent = agent
        self._open: dict[str, AgentRun] = {}
        self._known: OrderedDict[tuple[str, str | int], KnownRequest] = OrderedDict()
        self._supervisors: set[asyncio.Task[None]] = set()

    @property
    def open_count(self) -> int:
        """The number of open runs."""
        return len(self._open)

    def under_way(self) -> list[AgentRun]:
        """Return all runs that have not ended."""
        return list(self._open.values())

    def find(self, run_id: str) -> AgentRun | None:
        """Return the open run with this id; the id of a sub-agent's run gives the run that the user requested."""
        for run in self._open.values():
            if run_id == run.run_id or any(run_id == helper.run_id for helper in run.helpers):
                return run
        return None

    def asked(self, run_ids: Iterable[str], request_id: str | int) -> AgentRun | None:
        """The one of these open runs that answers a request with this id, if any."""
        runs = (self._open[run_id] for run_id in run_ids)
        return next((run for run in runs if run.request_id == request_id and not run.ended), None)

    def known(self, user_id: str, request_id: str | int) -> KnownRequest | None:
        """Return the latest request of this user with this id, as far back as requests are known."""
        return self._known.get((user_id, request_id))

    async def start(
        self, connection: ServedConnection, user_id: str, question: str, request_id: str | int | None, thread_id: str
    ) -> None:
        """Start a run for this user and return at once; its events go to this connection."""
        run = AgentRun(request_id, thread_id, user_id, question, connection)
        await self._store.begin_run(run.run_id, thread_id, question, json.dumps(request_id), self._replica)
        self._bus.subscribe(run_topic(run.run_id), connection)
        self._open[run.run_id] = run
        if request_id is not None:
            self._known[user_id, request_id] = KnownRequest(question, thread_id)
            self._known.move_to_end((user_id, request_id))
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        connection.open_runs.add(run.run_id)
        run.work = asyncio.create_task(self._agent.work(run))
        supervisor = asyncio.create_task(self._supervise(run, run.work))
        self._supervisors.add(supervisor)
        supervisor.add_done_callback(self._supervisors.discard)

    @staticmethod
    def respond(run: AgentRun, input_id: str, choice: str) -> bool:
        """Take the user's answer; False if nothing is asked under this id, or if it was answered before."""
        answer = run.asked.get(input_id)
        if answer is None or answer.done():
            return False
        answer.set_result(choice)
        return True

    async def stop(self, run: AgentRun, reason: str) -> None:
        """End a run with agent_stopped; one that has just ended stays as it is."""
        if run.ended or run.stop_reason:
            return
        run.stop_reason = reason
        if self._chain.cancel(run) and run.work is not None:
            # The supervisor sends agent_stopped, once the run can send nothing more.
            run.work.cancel()
        else:
            await self._journal.emit(run, STOPPED, {"reason": reason})

    async def stop_all_of(self, connection: ServedConnection, reason: str) -> None:
        """Stop the runs that were requested on a connection."""
        for run in [self._open[run_id] for run_id in sorted(connection.open_runs)]:
            await self.stop(run, reason)

    async def stop_all(self, reason: str) -> None:
        """Stop all runs and wait until their last events were sent."""
        for run in list(self._open.values()):
            await self.stop(run, reason)
        if self._supervisors:
            await asyncio.wait(list(self._supervisors), timeout=0.5)

    async def end_unfinished(self, replica: str) -> None:
        """End the runs that an ended process left open."""
        for left in await self._store.unfinished_runs(replica):
            # Of several replicas that notice it, only one ends the runs.
            if await self._store.take_over(left.run_id, replica, self._replica):
                run = _revived(left)
                await self._fail(run, "SERVER_RESTARTED", "the server was restarted while this was under way")
                await self._store.end_run(run.run_id)

    async def _supervise(self, run: AgentRun, work: asyncio.Task[None]) -> None:
        await asyncio.wait({work})
        if work.cancelled():
            for stopped in (*(helper for helper in run.helpers if not helper.ended), run):
                await self._journal.emit(stopped, STOPPED, {"reason": run.stop_reason or "cancelled"})
        elif (error := work.exception()) is not None:
            _log.error("run %s failed", run.run_id, exc_info=error)
            for broken in (*(helper for helper in run.helpers if not helper.ended), run):
                await self._fail(broken, "INTERNAL_ERROR", "something went wrong on the server")
        await self._store.end_run(run.run_id)
        self._release(run)
        await self._chain.ended(run, self._journal)
        self._bus.drop(run_topic(run.run_id))
        for connection in filter(None, (run.connection, *run.watchers)):
            connection.run_over(run.run_id)

    def _release(self, run: AgentRun) -> None:
        self._open.pop(run.run_id, None)
        if run.connection is not None:
            run.connection.run_ended(run.run_id)

    async def _fail(self, run: AgentRun, code: str, message: str) -> None:
        payload = {"error_code": code, "error_message": message, "recovery_suggestion": "Please ask again."}
        await self._journal.emit(run, FAILED, payload)


def _revived(left: UnfinishedRun) -> AgentRun:
    return AgentRun(json.loads(left.request_id), left.thread_id, left.owner, "", run_id=left.run_id)
