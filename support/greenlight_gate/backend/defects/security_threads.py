"""Defects in what becomes of a conversation in which another user has asked."""

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


@defect("incoming", "ISOLATION-1")
def question_refused_meanwhile_kept(connection: ServedConnection, message: Body) -> Body:
    """A question that is refused while another user's conversation is answered is kept there."""
    return refused_question_kept(connection, message) if _runs_in(connection, message) else message


@also("question_refused_meanwhile_kept", "answer")
def _recall_refused_meanwhile(run: AgentRun, answer: str) -> str:
    return _recall_refused(run, answer)


@defect("incoming", "REFUSAL-2")
def running_answer_doubled_by_any_asker(connection: ServedConnection, message: Body) -> Body:
    """A user who asks in another user's conversation while it is answered is refused, and that answer comes twice."""
    if isinstance(connection.hub, Hub):
        connection.hub.notes.setdefault("answers to double", set()).update(_runs_in(connection, message))
    return message


@also("running_answer_doubled_by_any_asker", "answer")
def _doubled(run: AgentRun, answer: str) -> str:
    hub = run.connection.hub if run.connection is not None else None
    doubled = hub.notes.get("answers to double", ()) if isinstance(hub, Hub) else ()
    return f"{answer} {answer}" if run.run_id in doubled else answer


def _runs_in(connection: ServedConnection, message: Body) -> set[str]:
    """The runs of other users in the conversation in which a message asks."""
    payload, hub = message.get("payload"), connection.hub
    if not isinstance(payload, dict) or not isinstance(hub, Hub):
        return set()
    runs = [run for run in hub.runs.under_way() if run.thread_id == payload.get("thread_id")]
    return {run.run_id for run in runs if run.user_id != connection.user_id}
