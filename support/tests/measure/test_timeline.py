"""The course of literal traces: what is counted, what is held against the backend, and which answers are kept."""

from greenlight_gate.events import EventKind
from greenlight_gate.measure.time_series import TimeWindow
from greenlight_gate.measure.timeline import Timeline
from greenlight_gate.measure.trace_timeline import TraceTimeline
from greenlight_gate.rules.engine.trace_checker import TraceChecker
from greenlight_gate.trace import Cut

from support.tests.rules.talk import EPOCH_S, PROFILE, TOOL_QUESTION, Talk, asked

REFUSED = {"type": "error_message", "error_code": "BAD_REQUEST", "error_message": "not that"}


def timeline_of(talk: Talk, timeline: Timeline | None = None) -> Timeline:
    timeline = timeline or Timeline(0.0)
    checker = TraceChecker(PROFILE, talk.budgets, EPOCH_S)
    trace_timeline = TraceTimeline(timeline, "a scenario", EPOCH_S)
    checker.observe_events(trace_timeline)
    told = 0
    for record in talk.records:
        reading = checker.feed(record)
        trace_timeline.take(record, reading)
        for finding in checker.findings[told:]:
            trace_timeline.found(finding)
        told = len(checker.findings)
    trace_timeline.finish()
    return timeline


def total(talk: Talk) -> TimeWindow:
    return timeline_of(talk).windows.total()


def test_a_whole_answer_is_counted_and_leaves_nothing_open() -> None:
    timeline = timeline_of(asked().answer().close())
    whole = timeline.windows.total()

    assert (whole.messages, whole.events, whole.asked, whole.tried, whole.made) == (6, 5, 1, 1, 1)
    assert whole.kinds == [1, 1, 1, 1, 1, *[0] * (len(EventKind) - 5)]
    assert (whole.dropped, whole.refused, whole.errors, whole.findings) == (0, 0, 0, 0)
    assert (whole.open_most, whole.busy_most, timeline.open, timeline.busy) == (1, 1, 0, 0)
    assert (whole.samples, whole.delay_ms < 0.01) == (5, True)


def test_without_a_known_clock_latency_is_the_time_to_the_first_event() -> None:
    whole = timeline_of(asked().answer().close(), Timeline(None)).windows.total()

    assert (whole.samples, round(whole.delay_ms)) == (1, 100)


def test_a_line_that_the_backend_closes_is_held_against_it() -> None:
    timeline = timeline_of(asked().started().close("server", 1011))

    assert timeline.windows.total().dropped == 1
    assert [text for _, text in timeline.troubles] == ["'a scenario', Ada: closed by server (1011)"]
    (track,) = timeline.tracks.chosen(9)
    assert (track.cut is not None, len(track.marks)) == (True, 1)


def test_a_channel_that_ends_in_order_is_held_against_it_only_where_something_is_owed() -> None:
    assert total(asked().answer().close("server", None)).dropped == 0
    assert total(asked().started().close("server", None)).dropped == 1
    assert total(asked().answer().close("nobody", None)).dropped == 1


def test_what_the_suite_provokes_is_not() -> None:
    invalid = Talk().open().send("invalid").frame(REFUSED).close("server", 1007)
    foreign_owner = Talk().open(unwelcome="no token", ready=False).close("server", 4401)
    turned_away = Talk().close("server", None, during="handshake", status=401, unwelcome="no token", user="Eve")
    expiring = asked_with_an_end().close("server", 4401)
    kept_out = Talk().close("server", None, during="handshake", status=403, user="Bashir", foreign="Ada")
    let_in_and_out = Talk().open("Bashir", ready=False, foreign="Ada").close("server", 1008)

    no_token = Talk().open().send("respond", run="r1", input="i1", unwelcome="no token")
    no_token.frame({"type": "error_message", "error_code": "UNAUTHENTICATED"}).close()
    for talk in (invalid, foreign_owner, turned_away, expiring, kept_out, let_in_and_out, no_token):
        whole = total(talk)
        assert (whole.dropped, whole.refused, whole.errors) == (0, 0, 0)


def asked_with_an_end() -> Talk:
    return Talk().open(expires_at=5.0).ask().started()


def test_users_who_are_turned_away_without_a_reason() -> None:
    whole = total(Talk().close("server", None, during="handshake", status=503, user="Ada"))

    assert (whole.tried, whole.made, whole.refused) == (1, 0, 1)


def test_a_failure_counts_unless_it_was_asked_for() -> None:
    import msgspec
    from greenlight_gate.events import EventKind

    wanted = msgspec.structs.replace(TOOL_QUESTION, end=EventKind.FAILED)

    assert total(asked().started().failed().close()).errors == 1
    assert total(asked(wanted).started().failed().close()).errors == 0
    # A stream may say so in place of its events.
    assert total(asked(wanted).frame(REFUSED).close()).errors == 0
    assert total(asked().frame(REFUSED).close()).errors == 1


def test_tracks_show_tools_silences_and_findings() -> None:
    talk = asked().started().thinking().executing().wait(3.0).tool_done().wait(8.0).completed().close()
    (track,) = timeline_of(talk).tracks.chosen(9)

    assert [kind for _, kind in track.marks] == [
        "agent_started", "agent_thinking", "tool_executing", "tool_completed", "agent_completed"
    ]  # fmt: skip
    ((begun, done, name),) = track.bars
    assert (round(begun, 1), done and round(done, 1), name) == (0.3, 3.4, "weather")
    assert [round(moment, 1) for moment in track.silence] == [3.4, 11.5]
    assert [rule for _, rule in track.found] == ["TIMELINESS-2"]


def test_who_stays_connected_is_counted_all_the_time() -> None:
    timeline = timeline_of(Talk().open().wait(5.0).ask().wait(5.0).started().completed().close())

    assert [(window.open_most, window.busy_most) for _, window in timeline.windows][1:3] == [(1, 1), (1, 1)]
    assert (timeline.open, timeline.busy) == (0, 0)


def test_a_tool_that_ends_after_the_line_was_lost_has_ended() -> None:
    talk = asked().started().executing().add(Cut, "c1", way="reset").close("nobody", None)
    talk.open(connection="c2").send("restore", "c2", thread="t1", last_seq=2)
    talk.tool_done(connection="c2").completed(connection="c2").close(connection="c2")
    (track,) = timeline_of(talk).tracks.chosen(9)

    assert [bar[1] is not None for bar in track.bars] == [True]
    assert track.cut is not None


def test_a_wait_in_vain_is_a_silence() -> None:
    (track,) = timeline_of(asked().started().timeout("end", 6.5, request="q1").close()).tracks.chosen(9)

    assert round(track.silence[1] - track.silence[0], 1) == 6.6


def test_few_tracks_are_kept_of_many_answers_and_the_guilty_go_first() -> None:
    talk = Talk().open()
    for number in range(300):
        talk.ask(f"q{number}").answer(f"r{number}", request=f"q{number}")
    talk.ask("bad").started("rb", request="bad").completed("rb", request="bad").close()
    timeline = timeline_of(talk)

    tracks = timeline.tracks.chosen(5)
    assert len(timeline.tracks.of_scenario) == 1
    assert [bool(track.found) for track in tracks] == [False, True]
