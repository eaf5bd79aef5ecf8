"""What the rules say of conversations over a channel: literal traces of agent-events-channel, and their findings."""

from collections.abc import Callable
from pathlib import Path

import greenlight_gate
import pytest
from greenlight_gate.rules.registry import RULES
from greenlight_gate.trace import Closed, Expect, Responded
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.promises import promising

from support.tests.rules.talk import Talk
from support.tests.wire.recorded import PROFILES, shipped

BY_CHANNEL = shipped("agent-events-channel")
ENDPOINT = {"type": "endpoint", "endpoint": "/connections/c1/messages"}
EXPIRES_AT = 3.0
Play = Callable[[Talk], object]


def talk() -> Talk:
    return Talk(profile=BY_CHANNEL)


def opened(here: Talk, connection: str = "c1", **values: object) -> Talk:
    user = str(values.pop("user", "Ada"))
    here.open(user, connection, ready=False, **values).frame(ENDPOINT, connection)
    return here.frame({"type": "connection_established", "user_id": f"user-{user.lower()}"}, connection)


def posted(here: Talk, status: int = 202, **values: object) -> Talk:
    connection = str(values.pop("connection", "c1"))
    return here.add(Responded, connection, status=status, **{"after_ms": 5.0, "request": "q1", **values})


def ended(here: Talk, connection: str = "c1") -> Talk:
    """The server ends the channel in order."""
    return here.close("server", None, connection, reason="the event stream has ended")


def half(here: Talk) -> Talk:
    return posted(opened(here).ask()).started()


def two_threads(here: Talk) -> Talk:
    """Two answers have begun, in threads of their own, when the channel is lost and opened again."""
    opened(here).ask("q1").ask("q2")
    here.started().started("r2", request="q2", thread="t2").cut("RST").close("nobody", None)
    opened(here, "c2", attempt=2, resumes="t1", last_seq=1)
    return here


def answered_to_ada(here: Talk) -> Talk:
    return opened(here).ask("q1", Expect()).started().thinking().completed()


def again_to_bashir(here: Talk, connection: str, *, ask: bool = False) -> Talk:
    """The answer to Bashir's request, which he has sent on this connection (`ask`), or that comes once more on it."""
    named = {"connection": connection, "user": "user-bashir", "thread": "t2", "request": "q2"}
    if ask:
        here.ask("q2", Expect(), connection)
    for seq, show in enumerate((here.started, here.thinking, here.completed), 1):
        show("r2", **named, seq=seq)
    return here


def rest_of_two(here: Talk) -> Talk:
    for run, thread in (("r1", "t1"), ("r2", "t2")):
        named = {"connection": "c2", "request": f"q{run[1]}", "thread": thread}
        here.thinking(run, **named).executing(run, **named).tool_done(run, **named).completed(run, **named)
    return here


def answered_in_both(here: Talk, *, other_first: bool = False) -> Talk:
    """Ada has two tabs, and asks in the first: each event comes on both channels, in either order."""
    opened(opened(here), "c2").ask("q1", Expect())
    for count, show in enumerate((here.started, here.thinking, here.completed), 1):
        for connection in ("c2", "c1") if other_first else ("c1", "c2"):
            show(connection=connection, seq=count)
    return here


def unwelcome(here: Talk, *statuses: int) -> Talk:
    """The GET, and the POST after it, are answered with these."""
    here.open(ready=False, unwelcome="an expired token")
    for count, status in enumerate(statuses):
        if count:
            here.send("hello")
        posted(here, status, request=None)
    return here


def until_it_expires(here: Talk) -> Talk:
    opened(here, expires_at=EXPIRES_AT)
    here.at = EXPIRES_AT
    return here


# (what happens, the rules that are broken)
TRACES: list[tuple[str, Play, set[str]]] = [
    ("a whole answer", lambda t: posted(opened(t).ask()).answer(), set()),
    ("an answer before the POST is answered", lambda t: posted(opened(t).ask().answer()), set()),
    ("a POST without content", lambda t: posted(opened(t).ask(), 204).answer(), set()),
    ("a POST that is refused", lambda t: posted(opened(t).ask(), 500, body="oops"), {"LIFECYCLE-1"}),
    ("a POST that may be refused", lambda t: posted(opened(t).ask(refusable=True), 429), set()),
    ("a POST that is redirected", lambda t: posted(opened(t).ask(), 302, problem="HTTP 302, a redirect to /login"),
     {"CONNECTION-1", "LIFECYCLE-1"}),
    ("a POST that is answered late", lambda t: posted(opened(t).ask(), after_ms=6_000.0).answer(), {"CONNECTION-1"}),
    ("a POST that is never answered", lambda t: opened(t).ask().answer().timeout("answer", 5.0), {"CONNECTION-1"}),
    ("a POST that is accepted, and nothing comes",
     lambda t: posted(opened(t).ask()).timeout("start", 10.0, request="q1"),
     {"CONNECTION-1", "LIFECYCLE-2", "TIMELINESS-1"}),
    ("a channel that is ended while nothing is under way", lambda t: ended(posted(opened(t).ask()).answer()), set()),
    ("a channel that is ended in an answer", lambda t: ended(half(t)), {"LIFECYCLE-2"}),
    ("a channel that is lost in an answer", lambda t: half(t).close("nobody", None), {"CONNECTION-3", "LIFECYCLE-2"}),
    ("a channel that is ended before it is ready", lambda t: ended(t.open(ready=False)), {"CONNECTION-1"}),
    ("a channel that is left", lambda t: half(t).close("client", None), set()),
    ("a gap in a thread", lambda t: posted(opened(t).ask("q1", Expect())).started().completed(seq=3), {"CONTINUITY-3"}),
    ("numbers of two answers at once that cross",
     lambda t: opened(t).ask("q1", Expect(), thread="t1").ask("q2", Expect(), thread="t1").started()
     .started("r2", request="q2", seq=2).completed(seq=4).completed("r2", request="q2", seq=3), {"CONTINUITY-3"}),
    ("a gap in a thread while another answer runs",
     lambda t: opened(t).ask("q1", Expect(), thread="t1").ask("q2", Expect(), thread="t1").started()
     .started("r2", request="q2", seq=2).completed(seq=4).completed("r2", request="q2", seq=5), {"CONTINUITY-3"}),
    ("an event of another user",
     lambda t: opened(opened(t), "c2", user="Bashir").ask("q2", Expect(), "c2")
     .started("r2", connection="c2", request="q2", user="user-bashir", thread="t2")
     .started("r2", request="q2", user="user-bashir", thread="t2", seq=1)
     .completed("r2", connection="c2", request="q2", user="user-bashir", thread="t2", seq=2), {"ISOLATION-2"}),
    ("the last event id resumes all threads",
     lambda t: rest_of_two(two_threads(t).send("restore", "c2", thread="t2", last_seq=1)), set()),
    ("what comes again after the last event id",
     lambda t: rest_of_two(
         two_threads(t).started(connection="c2", seq=1).send("restore", "c2", thread="t2", last_seq=1)),
     {"CONTINUITY-2"}),
    ("the last event id of another user is refused",
     lambda t: posted(t.open(ready=False, foreign="Bashir", resumes="t2", last_seq=1), 403, request=None), set()),
    ("the last event id of another user brings the rest of their answer",
     lambda t: answered_to_ada(t).open("Bashir", "c2", ready=False, foreign="Ada", resumes="t1")
     .completed(connection="c2", seq=3), {"REFUSAL-2", "ISOLATION-2"}),
    ("the last event id of another user means an earlier place of the user's own",
     lambda t: again_to_bashir(again_to_bashir(opened(answered_to_ada(t), "c2", user="Bashir"), "c2", ask=True)
     .open("Bashir", "c3", ready=False, foreign="Ada", resumes="t1"), "c3").timeout("refusal", 2.0, "c3"), set()),
    ("an expired token: what was lost is not resumed",
     lambda t: posted(half(t).cut("RST").close("nobody", None).open(
         connection="c2", ready=False, unwelcome="an expired token", resumes="t1", last_seq=1
     ), 401, connection="c2", request=None), set()),
    ("an expired token: both are refused", lambda t: unwelcome(t, 401, 401), set()),
    ("an expired token: the channel answers with another status", lambda t: unwelcome(t, 500), {"REFUSAL-1"}),
    ("an expired token: the POST is accepted", lambda t: unwelcome(t, 401, 202).timeout("refusal", 2.0), {"REFUSAL-1"}),
    ("an expired token: the channel is accepted",
     lambda t: opened(t, unwelcome="an expired token"), {"REFUSAL-1"}),
    ("the token expires, and the channel ends", lambda t: ended(until_it_expires(t)), set()),
    ("the token expires, and only the POST is refused",
     lambda t: posted(until_it_expires(t), 401, request=None).timeout("expiry", 2.0), {"REFUSAL-3"}),
    ("the token expires, and nothing happens", lambda t: until_it_expires(t).timeout("expiry", 2.0), {"REFUSAL-3"}),
]  # fmt: skip


SHARED = Profile.from_toml(promising((PROFILES / "agent-events-channel.toml").read_text(), ["tabs_share_events"]))


@pytest.mark.parametrize("other_first", [False, True])
def test_what_all_tabs_receive_is_judged_in_the_tab_that_asked(*, other_first: bool) -> None:
    assert answered_in_both(Talk(profile=SHARED), other_first=other_first).rules() == set()
    assert "IDENTITY-1" in answered_in_both(talk(), other_first=other_first).rules()


def test_the_rest_comes_to_another_tab_after_the_one_that_asked_was_closed() -> None:
    here = opened(opened(Talk(profile=SHARED)), "c2").ask("q1", Expect()).started().started(connection="c2", seq=1)
    here.close("client", None).thinking(connection="c2", seq=2).completed(connection="c2", seq=3)
    assert here.rules() == set()


def test_what_the_tab_that_asked_does_not_receive_is_missing_though_another_one_does() -> None:
    here = opened(opened(Talk(profile=SHARED)), "c2").ask("q1", Expect())
    here.started(connection="c2", seq=1).completed(connection="c2", seq=2)
    assert "LIFECYCLE-2" in here.timeout("start", 10.0, request="q1").rules()


@pytest.mark.parametrize(("play", "broken"), [case[1:] for case in TRACES], ids=[case[0] for case in TRACES])
def test_what_each_trace_breaks(play: Play, broken: set[str]) -> None:
    here = talk()
    play(here)
    assert here.rules() == broken


def test_the_table_says_of_each_rule_what_it_means_over_a_channel() -> None:
    page = (Path(greenlight_gate.__file__).parent / "rules/README.md").read_text(encoding="utf-8")
    _, _, section = page.partition("## Over a channel\n")
    rows = [line.split("|")[1] for line in section.partition("\n## ")[0].splitlines() if line.startswith("|")]
    assert sorted(name.strip() for row in rows[2:] for name in row.split(",")) == sorted(RULES)


def foreign_id(here: Talk, status: int | None = None) -> Talk:
    """Bashir opens a channel with the id of an event of Ada's; `status`: it is answered with that, and no stream."""
    answered_to_ada(here)
    if status is None:
        return opened(here, "c2", user="Bashir", foreign="Ada", resumes="t1")
    return here.add(
        Closed, "c2", by="server", during="handshake", status=status, reason=f"HTTP {status}", user="Bashir",
        foreign="Ada",
    )  # fmt: skip


@pytest.mark.parametrize("status", [200, 204, 400, 401, 404, 410, 422])
def test_another_users_event_id_may_be_refused_by_any_answer_without_a_stream(status: int) -> None:
    assert foreign_id(talk(), status).rules() == set()


def test_another_users_event_id_may_be_refused_on_a_stream() -> None:
    error = {"type": "error_message", "error_code": "UNKNOWN_ID", "error_message": "that id is not known"}
    assert ended(foreign_id(talk()), "c2").rules() == set()
    assert foreign_id(talk()).frame(error, "c2").rules() == set()


@pytest.mark.parametrize("status", [302, 500, 503])
def test_a_server_that_fails_at_another_users_event_id_refuses_nothing(status: int) -> None:
    assert foreign_id(talk(), status).rules() == {"REFUSAL-2"}
