"""The lines of a run's progress fit into the terminal, or into 80 columns of a log."""

import io
from collections.abc import Callable

import pytest
from greenlight_gate.bdd.runner.progress import RunProgress
from greenlight_gate.evidence.session_folder import Finished
from greenlight_gate.monitor import Alert
from greenlight_gate.verdict.facts import ScenarioOutcome
from rich.console import Console

TITLE = "Two users ask at the same moment and each receives only their own notes"
REASON = "Expected: no data of another user in any message\n but: was canary of Bashir, plain, in agent_thinking"
PATH = f"/{'a-folder/' * 12}ledger.jsonl"


def said(tell: Callable[[RunProgress], None], *, terminal: bool = False) -> list[str]:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=terminal, color_system=None)
    tell(RunProgress(console))
    return out.getvalue().splitlines()


def settled(outcome: ScenarioOutcome, reason: str = "") -> Callable[[RunProgress], None]:
    finished = Finished("security/1_isolation.feature:7", outcome, reason, 0, "traces/1.jsonl", 12.5)
    return lambda progress: progress.ended(finished, TITLE, 1234)


@pytest.mark.parametrize("terminal", [False, True])
def test_the_line_of_a_scenario(terminal: bool) -> None:
    assert said(settled(ScenarioOutcome.PASSED), terminal=terminal) == [
        "security",
        "  ok     Two users ask at the same moment and each…        1234 events  12.50 s",
    ]


@pytest.mark.parametrize("terminal", [False, True])
def test_a_reason_is_wrapped_below_its_scenario(terminal: bool) -> None:
    assert said(settled(ScenarioOutcome.FAILED, REASON), terminal=terminal)[1:] == [
        "  FAILED Two users ask at the same moment and each…        1234 events  12.50 s",
        "         Expected: no data of another user in any message but: was canary of",
        "         Bashir, plain, in agent_thinking",
    ]


def test_a_long_word_is_cut_into_lines() -> None:
    lines = said(settled(ScenarioOutcome.BROKEN, f"cannot write {PATH}"))[2:]

    assert lines[0] == "         cannot write"
    assert "".join(line.removeprefix(" " * 9) for line in lines[1:]) == PATH
    assert max(map(len, lines)) == 80


def test_an_alert_is_wrapped() -> None:
    alert = Alert("2026-01-01T00:00:00Z", "critical", "SILENT_RUNS", "12 of 40 runs", "1", "See whether " + "x " * 30)
    lines = said(lambda progress: progress.alert(alert))

    assert len(lines) == 2
    assert max(map(len, lines)) <= 80
    assert all(line.startswith("  ") for line in lines)


def test_what_is_tested_is_wrapped() -> None:
    url = "wss://chat.staging.example.com:8443/ws/v2/agents"

    assert said(lambda progress: progress.running("staging", url, 122, 4)) == [
        f"Testing staging at {url}: 122",
        "scenarios, 4 in parallel except for measurements",
    ]
