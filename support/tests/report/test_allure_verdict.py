"""The verdict among Allure's results: an entry of its own, with the pictures, that no scenario is confused with."""

import json
from pathlib import Path
from typing import Any

import pytest
from greenlight_gate.report.allure_results import OURS, AllureVerdict, session_of, write_environment, write_verdict

from support.tests.cli.process import greenlight
from support.tests.evidence.folders import write


def entry(
    folder: Path, verdict: str = "BLOCKED", reason: str = "ISOLATION-1 (3)", session: str = "s-1"
) -> AllureVerdict:
    picture = folder / "timeline.png"
    picture.write_bytes(b"\x89PNG")
    criteria = [("SCENARIOS", "failed", "3 failed", "100 %"), ("EVIDENCE", "passed", "nothing is missing", "all")]
    attachments = [("Events over time", picture, "image/png"), ("Not there", folder / "none.json", "application/json")]
    return AllureVerdict(session, "staging", verdict, reason, 100.0, 109.5, criteria, attachments)


def written(results: Path) -> dict[str, Any]:
    (path,) = results.glob("*-result.json")
    read: dict[str, Any] = json.loads(path.read_bytes())
    return read


def test_the_entry_as_a_whole(tmp_path: Path) -> None:
    write_verdict(tmp_path / "results", entry(tmp_path))

    result = written(tmp_path / "results")
    assert (result["name"], result["status"], result["statusDetails"]) == (
        "BLOCKED: staging", "failed", {"message": "BLOCKED: ISOLATION-1 (3)"}
    )  # fmt: skip
    assert (result["start"], result["stop"]) == (100_000, 109_500)
    assert {label["name"]: label["value"] for label in result["labels"]}["severity"] == "blocker"
    assert [(step["name"], step["status"]) for step in result["steps"]] == [
        ("SCENARIOS: 3 failed (required: 100 %)", "failed"), ("EVIDENCE: nothing is missing (required: all)", "passed")
    ]  # fmt: skip
    (attached,) = result["attachments"]
    assert (tmp_path / "results" / attached["source"]).read_bytes() == b"\x89PNG"
    assert all(OURS.fullmatch(path.name) for path in (tmp_path / "results").iterdir())


@pytest.mark.parametrize(
    ("verdict", "status"), [("APPROVED", "passed"), ("BLOCKED", "failed"), ("INCONCLUSIVE", "broken")]
)
def test_its_status(tmp_path: Path, verdict: str, status: str) -> None:
    write_verdict(tmp_path / "results", entry(tmp_path, verdict, "odd \udc80"))

    assert written(tmp_path / "results")["status"] == status


def test_a_later_judgement_of_a_session_takes_the_place_of_the_earlier_one(tmp_path: Path) -> None:
    results = tmp_path / "results"
    write_verdict(results, entry(tmp_path, "INCONCLUSIVE"))
    write_verdict(results, entry(tmp_path, "APPROVED"))
    assert (written(results)["status"], len(list(results.iterdir()))) == ("passed", 2)

    write_verdict(results, entry(tmp_path, session="s-2"))
    assert len(list(results.glob("*-result.json"))) == 2


@pytest.mark.parametrize(
    ("text", "session"),
    [("environment=x\nsession=validation_session_1\n", "validation_session_1"), ("environment=x\n", ""), (None, "")],
)
def test_whose_results_they_are(tmp_path: Path, text: str | None, session: str) -> None:
    if text is not None:
        (tmp_path / "environment.properties").write_text(text, encoding="utf-8")

    assert session_of(tmp_path) == session


@pytest.mark.slow
def test_the_command_adds_it_once_and_only_to_the_results_of_the_session(tmp_path: Path) -> None:
    write(tmp_path / "session")
    sessions = ("validation_session_1", "validation_session_1767225600", "validation_session_1767225600")
    for session, entries in zip(sessions, (0, 1, 1), strict=True):
        write_environment(tmp_path / "allure-results", {"session": session})

        assert greenlight(tmp_path, "verdict", "session").code == 0

        results = [json.loads(path.read_bytes()) for path in tmp_path.glob("allure-results/*-result.json")]
        assert [result["name"] for result in results] == ["APPROVED: by-hand"] * entries
        assert [len(result["attachments"]) for result in results] == [4] * entries
