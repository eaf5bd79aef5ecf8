"""Where a profile says that a request carries its trace context."""

from typing import Any

import pytest
from greenlight_gate.wire.errors import ProfileError
from greenlight_gate.wire.profile import Profile
from greenlight_gate.wire.spec import Spec

PROFILE = """
name = "mine"
[frame]
kind = ["type"]
[events.agent_started]
kinds = ["a"]
[events.agent_completed]
kinds = ["b"]
"""


def read(send: str) -> Spec:
    return Profile.from_toml(PROFILE + send).spec


@pytest.mark.parametrize(
    ("send", "plain", "traced"),
    [
        ('[send.start]\ntext = "{prompt}"', {"text": "{prompt}"}, None),
        (
            '[send.start]\ntext = "{prompt}"\ntrace = "traceparent"',
            {"text": "{prompt}"},
            {"text": "{prompt}", "traceparent": "{traceparent}"},
        ),
        (
            '[send.start]\ntrace = "a.b.c"\na = { text = "{prompt}" }',
            {"a": {"text": "{prompt}"}},
            {"a": {"text": "{prompt}", "b": {"c": "{traceparent}"}}},
        ),
        (
            '[[send.start]]\nhello = 1\n[[send.start]]\ntext = "{prompt}"\ntrace = "x-trace"',
            [{"hello": 1}, {"text": "{prompt}"}],
            [{"hello": 1}, {"text": "{prompt}", "x-trace": "{traceparent}"}],
        ),
    ],
)
def test_it_is_in_the_traced_request_and_in_no_other(send: str, plain: Any, traced: Any) -> None:
    spec = read(send)

    assert (spec.send["start"], spec.traced_start) == (plain, traced)


@pytest.mark.parametrize(
    ("trace", "said"),
    [
        ("1", "expected a path of keys"),
        ('""', "expected a path of keys"),
        ('"a..b"', "expected a path of keys"),
        ('"{traceparent}"', "expected a path of keys"),
        ('"text"', "expected a key that the message does not have"),
        ('"text.more"', "expected a table at text"),
    ],
)
def test_what_is_no_place_is_said_in_one_line(trace: str, said: str) -> None:
    with pytest.raises(ProfileError, match=rf"send\.start\.trace: {said}") as error:
        read(f'[send.start]\ntext = "{{prompt}}"\ntrace = {trace}')
    assert "\n" not in str(error.value)


def test_only_one_of_several_messages_carries_it() -> None:
    send = '[[send.start]]\ntext = "{prompt}"\ntrace = "a"\n[[send.start]]\ntrace = "b"'
    with pytest.raises(ProfileError, match="in one of the messages, got it in 2"):
        read(send)


def test_no_template_may_ask_for_it_itself() -> None:
    with pytest.raises(ProfileError, match="traceparent"):
        read('[send.start]\ntext = "{prompt}"\ncontext = "{traceparent}"')
