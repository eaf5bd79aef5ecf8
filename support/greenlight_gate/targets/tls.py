"""Whom TLS trusts: the authorities of a file, or those of the system."""

import ssl

from greenlight_gate.targets.sections import Tls


def trust(tls: Tls) -> ssl.SSLContext:
    """What verifies a certificate against `ca_file` ("": the system's authorities), or nothing at all.

    Raises OSError for a file that cannot be read, and ssl.SSLError for one that holds no certificate.
    """
    context = ssl.create_default_context(cafile=tls.ca_file or None)
    if tls.insecure_skip_verification:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
