"""What is counted and measured in traces, from literal records."""

from typing import Any

import msgspec
import pytest
from greenlight_gate.events import FIVE, EventKind
from greenlight_gate.evidence.replay import Meter
from greenlight_gate.rules.engine.suite_stalls import LONG_S
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import KILL, RESTART, ClockMoved, Closed, Expect, Stalled
from greenlight_gate.verdict.facts import Observed
from greenlight_gate.wire.profile import Profile

from support.tests.rules.talk import EPOCH_S, PROFILE, TOOL_QUESTION, Talk, asked, iso
from support.tests.rules.test_answer_parts import STREAMED
from support.tests.rules.test_answer_parts import talk as in_parts

NO_TOOL = Expect(prompt="Who are you?", thinking=True)


def measured(*talks: Talk, clock: str = "same-host", profile: Profile = PROFILE) -> Observed:
    meter = Meter(clock)
    for talk in talks:
        checker = TraceChecker(profile, talk.budgets, EPOCH_S)
        checker.observe(meter)
        for record in talk.records:
            meter.take(record, checker.feed(record), EPOCH_S)
        checker.finish()
        meter.end_of_trace()
    return meter.observed()


def counts(*talks: Talk) -> tuple[int, int, int, int]:
    """Events that were due and that came, answers that had to show all five and that did."""
    seen = measured(*talks)
    return seen.expected_events, seen.arrived_events, seen.five_expected, seen.five_shown


def test_a_whole_answer() -> None:
    seen = measured(asked().answer().close())

    assert counts(asked().answer().close()) == (5, 5, 1, 1)
    assert (seen.events, seen.messages, seen.unmapped) == (5, 6, 0)
    assert (seen.connections_tried, seen.connections_made) == (1, 1)
    assert seen.kinds == tuple(sorted(FIVE))


def test_the_time_to_the_first_part_of_an_answer() -> None:
    seen = measured(in_parts("It ", "is 391,", " it is."), profile=STREAMED)
    assert seen.acknowledgement is not None
    assert seen.first_token is not None
    assert seen.acknowledgement.max_ms < seen.first_token.max_ms
    assert (seen.acknowledgement.samples, seen.first_token.samples) == (1, 1)
    assert measured(in_parts(), profile=STREAMED).first_token is None


@pytest.mark.parametrize(
    ("talk", "expected"),
    [
        (asked().answer(request=None), (5, 5, 1, 1)),
        (asked().started().thinking().completed(), (5, 3, 1, 0)),
        (asked(NO_TOOL).started().thinking().completed(), (3, 3, 0, 0)),
        (asked(msgspec.structs.replace(NO_TOOL, end=EventKind.FAILED)).started().thinking().failed(), (3, 3, 0, 0)),
        (asked(msgspec.structs.replace(TOOL_QUESTION, tools=2)).answer(), (7, 5, 1, 1)),
        (asked().timeout("start", 5, request="q1"), (5, 0, 1, 0)),
        (asked().started().close("nobody", None), (5, 1, 1, 0)),
        (asked().started().close("server", 1011), (5, 1, 1, 0)),
        (asked().started().close("client", 1009), (5, 1, 1, 0)),
    ],
    ids=[
        "no-request-ids", "two-missing", "no-tool", "failing-agent", "one-tool-of-two", "silence", "line-broke",
        "closed-by-server", "given-up",
    ],
)  # fmt: skip
def test_what_was_due_and_what_came(talk: Talk, expected: tuple[int, int, int, int]) -> None:
    assert counts(talk) == expected


@pytest.mark.parametrize(
    "talk",
    [asked().started().close("client", 1000), asked().started(), asked().started().send("stop", run="r1").stopped()],
    ids=["the-person-left", "the-trace-ends", "the-person-said-stop"],
)
def test_what_the_user_cut_short_does_not_count(talk: Talk) -> None:
    assert counts(talk) == (0, 0, 0, 0)


def test_a_helper_is_no_part_of_what_was_due() -> None:
    talk = asked(NO_TOOL).started()
    for kind, payload in (("agent_started", {}), ("agent_completed", {"result": "144"})):
        talk.event(kind, payload, "r2", parent_run_id="r1")

    assert counts(talk.close("nobody", None)) == (3, 1, 0, 0)


def test_two_answers_without_request_ids_are_told_apart_by_run() -> None:
    talk = asked().ask("q2").answer("r1", request=None).started("r2", request=None, thread="t2").close("server", 1011)

    assert counts(talk) == (10, 6, 2, 1)


MEANT: list[dict[str, Any]] = [{"unwelcome": "no token"}, {"foreign": "Ada"}]


@pytest.mark.parametrize(("values", "tried"), [({}, 1), *((each, 0) for each in MEANT)])
def test_a_refused_connection_counts_unless_it_was_meant_to_be(values: dict[str, Any], tried: int) -> None:
    seen = measured(Talk().add(Closed, "c1", by="server", during="handshake", status=403, **values))

    assert (seen.connections_tried, seen.connections_made) == (tried, 0)


@pytest.mark.parametrize("values", MEANT)
def test_a_connection_that_is_meant_to_be_refused_is_no_try_even_if_it_opens(values: dict[str, Any]) -> None:
    seen = measured(Talk().open(**values))

    assert (seen.connections_tried, seen.connections_made) == (0, 0)


@pytest.mark.parametrize(("for_s", "tried"), [(LONG_S - 0.1, 1), (LONG_S, 0)])
def test_a_refusal_after_a_long_stall_of_the_suite_is_no_try(for_s: float, tried: int) -> None:
    talk = Talk().add(Stalled, "", for_s=for_s).add(Closed, "c1", by="nobody", during="handshake")

    assert measured(talk).connections_tried == tried


def test_what_was_cut_or_delayed_in_one_trace_says_nothing_of_the_next() -> None:
    refused = Talk().add(Closed, "c1", by="server", during="handshake", status=503)
    seen = measured(asked().cut("FIN").close("nobody", None), refused)
    latency = measured(Talk().open(proxied=True).ask().answer(), asked().answer()).latency

    assert (seen.connections_tried, seen.connections_made) == (2, 1)
    assert latency is not None
    assert latency.samples == 5


def test_traces_add_up() -> None:
    assert counts(asked().answer().close(), asked().answer().close()) == (10, 10, 2, 2)


def test_delivery_is_measured_where_the_clock_is_ours() -> None:
    late = asked()
    late.change = lambda body: {**body, "timestamp": iso(late.at + 0.1 - 0.04)}
    latency = measured(late.answer()).latency

    assert latency is not None
    assert latency.samples == 5
    assert latency.avg_ms == pytest.approx(40, abs=0.1)


def test_acknowledgement_is_from_when_the_question_was_due() -> None:
    seen = [measured(asked(intended_at=due).answer()).acknowledgement for due in (None, 0.05)]

    assert [each.avg_ms for each in seen if each is not None] == [pytest.approx(100), pytest.approx(350)]


def test_acknowledgement_is_until_the_first_of_two_starts() -> None:
    seen = measured(asked().started().wait(1.0).started()).acknowledgement

    assert seen is not None
    assert seen.avg_ms == pytest.approx(100)


def with_pings(server_ahead_s: float) -> Talk:
    """A server whose clock is ahead; slow pings, and between them one of 100 ms whose time was read in the middle."""
    talk = asked()
    for nonce, takes_s in (("slow", 2.0), ("quick", 0.0), ("slower", 3.0)):
        talk.send("ping", nonce=nonce).wait(takes_s)
        read_at = talk.at + (0.05 if nonce == "quick" else 0.1)
        talk.frame({"type": "pong", "nonce": nonce, "server_time": iso(read_at + server_ahead_s)})
    talk.change = lambda body: {**body, "timestamp": iso(talk.at + 0.1 - 0.03 + server_ahead_s)}
    return talk.answer()


@pytest.mark.parametrize("ahead_s", [-3600.0, 0.0, 7.5])
def test_a_ping_tells_the_offset_of_the_other_clock(ahead_s: float) -> None:
    latency = measured(with_pings(ahead_s), clock="ping").latency

    assert latency is not None
    assert latency.samples == 5
    assert latency.avg_ms == pytest.approx(30, abs=0.1)


def test_before_the_first_pong_and_with_an_unknown_clock_nothing_is_claimed() -> None:
    assert measured(asked().answer(), clock="ping").latency is None
    assert measured(with_pings(0), clock="unknown").latency is None
    assert measured(asked().answer(), clock="unknown").acknowledgement is not None


def test_what_we_cut_ourselves_counts_only_once_it_has_come_whole() -> None:
    lost = asked().started().cut("FIN", "after event 1").close("nobody", None)
    assert counts(lost) == (0, 0, 0, 0)
    lost.open("Ada", "c2").restore("c2", 1).thinking(connection="c2").executing(connection="c2")
    assert counts(lost.tool_done(connection="c2").completed(connection="c2")) == (5, 5, 1, 1)


def test_a_connection_that_we_did_not_let_come_about_is_no_try() -> None:
    talk = Talk().cut("RST", "during the handshake", user="Ada")
    talk.close("nobody", None, during="handshake", user="Ada").open("Ada", "c2")
    seen = measured(talk)
    assert (seen.connections_tried, seen.connections_made) == (1, 1)


@pytest.mark.parametrize("way", [RESTART, KILL])
def test_what_ends_with_a_backend_that_we_took_away_owes_nothing(way: str) -> None:
    assert counts(asked().started().cut(way).stopped().close("server", 1001)) == (0, 0, 0, 0)
    assert counts(asked().started().cut("FIN").stopped().close("server", 1001)) == (5, 1, 1, 0)


def test_what_our_own_proxy_or_a_time_away_delays_is_no_latency() -> None:
    def delayed(talk: Talk) -> Talk:
        talk.change = lambda body: {**body, "timestamp": iso(talk.at - 3)}
        return talk

    straight = measured(delayed(Talk().open().ask()).answer())
    assert straight.latency is not None
    assert straight.latency.samples == 5
    assert measured(delayed(Talk().open(proxied=True).ask()).answer()).latency is None
    assert measured(delayed(Talk().open(proxied=True).ask()).answer()).acknowledgement is None
    back = asked().cut("FIN").close("nobody", None).open("Ada", "c2").restore("c2", 0, answered=False)
    assert measured(delayed(back).answer(connection="c2")).latency is None


def test_what_other_scenarios_may_have_delayed_counts_where_there_is_nothing_else() -> None:
    def talk(late_s: float, *, in_parallel: bool = False) -> Talk:
        made = Talk().open(in_parallel=in_parallel).ask()
        made.change = lambda body: {**body, "timestamp": iso(made.at + 0.1 - late_s)}
        return made.answer()

    crowded, alone = talk(0.2, in_parallel=True), talk(0.04)
    seen = [measured(crowded).latency, measured(crowded, alone).latency, measured(alone, crowded).latency]

    assert [latency.avg_ms for latency in seen if latency is not None] == pytest.approx([200, 40, 40], abs=1)
    assert [latency.samples for latency in seen if latency is not None] == [5, 5, 5]


def test_pings_are_measured_on_connections_that_nothing_delays() -> None:
    pong = {"type": "pong", "nonce": "a"}
    direct, proxied = (Talk().open(proxied=each).send("ping", nonce="a").frame(pong) for each in (False, True))
    stalled = Talk().open().send("ping", nonce="a").wait(5.0).add(Stalled, "", for_s=5.0).frame(pong)
    pings = [measured(talk).ping for talk in (direct, proxied, stalled)]

    assert [ping.samples if ping is not None else 0 for ping in pings] == [1, 0, 0]


def test_an_acknowledgement_before_a_restore_is_measured() -> None:
    talk = asked().started().send("restore", thread="t2", last_seq=0).thinking().executing().tool_done().completed()
    seen = measured(talk).acknowledgement

    assert seen is not None
    assert seen.samples == 1


def test_an_acknowledgement_that_other_scenarios_may_have_delayed_counts_where_there_is_no_other() -> None:
    crowded = Talk().open(in_parallel=True).ask().wait(0.5).answer()
    seen = [measured(*talks).acknowledgement for talks in ((crowded,), (crowded, asked().answer()))]

    assert [each.avg_ms for each in seen if each is not None] == pytest.approx([600, 100], abs=1)


@pytest.mark.parametrize("noted", [True, False])
def test_latency_is_not_measured_across_a_stall_of_the_suite(noted: bool) -> None:
    """What was sent while the suite stood still waited for the suite."""
    talk = asked().started()
    talk.wait(6.0)
    if noted:
        talk.add(Stalled, "", for_s=6.0)
    talk.thinking(timestamp=iso(talk.at - 4.0)).wait(0.2).executing()
    seen = measured(talk)
    assert seen.latency is not None
    assert seen.latency.samples == (2 if noted else 3)
    assert (seen.latency.max_ms > 1_000) is not noted


@pytest.mark.parametrize("noted", [True, False])
def test_an_acknowledgement_is_not_measured_across_a_stall_of_the_suite(noted: bool) -> None:
    talk = asked().wait(3.0)
    if noted:
        talk.add(Stalled, "", for_s=3.0)
    seen = measured(talk.started(), clock="unknown")
    assert (seen.acknowledgement is None) is noted


@pytest.mark.parametrize("by_s", [60.0, -60.0])
def test_latency_goes_on_where_both_wall_clocks_were_moved(by_s: float) -> None:
    talk = asked().started().add(ClockMoved, "", by_s=by_s)
    for _ in range(3):
        talk.thinking(timestamp=iso(talk.at + 0.1 + by_s))
    seen = measured(talk)
    assert seen.latency is not None
    assert (seen.latency.samples, seen.latency.max_ms < 100) == (4, True)
    again = measured(talk, asked().answer())
    assert again.latency is not None
    assert again.latency.max_ms < 100


def test_an_event_that_is_older_than_its_trace_measures_nothing() -> None:
    """The clock of the backend's machine was moved."""
    seen = measured(asked().started().thinking(timestamp=iso(-60.0)))
    assert seen.latency is not None
    assert seen.latency.samples == 1
