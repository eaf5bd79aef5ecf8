"""What a run against a target would exercise: scenarios of each category, what opens more, and how long it takes."""

from collections.abc import Iterator

from greenlight_gate.bdd.needs import SEND, forecast
from greenlight_gate.bdd.needs_page import scenarios
from greenlight_gate.client.request import UserRequest
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.targets.model import CAPABILITIES, PROMPTS

_MOST_SHOWN = 8
# Of each scenario, that of a usual one: several users, and some requests after each other.
_ANSWERS_EACH = 3
# An answer of n events is cut at 2 n + 1 places in four ways, each with two requests, up to 24 at a time.
_WAYS, _CUTS_AT_ONCE = 4, 24


def forecast_lines(suite: ValidationSession, question: UserRequest, answer_s: float) -> Iterator[str]:
    """The lines of the forecast; `answer_s`: how long the answer to `question` took."""
    found = forecast(scenarios(), suite)
    runs, total = sum(found.runs.values()), sum(found.total.values())
    yield f"\nForecast: {runs} of {total} scenarios would run, in about {_minutes(suite, question, answer_s, runs)}."
    yield "  " + ", ".join(f"{category} {found.runs[category]} of {count}" for category, count in found.total.items())
    missing = sorted(found.missing.items(), key=lambda each: (-each[1], each[0]))
    if missing:
        shown = ", ".join(f"{_key(need)} ({count})" for need, count in missing[:_MOST_SHOWN])
        more = f", and {len(missing) - _MOST_SHOWN} more" if len(missing) > _MOST_SHOWN else ""
        yield f"  missing, with the scenarios that need it: {shown}{more}"


def _key(need: str) -> str:
    """Where a need is declared."""
    if need in PROMPTS:
        return f"[prompts.{need}]"
    if need in CAPABILITIES:
        return f"capabilities.{need}"
    return f"[{need}] of the profile" if need.startswith(SEND) else need


def _minutes(suite: ValidationSession, question: UserRequest, answer_s: float, runs: int) -> str:
    """How long that many scenarios take at the pace of this answer, one after the other."""
    seconds = runs * _ANSWERS_EACH * answer_s
    if suite.lacks("resume") is None:
        places = 2 * len(question.events) + 1
        at_once = min(_CUTS_AT_ONCE, max(1, (suite.target.limits.max_connections - 1) // 2))
        seconds += 2 * places * _WAYS / at_once * answer_s
    if suite.target.limits.allow_stress:
        seconds += 2 * suite.plan.soak_s
    return f"{max(1, round(seconds / 60))} min"
