"""Parts of an answer that come before the whole: in its order, each once, of the user's own run, and not after it."""

import pytest
from greenlight_gate.rules.engine.expected import observable
from greenlight_gate.trace import Expect
from greenlight_gate.wire.profile import Profile

from support.tests.rules.talk import PROFILE, Talk

PROFILE_TEXT = """
name = "streamed"
[every]
run = "run"
seq = "seq?"
agent = "agent?"
[[event]]
when = { type = "go" }
is = "agent_started"
[[event]]
when = { type = "part" }
is = "answer_part"
text = "text"
[[event]]
when = { type = "end" }
is = "agent_completed"
text = "text"
[send.start]
prompt = "{prompt}"
"""
STREAMED = Profile.from_toml(PROFILE_TEXT)
NUMBERED = Profile.from_toml(PROFILE_TEXT + "[promises]\ngap_free_seq = true\n")
WHOLE = "It is 391, it is."


def talk(*parts: str, whole: str = WHOLE, agents: str = "", profile: Profile = STREAMED, after: str = "") -> Talk:
    """One answer in parts: `agents` has a letter for each, `after` is a part that comes too late."""
    said = Talk(profile=profile).open(ready=False).ask("q1", Expect(prompt="?", contains=(("391",),)))
    frames = [{"type": "go"}]
    frames += [{"type": "part", "text": part, "agent": agents[n : n + 1] or "a"} for n, part in enumerate(parts)]
    frames += [{"type": "end", "text": whole}] + ([{"type": "part", "text": after}] if after else [])
    for number, frame in enumerate(frames, 1):
        said.frame({"run": "r1", "seq": number, **frame})
    return said


@pytest.mark.parametrize(
    ("parts", "how"),
    [
        (("It ", "391", " is", ", it is."), "in another order"),
        (("It", " is", " is", " 391, ", "it is."), "twice"),
        (("It", "It", " is", " is", " 391, ", " 391, ", "it is.", "it is."), "twice"),
        (("So: ", "It ", "391", " is", ", it is."), "in another order"),
    ],
)
def test_parts_in_another_order_or_twice_are_found(parts: tuple[str, ...], how: str) -> None:
    (finding,) = talk(*parts).findings()
    assert (finding.rule, finding.evidence[-1]) == ("CONTINUITY-2", 4 + len(parts))
    assert finding.actual.startswith(f"{how}: ")


@pytest.mark.parametrize(
    "parts",
    [
        ("It is", " 391", ", it is."), ("It  is\n391,", "it is."), ("Let me see. ", "It is 391, it is."),
        ("It is 391",), ("is ", "is ", "is"), ("It is", "[1]", "391"),
    ],
)  # fmt: skip
def test_what_servers_may_do_with_parts(parts: tuple[str, ...]) -> None:
    """Other white space, more before the answer, less than all of it, and something else."""
    assert talk(*parts).rules() == set()


def test_agents_that_speak_in_turn_are_not_out_of_order() -> None:
    assert talk("It ", "391", " is", ", it is.", agents="abab").rules() == set()


def test_a_part_after_the_end_is_found() -> None:
    assert talk(WHOLE, after="!").rules() == {"LIFECYCLE-3"}


def test_parts_have_numbers_like_events() -> None:
    assert talk("It is", " 391", ", it is.", profile=NUMBERED).rules() == set()


def test_a_part_of_another_users_run_is_no_users_own() -> None:
    said = Talk(profile=STREAMED).open(ready=False).open("Bashir", "c2", ready=False)
    said.ask("q1", Expect(prompt="?")).ask("q2", Expect(prompt="?"), "c2")
    said.frame({"type": "go", "run": "r1"}).frame({"type": "go", "run": "r2"}, "c2")
    said.frame({"type": "part", "run": "r1", "text": "It is"}, "c2")
    assert "ISOLATION-2" in said.rules()


def test_nothing_is_demanded_where_no_parts_come() -> None:
    assert talk().rules() == set()


def test_a_target_that_shows_no_reasoning_owes_none() -> None:
    """Also on a wire that hides another kind."""
    hidden = observable(Expect(hidden=("agent_thinking",)), ("agent_started",)).hidden
    assert hidden == ("agent_thinking", "agent_started")
    asked = Expect(prompt="?", tools=1, hidden=("agent_thinking",))
    said = Talk(profile=PROFILE).open().ask("q1", asked).started().executing().tool_done().completed()
    assert said.rules() == set()


@pytest.mark.parametrize(("thinking", "rules"), [(False, set()), (True, {"LIFECYCLE-4", "LIFECYCLE-5"})])
def test_a_prompt_that_calls_for_no_reasoning_owes_none(thinking: bool, rules: set[str]) -> None:
    """Also where it needs a tool, and so all five kinds of event."""
    asked = Expect(prompt="?", thinking=thinking, tools=1)
    said = Talk(profile=PROFILE).open().ask("q1", asked).started().executing().tool_done().completed()
    assert said.rules() == rules
