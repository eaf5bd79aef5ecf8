"""One HTTP request to a target, for health and sign-in, and why there was no response."""

import asyncio
import json
import os
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from greenlight_gate.targets.errors import Misconfigured, TargetFault
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.tls import offered, trust

if TYPE_CHECKING:
    import httpx2

_LARGEST_BODY_BYTES = 65_536
# RFC 9113 section 3.4: what an HTTP/2 client sends first, with settings that change nothing.
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
# OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH, _CERT_NOT_YET_VALID and _CERT_HAS_EXPIRED.
_OTHER_NAMES, _OTHER_TIMES = (62, 64), (9, 10)


class Unreachable(Misconfigured):
    """Nothing answers at this address; a backend that is just starting may do so later."""


class NotReady(TargetFault):
    """Something is there and does not serve yet: it is silent, hangs up, or says that it is unhealthy."""


class Silent(NotReady):
    """It did not answer in time, which a busy machine may cause as well."""


class Reply(NamedTuple):
    """An HTTP response: `media` is its content type without parameters, `body` at most 64 KiB, `url` without query."""

    status: int
    media: str
    location: str
    body: bytes
    url: str
    cookies: Mapping[str, str] = {}

    def json(self) -> dict[str, Any] | None:
        """The JSON object in the body; None when there is none."""
        value = self.json_value()
        return value if isinstance(value, dict) else None

    def json_value(self) -> Any:
        """The JSON in the body, of any type; None when there is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    def described(self) -> str:
        """What came, without its content: an answer to a login may hold a token."""
        if 300 <= self.status < 400:
            return f"HTTP {self.status} with a redirect to {bare(self.location) or 'nowhere'} came"
        kind = self.media or "no content type"
        return f"HTTP {self.status} with {len(self.body)} bytes of {kind} came"


def bare(url: str) -> str:
    """A url as it may be shown: without its query, which may hold a token."""
    return url.partition("?")[0]


def ssl_context(target: Target) -> ssl.SSLContext | None:
    """What verifies the target's certificate: [tls] ca_file if there is one, else the system's authorities.

    It verifies nothing where [tls] says so in so many words. None for a ws:// url. Raises Misconfigured for a ca_file
    that is not there or holds no certificate.
    """
    return _trust(target, offered(target.url, target.http_version)) if target.is_secure else None


def _trust(target: Target, protocols: Sequence[str] = ()) -> ssl.SSLContext:
    ca_file = target.tls.ca_file
    expected = f"{target.name}: tls.ca_file: expected a file with certificates in PEM form, but {ca_file!r}"
    try:
        return trust(target.tls, protocols)
    except ssl.SSLError as error:
        raise Misconfigured(f"{expected} holds none ({error.reason or error})") from error
    except OSError as error:
        raise Misconfigured(f"{expected} cannot be read: {error.strerror}") from error


async def check_trust(target: Target) -> None:
    """Shakes hands with a wss:// target, whose certificate nobody may have seen yet: its health may live elsewhere.

    Raises Misconfigured where there is no trust or no TLS, or not the version of HTTP that the target file names.
    Whatever else goes wrong here is judged when users come.
    """
    context, needs_http2 = ssl_context(target), target.http_version == "2"
    if context is None and not needs_http2:
        return
    host, port = target.endpoint
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(target.budgets.handshake_s):
            reader, writer = await asyncio.open_connection(host, port, ssl=context)
            spoken = await _version_spoken(reader, writer) if needs_http2 else ""
    except ssl.SSLError as error:
        if error.reason and "NO_APPLICATION_PROTOCOL" in error.reason:
            raise _no_http2(target, "refuses it") from error
        raise _no_trust(f"{target.name}: {bare(target.url)}", error) from error
    except (OSError, TimeoutError):
        return
    finally:
        if writer is not None:
            writer.transport.abort()
    if spoken:
        raise _no_http2(target, f"speaks {spoken}")


async def _version_spoken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
    """The version that a server speaks in place of HTTP/2; "" if that is not to be seen."""
    secure = writer.get_extra_info("ssl_object")
    if secure is not None:
        return "" if secure.selected_alpn_protocol() == "h2" else "HTTP/1.1"
    writer.write(_PREFACE)
    return "HTTP/1.1" if (await reader.read(5)).startswith(b"HTTP") else ""


def _no_http2(target: Target, what: str) -> Misconfigured:
    return Misconfigured(
        f"{target.name}: http_version: expected a server that speaks HTTP/2, but it {what}; "
        f"leave the key out to speak what the server speaks"
    )


async def exchange(
    target: Target,
    method: str,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    json_body: Any = None,
    content: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Asks once, without following redirects, for at most the target's handshake budget.

    Raises Misconfigured when there is no connection (Unreachable) or no trust, TargetFault (NotReady) when there is a
    connection and no whole answer.
    """
    import httpx2  # noqa: PLC0415 -- it takes long, and a load of a target without health asks nothing

    budget_s = target.budgets.handshake_s
    where = f"{target.name}: {bare(url)}"
    try:
        # Reading the system's authorities takes a moment in which nothing else moves; http has no use for them.
        verify = _trust(target) if urlsplit(url).scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # A proxy for the internet must not be asked for this very machine.
        options: dict[str, Any] = {"verify": verify, "trust_env": not target.is_loopback, "timeout": budget_s}
        if target.http_version == "2" and url.startswith(target.origin):
            options |= {"http1": False, "http2": True}
        async with asyncio.timeout(budget_s + 1), httpx2.AsyncClient(**options) as client:
            all_headers = {"accept": "application/json", "accept-encoding": "identity", **(headers or {})}
            body: dict[str, Any] = {"data": form, "json": json_body, "content": content}
            async with client.stream(method, url, **body, headers=all_headers) as response:
                return await _reply(response, bare(url))
    except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
        raise _no_connection(target, where, error, late=isinstance(error, httpx2.ConnectTimeout)) from error
    except (httpx2.InvalidURL, httpx2.UnsupportedProtocol, httpx2.ProxyError, ValueError) as error:
        raise Misconfigured(
            f"{where}: expected a URL that can be asked, but {error or type(error).__name__}"
        ) from error
    except (httpx2.TimeoutException, TimeoutError) as error:
        raise Silent(f"{where}: expected an answer within {budget_s:g} s, but none came") from error
    except httpx2.RequestError as error:
        raise NotReady(f"{where}: expected an HTTP answer, but the server hung up or sent something else") from error


async def _reply(response: "httpx2.Response", url: str) -> Reply:
    body = b""
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > _LARGEST_BODY_BYTES:
            break
    media = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Reply(
        response.status_code,
        media[:60],
        response.headers.get("location", ""),
        body[:_LARGEST_BODY_BYTES],
        url,
        dict(response.cookies),
    )


def _no_connection(target: Target, where: str, error: "httpx2.TransportError", *, late: bool) -> Misconfigured:
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLError):
            return _no_trust(where, cause)
    expected = "expected a server that accepts connections, but"
    step = f"start the backend, or correct url in the target file (or WEBSOCKET_TEST_URL): it is {bare(target.url)}"
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return Unreachable(f"{where}: {expected} no host has this name; {step}")
    if late:
        return Unreachable(f"{where}: {expected} none answered within {target.budgets.handshake_s:g} s; {step}")
    said = next(
        (os.strerror(cause.errno) for cause in causes if isinstance(cause, OSError) and cause.errno), str(error)
    )
    return Unreachable(f"{where}: {expected} {said.lower() or 'there is none'}; {step}")


def _no_trust(where: str, error: ssl.SSLError) -> Misconfigured:
    if isinstance(error, ssl.SSLCertVerificationError):
        wrong = error.verify_message.rstrip(".")
        return Misconfigured(
            f"{where}: expected a certificate that can be trusted, but {wrong}; {untrusted_step(error)}"
        )
    return Misconfigured(
        f"{where}: expected TLS, but the handshake failed ({error.reason or 'no reason given'}); "
        f"a server without TLS has a ws:// or http:// url"
    )


def untrusted_step(error: ssl.SSLCertVerificationError) -> str:
    """What to do about a certificate that was not trusted."""
    if error.verify_code in _OTHER_NAMES:
        return "use a host in url that the certificate is for, or have one issued for this host; no ca_file helps here"
    if error.verify_code in _OTHER_TIMES:
        return "renew the certificate, or set the clock of this machine"
    return "if the target is yours, put the authority's certificate into a file and name it in [tls] ca_file"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        current = waiting.pop()
        if current is None or id(current) in seen:
            continue
        seen.add(id(current))
        yield current
        waiting += [current.__context__, current.__cause__]
        if isinstance(current, BaseExceptionGroup):
            waiting += current.exceptions
