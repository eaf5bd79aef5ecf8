"""Drafts a feature from a recorded conversation, in the sentences of the steps that exist."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from greenlight_gate.bdd.parameters import phrase
from greenlight_gate.events import FIVE, Event, EventKind
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import RunState
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import AnyRecord, Sent
from greenlight_gate.wire.capture import CaptureError

# A feature with more scenarios than this is read by nobody.
MOST_CONVERSATIONS = 20
_USER = "Ada"
_MOST_TURNS = 6
_LONG_QUESTION = 2_000
_MOST_SHOWN = 300


class Turn(NamedTuple):
    """One request as it was recorded: its prompt (by the name in a target file), text, events and tools, and its end.

    `stopped`: the client stopped it; `reconnected`: it ended on another connection than it was asked on.
    """

    prompt: str
    text: str
    events: tuple[EventKind, ...]
    tools: tuple[str, ...]
    end: EventKind
    thread: str
    user: str
    stopped: bool
    reconnected: bool


class _Observed:
    """The events of each request, and its outcome."""

    def __init__(self) -> None:
        self.events: dict[int, list[EventKind]] = {}
        self.tools: dict[int, list[str]] = {}
        self.outcomes: list[Outcome] = []

    def on_event(self, run: RunState, event: Event, at: float) -> None:
        """Notes an event that was received of a request's own run."""
        if run.ask is not None and run.parent is None and not event.synthesised:
            self.events.setdefault(run.ask.n, []).append(event.kind)
            if event.kind is EventKind.TOOL_EXECUTING and event.tool:
                self.tools.setdefault(run.ask.n, []).append(event.tool)

    def on_more(self, run: RunState, at: float) -> None:
        """It is part of an event that was noted."""

    def on_settled(self, outcome: Outcome) -> None:
        """Notes the outcome."""
        self.outcomes.append(outcome)


def recorded_turns(checker: TraceChecker, records: Iterable[AnyRecord]) -> list[Turn]:
    """The requests of a trace that ended, in the order in which they were sent. `checker` is new."""
    observed = _Observed()
    checker.observe_events(observed)
    sent: dict[int, Sent] = {}
    for record in records:
        checker.feed(record)
        if isinstance(record, Sent):
            sent[record.n] = record
    checker.finish()
    outcomes = sorted(observed.outcomes, key=lambda outcome: outcome.request.n)
    return [
        _turn(outcome, outcome.run, outcome.ended_by, sent[outcome.request.n], observed)
        for outcome in outcomes
        if outcome.run is not None and outcome.ended_by is not None and outcome.request.n in sent
    ]


def _turn(outcome: Outcome, run: RunState, end: EventKind, sent: Sent, observed: _Observed) -> Turn:
    text = sent.expect.prompt if sent.expect is not None and sent.expect.prompt else sent.text
    return Turn(
        _prompt(run, end, text), text, tuple(observed.events.get(sent.n, ())), tuple(observed.tools.get(sent.n, ())),
        end, run.thread or f"connection {sent.connection}", run.user,
        stopped=end is EventKind.STOPPED, reconnected=outcome.connection != sent.connection,
    )  # fmt: skip


def _prompt(run: RunState, end: EventKind, text: str) -> str:
    """The name under which a target file asks for what this run did."""
    is_so = {
        "failing_agent": end is EventKind.FAILED,
        "helper": run.sub_agent_events > 0,
        "failing_tool": run.tools_failed > 0,
        "parallel_tools": run.most_open > 1,
        "two_tools": run.tools_begun > 1,
        "with_tool": run.tools_begun > 0,
        "long_question": len(text) > _LONG_QUESTION,
    }
    return next((prompt for prompt, so in is_so.items() if so), "without_tool")


def drafted_feature(turns: Sequence[Turn], source: str, profile: str) -> str:
    """The text of a feature: a scenario for each conversation that differs, and below it what the target file needs.

    Raises CaptureError if no conversation was recorded whose end is known.
    """
    by_thread: dict[tuple[str, str], list[Turn]] = {}
    for turn in turns:
        by_thread.setdefault((turn.user, turn.thread), []).append(turn)
    conversations = list(by_thread.values())
    if not conversations:
        raise CaptureError(
            "expected a request and the end of its answer, got none; see how each frame is read: "
            f"greenlight profile check {profile} CAPTURE"
        )
    scenarios = Counter(scenario for turns in conversations if (scenario := tuple(_scenario(turns))))
    lines = [
        "@integration",
        f"Feature: Conversations recorded in {_comment(source)}",
        f"  Drafted from {len(turns)} requests. Read each line: what was recorded once need not be what is promised.",
        "",
        "  Rule: What was recorded is answered in the same way",
    ]
    for number, (scenario, times) in enumerate(list(scenarios.items())[:MOST_CONVERSATIONS], 1):
        title, *steps = scenario
        lines += ["", *([f"    # Recorded {times} times."] if times > 1 else [])]
        lines += [f"    Example: Recorded conversation {number}: {title}", *(f"      {step}" for step in steps)]
    if len(scenarios) > MOST_CONVERSATIONS:
        lines += ["", f"    # {len(scenarios) - MOST_CONVERSATIONS} further conversations were left out."]
    return "\n".join([*lines, "", *_prompts(turns)]) + "\n"


def _scenario(turns: list[Turn]) -> Iterator[str]:
    """The title and the steps of one conversation."""
    user = _USER
    first, last = turns[0], turns[min(len(turns), _MOST_TURNS) - 1]
    shown = turns[:_MOST_TURNS]
    more = f", continued {len(shown) - 1} times," if len(shown) > 1 else ""
    ends = {EventKind.COMPLETED: "is answered", EventKind.FAILED: "ends with agent_failed"}
    yield f"{phrase(first.prompt)}{more} {ends.get(first.end, 'is stopped')}"
    unstable = any(turn.reconnected for turn in shown)
    yield f"Given {user} is in a conversation{' over an unstable connection' if unstable else ''}"
    word = "When"
    for turn in shown:
        for step in _asking(turn, user, follows=turn is not first):
            yield f"{word} {step}"
            word = "And"
    yield from _expected(shown, last, user)


def _asking(turn: Turn, user: str, *, follows: bool) -> Iterator[str]:
    asked = phrase(turn.prompt)
    interrupted = EventKind.TOOL_EXECUTING in turn.events and (turn.stopped or turn.reconnected)
    if not interrupted:
        yield f"{user} {'continues with' if follows else 'asks'} {asked}"
        return
    yield f"{user} begins {asked}"
    if turn.stopped:
        yield f"{user} stops the run once a tool has started"
    else:
        yield f"{user}'s connection is lost once a tool has started"
        yield f"{user} reconnects"


def _expected(turns: list[Turn], last: Turn, user: str) -> Iterator[str]:
    if len(turns) > 1 and all(
        turn.end is EventKind.COMPLETED and EventKind.THINKING in turn.events for turn in turns
    ):  # fmt: skip
        yield f"Then each of {user}'s questions has a complete and right answer"
        yield "And all answers belong to one conversation"
        return
    if last.end is EventKind.FAILED:
        yield f"Then {user} receives agent_failed once, with a text, and no agent_completed"
    elif last.end is EventKind.STOPPED:
        yield f"Then agent_stopped is the last event of {user}'s stopped run"
    elif last.prompt == "helper":
        yield f"Then {user} sees the sub-agent complete before the answer"
        yield f"And {user} receives the right answer"
    elif last.prompt == "failing_tool":
        yield f"Then {user} sees that the tool failed"
        yield f"And {user} receives an answer that mentions the failure, or agent_failed"
    else:
        yield f"Then {user} receives these events in this order:"
        kinds = [kind for kind, _ in groupby(kind for kind in last.events if kind in FIVE)]
        rows = ("event", *(kinds if last.prompt != "parallel_tools" else _in_parallel(kinds)))
        width = max(len(row) for row in rows)
        yield from (f"  | {row:<{width}} |" for row in rows)
        yield f"And {user} receives the right answer"


def _in_parallel(kinds: list[EventKind]) -> list[EventKind]:
    """Of tools that run at the same time, only that the first starts before the last completes is promised."""
    return [kind for kind in FIVE if kind in kinds]


def _prompts(turns: Sequence[Turn]) -> Iterator[str]:
    """What was asked, as comments: a target file says what is asked and which answer is right."""
    yield "# For the target file: what was asked. Put into `contains` what a right answer holds."
    by_prompt: dict[str, list[Turn]] = {}
    for turn in turns:
        by_prompt.setdefault(turn.prompt, []).append(turn)
    for prompt, asked in by_prompt.items():
        yield "#"
        yield f"# [prompts.{prompt}]"
        yield f"# ask = {_text(asked[0].text)}"
        if prompt != "failing_agent":
            yield '# contains = ["TODO"]'
        if asked[0].tools:
            yield f"# tools = [{', '.join(_text(tool) for tool in asked[0].tools)}]"
        others = list(dict.fromkeys(turn.text for turn in asked if turn.text != asked[0].text))
        yield from (f"# also recorded: {_text(text)}" for text in others[:5])


def _text(text: str) -> str:
    """A recorded text as one line of TOML."""
    return _comment(json.dumps(text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}...", ensure_ascii=False))


def _comment(text: str) -> str:
    """A text that stays within one line, whatever was recorded."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
