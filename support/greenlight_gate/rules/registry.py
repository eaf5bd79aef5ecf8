"""The rules by id, with their severity and the sentence that reports print.

The table in `rules/README.md` is generated from here (`python -m greenlight_gate.rules.registry`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from greenlight_gate.findings import Severity


class Rule(NamedTuple):
    """One promise to a person: its id, how bad a breach is, and the requirement in one sentence."""

    id: str
    severity: Severity
    requirement: str


_CRITICAL = Severity.CRITICAL
_NORMAL = Severity.NORMAL

_ALL = (
    Rule("LIFECYCLE-1", _NORMAL, "A run's first event is agent_started, exactly once."),
    Rule("LIFECYCLE-2", _CRITICAL, "A run ends exactly once: completed, failed or stopped."),
    Rule("LIFECYCLE-3", _NORMAL, "Nothing of a run arrives after its end."),
    Rule("LIFECYCLE-4", _NORMAL, "agent_thinking is seen between start and end, where the question requires it."),
    Rule("LIFECYCLE-5", _CRITICAL, "A question that needs a tool shows all five kinds."),
    Rule("PAIRING-1", _NORMAL, "Each tool_completed closes one open tool_executing."),
    Rule("PAIRING-2", _NORMAL, "Every tool_executing is closed before the run completes."),
    Rule("PAIRING-3", _NORMAL, "Tools are named, and the same in both events."),
    Rule("IDENTITY-1", _CRITICAL, "Every event carries the run id of the run that was asked for."),
    Rule("IDENTITY-2", _CRITICAL, "Thread and user ids are the asker's."),
    Rule("ISOLATION-1", _CRITICAL, "Nothing on a user's connection holds another user's canary."),
    Rule("ISOLATION-2", _CRITICAL, "No frame on a user's connection belongs to another user's run, thread or id."),
    Rule("ISOLATION-3", _CRITICAL, "The check itself works: the user's own canary was seen on their own connection."),
    Rule("CONTENT-1", _NORMAL, "The fields that the profile requires are there, with their types, not empty."),
    Rule("CONTENT-2", _NORMAL, "Frames are well-formed: UTF-8, JSON, and no serialiser debris."),
    Rule("CONTENT-3", _NORMAL, "Timestamps lie within the allowed skew and do not run backwards inside a run."),
    Rule("CONTENT-4", _CRITICAL, "The answer answers the question."),
    Rule("CONTENT-5", _CRITICAL, "No token, secret or stack trace is sent to a user."),
    Rule("CONTENT-6", _NORMAL, "A connection keeps one shape and one timestamp format for each kind of event."),
    Rule("TIMELINESS-1", _NORMAL, "agent_started comes within the start budget of the request."),
    Rule("TIMELINESS-2", _NORMAL, "The longest silence inside a run stays within budget."),
    Rule("TIMELINESS-3", _NORMAL, "Events arrive as they happen, not all at the end."),
    Rule("TIMELINESS-4", _NORMAL, "A tool and a run finish within their budgets."),
    Rule("CONTINUITY-1", _CRITICAL, "Over a lost connection no event is lost."),
    Rule("CONTINUITY-2", _NORMAL, "No event is delivered twice, and order holds."),
    Rule("CONTINUITY-3", _NORMAL, "Sequence numbers have no gap and no repeat."),
    Rule("CONNECTION-1", _CRITICAL, "The handshake finishes in time and the backend says that it is ready."),
    Rule("CONNECTION-2", _NORMAL, "A ping is answered while a run is under way."),
    Rule("CONNECTION-3", _NORMAL, "Closes carry a legal, meaningful code."),
    Rule("REFUSAL-1", _CRITICAL, "A connection without a valid token is refused."),
    Rule("REFUSAL-2", _CRITICAL, "Another user's conversation or run is refused, or a new one is given instead."),
    Rule("REFUSAL-3", _CRITICAL, "Access ends when the token expires, also on open connections."),
    Rule("REFUSAL-4", _NORMAL, "Malformed, oversized or unknown input gets a clear error, never silence."),
)

RULES: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in _ALL})


def as_markdown() -> str:
    """The rules as a Markdown table."""
    rows = [f"| {rule.id} | {rule.severity} | {rule.requirement} |" for rule in RULES.values()]
    return "\n".join(["| rule | severity | what is promised |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(as_markdown())
