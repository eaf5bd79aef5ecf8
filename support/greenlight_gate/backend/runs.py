"""A run: one question to one answer, from the start to exactly one end."""

import asyncio
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from greenlight_gate.backend.connection import ServedConnection

ASSISTANT = "assistant"
HELPER = "helper"


APPROVE, DENY, EXPIRED = "approve", "deny", "expired"


@dataclass(eq=False)
class AgentRun:
    """One run. `request_id` is the client's own, a string, a number or None; `parent` is set for a sub-agent's run.

    `asked`: what is asked of the user, by its id, and the answer once it has come; `call_ids`: of the tool calls that
    are still to be made, in their order. `watchers`: connections, beside its own, that wait for its end. `notes` is
    for defects.
    """

    request_id: str | int | None
    thread_id: str
    user_id: str
    question: str
    connection: ServedConnection | None = None
    agent_name: str = ASSISTANT
    parent: "AgentRun | None" = None
    run_id: str = field(default_factory=lambda: f"run-{uuid.uuid4().hex}")
    started_s: float = field(default_factory=time.perf_counter)
    counts: Counter[str] = field(default_factory=Counter)
    helpers: list["AgentRun"] = field(default_factory=list)
    last_stamp_us: int = 0
    ended: bool = False
    stop_reason: str = ""
    answer: str = ""
    work: asyncio.Task[None] | None = None
    asked: dict[str, asyncio.Future[str]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    call_ids: list[str] = field(default_factory=list)
    watchers: list[ServedConnection] = field(default_factory=list)

    @property
    def root(self) -> "AgentRun":
        """The run that the user requested."""
        return self if self.parent is None else self.parent.root

    @property
    def elapsed_ms(self) -> float:
        """How long the run has taken so far."""
        return round((time.perf_counter() - self.started_s) * 1e3, 3)

    def helper(self, task: str) -> "AgentRun":
        """Return a new run of a sub-agent for this task."""
        run = AgentRun(self.request_id, self.thread_id, self.user_id, task, self.connection, HELPER, self)
        self.helpers.append(run)
        return run
