"""Defects in what stays in a conversation of what another user has asked there."""

from greenlight_gate.backend import phrases
from greenlight_gate.backend.connection import ServedConnection
from greenlight_gate.backend.defects.registry import also, defect
from greenlight_gate.backend.frames import Body
from greenlight_gate.backend.hub import Hub
from greenlight_gate.backend.planner import make_plan
from greenlight_gate.backend.runs import AgentRun


@defect("incoming", "ISOLATION-1")
def refused_question_kept(connection: ServedConnection, message: Body) -> Body:
    """A question that is refused in another user's conversation is kept there."""
    payload, hub = message.get("payload"), connection.hub
    if isinstance(payload, dict) and isinstance(thread_id := payload.get("thread_id"), str) and isinstance(hub, Hub):
        asked = hub.notes.setdefault("asked in threads", {}).setdefault(thread_id, {})
        asked[connection.user_id] = str(payload.get("user_request"))
    return message


@also("refused_question_kept", "answer")
def _recall_refused(run: AgentRun, answer: str) -> str:
    hub = run.connection.hub if run.connection is not None else None
    asked = hub.notes.get("asked in threads", {}).get(run.thread_id, {}) if isinstance(hub, Hub) else {}
    others = [question for user_id, question in asked.items() if user_id != run.user_id]
    return phrases.recalled(others[-1]) if others and make_plan(run.question).recalls else answer
