"""A builder of literal traces of the default wire: every frame is legal unless a test says otherwise."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import greenlight_gate
from greenlight_gate.findings import Finding
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import AnyRecord, Closed, Cut, Expect, ModelCall, Opened, Received, Sent, TimedOut
from greenlight_gate.wire.profile import Profile

PROFILE = Profile.from_toml((Path(greenlight_gate.__file__).parent / "wire/profiles/agent-events.toml").read_text())
EPOCH_S = 1_767_225_600.0  # 2026-01-01T00:00:00Z
STEP_S = 0.1

Body = dict[str, Any]
Whole = tuple[str, str, str, tuple[int, ...]]

TOOL_QUESTION = Expect(prompt="What is the weather in Oslo?", thinking=True, tools=1, contains=(("rain",),))
ANSWER = "There is rain in Oslo."


def iso(at: float) -> str:
    text = datetime.fromtimestamp(EPOCH_S + at, UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")


class Talk:
    """Records of one scenario. Numbers count from 1, and each record comes 0.1 s after the one before."""

    def __init__(self, budgets: TimeBudgets | None = None, profile: Profile = PROFILE) -> None:
        self.records: list[AnyRecord] = []
        self.at = 0.0
        self.seqs: dict[str, int] = {}
        self.budgets = budgets or TimeBudgets()
        self.profile = profile
        self.change: Callable[[Body], Any] = lambda body: body

    def wait(self, seconds: float) -> "Talk":
        self.at += seconds
        return self

    def add(self, kind: type[Any], connection: str, **values: Any) -> "Talk":
        self.at = round(self.at + STEP_S, 6)
        self.records.append(kind(n=len(self.records) + 1, at=self.at, connection=connection, **values))
        return self

    def open(self, user: str = "Ada", connection: str = "c1", *, ready: bool = True, **values: Any) -> "Talk":
        user_id = values.pop("user_id", f"user-{user.lower()}")
        self.add(Opened, connection, user=user, user_id=user_id, **values)
        return self.frame({"type": "connection_established", "user_id": user_id}, connection) if ready else self

    def ask(
        self, request: str | None = "q1", expect: Expect | None = TOOL_QUESTION, connection: str = "c1", **values: Any
    ) -> "Talk":
        return self.add(Sent, connection, what="start", text="{}", request=request, expect=expect, **values)

    def send(self, what: str, connection: str = "c1", **values: Any) -> "Talk":
        return self.add(Sent, connection, what=what, text="{}", **values)

    def frame(self, body: Any, connection: str = "c1") -> "Talk":
        if isinstance(body, bytes):
            return self.add(Received, connection, data=body)
        text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
        return self.add(Received, connection, text=text)

    def body(self, kind: str, payload: Body, run: str = "r1", **values: Any) -> Body:
        thread = values.pop("thread", "t1")
        self.seqs[thread] = values.get("seq", self.seqs.get(thread, 0) + 1)
        root = {
            "type": kind, "request_id": values.pop("request", "q1"), "run_id": run, "thread_id": thread,
            "user_id": values.pop("user", "user-ada"), "agent_name": "assistant", "seq": self.seqs[thread],
            "event_id": f"{thread}-{self.seqs[thread]}", "timestamp": iso(self.at + STEP_S), "payload": payload,
        }  # fmt: skip
        return {**root, **values}

    def event(self, kind: str, payload: Body, run: str = "r1", connection: str = "c1", **values: Any) -> "Talk":
        return self.frame(self.change(self.body(kind, payload, run, **values)), connection)

    def started(self, run: str = "r1", **values: Any) -> "Talk":
        return self.event("agent_started", {"message": "on it"}, run, **values)

    def thinking(self, run: str = "r1", **values: Any) -> "Talk":
        return self.event("agent_thinking", {"reasoning": "let me see", "step_number": 1}, run, **values)

    def executing(self, run: str = "r1", tool: Any = "weather", call: str | None = "k1", **values: Any) -> "Talk":
        payload = {"tool_name": tool, "tool_call_id": call, "parameters": {"city": "Oslo"}}
        return self.event("tool_executing", payload, run, **values)

    def tool_done(
        self, run: str = "r1", tool: Any = "weather", call: str | None = "k1", result: Any = "rain", **values: Any
    ) -> "Talk":
        payload = {"tool_name": tool, "tool_call_id": call, "status": "ok", "result": result}
        payload |= {"execution_time_ms": values.pop("took_ms")} if "took_ms" in values else {}
        return self.event("tool_completed", payload, run, **values)

    def completed(self, run: str = "r1", result: Any = ANSWER, **values: Any) -> "Talk":
        return self.event("agent_completed", {"result": result, "execution_time_ms": 12}, run, **values)

    def failed(self, run: str = "r1", **values: Any) -> "Talk":
        return self.event("agent_failed", {"error_code": "X", "error_message": "the model is busy"}, run, **values)

    def stopped(self, run: str = "r1", **values: Any) -> "Talk":
        return self.event("agent_stopped", {"reason": "stopped by the user"}, run, **values)

    def answer(self, run: str = "r1", **values: Any) -> "Talk":
        """All five kinds, once each."""
        for step in (self.started, self.thinking, self.executing, self.tool_done, self.completed):
            step(run, **values)
        return self

    def close(self, by: str = "client", code: int | None = 1000, connection: str = "c1", **values: Any) -> "Talk":
        return self.add(Closed, connection, by=by, code=code, **values)

    def cut(self, way: str, where: str = "", connection: str = "c1", **values: Any) -> "Talk":
        return self.add(Cut, connection, way=way, where=where, **values)

    def restore(self, connection: str, last_seq: int, *, answered: bool = True, thread: str = "t1") -> "Talk":
        """The thread is asked for, and, unless something is to be shown first, said to be restored."""
        self.send("restore", connection, thread=thread, last_seq=last_seq)
        return self.restored(connection, thread) if answered else self

    def restored(self, connection: str, thread: str = "t1") -> "Talk":
        return self.frame({"type": "session_restored", "thread_id": thread, "replayed": 0}, connection)

    def timeout(self, waiting_for: str, after_s: float, connection: str = "c1", **values: Any) -> "Talk":
        self.wait(after_s)
        return self.add(TimedOut, connection, waiting_for=waiting_for, after_s=after_s, **values)

    def model_call(self, state: str, request: str = "q1", connection: str = "c1", **values: Any) -> "Talk":
        """What the scripted model says of a call; it began 0.1 s after the request, and ends now if it has ended."""
        number = 1 + sum(isinstance(record, ModelCall) for record in self.records)
        ended_at = None if state == "under way" else values.pop("ended_at", self.at)
        values = {"began_at": 0.4, **values, "number": number, "ended_at": ended_at, "state": state}
        return self.add(ModelCall, connection, request=request, **values)

    def last_text(self) -> str:
        """The text of the last frame that came."""
        last = self.records[-1]
        assert isinstance(last, Received)
        return last.text or ""

    def texts(self) -> list[str]:
        """The texts of all events that came, without the greeting."""
        texts = [record.text or "" for record in self.records if isinstance(record, Received)]
        return [text for text in texts if "connection_established" not in text]

    def findings(self) -> list[Finding]:
        """What the rules say of it."""
        checker = TraceChecker(self.profile, self.budgets, EPOCH_S)
        for record in self.records:
            checker.feed(record)
        checker.finish()
        return checker.findings

    def whole(self) -> list[Whole]:
        return [(f.rule, f.expected, f.actual, f.evidence) for f in self.findings()]

    def rules(self) -> set[str]:
        return {finding.rule for finding in self.findings()}


def asked(expect: Expect = TOOL_QUESTION, **values: Any) -> Talk:
    """Ada is connected and has asked; records 1 to 3."""
    return Talk().open().ask(expect=expect, **values)
