"""What scenarios need beside prompts and capabilities, and why a target or its profile has none of it.

Each is known before anything is connected, so that `doctor` counts on it and a scenario costs nothing without it.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from greenlight_gate.events import EventKind
from greenlight_gate.targets.access import Access
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.redactor import proves_identity
from greenlight_gate.wire.profile import Profile

# Tokens that are accepted longer after their end are not waited for.
LONGEST_LEEWAY_S = 60.0
NO_SIZE_LIMIT = (
    "neither the target file (limits.accepts_message_bytes) nor the backend's greeting says how large a message may be"
)
NO_HEARTBEAT = "the backend does not announce how often it sends heartbeats"
_IDS_OF_A_REQUEST = frozenset({"request", "request_number"})
# What names a run or a conversation in each message; a request that begins has an id of its own.
_IDS = MappingProxyType({
    "start": frozenset({"run", "thread"}),
    "restore": frozenset({"run", "thread"}) | _IDS_OF_A_REQUEST,
    "stop": frozenset({"run", "thread"}) | _IDS_OF_A_REQUEST,
    "respond": frozenset({"run", "thread", "input", "call"}) | _IDS_OF_A_REQUEST,
})  # fmt: skip
# What the act is called, by the message of the profile.
ACTS = MappingProxyType({
    "start": "continue a conversation",
    "restore": "restore a conversation",
    "stop": "stop a run",
    "claim": "send a request with a user id",
    "respond": "answer what they are asked",
})  # fmt: skip


def _several_requests(target: Target, profile: Profile, access: Access) -> str | None:
    if profile.spec.connection.runs == "many":
        return None
    return f"a connection of {profile.name} answers one request at a time (connection.runs)"


def _second_request(target: Target, profile: Profile, access: Access) -> str | None:
    if profile.spec.connection.runs == "one":
        return f"a connection of {profile.name} answers a single request (connection.runs)"
    return _told_apart(profile)


def _told_apart(profile: Profile) -> str | None:
    if profile.spec.tells_runs_apart:
        return None
    return f"events of {profile.name} do not say which of two requests they answer"


def _own_backend(target: Target, profile: Profile, access: Access) -> str | None:
    return f"{target.name} was not started by the suite, which must not end it" if target.start == "none" else None


def _handshake(target: Target, profile: Profile, access: Access) -> str | None:
    connecting = profile.spec.connection
    if connecting.transport == "websocket" or connecting.opening is not None:
        return None
    return f"a tab of {profile.name} begins without a request (connection.opening)"


def _size_limit(target: Target, profile: Profile, access: Access) -> str | None:
    known = target.limits.accepts_message_bytes or _announces(profile, "max_message_bytes")
    return None if known else NO_SIZE_LIMIT


def _heartbeat(target: Target, profile: Profile, access: Access) -> str | None:
    return None if _announces(profile, "heartbeat_s") else NO_HEARTBEAT


def _announces(profile: Profile, name: str) -> bool:
    return any(name in control.capture for kind, control in profile.spec.controls if kind == "ready")


def _short_tokens(target: Target, profile: Profile, access: Access) -> str | None:
    if not access.can_mint:
        return f"tokens that expire soon cannot be made for {target.name} (auth.obtain)"
    leeway_s = target.budgets.leeway_s
    if leeway_s > LONGEST_LEEWAY_S:
        return f"{target.name} accepts tokens for {leeway_s:g} s after their end: too long to wait for"
    return None


def _known_leeway(target: Target, profile: Profile, access: Access) -> str | None:
    if target.budgets.token_leeway_s is not None:
        return None
    return f"{target.name} does not declare for how long a token is accepted after its end (budgets.token_leeway_s)"


def _stop_after_the_end(target: Target, profile: Profile, access: Access) -> str | None:
    if not profile.spec.stops_by_closing:
        return None
    return "a stop closes the stream of an answer, and that of this answer has ended"


def _request_id(target: Target, profile: Profile, access: Access) -> str | None:
    if profile.spec.places_in("start") & _IDS_OF_A_REQUEST:
        return None
    return f"the profile {profile.name} has no place for the id of a request"


def _shown(kind: EventKind) -> "Condition":
    """Whether the wire shows such events at all: reasoning may come in spite of a gap that is accepted."""

    def condition(target: Target, profile: Profile, access: Access) -> str | None:
        reason = profile.spec.absent.get(kind)
        if reason is not None:
            return f"{kind} is not observable here: {reason}"
        if kind in target.shows_no and kind is not EventKind.THINKING:
            return f"{target.name} does not show {kind} (accepted_gaps)"
        return None

    return condition


def _foreign(what: str) -> "Condition":
    """Whether another user's run or conversation has a place in a message, or in what a connection names."""

    def condition(target: Target, profile: Profile, access: Access) -> str | None:
        spec = profile.spec
        own = {name for name in spec.captured - spec.endpoints - spec.needs.keys() if not proves_identity(name)}
        named = spec.places_in(what) & (own | _IDS[what]) if profile.can_send(what) else set()
        if what in ("start", "restore"):
            kept = spec.kept_names | ({"thread", "run"} if what == "restore" else frozenset())
            named |= {
                name for name in spec.named_at_opening(resumes=what == "restore") & kept if not proves_identity(name)
            }
        if named:
            return None
        return f"{target.name} has no place for what is another user's where users {ACTS[what]}"

    return condition


def _sent_alone(what: str, does: str) -> "Condition":
    """Whether a message is an HTTP request of its own, which tells by itself whose it is."""

    def condition(target: Target, profile: Profile, access: Access) -> str | None:
        spec, name = profile.spec, profile.name
        if not profile.can_send(what):
            return f"the profile {name} has no [send.{what}]"
        if what == "stop" and spec.stops_by_closing:
            return f"{name} stops a run by closing the stream of its answer, and sends no request"
        if not spec.sends_beside(what):
            how = "by a request whose answer streams" if spec.connection.by_http else "by messages on the connection"
            return f"{name} {does} {how}: that invalid tokens are refused there is tried by connecting"
        return None

    return condition


def _question_sent_alone(target: Target, profile: Profile, access: Access) -> str | None:
    return _sent_alone("start", "asks")(target, profile, access) or _told_apart(profile)


Condition = Callable[[Target, Profile, Access], str | None]
CONDITIONS: Mapping[str, Condition] = MappingProxyType({
    "connection.runs": _several_requests,
    "second_request": _second_request,
    "start": _own_backend,
    "connection.opening": _handshake,
    "limits.accepts_message_bytes": _size_limit,
    "announced_heartbeat": _heartbeat,
    "auth.obtain": _short_tokens,
    "budgets.token_leeway_s": _known_leeway,
    "stop_by_message": _stop_after_the_end,
    "start_request": _question_sent_alone,
    "stop_request": _sent_alone("stop", "stops runs"),
    "respond_request": _sent_alone("respond", "answers what users are asked"),
    "request_id": _request_id,
    **{str(kind): _shown(kind) for kind in (EventKind.THINKING, EventKind.TOOL_EXECUTING, EventKind.TOOL_COMPLETED)},
    **{f"foreign.{what}": _foreign(what) for what in _IDS},
})  # fmt: skip
