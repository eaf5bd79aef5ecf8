"""Second requests: refused, answered later or beside the first, or the first once more, which starts no second run."""

from collections.abc import Callable

import pytest
from greenlight_gate.trace import Expect

from support.tests.rules.talk import Talk, asked

SECOND = Expect(prompt="Who are you?")
BUSY = {"type": "error_message", "error_code": "BUSY", "error_message": "one at a time"}
OF_SECOND = {"request": "q2", "thread": "t2"}


def two_at_once(*, refusable: bool = True) -> Talk:
    """The first one has begun when the second is sent."""
    return asked().started().thinking().ask("q2", SECOND, refusable=refusable)


def rest(talk: Talk) -> Talk:
    return talk.executing().tool_done().completed()


def behind() -> Talk:
    """The same in one thread, where the second one may wait for the first."""
    return asked().started().thinking().ask("q2", SECOND, refusable=True, behind="q1")


def second(talk: Talk) -> Talk:
    return talk.started("r2", **OF_SECOND).completed("r2", result="hello", **OF_SECOND)


@pytest.mark.parametrize(
    "talk",
    [
        rest(two_at_once().frame({**BUSY, "request_id": "q2"})),
        rest(two_at_once().frame(BUSY)),
        rest(two_at_once().frame({"type": "busy"})),
        rest(two_at_once()).wait(60).started("r2", **OF_SECOND).completed("r2", result="hello", **OF_SECOND),
        rest(two_at_once().started("r2", **OF_SECOND).completed("r2", result="hello", **OF_SECOND)),
        rest(two_at_once().started("r2", **OF_SECOND).failed("r2", **OF_SECOND)),
    ],
)
def test_refused_or_queued_or_answered_is_no_finding(talk: Talk) -> None:
    assert talk.whole() == []


@pytest.mark.parametrize("asked_twice", [two_at_once, behind])
@pytest.mark.parametrize(
    "frame",
    [
        {"type": "typing"},
        {"type": "queued", "position": 1},
        {"type": "queued", "request_id": "q2"},
        {"type": "error_message", "error_code": "SLOW_DOWN", "error_message": "queued"},
    ],
)
def test_what_came_while_it_waited_is_no_refusal_once_it_is_answered(
    asked_twice: Callable[[], Talk], frame: dict[str, object]
) -> None:
    assert second(rest(asked_twice().frame(frame))).whole() == []
    assert rest(asked_twice().frame(frame)).timeout("start", 6.5, request="q2").whole() == []
    # Its answer is judged as any other.
    unfinished = rest(asked_twice().frame({"type": "typing"})).started("r2", **OF_SECOND)
    assert unfinished.rules() == {"LIFECYCLE-2"}


def test_an_answer_after_a_refusal_of_that_request_belongs_to_none() -> None:
    assert second(rest(behind().frame({**BUSY, "request_id": "q2"}))).rules() == {"IDENTITY-1"}


def test_a_notice_is_of_the_oldest_and_an_error_of_the_next() -> None:
    three = two_at_once().ask("q3", SECOND, refusable=True)
    assert "LIFECYCLE-2" in rest(three.frame({"type": "typing"})).rules()
    three = two_at_once().ask("q3", SECOND, refusable=True)
    assert rest(three.frame({"type": "typing"}).frame(BUSY)).whole() == []


def test_the_first_is_never_lost_and_the_second_is_not_left_without_a_word() -> None:
    dropped = two_at_once().started("r2", **OF_SECOND).completed("r2", result="hello", **OF_SECOND)
    assert dropped.timeout("end", 5.0, request="q1").rules() == {"LIFECYCLE-2", "TIMELINESS-2"}
    silent = rest(two_at_once()).timeout("start", 5.0, request="q2")
    assert "LIFECYCLE-2" in silent.rules()


def test_a_request_that_must_be_answered_may_not_be_refused() -> None:
    talk = rest(two_at_once(refusable=False).frame({**BUSY, "request_id": "q2"}))
    assert talk.rules() == {"LIFECYCLE-1"}


def sent_twice() -> Talk:
    return asked().send("again", request="q1")


COPY = {**BUSY, "error_code": "DUPLICATE", "request_id": "q1"}


@pytest.mark.parametrize(
    "talk",
    [
        sent_twice().answer(),
        sent_twice().frame(COPY).answer(),
        sent_twice().started().frame(COPY).thinking().executing().tool_done().completed(),
        sent_twice().answer().frame(COPY),
    ],
)
def test_the_copy_of_a_request_is_ignored_or_refused(talk: Talk) -> None:
    assert talk.whole() == []


def test_the_copy_of_a_request_starts_no_run_and_the_request_is_owed_its_own() -> None:
    mixed = sent_twice().started().started("r2").thinking().thinking("r2").executing().tool_done().completed()
    assert mixed.rules() == {"IDENTITY-1", "LIFECYCLE-1"}
    # Both are this user's, in whatever thread: the isolation of users is not broken.
    apart = sent_twice().started().started("r2", thread="t2").thinking().thinking("r2", thread="t2")
    assert apart.executing().tool_done().completed().rules() == {"IDENTITY-1", "LIFECYCLE-1", "CONTINUITY-3"}
    after = sent_twice().answer().started("r2").completed("r2")
    assert "IDENTITY-1" in after.rules()
    assert sent_twice().frame(COPY).frame(COPY).rules() == {"LIFECYCLE-1"}
    assert "LIFECYCLE-2" in sent_twice().frame(COPY).timeout("start", 6.5, request="q1").rules()
