"""Follows what is asked of the user in the runs of one connection, and calls the rules for it."""

import json
from collections.abc import Callable, Sequence
from typing import Any

from greenlight_gate.events import Event, EventKind
from greenlight_gate.rules import input as inputs
from greenlight_gate.rules.engine.asked_input import AskedInput, asked_about, asked_about_another_call, same_tool
from greenlight_gate.rules.engine.expected import expected_events, unapproved
from greenlight_gate.rules.engine.finding_sink import Report
from greenlight_gate.rules.engine.open_requests import OpenRequests
from greenlight_gate.rules.engine.run_state import OpenTool, RunState

_RECEIVED = EventKind.INPUT_RECEIVED
_MOST_SHOWN = 10_000


class InputChecker:
    """What is asked in a run or by its sub-agents is kept with the run that the user has asked for.

    `frame_of`: the frame of a record that has just come; `arguments_in`: those of the tool in such a frame.
    `approving`: what approves, as the wire has it.
    """

    def __init__(
        self, requests: OpenRequests, report: Report, *, frame_of: Callable[[int], bytes],
        arguments_in: Callable[[bytes, EventKind], Any], approving: Any,
    ) -> None:  # fmt: skip
        self.approving = approving if isinstance(approving, str) else json.dumps(approving, separators=(",", ":"))
        self.requests = requests
        self.report = report
        self.frame_of = frame_of
        self.arguments_in = arguments_in

    def arguments(self, n: int, kind: EventKind) -> Any:
        """The arguments of the tool in the frame that has just come, if that is still known."""
        data = self.frame_of(n)
        return self.arguments_in(data, kind) if data else None

    def event(self, run: RunState, event: Event, at: float, n: int) -> None:
        """Something is asked of the user, or was answered."""
        if event.kind is _RECEIVED:
            self._received(run, event, at, n)
            return
        root, arguments = run.root, self.arguments(n, event.kind)
        known = next((asked for asked in reversed(root.inputs or ()) if _is_same(asked, event, arguments)), None)
        if known is None:
            self._asked(run, event, arguments, at, n)
        elif known.is_open:
            known.times += event.input is None
            if arguments is not None:
                known.arguments, known.shown = arguments, self._shown(n)

    def _shown(self, n: int) -> str:
        return self.frame_of(n)[:_MOST_SHOWN].decode(errors="replace")

    def _asked(self, run: RunState, event: Event, arguments: Any, at: float, n: int) -> None:
        root = run.root
        shown = self._shown(n) if arguments is not None else ""
        asked = AskedInput(event.input, event.tool, event.call, arguments, n, event.seq, root.expect, shown)
        for before in root.inputs or ():
            if before.is_open and _is_asked_again(before, asked):
                before.replaced_by, before.due_on = asked, ""
        tool = next((tool for tool in run.tools if _is_of(tool, asked)), None)
        if tool is not None:
            asked.announced, tool.asked = True, asked
        if root.inputs is None:
            self.requests.registry.asking.setdefault(root.thread, []).append(root)
        root.inputs = [*(root.inputs or ()), asked]
        if root.waits_since is None:
            root.waits_since = at
        if root.expect is not None:
            # Until the user approves, no tool is owed.
            root.expect = unapproved(root.expect)
            root.expected = expected_events(root.expect)

    def _received(self, run: RunState, event: Event, at: float, n: int) -> None:
        asked = _answered(run.root.inputs or [], event)
        if asked is not None:
            if asked.replaced_by is None:
                inputs.on_received(run, asked, n, self.report, approved=event.choice == self.approving)
            asked.over = True
            run.root.answered(at, self.requests.registry.runs.values())

    def executing(self, run: RunState, event: Event, n: int) -> None:
        """A tool call has begun, after something was asked in its run; the latest of the run's open tools."""
        tool, arguments = run.tools[-1], self.arguments(n, event.kind)
        tool.arguments = arguments
        tool.asked = asked_about(run.root.inputs or (), event.tool, event.call, arguments)
        if tool.asked is not None:
            inputs.on_executing(run, event, tool.asked, n, arguments=arguments, report=self.report)

    def completed(self, run: RunState, event: Event, tool: OpenTool | None, n: int) -> None:
        """A tool has completed, after something was asked in its run. Nothing is asked about it any more."""
        if tool is None:
            return
        asked = tool.asked
        if asked is not None:
            inputs.on_completed(run, event, asked, n, self.report)
            if event.tool_failed:
                asked.runs = max(asked.runs - 1, 0)  # it may be tried again
            elif asked.announced:
                asked.runs = max(asked.runs, 1)
        elif not event.tool_failed:
            self._completed_unasked(run, event, tool, n)

    def _completed_unasked(self, run: RunState, event: Event, tool: OpenTool, n: int) -> None:
        all_asked = run.root.inputs or ()
        asked = asked_about_another_call(all_asked, tool.name, tool.arguments)
        expect = run.root.expect
        if asked is not None:
            inputs.on_another_call(run, event, asked, tool.n, report=self.report)
        elif expect is not None and expect.approval and any(same_tool(each.tool, tool.name) for each in all_asked):
            inputs.on_unasked(run, tool, n, self.report)


def _is_same(asked: AskedInput, event: Event, arguments: Any) -> bool:
    """Whether an event asks what is asked already: by its id, else by its tool call, until that was answered."""
    if event.input is not None or asked.id is not None:
        return asked.id == event.input
    same = asked.arguments == arguments or asked.arguments is None or arguments is None
    return same and not asked.over and asked.answers == 0 and asked.is_about(event.tool, event.call)


def _is_asked_again(before: AskedInput, asked: AskedInput) -> bool:
    """Whether the same is asked under another id: about one call; without call ids, once the thread was restored."""
    if before.call is not None or asked.call is not None:
        return before.call == asked.call
    return bool(before.due_on) and before.is_about(asked.tool, None) and before.arguments == asked.arguments


def _is_of(tool: OpenTool, asked: AskedInput) -> bool:
    """Whether an open tool call is what is asked about; one that was asked about before, only by its call id."""
    if asked.call is not None and tool.call is not None:
        return asked.call == tool.call
    free = tool.asked is None or tool.asked.replaced_by is asked
    return free and asked.is_about(tool.name, tool.call) and asked.allows(tool.arguments) is not False


def _answered(inputs: Sequence[AskedInput], event: Event) -> AskedInput | None:
    """What an input_received is about: by its id, else the oldest that the user has answered, else that is open."""
    if event.input is not None:
        return next((asked for asked in reversed(inputs) if asked.id == event.input), None)
    named = event.tool is not None or event.call is not None
    due = [asked for asked in inputs if not asked.over and (not named or asked.is_about(event.tool, event.call))]
    return min(due, key=lambda asked: asked.answers == 0, default=None)
