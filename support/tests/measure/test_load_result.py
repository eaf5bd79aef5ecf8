"""Shards of a load merge to one summary, in whatever order they come."""

import random

from greenlight_gate.findings import Finding
from greenlight_gate.measure.histogram import Histogram
from greenlight_gate.measure.latency_summary import Encoded
from greenlight_gate.measure.load_result import MOST_OFFENCES_OF_A_RULE, LoadResult, Offence, merged
from greenlight_gate.rules.registry import RULES
from hypothesis import given
from hypothesis import strategies as st

_RULES = ("LIFECYCLE-2", "PAIRING-3", "ISOLATION-1")
_HISTOGRAMS = ("raw", "corrected", "delivery", "whole", "silence", "connect")


def _finding(rule: str, user: str, record: int) -> Finding:
    about = RULES[rule]
    return Finding(rule, about.severity, about.requirement, "this", "that", user=user, evidence=(record,))


def _encoded(seconds: list[float]) -> Encoded | None:
    histogram = Histogram()
    for each in seconds:
        histogram.record(each)
    return histogram.encode() if seconds else None


@st.composite
def shards(draw: st.DrawFn) -> list[LoadResult]:
    """Up to five shards of one load, which have counted, measured and found something."""
    made = []
    for shard in range(draw(st.integers(1, 5))):
        rules = draw(st.lists(st.sampled_from(_RULES), max_size=6))
        offences = [
            Offence(_finding(rule, f"p{shard}", record), f"s{shard}-{record}") for record, rule in enumerate(rules)
        ]
        some = st.lists(st.floats(1e-6, 100), max_size=4)
        part = LoadResult(
            users=draw(st.integers(0, 9)), events=draw(st.integers(0, 10**9)), cpu_seconds=draw(st.floats(0, 1e3)),
            seconds=draw(st.floats(0, 1e3)), busy=draw(st.floats(0, 1)), worker=draw(st.sampled_from(("a", "b", "c"))),
            peak_rss_mb=draw(st.floats(0, 1e4)), counts={rule: rules.count(rule) for rule in rules}, offences=offences,
            traces={offence.trace: offence.trace.encode() for offence in offences}, attempt=f"{shard}",
            lost=draw(st.sampled_from(((), (f"shard {shard}",)))), short=draw(st.sampled_from(((), ("ports",)))),
            kinds=draw(st.sampled_from(((), ("agent_started",), ("agent_started", "agent_completed")))),
            interrupted=draw(st.booleans()),
        )  # fmt: skip
        for name in _HISTOGRAMS:
            setattr(part, name, _encoded(draw(some)))
        made.append(part)
    return made


@given(shards(), st.randoms(use_true_random=False))
def test_the_order_of_the_shards_does_not_matter(parts: list[LoadResult], random_: random.Random) -> None:
    shuffled = random_.sample(parts, len(parts))

    assert merged(shuffled) == merged(parts)


@given(shards())
def test_nothing_is_lost_and_the_first_offenders_are_kept(parts: list[LoadResult]) -> None:
    whole = merged(parts)

    assert (whole.users, whole.events) == (sum(p.users for p in parts), sum(p.events for p in parts))
    for rule in _RULES:
        found = sum(part.counts.get(rule, 0) for part in parts)
        kept = [offence for offence in whole.offences if offence.finding.rule == rule]
        assert whole.counts.get(rule, 0) == found
        assert len(kept) == min(found, MOST_OFFENCES_OF_A_RULE)
        assert all(whole.traces[offence.trace] == offence.trace.encode() for offence in kept)
