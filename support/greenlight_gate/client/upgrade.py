"""The upgrade: how it is asked for, and which headers and bodies of the answer are kept."""

import functools
import ssl
from collections.abc import Callable
from typing import Any

from websockets.datastructures import Headers
from websockets.http11 import Response

from greenlight_gate.client.connecting import ConnectionSetup
from greenlight_gate.client.stamped_connection import Connecting, Most, StampedConnection
from greenlight_gate.rules.engine import canary_search
from greenlight_gate.targets.model import Target

_BODY_KEPT = 2_000
_CLOSE_S = 2.0


async def opened(
    way: ConnectionSetup,
    target: Target,
    tls: ssl.SSLContext | None,
    timeout_s: float,
    via: tuple[str, int] | None = None,
) -> StampedConnection:
    """Opens a WebSocket as this target wants it. Raises OSError, TimeoutError or WebSocketException.

    `via`: the host and port of a proxy that passes everything on; what is asked for, and whose certificate is checked,
    is the target all the same.
    """
    limits = target.limits
    detour: dict[str, Any] = {} if via is None else {"host": via[0], "port": via[1]}
    most = Most(limits.max_connection_frames, limits.max_connection_bytes)
    connection = await Connecting(
        way.url,
        additional_headers=way.headers,
        subprotocols=way.subprotocols or None,  # type: ignore[arg-type]
        create_connection=functools.partial(StampedConnection, most=most),  # type: ignore[arg-type]
        ssl=tls,
        proxy=None,
        open_timeout=timeout_s,
        ping_interval=None,
        close_timeout=_CLOSE_S,
        max_size=way.max_frame_bytes,
        max_queue=None,
        user_agent_header="greenlight",
        **detour,
    )
    assert isinstance(connection, StampedConnection)
    return connection


def kept_headers(headers: Headers, clean: Callable[[str], str]) -> tuple[str, ...]:
    """Each header as "name: value", without secrets. websockets takes 128 of them, of 8 KiB each, at most.

    The value of a cookie is somebody's session, and left out unless it may hold a canary.
    """
    return tuple(clean(f"{name}: {_without_session(name, value)}") for name, value in headers.raw_items())


def _without_session(name: str, value: str) -> str:
    if name.lower() != "set-cookie" or canary_search.suspicious(value.encode()):
        return value
    pair, semicolon, attributes = value.partition(";")
    return f"{pair.partition('=')[0]}=[cookie]{semicolon}{attributes}"


def kept_body(response: Response, clean: Callable[[str], str]) -> str:
    """The body without secrets: its beginning, and all of it (256 KiB are read) where it may hold a canary."""
    body = bytes(response.body or b"")
    text = clean(body.decode(errors="replace"))
    return text if canary_search.suspicious(text.encode()) else text[:_BODY_KEPT]
