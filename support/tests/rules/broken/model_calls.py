"""What the scripted model has recorded: answers that it did not finish, calls that go on, and prompts of others."""

from greenlight_gate.trace import Expect

from support.tests.rules.broken.base import broken
from support.tests.rules.talk import Talk, asked

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


@broken(
    ("LIFECYCLE-8", "the end of each call after the stop", "call 1 still under way 2.40 s later", (6, 7)),
)
def stop_leaves_the_model_running() -> Talk:
    return asked(ANY_END).started().send("stop", run="r1").stopped().wait(2.2).model_call("under way", fault="endless")


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
