"""The bundled backend behind a gateway that speaks HTTP/2: it is approved, and HTTP/2 is what was spoken."""

import re
from pathlib import Path

import pytest
from greenlight_gate.backend.launch import BackendProcess
from greenlight_gate.targets.settings import suite_root
from greenlight_gate.trace import Responded, read_trace

from support.tests.cli.http2_front import gateway
from support.tests.cli.process import SECRET, Ran, greenlight, judged
from support.tests.hostile.certificate import Authority

EMBEDDED = (suite_root() / "support/greenlight_gate/targets/embedded-sse.toml").read_text("utf-8")
pytestmark = pytest.mark.slow


def target(folder: Path, url: str, before: str = "", after: str = "") -> None:
    text = re.sub('url = "[^"]*"', f'url = "{url}"', EMBEDDED.replace('start = "embedded"\n', ""))
    (folder / "front.toml").write_text(before + text.replace('[model]\nscript = "reference"', "") + after, "utf-8")


def versions(ran: Ran) -> set[str]:
    """Those of all answers in the traces."""
    found = set()
    for path in (ran.session / "evidence/traces").iterdir():
        with path.open("rb") as lines:
            _, records = read_trace(lines)
            found |= {each.http_version for each in records if isinstance(each, Responded)}
    return found


def test_it_is_chosen_with_tls(tmp_path: Path) -> None:
    Authority(tmp_path).server_context("127.0.0.1")
    with (
        BackendProcess.start(env={"CHAT_JWT_SECRET": SECRET}) as backend,
        gateway(backend.http_url, tmp_path / "127.0.0.1.pem") as (url, front),
    ):
        target(tmp_path, url, after='\n[tls]\nca_file = "ca.pem"\n')
        doctor = greenlight(tmp_path, "doctor", "--environment", "front.toml")
        ran = judged(tmp_path, "--environment", "front.toml", "--categories", "integration")

    assert doctor.code == 0, doctor.out
    assert re.search(r"ok  TLS +verified, TLSv1.3, HTTP/2\n", doctor.out)
    assert re.search(r"ok  answer +HTTP/2 200 after", doctor.out)
    assert (ran.code, ran.verdict, ran.report["findings"]) == (0, "APPROVED", []), ran.out + ran.err
    assert versions(ran) == {"2"}
    assert front.versions == {"1.1", "2"}  # the health check falls back


@pytest.mark.parametrize("version", ["1.1", "2"])
def test_the_target_names_what_is_spoken_without_tls(tmp_path: Path, version: str) -> None:
    with (
        BackendProcess.start(env={"CHAT_JWT_SECRET": SECRET}) as backend,
        gateway(backend.http_url) as (url, front),
    ):
        target(tmp_path, url, before=f'http_version = "{version}"\n')
        ran = judged(tmp_path, "--environment", "front.toml", "--categories", "functional")

    assert (ran.code, ran.verdict, ran.report["findings"]) == (0, "APPROVED", []), ran.out + ran.err
    assert versions(ran) == front.versions == {version}
