"""Loads in the evidence are part of the course of a session: of its pictures and patterns, each time it is judged."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from greenlight_gate.evidence.judge import Judgement, judge
from greenlight_gate.evidence.session_folder import Evidence
from greenlight_gate.findings import Finding, Severity
from greenlight_gate.measure.load_counts import Counts
from greenlight_gate.measure.load_result import LoadResult, Offence
from greenlight_gate.measure.time_series import bucket
from greenlight_gate.monitor.monitoring_summary import summarise
from greenlight_gate.verdict.criteria import LoadOfScenario
from greenlight_gate.verdict.facts import Verdict

from support.tests.evidence.folders import ENDED, FINISHED, NAME, SELECTED, SESSION, sealed, write
from support.tests.rules.talk import EPOCH_S, Talk

KEY = "stress/crowd.feature:7"
STRESS: dict[str, Any] = {**SESSION, "wanted": ["stress"], "absent": {"memory_probe": "x"}}
WHOLE: dict[str, Any] = {
    "users": 25, "connections_tried": 25, "connections_made": 25, "asked": 200, "runs": 200, "events": 1200,
    "messages": 1225, "expected_events": 1000, "arrived_events": 1000, "five_expected": 200, "five_shown": 200,
    "kinds": ("agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"),
}  # fmt: skip


def timeline(delay_ms: float = 5.0, begins: float = 1.0, seconds: int = 20, **last: Any) -> tuple[Counts, ...]:
    """Twenty-five users who are answered ten times a second, each event this late."""
    us, number = int(delay_ms * 1000), bucket(int(delay_ms * 1000))
    told = [
        Counts(
            at=EPOCH_S + begins + second, tried=25, made=25, asked=10 * second, events=60 * second, open=25, busy=9,
            messages=60 * second + 25, delays={number: 60 * second}, delay_us=us * 60 * second,
        )
        for second in range(1, seconds + 1)
    ]  # fmt: skip
    return (Counts(at=EPOCH_S + begins), *told, msgspec.structs.replace(told[-1], open=0, busy=0, is_last=True, **last))


def judged(folder: Path, *summaries: LoadResult) -> Judgement:
    """A session of stress with these loads, in which nobody had a conversation."""
    selected, finished = {**SELECTED, "category": "stress", "key": KEY}, {**FINISHED, "key": KEY}
    write(folder, selected, finished, {**ENDED, "allure": [KEY]}, talk=Talk(), session=STRESS)
    for number, summary in enumerate(summaries):
        Evidence(folder).loaded(f"{number}", LoadOfScenario(KEY, "stress", f"load {number}", summary))
    return judge(sealed(folder))


def test_a_session_of_loads_alone_is_seen_and_approved(tmp_path: Path) -> None:
    judgement = judged(tmp_path, LoadResult(**WHOLE, timeline=timeline()))
    whole = judgement.timeline.windows.total()

    assert judgement.decision.verdict is Verdict.APPROVED, judgement.decision.reason
    assert "all five events were observed" in judgement.decision.reason
    assert (whole.asked, whole.events, whole.samples, whole.open_most, whole.busy_most) == (200, 1200, 1200, 25, 9)
    assert {c.id: (c.samples, c.status) for c in judgement.decision.criteria}["PATTERNS"] == (1225, "passed")
    assert judgement.patterns == ()


def test_judged_again_it_is_the_same_to_the_byte(tmp_path: Path) -> None:
    first = judged(tmp_path, LoadResult(**WHOLE, timeline=timeline(150.0)))
    again = judge(tmp_path)

    assert [seen.pattern for seen in first.patterns] == ["SUSTAINED_HIGH_LATENCY"]
    for one, other in ((first.decision, again.decision), (first.patterns, again.patterns)):
        assert msgspec.json.encode(one) == msgspec.json.encode(other)
    assert summarise(first.timeline, "x", ()) == summarise(again.timeline, "x", ())


@pytest.mark.parametrize(
    ("values", "patterns"),
    [
        ({"timeline": timeline(150.0)}, ["SUSTAINED_HIGH_LATENCY"]),
        ({"timeline": timeline(150.0), "busy": 0.9}, []),
        ({"timeline": timeline(150.0), "lag_ms_p99": 25.0}, []),
        ({"timeline": timeline(lost=3)}, ["CONNECTION_INSTABILITY"]),
        ({"timeline": timeline(lost=2)}, []),
        ({"timeline": timeline(failed=5)}, ["ERROR_BURST"]),
        ({"timeline": timeline(failed=4)}, []),
        ({"timeline": ()}, []),
    ],
)
def test_what_a_load_counted_can_be_a_pattern(tmp_path: Path, values: dict[str, Any], patterns: list[str]) -> None:
    judgement = judged(tmp_path, LoadResult(**WHOLE, **values))

    assert [seen.pattern for seen in judgement.patterns] == patterns


def test_latency_that_grows_from_load_to_load(tmp_path: Path) -> None:
    few = tuple(msgspec.structs.replace(c, busy=min(c.busy, 1)) for c in timeline(10.0))
    many = tuple(msgspec.structs.replace(c, busy=c.busy and 25) for c in timeline(150.0, begins=60.0, seconds=8))
    judgement = judged(tmp_path, *(LoadResult(**WHOLE, timeline=told) for told in (few, many)))

    assert [seen.pattern for seen in judgement.patterns] == ["LATENCY_GROWS_WITH_LOAD"]


@pytest.mark.parametrize(
    ("asked", "arrived", "patterns"),
    [
        (300, 1000, []), (299, 1000, ["MISSING_EVENT_SEQUENCES"]), (300, 980, ["MISSING_EVENT_SEQUENCES"]),
    ],
)  # fmt: skip
def test_what_no_allowance_covers_is_a_pattern(tmp_path: Path, asked: int, arrived: int, patterns: list[str]) -> None:
    finding = Finding("LIFECYCLE-2", Severity.CRITICAL, "", "one end", "no end", "Ada", "c1", "r1", (6,))
    values = {
        **WHOLE,
        "asked": asked,
        "arrived_events": arrived,
        "counts": {"LIFECYCLE-2": 3},
        "offences": [Offence(finding)],
    }
    judgement = judged(tmp_path, LoadResult(**values, timeline=timeline(rules={"LIFECYCLE-2": 3})))

    assert [seen.pattern for seen in judgement.patterns] == patterns
    assert all(seen.measured == "3 answers: LIFECYCLE-2 3 times" for seen in judgement.patterns)
    said = (f"'{NAME}: load 0', Ada, records 6: LIFECYCLE-2, no end",)
    assert [seen.evidence for seen in judgement.patterns] == [said] * len(patterns)
