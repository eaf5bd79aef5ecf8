"""Canaries stay in the evidence, which can be judged again; whoever reads a report reads whose they are."""

import re
from pathlib import Path

import pytest
from greenlight_gate.rules.engine.canary import HALF

from support.tests.cli.process import Ran, judged
from support.tests.report.packed import unpacked

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("broadcast")
    return judged(folder, "--categories", "integration", "--defect", "broadcast_to_all", "--verbose")


def shown(ran: Ran) -> dict[str, str]:
    """All that is made for users."""
    files = [path for path in ran.session.glob("*.*") if path.is_file()]
    files += [*ran.session.glob("monitoring/*.json"), *(ran.session / "evidence").glob("*.json*")]
    results = [path for path in (ran.folder / "allure-results").iterdir() if path not in frames(ran)]
    results = [path for path in results if path.suffix != ".png"]
    texts = {str(path): path.read_text("utf-8") for path in [*files, *results]}
    (conversations,) = unpacked((ran.session / "verdict.html").read_text("utf-8"))
    return {**texts, "conversations": conversations.decode(), "stdout": ran.out, "stderr": ran.err}


def frames(ran: Ran) -> list[Path]:
    attached = (ran.folder / "allure-results").glob("*-attachment.json")
    return [path for path in attached if '"record":' in path.read_text("utf-8")[:20]]


def test_evidence_holds_them(ran: Ran) -> None:
    traces = [path.read_bytes() for path in (ran.session / "evidence/traces").iterdir()]

    assert ran.code == 1
    assert any(HALF * 2 in trace for trace in traces)
    assert any(HALF * 2 in path.read_bytes() for path in frames(ran))


def test_reports_name_their_owners(ran: Ran) -> None:
    texts = shown(ran)
    tables = [text for name, text in texts.items() if name.endswith(".txt")]

    assert [name for name, text in texts.items() if HALF.decode() in text.lower()] == []
    assert re.search(r"canary of (Ada|Bashir|Chiara|Dayo|Emeka), plain, in ", ran.out)
    assert any("canary of " in table for table in tables)
    assert "canary of " in texts["conversations"]
    assert any("canary of " in text for name, text in texts.items() if name.endswith("-result.json"))
    assert any("canary of " in finding["actual"] for finding in ran.report["findings"])
