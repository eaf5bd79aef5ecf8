"""Which transport a profile asks for, and the HTTP request that carries each of its messages."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from greenlight_gate.targets.sections import HttpVersion
from greenlight_gate.transport.http_streams import HttpStreams, accepts
from greenlight_gate.transport.interface import ConnectionLimits, NotOpened, Post, Receiver, Transport
from greenlight_gate.transport.two_sockets import EventsSocket, TwoSockets
from greenlight_gate.transport.upgrade import Upgrade
from greenlight_gate.transport.websocket import WebSocket
from greenlight_gate.wire.by_http import Framing
from greenlight_gate.wire.connecting import HttpAddress
from greenlight_gate.wire.spec import Spec
from greenlight_gate.wire.templates import fill, filled_or_none, quoted

_BODILESS = ("GET", "DELETE")


def transport_to(
    spec: Spec, url: str, headers: Mapping[str, str], receiver: Receiver, *, subprotocols: list[str], compress: bool,
    max_message_bytes: int, limits: ConnectionLimits | None = None, values: Mapping[str, Any] | None = None,
    opens: bool = True, events: EventsSocket | None = None, opening: HttpAddress | None = None,
    http_version: HttpVersion = "",
) -> Transport:  # fmt: skip
    """The transport of the profile, still to be opened. Raises NotOpened if that cannot be requested.

    `values` fill in the request that opens a tab by HTTP, which is `opening` if it is not the usual one; without
    `opens`, a refusal is expected, and a request whose answer is no channel is left out. `events`: the socket on which
    events come, where that is another one.
    """
    connection = spec.connection
    if connection.transport == "websocket":
        upgrade = Upgrade(url, headers=headers, subprotocols=subprotocols, compress=compress)
        if events is not None:
            return TwoSockets(
                receiver, upgrade, events, max_message_bytes=max_message_bytes, limits=limits, compress=compress,
                expects_refusal=not opens,
            )  # fmt: skip
        return WebSocket(receiver, upgrade, max_message_bytes=max_message_bytes, limits=limits)
    opening = opening or connection.opening
    if not (opens or connection.by_channel):
        opening = None
    return HttpStreams(
        receiver, url, framing=_framing(spec), is_channel=connection.by_channel, expects_refusal=not opens,
        opening=None if opening is None else _opening(opening, spec, url, headers, values or {}),
        envelope=spec.frame.codecs[0].startswith("sse"), max_message_bytes=max_message_bytes, limits=limits,
        http_version=http_version,
    )  # fmt: skip


def post_to(
    address: HttpAddress, spec: Spec, url: str, *, headers: Mapping[str, str], values: Mapping[str, Any],
    label: str = "",
) -> Post:  # fmt: skip
    """The request to an address below `url`, whose query it keeps. `headers`: those of each request.

    `values` fill in its path and headers; a header whose value is null is left out. Raises KeyError for a value that is
    not known.
    """
    parts = urlsplit(url)
    if address.is_whole_value:
        place = urlsplit(urljoin(url, str(fill(address.path, values))))
        path = f"{place.path}?{place.query}" if place.query else place.path
    else:
        path = f"{parts.path.rstrip('/') if address.path else parts.path}{fill(address.path, quoted(values))}" or "/"
    if parts.query:
        path += f"{'&' if '?' in path else '?'}{parts.query}"
    own = {name: filled_or_none(template, values) for name, template in address.headers.items()}
    usual = {
        "Accept": accepts(_framing(spec)) if address.streams else "application/json",
        "Accept-Encoding": "identity",
        "User-Agent": "greenlight",
    }
    if address.method not in _BODILESS:
        usual["Content-Type"] = "application/json"
    given = {**headers, **{name: value for name, value in own.items() if value is not None}}
    named = {name.lower() for name in given}
    together = {**{name: value for name, value in usual.items() if name.lower() not in named}, **given}
    return Post(address.method, path, tuple(together.items()), label, address.streams)


def _opening(
    address: HttpAddress, spec: Spec, url: str, headers: Mapping[str, str], values: Mapping[str, Any]
) -> Post:  # fmt: skip
    """The request that opens a tab. Where its answer is no channel, no stream is expected. Raises NotOpened."""
    try:
        post = post_to(address, spec, url, headers=headers, values=values)
    except KeyError as error:
        raise NotOpened(f"the request that opens the connection needs {error}, which is not known yet") from error
    return post if spec.connection.by_channel else post._replace(streams=False)


def _framing(spec: Spec) -> Framing:
    return "ndjson" if spec.connection.transport == "ndjson" else "sse"
