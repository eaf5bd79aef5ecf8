"""The first checks of a target: its address, its port and its certificate."""

import asyncio
import contextlib
import os
import socket
import ssl
from urllib.parse import urlsplit

from greenlight_gate.targets.http import untrusted_step
from greenlight_gate.targets.model import Target
from greenlight_gate.targets.settings import Misconfigured


async def resolve(target: Target, url_is: str) -> str:
    """The addresses of the target's host, as text. Raises Misconfigured with the next step.

    `url_is`: where the url was read, and can be corrected.
    """
    host, port = _place(target)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise Misconfigured(
            f"{target.name}: DNS: expected an address for {host}, found none ({error.strerror}); correct {url_is}"
        ) from error
    return f"{host} is {', '.join(dict.fromkeys(str(entry[4][0]) for entry in found))}"


async def reach(target: Target, url_is: str) -> str:
    """The same for the target's port, which has to accept connections."""
    host, port = _place(target)
    try:
        async with asyncio.timeout(target.budgets.handshake_s):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError) as error:
        said = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else "no answer in time"
        raise Misconfigured(
            f"{target.name}: TCP: expected a server at {host} port {port}, but {said.lower()}; "
            f"start the backend, or correct {url_is}"
        ) from error
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return f"port {port} accepts connections"


async def secure(target: Target, tls: ssl.SSLContext | None) -> str:
    """Confirms that the server's certificate is trusted, as text. Raises Misconfigured with the next step."""
    if tls is None:
        return f"not used ({urlsplit(target.url).scheme}://)"
    host, port = _place(target)
    try:
        async with asyncio.timeout(target.budgets.handshake_s):
            _, writer = await asyncio.open_connection(host, port, ssl=tls, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise Misconfigured(
            f"{target.name}: TLS: expected a certificate that can be trusted, but {error.verify_message.rstrip('.')}; "
            f"{untrusted_step(error)}"
        ) from error
    except (OSError, TimeoutError) as error:
        raise Misconfigured(
            f"{target.name}: TLS: expected a TLS handshake, but it failed ({error or 'no answer in time'}); "
            f"a server without TLS has a ws:// or http:// url"
        ) from error
    secure = writer.get_extra_info("ssl_object")
    agreed = {"h2": ", HTTP/2", "http/1.1": ", HTTP/1.1"}.get(secure.selected_alpn_protocol() or "", "")
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    verified = "NOT verified" if target.tls.insecure_skip_verification else "verified"
    return f"{verified}, {secure.version()}{agreed}"


def _place(target: Target) -> tuple[str, int]:
    return target.endpoint
