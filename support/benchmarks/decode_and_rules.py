"""Reading frames and judging them by all rules, against json.loads alone on the same frames.

    python -m support.benchmarks.decode_and_rules [PAIRS]

The frames are those of a fast server of the default wire: 50 users, each with one connection, ask 40 questions each;
every answer is 7 events of about 300 bytes, in one socket read. Both sides see the same frames in the same process,
alternating, and are timed by CPU time with the garbage collector on; the inputs are frozen out of its sight for both.
Each side keeps nothing of an earlier round. The filters for leaks and for canaries are asked once for each socket read,
as the load engine does. The bar is 0.8 of the speed of json.loads.
"""

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import greenlight_gate
from greenlight_gate.findings import Finding
from greenlight_gate.rules.engine import canary_search, forbidden_text
from greenlight_gate.rules.engine.connection_checker import ConnectionChecker
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.rules.engine.run_state import Request
from greenlight_gate.trace import Expect
from greenlight_gate.wire.profile import Profile

USERS = 50
QUESTIONS = 40
BAR = 0.8
_EPOCH_S = 1_767_225_600.0
_PROFILE = Profile.from_toml((Path(greenlight_gate.__file__).parent / "wire/profiles/agent-events.toml").read_text())
_EXPECT = Expect(prompt="How did costs develop?", thinking=True, tools=1, contains=(("storage", "disk"),))
_THOUGHT = "comparing the costs of the last quarter with those of the one before"
_STEPS = (
    ("agent_started", {"message": "on it"}),
    *((("agent_thinking", {"reasoning": _THOUGHT, "step_number": number})) for number in (1, 2, 3)),
    ("tool_executing", {"tool_name": "search", "tool_call_id": "c1", "parameters": {"q": "cost"}}),
    (
        "tool_completed",
        {"tool_name": "search", "tool_call_id": "c1", "status": "ok", "result": {"rows": 12}, "execution_time_ms": 3},
    ),
    ("agent_completed", {"result": "Costs rose 4 % because storage grew in region A", "execution_time_ms": 12}),
)


class Answer(NamedTuple):
    """One question and all that came of it, in one socket read."""

    user: int
    request: str
    at: float
    read: bytes
    frames: list[bytes]


def answers() -> list[Answer]:
    """All questions in the order of their answers: one of each user, then the next of each."""
    return [_answer(user, question) for question in range(QUESTIONS) for user in range(USERS)]


def _answer(user: int, question: int) -> Answer:
    at = 1.0 + question * 0.5 + user * 0.01
    request, run = f"request-{user}-{question}", f"run-{question * USERS + user}"
    frames = []
    for step, (kind, payload) in enumerate(_STEPS):
        seq = question * len(_STEPS) + step + 1
        moment = datetime.fromtimestamp(_EPOCH_S + at - 0.001 + step * 1e-5, UTC)
        event = {
            "type": kind, "request_id": request, "run_id": run, "thread_id": f"thread-user-{user}",
            "user_id": f"user-{user}", "agent_name": "triage", "seq": seq, "event_id": f"{run}-{seq}",
            "timestamp": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"), "payload": payload,
        }  # fmt: skip
        frames.append(json.dumps(event, separators=(",", ":")).encode())
    return Answer(user, request, at, b"".join(frames), frames)


def json_alone(work: list[Answer]) -> None:
    """The side to compare with: json.loads of each frame."""
    for answer in work:
        for frame in answer.frames:
            json.loads(frame)


def decode_only(work: list[Answer]) -> None:
    """The reading of each frame, without any rule."""
    for answer in work:
        for frame in answer.frames:
            _PROFILE.read(frame)


def search_only(work: list[Answer]) -> None:
    """The search for leaks and for canaries, once for each socket read."""
    for answer in work:
        forbidden_text.suspicious(answer.read)
        canary_search.suspicious(answer.read)


def decode_and_rules(work: list[Answer]) -> list[Finding]:
    """The whole way, as the load engine goes it; returns the findings."""
    findings: list[Finding] = []
    registry = IdRegistry()
    checkers = [
        ConnectionChecker(
            _PROFILE, TimeBudgets(), registry, f"person {number}", f"c{number}", epoch_s=_EPOCH_S, found=findings.append
        )
        for number in range(USERS)
    ]
    for number, checker in enumerate(checkers):
        checker.opened(f"user-{number}", 1.0, number)
    n = USERS
    for answer in work:
        checker = checkers[answer.user]
        checker.asked(Request(n, answer.at - 0.002, answer.request, None, _EXPECT))
        checker.received_together(answer.read, answer.frames, answer.at, n + 1)
        n += 1 + len(answer.frames)
    for checker in checkers:
        checker.finish(n)
    return findings


def _cpu_s(side: Callable[[list[Answer]], object], work: list[Answer]) -> float:
    gc.collect()
    began = time.process_time()
    side(work)
    return time.process_time() - began


def _proves_its_work(work: list[Answer]) -> None:
    """Nothing is found in the frames as they are, and one planted defect is."""
    assert decode_and_rules(work) == []
    victim = len(work) // 2
    spoilt = work[victim]._replace(frames=[*work[victim].frames[:4], *work[victim].frames[5:]])
    found = {finding.rule for finding in decode_and_rules([*work[:victim], spoilt, *work[victim + 1 :]])}
    assert found == {"CONTINUITY-3", "LIFECYCLE-5", "PAIRING-1"}, found


def main(pairs: int) -> float:
    """Prints the figures and returns the median ratio."""
    work = answers()
    events = sum(len(answer.frames) for answer in work)
    _proves_its_work(work)
    gc.freeze()
    sides = (json_alone, decode_and_rules, decode_only, search_only)
    times: dict[Callable[[list[Answer]], object], list[float]] = {side: [] for side in sides}
    for _ in range(pairs):
        for side in sides:
            times[side].append(_cpu_s(side, work))
    ratios = [alone / whole for alone, whole in zip(times[json_alone], times[decode_and_rules], strict=True)]
    ratio = statistics.median(ratios)
    us = {side: statistics.median(times[side]) / events * 1e6 for side in sides}
    rules_us = us[decode_and_rules] - us[decode_only] - us[search_only]
    size = sum(map(len, (frame for answer in work for frame in answer.frames))) / events
    print(f"{events} events of {size:.0f} bytes, {pairs} pairs: microseconds of CPU per event (medians)")
    print(f"json.loads alone   {us[json_alone]:6.2f}")
    print(f"decode and rules   {us[decode_and_rules]:6.2f}")
    print(f"  decode           {us[decode_only]:6.2f}")
    print(f"  search           {us[search_only]:6.2f}")
    print(f"  rules            {rules_us:6.2f}")
    print(f"ratio of speeds    {ratio:6.2f}  ({min(ratios):.2f} to {max(ratios):.2f}; the bar is {BAR})")
    return ratio


if __name__ == "__main__":
    sys.exit(0 if main(int(sys.argv[1]) if len(sys.argv) > 1 else 11) >= BAR else 1)
