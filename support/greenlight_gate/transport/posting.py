"""Which transport a profile asks for, and the HTTP request that carries each of its messages."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from greenlight_gate.findings import printable
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
_PORTS = {"http": 80, "https": 443}
# What browsers leave as it is in the path and query of a URL (WHATWG URL, section 1.3).
_KEPT = "!$%&'()*+,-./:;=?@[]^_|~"
_SHOWN = 100


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
    not known, and NotOpened for an address that the server was to give.
    """
    parts = urlsplit(url)
    if address.endpoint:
        path = given_path(address.endpoint, url, values)
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


def given_path(name: str, url: str, values: Mapping[str, Any]) -> str:
    """The path and query of the URL that the server has given for messages, read relative to `url`, as a browser does.

    Raises NotOpened for none, and for one of another origin: no credentials are sent there.
    """
    given = values.get(name)
    what = f"the address for messages that the backend gave ({name})"
    if given is None:
        raise NotOpened(f"{what} is missing, or null")
    shown = printable(str(given).partition("?")[0][:_SHOWN])
    try:
        address = _with_slashes(given) if isinstance(given, str) else ""
        place = urlsplit(urljoin(url, address))
        is_url = bool(address and (place.hostname or place.scheme not in _PORTS))
        origins = [_origin(place), _origin(urlsplit(url))]
    except ValueError:
        is_url, origins = False, []
    if not is_url:
        raise NotOpened(f"{what} is no URL: {shown!r}")
    if len(set(origins)) > 1:
        raise NotOpened(
            f"{what} is of another origin than {origins[1]}: {shown!r}. Credentials are sent to no other one: let it "
            "give a path, or a URL of the target's origin"
        )
    path = quote(place.path or "/", safe=_KEPT)
    return f"{path}?{quote(place.query, safe=_KEPT)}" if place.query else path


def _with_slashes(address: str) -> str:
    """A URL as browsers read it (WHATWG URL, section 4.4): before its query, a backslash is a slash."""
    stripped = re.sub(r"[\t\r\n]", "", address.strip())
    slashed = re.sub(r"^[^?#]+", lambda path: path[0].replace("\\", "/"), stripped)
    return re.sub(r"^(https?:)?/{2,}", r"\1//", slashed, flags=re.IGNORECASE)


def _origin(parts: SplitResult) -> str:
    """The origin of a URL (RFC 6454), its host as DNS has it. Raises ValueError for a port or host that is none."""
    port = parts.port or _PORTS.get(parts.scheme, 0)
    host = _in_dns(parts.hostname or "")
    usual = port in (0, _PORTS.get(parts.scheme))
    return f"{parts.scheme}://{host}" if usual else f"{parts.scheme}://{host}:{port}"


def _in_dns(host: str) -> str:
    """A host name as DNS has it (IDNA). Raises ValueError for one that it cannot have."""
    if host.isascii():
        return host
    import httpx2  # noqa: PLC0415 -- it takes long, and few hosts need it

    try:
        return httpx2.URL(scheme="http", host=host).raw_host.decode()
    except httpx2.InvalidURL as error:
        raise ValueError(str(error)) from error


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
