"""For which request a call to the model is: what stands in the user's last message, else anywhere in the prompt."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from greenlight_gate.bdd.world.model_calls import _asks, _holds

TEXT = 'Tell me how a "Größe" works.\n(Request 1.)'


def call(asked: str, *before: str) -> Any:
    """A call whose user's last message this is."""
    messages = [{"role": "user", "content": text} for text in (*before, asked)]
    return SimpleNamespace(asked=asked, body=json.dumps({"messages": messages}))


@pytest.mark.parametrize(
    ("asked", "before", "is_asked", "is_held"),
    [
        (TEXT, (), True, True),
        (f"Today is Sunday. {TEXT} Be brief.", (), True, True),
        (TEXT.replace("\n", "  ").lower(), (), True, False),
        ("Go on.", (TEXT,), False, True),
        ("The tool says: 42", ("Hello", TEXT), False, True),
        ("Tell me how a lighthouse works.", (), False, False),
    ],
)
def test_which_request_a_call_is_for(asked: str, before: tuple[str, ...], *, is_asked: bool, is_held: bool) -> None:
    made = call(asked, *before)

    assert _asks(made, TEXT) == is_asked
    assert _holds(made, TEXT) == is_held or is_asked
    raw: Any = SimpleNamespace(asked=asked, body=json.dumps(json.loads(made.body), ensure_ascii=False))
    assert _holds(raw, TEXT) == _holds(made, TEXT)
