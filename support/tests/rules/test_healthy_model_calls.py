"""What a healthy backend may do with a model that fails, is stopped or is asked by several users."""

import weakref

import msgspec
import pytest
from greenlight_gate.events import Event, EventKind
from greenlight_gate.rules.engine.expected import NO_EVENTS
from greenlight_gate.rules.engine.model_calls import MOST_RUNS, ModelCalls
from greenlight_gate.rules.engine.outcome import Outcome
from greenlight_gate.rules.engine.run_state import Request, RunState, ThreadOrder
from greenlight_gate.trace import Expect, Stalled
from greenlight_gate.wire.profile import Profile

from support.tests.rules.talk import PROFILE, Talk, asked

ANY_END = Expect(prompt="Tell me how a lighthouse works.")
HALF = "A lighthouse has a strong"
WHOLE = f"{HALF} lamp."


def answered(text: str) -> Talk:
    return asked(ANY_END).started().completed(result=text)


def stopped() -> Talk:
    return asked(ANY_END).started().send("stop", run="r1").stopped()


def of_two_users_with_one_request_id() -> Talk:
    """Bashir is asked for by the id of Ada's request, and the model is asked for both."""
    talk = answered(WHOLE).model_call("finished", said=WHOLE, owners=("Ada",))
    talk.open("Bashir", "c2").ask(expect=ANY_END, connection="c2", refusable=True)
    named = {"connection": "c2", "user": "user-bashir", "thread": "t2"}
    talk.started("r2", **named).completed("r2", result=WHOLE, **named)
    return talk.model_call("finished", connection="c2", said=WHOLE, owners=("Bashir",))


@pytest.mark.parametrize(
    "talk",
    [
        of_two_users_with_one_request_id(),
        asked(Expect(prompt="?", end=Expect().end)).started().failed().model_call("unfinished", said=HALF),
        answered(f"{HALF} (the answer broke off)").model_call("unfinished", said=HALF),
        answered("I do not answer that.").model_call("unfinished", fault="content_filter", said=HALF),
        answered(WHOLE).model_call("unfinished", said=HALF).model_call("finished", said=WHOLE),
        # The title of the conversation is asked for as well, and does not matter.
        answered(WHOLE).model_call("finished", said=WHOLE).model_call("unfinished", said=WHOLE),
        answered(HALF).model_call("finished", said=HALF),
        # The backend has heard enough.
        answered(HALF).model_call("left", said=HALF),
        answered(HALF).model_call("unfinished", "of nobody", said=HALF),
        # It shows that there was more.
        answered(f"{HALF} \N{HORIZONTAL ELLIPSIS}").model_call("unfinished", said=HALF),
        # Another call has gone on where the first one broke off.
        answered(WHOLE).model_call("unfinished", said=HALF).model_call("finished", said="lamp.", finish="stop"),
        answered(WHOLE).model_call("finished", said=WHOLE, finish="stop").model_call("unfinished", said=HALF),
        answered("Let me look. 42.")
        .model_call("finished", said="Let me look.", finish="tool_calls")
        .model_call("unfinished")
        .model_call("finished", said="42.", finish="stop"),
        # Another call for a title, after an answer that was stopped, or beside it.
        stopped()
        .wait(3)
        .model_call("left", ended_at=1.0, role="agent", stream=True, tools=1, alone=True)
        .model_call("under way", began_at=1.1, role="title", alone=True),
        stopped()
        .wait(3)
        .model_call("left", ended_at=1.0, role="agent", alone=True)
        .model_call("under way", began_at=1.1, role="title", alone=True),
        stopped()
        .wait(3)
        .model_call("left", ended_at=1.0, role="agent", stream=True, alone=True)
        .model_call("under way", role="title", stream=True, alone=True),
        # The suite, which serves the model, has not noticed for so long that the backend had left.
        stopped().add(Stalled, "", for_s=1.5).model_call("left", ended_at=4.0),
        stopped().model_call("left"),
        stopped().wait(5).model_call("left", ended_at=2.4),
        # What is still under way as soon as the run was stopped may end a moment later.
        stopped().model_call("under way"),
        asked(ANY_END).started().close().wait(60).model_call("under way"),
        answered(WHOLE).wait(60).model_call("under way"),
        answered(WHOLE).model_call("finished", said=WHOLE, owners=("Ada",)),
        answered(WHOLE).model_call("finished", said=WHOLE),
    ],
)
def test_it_is_not_accused(talk: Talk) -> None:
    assert talk.rules() - {"CONTENT-4"} == set()


def test_a_user_who_leaves_ends_the_call_only_where_that_is_promised() -> None:
    promises = msgspec.structs.replace(PROFILE.promises, runs_end_with_connection=True)
    promising = Profile(msgspec.structs.replace(PROFILE.spec, promises=promises))
    for profile, rules in ((PROFILE, set()), (promising, {"LIFECYCLE-8"})):
        talk = Talk(profile=profile).open().ask(expect=ANY_END).started().close()
        assert talk.wait(3).model_call("left", ended_at=0.9).rules() == set()
        assert talk.model_call("finished", ended_at=3.4).rules() == rules


def test_a_persona_of_another_name_is_not_another_user() -> None:
    talk = Talk().open("Ada", persona="Goran").ask(expect=ANY_END).started().completed()
    assert talk.model_call("finished", owners=("Ada", "Goran")).whole() == []
    assert talk.model_call("finished", owners=("Hana",)).rules() == {"ISOLATION-4"}


class _Answer(str):
    """A text of which it is seen when it is no longer kept."""


def test_of_the_runs_of_a_long_trace_only_the_latest_are_kept() -> None:
    calls, kept = ModelCalls(), []
    for n in range(MOST_RUNS + 1):
        event = Event(EventKind.COMPLETED, run=f"r{n}", request=f"q{n}")
        run = RunState(f"r{n}", event, n, "Ada", "c1", {}, ThreadOrder(None), 0.0, 0.0)
        run.other_text = _Answer(HALF)
        kept.append(weakref.ref(run.other_text))
        calls.on_settled(Outcome(Request(n, 0.0, f"q{n}", None, None), run, "c1", 0.0, NO_EVENTS, NO_EVENTS))
    del run
    assert [answer() for answer in (kept[0], kept[1], kept[-1])] == [None, HALF, HALF]
