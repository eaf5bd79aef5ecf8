"""Credentials that need code: a hook of the team's own package, found by its name.

An entry point of the group `greenlight.credentials` names a function `(target name, url, user id) -> headers`.
"""

from greenlight_gate.targets.errors import Misconfigured
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.sections import Persona
from greenlight_gate.targets.suggestions import nearest

GROUP = "greenlight.credentials"


def sign(target: Target, persona: Persona) -> dict[str, str]:
    """The headers that a hook makes for a user. Raises Misconfigured for a hook that is not there or fails."""
    from importlib.metadata import entry_points  # noqa: PLC0415 -- it takes long, and few targets have a hook

    name = target.auth.hook
    found = list(entry_points(group=GROUP, name=name))
    where = f"{target.name}: auth.hook"
    if not found:
        known = sorted(entry_points(group=GROUP).names)
        raise Misconfigured(
            f"{where}: expected the name of an entry point of {GROUP}, but {name!r} is none{nearest(name, known)}; "
            f"installed: {', '.join(known) or 'none'}"
        )
    try:
        headers = found[0].load()(target.name, target.url, persona.user)
        text = isinstance(headers, dict) and all(isinstance(k, str) and isinstance(v, str) for k, v in headers.items())
    except Exception as error:  # foreign code: any error means that there are no credentials
        raise Misconfigured(f"{where}: {found[0].value} failed for {persona.name}: {type(error).__name__}") from error
    if not text or any(not value.isprintable() for value in headers.values()):
        raise Misconfigured(f"{where}: expected headers (texts by name) of {found[0].value}, but something else came")
    return dict(headers)
