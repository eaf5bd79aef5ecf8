"""What the rules say of conversations by HTTP: literal traces of the profile agent-events-sse, and their findings."""

from collections.abc import Callable
from pathlib import Path

import greenlight_gate
import pytest
from greenlight_gate.rules.registry import RULES
from greenlight_gate.trace import Expect, Responded, StreamEnded
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.promises import promising

from support.tests.rules.broken.inputs import APPROVAL, approved, asks, rest
from support.tests.rules.talk import Talk
from support.tests.wire.recorded import PROFILES, shipped

BY_HTTP = shipped("agent-events-sse")
NOTHING = Expect()
SHIPPED_TEXT = (PROFILES / "agent-events-sse.toml").read_text("utf-8")
Play = Callable[[Talk], object]


def talk() -> Talk:
    return Talk(profile=BY_HTTP)


def answered(here: Talk, status: int = 200, **values: object) -> Talk:
    return here.add(Responded, "c1", status=status, **{"after_ms": 5.0, "request": "q1", **values})


def ended(here: Talk, reset: str = "") -> Talk:
    return here.add(StreamEnded, "c1", request="q1", reset=reset)


def half(here: Talk) -> Talk:
    return answered(here.open().ask()).started()


SNOW = Expect(prompt="What is the weather in Bergen?", contains=(("snow",),))


def after_a_close(here: Talk, expect: Expect = NOTHING) -> Talk:
    """The user has stopped a run by closing its stream, and asks something else in its thread."""
    half(here).send("stop", run="r1").add(StreamEnded, "c1", request="q1", by_user=True)
    return here.ask("q2", expect, thread="t1")


def asks_after_a_close(here: Talk, *, refusable: bool) -> Talk:
    """A request is refused in the thread of a run that its user has stopped by closing its stream."""
    half(here).send("stop", run="r1").add(StreamEnded, "c1", request="q1", by_user=True)
    here.ask("q2", NOTHING, thread="t1", refusable=refusable)
    return answered(
        here, 409, request="q2", body='{"type": "error_message", "error_code": "BUSY", "error_message": "wait"}'
    )


def two(*events: tuple[str, int]) -> Play:
    """Two requests are answered at once in one thread: the events of the runs r1 and r2, with these numbers."""

    def play(here: Talk) -> Talk:
        here.open().ask("q1", Expect(), thread="t1").ask("q2", Expect(), thread="t1")
        for run, seq in events:
            kind = here.started if (seq <= 2) else here.completed if seq >= 9 else here.thinking
            kind(run, request=f"q{run[1]}", seq=seq)
        return here

    return play


ERROR = '{"type": "error_message", "error_code": "RATE_LIMITED", "error_message": "wait"}'
# (what happens, the rules that are broken)
TRACES: list[tuple[str, Play, set[str]]] = [
    ("a whole answer", lambda t: ended(answered(t.open().ask()).answer()), set()),
    ("a request while the run of a stream that its user closed may be in progress is refused, and then answered",
     lambda t: answered(asks_after_a_close(t, refusable=True).ask("q3", NOTHING, thread="t1"), request="q3")
     .answer("r3", request="q3"), set()),
    ("a request is refused when that run has to be over", lambda t: asks_after_a_close(t, refusable=False),
     {"LIFECYCLE-1"}),
    ("a stream without the end of its run", lambda t: ended(half(t)), {"LIFECYCLE-2"}),
    ("a stream that is reset", lambda t: ended(half(t), "INTERNAL_ERROR"), {"CONNECTION-3", "LIFECYCLE-2"}),
    ("a stream that is reset after the end of its run",
     lambda t: ended(answered(t.open().ask()).answer(), "CANCEL"), {"CONNECTION-3"}),
    ("a stream that is reset in place of an answer",
     lambda t: answered(t.open().ask(), 0, problem="a stream that was reset in place of an answer (INTERNAL_ERROR)"),
     {"CONNECTION-1", "LIFECYCLE-1"}),
    ("a stream that is reset after a cut by the suite",
     lambda t: ended(half(t).cut("RST"), "CANCEL").close("nobody", None),
     set()),
    ("a stream that ends when the user is asked",
     lambda t: rest(approved(ended(asks(answered(t.open().ask(expect=APPROVAL)).started().thinking())))), set()),
    ("a stream without any event", lambda t: ended(answered(t.open().ask())), {"CONNECTION-1", "LIFECYCLE-2"}),
    ("a page in place of a stream",
     lambda t: answered(t.open().ask(), problem="HTTP 200 with text/html in place of text/event-stream"),
     {"CONNECTION-1", "LIFECYCLE-1"}),
    ("a redirect", lambda t: answered(t.open().ask(), 302, problem="HTTP 302, a redirect to /login"),
     {"CONNECTION-1", "LIFECYCLE-1"}),
    ("an error status", lambda t: answered(t.open().ask(), 500, body="oops"), {"LIFECYCLE-1"}),
    ("an error status for what may be refused",
     lambda t: answered(t.open().ask(refusable=True), 429, body=ERROR), set()),
    ("a head that comes late", lambda t: ended(answered(t.open().ask(), after_ms=6_000.0).answer()), {"CONNECTION-1"}),
    ("a stream that stays open after its run", lambda t: answered(t.open().ask()).answer().timeout("stream end", 5.0),
     {"CONNECTION-3"}),
    ("a connection that ends inside an answer", lambda t: half(t).close("nobody", None),
     {"CONNECTION-3", "LIFECYCLE-2"}),
    ("a tab that is closed during an answer", lambda t: half(t).close("client", None), set()),
    ("a stream that the suite has cut", lambda t: half(t).cut("RST").close("nobody", None), set()),
    ("what is left of a cut answer in the next stream",
     lambda t: half(t).cut("RST").close("nobody", None).open("Ada", "c2").ask("q2", Expect(), "c2")
     .thinking(connection="c2").started("r2", connection="c2", request="q2", thread="t2")
     .completed("r2", connection="c2", request="q2", thread="t2"), {"IDENTITY-1"}),
    ("another answer in the thread of a cut one",
     lambda t: half(t).cut("RST").close("nobody", None).open("Ada", "c2").ask("q2", Expect(), "c2", thread="t1")
     .started("r2", connection="c2", request="q2", seq=7).completed("r2", connection="c2", request="q2", seq=9), set()),
    ("a stream that the user has closed, and the next one in its thread",
     lambda t: after_a_close(t).started("r2", request="q2", seq=3).thinking("r2", request="q2", seq=5)
     .completed("r2", request="q2", seq=6), set()),
    ("a part of the answer whose stream the user has closed in the next one",
     lambda t: after_a_close(t, SNOW).started("r2", request="q2", seq=3)
     .completed("r2", request="q2", seq=4, result="There is rain in Oslo and snow in Bergen."), {"CONTENT-4"}),
    ("what comes of a run whose stream the user has closed",
     lambda t: after_a_close(t).stopped(seq=2).started("r2", request="q2", seq=3).completed("r2", request="q2"),
     {"IDENTITY-1"}),
    ("a stream of another user refused",
     lambda t: answered(t.open().send("restore", thread="t2", foreign="Bashir"), 403, request=None, body=ERROR), set()),
    ("a stream of another user refused by another status",
     lambda t: answered(t.open().send("restore", thread="t2", foreign="Bashir"), 500, request=None), {"REFUSAL-2"}),
    ("a question in another user's conversation in use refused as one that is busy",
     lambda t: answered(t.open().ask("q1", None, thread="t2", foreign="Bashir", behind="q0"), 409, body=ERROR), set()),
    ("a question in another user's conversation in use refused as a service that is busy",
     lambda t: answered(t.open().ask("q1", None, thread="t2", foreign="Bashir", behind="q0"), 503), set()),
    ("a question in another user's conversation refused as one that is busy",
     lambda t: answered(t.open().ask("q1", None, thread="t2", foreign="Bashir"), 409), {"REFUSAL-2"}),
    ("a question in another user's conversation in use, and an error of the server",
     lambda t: answered(t.open().ask("q1", None, thread="t2", foreign="Bashir", behind="q0"), 500), {"REFUSAL-2"}),
    ("two streams at once whose numbers cross",
     two(("r1", 1), ("r2", 2), ("r1", 4), ("r2", 3), ("r2", 5), ("r1", 7), ("r1", 9), ("r2", 6), ("r2", 8), ("r2", 10)),
     set()),
    ("two streams at once, of which none brings a number",
     two(("r1", 1), ("r2", 2), ("r1", 4), ("r2", 5), ("r1", 9), ("r2", 6), ("r2", 7), ("r2", 8), ("r2", 10)),
     {"CONTINUITY-3"}),
    ("two streams at once, one of them out of order",
     two(("r1", 1), ("r2", 2), ("r1", 4), ("r1", 3), ("r2", 5), ("r1", 9), ("r2", 6), ("r2", 7), ("r2", 8), ("r2", 10)),
     {"CONTINUITY-3"}),
    ("two streams at once that bring one event twice",
     two(("r1", 1), ("r2", 2), ("r1", 3), ("r2", 3), ("r1", 4), ("r2", 5), ("r1", 9), ("r2", 6), ("r2", 7), ("r2", 8),
         ("r2", 10)),
     {"CONTINUITY-3"}),
    ("a gap in a stream, and the next one", lambda t: t.open().ask("q1", Expect(), thread="t1").started()
     .completed(seq=3).ask("q2", Expect(), thread="t1").started("r2", request="q2").completed("r2", request="q2"),
     {"CONTINUITY-3"}),
    ("an error for bad input whose members have other names",
     lambda t: answered(t.open().send("invalid"), 422, body='{"type": "error_message", "detail": "no prompt"}'), set()),
    ("a token in a header of an answer",
     lambda t: ended(answered(t.open().ask(), headers=("X-Debug: sk-" + "a" * 24,)).answer()), {"CONTENT-5"}),
]  # fmt: skip


@pytest.mark.parametrize(("promised", "broken"), [([], set()), (["runs_end_with_connection"], {"CONTENT-4"})])
def test_nothing_of_a_cut_answer_is_in_the_next_one_where_a_cut_ends_its_run(
    promised: list[str], broken: set[str]
) -> None:
    here = half(Talk(profile=Profile.from_toml(promising(SHIPPED_TEXT, promised)))).cut("RST").close("nobody", None)
    here.open("Ada", "c2").ask("q2", SNOW, "c2", thread="t1").started("r2", connection="c2", request="q2")
    here.completed("r2", connection="c2", request="q2", result="There is rain in Oslo and snow in Bergen.")
    assert {finding.rule for finding in here.findings()} == broken


@pytest.mark.parametrize(("under_way_s", "broken"), [(0.5, set()), (4.0, {"LIFECYCLE-8"})])
def test_the_model_does_not_go_on_after_a_stream_was_closed(under_way_s: float, broken: set[str]) -> None:
    profile = Profile.from_toml(promising(SHIPPED_TEXT, ["runs_end_with_connection"]))
    here = after_a_close(Talk(profile=profile)).started("r2", request="q2", seq=3).completed("r2", request="q2", seq=4)
    here.wait(under_way_s).close().model_call("under way")
    assert {finding.rule for finding in here.findings()} == broken


@pytest.mark.parametrize(("play", "broken"), [case[1:] for case in TRACES], ids=[case[0] for case in TRACES])
def test_what_each_trace_breaks(play: Play, broken: set[str]) -> None:
    here = talk()
    play(here)
    assert {finding.rule for finding in here.findings()} == broken


def test_what_comes_before_the_answer_to_a_request_is_of_the_stream_before_it() -> None:
    here = Talk(profile=shipped("ai-sdk")).open(ready=False)
    answered(here.ask("q1")).frame({"type": "start"}).frame({"type": "text-delta", "delta": "It"})
    here.frame({"type": "finish", "finishReason": "error"}).ask("q2")
    here.frame({"type": "text-delta", "delta": "is late"}).frame({"type": "finish", "finishReason": "stop"})
    answered(ended(here), request="q2")
    here.frame({"type": "start"}).frame({"type": "text-delta", "delta": "It is 391."})
    here.frame({"type": "finish", "finishReason": "stop"}).add(StreamEnded, "c1", request="q2")
    ends = {
        (each.rule, each.run) for each in here.findings() if each.rule in ("LIFECYCLE-1", "LIFECYCLE-2", "LIFECYCLE-3")
    }
    assert ends == {("LIFECYCLE-2", "q1"), ("LIFECYCLE-3", "q1")}


def test_the_table_says_of_each_rule_what_it_means_by_http() -> None:
    page = (Path(greenlight_gate.__file__).parent / "rules/README.md").read_text(encoding="utf-8")
    _, _, section = page.partition("## By HTTP\n")
    rows = [line.split("|")[1] for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    assert sorted(name.strip() for row in rows[2:] for name in row.split(",")) == sorted(RULES)


@pytest.mark.parametrize(("status", "broken"), [(401, set()), (403, set()), (200, {"REFUSAL-1"}), (500, {"REFUSAL-1"})])
def test_a_request_without_a_valid_token_is_refused_by_status(status: int, broken: set[str]) -> None:
    here = talk().open(ready=False, unwelcome="an expired token").send("hello")
    answered(here, status, request=None)
    if status == 200:
        here.started()
    assert {finding.rule for finding in here.findings()} == broken
