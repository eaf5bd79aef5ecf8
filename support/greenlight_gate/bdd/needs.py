"""What a scenario needs of its target, read from its sentences before it begins.

Each step that cannot do without a prompt, a capability or a frame of the profile says so by its wording. What a
scenario finds out only while it runs (an answer that is over too soon, a greeting without a limit) is not known here.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from greenlight_gate.bdd.parameters import TYPES, question
from greenlight_gate.client.forged_tokens import FORGERIES
from greenlight_gate.session.pace import what_limits
from greenlight_gate.session.validation_session import HTTP, RUN_RESUMED, ValidationSession

# A frame of the profile that a step sends; and what is no capability or prompt of a target file.
SEND = "send."
STRESS = "limits.allow_stress"
# So many users at once.
_USERS = "limits.users."
# An invalid token, by its kind.
_INVALID = "auth.token."
# A fault of the scripted model.
_FAULT = "model."

# (wording of a step, what it needs), in the form of `Target.lacks`, or send.FRAME.
_OF_STEPS: Sequence[tuple[str, tuple[str, ...]]] = (
    (r" connects with (?!a valid token)", ("authentication",)),
    (r", with a token that expires within ", ("auth.obtain",)),
    (r" connects again with the same token$", ("budgets.token_leeway_s",)),
    (r" with a token that expires | with an expired token, ", ("authentication",)),
    (r" connects with a token that was signed out$", ("logout",)),
    (r"second tab restores |other tab follows |asks to restore | leaves once a tool has started, ", ("resume",)),
    (r" resumes from ", ("resume",)),
    (r" resumes the conversation with ", ("authentication", "resume")),
    (r" to the address of .* channel$", ("endpoint_needs_token",)),
    (r"^that answer is |reloads the page |connection is lost and restored ", RUN_RESUMED),
    (r"^all of them reconnect at the same moment$|, and is reopened on the other replica$", RUN_RESUMED),
    (r"client sends a ping\b", ("ping",)),
    (r"client sends a WebSocket ping|client sends \d+ pings |connection stops responding ", ("websocket",)),
    (r" stops the |tries to stop |, and in the first tab twice$", ("stop",)),
    (r" stops it before its first event$", ("early_stop",)),
    (r" stops the run that has ended$", ("stop_by_message",)),
    (r"question at which the model |keeps the model busy$|each prompt to the model ", ("model",)),
    (r"tries to stop ", ("long_running", f"{SEND}stop")),
    (r" tries to (ask|stop|approve) .* with ", ("authentication",)),
    (r" tries to ask .* with ", ("start_request",)),
    (r" tries to stop .* with ", ("stop_request",)),
    (r" tries to approve .* with ", ("respond_request",)),
    (r" asks in .*'s conversation\b", ("foreign.start",)),
    (r" asks to restore .*'s conversation\b", ("foreign.restore",)),
    (r" tries to stop .*'s run$", ("foreign.stop",)),
    (r" tries to approve what .* is asked$", ("foreign.respond",)),
    (r" with the id of .*'s request$", ("request_id",)),
    (r"connection stops responding |sends a heartbeat ", ("heartbeat",)),
    (r"sends a heartbeat |later than a proxy ends idle connections$", ("announced_heartbeat",)),
    (r" asks at the same moment:$| \d+ times at the same moment$| begins .* \d+ times$", ("connection.runs",)),
    (r" on the same connection before it is answered$", ("second_request",)),
    (r"^the backend is (restarted|killed) ", ("start",)),
    (r" connection is lost during the handshake$", ("connection.opening",)),
    (r" the size limit$", ("limits.accepts_message_bytes",)),
    (r" receives agent_thinking ", ("agent_thinking",)),
    (r"\bonce (a|its) tool has started\b| receives tool_executing |^the answer shows no tool$", ("tool_executing",)),
    (r" receives tool_executing .* before | receives the result of each tool$", ("tool_completed",)),
    (r" continue with .* and .* at the same moment$| continues with .* and .* at the same moment$", ("parallel_runs",)),
    (r" behind a proxy that buffers answers$", (HTTP, "unbuffered")),
    (r", which a proxy sends again$", (HTTP, "one_run_per_request")),
    (r"later than a proxy ends idle connections$", ("approval", "heartbeat", f"{SEND}respond")),
    (r" twice, with the same request id$", ("one_run_per_request",)),
    (r" (first|second|other) replica\b| two replicas$|each replica in turn", ("replicas",)),
    (r" told one replica a secret", ("isolation", "remember", "recall", "resume", "replicas")),
    (r"^(Redis|PostgreSQL) restarts |^the sign-in service is stopped$", ("services",)),
    (r" (told|tells) the assistant a secret$", ("isolation",)),
    (r" for the soak time$| connect and disconnect \d| leave for good ", ("memory_probe",)),
    (r"^the users of the stress scale$", (STRESS, f"{_USERS}scale", "with_tool")),
    (r"after a question that needs tools|exactly the size limit|to another question$", ("with_tool",)),
    (r"at a steady rate$| ask for \d+ ms, each with a pause ", ("with_tool",)),
    (r" something to remember, and then ask for it$", ("remember", "recall")),
    (r"client sends (?!a ping|a WebSocket ping|a question|\d)|other users' clients send:$", ("errors",)),
    (r" changes the last question ", (f"{SEND}edit",)),
    (r" claims .* user id ", (f"{SEND}claim",)),
    (r"tries to approve what ", ("approval",)),
    (r" what the assistant asks$|when the assistant asks$|tries to approve what ", (f"{SEND}respond",)),
)
_NEEDED = tuple((re.compile(wording), needs) for wording, needs in _OF_STEPS)
_CROWD = re.compile(r"(?<! to )(?<! of )\b(\d+) (?:users|connections of users) ")
_FAILING = re.compile(r"question at which the model (.+)$")
_CONNECTS = re.compile(r" connects with (.+)$")
_QUESTIONS = re.compile("|".join(map(re.escape, sorted(TYPES["Question"].texts, key=len, reverse=True))))
# The prompt of these steps may be another one.
_ANY_PROMPT = re.compile(r"token expires during the answer|after a question that needs tools")
# The answer is not over when the user is back.
_LOST_IN_RUN = re.compile(r"loses? (its|their) connections? once |connection is lost once ")
_BACK = re.compile(" reconnects")


class Lack(NamedTuple):
    """What a target lacks for a scenario: by its name in a target file or profile, and in words."""

    need: str
    reason: str


def needs_of(scenario: Any) -> list[str]:
    """All that a scenario of behave needs, in the order of its steps."""
    found: dict[str, None] = {}
    lost = False
    for step in scenario.all_steps:
        sentence = str(step.name)
        found |= dict.fromkeys(_of_sentence(sentence))
        for row in step.table or ():
            found |= dict.fromkeys(name for cell in row.cells for name in _prompts(str(cell)))
        if lost and _BACK.search(sentence):
            found |= dict.fromkeys(RUN_RESUMED)
        lost = lost or bool(_LOST_IN_RUN.search(sentence))
    return list(found)


def _of_sentence(sentence: str) -> Iterator[str]:
    if not _ANY_PROMPT.search(sentence):
        yield from _prompts(sentence)
    failing = _FAILING.search(sentence)
    if failing and failing[1] in TYPES["ModelFault"].texts:
        yield f"{_FAULT}{TYPES['ModelFault'].convert(failing[1])}"
    connecting = _CONNECTS.search(sentence)
    if connecting and connecting[1] in FORGERIES:
        yield f"{_INVALID}{connecting[1]}"
    for found in _CROWD.finditer(sentence):
        yield f"{_USERS}{found[1]}"
    for wording, needs in _NEEDED:
        if wording.search(sentence):
            yield from needs


def _prompts(text: str) -> Iterator[str]:
    for found in _QUESTIONS.finditer(text):
        yield question(found[0])


def lacking(scenario: Any, suite: ValidationSession) -> list[Lack]:
    """What the session's target and profile lack of all that a scenario needs."""
    return [lack for need in needs_of(scenario) if (lack := _lack(need, suite)) is not None]


def _lack(need: str, suite: ValidationSession) -> Lack | None:
    target, profile = suite.target, suite.profile
    if need.startswith(_USERS):
        users = need.removeprefix(_USERS)
        limit = what_limits(target.limits, suite.plan.scale if users == "scale" else int(users))
        return Lack(limit[0], f"{target.name} {limit[1]}") if limit is not None else None
    if need.startswith(_INVALID):
        return _unmakable(need, suite)
    if need.startswith(_FAULT):
        fault = need.removeprefix(_FAULT)
        known = suite.model is None or suite.model.script.faulty(fault) is not None
        return None if known else Lack("model", f"the script of the model has no answer with the fault {fault}")
    if need.startswith(SEND):
        frame = need.removeprefix(SEND)
        reason = None if profile.can_send(frame) else f"the profile {profile.name} has no [send.{frame}]"
    elif need == STRESS:
        reason = None if target.limits.allow_stress else f"{target.name} does not allow stress tests ({STRESS})"
    else:
        reason = suite.lacks(need)
    return None if reason is None else Lack(need, reason)


def _unmakable(need: str, suite: ValidationSession) -> Lack | None:
    """Why there is no such invalid token, as far as the tokens of the target are known by now."""
    kind, persona = need.removeprefix(_INVALID), suite.target.personas[0]
    honest = suite.access.known_token(persona)
    if honest is None or FORGERIES[kind](suite.access, persona, honest) is not None:
        return None
    return Lack(need, f"{kind} cannot be made for {suite.target.name} (auth)")


class Forecast(NamedTuple):
    """How many scenarios of each category would run, and how many need what is missing, by its name."""

    runs: Mapping[str, int]
    total: Mapping[str, int]
    missing: Mapping[str, int]


def forecast(scenarios: Iterable[tuple[str, Any]], suite: ValidationSession) -> Forecast:
    """The forecast for scenarios (category, scenario) against the session's target."""
    runs: dict[str, int] = {}
    total: dict[str, int] = {}
    missing: dict[str, int] = {}
    for category, scenario in scenarios:
        found = lacking(scenario, suite)
        total[category] = total.get(category, 0) + 1
        runs[category] = runs.get(category, 0) + (not found)
        for lack in found:
            missing[lack.need] = missing.get(lack.need, 0) + 1
    return Forecast(runs, total, missing)
