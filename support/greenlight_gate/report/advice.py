"""What likely lies behind a finding or an open criterion, and which command shows more."""

from typing import NamedTuple

from greenlight_gate.evidence.session_folder import UNKNOWN
from greenlight_gate.verdict.decision import Status


class Advice(NamedTuple):
    """Likely causes, the likeliest first, and the next command."""

    causes: tuple[str, ...]
    command: str


_VERBOSE = "greenlight verdict --verbose {session}"
_DOCTOR = "greenlight doctor --environment {environment}"
_HISTORY = "greenlight history --environment {environment}"

_BY_FAMILY: dict[str, Advice] = {
    "LIFECYCLE": Advice(
        ("a step of the agent has no way to the socket", "an exception in a task that nobody awaits",
         "the profile calls the frame something else"), _VERBOSE),
    "PAIRING": Advice(
        ("the callback of a tool's end is not wired, or not for failures", "tool names or call ids are made twice"),
        _VERBOSE),
    "IDENTITY": Advice(
        ("an id is kept in a variable that several runs share", "a default is sent where the id is not known yet"),
        _VERBOSE),
    "ISOLATION": Advice(
        ("events are sent to all connections, or to the newest one", "an agent or its memory is shared by people",
         "a cache without the user in its key"), _VERBOSE),
    "CONTENT": Advice(
        ("objects are turned into text instead of JSON", "a clock without a time zone", "a fallback text stands in"),
        _VERBOSE),
    "TIMELINESS": Advice(
        ("a call that blocks the event loop", "a buffer between the agent and the socket", "a model or tool is slow"),
        _VERBOSE),
    "CONTINUITY": Advice(
        ("what is sent while a line is down is not kept", "retries send what has been sent", "two writers, one stream"),
        _VERBOSE),
    "CONNECTION": Advice(
        ("a valid pass is turned away", "nothing says that the backend is ready", "a proxy closes early"),
        _DOCTOR),
    "REFUSAL": Advice(
        ("the token is read but not checked", "ids of the client are trusted", "bad input is dropped without a word"),
        _DOCTOR),
}  # fmt: skip
_BY_CRITERION: dict[str, Advice] = {
    "SCENARIOS": Advice(("see the first scenario that failed, below",), _VERBOSE),
    "RULES": Advice(("see the first finding of each rule, below",), _VERBOSE),
    "COMPLETENESS": Advice(("a kind of event is never sent", "the profile calls it something else"), _DOCTOR),
    "SUCCESS": Advice(("connections are refused or break", "answers end early"), _VERBOSE),
    "LATENCY": Advice(
        ("the event loop is blocked", "too little processor time", "a slow network in between"), _VERBOSE
    ),
    "ISOLATION": _BY_FAMILY["ISOLATION"],
    "RECOVERY": Advice(("coming back waits for a time limit", "what was missed is looked up slowly"), _VERBOSE),
    "BASELINE": Advice(("a change since the sessions before", "a machine that is busier than it was"), _HISTORY),
    "MEMORY": Advice(("something is kept for each run and never taken out",), "greenlight run --categories stress"),
    "PATTERNS": Advice(("see the patterns below: each says where to look",), _VERBOSE),
    "EVIDENCE": Advice(
        ("the run was ended early", "another run used the same folders", "the disk is full"),
        "greenlight run --environment {environment}",
    ),
}
# Why something cannot be told has other causes than why it is broken.
_BY_UNKNOWN: dict[str, Advice] = {
    "SCENARIOS": Advice(("the run ended early", "the tags match nothing", "see the first that is broken"), _VERBOSE),
    "RULES": Advice(("no user was connected, or no event came",), _DOCTOR),
    "COMPLETENESS": Advice(("no question that needs a tool was answered",), _DOCTOR),
    "SUCCESS": Advice(("nobody came so far as to ask",), _DOCTOR),
    "ISOLATION": Advice(
        ("people never saw their own secret, so that nothing shows whether others would have", "answers end early"),
        _VERBOSE),
    "RECOVERY": Advice(("no line was cut", "nobody came back"), _VERBOSE),
    "MEMORY": Advice(("nothing shows the backend's memory", "it was watched for too short a time"), _DOCTOR),
    "BASELINE": Advice(("too few sessions like this one were approved before",), _HISTORY),
    "PATTERNS": Advice(("nothing was received",), _DOCTOR),
}  # fmt: skip


def on_rule(rule: str, session: str, environment: str) -> Advice:
    """Advice on a finding; `session` and `environment` go into the command."""
    return _filled(_BY_FAMILY.get(rule.partition("-")[0], _BY_CRITERION["SCENARIOS"]), session, environment)


def on_criterion(name: str, status: Status, session: str, environment: str) -> Advice | None:
    """Advice on a criterion that is not met; None for one that is."""
    if status is Status.PASSED:
        return None
    if status is Status.INCONCLUSIVE and name in _BY_UNKNOWN:
        return _filled(_BY_UNKNOWN[name], session, environment)
    return _filled(_BY_CRITERION.get(name, _BY_CRITERION["SCENARIOS"]), session, environment)


def _filled(advice: Advice, session: str, environment: str) -> Advice:
    command = advice.command.format(session=session, environment=environment)
    return Advice(advice.causes, command.replace(f" --environment {UNKNOWN}", ""))
