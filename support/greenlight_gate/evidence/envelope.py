"""A DSSE envelope, which carries a statement and its signatures: https://github.com/secure-systems-lab/dsse, v1.0.2."""

import base64

import msgspec

ATTESTATION = "attestation.json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"


class Signature(msgspec.Struct, frozen=True):
    """One signature of an envelope; `sig` in base64."""

    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True):
    """The file of a signature; `payload` in base64."""

    payload: str
    payload_type: str = msgspec.field(name="payloadType")
    signatures: tuple[Signature, ...]

    @property
    def content(self) -> bytes:
        """What it carries. Raises ValueError."""
        return base64.b64decode(self.payload, validate=True)


def authenticated(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: the pre-authentication encoding of type and payload (protocol.md of DSSE)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
