"""The assistant: it plans, sends its reasoning, uses tools, and answers."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from greenlight_gate.backend import phrases
from greenlight_gate.backend.event_log import Journal
from greenlight_gate.backend.frames import (
    COMPLETED,
    EXECUTING,
    FAILED,
    INPUT_RECEIVED,
    INPUT_REQUESTED,
    STARTED,
    THINKING,
    TOOL_COMPLETED,
)
from greenlight_gate.backend.hooks import Chain
from greenlight_gate.backend.model_turn import LanguageModel, ModelFailed, ModelTurn, messages_of, user_message
from greenlight_gate.backend.planner import AgentPlan, make_plan
from greenlight_gate.backend.runs import APPROVE, DENY, EXPIRED, AgentRun
from greenlight_gate.backend.settings import Settings
from greenlight_gate.backend.store import Store
from greenlight_gate.backend.tools import toolbox
from greenlight_gate.backend.tools.tool import Call, ToolResult, ToolTask

# A thorough search thinks several times before and after its slow tool, this far apart, so that its events are spread
# over the whole run.
_THINKING_PAUSE_S = 0.08
# A model that calls tools for longer has lost its way.
_MOST_TURNS = 30
_HELPER = "helper"
_ASK_AGAIN = {"recovery_suggestion": "Please ask again."}


@dataclass(frozen=True)
class _Open:
    """A call that tool_executing has announced."""

    call: Call
    call_id: str


class Agent:
    """Answers questions: by a plan of its own, or as the `model` says, where there is one that answers them.

    The same question gives the same events and the same answer.
    """

    def __init__(
        self, settings: Settings, store: Store, journal: Journal, chain: Chain, model: LanguageModel | None
    ) -> None:
        self._pace_s = settings.pace_s
        self._variation = settings.variation
        self._store = store
        self._journal = journal
        self._chain = chain
        self._tools = toolbox(store, settings)
        self._model = model
        self._model_answers_all = settings.model_answers == "all"

    async def work(self, run: AgentRun) -> None:
        """Take a run from agent_started to agent_completed or agent_failed."""
        await self._chain.begin(run)
        if self._variation.chance is not None:
            await self._pause()
        await self._journal.emit(run, STARTED, {"message": phrases.GREETINGS[run.agent_name]})
        plan = make_plan(run.question)
        if self._model is not None and (plan.unknown or self._model_answers_all):
            await self._work_by_model(run, self._model)
            return
        needed = bool(plan.stages or plan.task or run.parent is not None)
        await self._think(run, *self._variation.thoughts(plan.thoughts, needed=needed))
        if plan.gives_up or plan.moderated:
            await self._pause()
            await self._journal.emit(run, FAILED, phrases.MODERATED if plan.moderated else phrases.ABANDONED)
            return
        await self._complete(run, await self._answer(run, plan))

    async def _complete(self, run: AgentRun, answer: str) -> None:
        run.answer = self._chain.answer(run, self._variation.answer(answer) if run.parent is None else answer)
        await self._pause()
        payload = {"result": run.answer, "execution_time_ms": run.elapsed_ms}
        await self._journal.emit(run, COMPLETED, payload)

    async def _work_by_model(self, run: AgentRun, model: LanguageModel) -> None:
        try:
            answer = await self._ask_model(run, model)
        except ModelFailed as failed:
            if answer := self._chain.unfinished(run, failed.said):
                await self._complete(run, answer)
                return
            payload = {"error_code": "MODEL_FAILED", "error_message": str(failed), **_ASK_AGAIN}
            await self._journal.emit(run, FAILED, payload)
            if run.parent is not None:
                raise
            return
        await self._complete(run, answer)

    async def _ask_model(self, run: AgentRun, model: LanguageModel) -> str:
        before = await self._store.previous_question(run.thread_id, run.root.run_id) if run.parent is None else None
        messages = [user_message(text) for text in (before, run.question) if text]
        asks_first_s = make_plan(run.question).asks_first_s
        for _ in range(_MOST_TURNS):
            asking = model.ask(self._chain.prompt(run, messages), lambda thought: self._think(run, thought))
            turn = await self._chain.model_call(run, asking)
            if not turn.calls:
                return turn.text
            called = tuple(Call(call.tool, call.parameters()) for call in turn.calls if call.tool != _HELPER)
            if asks_first_s and (refused := await self._refused(run, called, asks_first_s)):
                return refused
            messages += messages_of(turn, await self._use_as_called(run, turn))
        raise ModelFailed(f"the model called tools {_MOST_TURNS} times without an answer")

    async def _use_as_called(self, run: AgentRun, turn: ModelTurn) -> list[str]:
        """The results of the tools that the model has called, at the same time."""
        called = [Call(call.tool, call.parameters()) for call in turn.calls]
        tools = [call for call in called if call.tool != _HELPER]
        outcomes = iter(await self._carry_out_all(run, tools))
        return [
            await self._help(run, call.parameters["task"]) if call.tool == _HELPER else next(outcomes).text
            for call in called
        ]

    async def _help(self, run: AgentRun, task: str) -> str:
        helper = run.helper(task)
        await self._pause()
        await self.work(helper)
        return helper.answer

    async def _answer(self, run: AgentRun, plan: AgentPlan) -> str:
        if plan.task and run.parent is None:
            return await self._delegate(run, plan.task)
        if plan.recalls:
            return phrases.recalled(await self._store.previous_question(run.thread_id, run.root.run_id))
        if not plan.stages:
            return plan.reply
        sentences = [plan.reply] if plan.reply else []
        for stage in plan.stages:
            if plan.asks_first_s and (refused := await self._refused(run, stage, plan.asks_first_s)):
                return refused
            for call, outcome in zip(stage, await self._use(run, stage, thorough=plan.thorough), strict=True):
                sentences.append(phrases.result_in_words(call, outcome))
        return " ".join(sentences)

    async def _delegate(self, run: AgentRun, task: str) -> str:
        found = await self._help(run, task)
        await self._think(run, "The helper is done; I pass on what it found.")
        return f"My helper reports: {found}"

    async def _refused(self, run: AgentRun, stage: tuple[Call, ...], patience_s: float) -> str:
        """Ask the user whether the tools of a stage may run; return what is answered if not, else an empty text."""
        for call in stage:
            wait_s = self._chain.approval(run, patience_s)
            if not wait_s:
                continue
            input_id, call_id = f"input-{uuid.uuid4().hex}", f"call-{uuid.uuid4().hex}"
            run.call_ids.append(call_id)
            run.asked[input_id] = answer = asyncio.get_running_loop().create_future()
            await self._pause()
            payload = {
                "input_id": input_id, "question": f"May I use the {call.tool}?", "choices": [APPROVE, DENY],
                "tool_name": call.tool, "tool_call_id": call_id, "parameters": dict(call.parameters),
                "expires_in_s": patience_s,
            }  # fmt: skip
            await self._journal.emit(run, INPUT_REQUESTED, payload)
            await asyncio.wait({answer}, timeout=wait_s)
            if not answer.done():
                answer.set_result(EXPIRED)
            choice = answer.result()
            await self._journal.emit(run, INPUT_RECEIVED, {"input_id": input_id, "choice": choice})
            if self._chain.choice(run, choice) != APPROVE:
                return phrases.without(call, denied=choice == DENY)
        return ""

    async def _use(self, run: AgentRun, stage: tuple[Call, ...], *, thorough: bool) -> list[ToolResult]:
        outcomes = await self._carry_out_all(run, stage)
        afterthoughts = phrases.AFTERTHOUGHTS if thorough else phrases.AFTERTHOUGHTS[-1:]
        await self._think(run, *afterthoughts)
        if thorough:
            await asyncio.sleep(_THINKING_PAUSE_S)
        return outcomes

    async def _carry_out_all(self, run: AgentRun, calls: Sequence[Call]) -> list[ToolResult]:
        announced = []
        for call in calls:
            await self._pause()
            opened = _Open(call, run.call_ids.pop(0) if run.call_ids else f"call-{uuid.uuid4().hex}")
            announced.append(opened)
            payload = {"tool_name": call.tool, "tool_call_id": opened.call_id, "parameters": dict(call.parameters)}
            await self._journal.emit(run, EXECUTING, payload)
        return await asyncio.gather(*(self._carry_out(run, opened) for opened in announced))

    async def _carry_out(self, run: AgentRun, opened: _Open) -> ToolResult:
        started_s = time.perf_counter()
        await self._chain.tool(run, opened.call)
        if self._variation.chance is not None:
            await asyncio.sleep(self._variation.tool_delay_s())
        task = ToolTask(run.user_id, opened.call.parameters)
        outcome = self._chain.outcome(run, opened.call, await self._tools[opened.call.tool](task))
        await self._pause()
        payload = {
            "tool_name": opened.call.tool,
            "tool_call_id": opened.call_id,
            "status": "ok" if outcome.ok else "error",
            "result" if outcome.ok else "error_message": outcome.text,
            "execution_time_ms": round((time.perf_counter() - started_s) * 1e3, 3),
        }
        await self._journal.emit(run, TOOL_COMPLETED, payload)
        return outcome

    async def _think(self, run: AgentRun, *thoughts: str) -> None:
        for thought in thoughts:
            await (asyncio.sleep(_THINKING_PAUSE_S) if len(thoughts) > 1 else self._pause())
            await self._journal.emit(run, THINKING, {"reasoning": thought, "step_number": run.counts[THINKING] + 1})

    async def _pause(self) -> None:
        await asyncio.sleep(self._variation.pause_s(self._pace_s))
