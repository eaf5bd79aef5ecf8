"""The signature of a session: its manifest and its verdict as an in-toto test result in a DSSE envelope, by Ed25519.

in-toto: https://github.com/in-toto/attestation, spec/v1 and spec/predicates/test-result.md. The envelope stands beside
the evidence, so that it changes nothing of what is signed.
"""

import base64
import re
from collections.abc import MutableMapping
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from greenlight_gate.evidence.envelope import ATTESTATION, PAYLOAD_TYPE, Envelope, Signature, authenticated
from greenlight_gate.evidence.judge import Judgement
from greenlight_gate.evidence.manifest import MANIFEST, decoded
from greenlight_gate.evidence.safe_files import read_whole
from greenlight_gate.evidence.session_folder import Evidence, plain, write_whole
from greenlight_gate.extras import missing
from greenlight_gate.targets.errors import Misconfigured
from greenlight_gate.verdict.facts import ScenarioOutcome, Verdict

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_STATEMENT = "https://in-toto.io/Statement/v1"
_TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
_BEGINS_PEM = b"-----BEGIN"
_RAW_BYTES = 32
# A key that was given instead of a name, and must not be printed, is longer.
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
_SUBJECT = re.compile(r"([^@\s]+)@sha256:([0-9a-f]{64})")


class Subject(NamedTuple):
    """What was judged: a name, and the SHA-256 of what was built, or else the version that the target reports."""

    name: str
    sha256: str = ""
    version: str = ""

    def __str__(self) -> str:
        return f"{self.name}@sha256:{self.sha256}" if self.sha256 else f"{self.name} {self.version}"

    @property
    def descriptor(self) -> dict[str, Any]:
        """The ResourceDescriptor of in-toto, which allows identifiers that are no digests (spec/v1/digest_set.md)."""
        digest = {"sha256": self.sha256} if self.sha256 else {"targetVersion": self.version}
        return {"name": self.name, "digest": digest}


class Attested(msgspec.Struct, frozen=True):
    """What a valid signature says of a session: whose it is, of what, and the verdict when it was signed."""

    keyid: str
    subject: tuple[dict[str, Any], ...]
    verdict: str


class Unsigned(Exception):
    """A session whose signature is missing or wrong: one line says why."""


def subject_of(text: str) -> Subject:
    """`NAME@sha256:<64 hexadecimal digits>`. Raises Misconfigured."""
    if (found := _SUBJECT.fullmatch(text)) is None:
        raise Misconfigured(f"--subject: expected NAME@sha256:<64 hexadecimal digits>, got {text!r}")
    return Subject(found[1], sha256=found[2])


def private_key(variable: str, environ: MutableMapping[str, str]) -> "Ed25519PrivateKey":
    """The key in an environment variable, as PEM or base64 (of PEM, DER or the 32 bytes).

    It is taken out of `environ`, so that no process that is started inherits it. Raises Misconfigured, which shows
    nothing of the key.
    """
    if not _VARIABLE.fullmatch(variable):
        raise Misconfigured("--sign-key: expected the name of an environment variable that holds the key")
    if why := missing("sign"):
        raise Misconfigured(f"--sign-key {variable}: {why}")
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 -- an extra
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        load_der_private_key,
        load_pem_private_key,
    )

    text = environ.pop(variable, "")
    if not text.strip():
        raise Misconfigured(f"--sign-key {variable}: this environment variable is not set")
    expected = "expected an Ed25519 private key without a password, as PEM or base64"
    try:
        data = _bytes_of(text.encode())
        if len(data) == _RAW_BYTES:
            return Ed25519PrivateKey.from_private_bytes(data)
        key = (load_pem_private_key if data.startswith(_BEGINS_PEM) else load_der_private_key)(data, None)
    except Exception:  # noqa: BLE001 -- whatever is wrong with it: its text may hold a part of the key
        raise Misconfigured(f"--sign-key {variable}: {expected}") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise Misconfigured(f"--sign-key {variable}: {expected}, got one of another kind")
    return key


def public_key(file: Path) -> "Ed25519PublicKey":
    """The key in a file, as PEM or base64 (of PEM, DER or the 32 bytes). Raises Misconfigured."""
    if why := missing("sign"):
        raise Misconfigured(f"--verify-key {file}: {why}")
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 -- an extra
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key  # noqa: PLC0415

    expected = f"--verify-key {file}: expected an Ed25519 public key, as PEM or base64"
    try:
        data = _bytes_of(file.read_bytes())
        if len(data) == _RAW_BYTES:
            return Ed25519PublicKey.from_public_bytes(data)
        key = (load_pem_public_key if data.startswith(_BEGINS_PEM) else load_der_public_key)(data)
    except OSError as error:
        raise Misconfigured(f"--verify-key {file}: cannot be read ({error.strerror})") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Misconfigured(expected) from error
    if not isinstance(key, Ed25519PublicKey):
        raise Misconfigured(f"{expected}, got one of another kind")
    return key


def statement_of(judgement: Judgement, manifest: bytes, subject: Subject) -> dict[str, Any]:
    """The in-toto statement: the test result, with the verdict in full and the manifest beside it.

    A test result knows no INCONCLUSIVE: only an approval is PASSED.
    """
    session, decision = judgement.session, judgement.decision
    names = {
        outcome: sorted(each.name for each in judgement.scenarios if each.outcome is outcome)
        for outcome in ScenarioOutcome
    }
    return {
        "_type": _STATEMENT,
        "subject": [subject.descriptor],
        "predicateType": _TEST_RESULT,
        "predicate": {
            "result": "PASSED" if decision.verdict is Verdict.APPROVED else "FAILED",
            # What was asked of the target, and by which thresholds, stands in the session.
            "configuration": [
                _descriptor(f"evidence/{name}", file.sha256)
                for name, file in decoded(manifest).files.items()
                if name == "session.json"
            ],
            "passedTests": names[ScenarioOutcome.PASSED],
            "warnedTests": [],
            "failedTests": sorted(
                names[ScenarioOutcome.FAILED] + names[ScenarioOutcome.BROKEN] + names[ScenarioOutcome.NOT_RUN]
            ),
            "greenlight": {
                "verdict": str(decision.verdict),
                "reason": decision.reason,
                "scope": judgement.scope,
                "session": session.session_id,
                "target": session.environment,
                "url": session.url,
                "targetVersion": session.target_version,
                "criteria": plain(decision.criteria),
                "notExercised": names[ScenarioOutcome.NOT_EXERCISED],
                "versions": session.versions,
                "manifest": _descriptor(f"evidence/{MANIFEST}", sha256(manifest).hexdigest()),
            },
        },
    }


def sign(folder: Path, judgement: Judgement, key: "Ed25519PrivateKey", subject: Subject | None) -> Path:
    """Signs a judged session: writes the envelope beside its evidence. Raises OSError, and Misconfigured if it cannot.

    Without a `subject` it is the version that the target reports.
    """
    session = judgement.session
    manifest = Evidence(folder).manifest()
    if manifest is None:
        raise Misconfigured(f"--sign-key: {folder} has no evidence/{MANIFEST}, since its run did not come to its end")
    if subject is None and not session.target_version:
        raise Misconfigured(
            f"--sign-key: {session.environment} reports no version: name what was judged, --subject NAME@sha256:..., "
            f"for instance with `greenlight verdict {folder} --sign-key ... --subject ...`"
        )
    subject = subject or Subject(session.environment, version=session.target_version)
    payload = msgspec.json.encode(statement_of(judgement, manifest, subject))
    signature = Signature(key_id(key.public_key()), _base64(key.sign(authenticated(PAYLOAD_TYPE, payload))))
    path = folder / ATTESTATION
    envelope = Envelope(payload=_base64(payload), payload_type=PAYLOAD_TYPE, signatures=(signature,))
    write_whole(path, msgspec.json.format(msgspec.json.encode(envelope)) + b"\n")
    return path


def verify(folder: Path, key: "Ed25519PublicKey", subject: Subject | None = None) -> Attested:
    """What was signed with this key of the session. Raises Unsigned, also for another subject than the one demanded."""
    try:
        envelope = msgspec.json.decode(read_whole(folder, ATTESTATION), type=Envelope)
        payload = envelope.content
        manifest = Evidence(folder).manifest()
    except FileNotFoundError:
        raise Unsigned(f"{ATTESTATION} is missing: the session is not signed") from None
    except OSError as error:
        raise Unsigned(f"{ATTESTATION} cannot be read ({error.strerror or error})") from error
    except (msgspec.MsgspecError, ValueError) as error:
        raise Unsigned(f"{ATTESTATION} is no envelope: {error}") from error
    signed = authenticated(envelope.payload_type, payload)
    if not any(_is_by(key, each, signed) for each in envelope.signatures):
        raise Unsigned(f"{ATTESTATION} is not signed with the key that was given (key id {key_id(key)})")
    if envelope.payload_type != PAYLOAD_TYPE:
        raise Unsigned(f"{ATTESTATION} holds {envelope.payload_type}, expected {PAYLOAD_TYPE}")
    try:
        said = msgspec.json.decode(payload)
        kind, own = (said["_type"], said["predicateType"]), said["predicate"]["greenlight"]
        attested = Attested(key_id(key), msgspec.convert(said["subject"], tuple[dict[str, Any], ...]), own["verdict"])
        digest = own["manifest"]["digest"]["sha256"]
    except (msgspec.MsgspecError, KeyError, TypeError, RecursionError) as error:
        raise Unsigned(f"{ATTESTATION} holds no test result of a session: {error!r}") from error
    if kind != (_STATEMENT, _TEST_RESULT):
        raise Unsigned(f"{ATTESTATION} holds {kind[1]}, expected {_TEST_RESULT}")
    if manifest is None or sha256(manifest).hexdigest() != digest:
        raise Unsigned(f"evidence/{MANIFEST} is not the one that was signed")
    if subject is not None and subject.descriptor not in attested.subject:
        raise Unsigned(f"{ATTESTATION} is of another subject than {subject}")
    return attested


def key_id(key: "Ed25519PublicKey") -> str:
    """SHA-256 of the public key (DER), as `openssl pkey -pubin -outform DER | sha256sum` prints it."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415 -- an extra

    return sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def _is_by(key: "Ed25519PublicKey", signature: Signature, signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 -- an extra

    try:
        key.verify(base64.b64decode(signature.sig, validate=True), signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes_of(text: bytes) -> bytes:
    """PEM as it is, all else from base64. Raises ValueError."""
    text = text.strip()
    return text if text.startswith(_BEGINS_PEM) else base64.b64decode(b"".join(text.split()), validate=True)


def _descriptor(name: str, digest: str) -> dict[str, Any]:
    return {"name": name, "digest": {"sha256": digest}, "mediaType": "application/json"}
