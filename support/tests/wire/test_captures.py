"""Frames of four real servers, as they came, are the right events for each user."""

from greenlight_gate.wire.profile import Profile

from support.tests.wire.recorded import PROFILES, Recorded, Short, capture, shipped

K = "calculator"


def autogen(question: str) -> list[Short]:
    return [
        ("agent_started", None, None, question),
        ("tool_executing", K, "call_1", None),
        ("tool_completed", K, "call_1", "391.0"),
        ("agent_completed", None, None, "The answer is 391."),
    ]


def test_autogenstudio() -> None:
    seen = Recorded(shipped("autogenstudio"), capture("autogenstudio"))
    assert seen.events == {
        "alice": autogen("What is 17*23? marker-ALICE"),
        "alice2": autogen("A2 marker-A2"),
        "bob": autogen("B marker-BOB"),
    }
    # The socket is the run: its id comes from the request before it, and the conversation's as well.
    runs = {who: {(event.run, event.thread) for event in events} for who, events in seen.whole.items()}
    assert runs == {"alice": {("4", "4")}, "alice2": {("5", "5")}, "bob": {("6", "6")}}
    assert seen.more == {"alice": 14, "alice2": 14, "bob": 14}
    assert seen.ignored == {"alice": 2, "alice2": 2, "bob": 2}
    assert (seen.unmapped, seen.findings, seen.foreign) == ([], [], {})


def test_autogenstudio_turns_away_who_takes_somebody_elses_run() -> None:
    seen = Recorded(shipped("autogenstudio"), capture("autogenstudio-auth"))
    assert seen.events == {"alice": autogen("A marker-ALICE"), "bob": autogen("B marker-BOB")}
    assert (seen.unmapped, seen.findings) == ([], [])


def agno(call: str, question: str, result: str) -> list[Short]:
    plan = f"Plan: use the calculator. {question}"
    return [
        ("agent_started", None, None, None),
        ("agent_thinking", None, None, plan),
        ("tool_executing", K, call, None),
        ("tool_completed", K, call, result),
        ("agent_completed", None, None, f"Let me think: I will use calculator.Answer to <{plan}>: {result}"),
    ]


def test_agno() -> None:
    seen = Recorded(shipped("agno"), capture("agno"))
    calls = {who: next(event.call or "" for event in events if event.call) for who, events in seen.whole.items()}
    assert len(set(calls.values())) == 3
    assert seen.events == {
        "alice": agno(calls["alice"], "What is 17*23? marker-ALICE", "391.0"),
        "alice2": agno(calls["alice2"], "5*5 marker-A2", "25.0"),
        "bob": agno(calls["bob"], "3*4 marker-BOB", "12.0"),
    }
    # The helper's run id is not the run: the workflow's is, in every event.
    assert {who: len({event.run for event in events}) for who, events in seen.whole.items()} == {
        "alice": 1, "alice2": 1, "bob": 1,
    }  # fmt: skip
    assert {who: {event.thread for event in events} for who, events in seen.whole.items()} == {
        "alice": {"s-alice"}, "alice2": {"s-alice2"}, "bob": {"s-bob"},
    }  # fmt: skip
    assert seen.unmapped == []
    # Nobody let the stranger in: the question that was asked all the same has no answer.
    assert seen.findings == [("LIFECYCLE-2", "anon")]


def adk(question: str, result: str) -> list[Short]:
    return [
        ("tool_executing", K, "fc-1", None),
        ("tool_completed", K, "fc-1", f'{{"value":{result}}}'),
        ("agent_completed", None, None, f"Answer to <{question}>: {{'value': {result}}}"),
    ]


def test_google_adk() -> None:
    seen = Recorded(shipped("google-adk"), capture("google-adk"))
    assert seen.events == {
        "alice": adk("What is 17*23? marker-ALICE", "391.0"),
        "alice2": adk("5*5 marker-A2", "25.0"),
        "bob": adk("3*4 marker-BOB", "12.0"),
    }
    assert seen.inferred == {"alice": ["agent_started"], "alice2": ["agent_started"], "bob": ["agent_started"]}
    assert all(len({event.run for event in events}) == 1 for events in seen.whole.values())
    assert seen.unmapped == []
    assert seen.findings == [("LIFECYCLE-2", "bob-steals")]


def kernel(call: str) -> list[Short]:
    return [
        ("agent_started", None, None, None),
        ("tool_executing", "kernel", call, None),
        ("tool_completed", "kernel", call, "391"),
        ("agent_completed", None, None, "391"),
    ]


def _kernels(seen: Recorded, users: tuple[str, ...]) -> dict[str, list[Short]]:
    calls = {who: next(event.call or "" for event in events if event.call) for who, events in seen.whole.items()}
    assert len(set(calls.values())) == len(users)
    return {who: kernel(calls[who]) for who in users}


def test_jupyter_and_two_users_on_one_kernel() -> None:
    seen = Recorded(shipped("jupyter"), capture("jupyter"))
    assert seen.events == _kernels(seen, ("alice", "alice2", "bob", "sharedA", "sharedB"))
    assert {who: len(frames) for who, frames in seen.foreign.items()} == {"sharedA": 4, "sharedB": 9}
    assert seen.unmapped == []
    # Each of the two is shown what belongs to the other, and the profile calls that a leak.
    assert seen.findings == [("ISOLATION-2", "sharedB"), ("ISOLATION-2", "sharedA")]
    assert seen.saw == {("sharedA", "sharedB"), ("sharedB", "sharedA")}


def test_what_a_profile_declares_as_broadcast_by_design_or_as_noise_is_counted_and_accused_of_nothing() -> None:
    text = (PROFILES / "jupyter.toml").read_text()
    assert 'foreign = "leak"' in text
    for meaning in ("broadcast-by-design", "noise"):
        profile = Profile.from_toml(text.replace('foreign = "leak"', f'foreign = "{meaning}"'))
        seen = Recorded(profile, capture("jupyter"))
        assert seen.findings == []
        assert {who: len(frames) for who, frames in seen.foreign.items()} == {"sharedA": 4, "sharedB": 9}


def test_jupyter_over_the_binary_protocol() -> None:
    text = (PROFILES / "jupyter.toml").read_text()
    profile = Profile.from_toml(text.replace("[scope]", '[frame]\ncodecs = ["jupyter-v1"]\n\n[scope]'))
    seen = Recorded(profile, capture("jupyter-v1"))
    assert seen.events == _kernels(seen, ("alice", "alice2", "bob"))
    assert seen.more == {"alice": 1, "alice2": 1, "bob": 1}
    assert (seen.unmapped, seen.findings, seen.foreign) == ([], [], {})
