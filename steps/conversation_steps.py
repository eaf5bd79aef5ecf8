"""What people ask, and whether they get an answer."""

from behave import then, when
from behave.runner import Context
from greenlight_gate.bdd.matchers.event_patterns import (
    agent_failed,
    completed,
    started,
    stopped,
    thinking,
    tool_executing,
)
from greenlight_gate.bdd.matchers.request_matchers import answers, each, ends_with, in_order, never_shows, shows_once
from greenlight_gate.bdd.world.context import question_in, rows_of, world_of
from greenlight_gate.events import EventKind
from hamcrest import assert_that, equal_to, greater_than, has_length, is_, not_none, only_contains


@when("{person:Person} asks {prompt:Question}")
@when("{person:Person} tells the assistant {prompt:Question}")
def asks(context: Context, person: str, prompt: str) -> None:
    world = world_of(context)
    world.wait(world.ask(person, prompt))


@when("{person:Person} begins {prompt:Question}")
def begins(context: Context, person: str, prompt: str) -> None:
    world_of(context).ask(person, prompt)


@when("both begin {prompt:Question}")
def both_begin(context: Context, prompt: str) -> None:
    world = world_of(context)
    for person in world.sessions:
        world.ask(person, prompt)


@when("{person:Person} goes on with {prompt:Question}")
def goes_on(context: Context, person: str, prompt: str) -> None:
    world = world_of(context)
    world.wait(world.ask(person, prompt, follow=world.last(person)))


@when("{person:Person} asks at the same moment:")
def asks_at_once(context: Context, person: str) -> None:
    world_of(context).ask_together([(person, question_in(row["question"])) for row in rows_of(context)])


@when("both ask {prompt:Question}")
@when("all of them ask {prompt:Question}")
@when("each of them tells the assistant {prompt:Question}")
def all_ask(context: Context, prompt: str) -> None:
    world = world_of(context)
    world.ask_together([(person, prompt) for person in world.sessions])


@when("{person:Person} asks {prompt:Question} in each window")
def asks_in_each_window(context: Context, person: str, prompt: str) -> None:
    world = world_of(context)
    world.wait(*[world.ask(person, prompt, window=number) for number in (1, 2)])


@when("{person:Person} asks {prompt:Question} in the older window")
def asks_in_older_window(context: Context, person: str, prompt: str) -> None:
    asks(context, person, prompt)


@when("{person:Person}'s newer window catches up with the conversation")
def catches_up(context: Context, person: str) -> None:
    world = world_of(context)
    restored = world.restore(person, world.last(person), window=2)
    assert_that(restored, is_(True), "the conversation was restored in the newer window")


@when("{person:Person} says stop once a tool is at work")
def says_stop(context: Context, person: str) -> None:
    world = world_of(context)
    world.stop_once(world.asking(person), EventKind.TOOL_EXECUTING)


@then("{person:Person} gets an answer that says so, or is told that there will be none")
def told_so(context: Context, person: str) -> None:
    question = world_of(context).last(person)
    if not ends_with(agent_failed()).matches(question):
        assert_that(question, answers())


@then("{person:Person} gets the right answer")
def right_answer(context: Context, person: str) -> None:
    assert_that(world_of(context).last(person), answers())


@then("each of them gets the right answer")
def each_gets_the_right_answer(context: Context) -> None:
    world = world_of(context)
    asked = [world.last(person) for person in world.sessions]
    assert_that(asked, each(answers()))


@then("each of {person:Person}'s questions was answered in full")
def all_answered(context: Context, person: str) -> None:
    world = world_of(context)
    asked = world.asked_by(person)
    world.wait(*[question for question in asked if not question.over])
    assert_that(asked, has_length(greater_than(1)))
    assert_that(asked, each(answers()))
    assert_that(asked, each(in_order(started(), thinking(), completed())))


@then("all of it happened in one conversation")
def one_conversation(context: Context) -> None:
    threads = [question.thread for question in world_of(context).questions]
    assert_that(threads[0], not_none())
    assert_that(threads, only_contains(equal_to(threads[0])))


@then("each answer appeared in the window where it was asked for")
def in_its_window(context: Context) -> None:
    world = world_of(context)
    seen = [world.windows_that_showed(question) for question in world.questions]
    assert_that(seen, equal_to([[world.window_of(question)] for question in world.questions]))


@then("{person:Person}'s newer window shows the same answer")
def same_answer(context: Context, person: str) -> None:
    world = world_of(context)
    question = world.last(person)
    assert_that(question, answers())
    assert_that(world.windows_that_showed(question), equal_to([1, 2]))


@then("no tool was at work")
def no_tool(context: Context) -> None:
    assert_that(world_of(context).last(), never_shows(tool_executing()))


@then("the answer is the last thing that {person:Person} sees")
def answer_is_last(context: Context, person: str) -> None:
    question = world_of(context).last(person)
    assert_that(question, shows_once(completed()))
    assert_that(question, ends_with(completed()))


@then("{person:Person} sees that the work was stopped, and nothing after that")
def work_was_stopped(context: Context, person: str) -> None:
    question = world_of(context).last(person)
    assert_that(question, shows_once(stopped()))
    assert_that(question, ends_with(stopped()))


@then("{person:Person} is told clearly that there will be no answer")
def no_answer(context: Context, person: str) -> None:
    question = world_of(context).last(person)
    assert_that(question, shows_once(agent_failed()))
    assert_that(question.events[-1].text, not_none())
    assert_that(question, never_shows(completed()))


@then("{person:Person} sees the helper finish before the answer")
def helper_first(context: Context, person: str) -> None:
    assert_that(world_of(context).last(person), in_order(started(), completed(helper=True), completed()))
