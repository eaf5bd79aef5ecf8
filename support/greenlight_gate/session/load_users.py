"""The users of a load: personas of the target, with their tokens and their prompts."""

import math
import time
import uuid
from collections.abc import Sequence
from typing import Any

from greenlight_gate.load.plan import LoadPlan, PlannedPrompt, PlannedUser
from greenlight_gate.load.request_frames import speaks_plainly
from greenlight_gate.session.validation_session import ValidationSession
from greenlight_gate.targets.model import PROMPTS
from greenlight_gate.targets.sections import Persona
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.transport.connection_setup import ConnectionSetup, Kept, user_shown
from greenlight_gate.transport.cookies import CookieJar

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
    suite: ValidationSession, count: int, prompts: Sequence[str], again_from: int = 0, *, seconds: float = 0.0,
    weights: Sequence[int] = (),
) -> tuple[PlannedUser, ...]:  # fmt: skip
    """`count` users, whose tokens are valid for at least `seconds`.

    With `weights` each prompt is asked for so often, and each user begins at another place of the `mix`.
    Raises Misconfigured if the target has fewer users.
    """
    users = suite.target.users(count)
    if len(users) < count:
        raise Misconfigured(
            f"{suite.target.name}: {count} users are needed, but only {len(users)} have an account ([[personas]])"
        )
    asked = mix(prompts, weights) if weights else tuple(prompts)
    planned = []
    for number, persona in enumerate(users):
        begin = number % len(asked) if weights else 0
        planned.append(await _planned(suite, persona, asked[begin:] + asked[:begin], again_from, seconds))
    return tuple(planned)


def mix(prompts: Sequence[str], weights: Sequence[int]) -> tuple[str, ...]:
    """The shortest sequence in which each prompt occurs in proportion to its weight, spread evenly.

    By the smooth weighted round robin of nginx: the one that is most behind its share comes next.
    """
    least = math.gcd(*weights)
    shares = [weight // least for weight in weights]
    behind, whole, found = [0] * len(shares), sum(shares), []
    for _ in range(whole):
        behind = [each + share for each, share in zip(behind, shares, strict=True)]
        chosen = max(range(len(shares)), key=behind.__getitem__)
        behind[chosen] -= whole
        found.append(prompts[chosen])
    return tuple(found)


async def _planned(
    suite: ValidationSession, persona: Persona, prompts: Sequence[str], again_from: int, seconds: float
) -> PlannedUser:
    target, access = suite.target, suite.access
    canary = suite.canary(persona)
    token = await access.token_for(persona)
    if access.can_mint and seconds > _LIFETIME_LEFT * target.auth.lifetime_s:
        token = access.mint(persona, exp=int(time.time()) + int(seconds) + _SPARE_S)
    by_name = {
        name: PlannedPrompt(target.question(name, canary), target.expectation(name, canary)) for name in {*prompts}
    }
    questions = tuple(by_name[name] for name in prompts)
    user = user_shown(persona, target, suite.profile.spec)
    if not speaks_plainly(suite.profile):
        return PlannedUser(
            persona.name, user, target.url, questions, again_from, first_message=token.first_message, persona=persona,
            token=token,
        )  # fmt: skip
    setup = ConnectionSetup(target, suite.profile, persona, token, Kept(), jar=CookieJar())
    return PlannedUser(
        persona.name, user, setup.url, questions, again_from, setup.headers, tuple(setup.subprotocols),
        token.first_message,
    )  # fmt: skip


def plan_of(suite: ValidationSession, planned: tuple[PlannedUser, ...], **values: Any) -> LoadPlan:
    """A plan for this target; `values` are further fields of the plan."""
    target = suite.target
    return LoadPlan(
        id=uuid.uuid4().hex, profile_toml=suite.profile_toml, users=planned, budgets=target.budgets, clock=target.clock,
        tls=target.tls, http_version=target.http_version, max_frame_bytes=target.limits.max_frame_bytes,
        hung_tools=tuple(suite.patience.hung), target=target, **values,
    )  # fmt: skip
