"""Frames read by a compiled profile and by a decoder written by hand for this wire: decoding alone, and with all rules.

    python -m support.benchmarks.profile_decoding [PAIRS]

Two wires: the default one (`agent-events`, kinds by name), and one whose profile has rules, conditions and a list of
tools in one frame (`autogenstudio`). Both sides see the same frames in the same process, alternating, and are timed by
CPU time. "With all rules" is the whole way of the load engine but for the socket's system calls: frames are cut by the
Sans-I/O protocol of websockets, read, searched and judged. The bar there is at most 10 % slower.
"""

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec
from greenlight_gate.events import Control, Event, EventKind, Ignored, More, Reading
from greenlight_gate.findings import Finding
from greenlight_gate.rules.engine.connection_checker import ConnectionChecker
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.rules.engine.run_state import Request
from greenlight_gate.targets.settings import profile_text, suite_root
from greenlight_gate.trace import Expect
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.values import PARSED_STAMPS, RESTS
from websockets.frames import Frame
from websockets.protocol import Protocol, State
from websockets.protocol import Side as ProtocolSide

from support.benchmarks.decode_and_rules import _EPOCH_S, Answer, answers
from support.benchmarks.decode_and_rules import _PROFILE as AGENT_EVENTS

BAR = 1.1
USERS = 50
QUESTIONS = 40


# The default wire by hand ---------------------------------------------------------------------------------------------


class Payload(msgspec.Struct, gc=False):
    """All that a payload of the default wire may hold."""

    message: str | None = None
    reasoning: str | None = None
    tool_name: str | None = None
    tool_call_id: str | None = None
    status: str | None = None
    result: Any = None
    error_message: str | None = None


class AgentEvent(msgspec.Struct, gc=False):
    """A frame of the default wire."""

    type: str
    run_id: str
    timestamp: str
    payload: Payload
    thread_id: str | None = None
    user_id: str | None = None
    request_id: str | None = None
    seq: int | None = None
    event_id: str | None = None
    agent_name: str | None = None
    parent_run_id: str | None = None


_KINDS = {str(kind): kind for kind in EventKind}
_decode_event = msgspec.json.Decoder(AgentEvent).decode


def agent_event_by_hand(data: bytes, is_ascii: bool = False) -> Event:
    """One event, as somebody would write it who knows this wire and nothing else."""
    data.isascii() or data.decode()
    frame = _decode_event(data)
    payload = frame.payload
    kind = _KINDS[frame.type]
    text: Any = payload.message or payload.reasoning
    if text is None:
        text = payload.result if payload.result is not None else payload.error_message
        if text is not None and type(text) is not str:
            text = msgspec.json.encode(text).decode()
    server_s = PARSED_STAMPS[frame.timestamp[:22]] + RESTS[frame.timestamp[22:]]
    return Event(
        kind, frame.run_id, frame.thread_id, frame.user_id, frame.request_id, frame.parent_run_id, frame.seq,
        frame.event_id, frame.timestamp, server_s, "ISO Z", 0, frame.agent_name, payload.tool_name,
        payload.tool_call_id, payload.status == "error", text,
    )  # fmt: skip


# AutoGen Studio by hand -----------------------------------------------------------------------------------------------


class Call(msgspec.Struct, gc=False):
    """A tool's call, or its result."""

    name: str
    id: str | None = None
    call_id: str | None = None
    content: str | None = None
    is_error: bool = False
    arguments: str | None = None


class Data(msgspec.Struct, gc=False):
    """What a message of the studio holds."""

    type: str | None = None
    source: str | None = None
    content: str | list[Call] | None = None


class Message(msgspec.Struct, gc=False):
    """A frame of the studio."""

    type: str
    data: Data | None = None
    status: str | None = None


_decode_message = msgspec.json.Decoder(Message).decode


class StudioByHand:
    """A reader for this wire and nothing else."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.phase: EventKind | None = None
        self.answer: str | None = None

    def opened(self, _: str | None, values: Any) -> None:
        """The run's and the session's ids."""
        self.values.update(values)

    def asked(self, _: str | None, __: str | None) -> None:
        """Nothing changes."""

    def read(self, data: bytes, *, binary: bool = False) -> Reading:
        """One frame."""
        data.isascii() or data.decode()
        frame = _decode_message(data)
        said = frame.data
        run, thread = str(self.values["run_id"]), str(self.values["session_id"])
        if frame.type == "message_chunk":
            assert said is not None
            event = Event(EventKind.THINKING, run, thread, agent=said.source, text=str(said.content))
            if self.phase is EventKind.THINKING:
                return More(event)
        elif frame.type == "message" and said is not None:
            if said.type == "TextMessage" and said.source != "user":
                self.answer = str(said.content)
                return Ignored("the whole of what was shown")
            event = self._message(said, run, thread)
        elif frame.type == "result":
            event = Event(EventKind.COMPLETED, run, thread, text=self.answer)
        else:
            return Control("handshake", {"step": 0})
        self.phase = event.kind
        return event

    def _message(self, said: Data, run: str, thread: str) -> Event:
        if said.type == "TextMessage":
            return Event(EventKind.STARTED, run, thread, agent=said.source, text=str(said.content))
        assert isinstance(said.content, list)
        call = said.content[0]
        if said.type == "ToolCallRequestEvent":
            return Event(EventKind.TOOL_EXECUTING, run, thread, agent=said.source, tool=call.name, call=call.id)
        return Event(
            EventKind.TOOL_COMPLETED, run, thread, agent=said.source, tool=call.name, call=call.call_id,
            tool_failed=call.is_error, text=call.content,
        )  # fmt: skip


def studio_answer() -> list[bytes]:
    """The frames of one answer of the studio."""
    about: dict[str, Any] = {"models_usage": None, "metadata": {}}
    call = [{"id": "call_1", "arguments": '{"a": 17, "b": 23}', "name": "calculator"}]
    result = [{"content": "391.0", "name": "calculator", "call_id": "call_1", "is_error": False}]
    words = ("Let ", "me ", "think: ", "I ", "should ", "use ", "the ", "calculator.")
    token = {"source": "planner", **about, "type": "ModelClientStreamingChunkEvent"}
    chunks = [("message_chunk", {**token, "content": word}) for word in words]
    frames: list[tuple[str, Any]] = [
        ("message", {"source": "user", **about, "content": "What is 17*23?", "type": "TextMessage"}),
        *chunks,
        ("message", {"source": "planner", **about, "content": "Let me think.", "type": "TextMessage"}),
        ("message", {"source": "worker", **about, "content": call, "type": "ToolCallRequestEvent"}),
        ("message", {"source": "worker", **about, "content": result, "type": "ToolCallExecutionEvent"}),
        ("message", {"source": "worker", **about, "content": "The answer is 391.", "type": "TextMessage"}),
    ]
    end = {"type": "result", "status": "complete", "data": {"task_result": {"messages": [], "stop_reason": "done"}}}
    return [*(json.dumps({"type": kind, "data": data}).encode() for kind, data in frames), json.dumps(end).encode()]


# Both sides -----------------------------------------------------------------------------------------------------------


class Side(NamedTuple):
    """A wire and one way to read it: `reader` makes what reads one connection."""

    profile: Profile
    reader: Callable[[], Any]
    fast: Any


def decode_events(work: list[Answer], side: Side) -> None:
    """Every frame of the default wire, read."""
    for answer in work:
        for frame in answer.frames:
            side.fast(frame)


def judge_events(work: list[Answer], side: Side) -> list[Finding]:
    """Every frame of the default wire, read and judged."""
    findings: list[Finding] = []
    registry = IdRegistry()
    checkers = [_checker(side, registry, f"person {number}", findings) for number in range(USERS)]
    for number, checker in enumerate(checkers):
        checker.opened(f"user-{number}", 1.0, number)
    n = USERS
    for answer in work:
        checker = checkers[answer.user]
        expect = Expect(prompt="How did costs develop?", thinking=True, tools=1, contains=(("storage", "disk"),))
        checker.asked(Request(n, answer.at - 0.002, answer.request, None, expect))
        checker.received_together(answer.read, _cut(answer.frames), answer.at, n + 1)
        n += 1 + len(answer.frames)
    return findings


def decode_studio(frames: list[bytes], side: Side) -> None:
    """Every frame of the studio, read: a connection for each answer."""
    for number in range(USERS * QUESTIONS):
        reader = side.reader()
        reader.opened(None, {"run_id": number, "session_id": number})
        for frame in frames:
            reader.read(frame)


def judge_studio(frames: list[bytes], side: Side) -> list[Finding]:
    """Every frame of the studio, read and judged."""
    findings: list[Finding] = []
    registry = IdRegistry()
    expect = Expect(prompt="What is 17*23?", thinking=True, tools=1, contains=(("391",),))
    read = b"".join(frames)
    n = 0
    for number in range(USERS * QUESTIONS):
        checker = _checker(side, registry, f"person {number % USERS}", findings, f"c{number}")
        checker.reader = side.reader()
        checker.reader.opened(None, {"run_id": number, "session_id": number})
        checker.opened(None, 1.0, n)
        checker.asked(Request(n, 1.0, f"q{number}", None, expect))
        checker.received_together(read, _cut(frames), 1.01, n + 1)
        checker.closed("client", 1000, 1.02, n + 2)
        n += len(frames) + 3
    return findings


def _cut(frames: list[bytes]) -> list[bytes]:
    """The frames, once they went through the WebSocket protocol, as the load engine takes them off a socket."""
    protocol = Protocol(ProtocolSide.CLIENT, state=State.OPEN)
    protocol.receive_data(b"".join(_header(len(frame)) + frame for frame in frames))
    return [bytes(event.data) for event in protocol.events_received() if isinstance(event, Frame)]


def _header(size: int) -> bytes:
    return b"\x81" + (bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2))


def _checker(
    side: Side, registry: IdRegistry, user: str, findings: list[Finding], connection: str = ""
) -> ConnectionChecker:
    return ConnectionChecker(
        side.profile, TimeBudgets(), registry, user, connection or user, epoch_s=_EPOCH_S, found=findings.append
    )


def _cpu_s(what: Callable[[Any, Side], object], work: Any, side: Side) -> float:
    gc.collect()
    began = time.process_time()
    what(work, side)
    return time.process_time() - began


def _compare(name: str, what: Callable[[Any, Side], object], work: Any, sides: tuple[Side, Side], pairs: int) -> float:
    """Prints both sides and returns the median of how many times slower the profile is."""
    frames = sum(len(answer.frames) for answer in work) if isinstance(work[0], Answer) else len(work) * 2000
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(pairs):
        for side, kept in zip(sides, times, strict=True):
            kept.append(_cpu_s(what, work, side))
    ratios = [profile / hand for profile, hand in zip(*times, strict=True)]
    ratio = statistics.median(ratios)
    us = [statistics.median(kept) / frames * 1e6 for kept in times]
    spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
    print(f"{name:<32} profile {us[0]:5.2f}  by hand {us[1]:5.2f}  ratio {ratio:.2f} ({spread})")
    return ratio


def main(pairs: int) -> int:
    """Prints the figures; 0 if the profiles keep to the bar."""
    events = answers()
    by_hand = Profile(AGENT_EVENTS.spec)
    by_hand.fast = agent_event_by_hand
    default = (Side(AGENT_EVENTS, AGENT_EVENTS.reader, AGENT_EVENTS.fast), Side(by_hand, by_hand.reader, by_hand.fast))
    assert [AGENT_EVENTS.fast(f) for f in events[0].frames] == [agent_event_by_hand(f) for f in events[0].frames]
    studio_profile = Profile.from_toml(profile_text("autogenstudio", suite_root())[1])
    studio = (Side(studio_profile, studio_profile.reader, None), Side(studio_profile, StudioByHand, None))
    frames = studio_answer()
    assert judge_events(events, default[0]) == judge_events(events, default[1]) == []
    assert judge_studio(frames, studio[0]) == judge_studio(frames, studio[1]) == []
    gc.freeze()
    print(f"{pairs} pairs, microseconds of CPU for each frame (medians)")
    _compare("agent-events, decoding", decode_events, events, default, pairs)
    worst = _compare("agent-events, with all rules", judge_events, events, default, pairs)
    _compare("autogenstudio, decoding", decode_studio, frames, studio, pairs)
    worst = max(worst, _compare("autogenstudio, with all rules", judge_studio, frames, studio, pairs))
    print(f"the worst with all rules {worst:.2f}; the bar is {BAR}")
    return 0 if worst <= BAR else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 11))
