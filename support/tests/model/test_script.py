"""Scripts: which turns they have, and what their authors are told who got one wrong."""

from pathlib import Path

import pytest
from greenlight_gate.model.faults import FAULTS, as_markdown
from greenlight_gate.model.script import Script, ScriptStep, load_script
from greenlight_gate.targets.errors import Misconfigured

README = Path(__file__).parents[2] / "greenlight_gate" / "model" / "README.md"


def script(folder: Path, text: str) -> Script:
    (folder / "model.toml").write_text(text, encoding="utf-8")
    return load_script("model.toml", folder)


def test_a_turn_ends_with_its_tool_calls_or_with_a_finish(tmp_path: Path) -> None:
    read = script(
        tmp_path,
        """
        [[answers]]
        when = 'x'
        steps = [
          { think = "a" }, { call = "b" }, { call = "c" },
          { wait_s = 0.5 }, { say = "d" }, { finish = "length" },
          { call = "e" }, { finish = "tool_calls" },
          { say = "f" },
        ]
        [[answers]]
        ask = "nothing"
        """,
    )

    assert read.answers[0].turns == (
        (ScriptStep(think="a"), ScriptStep(call="b"), ScriptStep(call="c")),
        (ScriptStep(wait_s=0.5), ScriptStep(say="d"), ScriptStep(finish="length")),
        (ScriptStep(call="e"), ScriptStep(finish="tool_calls")),
        (ScriptStep(say="f"),),
    )
    assert read.answers[1].turns == ((),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("answers = []", "answers: expected a list that is not empty of a table, but a list of 0 came"),
        ("[[answers]]", "answers[0].when: expected either `when` (a pattern) or `ask` (a text), but"),
        ("[[answers]]\nwhen = '('", "answers[0].when: expected a regular expression, but it cannot be read"),
        ("[[answers]]\nask = 'x'\nfault = 'cutt'", "but 'cutt' is none; the nearest is 'cut'"),
        ("[[answers]]\nwhen = 'x'\nfault = 'cut'", "answers[0].ask: expected the prompt with which"),
        ("[[answers]]\nask = 'x'\nsteps = [{}]", "one of think, say, call, wait_s and finish, but there is none"),
        ("[[answers]]\nask = 'x'\nsteps = [{ say = 'a', wait_s = 1 }]", "but there are say and wait_s"),
        ("[[answers]]\nask = 'x'\nsteps = [{ say = '{b}' }]", "answers[0].steps[0]: expected only asked, n"),
        ("[[answers]]\nask = 'x'\nfault_times = 1", "fault_times: expected a fault that comes so many times"),
        (
            "[[answers]]\nask = 'x'\nfault = 'wrong_finish'\nsteps = [{ say = 'a' }]",
            "expected 1 step with `call`, since wrong_finish is a fault of tool calls, but there is none",
        ),
        (
            "[[answers]]\nask = 'x'\nfault = 'duplicate_call_ids'\nsteps = [{ call = 'a' }]",
            "expected 2 steps with `call`, since duplicate_call_ids is a fault of tool calls, but there is one",
        ),
        (
            "[[answers]]\nask = 'x'\nfault = 'truncated_arguments'\nsteps = [{ call = 'a' }]",
            "expected arguments of a call, half of which can be sent, but there are none",
        ),
        (
            "[[answers]]\nwhen = 'x'\n[[answers]]\nask = 'six'\nfault = 'cut'",
            "answers[1].ask: expected a prompt to which this answer is the first, but answers[0] is found in it",
        ),
        ("[[answers]]\nask = 'x'\nstep = []", "but there is no 'step'; the nearest is 'steps'"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_that_says_where(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(Misconfigured) as wrong:
        script(tmp_path, text)

    assert says in str(wrong.value)


def test_a_script_that_does_not_exist_is_named_with_those_that_ship(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=r"script of a model 'refrence' is unknown: expected one of reference"):
        load_script("refrence", tmp_path)


def test_the_one_that_ships_has_every_fault_once() -> None:
    faults = [answer.fault for answer in load_script("reference").answers if answer.fault]

    # The prompt failing_agent and the one for the fault itself.
    assert sorted(faults) == sorted([*FAULTS, "cut"])


def test_the_table_of_faults_is_current() -> None:
    assert f"faults) -->\n{as_markdown()}\n<!-- faults: end" in README.read_text(encoding="utf-8"), "put it in"


def test_a_script_that_is_based_on_another_one_answers_first(tmp_path: Path) -> None:
    own = '[[answers]]\nwhen = "(?i)good morning"\nsteps = [{ say = "Hello from here." }]\n'
    (tmp_path / "model.toml").write_text(f'base = "reference"\nlate_s = 3\n{own}')
    script, base = load_script("model.toml", tmp_path), load_script("reference")

    assert [step.say for step in script.answers[0].steps] == ["Hello from here."]
    assert script.answers[1:] == base.answers
    assert (script.late_s, script.name) == (3, base.name)
    (tmp_path / "other.toml").write_text(f'base = "refrence"\n{own}')
    with pytest.raises(Misconfigured, match="base: script of a model"):
        load_script("other.toml", tmp_path)
