"""What the scripted model has recorded: answers that it did not finish, calls that go on, and prompts of others."""

from greenlight_gate.trace import Expect, Stalled

from support.tests.rules.broken.base import broken
from support.tests.rules.talk import Talk, Whole, asked

ANY_END = Expect(prompt="Tell me how a lighthouse works.")
HALF = "A lighthouse has a strong"


@broken((
    "LIFECYCLE-7", "no agent_completed, or a word on the missing end",
    "agent_completed with what it had said (cut): 'A lighthouse has a strong'", (5, 6),
))  # fmt: skip
def half_an_answer_presented_as_finished() -> Talk:
    return asked(ANY_END).started().completed(result=HALF).model_call("unfinished", fault="cut", said=f"{HALF} ")


@broken((
    "LIFECYCLE-7", "no agent_completed, or a word on the missing end",
    "agent_completed with what it had said (length): 'First. A lighthouse has a strong'", (5, 7),
))  # fmt: skip
def half_of_several_turns_presented_as_finished() -> Talk:
    talk = asked(ANY_END).started().completed(result=f"First. {HALF}").model_call("finished", said="First. ")
    return talk.model_call("unfinished", fault="length", said=HALF)


def half(of: str, came: str, evidence: tuple[int, ...]) -> Whole:
    said = f"agent_completed with what it had said ({of}): '{came}'"
    return "LIFECYCLE-7", "no agent_completed, or a word on the missing end", said, evidence


@broken(half("cut", "**A lighthouse** has a strong.", (5, 6)))
def half_an_answer_with_other_marks() -> Talk:
    talk = asked(ANY_END).started().completed(result="**A lighthouse** has a strong.")
    return talk.model_call("unfinished", fault="cut", said=f"{HALF} ")


@broken(half("cut", "A lighthouse has a", (5, 6)))
def half_an_answer_without_its_last_word() -> Talk:
    talk = asked(ANY_END).started().completed(result="A lighthouse has a")
    return talk.model_call("unfinished", fault="cut", said=HALF)


@broken(half("cut", HALF, (5, 6)))
def half_an_answer_whose_repeated_call_says_the_whole() -> Talk:
    talk = asked(ANY_END).started().completed(result=HALF).model_call("unfinished", fault="cut", said=HALF)
    return talk.model_call("finished", said=f"{HALF} lamp.", finish="stop")


@broken(half("cut", HALF, (5, 6)))
def half_an_answer_with_a_title() -> Talk:
    talk = asked(ANY_END).started().completed(result=HALF).model_call("unfinished", fault="cut", said=HALF)
    return talk.model_call("finished", said="Lighthouses", finish="stop", role="title")


@broken(half("length", f"{HALF} tower with a", (5, 7)))
def half_an_answer_of_two_calls() -> Talk:
    talk = asked(ANY_END).started().completed(result=f"{HALF} tower with a")
    talk.model_call("unfinished", fault="length", said=HALF)
    return talk.model_call("unfinished", fault="length", said="tower with a")


@broken(half("stall", HALF, (5, 6)))
def half_an_answer_of_a_model_that_says_nothing_more() -> Talk:
    return asked(ANY_END).started().completed(result=HALF).model_call("left", fault="stall", said=HALF)


@broken(half("it ended early", "Let me look.", (5, 7)))
def what_is_said_before_a_tool_presented_as_the_answer() -> Talk:
    talk = asked(ANY_END).started().completed(result="Let me look.")
    return talk.model_call("finished", said="Let me look.", finish="tool_calls").model_call("unfinished")


@broken(
    ("LIFECYCLE-8", "the end of each call after the stop", "call 2 still under way 2.50 s later", (6, 8)),
)
def stop_leaves_the_agent_running_and_asks_for_a_title() -> Talk:
    talk = asked(ANY_END).started().send("stop", run="r1").stopped().wait(2.2)
    talk.model_call("finished", role="title", ended_at=0.5)
    talk.model_call("under way", fault="endless", role="agent", stream=True, tools=2, alone=True)
    return talk.model_call("under way", fault="endless", role="title", began_at=0.9)


@broken(
    ("LIFECYCLE-8", "the end of each call after the stop", "call 2 still under way 2.50 s later", (6, 8)),
)
def stopped_run_asks_the_model_again() -> Talk:
    talk = asked(ANY_END).started().send("stop", run="r1").stopped().wait(2.2)
    talk.model_call("finished", finish="tool_calls", role="agent", stream=True, tools=2, alone=True, ended_at=0.5)
    return talk.model_call("under way", role="agent", stream=True, tools=2, alone=True, began_at=0.9)


@broken(
    ("LIFECYCLE-8", "the end of each call after the stop", "call 1 still under way 2.40 s later", (6, 7)),
)
def stop_leaves_the_model_running() -> Talk:
    return asked(ANY_END).started().send("stop", run="r1").stopped().wait(2.2).model_call("under way", fault="endless")


@broken(
    ("LIFECYCLE-8", "the end of each call after the stop", "call 1 still under way 2.40 s later", (7, 8)),
)
def stop_after_a_stall_leaves_the_model_running() -> Talk:
    talk = asked(ANY_END).started().add(Stalled, "", for_s=1.5).send("stop", run="r1").stopped().wait(2.2)
    return talk.model_call("under way", fault="endless")


@broken(
    ("LIFECYCLE-8", "the end of each call after the stop", "call 1 ended 2.40 s later", (6, 7)),
)
def stop_lets_the_model_finish() -> Talk:
    return asked(ANY_END).started().send("stop", run="r1").stopped().model_call("finished", ended_at=2.9)


@broken(
    ("ISOLATION-4", "no canary of another user", "canary of Bashir in the prompt", (6,)),
)
def prompt_with_another_users_question() -> Talk:
    return asked(ANY_END).started().completed().model_call("finished", owners=("Ada", "Bashir"))
