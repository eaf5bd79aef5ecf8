"""The opening of one user's connection: how it is requested, and what is kept of the response."""

from collections.abc import Callable, Iterable

from greenlight_gate.rules.engine import canary_search
from greenlight_gate.targets.model import Target
from greenlight_gate.transport.connection_setup import ConnectionSetup
from greenlight_gate.transport.interface import ConnectionLimits, Receiver, Transport
from greenlight_gate.transport.posting import transport_to

_BODY_KEPT = 2_000


def transport_of(setup: ConnectionSetup, target: Target, receiver: Receiver, *, opens: bool) -> Transport:
    """The transport for this target, still to be opened. Raises NotOpened if that cannot be requested.

    `opens`: a tab by HTTP begins with the request that the profile has for it.
    """
    limits = target.limits
    return transport_to(
        setup.spec, setup.url, setup.headers, receiver, subprotocols=setup.subprotocols, compress=True,
        max_message_bytes=setup.max_frame_bytes, values=setup.values, opens=opens,
        events=setup.events, opening=setup.connection.opening,
        limits=ConnectionLimits(limits.max_connection_frames, limits.max_connection_bytes),
        http_version=target.http_version,
    )  # fmt: skip


def kept_headers(headers: Iterable[tuple[str, str]], clean: Callable[[str], str]) -> tuple[str, ...]:
    """Each header as "name: value", without secrets. At most 128 of them come, of 8 KiB each.

    The value of a cookie may be a credential, and is left out unless it may hold a canary.
    """
    return tuple(clean(f"{name}: {_without_session(name, value)}") for name, value in headers)


def _without_session(name: str, value: str) -> str:
    if name.lower() != "set-cookie" or canary_search.suspicious(value.encode()):
        return value
    pair, semicolon, attributes = value.partition(";")
    return f"{pair.partition('=')[0]}=[cookie]{semicolon}{attributes}"


def kept_body(body: bytes, clean: Callable[[str], str]) -> str:
    """The body without secrets: its beginning, and all of it (256 KiB are read) where it may hold a canary."""
    text = clean(body.decode(errors="replace"))
    return text if canary_search.suspicious(text.encode()) else text[:_BODY_KEPT]
