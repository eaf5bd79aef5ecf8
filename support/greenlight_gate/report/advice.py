"""Likely causes of a finding or of a criterion that is not met, and the command that shows more."""

import shlex
from typing import NamedTuple

from greenlight_gate.evidence.session_folder import UNKNOWN
from greenlight_gate.rules.engine.suite_stalls import AGAIN
from greenlight_gate.verdict.criteria import Status


class Advice(NamedTuple):
    """Likely causes, the likeliest first, and the next command."""

    causes: tuple[str, ...]
    command: str


_VERBOSE = "greenlight verdict --verbose {session}"
# The targets that ship; any other is named by its own file.
_SHIPPED = ("embedded", "embedded-sse", "embedded-channel", "local", "staging")
_DOCTOR = "greenlight doctor --environment {target}"
_HISTORY = "greenlight history --environment {environment}"

_BY_FAMILY: dict[str, Advice] = {
    "LIFECYCLE": Advice(
        ("a step of the agent is never sent", "an exception in a task that is never awaited",
         "the profile maps the frame to another kind"), _VERBOSE),
    "PAIRING": Advice(
        ("no callback for the end of a tool, or none for its failure", "call ids are not unique"),
        _VERBOSE),
    "IDENTITY": Advice(
        ("several runs share one variable for the id", "a default value is sent before the id is known"),
        _VERBOSE),
    "ISOLATION": Advice(
        ("events are sent to all connections, or to the newest one", "users share an agent or its memory",
         "a cache key without the user",
         "the profile has no [scope] that says which frames are a user's own"), _VERBOSE),
    "CONTENT": Advice(
        ("objects are converted to text instead of JSON", "timestamps without a time zone", "a fallback text is sent"),
        _VERBOSE),
    "TIMELINESS": Advice(
        ("a call blocks the event loop", "a buffer between the agent and the socket", "a slow model or tool"),
        _VERBOSE),
    "CONTINUITY": Advice(
        ("events are not stored while a client is disconnected", "retries send events again",
         "two tasks write to one connection"),
        _VERBOSE),
    "CONNECTION": Advice(
        ("a valid token is refused", "the backend sends no message that it is ready", "a proxy closes connections"),
        _DOCTOR),
    "REFUSAL": Advice(
        ("the token is read but not verified", "ids from the client are trusted", "bad input is dropped silently"),
        _DOCTOR),
}  # fmt: skip
# Where the causes of its family do not explain a rule.
_BY_RULE: dict[str, Advice] = {
    "PAIRING-3": Advice(
        ("one of the two events is built without the tool's name",
         "the two events name the tool differently, such as by its function and by its title",
         "the profile reads the name from the wrong field"), _VERBOSE),
}  # fmt: skip
_BY_CRITERION: dict[str, Advice] = {
    "SCENARIOS": Advice(("see the first failed scenario, below",), _VERBOSE),
    "ROUNDS": Advice(("see the rounds with findings, below",), _VERBOSE),
    "RULES": Advice(("see the first finding of each rule, below",), _VERBOSE),
    "REPEATS": Advice(
        ("two tasks race", "state that is left of an earlier request", "a limit that only some runs reach"), _VERBOSE
    ),
    "COMPLETENESS": Advice(("one kind of event is never sent", "the profile maps it to another kind"), _DOCTOR),
    "SUCCESS": Advice(("connections are refused or break", "runs end early"), _VERBOSE),
    "LATENCY": Advice(("the event loop is blocked", "too little CPU time", "a slow network"), _VERBOSE),
    "FAILURES": Advice(("a limit of the model or of a pool is reached", "requests wait for too long"), _VERBOSE),
    "ISOLATION": _BY_FAMILY["ISOLATION"],
    "RECOVERY": Advice(("a reconnect waits for a timeout", "missed events are read slowly"), _VERBOSE),
    "BASELINE": Advice(("a change since the earlier sessions", "the machine is busier than before"), _HISTORY),
    "MEMORY": Advice(("something is kept for each run and never released",), "greenlight run --categories stress"),
    "PATTERNS": Advice(("see the patterns below: each says where to look",), _VERBOSE),
    "WAIVERS": Advice(
        (
            "what was waived is not mended in time",
            "what was waived is mended: remove its [[waiver]] of the target file",
        ),
        _VERBOSE,
    ),
    "EVIDENCE": Advice(
        ("the session ended early", "a file was changed after the run", "the disk is full"),
        "greenlight run --environment {target}",
    ),
}
# Where the suite's machine was busy, nothing else is known.
_BUSY = Advice((f"this machine was busy with other work: {AGAIN}",), "greenlight run --environment {target}")
# A criterion that is INCONCLUSIVE has other causes than one that FAILED.
_BY_UNKNOWN: dict[str, Advice] = {
    "SCENARIOS": Advice(("the session ended early", "the tags match no scenario", "see the first broken scenario",
         "the target file leaves out prompts or capabilities without a reason in accepted_gaps"), _VERBOSE),
    "ROUNDS": Advice(
        ("of rounds without findings no traces are kept, so that they prove nothing",),
        "greenlight run --environment {target}"),
    "RULES": Advice(("no user was connected, or no event was received",), _DOCTOR),
    "COMPLETENESS": Advice(("no request that needs a tool was answered",), _DOCTOR),
    "SUCCESS": Advice(("no user sent a request",), _DOCTOR),
    "FAILURES": Advice(("no user sent a request",), _DOCTOR),
    "LATENCY": Advice(
        ("no answer was received", "the server's clock is not known"), "greenlight run --environment {target}"),
    "ISOLATION": Advice(
        ("no user received their own canary, so the check proves nothing", "runs end early"),
        _VERBOSE),
    "RECOVERY": Advice(("no connection was cut", "no user reconnected"), _VERBOSE),
    "MEMORY": Advice(("the backend's memory cannot be read", "it was measured for too short a time"), _DOCTOR),
    "BASELINE": Advice(("too few comparable sessions were approved before",), _HISTORY),
    "PATTERNS": Advice(("no event was received",), _DOCTOR),
}  # fmt: skip


def on_rule(rule: str, session: str, environment: str, *, target: str = "") -> Advice:
    """Advice on a finding. `session`, `environment` and `target` go into the command: see `target_name`."""
    family = _BY_FAMILY.get(rule.partition("-")[0], _BY_CRITERION["SCENARIOS"])
    return _filled(_BY_RULE.get(rule, family), session, environment, target)


def on_criterion(
    name: str, status: Status, session: str, environment: str, measured: str = "", *, target: str = ""
) -> Advice | None:
    """Advice on a criterion that is not met; None for one that is. `measured`: what it says of itself."""
    if status in (Status.PASSED, Status.WAIVED):
        return None
    if status is Status.INCONCLUSIVE and AGAIN in measured:
        return _filled(_BUSY, session, environment, target)
    if status is Status.INCONCLUSIVE and name in _BY_UNKNOWN:
        return _filled(_BY_UNKNOWN[name], session, environment, target)
    return _filled(_BY_CRITERION.get(name, _BY_CRITERION["SCENARIOS"]), session, environment, target)


def run_again(environment: str, target: str = "") -> str:
    """The command that judges the same target again."""
    return _filled(_BUSY, "", environment, target).command.removesuffix(" --environment embedded")


def target_name(environment: str, given: str = "") -> str:
    """What `--environment` takes: `given`, or else what the name of a target says, which is not that of its file."""
    return given or (environment if environment in {*_SHIPPED, UNKNOWN} else "FILE.toml")


def _filled(advice: Advice, session: str, environment: str, given: str = "") -> Advice:
    target = shlex.quote(target_name(environment, given))
    command = advice.command.format(session=session, environment=environment, target=target)
    return Advice(advice.causes, command.replace(f" --environment {UNKNOWN}", ""))
