"""The users of a load: personas of the target, with their tokens and their prompts."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

from greenlight_gate.client.connecting import ConnectionSetup, user_shown
from greenlight_gate.client.cookies import CookieJar
from greenlight_gate.load.plan import LoadPlan, PlannedPrompt, PlannedUser
from greenlight_gate.session.compatibility import hindrance_of
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.targets.model import PROMPTS
from greenlight_gate.targets.sections import Persona
from greenlight_gate.targets.settings import Misconfigured

# Sent first, so that an answer has to contain each user's own canary.
_OPENING = ("remember", "recall")
# A token from `Access` has at least this share of its lifetime left; longer loads mint tokens that outlast them.
_LIFETIME_LEFT = 0.1
_SPARE_S = 600


def usual_prompts(suite: ValidationSession) -> tuple[tuple[str, ...], int]:
    """The prompts of a load by default, and the number of the one from which they repeat."""
    target = suite.target
    main = next((name for name in PROMPTS if target.lacks(name) is None), PROMPTS[0])
    if main not in _OPENING and all(target.lacks(name) is None for name in _OPENING):
        return (*_OPENING, main), len(_OPENING)
    return (main,), 0


async def planned_users(
    suite: ValidationSession, count: int, prompts: Sequence[str], again_from: int = 0, *, seconds: float = 0.0
) -> tuple[PlannedUser, ...]:
    """`count` users, whose tokens are valid for at least `seconds`.

    Raises Misconfigured if the target has fewer users, or if the load engine cannot speak its profile.
    """
    hindrance = hindrance_of(suite.profile)
    if hindrance is not None:
        raise Misconfigured(f"profile {suite.profile.name}: it cannot be used for a load: {hindrance}")
    users = suite.target.users(count)
    if len(users) < count:
        raise Misconfigured(
            f"{suite.target.name}: {count} users are needed, but only {len(users)} have an account ([[personas]])"
        )
    return tuple([await _planned(suite, persona, prompts, again_from, seconds) for persona in users])


async def _planned(
    suite: ValidationSession, persona: Persona, prompts: Sequence[str], again_from: int, seconds: float
) -> PlannedUser:
    target, access = suite.target, suite.access
    canary = suite.canary(persona)
    if access.can_mint and seconds > _LIFETIME_LEFT * target.auth.lifetime_s:
        token = access.mint(persona, exp=int(time.time()) + int(seconds) + _SPARE_S)
    else:
        token = await access.token_for(persona)
    questions = tuple(
        PlannedPrompt(target.question(name, canary), target.expectation(name, canary)) for name in prompts
    )
    user = user_shown(persona, target, suite.profile.spec)
    setup = ConnectionSetup(target, suite.profile, persona, token, {}, jar=CookieJar())
    return PlannedUser(
        persona.name, user, setup.url, questions, again_from, setup.headers, tuple(setup.subprotocols),
        token.first_message,
    )  # fmt: skip


def plan_of(suite: ValidationSession, planned: tuple[PlannedUser, ...], **values: Any) -> LoadPlan:
    """A plan for this target; `values` are further fields of the plan."""
    target = suite.target
    return LoadPlan(
        id=uuid.uuid4().hex, profile_toml=suite.profile_toml, users=planned, budgets=target.budgets, clock=target.clock,
        tls=target.tls, max_frame_bytes=target.limits.max_frame_bytes, hung_tools=tuple(suite.patience.hung), **values,
    )  # fmt: skip
