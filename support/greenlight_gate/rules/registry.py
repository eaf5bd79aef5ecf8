"""The rules, with their severity and the requirement sentence that reports print.

A family is a file: `rules/<family>.py` reports the rules of its family, and no other code reports them.

The table in `rules/README.md` is generated from here (`python -m greenlight_gate.rules.registry`).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from greenlight_gate.findings import Severity
from greenlight_gate.rules.own import OwnRule


class Rule(NamedTuple):
    """A rule of the event contract: its id, the severity of a breach, and the requirement in one sentence.

    `check`: the class that judges a rule of a team's own, and `source` the package that it comes from.
    """

    id: str
    severity: Severity
    requirement: str
    check: type[OwnRule] | None = None
    source: str = ""

    @property
    def family(self) -> str:
        """The name of its family, and of the file that reports it: `content` for CONTENT-2."""
        return self.id.partition("-")[0].lower()


_CRITICAL = Severity.CRITICAL
_NORMAL = Severity.NORMAL

_ALL = (
    Rule("LIFECYCLE-1", _NORMAL, "A run's first event is agent_started, exactly once."),
    Rule("LIFECYCLE-2", _CRITICAL, "A run ends exactly once: completed, failed or stopped."),
    Rule("LIFECYCLE-3", _NORMAL, "No event of a run arrives after its end."),
    Rule("LIFECYCLE-4", _NORMAL, "agent_thinking arrives between start and end, where the prompt requires it."),
    Rule("LIFECYCLE-5", _CRITICAL, "A request that needs a tool shows all five kinds of event."),
    Rule("LIFECYCLE-6", _CRITICAL, "A run is stopped by a stop that names it, and by nothing else."),
    Rule("LIFECYCLE-7", _CRITICAL, "An answer that the model did not finish is not shown as a completed one."),
    Rule(
        "LIFECYCLE-8",
        _NORMAL,
        "A run and its calls to the model end when it is stopped, and when its user leaves, where that has to end it.",
    ),
    Rule("PAIRING-1", _NORMAL, "Each tool_completed closes one open tool_executing."),
    Rule("PAIRING-2", _NORMAL, "Every tool_executing is closed before the run completes."),
    Rule("PAIRING-3", _NORMAL, "Both events of a tool call name the tool, and name the same one."),
    Rule("IDENTITY-1", _CRITICAL, "Every event carries the run id of the requested run."),
    Rule("IDENTITY-2", _CRITICAL, "Thread and user ids are those of the user who sent the request."),
    Rule("ISOLATION-1", _CRITICAL, "Nothing on a user's connection contains another user's canary."),
    Rule("ISOLATION-2", _CRITICAL, "No frame on a user's connection belongs to another user's run, thread or user id."),
    Rule("ISOLATION-3", _CRITICAL, "The check itself works: each user's own canary was seen on their own connection."),
    Rule("ISOLATION-4", _CRITICAL, "No prompt to the model holds another user's canary."),
    Rule("CONTENT-1", _NORMAL, "Required fields are present, have their declared types, and are not empty."),
    Rule(
        "CONTENT-2",
        _NORMAL,
        "Frames are well-formed: valid UTF-8, valid JSON, no serialisation errors, and no text damaged by an encoding.",
    ),
    Rule("CONTENT-3", _NORMAL, "Timestamps lie within the allowed skew and do not run backwards within a run."),
    Rule(
        "CONTENT-4",
        _CRITICAL,
        "The answer contains what the prompt expects. It is no echo and no fallback text, and holds nothing of "
        "a stopped answer.",
    ),
    Rule("CONTENT-5", _CRITICAL, "No token, secret or stack trace is sent to a user."),
    Rule("CONTENT-6", _NORMAL, "A connection uses one shape and one timestamp format for each kind of event."),
    Rule("TIMELINESS-1", _NORMAL, "agent_started arrives within the start budget of the request."),
    Rule("TIMELINESS-2", _NORMAL, "The longest silence within a run stays within its budget."),
    Rule("TIMELINESS-3", _NORMAL, "Events arrive as they happen, not all at the end."),
    Rule("TIMELINESS-4", _NORMAL, "Each tool call and each run finishes within its budget."),
    Rule("TIMELINESS-5", _NORMAL, "A run that is stopped ends within the stop budget."),
    Rule("TIMELINESS-6", _NORMAL, "The end of a tool is shown when it ends, whatever else is still running."),
    Rule("CONTINUITY-1", _CRITICAL, "No event is lost when a connection is lost and resumed."),
    Rule("CONTINUITY-2", _NORMAL, "No event is delivered twice, and events keep their order."),
    Rule("CONTINUITY-3", _NORMAL, "Sequence numbers have no gap and no repeat."),
    Rule("INPUT-1", _CRITICAL, "The user is asked about a tool that needs their approval."),
    Rule("INPUT-2", _CRITICAL, "Nothing happens until the user has answered."),
    Rule("INPUT-3", _CRITICAL, "A tool that the user has denied, or that nobody has approved in time, does not run."),
    Rule("INPUT-4", _CRITICAL, "What the user has approved is what runs: the same tool, with the same arguments."),
    Rule("INPUT-5", _CRITICAL, "What is still asked of the user is shown again when the thread is restored."),
    Rule("INPUT-6", _CRITICAL, "A request for input is answered once: a second answer changes nothing."),
    Rule("INPUT-7", _NORMAL, "A request for input that nobody answers in time ends visibly."),
    Rule(
        "CONNECTION-1",
        _CRITICAL,
        "The handshake finishes in time, chooses a subprotocol if any was offered, and the backend reports that it is "
        "ready.",
    ),
    Rule(
        "CONNECTION-2",
        _NORMAL,
        "Pings, those of WebSocket included, are answered, and announced heartbeats sent, also while a run is in "
        "progress.",
    ),
    Rule("CONNECTION-3", _NORMAL, "Connections are closed with a legal and meaningful close code."),
    Rule("REFUSAL-1", _CRITICAL, "A connection, or a request, without a valid token is refused."),
    Rule(
        "REFUSAL-2",
        _CRITICAL,
        "A request for another user's thread or run is refused, or gets a new, empty thread; it changes no answer.",
    ),
    Rule("REFUSAL-3", _CRITICAL, "Access ends when the token is no longer valid, also on an open connection."),
    Rule("REFUSAL-4", _NORMAL, "Malformed, oversized or unknown input gets a clear error, never silence."),
)

RULES: Mapping[str, Rule] = MappingProxyType({rule.id: rule for rule in _ALL})
FAMILIES: Mapping[str, tuple[Rule, ...]] = MappingProxyType(
    {rule.family: tuple(other for other in _ALL if other.family == rule.family) for rule in _ALL}
)

# What says that something was late, did not come, or ended. While nobody read, the suite may have caused it itself:
# backends give up users who answer no ping.
CAUSED_BY_ABSENCE = (
    "CONNECTION-",
    "CONTINUITY-",
    "LIFECYCLE-2",
    "INPUT-7",
    "LIFECYCLE-6",
    "LIFECYCLE-8",
    "REFUSAL-",
    "TIMELINESS-",
)


# By these, users receive or reach what is not theirs: no other breach is graver.
_EXPOSING = ("CONTENT-5", "IDENTITY-2", "ISOLATION-", "REFUSAL-1", "REFUSAL-2", "REFUSAL-3")
# What a target that is ill breaks, whatever is asked of it.
_OF_ILLNESS = ("CONNECTION-", "LIFECYCLE-2", "TIMELINESS-")


def gravity(rule: str, severity: Severity) -> int:
    """The place of a broken rule among others: data and access that are exposed first, then what else is critical."""
    if rule.startswith(_EXPOSING):
        return 0
    return 1 if severity is Severity.CRITICAL else 2


def may_follow_from_illness(rule: str) -> bool:
    """Whether a target that no longer connects or answers in time breaks this rule as well."""
    return rule.startswith(_OF_ILLNESS)


def as_markdown() -> str:
    """The rules as a Markdown table."""
    rows = [f"| {rule.id} | {rule.severity} | {rule.requirement} |" for rule in RULES.values()]
    return "\n".join(["| rule | severity | requirement |", "|---|---|---|", *rows])


if __name__ == "__main__":
    print(as_markdown())
