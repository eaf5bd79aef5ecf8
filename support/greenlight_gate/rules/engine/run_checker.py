"""Calls the rules for the events of a run, once it is known which run each belongs to."""

from collections.abc import Callable
from typing import Any, Final

from greenlight_gate.events import INPUTS, Event, EventKind
from greenlight_gate.rules import content, continuity, isolation, lifecycle, pairing, refusal, timeliness
from greenlight_gate.rules import input as inputs
from greenlight_gate.rules.engine.canary_scan import CanaryScan
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.finding_sink import Report
from greenlight_gate.rules.engine.input_checker import InputChecker
from greenlight_gate.rules.engine.open_requests import OpenRequests
from greenlight_gate.rules.engine.run_state import (
    AnswerPart,
    OpenTool,
    Request,
    RunState,
    Stage,
    StoppedAnswer,
    TimedEvent,
)

_STARTED: Final = EventKind.STARTED
_THINKING: Final = EventKind.THINKING
_TOOL_EXECUTING: Final = EventKind.TOOL_EXECUTING
_TOOL_COMPLETED: Final = EventKind.TOOL_COMPLETED
_COMPLETED: Final = EventKind.COMPLETED
_STOPPED: Final = EventKind.STOPPED
_ANSWER_PART: Final = EventKind.ANSWER_PART
_ASKED: Final = Stage.ASKED
_OPEN: Final = Stage.OPEN
_ENDED: Final = Stage.ENDED
_MOST_TOOL_TURNS: Final = 64
_MOST_RESULTS: Final = 65_536


class RunChecker:
    """Judges the events of all runs of one connection, one by one.

    Tens of thousands come each second: for a usual event it makes no call that is not needed. `stamps` collects the
    server's timestamps of the events, in seconds, if it is a list.
    """

    def __init__(
        self, requests: OpenRequests, budgets: TimeBudgets, epoch_s: float, report: Report, search: CanaryScan,
        *, arguments_in: Callable[[bytes, EventKind], Any] = lambda data, kind: None, approving: Any = None,
    ) -> None:  # fmt: skip
        self.requests = requests
        self.epoch_s = epoch_s
        self.report = report
        self._shapes: dict[EventKind, int] = {}
        self._formats: dict[EventKind, str | None] = {}
        self.search = search
        self.inputs = InputChecker(
            requests, report, frame_of=search.frame_of, arguments_in=arguments_in, approving=approving
        )
        self.stamps: list[float] | None = None
        self._moved_s = 0.0
        self.keep_to(budgets)

    def keep_to(self, budgets: TimeBudgets) -> None:
        """Judges what comes from now on by these budgets."""
        self.budgets = budgets
        self._skew_s = budgets.clock_skew_s + self._moved_s
        self._silence_s = budgets.silence_s
        self._start_s = budgets.start_s
        self._tool_s = budgets.tool_s
        self._quick_tool_s = min(budgets.tool_s, budgets.tool_end_s)

    def clock_moved(self, moved_s: float) -> None:
        """So far the wall clock of the suite's machine was moved so much, in whatever direction."""
        self._moved_s = moved_s
        self.keep_to(self.budgets)

    def event(self, run: RunState, event: Event, at: float, n: int) -> None:
        """Judges the next event of a run. `at`: seconds on the monotonic clock."""
        kind = event.kind
        if self._shapes.get(kind) != event.shape:
            self._shape(run, event, n)
        stamp = event.server_s
        if stamp is not None and stamp >= run.last_stamp_s and -self._skew_s < stamp - self.epoch_s - at < self._skew_s:
            run.last_stamp_s = stamp
        else:
            content.on_stamp(
                run, event, self.epoch_s + at, n, skew_s=self._skew_s, moved_s=self._moved_s, report=self.report
            )
        if stamp is not None and self.stamps is not None:
            self.stamps.append(stamp)
        if run.detailed_timing:
            self._detailed_timing(run, event, at, n)
        elif at - run.last_at > self._silence_s and run.stage is _OPEN:
            timeliness.on_silence(run, at, n, self._silence_s, self.report)
        run.events += 1
        run.last_at = at
        text = event.text
        # Of a canary that is split over more than two texts, one holds nothing else: no space and no quote.
        if text and (run.said is not None or (" " not in text and '"' not in text)):
            self._say(run, n if kind is _THINKING else -n, text)
        if kind is _THINKING and run.stage is _OPEN:
            run.thoughts += 1
            if text:
                run.thought, run.thought_n = text, n
                if not run.has_thought:
                    run.has_thought = not content.is_placeholder(text)
        else:
            self._step(run, event, at, n)
        run.last_n = n

    def _step(self, run: RunState, event: Event, at: float, n: int) -> None:
        if event.text:
            run.other_text, run.other_text_n = event.text, n
        kind, before = event.kind, run.stage
        run.stage, rule = lifecycle.TRANSITIONS[before][kind]
        if rule is not None and not (before is _ASKED and kind is _STOPPED and run.ask is not None and run.ask.stopped):
            # A run that its user stopped by its request, before its first event, need not begin any more.
            lifecycle.on_wrong_step(rule, before, run, event, n, report=self.report)
        if before is _ENDED:
            return
        if kind is _TOOL_EXECUTING:
            pairing.on_executing(run, event, at, n, self.report)
            if (run if run.parent is None else run.root).inputs is not None:
                self.inputs.executing(run, event, n)
            _note_turn(run, at, announced=1)
        elif kind is _TOOL_COMPLETED:
            self._tool_completed(run, event, at, n)
        elif kind is _STARTED:
            if run.started_at is None:
                self._started(run, event, at, n)
        elif kind is _THINKING:
            run.thoughts += 1
        else:
            self._end(run, event, at, n)

    def _started(self, run: RunState, event: Event, at: float, n: int) -> None:
        run.started_at = at
        run.first_stamp_s = event.server_s
        if at - run.asked_at > self._start_s:
            timeliness.on_start(run, at, n, self._start_s, self.report)

    def _tool_completed(self, run: RunState, event: Event, at: float, n: int) -> None:
        tool, text = pairing.on_completed(run, event, n, self.report), event.text
        if (run if run.parent is None else run.root).inputs is not None:
            self.inputs.completed(run, event, tool, n)
        if text and not text.isascii():
            run.root.results = f"{run.root.results}\n{text}"[-_MOST_RESULTS:]
        if text is None or not content.is_placeholder(text):
            run.has_result = True
        elif text:
            run.hollow_n = n
        if tool is not None and at - tool.at > self._quick_tool_s:
            self._slow_tool(run, tool, event.duration_ms, at, n)
        if run.parent is not None or run.tools_begun > run.tools_done:
            _note_turn(run, at)

    def _slow_tool(self, run: RunState, tool: OpenTool, duration_ms: float | None, at: float, n: int) -> None:
        if run.root.waits:
            return  # it is the user who is waited for
        if at - tool.at > self._tool_s:
            timeliness.on_tool(run, tool, at, n, tool_s=self._tool_s, report=self.report)
        # Where a run is restored, its user was away for a part of that time; and 0 ms says that nothing was measured.
        if run.shown is None and duration_ms is not None and duration_ms > 0:
            tool_end_s = self.budgets.tool_end_s
            timeliness.on_late_tool_end(run, tool, duration_ms / 1e3, at, n, tool_end_s=tool_end_s, report=self.report)

    def _detailed_timing(self, run: RunState, event: Event, at: float, n: int) -> None:
        """A sub-agent's event counts for the run that the user asked for: it ends a silence, and shows thinking."""
        root = run.root
        if at - root.last_at > self._silence_s and root.stage is _OPEN:
            timeliness.on_silence(root, at, n, self._silence_s, self.report)
        if run.recent is not None:
            run.recent.append(TimedEvent(at, event.server_s, event.kind))
        if run is not root:
            root.last_at = at
            root.last_n = n
            root.thoughts += event.kind is _THINKING
            root.sub_agent_events += 1
            if root.recent is not None:
                root.recent.append(TimedEvent(at, event.server_s, event.kind))

    def _end(self, run: RunState, event: Event, at: float, n: int) -> None:
        if event.kind in INPUTS:
            self.inputs.event(run, event, at, n)
            return
        run.ended_by = event.kind
        lifecycle.on_end(run, event, n, self.report)
        if run.tools:
            pairing.on_end(run, event, n, self.report)
        content.on_end(run, event, n, self.requests.registry.answers, self.report)
        if event.kind is _COMPLETED:
            self._completed(run, event, n)
        if event.kind is _STOPPED or run.order.stopped is not None:
            self._around_a_stop(run, event, at, n)
        timeliness.on_end(run, event, at, n, self.budgets, report=self.report)
        if run.stop_at is not None and event.kind is _COMPLETED:
            lifecycle.on_ignored_stop(run, at, n, self.budgets.stop_s, self.report)
        if run.intruder is not None and event.kind is not _COMPLETED and run.stop_at is None:
            refusal.on_foreign_stop(run, n, self.report)
        if run.expect is not None and run.expect.approval:
            inputs.on_end(run, event, at, n, self.report)
        if run.said is not None:
            isolation.on_canaries(self.search.said_all(run), self.report)
        if run.inputs is not None:
            self.requests.registry.no_longer_asks(run)
        self.requests.settle(run, event.event_id if event.event_id is not None else event.seq)

    def _completed(self, run: RunState, event: Event, n: int) -> None:
        if not (run.has_thought and run.has_result):
            content.on_placeholders(run, n, self.report)
        if run.parts is not None:
            continuity.on_answer(run, event, n, self.report)
        refusal.on_disturbed_answer(run, event.text or "", n, self.requests.registry.disturbed, self.report)

    def _around_a_stop(self, run: RunState, event: Event, at: float, n: int) -> None:
        """A run was stopped, or one has ended in a thread in which the last answer was stopped."""
        stopped = run.order.stopped
        if event.kind is _STOPPED:
            run.end_seq = event.seq
            lifecycle.on_stopped(run, n, self.report)
            timeliness.on_stopped(run, at, n, self.budgets.stop_s, self.report)
            # Without a thread, nothing shows which request continues the conversation of this one.
            if run.expect is not None and run.parent is None and run.thread is not None:
                run.order.stopped = StoppedAnswer(run.expect.prompt, run.expect.contains, n)
        elif event.kind is _COMPLETED and stopped is not None and run.ask is not None and run.ask.n > stopped.n:
            content.on_answer_after_stop(run, event, n, stopped, self.report)
            run.order.stopped = None

    def _shape(self, run: RunState, event: Event, n: int) -> None:
        kind = event.kind
        if kind not in self._shapes:
            self._shapes[kind] = event.shape
            self._formats[kind] = event.stamp_format
        else:
            content.on_other_form(run, event, self._formats[kind], n, self.report)

    def _say(self, run: RunState, n: int, text: str) -> None:
        seen = self.search.say(run, n, text)
        if seen:
            isolation.on_canaries(seen, self.report)

    def more(self, run: RunState, event: Event, at: float, n: int) -> None:
        """More of what a run has sent before came: it ends a silence, and its text may be part of a word."""
        root = run.root
        if at - root.last_at > self._silence_s and root.stage is _OPEN:
            timeliness.on_silence(root, at, n, self._silence_s, self.report)
        if event.kind is _ANSWER_PART and run.stage is _ENDED:
            lifecycle.on_late_part(run, event, n, self.report)
        for alive in {id(run): run, id(root): root}.values():
            alive.last_at = at
            alive.last_n = n
        if not event.text:
            return
        self._say(run, n if event.kind is _THINKING else -n, event.text)
        if event.kind is _THINKING:
            run.has_thought = run.has_thought or not content.is_placeholder(event.text)
        elif event.kind is _ANSWER_PART and len(run.parts or ()) <= continuity.MOST_PARTS:
            run.parts = run.parts or []
            run.parts.append(AnswerPart(n, at, event.agent, event.text))

    def gave_up(self, ask: Request, run: RunState, at: float, n: int) -> None:
        """The user waited in vain for the next event of a run. One that waits for the user owes none."""
        if run.waits:
            return
        if run.intruder is not None and run.stop_at is None:
            refusal.on_foreign_stop(run, n, self.report)
        timeliness.on_silence(run, at, n, self._silence_s, self.report)
        timeliness.on_length(run, at, n, self.budgets.run_s, self.report)
        for tool in run.tools:
            timeliness.on_tool(run, tool, at, n, tool_s=self._tool_s, report=self.report)
        if ask.resumed:
            continuity.on_no_rest(run, n, self.report, late=True)
        lifecycle.on_no_end(run, at, n, self.report)

    def unfinished(self, ask: Request, run: RunState, n: int) -> None:
        """Nothing more can come of a run that has not ended."""
        if ask.resumed:
            continuity.on_no_rest(run, n, self.report, late=False)
        lifecycle.on_unfinished(run, n, self.report)


def _note_turn(run: RunState, at: float, *, announced: int = 0) -> None:
    """A tool of a run was announced, or has completed: others that are open may begin now."""
    root = run if run.parent is None else run.root
    if root.tools_begun - root.tools_done > announced:
        root.tool_turns = (*root.tool_turns[-_MOST_TOOL_TURNS:], at)
