"""Credentials that need code: a hook of the team's own package, found by its name.

An entry point of the group `greenlight.credentials` names a function `(target name, url, user id) -> headers`, one of
the group `greenlight.values` a function `(values by name) -> value` for [values] of a profile.
"""

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from typing import Any

from greenlight_gate.targets.errors import Misconfigured
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import Persona
from greenlight_gate.targets.suggestions import nearest

GROUP = "greenlight.credentials"
VALUES = "greenlight.values"


def sign(target: Target, persona: Persona) -> dict[str, str]:
    """The headers that a hook makes for a user. Raises Misconfigured for a hook that is not there or fails."""
    where = f"{target.name}: auth.hook"
    hook = _hook(where, GROUP, target.auth.hook)
    try:
        headers = hook.load()(target.name, target.url, persona.user)
        text = isinstance(headers, dict) and all(isinstance(k, str) and isinstance(v, str) for k, v in headers.items())
    except Exception as error:  # foreign code: any error means that there are no credentials
        raise Misconfigured(f"{where}: {hook.value} failed for {persona.name}: {type(error).__name__}") from error
    if not text or any(not value.isprintable() for value in headers.values()):
        raise Misconfigured(f"{where}: expected headers (texts by name) of {hook.value}, but something else came")
    return dict(headers)


def made_by(target: Target, persona: Persona, name: str, values: Mapping[str, Any]) -> Any:
    """What a hook makes of the values of a connection. Raises Misconfigured for a hook that is not there or fails."""
    where = f"{target.name}: the profile's hook {name!r}"
    hook = _hook(where, VALUES, name)
    try:
        return hook.load()({**values, "url": target.url})
    except Exception as error:  # foreign code: any error means that there is no value
        raise Misconfigured(f"{where}: {hook.value} failed for {persona.name}: {type(error).__name__}") from error


def _hook(where: str, group: str, name: str) -> EntryPoint:
    from importlib.metadata import entry_points  # noqa: PLC0415 -- it takes long, and few targets have a hook

    found = list(entry_points(group=group, name=name))
    if not found:
        known = sorted(entry_points(group=group).names)
        raise Misconfigured(
            f"{where}: expected the name of an entry point of {group}, but {name!r} is none{nearest(name, known)}; "
            f"installed: {', '.join(known) or 'none'}"
        )
    return found[0]
