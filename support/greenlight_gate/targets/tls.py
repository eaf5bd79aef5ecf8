"""Whom TLS trusts: the authorities of a file, or those of the system; and what it is to carry."""

import ssl
from collections.abc import Sequence
from urllib.parse import urlsplit

from greenlight_gate.targets.sections import HttpVersion, Tls


def trust(tls: Tls, protocols: Sequence[str] = ()) -> ssl.SSLContext:
    """What verifies a certificate against `ca_file` ("": the system's authorities), or nothing at all.

    `protocols` are offered for the connection in this order (ALPN, RFC 7301); none: nothing is offered.
    Raises OSError for a file that cannot be read, and ssl.SSLError for one that holds no certificate.
    """
    context = ssl.create_default_context(cafile=tls.ca_file or None)
    if tls.insecure_skip_verification:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(protocols)
    return context


def offered(url: str, http_version: HttpVersion) -> tuple[str, ...]:
    """The versions of HTTP that are offered with TLS, the preferred one first; none to a WebSocket."""
    if urlsplit(url).scheme != "https":
        return ()
    return {"": ("h2", "http/1.1"), "1.1": ("http/1.1",), "2": ("h2",)}[http_version]
