"""What `greenlight doctor` says at its end: the next step, by what has come."""

import shlex

from greenlight_gate.cli.options import HERE
from greenlight_gate.cli.views.frames import FrameSummary
from greenlight_gate.client.recorder import Recorder
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import Control
from greenlight_gate.findings import broken_rules
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.trace import Closed, Opened


def said(error: Control) -> str:
    """An error of the backend in words; by HTTP it may have no code but its status, or be a page."""
    code, text, status = (error.values.get(name) for name in ("code", "text", "status"))
    if status is not None and code == str(status):
        words = str(text or "")
        return (
            words if words.startswith("HTTP ") else " ".join(filter(None, (f"HTTP {status}", words and f"({words})")))
        )
    return " ".join(str(part) for part in ("the error", code, f"({text})" if text else "") if part)


def error_in_place_of(question: UserRequest | None) -> Control | None:
    """The error that answered a request in place of a run."""
    return question.outcome.error if question is not None and question.outcome is not None else None


def next_step(
    suite: ValidationSession, recorder: Recorder, summary: FrameSummary, question: UserRequest | None, *,
    as_declared: bool,
) -> str:  # fmt: skip
    """The next step after an examination that has asked."""
    environment, name = suite.plan.environment, suite.profile.name
    where = "" if environment == HERE else f" --environment {shlex.quote(environment)}"
    # No frame ends an answer whose connection is at fault.
    is_lost = any(finding.rule.startswith("CONNECTION-") for finding in recorder.findings)
    if (not is_lost or summary.unmapped) and (advice := _on_the_answer(suite, summary, question)):
        return advice
    if recorder.findings:
        return (
            f"correct {broken_rules(recorder.findings)} (expected and got are listed above) in the backend, or in the "
            f"profile {name} if it reads a frame wrongly; then greenlight doctor{where}"
        )
    if not as_declared:
        return f"correct what says no above, or declare that this target cannot do it; then greenlight doctor{where}"
    if missing := " and ".join(kind for kind in summary.missing if kind not in suite.target.accepted_gaps):
        return f"map {missing} in the profile {name}, or give the reason under [absent]; then greenlight run{where}"
    return f"greenlight run{where}"


def _on_the_answer(suite: ValidationSession, summary: FrameSummary, question: UserRequest | None) -> str:
    """The next step where the first answer was not read as one; "" where it was."""
    name = suite.profile.name
    if summary.unmapped:
        return _map_frames(suite)
    if (error := error_in_place_of(question)) is not None:
        return f"correct [send.start] of the profile {name}, or the prompt: the backend answers it with {said(error)}"
    if question is None or not question.has_end:
        return f"find the frame that ends the answer above, and map it to agent_completed in the profile {name}"
    if question.answer is None:
        return f"say where the answer stands in the frame that ends it: `text` of agent_completed in the profile {name}"
    if all(event.run is None for event in question.events):
        _, paths = suite.profile.spec.every.get("run", (None, ()))
        return f"say where the id of a run stands: `run` of [every] in the profile {name} finds nothing at {_or(paths)}"
    return ""


def after_failure(suite: ValidationSession, recorder: Recorder, summary: FrameSummary) -> str:
    """The next step where no connection came about, as far as what came says it; "" where it does not."""
    name = suite.profile.name
    records = [entry.record for entry in recorder.entries]
    opened = any(isinstance(record, Opened) for record in records)
    if opened and summary.unmapped:
        return f"{_map_frames(suite)}; the one that says that the backend is ready is [controls.ready]"
    refused = any(isinstance(record, Closed) and record.status is not None for record in records)
    if refused and not opened:
        return f"check url and [auth] of the target, and [connection] of the profile {name}: what does the backend log?"
    return ""


def _map_frames(suite: ValidationSession) -> str:
    """How unmapped frames are mapped in this profile."""
    name = suite.profile.name
    if suite.profile.spec.frame.kind and not suite.profile.spec.rules:
        paths = _or(suite.profile.spec.frame.kind)
        return f"name the kinds of the unmapped frames (at {paths}) in `kinds` of [events.KIND] in the profile {name}"
    return f"add rules to the profile {name} for the unmapped frames: [[event]] or [[ignore]] with a reason"


def _or(paths: tuple[str, ...]) -> str:
    return " or ".join(paths) or "no path"
