"""What a run against a target would exercise: scenarios of each category, what opens more, and how long it takes."""

from collections.abc import Iterator

from greenlight_gate.bdd.needs import SEND, forecast
from greenlight_gate.bdd.needs_page import scenarios
from greenlight_gate.bdd.world.proxied_user import ConnectionLoss
from greenlight_gate.client.request import UserRequest
from greenlight_gate.session.pace import cuts_at_once, cuts_take_s, cuts_that_fit
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.targets.model import CAPABILITIES, PROMPTS

_MOST_SHOWN = 8
# Of each scenario, that of a usual one: several users, and some requests after each other.
_ANSWERS_EACH = 3
# An answer of n events is cut at 2 n + 1 places in each way.
_WAYS = len(ConnectionLoss)


def forecast_lines(suite: ValidationSession, question: UserRequest, answer_s: float) -> Iterator[str]:
    """The lines of the forecast; `answer_s`: how long a usual answer took, of which `question` has one."""
    found = forecast(scenarios(), suite)
    runs, total = sum(found.runs.values()), sum(found.total.values())
    # Without an answer, nothing is known of the pace.
    minutes = f", in about {_minutes(suite, question, answer_s, runs)}" if question.has_end else ""
    yield f"\nForecast: {runs} of {total} scenarios would run{minutes}."
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
    if need == "model":
        return "[model], which `greenlight model` serves"
    return f"[{need}] of the profile" if need.startswith(SEND) else need


def _minutes(suite: ValidationSession, question: UserRequest, answer_s: float, runs: int) -> str:
    """How long that many scenarios take at the pace of the answers that came, one after the other."""
    seconds = runs * _ANSWERS_EACH * answer_s
    if suite.lacks("resume") is None:
        at_once = cuts_at_once(suite.target.limits)
        cuts = min((2 * len(question.events) + 1) * _WAYS, cuts_that_fit(at_once, answer_s))
        seconds += cuts_take_s(cuts, at_once, answer_s)
    if suite.target.limits.allow_stress:
        seconds += 2 * suite.plan.soak_s
    return f"{max(1, round(seconds / 60))} min, at {answer_s:.1f} s for an answer"
