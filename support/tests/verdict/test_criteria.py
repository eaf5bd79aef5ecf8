"""What loads and probes decide: whole results, also of what cannot be told."""

from typing import Any

import pytest
from greenlight_gate.findings import Finding, Severity
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.latency_summary import Encoded, LatencySummary
from greenlight_gate.measure.load_result import LoadResult, Offence
from greenlight_gate.measure.thresholds import Thresholds, success
from greenlight_gate.verdict.criteria import LoadOfScenario, gaps_of, latency, losses, memory
from greenlight_gate.verdict.memory_trend import MemorySamples, Sample

ALLOWED = Thresholds()
TRACED = {"delivery": LatencySummary(10, 12.0, 10.0, 20.0, 30.0, 40.0)}


def of(*ms: float) -> Encoded:
    histogram = Histogram()
    for each in ms:
        histogram.record(each / 1e3)
    return histogram.encode()


def loaded(
    category: str = "performance", *, fast: bool = True, discarded: bool = False, **values: Any
) -> LoadOfScenario:
    usual: dict[str, Any] = {
        "connections_tried": 10, "connections_made": 10, "expected_events": 490, "arrived_events": 490, "asked": 98,
        "runs": 98,
    }  # fmt: skip
    return LoadOfScenario(
        f"{category}/a.feature:1", category, "a load", LoadResult(**{**usual, **values}), fast, discarded
    )


def test_latency_is_that_of_the_loads_of_performance() -> None:
    fast, slow = loaded(delivery=of(10, 20), raw=of(4, 6)), loaded("stress", delivery=of(900))

    found = latency((fast, slow), TRACED, ALLOWED)

    assert (found.status, found.samples) == ("passed", 4)
    assert found.measured.startswith("15.0 ms delivery; p50 10.0, p95 20.0, p99 20.0, max 20.0 ms; 5.0 ms acknowledg")
    assert found.measured.endswith("generator at most 0% busy and 0.0 ms late")


def test_a_machine_that_was_too_busy_is_named_with_what_is_allowed() -> None:
    found = latency((loaded(delivery=of(1), lag_ms_p99=36.0),), TRACED, ALLOWED)

    said = "this machine was too busy to measure latency: 'a load': 36 ms late at p99 (20 ms are allowed)"
    assert found.measured.endswith(f"{said}; run again when it is idle")


@pytest.mark.parametrize(
    ("loads", "allowed", "status"),
    [
        ((loaded(delivery=of(150), raw=of(1)),), ALLOWED, "failed"),
        ((loaded(delivery=of(1), raw=of(150)),), ALLOWED, "failed"),
        ((loaded(delivery=of(1), raw=of(1), corrected=of(150)),), ALLOWED, "failed"),
        ((loaded(delivery=of(*[1] * 99, 90)),), Thresholds(latency_ms_p99=50.0), "passed"),
        ((loaded(delivery=of(*[1] * 90, *[90] * 10)),), Thresholds(latency_ms_p99=50.0), "failed"),
        ((loaded(delivery=of(*[1] * 90, *[90] * 10)),), Thresholds(latency_ms_p95=50.0), "failed"),
        ((loaded(delivery=of(150), busy=0.86),), ALLOWED, "inconclusive"),
        ((loaded(delivery=of(1), lag_ms_p99=20.5),), ALLOWED, "inconclusive"),
        ((loaded(delivery=of(150), busy=0.99, discarded=True), loaded(delivery=of(1))), ALLOWED, "passed"),
        ((loaded(delivery=of(150), discarded=True),), ALLOWED, "passed"),
        ((loaded(delivery=of(150), busy=0.99, fast=False), loaded(delivery=of(1))), ALLOWED, "passed"),
    ],
)
def test_latency(loads: tuple[LoadOfScenario, ...], allowed: Thresholds, status: str) -> None:
    assert latency(loads, TRACED, allowed).status == status


@pytest.mark.parametrize(
    ("delivery_ms", "raw_ms", "ping_ms", "is_far"),
    [(60, 120, 120, True), (90, 150, 120, True), (150, 60, 80, False), (150, 60, 120, True), (10, 230, 120, False)],
)
def test_a_load_on_a_target_far_away_is_told_the_distance(
    delivery_ms: float, raw_ms: float, ping_ms: float, *, is_far: bool
) -> None:
    ping = LatencySummary(5, ping_ms, ping_ms, ping_ms, ping_ms, ping_ms)
    # What the traces show in other scenarios is not what is judged here.
    found = latency((loaded(delivery=of(delivery_ms), raw=of(raw_ms)),), TRACED, ALLOWED, ping)

    assert found.status == "failed"
    assert f"; ping round trip p50 {ping_ms:.1f} ms" in found.measured
    assert ("the distance to the target is the cause, not the backend" in found.measured) is is_far


def test_without_any_sample_latency_is_not_known() -> None:
    assert latency((loaded("stress", delivery=of(1)),), {}, ALLOWED).status == "inconclusive"


def test_success_holds_for_each_load_by_itself() -> None:
    good, bad = loaded(arrived_events=490), loaded(arrived_events=484)

    assert success(good.summary, bad.summary) == (99.4, 1000)
    assert losses((good,)) == "passed"
    assert losses((good, bad)) == "failed"
    assert success() is None


def test_what_a_busy_generator_lost_is_held_against_nobody_and_approves_nothing() -> None:
    good, busy, bad = loaded(), loaded(arrived_events=400, busy=0.9), loaded(arrived_events=400)

    assert losses((good, busy)) == "inconclusive"
    assert losses((busy, bad)) == "failed"
    assert losses((loaded(busy=0.9),)) == "passed"


def offence(rule: str) -> Offence:
    return Offence(Finding(rule, Severity.NORMAL, "A promise.", "this", "that"))


def test_single_losses_are_allowed_and_other_findings_never() -> None:
    both = [offence("LIFECYCLE-2"), offence("ISOLATION-2")]
    few = LoadResult(asked=200, expected_events=1000, arrived_events=995, offences=both,
                  counts={"LIFECYCLE-2": 1, "ISOLATION-2": 1})  # fmt: skip
    many = LoadResult(asked=200, expected_events=1000, arrived_events=900, offences=both,
                   counts={"LIFECYCLE-2": 20, "ISOLATION-2": 1})  # fmt: skip

    assert [each.finding.rule for each in few.convicting()] == ["ISOLATION-2"]
    assert [each.finding.rule for each in many.convicting()] == ["LIFECYCLE-2", "ISOLATION-2"]


def test_many_that_are_late_are_no_single_losses() -> None:
    late = LoadResult(asked=100, expected_events=500, arrived_events=500, offences=[offence("TIMELINESS-1")],
                   counts={"TIMELINESS-1": 50})  # fmt: skip

    assert [each.finding.rule for each in late.convicting()] == ["TIMELINESS-1"]


def test_who_is_late_accuses_nobody_of_being_late() -> None:
    offences = [offence("TIMELINESS-2"), offence("PAIRING-1")]
    counts = {"TIMELINESS-2": 50, "PAIRING-1": 1}
    busy = LoadResult(asked=100, expected_events=500, arrived_events=500, offences=offences, counts=counts, busy=0.9)

    assert [each.finding.rule for each in busy.convicting()] == ["PAIRING-1"]


def late(rule: str) -> Offence:
    return Offence(Finding(rule, Severity.CRITICAL, "A promise.", "this", "that", late=True))


def test_on_a_crowded_machine_nothing_late_convicts_and_nothing_is_approved() -> None:
    offences = [late("CONNECTION-1"), late("LIFECYCLE-2"), late("TIMELINESS-1"), offence("PAIRING-1")]
    values: dict[str, Any] = {
        "offences": offences, "counts": {each.finding.rule: 50 for each in offences}, "asked": 100,
        "arrived_events": 400,
    }  # fmt: skip
    busy, idle = loaded(crowded="other programs used 62%", **values), loaded(**values)

    assert [each.finding.rule for each in busy.summary.convicting()] == ["PAIRING-1"]
    assert [each.finding.rule for each in idle.summary.convicting()] == [each.finding.rule for each in offences]
    assert (losses((busy,)), losses((idle,))) == ("inconclusive", "failed")
    assert gaps_of((busy,)) == [
        "'a load': this machine was busy: other programs used 62%, so that CONNECTION-1 (50), LIFECYCLE-2 (50), "
        "TIMELINESS-1 (50) cannot be judged; run again when it is idle"
    ]
    assert gaps_of((idle,)) == []


def test_a_refusal_with_a_reason_convicts_on_a_crowded_machine_too() -> None:
    both = [late("CONNECTION-1"), offence("CONNECTION-1")]
    busy = LoadResult(connections_tried=9, offences=both, counts={"CONNECTION-1": 9}, crowded="other programs")

    assert busy.convicting() == both[1:]
    assert busy.late == {}


def watched(growth_kb: float = 0.0, by: str = "process 1") -> MemorySamples:
    samples = tuple(Sample(n / 2, 6e7 + n * 100 * growth_kb * 1e3, done=n * 100.0) for n in range(40))
    return MemorySamples(scenario="s", kind="soak", unit="run", by=by, samples=samples, reason="nobody lets us")


def test_memory() -> None:
    assert memory((watched(),), 500).status == "passed"
    leaks = memory((watched(), watched(64)), 500)
    assert leaks.status == "failed"
    assert "leaks 64.0 KB a run" in leaks.measured
    assert memory((), 500).status == "inconclusive"
    blind = memory((watched(by=""),), 500)
    assert (blind.status, blind.measured) == ("inconclusive", "soak: nobody lets us")
    assert memory((watched(64), watched(by="")), 500).status == "failed"


def test_what_is_missing_is_said() -> None:
    gaps = gaps_of(
        (
            loaded(lost=("shard 2 of 2 died",)), loaded(short=("no room",)), loaded(interrupted=True),
            loaded(canaries_expected=5, canaries_seen=3), loaded(counts={"PAIRING-1": 2}), loaded(),
        )
    )  # fmt: skip

    assert gaps == [
        "'a load': shard 2 of 2 died", "'a load': no room", "'a load' was interrupted",
        "'a load': 2 users never received their own canary: leaks to them would not be detected",
        "'a load': findings of PAIRING-1 were counted, but none was stored",
    ]  # fmt: skip
