"""wss from the command: a private authority, one that nobody knows, and verification that is switched off aloud."""

import json
import shutil
from pathlib import Path

import pytest

from support.tests.cli.process import REASONS, Ran, behave, greenlight, judged, suite_in, target
from support.tests.hostile import conduct as does
from support.tests.hostile.certificate import Authority
from support.tests.hostile.server import HostileServer

WARNING = "WARNING the certificate was not verified (tls.insecure_skip_verification): any server may have answered"
TRUSTED = f'{REASONS}[tls]\nca_file = "ca.pem"\n'
UNVERIFIED = "[tls]\ninsecure_skip_verification = true\n"
RUN = ("--environment", "hostile.toml", "--categories", "functional")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def met(
    folder: Path, authority: Authority, more: str, *options: str, health: str = "/health", fresh: bool = False
) -> Ran:
    shutil.copy(authority.ca_file, folder)
    context = authority.server_context("127.0.0.1")
    with HostileServer(does.conversation(does.rightly), does.health(), context) as server:
        target(folder, server.url, health, more)
        return judged(folder, *RUN, *options, fresh=fresh)


def test_a_private_authority_that_is_named_is_trusted(tmp_path: Path, authority: Authority) -> None:
    ran = met(tmp_path, authority, TRUSTED, fresh=True)

    assert (ran.code, ran.verdict, ran.err) == (0, "APPROVED", "")
    assert ran.report["validation_session"]["url"].startswith("wss://")
    assert "WARNING" not in ran.out


@pytest.mark.parametrize("health", ["/health", ""])
def test_an_authority_that_nobody_knows_is_a_mistake(tmp_path: Path, authority: Authority, health: str) -> None:
    ran = met(tmp_path, authority, "", health=health)

    assert (ran.code, ran.err.count("\n")) == (3, 1), ran.out + ran.err
    assert "expected a certificate that can be trusted, but unable to get local issuer certificate" in ran.err
    assert "put the authority's certificate into a file and name it in [tls] ca_file" in ran.err
    assert not (tmp_path / "reports").exists()


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_certificate_for_another_host_is_not_answered_with_a_ca_file(
    tmp_path: Path, authority: Authority, command: str
) -> None:
    shutil.copy(authority.ca_file, tmp_path)
    context = authority.server_context("chat.example")
    with HostileServer(does.conversation(does.rightly), does.health(), context) as server:
        target(tmp_path, server.url, more=TRUSTED)
        ran = greenlight(tmp_path, command, "--environment", "hostile.toml")

    assert (ran.code, ran.err.count("\n")) == (3, 1), ran.out + ran.err
    assert "certificate is not valid for '127.0.0.1'; use a host in url that the certificate is for" in ran.err
    assert "name it in [tls]" not in ran.err


@pytest.mark.parametrize("options", [pytest.param((), marks=pytest.mark.slow), ("--ci-mode",)])
def test_what_was_not_verified_is_said_aloud_and_never_approved(
    tmp_path: Path, authority: Authority, options: tuple[str, ...]
) -> None:
    ran = met(tmp_path, authority, UNVERIFIED, *options)
    evidence = next(each for each in ran.report["compliance_check"]["criteria"] if each["id"] == "EVIDENCE")

    assert (ran.code, ran.verdict, ran.report["findings"]) == (2, "INCONCLUSIVE", [])
    assert WARNING in (ran.err if options else ran.out)
    assert evidence["status"] == "inconclusive"
    assert evidence["measured"] == WARNING.removeprefix("WARNING ")
    if options:
        return
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(ran.session / "evidence", elsewhere / "evidence")
    assert greenlight(tmp_path, "verdict", str(elsewhere)).code == 2
    assert json.loads((elsewhere / "comprehensive_validation_report.json").read_bytes()) == ran.report


@pytest.mark.slow
def test_bare_behave_and_the_doctor_say_it_as_well(tmp_path: Path, authority: Authority) -> None:
    with HostileServer(
        does.conversation(does.rightly), does.health(), authority.server_context("127.0.0.1")
    ) as server:  # fmt: skip
        target(tmp_path, server.url, more=UNVERIFIED)
        suite_in(tmp_path)
        doctor = greenlight(tmp_path, "doctor", "--environment", "hostile.toml", fresh=True)
        bare = behave(tmp_path, "--tags=@functional", "-D", "environment=hostile.toml")

    assert (doctor.code, WARNING in doctor.out) == (0, True), doctor.out
    assert WARNING in bare.err
    assert greenlight(tmp_path, "verdict", "--output-dir", "reports").code == 2
