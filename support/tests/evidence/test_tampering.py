"""Evidence that was changed after its run is named and not judged; a signature shows where the manifest was as well."""

import base64
import json
import re
import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from greenlight_gate.cli.signing import Demand
from greenlight_gate.evidence.attestation import Subject, Unsigned, private_key, public_key, sign, subject_of
from greenlight_gate.evidence.judge import Judgement, judge
from greenlight_gate.report.schemas import schemas
from greenlight_gate.targets.settings import Misconfigured
from greenlight_gate.verdict.facts import Verdict

from support.tests.cli.process import behave, greenlight, mistaken, suite_in
from support.tests.evidence.folders import SELECTED, sealed, write, write_ledger
from support.tests.rules.talk import asked

SELECTION = ("features/functional/1_work_began.feature:7", "features/security/1_isolation.feature:7")
DIGEST = "ab" * 32
OTHER_SUBJECT = subject_of(f"chat@sha256:{DIGEST}")
KEY = Ed25519PrivateKey.generate()
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
Tamper = Callable[[Path], object]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real session, of plain `behave`: a functional scenario and one about isolation."""
    folder = tmp_path_factory.mktemp("original")
    suite_in(folder)
    ran = behave(folder, *SELECTION)
    assert ran.code == 0, ran.out + ran.err
    return ran.session


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    """The evidence of a copy."""
    return Path(shutil.copytree(original, tmp_path / "reports" / original.name)) / "evidence"


def trace(evidence: Path, category: str) -> Path:
    (found,) = (evidence / "traces").glob(f"*-{category}-*.jsonl")
    return found


def ledger(evidence: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (evidence / "ledger.jsonl").read_bytes().splitlines()]


def edit_answer(evidence: Path) -> None:
    path = trace(evidence, "functional")
    before, found, after = path.read_bytes().rpartition(b"agent_completed")
    assert found
    path.write_bytes(before + b"agent_completeD" + after)


def remove_request(evidence: Path) -> None:
    path = trace(evidence, "functional")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], lines[-1]]))


def swap_traces(evidence: Path) -> None:
    one, other = trace(evidence, "functional"), trace(evidence, "security")
    contents = one.read_bytes(), other.read_bytes()
    one.write_bytes(contents[1])
    other.write_bytes(contents[0])


def replace_trace(evidence: Path) -> None:
    shutil.copyfile(trace(evidence, "functional"), trace(evidence, "security"))


def second_end(evidence: Path) -> None:
    """A second end of a scenario, before the end of the run; each line follows the one before."""
    *lines, last = ledger(evidence)
    write_ledger(evidence.parent, *lines, {**lines[-1], "outcome": "failed"}, last)


def after_the_end(evidence: Path) -> None:
    lines = ledger(evidence)
    write_ledger(evidence.parent, *lines, lines[-1])


def spare_security(evidence: Path) -> None:
    spared = {"outcome": "not_exercised", "reason": "it cannot", "trace": "", "findings": 0}
    write_ledger(
        evidence.parent,
        *(
            {**line, **spared} if line["entry"] == "finished" and line["key"].startswith("security") else line
            for line in ledger(evidence)
        ),
    )


def rewrite_session(**values: Any) -> Tamper:
    def rewrite(evidence: Path) -> None:
        path = evidence / "session.json"
        path.write_text(json.dumps({**json.loads(path.read_bytes()), **values}), encoding="utf-8")

    return rewrite


def link_trace(evidence: Path) -> None:
    path = trace(evidence, "security")
    outside = evidence.parent.parent / "outside.jsonl"
    shutil.move(path, outside)
    path.symlink_to(outside)


def list_more(evidence: Path) -> None:
    path = evidence / "manifest.json"
    manifest = json.loads(path.read_bytes())
    manifest["files"]["../outside.jsonl"] = {"bytes": 0, "sha256": sha256(b"").hexdigest()}
    (evidence.parent / "outside.jsonl").touch()
    path.write_text(json.dumps(manifest), encoding="utf-8")


TAMPERED: dict[str, tuple[Tamper, str]] = {
    "a text of an answer": (edit_answer, "-functional-1-work-began-feature-7.jsonl is not what was written"),
    "no request": (remove_request, "-functional-1-work-began-feature-7.jsonl is not what was written"),
    "traces swapped": (swap_traces, "-security-1-isolation-feature-7.jsonl is not what was written"),
    "another trace": (replace_trace, "-security-1-isolation-feature-7.jsonl is not what was written"),
    "a second end": (second_end, "evidence/ledger.jsonl is not what was written"),
    "no security": (spare_security, "evidence/ledger.jsonl is not what was written"),
    "thresholds": (rewrite_session(thresholds={"latency_ms_avg": 9000}), "evidence/session.json is not what was"),
    "accepted gaps": (rewrite_session(accepted={"isolation": "never mind"}), "evidence/session.json is not what was"),
    "another profile": (rewrite_session(profile_toml=""), "evidence/session.json is not what was written"),
    "no trace": (lambda evidence: trace(evidence, "security").unlink(), "-feature-7.jsonl is missing"),
    "one more file": (lambda evidence: (evidence / "baseline.json").touch(), "baseline.json was added after the run"),
    "a link": (link_trace, "-feature-7.jsonl cannot be read (it is a symbolic link)"),
    "a path that leads out": (list_more, "outside.jsonl cannot be read (its path leads out of the session folder)"),
    "no manifest": (lambda evidence: (evidence / "manifest.json").unlink(), "evidence/manifest.json is missing"),
    "half a manifest": (lambda evidence: (evidence / "manifest.json").write_text("{"), "manifest.json cannot be read"),
}  # fmt: skip


def test_the_session_itself_is_approved_and_its_manifest_lists_all(original: Path) -> None:
    manifest = json.loads((original / "evidence/manifest.json").read_bytes())
    files = [path for path in (original / "evidence").rglob("*") if path.is_file() and path.name != "manifest.json"]

    jsonschema.Draft202012Validator(schemas()["evidence/manifest.json"]).validate(manifest)
    assert judge(original).decision.verdict is Verdict.APPROVED
    assert {f"evidence/{name}" for name in manifest["files"]} == {str(path.relative_to(original)) for path in files}
    for path in files:
        listed = manifest["files"][str(path.relative_to(original / "evidence"))]
        assert listed == {"bytes": path.stat().st_size, "sha256": sha256(path.read_bytes()).hexdigest()}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_changed_after_the_run_is_named_and_not_judged(copy: Path, what: str) -> None:
    tamper, said = TAMPERED[what]
    tamper(copy)

    judgement = judge(copy.parent)

    assert judgement.decision.verdict is Verdict.INCONCLUSIVE
    assert said in judgement.decision.reason
    assert judgement.scenarios == ()


@pytest.mark.parametrize(
    ("tamper", "said"), [(second_end, "a second end of security/"), (after_the_end, "the run has ended before it")]
)
def test_a_ledger_has_one_end_of_each_scenario_and_of_the_run(copy: Path, tamper: Tamper, said: str) -> None:
    """Also where whoever changed it has written the manifest again."""
    tamper(copy)

    decision = judge(sealed(copy.parent)).decision

    assert decision.verdict is Verdict.INCONCLUSIVE
    assert f"line {len(ledger(copy)) - (tamper is second_end)}: {said}" in decision.reason


def test_a_line_of_a_killed_session_that_was_changed_is_named(copy: Path) -> None:
    (copy / "manifest.json").unlink()
    path = copy / "ledger.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)[:-1]
    path.write_bytes(b"".join(lines))
    killed = judge(copy.parent)
    path.write_bytes(b"".join([*lines[:2], lines[2].replace(b'"passed"', b'"failed"'), *lines[3:]]))

    assert killed.decision.verdict is Verdict.INCONCLUSIVE
    assert "the run did not come to its end" in killed.decision.reason
    assert [scenario.outcome for scenario in killed.scenarios] == ["passed", "passed"]
    assert "evidence/ledger.jsonl, line 4: it does not follow" in judge(copy.parent).decision.reason


def demanded(session: Path, *, key: Ed25519PrivateKey = KEY, subject: Subject | None = None) -> Judgement:
    demand = Demand(key.public_key(), subject)
    demand.check(session)
    return demand.judge(session)


@pytest.fixture
def signed(copy: Path, tmp_path: Path) -> Path:
    """A session that was signed, and then copied to another folder."""
    sign(copy.parent, judge(copy.parent), KEY, None)
    return Path(shutil.copytree(copy.parent, tmp_path / "elsewhere" / copy.parent.name))


def test_a_signed_session_is_verified_elsewhere(signed: Path) -> None:
    envelope = json.loads((signed / "attestation.json").read_bytes())
    statement = json.loads(base64.b64decode(envelope["payload"]))
    predicate = statement["predicate"]

    jsonschema.Draft202012Validator(schemas()["attestation.json"]).validate(envelope)
    assert demanded(signed).decision.verdict is Verdict.APPROVED
    assert (envelope["payloadType"], statement["_type"]) == (
        "application/vnd.in-toto+json", "https://in-toto.io/Statement/v1",
    )  # fmt: skip
    assert statement["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    assert statement["subject"] == [{"name": "embedded", "digest": {"targetVersion": "2.1.0"}}]
    assert (predicate["result"], len(predicate["passedTests"]), predicate["failedTests"]) == ("PASSED", 2, [])
    assert (predicate["greenlight"]["verdict"], predicate["greenlight"]["scope"]) == ("APPROVED", "partial")
    assert predicate["configuration"][0]["name"] == "evidence/session.json"


def unsigned(session: Path) -> Judgement:
    (session / "attestation.json").unlink()
    return demanded(session)


def rewritten(session: Path) -> Judgement:
    """Whoever changes the evidence can write the manifest again, but cannot sign it."""
    edit_answer(session / "evidence")
    return demanded(sealed(session))


def resigned(session: Path) -> Judgement:
    path = session / "attestation.json"
    envelope = json.loads(path.read_bytes())
    statement = base64.b64decode(envelope["payload"]).replace(b'"2.1.0"', b'"2.2.0"')
    path.write_text(json.dumps({**envelope, "payload": base64.b64encode(statement).decode()}), encoding="utf-8")
    return demanded(session)


def garbled(session: Path) -> Judgement:
    (session / "attestation.json").write_text('{"payload": 1}', encoding="utf-8")
    return demanded(session)


@pytest.mark.parametrize(
    ("judged", "said"),
    [
        (unsigned, "attestation.json is missing: the session is not signed"),
        (rewritten, "evidence/manifest.json is not the one that was signed"),
        (resigned, "attestation.json is not signed with the key that was given"),
        (garbled, "attestation.json is no envelope"),
        (lambda session: demanded(session, key=Ed25519PrivateKey.generate()), "not signed with the key that was given"),
        (lambda session: demanded(session, subject=OTHER_SUBJECT), f"of another subject than chat@sha256:{DIGEST}"),
    ],
)
def test_what_is_not_signed_as_demanded_is_not_judged(
    signed: Path, judged: Callable[[Path], Judgement], said: str
) -> None:
    with pytest.raises(Unsigned, match=re.escape(said)):
        judged(signed)


def test_a_check_that_fails_changes_nothing_of_a_session(signed: Path, tmp_path: Path) -> None:
    other = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "other.pub").write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    before = {path: path.read_bytes() for path in signed.parent.rglob("*") if path.is_file()}

    ran = greenlight(tmp_path, "verdict", str(signed), "--verify-key", "other.pub", "--ci-mode")

    assert (ran.code, ran.out.splitlines()[0]) == (2, "VALIDATION_RESULT=INCONCLUSIVE")
    assert "not signed with the key that was given" in ran.out
    assert "Nothing was judged, and nothing of the session was changed." in ran.out
    assert {path: path.read_bytes() for path in signed.parent.rglob("*") if path.is_file()} == before


def test_a_verdict_that_is_no_approval_is_signed_as_failed_and_approves_nothing_later(tmp_path: Path) -> None:
    """INCONCLUSIVE is no result that in-toto knows. A later version that would approve it does not."""
    blocked = write(tmp_path / "blocked", talk=asked().started().close("server", 1011))
    approved = write(tmp_path / "approved")
    judgement = judge(approved)
    for folder, told in ((blocked, judge(blocked)), (approved, judge(blocked))):
        predicate = json.loads(
            base64.b64decode(json.loads(sign(folder, told, KEY, OTHER_SUBJECT).read_bytes())["payload"])
        )["predicate"]
        assert (predicate["result"], predicate["greenlight"]["verdict"]) == ("FAILED", "BLOCKED")

    assert judgement.decision.verdict is Verdict.APPROVED
    assert demanded(blocked, subject=OTHER_SUBJECT).decision.verdict is Verdict.BLOCKED
    assert "it was signed as BLOCKED, not as APPROVED" in demanded(approved).decision.reason


RAW = KEY.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
DER = KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize("data", [PEM.encode(), RAW, DER], ids=["pem", "raw", "der"])
def test_a_key_may_come_in_base64_and_leaves_the_environment(data: bytes, tmp_path: Path) -> None:
    environ = {"KEY": base64.encodebytes(data).decode(), "OTHER": "x"}

    assert private_key("KEY", environ).public_key() == KEY.public_key()
    assert environ == {"OTHER": "x"}

    encoding, kind = (
        (Encoding.Raw, PublicFormat.Raw) if data == RAW else (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    (tmp_path / "pub").write_bytes(base64.b64encode(KEY.public_key().public_bytes(encoding, kind)))
    assert public_key(tmp_path / "pub") == KEY.public_key()


def mistakes() -> Iterator[tuple[list[str], str]]:
    yield ["--sign-key", "UNSET"], "--sign-key UNSET: this environment variable is not set"
    yield ["--sign-key", "WRONG"], "--sign-key WRONG: expected an Ed25519 private key without a password"
    yield ["--sign-key", PEM], "--sign-key: expected the name of an environment variable that holds the key"
    yield ["--verify-key", "nowhere"], "--verify-key nowhere: cannot be read"
    yield ["--verify-key", "wrong"], "--verify-key wrong: expected an Ed25519 public key, as PEM or base64"
    yield ["--sign-key", "GOOD", "--subject", "chat:1"], "--subject: expected NAME@sha256:<64 hexadecimal digits>"
    yield ["--subject", f"chat@sha256:{DIGEST}"], "--subject needs --sign-key ENV, or --verify-key FILE"


def test_a_mistake_is_one_line_that_shows_no_key(tmp_path: Path) -> None:
    write(tmp_path / "session")
    (tmp_path / "wrong").write_text(PEM, encoding="utf-8")
    env = {"WRONG": PEM[:-40], "GOOD": PEM}
    for arguments, said in mistakes():
        ran = mistaken(tmp_path, "verdict", "session", *arguments, env=env)
        assert (ran.code, ran.err.startswith(f"greenlight: {said}"), ran.err.count("\n")) == (3, True, 1), ran.err
        assert PEM.splitlines()[1] not in ran.out + ran.err


@pytest.mark.slow
def test_the_command_demands_a_signature_and_signs(copy: Path, tmp_path: Path) -> None:
    session, subject = copy.parent, str(OTHER_SUBJECT)
    before = sign(session, judge(session), KEY, OTHER_SUBJECT).read_bytes()
    (tmp_path / "release.pub").write_bytes(
        KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    other = Ed25519PrivateKey.generate()
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    ran = greenlight(
        tmp_path, "verdict", str(session), "--verify-key", "release.pub", "--sign-key", "KEY", "--subject", subject,
        "--ci-mode", env={"KEY": pem},
    )  # fmt: skip

    assert (ran.code, ran.out.splitlines()[0]) == (0, "VALIDATION_RESULT=APPROVED"), ran.out + ran.err
    assert "Signed as APPROVED with the key " in ran.err
    assert (session / "attestation.json").read_bytes() != before
    assert demanded(session, key=other, subject=OTHER_SUBJECT).decision.verdict is Verdict.APPROVED
    secret = pem.splitlines()[1]
    assert secret not in ran.out + ran.err
    assert [path for path in session.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()] == []


def test_without_a_version_or_a_manifest_there_is_nothing_to_sign(tmp_path: Path) -> None:
    session, killed = write(tmp_path / "session"), write(tmp_path / "killed", SELECTED)

    with pytest.raises(Misconfigured, match="by-hand reports no version: name what was judged, --subject"):
        sign(session, judge(session), KEY, None)
    with pytest.raises(Misconfigured, match=r"has no evidence/manifest\.json"):
        sign(killed, judge(killed), KEY, OTHER_SUBJECT)


def test_the_key_of_a_run_is_checked_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="another kind"):
        private_key("KEY", {"KEY": _other_kind()})
    ran = mistaken(tmp_path, "run", "--sign-key", "UNSET", "--output-dir", "reports")

    assert (ran.code, ran.out) == (3, "")
    assert not (tmp_path / "reports").exists()


def _other_kind() -> str:
    key = X25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
