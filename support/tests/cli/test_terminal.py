"""What a server sends is shown on the terminal and never acts there: no command passes an escape sequence on."""

import json
import re
from pathlib import Path

import pytest

from support.tests.cli.process import greenlight, target
from support.tests.evidence.folders import write
from support.tests.hostile import conduct as does
from support.tests.hostile.conduct import ESCAPES
from support.tests.hostile.server import Act, HostileServer
from support.tests.rules.talk import asked

ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
SHOWN = r"\x1b[31mred\x1b[0m"
# rich would take these for its own markup.
MARKUP = "[bold]b[/bold]"


def test_doctor_of_a_server_that_answers(tmp_path: Path) -> None:
    health = does.health(service=ESCAPES, version="2.1.0 \x1b[2J")
    with HostileServer(does.conversation(does.escapes), health) as server:
        target(tmp_path, server.url)
        ran = greenlight(tmp_path, "doctor", "--environment", "hostile.toml")

    assert ran.code == 1
    assert ACTS.search(ran.out + ran.err) is None
    assert (SHOWN in ran.out, MARKUP in ran.out) == (True, True), ran.out
    assert r"\x1b[2J" in ran.out


@pytest.mark.parametrize(
    "door", [does.page("403 \x1b[31mForbidden"), does.closing_at_once(4401, "go \x1baway")], ids=["refusal", "close"]
)
def test_doctor_of_a_server_that_refuses(tmp_path: Path, door: Act) -> None:
    with HostileServer(door, does.health(status="\x1b[31mill", version="2.0")) as ill:
        target(tmp_path, ill.url)
        of_health = greenlight(tmp_path, "doctor", "--environment", "hostile.toml")
    with HostileServer(door, does.health()) as server:
        target(tmp_path, server.url)
        ran = greenlight(tmp_path, "doctor", "--environment", "hostile.toml")

    assert (of_health.code, ran.code) == (1, 1)
    assert ACTS.search(of_health.out + of_health.err + ran.out + ran.err) is None
    assert "\\x1b" in of_health.out


def test_profile_check_and_draft_of_recorded_frames(tmp_path: Path) -> None:
    frames = [
        {"type": "agent_started", "run_id": ESCAPES, ESCAPES: {"\x1b[2Jpath\x7f": ESCAPES}, "run\x7fid": "r"},
        {"type": ESCAPES, "text": ESCAPES, '"quoted"\\': "x"},
        {"type": "agent_completed", "run_id": ESCAPES, "result": ESCAPES},
    ]
    lines = [json.dumps({"dir": "in", "data": frame}) for frame in frames]
    (tmp_path / "capture.jsonl").write_text("\n".join(lines), encoding="utf-8")

    check = greenlight(tmp_path, "profile", "check", "agent-events", "capture.jsonl")
    draft = greenlight(tmp_path, "profile", "draft", "capture.jsonl")

    assert (check.code, draft.code) == (1, 0)
    assert ACTS.search(check.out + check.err + draft.out + draft.err) is None
    assert SHOWN in check.out


def test_profile_check_of_a_file_that_is_no_capture(tmp_path: Path) -> None:
    (tmp_path / "capture.jsonl").write_bytes(b'{"dir": "in\x1b[31m\xc2\x9b", "data": 1}\n')

    ran = greenlight(tmp_path, "profile", "check", "agent-events", "capture.jsonl")

    assert (ran.code, ran.err.count("\n")) == (3, 1)
    assert ACTS.search(ran.err) is None


@pytest.mark.slow
def test_verdict_and_history_of_a_session(tmp_path: Path) -> None:
    """The evidence may have come from anywhere."""
    reports = tmp_path / "reports"
    talk = asked().started().event("tool_executing", {"tool_name": ESCAPES}).close("server", 1011, reason=ESCAPES)
    odd = {"environment": f"mine {ESCAPES}", "url": f"ws://{ESCAPES}", "clock": ESCAPES}
    scenario = {"key": "functional/a.feature:1", "name": f"One {ESCAPES}"}
    ledger = (
        {"entry": "selected", **scenario, "category": "functional", "feature": ESCAPES},
        {"entry": "finished", "key": scenario["key"], "outcome": "failed", "reason": ESCAPES, "findings": 2,
         "trace": "traces/1.jsonl", "duration_s": 0.5},
        {"entry": "ended", "epoch_s": 1.0, "interrupted": ESCAPES, "fault": ESCAPES, "allure": [scenario["key"]]},
    )  # fmt: skip
    for number in (1, 2):
        write(reports / f"validation_session_{number}", *ledger, talk=talk, session={**odd, "session_id": f"s{number}"})
    commands = [
        ("verdict", str(reports / "validation_session_1"), "--output-dir", "reports"),
        ("verdict", str(reports / "validation_session_1"), "--verbose"),
        ("verdict", str(reports / "validation_session_2"), "--ci-mode"),
        ("history", "--output-dir", "reports"),
    ]

    ran = [greenlight(tmp_path, *command) for command in commands]

    assert [each.code for each in ran] == [1, 1, 1, 0], ran[-1].err
    assert [ACTS.findall(each.out + each.err) for each in ran] == [[]] * 4
    assert [SHOWN in each.out.replace("\n", "") for each in (ran[0], ran[1], ran[3])] == [True] * 3
