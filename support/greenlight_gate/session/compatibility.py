"""Whether a target and a profile fit: each provides what the other needs."""

from greenlight_gate.events import EventKind
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.targets.suggestions import nearest
from greenlight_gate.wire.profile import Profile

_UNSHOWN = {EventKind.THINKING: "reasoning", EventKind.TOOL_EXECUTING: "tools", EventKind.TOOL_COMPLETED: "tools"}


def check_profile_and_target(profile: Profile, target: Target) -> None:
    """Raises Misconfigured for a value that is missing or not used, and for an accepted gap that does not exist."""
    spec = profile.spec
    at_login = {name for call in target.auth.login for name in call.capture}
    if target.by_http != spec.connection.by_http:
        schemes = ("http:// or https://", "ws:// or wss://")
        expected, came = schemes if spec.connection.by_http else schemes[::-1]
        raise Misconfigured(
            f"{target.name}: url: expected {expected} (the profile {profile.name} has connection.transport = "
            f"{spec.connection.transport!r}), but it begins with {came}; write that, or name another profile"
        )
    if target.by_http and target.auth.send in ("subprotocol", "first_message"):
        raise Misconfigured(
            f"{target.name}: auth.send: expected 'bearer', 'query', 'headers' or 'profile' by HTTP, "
            f"but it is {target.auth.send!r}, which only a WebSocket has"
        )
    for name, what in spec.needs.items():
        if name not in target.values and name not in at_login:
            raise Misconfigured(
                f"{target.name}: values.{name}: expected {what} (the profile {profile.name} needs it), "
                f"but the target file does not set it"
            )
    for name in target.values:
        if name not in spec.captured:
            raise Misconfigured(
                f"{target.name}: values.{name}: expected a value that the profile {profile.name} knows, "
                f"but it has no {name!r}{nearest(name, sorted(spec.captured) or ['none'])}"
            )
    for need in target.accepted_gaps:
        if need in tuple(EventKind) and need not in (*spec.absent, *_may_be_unshown(target)):
            raise Misconfigured(
                f"{target.name}: accepted_gaps.{need}: expected an event that this profile cannot show, "
                f"but the profile {profile.name} reads {need}"
            )
    if target.auth.obtain not in ("none", "hook") and target.auth.send == "profile" and not shows_token(profile):
        raise Misconfigured(
            f"{target.name}: auth.send: expected a way to send the token, but it is 'profile' and the profile "
            f"{profile.name} has no {{token}} in it"
        )


def shows_token(profile: Profile) -> bool:
    """Whether the profile says itself where a token is placed."""
    spec = profile.spec
    sent = (spec.send, spec.addresses, [step.send for step in spec.steps])
    parts = [spec.connection, spec.resume, spec.before, sent, spec.values]
    return any("{token}" in repr(part) for part in parts)


def _may_be_unshown(target: Target) -> tuple[EventKind, ...]:
    """What an agent may do without, although its wire can show it: reasoning, and tools as a whole."""
    return target.shows_no if target.shows_no_tools else (EventKind.THINKING,)


def not_observable(profile: Profile, target: Target) -> dict[str, str]:
    """The kinds of event that the profile or the target cannot show, each with a reason to print."""
    own = {str(kind): f"{target.name} shows no {_UNSHOWN[kind]}" for kind in target.shows_no}
    return own | {
        kind: f"not observable with the profile {profile.name}: {why}" for kind, why in profile.spec.absent.items()
    }
