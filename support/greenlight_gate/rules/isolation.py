"""ISOLATION: a user receives nothing of another user. And who received what of whom, in the end."""

from collections.abc import Collection, Iterable

import msgspec

from greenlight_gate.rules.engine.canary_scan import SeenCanary
from greenlight_gate.rules.engine.finding_sink import Report
from greenlight_gate.rules.engine.id_registry import OwnedId
from greenlight_gate.rules.engine.run_state import RunState


class IsolationPair(msgspec.Struct, frozen=True):
    """What the users of one scenario that checked isolation received of each other.

    `own_seen` are those whose own canary was seen on their own connection (ISOLATION-3): without it nothing can be
    said of them. `saw` holds (a user, another user of whom they received anything). `by_design` counts the frames of
    other users that the profile declares to be meant for all users.
    """

    name: str
    users: tuple[str, ...] = msgspec.field(name="people")
    own_seen: tuple[str, ...] = ()
    saw: tuple[tuple[str, str], ...] = ()
    by_design: int = 0

    @property
    def unproven(self) -> tuple[str, ...]:
        """The users of whom nothing can be said."""
        return tuple(user for user in self.users if user not in self.own_seen)

    @property
    def pairs(self) -> int:
        """How many pairs (a user, another user) were checked."""
        return len(self.own_seen) * (len(self.users) - 1)


def is_leak(rule: str) -> bool:
    """Whether what breaks this rule is that a user received what is another user's."""
    return rule.startswith("ISOLATION-")


def proven(users: Iterable[str], own_canary_seen: Collection[str], rules: Collection[str]) -> tuple[str, ...]:
    """ISOLATION-3: the users for whom the check works; all of them where that rule is not judged.

    No frame breaks ISOLATION-3, so that it is never reported: without it the verdict is INCONCLUSIVE.
    """
    return tuple(user for user in users if user in own_canary_seen or "ISOLATION-3" not in rules)


def on_canaries(seen: Iterable[SeenCanary], report: Report) -> None:
    """ISOLATION-1: canaries of other users on the user's connection."""
    for canary in seen:
        came = f"canary of {canary.owner}, {canary.how}, {canary.where}"
        report("ISOLATION-1", "no canary of another user", came, *canary.numbers, run=canary.run, about=canary.owner)


def on_prompt(owner: str, run: RunState, n: int, report: Report) -> None:
    """ISOLATION-4: another user's canary in what was sent to the model for a run."""
    report("ISOLATION-4", "no canary of another user", f"canary of {owner} in the prompt", n, run=run, about=owner)


def foreign_frame(what: str, other: OwnedId) -> str:
    """A frame that names what belongs to another user, in words. `what` names the frame."""
    return f"{what} that belongs to {other.what} {other.id}{f' of {other.owner}' if other.owner else ''}"


def on_foreign(user: str, came: str, other: OwnedId, n: int, report: Report) -> None:
    """ISOLATION-2: a frame that names what belongs to another user. `came`: the frame, in words."""
    report("ISOLATION-2", f"only what belongs to {user}", came, n, about=other.owner)


def on_greeting(expected: str | None, user_id: str, n: int, report: Report) -> None:
    """ISOLATION-2: the greeting names the user id of another user."""
    report("ISOLATION-2", f"user {expected}", f"user {user_id} in the greeting", n)
