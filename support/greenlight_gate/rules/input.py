"""INPUT: what is asked of the user during a run: asked before it happens, and done as the user has answered.

The usual case is the approval of a tool. What is asked without an id is known by its tool call, else by its tool. On
many wires a tool call is announced, and then asked about: there its tool has run when it is completed.
"""

from typing import Any

from greenlight_gate.events import Event, EventKind
from greenlight_gate.rules import refusal
from greenlight_gate.rules.content import shown
from greenlight_gate.rules.engine.asked_input import AskedInput, same_tool
from greenlight_gate.rules.engine.deadlines import MARGIN_S
from greenlight_gate.rules.engine.finding_sink import Report
from greenlight_gate.rules.engine.run_state import OpenTool, RunState

_MOST_SHOWN = 120


def on_executing(run: RunState, event: Event, asked: AskedInput, n: int, *, arguments: Any, report: Report) -> None:
    """INPUT-2 to -4 and -6: a tool runs that the user was asked about, with these arguments."""
    again = asked.runs > 0 and asked.call is not None and asked.call == event.call
    if _may_run(run, event, asked, n, again=again, report=report):
        _as_approved(run, event, asked, n, arguments=arguments, report=report)
    asked.runs += 1


def on_another_call(run: RunState, event: Event, asked: AskedInput, n: int, *, report: Report) -> None:
    """The same: a tool has run that the user was asked about, in a call that they were not asked about.

    Where calls are announced, one that completes may as well say that it was not carried out.
    """
    if asked.approves or not asked.announced:
        _may_run(run, event, asked, n, again=asked.runs >= asked.times, report=report)
        asked.runs += 1


def _may_run(run: RunState, event: Event, asked: AskedInput, n: int, *, again: bool, report: Report) -> bool:
    if asked.approves is None and (asked.intruder is not None or not asked.over):
        _unanswered(run, f"{event.tool!r} runs", asked, n, report)
    elif not asked.approves:
        said = "the user has denied it" if asked.approves is False else "nobody has approved it"
        report("INPUT-3", f"{asked.tool!r} not to run", f"tool_executing, though {said}", asked.n, n, run=run)
    elif again and asked.answers > 1:
        came = f"{event.tool!r} runs {asked.runs + 1} times, after {asked.answers} answers"
        report("INPUT-6", "one run of the tool, whatever is answered again", came, asked.n, n, run=run)
    elif again:
        came = f"{event.tool!r} runs {asked.runs + 1} times"
        report("INPUT-4", f"one run of {asked.tool!r}, as approved", came, asked.n, n, run=run)
    else:
        return True
    return False


def _as_approved(run: RunState, event: Event, asked: AskedInput, n: int, *, arguments: Any, report: Report) -> None:
    if asked.tool and event.tool and not same_tool(asked.tool, event.tool):
        report("INPUT-4", f"{asked.tool!r}, as approved", f"{event.tool!r}", asked.n, n, run=run)
    elif asked.allows(arguments) is False:
        wanted, came = (shown(str(each))[:_MOST_SHOWN] for each in (asked.arguments, arguments))
        report("INPUT-4", f"{asked.tool!r} with {wanted}, as approved", came, asked.n, n, run=run)


def on_unasked(run: RunState, tool: OpenTool, n: int, report: Report) -> None:
    """INPUT-1: a tool that needs approval, as the user was asked about another call of it, has run without."""
    report("INPUT-1", f"input_requested before {tool.name!r} runs", "none", tool.n, n, run=run)


def _unanswered(run: RunState, came: str, asked: AskedInput, n: int, report: Report) -> None:
    if asked.intruder is not None:
        refusal.on_foreign_answer(run, asked.intruder, came, n, report)
    else:
        report("INPUT-2", "nothing before the user has answered", came, asked.n, n, run=run)


def on_completed(run: RunState, event: Event, asked: AskedInput, n: int, report: Report) -> None:
    """INPUT-2: a tool whose call was announced before the user was asked about it completes before the answer."""
    if asked.announced and asked.is_open:
        _unanswered(run, f"{event.tool or asked.tool!r} has completed", asked, n, report)


def on_received(run: RunState, asked: AskedInput, n: int, report: Report, *, approved: bool) -> None:
    """INPUT-6: an answer is received twice; and where the user has not answered, but another one, REFUSAL-2.

    `approved`: it says so. Else the time for an answer may be over; what was taken for one, the tool shows.
    """
    if asked.over:
        report("INPUT-6", "one input_received for each input_requested", "another one", asked.n, n, run=run)
    elif asked.approves is None and asked.intruder is not None and approved:
        _unanswered(run, "input_received", asked, n, report)


def on_end(run: RunState, event: Event, at: float, n: int, report: Report) -> None:
    """INPUT-1: a run has used a tool that needs approval, and has not asked. INPUT-2: it has not waited either."""
    if event.kind is not EventKind.COMPLETED:
        return
    if not run.inputs and run.tools_begun:
        report("INPUT-1", "input_requested before the tool runs", "none", run.first_n, n, run=run)
    input_s = run.expect.input_s if run.expect is not None else None
    asked = next((asked for asked in run.inputs or () if asked.is_open), None)
    waited_s = at - run.waits_since if run.waits_since is not None else 0.0
    # Without a wait that is known, the time for an answer may have been over.
    if asked is not None and input_s is not None and waited_s < input_s - MARGIN_S:
        _unanswered(run, f"agent_completed after {waited_s:.1f} s", asked, n, report)


def on_not_shown_again(run: RunState, asked: AskedInput, n: int, report: Report) -> None:
    """INPUT-5: the thread is restored, and what is still asked of the user is not shown."""
    expected = "the open input_requested, once more"
    report("INPUT-5", expected, "the thread restored without it", asked.n, n, run=run)


def on_unanswered(run: RunState, asked: AskedInput, after_s: float, n: int, report: Report) -> None:
    """INPUT-7: nobody has answered for longer than the backend waits, and nothing shows what has become of it."""
    expected = "an event when the time for an answer is over"
    report("INPUT-7", expected, f"nothing for {after_s:.1f} s", asked.n, n, run=run, late=True)
