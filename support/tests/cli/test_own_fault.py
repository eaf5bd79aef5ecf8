"""What goes wrong in the suite itself is told as its own fault: never with the exit code of a blocked target."""

import os
from pathlib import Path

import pytest

from support.tests.cli.forks import fork
from support.tests.cli.process import REASONS, ROOT, Ran, environ, greenlight, judged, target
from support.tests.evidence.folders import whole_answer, write
from support.tests.hostile import conduct as does
from support.tests.hostile.server import Act, HostileServer
from support.tests.rules.talk import Talk, asked

NO_PICTURES = {"MPLBACKEND": "no-such-backend"}
SAID = "Suite fault: pictures not written: ValueError: Key backend: 'no-such-backend' is not a valid value"
VISUALIZATIONS = "monitoring/visualizations"
KEPT = ("verdict.html", "junit.xml", "monitoring/failure_patterns.json", "evidence/ledger.jsonl")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A run of a healthy target, whose pictures cannot be drawn."""
    folder = tmp_path_factory.mktemp("no-pictures")
    with HostileServer(does.conversation(does.rightly), does.health()) as server:
        target(folder, server.url, more=REASONS)
        return judged(
            folder, "--environment", "hostile.toml", "--categories", "functional", env=NO_PICTURES, fresh=True
        )


def test_a_run_whose_pictures_cannot_be_drawn_decides_and_approves_nothing(ran: Ran) -> None:
    assert (ran.code, ran.verdict) == (2, "APPROVED"), ran.out + ran.err
    assert SAID in ran.out
    assert "INCONCLUSIVE  The suite itself failed, not the target." in ran.out
    assert "Traceback" not in ran.out + ran.err
    assert [name for name in KEPT if not (ran.session / name).is_file()] == []
    assert "There are no pictures of this session." in (ran.session / "verdict.html").read_text("utf-8")
    log = (ran.session / "validation_execution.log").read_text("utf-8")
    assert (SAID in log, "in draw_pictures" in log or "import draw_pictures" in log) == (True, True)


def test_mended_it_approves_without_another_run(ran: Ran) -> None:
    again = greenlight(ran.folder, "verdict", str(ran.session), fresh=True)

    assert (again.code, "Suite fault" in again.out) == (0, False), again.out
    assert len(list((ran.session / VISUALIZATIONS).glob("session_*.png"))) == 2


def test_ci_is_told_the_same_in_its_four_lines(tmp_path: Path) -> None:
    folder = write(tmp_path / "session")
    blocked = write(tmp_path / "blocked", talk=asked().started().close("server", 1011))

    ran = greenlight(tmp_path, "verdict", str(folder), "--ci-mode", env=NO_PICTURES, fresh=True)
    worse = greenlight(tmp_path, "verdict", str(blocked), "--ci-mode", env=NO_PICTURES, fresh=True)

    assert ran.code == 2
    assert ran.out.startswith(f"VALIDATION_RESULT=INCONCLUSIVE\nFAILURE_REASON={SAID}")
    assert ran.out.splitlines()[2:] == [
        f"REPORT={folder}/comprehensive_validation_report.json", "SCOPE=partial: functional",
    ]  # fmt: skip
    # What the target has done is not made good by a fault of the suite.
    assert (worse.code, worse.out.splitlines()[0]) == (1, "VALIDATION_RESULT=BLOCKED")
    assert (SAID in worse.err, "INCONCLUSIVE" in worse.out + worse.err) == (True, False)


@pytest.mark.parametrize(
    "taken",
    [
        {f"{VISUALIZATIONS}/session_event_timeline.png": "pictures not written: Is a directory"},
        {
            "verdict.html": "page not written: Is a directory",
            "junit.xml": "files for pipelines and monitoring not written: Is a directory",
        },
    ],
    ids=" and ".join,
)
def test_what_stands_in_the_way_of_a_file_costs_that_file(tmp_path: Path, taken: dict[str, str]) -> None:
    folder = write(tmp_path / "session")
    for name in taken:
        (folder / name).mkdir(parents=True)

    ran = greenlight(tmp_path, "verdict", str(folder))

    assert ran.code == 0, ran.out + ran.err
    assert [name for name, said in taken.items() if f"{said} ({folder / name})" not in ran.out] == []
    files = ("verdict.html", "junit.xml", "comprehensive_validation_report.json", "monitoring/monitoring_summary.json")
    missing = {name for name in files if not (folder / name).is_file()}
    assert {name for name in missing if not name.startswith("monitoring")} == missing & taken.keys()


def test_a_broken_installation_is_not_the_exit_code_of_a_blocked_target(tmp_path: Path) -> None:
    folder = write(tmp_path / "session")
    (tmp_path / "rich").mkdir()
    (tmp_path / "rich/__init__.py").write_text("raise RuntimeError('half an installation')\n", encoding="utf-8")

    ran = greenlight(tmp_path, "verdict", str(folder), env={"PYTHONPATH": f"{tmp_path}:{ROOT}"}, fresh=True)

    assert (ran.code, ran.out) == (2, "")
    assert ran.err.splitlines()[-1] == (
        "greenlight: Suite fault: RuntimeError: half an installation; the target was not judged"
    )
    assert "Traceback" in ran.err


@pytest.mark.parametrize(
    ("door", "said"),
    [
        (does.page("401 Unauthorized"), "hostile: warm-up: Ada could not connect: HTTP 401"),
        (
            does.page("302 Found", "Location: wss://chat.example/ws\r\n"),
            "HTTP 302, a redirect to wss://chat.example/ws; redirects are not followed: give url that address",
        ),
    ],
    ids=["refused", "redirected"],
)
def test_a_target_that_refuses_the_warm_up_is_no_fault_of_the_suite(tmp_path: Path, door: Act, said: str) -> None:
    with HostileServer(door, does.health()) as server:
        file = target(tmp_path, server.url)
        file.write_text(f"warm_up_runs = 1\n{file.read_text('utf-8')}", encoding="utf-8")
        ran = judged(tmp_path, "--environment", "hostile.toml", "--categories", "functional")
    reason = ran.report["deployment_decision"]["reason"]

    assert (ran.code, ran.verdict) == (2, "INCONCLUSIVE")
    assert "the target cannot be judged: " in reason
    assert said in reason
    assert "suite itself" not in ran.out + ran.err + reason


@pytest.mark.parametrize(("talk", "code"), [(whole_answer(), 0), (asked().started().close("server", 1011), 1)])
def test_nobody_needs_to_read_what_is_printed(tmp_path: Path, talk: Talk, code: int) -> None:
    """As `greenlight verdict | head -1` does it, before the first line."""
    folder = write(tmp_path / "session", talk=talk)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out, (tmp_path / "err.txt").open("wb") as err:
        ended = fork(("greenlight_gate.cli.main", "verdict", str(folder)), tmp_path, environ(), out, err).wait(60)

    assert (ended, (tmp_path / "err.txt").read_text("utf-8")) == (code, "")
    assert (folder / "verdict.html").is_file()
