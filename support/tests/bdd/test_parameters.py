"""The words that steps understand."""

import re

import pytest
from greenlight_gate.bdd.parameters import (
    OTHER_QUESTIONS,
    PARSED_STAMPS,
    QUESTIONS,
    TYPES,
    _pattern,
    event_kind,
    question,
)
from greenlight_gate.events import FIVE
from greenlight_gate.targets.model import PROMPTS


@pytest.mark.parametrize("phrase", [*(f"a question that {words}" for words in QUESTIONS), *OTHER_QUESTIONS])
def test_every_phrase_is_read_whole_and_names_a_prompt(phrase: str) -> None:
    found = re.match(f"({_pattern(TYPES['Question'])})", phrase)

    assert found is not None
    assert found[1] == phrase
    assert question(phrase) in PROMPTS


def test_every_prompt_can_be_asked_for() -> None:
    assert {*QUESTIONS.values(), *OTHER_QUESTIONS.values()} == set(PROMPTS)


def test_the_five_moments() -> None:
    assert [event_kind(word) for word in PARSED_STAMPS] == list(FIVE)


def test_a_word_that_is_none() -> None:
    with pytest.raises(KeyError):
        event_kind("the end")
    with pytest.raises(KeyError):
        question("a question")
