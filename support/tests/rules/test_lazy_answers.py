"""Backends that answer every question with the same sentence, or show placeholders where something has to be said."""

import pytest
from greenlight_gate.trace import Expect

from support.tests.rules.talk import ANSWER, Talk, asked

ALL = "There is rain in Oslo, 391 is the sum, and I am the reference assistant."
RAIN = Expect(prompt="What is the weather in Oslo?", contains=(("rain",),))
SUM = Expect(prompt="What is 17*23?", contains=(("391",),))


def two(first: Expect, second: Expect, *answers: str) -> Talk:
    """Two questions one after the other, each with its answer."""
    talk = asked(first)
    talk.started().thinking().completed(result=answers[0])
    talk.ask("q2", second)
    for step in (talk.started, talk.thinking):
        step("r2", request="q2")
    return talk.completed("r2", answers[-1], request="q2")


def test_one_sentence_for_two_questions() -> None:
    (finding,) = two(RAIN, SUM, ALL).findings()
    assert (finding.rule, finding.run) == ("CONTENT-4", "r2")
    assert finding.expected == "an answer of its own to each question"


@pytest.mark.parametrize(
    ("first", "second", "answers"),
    [
        (RAIN, RAIN, (ALL,)),
        (RAIN, SUM, ("There is rain in Oslo today.", "17*23 makes 391, and no less.")),
        (Expect(prompt="Is it wet?", contains=(("yes",),)), Expect(prompt="Cold?", contains=(("YES",),)), ("Yes.",)),
        (Expect(prompt="Hello"), Expect(prompt="Bye"), ("How can I help you with your questions today?",)),
        (
            Expect(prompt="The tides?", contains=(("tides", "found"),)),
            Expect(prompt="The sun?", contains=(("sun", "found"),)),
            ("I found it, as you asked me to.",),
        ),
        (SUM, Expect(prompt="17*23, and the weather?", contains=(("391",), ("rain",))), (ALL,)),
    ],
    ids=[
        "the same prompt again",
        "two answers",
        "short ones",
        "nothing expected",
        "a common alternative",
        "one question within the other",
    ],
)
def test_what_a_healthy_backend_may_repeat(first: Expect, second: Expect, answers: tuple[str, ...]) -> None:
    assert two(first, second, *answers).rules() == set()


def thought(*texts: str) -> Talk:
    talk = asked().started()
    for text in texts:
        talk.event("agent_thinking", {"reasoning": text, "step_number": 1})
    return talk.executing().tool_done().completed()


def worked(*results: str) -> Talk:
    talk = asked().started().thinking()
    for number, result in enumerate(results):
        talk.executing(call=f"k{number}").tool_done(call=f"k{number}", result=result)
    return talk.completed(result=ANSWER)


@pytest.mark.parametrize("texts", [(".",), ("...", "…"), (" x ",), ("TODO",)])
def test_thoughts_that_say_nothing(texts: tuple[str, ...]) -> None:
    assert thought(*texts).rules() == {"CONTENT-1"}


@pytest.mark.parametrize("texts", [("I", "."), ("好",), ("...", "the weather, then."), ("5",)])
def test_thoughts_that_come_in_pieces_or_are_short(texts: tuple[str, ...]) -> None:
    assert thought(*texts).rules() == set()


@pytest.mark.parametrize("results", [("x",), (".", "..."), ("placeholder",)])
def test_results_that_say_nothing(results: tuple[str, ...]) -> None:
    assert worked(*results).rules() == {"CONTENT-1"}


@pytest.mark.parametrize("results", [("5",), ("[]",), ("-",), ("x", "rain"), ("ok",), ("y",)])
def test_results_that_are_short(results: tuple[str, ...]) -> None:
    assert worked(*results).rules() == set()
