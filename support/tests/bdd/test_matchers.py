"""Each matcher on literal answers: what it accepts, and the whole text of what it says otherwise."""

import pytest
from greenlight_gate.bdd.matchers import event_patterns as p
from greenlight_gate.bdd.matchers import request_matchers as m
from greenlight_gate.client.request import UserRequest
from greenlight_gate.events import Control, Event, EventKind
from greenlight_gate.trace import Expect
from hamcrest import assert_that
from hamcrest.core.matcher import Matcher

CALCULATOR = [
    Event(EventKind.STARTED, run="r", text="on it"),
    Event(EventKind.THINKING, run="r", text="a tool is needed"),
    Event(EventKind.TOOL_EXECUTING, run="r", tool="calculator"),
    Event(EventKind.TOOL_COMPLETED, run="r", tool="calculator", text="391"),
    Event(EventKind.COMPLETED, run="r", text="It is 391."),
]
HELPER = [
    CALCULATOR[0],
    Event(EventKind.STARTED, run="h", parent="r"),
    Event(EventKind.COMPLETED, run="h", parent="r", text="144"),
    CALCULATOR[4],
]


def answer(*events: Event) -> UserRequest:
    question = UserRequest("Ada", "What is 17*23?", request="q", expect=Expect(contains=(("391", "CCCXCI"),)), at=10.0)
    for number, event in enumerate(events, 1):
        question.take(event, 10.0 + number / 10)
    return question


def complaint(question: object, matcher: Matcher[object]) -> str:
    with pytest.raises(AssertionError) as error:
        assert_that(question, matcher)
    return str(error.value).strip("\n")


ROWS = """\
   0.1000  agent_started             on it
   0.2000  agent_thinking            a tool is needed
   0.3000  tool_executing            calculator:
   0.4000  tool_completed            calculator: 391
   0.5000  agent_completed           It is 391."""


def rows(*marked: int) -> str:
    lines = ROWS.split("\n")
    return "\n".join(f">>{line}" if n in marked else f"  {line}" for n, line in enumerate(lines)) + "\n"


WHOLE = answer(*CALCULATOR)
ACCEPTED = [
    (WHOLE, m.shows(p.tool_executing("calculator"))),
    (WHOLE, m.shows(p.tool_completed(failed=False, holding="91"))),
    (WHOLE, m.shows_once(p.completed(holding="IT IS"))),
    (WHOLE, m.in_order(p.started(), p.thinking(), p.tool_executing(), p.tool_completed(), p.completed())),
    (WHOLE, m.begins_with(p.started())),
    (WHOLE, m.ends_with(p.completed())),
    (WHOLE, m.has_text_at_its_end()),
    (WHOLE, m.answers()),
    (WHOLE, m.tools_are_named()),
    (WHOLE, m.has_results_of_each_tool()),
    (WHOLE, m.never_shows(p.agent_failed())),
    ([WHOLE, WHOLE], m.each(m.answers())),
    (answer(*HELPER), m.in_order(p.started(), p.completed(helper=True), p.completed())),
    (answer(*HELPER), m.shows_once(p.started())),
    (Control("error", {"code": "BAD_JSON"}), m.is_clear()),
]


@pytest.mark.parametrize(("answered", "matcher"), ACCEPTED, ids=[str(n) for n in range(len(ACCEPTED))])
def test_what_is_accepted(answered: object, matcher: Matcher[object]) -> None:
    assert_that(answered, matcher)


REFUSED = [
    (WHOLE, m.shows(p.tool_executing("notes")),
     "Expected: an answer that shows tool_executing named 'notes' 1 time or more\n     but: shown never:\n" + rows()),
    (WHOLE, m.shows(p.thinking(), least=2),
     "Expected: an answer that shows agent_thinking 2 times or more\n     but: shown 1 time:\n" + rows(1)),
    (answer(*CALCULATOR[:1], CALCULATOR[0]), m.shows_once(p.started()),
     "Expected: an answer that shows agent_started once\n     but: shown 2 times:\n"
     ">>   0.1000  agent_started             on it\n>>   0.2000  agent_started             on it\n"),
    (WHOLE, m.in_order(p.thinking(), p.started()),
     "Expected: an answer that shows, in this order, agent_thinking, agent_started\n"
     "     but: no agent_started from the marked row on:\n" + rows(2)),
    (WHOLE, m.in_order(p.completed(), p.started()),
     "Expected: an answer that shows, in this order, agent_completed, agent_started\n"
     "     but: no agent_started after that:\n" + rows()),
    (WHOLE, m.ends_with(p.stopped()),
     "Expected: an answer whose last event is agent_stopped\n     but: it was not:\n" + rows(4)),
    (answer(*CALCULATOR[:3]), m.has_text_at_its_end(),
     "Expected: an answer whose last event has a text\n     but: it had none:\n"
     + "\n".join(rows(2).split("\n")[:3]) + "\n"),
    (WHOLE, m.begins_with(p.thinking()),
     "Expected: an answer whose first event is agent_thinking\n     but: it was not:\n" + rows(0)),
    (WHOLE, m.never_shows(p.completed()),
     "Expected: an answer that shows agent_completed never\n     but: shown 1 time:\n" + rows(4)),
    (answer(), m.never_shows(p.tool_executing()),
     "Expected: an answer that shows tool_executing never\n     but: shown never:\n   (no event was received)\n"),
    (answer(*CALCULATOR[:4], Event(EventKind.COMPLETED, run="r", text="Who knows?")), m.answers(),
     "Expected: an answer that answers the question\n     but: expected '391' or 'CCCXCI', got 'Who knows?':\n"
     + rows().replace("It is 391.", "Who knows?")),
    (answer(*CALCULATOR[:2]), m.tools_are_named(),
     "Expected: an answer in which every tool has a name\n     but: no tool was used:\n"
     + "\n".join(rows().split("\n")[:2]) + "\n"),
    (answer(Event(EventKind.TOOL_COMPLETED, tool="x", text="no", tool_failed=True)), m.has_results_of_each_tool(),
     "Expected: an answer in which every tool has a result\n     but: the marked rows do not match:\n"
     ">>   0.1000  tool_completed            x: no\n"),
    ([], m.each(m.answers()),
     "Expected: each of several answers: an answer that answers the question\n     but: there was no answer\n"),
    ([WHOLE, answer()], m.each(m.ends_with(p.completed())),
     "Expected: each of several answers: an answer whose last event is agent_completed\n"
     "     but: Ada, 'What is 17*23?': it was not:\n   (no event was received)\n"),
    (None, m.is_clear(), "Expected: an error that says what is wrong\n     but: no error\n"),
]  # fmt: skip


@pytest.mark.parametrize(("answered", "matcher", "text"), REFUSED, ids=[str(n) for n in range(len(REFUSED))])
def test_what_is_said_of_a_mismatch(answered: object, matcher: Matcher[object], text: str) -> None:
    assert complaint(answered, matcher) == text.strip("\n")


BARE = {"code": "500", "status": 500}


@pytest.mark.parametrize(
    ("said", "clear"),
    [
        ({"code": "400", "status": 400}, True),
        ({**BARE, "text": ""}, False),
        ({**BARE, "text": "Internal Server Error"}, False),
        ({**BARE, "text": '{"detail": "Internal Server Error"}'}, False),
        ({**BARE, "text": "the prompt is too long"}, True),
        ({**BARE, "code": "PROMPT_TOO_LONG", "text": ""}, True),
    ],
)
def test_a_server_that_only_says_that_it_has_failed_is_not_clear(said: dict[str, object], clear: bool) -> None:
    assert m.is_clear().matches(Control("error", said)) is clear


@pytest.mark.parametrize("said", [{}, {"code": " "}, {"text": ""}, {"code": 17}])
def test_an_error_without_words_is_not_clear(said: dict[str, object]) -> None:
    assert not m.is_clear().matches(Control("error", said))


def test_hostile_text_stays_text_and_an_endless_answer_is_cut() -> None:
    loud = Event(EventKind.THINKING, run="r", text="\x1b[31mred\x07\u202e" + "\n" * 3 + "x" * 500)
    lines = m.table(answer(loud, *[CALCULATOR[1]] * 999), []).split("\n")

    assert len(lines) == 201
    assert lines[100] == "   (left out here: 800 events)"
    assert all(line.isprintable() for line in lines)
    assert "\\x1b[31mred\\x07\\u202e xxx" in lines[0]
