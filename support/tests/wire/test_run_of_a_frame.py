"""What is remembered for a run, where rules say in different ways which run a frame belongs to."""

import json

from greenlight_gate.events import Event, each
from greenlight_gate.wire.profile import Profile

STEPS = """
name = "steps"
[every]
run = "parent"
[[event]]
when = { new = "run" }
is = "agent_started"
run = "id"
request = "parent"
[[event]]
when = { done = "tool", "$open_tools" = { not_equal = 0 } }
is = "tool_completed"
tool = "name"
text = "text"
[[event]]
when = { new = "tool" }
is = "tool_executing"
tool = "name"
[[event]]
when = { done = "run", "$answer" = { not_empty = true }, "$open_tools" = 0 }
is = "agent_completed"
run = "id"
text = "$answer"
[[ignore]]
when = { said = { exists = true } }
because = "the answer, which ends with its run"
remember = { answer = "said" }
[send.start]
text = "{prompt}"
"""
FRAMES = (
    {"new": "run", "id": "r1", "parent": "q1"},
    {"new": "run", "id": "r2", "parent": "q2"},
    {"new": "tool", "parent": "r1", "name": "clock"},
    {"done": "tool", "parent": "r1", "name": "clock", "text": "noon"},
    {"said": "it is one", "parent": "r1"},
    {"said": "it is two", "parent": "r2"},
    {"done": "run", "id": "r1", "parent": "q1"},
    {"done": "run", "id": "r2", "parent": "q2"},
)


def read(toml: str, *frames: dict[str, str]) -> list[Event]:
    reader = Profile.from_toml(toml).reader()
    readings = [part for frame in frames for part in each(reader.read(json.dumps(frame).encode()))]
    return [part for part in readings if isinstance(part, Event)]


def test_a_rule_with_a_run_of_its_own_finds_what_other_frames_of_that_run_gave() -> None:
    events = read(STEPS, *FRAMES)

    assert [(event.kind, event.run, event.text) for event in events if event.text] == [
        ("tool_completed", "r1", "noon"),
        ("agent_completed", "r1", "it is one"),
        ("agent_completed", "r2", "it is two"),
    ]


def test_an_id_within_a_longer_text_is_the_same_run_for_what_is_remembered() -> None:
    within = STEPS.replace('run = "parent"', 'run = { at = ["parent"], is = "id", regex = "^msg-(.*)$" }')
    named = [{**frame, "parent": f"msg-{frame['parent']}"} if "id" not in frame else frame for frame in FRAMES]

    assert [event.text for event in read(within, *named) if event.text] == ["noon", "it is one", "it is two"]
