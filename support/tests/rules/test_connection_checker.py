"""The checker as the load engine uses it: whole socket reads at once, and no memory of what is over."""

from typing import Any

import pytest
from greenlight_gate.findings import Finding
from greenlight_gate.rules.engine import finding_sink, trace_checker
from greenlight_gate.rules.engine import id_registry as books
from greenlight_gate.rules.engine.connection_checker import ConnectionChecker
from greenlight_gate.rules.engine.deadlines import TimeBudgets
from greenlight_gate.rules.engine.id_registry import IdRegistry
from greenlight_gate.rules.engine.run_state import Request, UserTabs
from greenlight_gate.rules.engine.suite_stalls import Stalls
from greenlight_gate.rules.lifecycle import TRANSITIONS, diagram
from greenlight_gate.rules.registry import RULES, as_markdown
from greenlight_gate.trace import Received

from support.tests.rules.broken import BROKEN
from support.tests.rules.talk import EPOCH_S, PROFILE, TOOL_QUESTION, Talk, asked

FRAMES_ONLY = ["started_twice", "double_encoded_json", "stack_trace_in_answer", "truncated_json", "enum_as_repr",
               "run_id_changes_midway", "duplicate_delivery", "invalid_utf8", "kind_renamed", "no_object"]  # fmt: skip


FOUND: dict[ConnectionChecker, list[Finding]] = {}


def checker(user: str = "Ada", registry: IdRegistry | None = None, name: str = "c1") -> ConnectionChecker:
    found: list[Finding] = []
    made = ConnectionChecker(
        PROFILE, TimeBudgets(), registry or IdRegistry(), user, name, epoch_s=EPOCH_S, found=found.append
    )
    FOUND[made] = found
    made.opened(f"user-{user.lower()}", 1.0, 1)
    return made


def frames(talk: Talk) -> list[bytes]:
    received = [record for record in talk.records if isinstance(record, Received)]
    return [record.data if record.data is not None else (record.text or "").encode() for record in received]


@pytest.mark.parametrize("name", FRAMES_ONLY)
def test_a_socket_read_at_once_is_judged_like_its_frames(name: str) -> None:
    data = frames(BROKEN[name][0]())
    one_by_one, together = checker(), checker()
    for side in (one_by_one, together):
        side.asked(Request(2, 0.0, "q1", None, TOOL_QUESTION))
    for number, frame in enumerate(data, 3):
        one_by_one.received(frame, 1.0, number)
    together.received_together(b"".join(data), data, 1.0, 3)
    assert one_by_one.ready
    assert sorted(map(str, FOUND[together])) == sorted(map(str, FOUND[one_by_one]))
    assert FOUND[together]
    assert together.counts == one_by_one.counts


def test_a_clean_read_finds_nothing() -> None:
    side = checker()
    side.asked(Request(2, 0.0, "q1", None, TOOL_QUESTION))
    data = frames(asked().answer())
    side.received_together(b"".join(data), data, 0.5, 3)
    assert FOUND[side] == []
    assert side.counts == {}


def many_runs(side: ConnectionChecker, talk: Talk, count: int, *, end: bool = True) -> None:
    for number in range(count):
        side.asked(Request(number, talk.at, f"q{number}", None, None))
        for step in ("started", "thinking", "completed")[: 3 if end else 2]:
            getattr(talk, step)(f"r{number}", request=f"q{number}", thread=f"t{number}")
            side.received(frames(talk)[-1], talk.at, number)


def test_nothing_but_a_few_words_is_kept_of_what_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "_MOST_ENDED", 4)
    monkeypatch.setattr(books, "_MOST_THREADS", 5)
    side = checker()
    many_runs(side, Talk(), 20)
    assert FOUND[side] == []
    asked, registry = side.requests, side.registry
    assert (asked.asks, asked.by_request, asked.runs, registry.runs) == ([], {}, {}, {})
    assert list(registry.ended) == ["r16", "r17", "r18", "r19"]
    assert len(registry.threads) == 5
    assert all(not run.tools and len(run.event_ids) == 1 for run in registry.ended.values())


def test_runs_that_users_walked_away_from_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "_MOST_ENDED", 4)
    side = checker()
    many_runs(side, Talk(), 20, end=False)
    assert len(side.registry.runs) == 20
    side.closed("client", 1000, 9.9, 99)
    side.finish(99)
    assert FOUND[side] == []
    assert len(side.registry.runs) == 4


def test_helpers_that_never_end_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(books, "_MOST_ENDED", 2)
    talk = asked().started()
    for number in range(6):
        talk.started(f"h{number}", parent_run_id="r1")
    talk.thinking().executing().tool_done().completed()
    side = checker()
    side.asked(Request(2, 0.0, "q1", None, TOOL_QUESTION))
    for number, frame in enumerate(frames(talk), 3):
        side.received(frame, 0.5, number)
    assert FOUND[side] == []
    assert side.requests.runs == {}
    assert len(side.registry.runs) == 2


def test_findings_are_bounded_and_counts_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding_sink, "MOST_FINDINGS", 3)
    found: list[Finding] = []
    notes = finding_sink.FindingSink("Ada", "c1", found.append, UserTabs(), stalls=Stalls())
    for number in range(10):
        notes.report("CONTENT-1", "this", "that", number, number)
        notes.report(list(RULES)[number], "this", "that", number)
    assert len(found) == 3
    assert found[0].evidence == (0,)
    assert notes.counts["CONTENT-1"] == 10


def test_of_all_connections_of_a_trace_together_no_more_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    talk = asked().started().started()
    assert len(talk.findings()) == 2
    monkeypatch.setattr(trace_checker, "MOST_FINDINGS", 1)
    assert len(talk.findings()) == 1


def test_the_same_breach_of_one_run_is_one_finding() -> None:
    talk = asked().started().started().started()
    assert [finding.rule for finding in talk.findings()] == ["LIFECYCLE-1", "LIFECYCLE-2"]


def test_a_stop_of_a_stranger_does_not_excuse_the_run() -> None:
    talk = Talk().open().open("Bashir", "c2").ask().started().send("stop", "c2", run="r1").stopped()
    assert talk.whole() == [
        ("REFUSAL-2", "only Ada to be able to stop this run", "agent_stopped after a stop request of Bashir", (7, 8)),
    ]


def test_a_run_that_its_own_user_stops_as_well_accuses_nobody() -> None:
    talk = Talk().open().open("Bashir", "c2").ask().started().send("stop", "c2", run="r1").send("stop", run="r1")
    assert "REFUSAL-2" not in talk.stopped().rules()


def test_a_run_that_goes_silent_after_the_stop_of_a_stranger_was_stopped_by_them() -> None:
    talk = Talk().open().open("Bashir", "c2").ask().started().send("stop", "c2", run="r1")
    assert ("REFUSAL-2", "silence after a stop request of Bashir") in {
        (rule, came) for rule, _, came, _ in talk.timeout("end", 6.5, request="q1").whole()
    }


def judged_at(*moments: float) -> set[str]:
    """The rules that object to an answer whose events come at these times."""
    side = checker()
    side.asked(Request(2, moments[0], "q1", None, TOOL_QUESTION))
    talk = asked().answer()
    for number, (frame, at) in enumerate(zip(frames(talk)[1:], moments, strict=True), 3):
        side.received(frame, at, number)
    side.finish(9)
    return {finding.rule for finding in FOUND[side]}


def test_whoever_takes_as_long_as_the_budget_allows_is_in_time() -> None:
    assert judged_at(1.0, 6.0, 11.0, 16.0, 21.0) == set()
    assert judged_at(1.0, 6.0, 11.0, 16.0, 21.1) == {"TIMELINESS-2"}


def test_there_is_no_silence_after_the_end() -> None:
    assert asked().answer().wait(10).thinking().rules() == {"LIFECYCLE-3"}


def test_what_the_client_closes_is_not_judged() -> None:
    assert asked().answer().close("client", 1006).whole() == []


def test_a_repeated_number_is_a_repeated_event_where_events_have_no_ids() -> None:
    def nameless(body: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in body.items() if key != "event_id"}

    talk = asked()
    talk.change = nameless
    talk.started().thinking().thinking(seq=2).executing().tool_done().completed()
    assert [f[:3] for f in talk.whole()] == [
        ("CONTINUITY-3", "seq 3", "seq 2 again or late"),
        ("CONTINUITY-2", "each event once", "agent_thinking with seq 2 again"),
    ]


def test_an_answered_ping_is_not_the_one_that_is_missed() -> None:
    talk = Talk().open().send("ping", nonce="a").send("ping", nonce="b").frame({"type": "pong", "nonce": "b"})
    talk.timeout("pong", 2.0)
    assert talk.whole() == [("CONNECTION-2", "an answer to the ping", "nothing within 2.0 s", (3, 6))]


def test_a_subprotocol_that_was_chosen_or_never_offered_is_no_finding() -> None:
    assert Talk().open(offered=2, subprotocol="jwt-auth").whole() == []
    assert Talk().open(offered=0).whole() == []
    assert Talk().open(offered=1).whole()[0][1] == "the subprotocol that was offered"


def test_once_a_thread_is_restored_numbers_are_followed_as_before() -> None:
    talk = Talk().open().send("restore", thread="t1", last_seq=0).started("r0", request=None)
    talk.completed("r0", request=None).frame({"type": "session_restored", "thread_id": "t1"}).ask().started()
    talk.thinking().executing(seq=9).tool_done().completed()
    assert [f[:3] for f in talk.whole()] == [("CONTINUITY-3", "seq 5", "seq 9")]


def test_a_wait_is_for_the_run_that_it_names() -> None:
    talk = asked().ask("q2").started("r1").started("r2", request="q2")
    talk.timeout("end", 6.5, run="r2").thinking().executing().tool_done().completed()
    assert [(f.rule, f.run) for f in talk.findings()] == [
        ("TIMELINESS-2", "r2"),
        ("LIFECYCLE-2", "r2"),
        ("TIMELINESS-2", "r1"),
    ]


def test_a_wait_that_ends_twice_is_one_finding() -> None:
    talk = asked().started().timeout("end", 1.0, request="q1").timeout("end", 1.0, request="q1")
    assert talk.whole() == [("LIFECYCLE-2", "one end", "nothing for 1.1 s after 1 event", (3, 4, 5))]


def test_a_wait_for_an_answer_that_has_come_is_no_finding() -> None:
    assert asked().answer().timeout("end", 1.0, request="q1", run="r1").whole() == []


def test_a_wait_for_somebody_elses_run_is_not_ones_own() -> None:
    talk = Talk().open().open("Bashir", "c2").ask().started().timeout("end", 1.0, "c2", run="r1")
    assert talk.thinking().executing().tool_done().completed().whole() == []


def test_the_table_and_the_diagram() -> None:
    table = as_markdown().splitlines()
    assert len(table) == len(RULES) + 2
    assert all(order.startswith("|") and order.endswith("|") for order in table)
    orders = diagram().splitlines()
    assert orders[:2] == ["stateDiagram-v2", "    [*] --> asked"]
    assert "    open --> ended: agent_completed" in orders
    assert "    ended --> ended: agent_failed [LIFECYCLE-2]" in orders
    assert len(orders) == 2 + sum(len(row) for row in TRANSITIONS.values())
