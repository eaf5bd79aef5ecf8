"""`greenlight verdict`: the newest session, any session, and one that is none."""

import json
import os
from pathlib import Path

import pytest
from greenlight_gate.cli.verdict import newest
from greenlight_gate.targets.settings import Misconfigured

from support.tests.cli.process import behave, greenlight, suite_in
from support.tests.evidence.folders import write
from support.tests.rules.talk import asked


def test_the_newest_is_the_one_that_began_last_whatever_was_touched_last(tmp_path: Path) -> None:
    names = ["validation_session_999999999", "validation_session_1000000000-10", "validation_session_1000000000-9"]
    for name in (*names, "validation_session_1000000000", "another"):
        (tmp_path / name).mkdir()
    (tmp_path / "validation_session_2000000000").touch()
    os.utime(tmp_path / names[0])

    assert newest(tmp_path).name == "validation_session_1000000000-10"


@pytest.mark.parametrize("folder", ["empty", "absent"])
def test_without_a_session_there_is_one_line(tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()

    with pytest.raises(Misconfigured, match=r"has no validation session; run `behave` or `greenlight run` first"):
        newest(tmp_path / folder)


def test_a_session_by_its_path_and_verbosely(tmp_path: Path) -> None:
    bad = write(tmp_path / "bad", talk=asked().started().close("server", 1011))

    ran = greenlight(tmp_path, "verdict", str(bad), "--verbose")

    assert (ran.code, ran.err) == (1, "")
    assert "LIFECYCLE-2: expected one end, got 1 events and no end [Ada, records 3, 4, 5]" in ran.out
    assert ">>  4   0.4000  Ada  agent_started  on it" in ran.out


@pytest.mark.parametrize("what", ["a-file", "nowhere"])
def test_what_is_no_session_is_one_line(tmp_path: Path, what: str) -> None:
    (tmp_path / "a-file").touch()

    ran = greenlight(tmp_path, "verdict", what, fresh=what == "nowhere")

    assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1)
    assert "expected a session folder with evidence/session.json" in ran.err


@pytest.mark.slow
def test_behave_by_tags_from_the_root_then_verdict(tmp_path: Path) -> None:
    suite_in(tmp_path)

    ran = behave(tmp_path, "--tags=@functional")
    judged = greenlight(tmp_path, "verdict", "--output-dir", "reports")

    assert ran.code == 0, ran.out + ran.err
    assert (judged.code, judged.verdict) == (0, "APPROVED")
    assert "functional" in judged.out
    results = [json.loads(path.read_bytes()) for path in tmp_path.glob("allure-results/*-result.json")]
    assert [result["name"] for result in results].count("APPROVED: embedded") == 1
    assert len(results) == judged.report["execution_results"]["pytest_metrics"]["total_tests"] + 1
