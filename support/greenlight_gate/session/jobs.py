"""How many scenarios may run in parallel against a target, as which users, and on how many connections."""

from collections.abc import Iterable

import msgspec

from greenlight_gate.session.pace import users_at_once
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import EIGHT_USERS, Persona

# Tags of scenarios, on any level of a feature.
ALONE = "alone"
HOSTILE = "hostile"
CROWD = "crowd"
# The most connections that a scenario has open at once; one with the tag @crowd has more.
MOST_CONNECTIONS = 20
MOST_CONNECTIONS_OF_A_CROWD = 60


def runs_alone(tags: Iterable[str]) -> bool:
    """Whether a scenario runs alone, after all that run in parallel.

    It measures time or memory, puts load on the backend, or restarts it.
    """
    return ALONE in tags


def is_hostile(tags: Iterable[str]) -> bool:
    """Whether a scenario sends what may leave a target ill: it runs after the others, and a healthy user follows it."""
    return HOSTILE in tags


def connections_of(tags: Iterable[str]) -> int:
    """The most connections that a scenario has open at a time."""
    return MOST_CONNECTIONS_OF_A_CROWD if CROWD in tags else MOST_CONNECTIONS


def jobs_for(wanted: int, target: Target) -> int:
    """How many scenarios run side by side: as many as asked for, if the target allows them.

    One at a time where scenarios would have to share users.
    """
    if not can_make_up_users(target):
        return 1
    most = users_at_once(target.limits, target.limits.max_connections)
    return max(1, min(wanted, most // MOST_CONNECTIONS))


def can_make_up_users(target: Target) -> bool:
    """Whether the target accepts any user: its file names no persona, and none needs an account."""
    return target.personas == EIGHT_USERS and not target.needs_accounts


def users_of(target: Target, count: int, slot: int) -> tuple[Persona, ...]:
    """Up to `count` of the target's users, for scenarios of one slot; no two slots share a user.

    Slot 0 has the target's own; in the others the users have the same names and other user ids.
    """
    users = target.users(count)
    if slot == 0:
        return users
    return tuple(msgspec.structs.replace(each, user=f"{each.user}-{slot + 1}") for each in users)
