"""Random numbers in prompts."""

import random

import pytest
from greenlight_gate.targets.prompt_numbers import drawn
from greenlight_gate.targets.sections import Invalid, Prompt, Prompts
from greenlight_gate.targets.settings import Misconfigured, load_target

SUM = Prompt(ask="What is {a:12..31}*{b:12..31}?", contains=("{a*b}", ("{a+b}", "{a-b}")), tools=("calculator",))


def test_a_number_is_the_same_wherever_it_stands() -> None:
    prompts = Prompts(with_tool=SUM, follow_up=Prompt(ask="And before?", contains=("{a}*{b}",)))
    seen = set()
    for seed in range(20):
        filled = drawn(prompts, random.Random(seed))
        assert filled.with_tool is not None
        assert filled.follow_up is not None
        left, right = map(int, filled.with_tool.ask.removeprefix("What is ").removesuffix("?").split("*"))
        assert (12 <= left <= 31, 12 <= right <= 31) == (True, True)
        assert filled.with_tool.contains == (str(left * right), (str(left + right), str(left - right)))
        assert filled.follow_up.contains == (f"{left}*{right}",)
        seen.add((left, right))
    assert len(seen) > 10


def test_braces_are_braces_where_nothing_is_drawn() -> None:
    prompts = Prompts(with_tool=Prompt(ask="Print {x} and {canary}", contains=("{x}",), tools=("python",)))
    assert drawn(prompts, random.Random(1)) == prompts


@pytest.mark.parametrize(
    ("contains", "ask", "said"),
    [
        ("{a*z}", SUM.ask, "uses z"),
        ("{a*b}", "{a:1..2} {a:3..4}", "defined twice"),
        ("{a}", "{a:9..2}", "is empty"),
    ],
)
def test_operands_that_cannot_be_drawn(contains: str, ask: str, said: str) -> None:
    prompts = Prompts(with_tool=Prompt(ask=ask, contains=(contains,), tools=("calculator",)))
    with pytest.raises(Invalid, match=said):
        drawn(prompts, random.Random(1))


def test_each_session_draws_its_own() -> None:
    asked = {load_target("embedded", {}).question("with_tool", "") for _ in range(20)}
    assert len(asked) > 1
    assert not any("{" in text for text in asked)


def test_a_file_with_an_operand_that_is_not_defined(tmp_path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "mine.toml"
    file.write_text(
        'name = "mine"\nurl = "ws://localhost:1/ws"\n[prompts.without_tool]\nask = "{a:1..9}?"\ncontains = ["{b}"]\n'
    )
    with pytest.raises(Misconfigured, match=r"prompts\.without_tool"):
        load_target(str(file), {})


def test_the_reference_set_asks_in_other_scripts_and_at_length() -> None:
    target = load_target("embedded", {})
    scripts, long = target.question("other_scripts", ""), target.question("long_question", "")
    assert {"ü", "你", "ש", "\u200d"} <= set(scripts)
    assert {"ü", "你", "ש", "\u200d"} <= {
        letter for (text, *_) in target.expectation("other_scripts").contains for letter in text
    }
    assert len(long) > 2_000
