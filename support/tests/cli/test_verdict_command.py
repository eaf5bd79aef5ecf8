"""`greenlight verdict`: the newest session, any session, and one that is none."""

import json
import os
import time
from pathlib import Path

import pytest
from greenlight_gate.cli.verdict import newest
from greenlight_gate.evidence.output_folder import new_session_folder
from greenlight_gate.report.run_report import REPORT
from greenlight_gate.targets.settings import Misconfigured

from support.tests.cli.process import ROOT, behave, greenlight, suite_in
from support.tests.evidence.folders import ENDED, FINISHED, SELECTED, write
from support.tests.report.packed import sessions
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
    assert "LIFECYCLE-2: expected one end, got 1 event and no end [Ada, records 3, 4, 5]" in ran.out
    assert ">>  4   0.4000  Ada  agent_started  on it" in ran.out


@pytest.mark.slow
def test_a_page_that_compares_two_sessions(tmp_path: Path) -> None:
    after = write(tmp_path / "after", talk=asked().started().close("server", 1011), session={"session_id": "after"})
    before = write(tmp_path / "before", session={"session_id": "before"})
    page, unreadable = after / "verdict.html", tmp_path / "unreadable"

    compared = greenlight(tmp_path, "verdict", "after", "--compare", "before")

    assert (compared.code, compared.err) == (1, "")
    assert [each["name"] for each in sessions(page.read_text("utf-8"))] == ["after", "before"]
    assert not (before / "verdict.html").exists()
    assert greenlight(tmp_path, "verdict", "after").code == 1
    assert [each["name"] for each in sessions(page.read_text("utf-8"))] == ["after"]
    for wrong, said in (("after/", "this is the session itself"), ("absent", "expected a session folder")):
        refused = greenlight(tmp_path, "verdict", "after", "--compare", wrong)
        assert (refused.code, said in refused.err) == (3, True)
    before.rename(unreadable)
    (unreadable / "evidence/traces/1.jsonl").unlink()
    compared = greenlight(tmp_path, "verdict", "after", "--compare", "unreadable")
    assert "not compared: unreadable: EVIDENCE: evidence/traces/1.jsonl is missing" in compared.out
    assert [each["name"] for each in sessions(page.read_text("utf-8"))] == ["after"]


@pytest.mark.slow
def test_beside_a_copy_no_history_is_begun_and_one_that_is_there_goes_on(tmp_path: Path) -> None:
    reports, elsewhere = tmp_path / "reports", tmp_path / "elsewhere"
    write(reports / "validation_session_7")
    write(elsewhere / "validation_session_7")
    kept = [reports / "history.sqlite", elsewhere / "history.sqlite"]

    copied = greenlight(tmp_path, "verdict", str(elsewhere / "validation_session_7"), "--output-dir", "reports")
    assert (copied.code, [path.exists() for path in kept]) == (0, [False, False])
    own = greenlight(tmp_path, "verdict", "reports/validation_session_7", "--output-dir", "reports")
    assert (own.code, [path.exists() for path in kept]) == (0, [True, False])
    kept[0].rename(kept[1])
    before = kept[1].read_bytes()
    assert greenlight(tmp_path, "verdict", str(elsewhere / "validation_session_7")).code == 0
    assert kept[1].read_bytes() != before


def test_the_last_line_of_what_is_not_approved_says_what_to_do(tmp_path: Path) -> None:
    named = {"environment_option": "my gate/mine.toml"}
    sound = write(tmp_path / "sound")
    bad = write(tmp_path / "bad", talk=asked().started().close("server", 1011), session=named)
    changed = write(tmp_path / "changed", session=named)
    (changed / "evidence/measurements.json").write_text("{}", encoding="utf-8")

    def steps(*arguments: str) -> list[str]:
        lines = greenlight(tmp_path, "verdict", *arguments).out.splitlines()
        return [line for line in lines if line.startswith("Next: ")]

    assert steps(str(sound)) == []
    assert steps(str(bad)) == [f"Next: greenlight verdict --verbose {bad}"]
    assert steps(str(bad), "--verbose") == [
        "Next: correct LIFECYCLE-2, which is listed above with what is required; "
        "then greenlight run --environment 'my gate/mine.toml'"
    ]
    assert steps(str(changed)) == ["Next: greenlight run --environment 'my gate/mine.toml'"]


def test_what_a_step_has_demanded_in_vain_is_shown_as_a_finding_is(tmp_path: Path) -> None:
    said = {"expected": "an error that says what is wrong", "actual": "Ada: a text: no error"}
    failed = {"outcome": "failed", "reason": "REFUSAL-4: ...", "rule": "REFUSAL-4", "record": 3, **said}
    folder = write(tmp_path / "session", SELECTED, {**FINISHED, **failed}, ENDED)

    ran = greenlight(tmp_path, "verdict", "session")

    shown = """
REFUSAL-4 Malformed, oversized or unknown input gets a clear error, never silence.
  expected an error that says what is wrong
  got      Ada: a text: no error
  'An answer, from question to end', records 3 of traces/1.jsonl
"""
    assert (ran.code, shown in ran.out) == (1, True), ran.out
    page = (folder / "verdict.html").read_text("utf-8")
    assert "<summary>expected an error that says what is wrong, got Ada: a text: no error" in page
    report = json.loads((folder / REPORT).read_text("utf-8"))
    (demand,) = report["unmet_demands"]
    assert {name: demand[name] for name in said} == said
    assert demand["evidence"] == {"trace": "traces/1.jsonl", "records": [3]}
    assert report["findings"] == []


@pytest.mark.parametrize(("columns", "longest"), [("60", 60), ("", 400)])
def test_the_decision_is_wrapped_at_the_width_of_the_terminal_and_not_in_a_log(
    tmp_path: Path, columns: str, longest: int
) -> None:
    bad = write(tmp_path / "bad", talk=asked().started().close("server", 1011))

    ran = greenlight(tmp_path, "verdict", str(bad), env={"COLUMNS": columns} if columns else {})

    lines = ran.out[ran.out.index("\nBLOCKED  ") :].split("\n\n")[0].strip().splitlines()
    assert (len(lines) > 1, max(map(len, lines)) <= longest) == (bool(columns), True), lines


@pytest.mark.parametrize("what", ["a-file", "nowhere"])
def test_what_is_no_session_is_one_line(tmp_path: Path, what: str) -> None:
    (tmp_path / "a-file").touch()

    ran = greenlight(tmp_path, "verdict", what, fresh=what == "nowhere")

    assert (ran.code, ran.out, ran.err.count("\n")) == (3, "", 1)
    assert "expected a session folder with evidence/session.json" in ran.err


def test_a_clock_that_is_set_back_does_not_change_which_session_is_the_newest(tmp_path: Path) -> None:
    ahead = int(time.time()) + 86_400
    (tmp_path / f"validation_session_{ahead}").mkdir()

    later = new_session_folder(tmp_path)

    assert newest(tmp_path) == later
    assert new_session_folder(tmp_path) == newest(tmp_path) != later


def test_the_session_and_its_age_are_said_first(tmp_path: Path) -> None:
    began = {"session_id": "validation_session_7", "started_epoch_s": time.time() - 3 * 86_400 - 60}
    write(tmp_path / "reports/validation_session_7", session=began)

    ran = greenlight(tmp_path, "verdict", "--output-dir", "reports")

    assert ran.code == 0
    first = ran.out.splitlines()[0]
    assert first == "Session validation_session_7, begun 3 days ago: by-hand at ws://127.0.0.1:1/ws"


@pytest.mark.parametrize(
    ("arguments", "broken", "said"),
    [
        ((), True, "ModuleNotFoundError: No module named 'no_such_module'"),
        (("-D", "environment=nowhere"), False, "environment 'nowhere' is unknown"),
    ],
)
def test_a_run_that_could_not_begin_is_not_judged_by_an_older_session(
    tmp_path: Path, arguments: tuple[str, ...], broken: bool, said: str
) -> None:
    old = write(tmp_path / "reports/validation_session_1767225600")
    suite_in(tmp_path)
    if broken:
        (tmp_path / "steps").unlink()
        (tmp_path / "steps").mkdir()
        (tmp_path / "steps/broken.py").write_text("import no_such_module\n", encoding="utf-8")

    ran = behave(tmp_path, "--tags=@functional", *arguments)
    judged = greenlight(tmp_path, "verdict", "--output-dir", "reports")
    for_ci = greenlight(tmp_path, "verdict", "--output-dir", "reports", "--ci-mode")
    named = greenlight(tmp_path, "verdict", str(old))

    assert (ran.code, judged.code, for_ci.code, named.code) == (1, 2, 2, 0), ran.out + ran.err
    assert judged.out.startswith("INCONCLUSIVE  The last run made no session (")
    assert said in judged.out
    lines = [line.partition("=")[0::2] for line in for_ci.out.splitlines()]
    assert [name for name, _ in lines] == ["VALIDATION_RESULT", "FAILURE_REASON", "REPORT", "SCOPE"]
    assert (lines[0][1], lines[2][1], lines[3][1]) == ("INCONCLUSIVE", "", "none")


def test_a_selection_by_name_is_said_and_the_mark_of_an_earlier_failure_is_gone(tmp_path: Path) -> None:
    suite_in(tmp_path)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/run_without_session.txt").write_text("an earlier one\n", encoding="utf-8")

    behave(tmp_path, "--tags=@functional", "-n", "no scenario is called this")
    session = next((tmp_path / "reports").glob("validation_session_*"))
    judged = greenlight(tmp_path, "verdict", "--output-dir", "reports")

    assert not (tmp_path / "reports/run_without_session.txt").exists()
    assert judged.out.startswith(f"Session {session.name}, begun ")
    assert judged.report["validation_session"]["scope"] == "partial"


@pytest.mark.parametrize(
    "way", ["name", *(pytest.param(way, marks=pytest.mark.slow) for way in ("line", "exclude", "behaverc"))]
)
def test_whatever_narrows_a_selection_is_said(tmp_path: Path, way: str) -> None:
    suite_in(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    line = "features/functional"
    file = next(iter(sorted((ROOT / "features/functional").glob("*.feature"))))
    number = next(n for n, text in enumerate(file.read_text("utf-8").splitlines(), 1) if "Example:" in text)
    arguments = {
        "name": ("--tags=@functional", "-n", "no scenario is called this"),
        "line": (f"{line}/{file.name}:{number}",),
        "exclude": ("--exclude", f"^(?!.*{file.stem})", line),
        "behaverc": (f"{line}/{file.name}",),
    }[way]
    if way == "behaverc":
        (home / ".behaverc").write_text("[behave]\ntags = @nothing_has_this_tag\n", encoding="utf-8")

    behave(tmp_path, *arguments, env={"HOME": str(home)}, fresh=way == "behaverc")
    judged = greenlight(tmp_path, "verdict", "--output-dir", "reports")

    assert judged.report["validation_session"]["scope"] == "partial"
    reason = judged.report["deployment_decision"]["reason"]
    if way in ("line", "exclude"):
        assert " of 25 functional scenarios " in reason or " functional scenarios passed" in reason, reason
    else:
        assert judged.code == 2


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
