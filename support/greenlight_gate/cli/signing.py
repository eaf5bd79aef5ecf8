"""The signature of a session, as --sign-key makes it and --verify-key demands it."""

import argparse
import os
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

from greenlight_gate.cli.suite_faults import SuiteFaults
from greenlight_gate.evidence.attestation import (
    Attested,
    Subject,
    private_key,
    public_key,
    sign,
    subject_of,
    verify,
)
from greenlight_gate.evidence.judge import Judgement, judge, undecided
from greenlight_gate.findings import printable
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.verdict.facts import Verdict

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


class Signer:
    """Signs a session once it is judged, if that was asked for.

    The key is read at once and taken out of the environment, before any process is started. Raises Misconfigured.
    """

    def __init__(self, options: argparse.Namespace, environ: MutableMapping[str, str] = os.environ) -> None:
        self._subject = _subject(options)
        self._key: Ed25519PrivateKey | None = None
        if options.sign_key is not None:
            self._key = private_key(options.sign_key, environ)

    def sign(self, judgement: Judgement, folder: Path, console: Console, faults: SuiteFaults) -> None:
        """Writes the signature beside the evidence. Raises Misconfigured if it cannot be written."""
        if self._key is None:
            return
        if faults.messages:
            console.print("[yellow]not signed, since the suite itself failed[/]", highlight=False)
            return
        try:
            path = sign(folder, judgement, self._key, self._subject)
        except OSError as error:
            raise Misconfigured(f"{folder}: the signature cannot be written ({error.strerror})") from error
        console.print(f"[dim]{escape(str(path))}[/]", highlight=False, soft_wrap=True)


class Demand:
    """Judges sessions that are signed with a key, and says of all others why they are INCONCLUSIVE."""

    def __init__(self, key: "Ed25519PublicKey", subject: Subject | None) -> None:
        self._key = key
        self._subject = subject
        self._attested: Attested | None = None

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Demand":
        """What --verify-key demands. Raises Misconfigured."""
        return cls(public_key(options.verify_key), _subject(options))

    def check(self, folder: Path) -> None:
        """Checks the signature. Raises Unsigned."""
        self._attested = verify(folder, self._key, self._subject)

    def judge(self, folder: Path) -> Judgement:
        """The judgement of a session whose signature was checked. Raises NoEvidence."""
        judgement, attested = judge(folder), self._attested
        assert attested is not None
        if judgement.decision.verdict is Verdict.APPROVED and attested.verdict != Verdict.APPROVED:
            return undecided(folder, f"it was signed as {attested.verdict}, not as APPROVED", judgement.session)
        return judgement

    def __str__(self) -> str:
        """Who signed what, "" where it is not signed as demanded."""
        if self._attested is None:
            return ""
        of = "; ".join(_in_words(each) for each in self._attested.subject)
        return printable(f"Signed as {self._attested.verdict} with the key {self._attested.keyid}, of {of}")


def _in_words(subject: Mapping[str, Any]) -> str:
    digest = subject.get("digest")
    values = [f"{kind} {value}" for kind, value in digest.items()] if isinstance(digest, dict) else []
    return f"{subject.get('name')} ({', '.join(values) or 'no digest'})"


def _subject(options: argparse.Namespace) -> Subject | None:
    if options.subject is None:
        return None
    if options.sign_key is None and getattr(options, "verify_key", None) is None:
        raise Misconfigured("--subject needs --sign-key ENV, or --verify-key FILE of `greenlight verdict`")
    return subject_of(options.subject)
