"""What is sent for a request: the profile's frame, with the ids of each request in their places."""

import json

import pytest
from greenlight_gate.load import request_frames
from greenlight_gate.load.request_frames import RequestFrames
from greenlight_gate.wire.profile import Profile

from support.tests.load.users import PROFILE


def test_each_request_has_its_own_ids_and_no_place_is_left() -> None:
    frames = RequestFrames(Profile.from_toml(PROFILE))
    cases = [
        ("How many?", "r1", None),
        ("How many?", "r2", None),
        ("How many?", "r3", "t1"),
        ("Why?", "r4", 'a"b\u00e9'),
    ]

    for prompt, request, thread in cases:
        frame = frames.frame(prompt, request, thread)
        whole = json.loads(Profile.from_toml(PROFILE).frame("start", request=request, prompt=prompt, thread=thread))
        assert json.loads(frame) == whole
        assert b"place" not in frame


def test_prompts_that_all_differ_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_frames, "_MOST_PROMPTS", 2)
    frames = RequestFrames(Profile.from_toml(PROFILE))

    sent = [frames.frame(f"prompt {number}", "r1", None) for number in range(5)]

    assert len(frames._parts) <= 2
    assert all(b'"prompt %d"' % number in frame for number, frame in enumerate(sent))
