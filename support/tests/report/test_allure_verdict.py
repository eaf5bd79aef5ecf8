"""The verdict among Allure's results: an entry of its own, with the pictures, that no scenario is confused with."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.report.allure_results import OURS, Verdict, write_verdict


def entry(folder: Path, verdict: str = "BLOCKED", reason: str = "ISOLATION-1 (3)") -> Verdict:
    picture = folder / "timeline.png"
    picture.write_bytes(b"\x89PNG")
    criteria = [("SCENARIOS", "failed", "3 failed", "100 %"), ("EVIDENCE", "passed", "nothing is missing", "all")]
    attachments = [("What people saw", picture, "image/png"), ("Not there", folder / "none.json", "application/json")]
    return Verdict("staging", verdict, reason, 100.0, 109.5, criteria, attachments)


def written(results: Path) -> dict[str, Any]:
    (path,) = results.glob("*-result.json")
    read: dict[str, Any] = json.loads(path.read_bytes())
    return read


def test_the_entry_as_a_whole(tmp_path: Path) -> None:
    write_verdict(tmp_path / "results", entry(tmp_path))

    result = written(tmp_path / "results")
    assert (result["name"], result["status"], result["statusDetails"]) == (
        "BLOCKED: staging", "failed", {"message": "ISOLATION-1 (3)"}
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
