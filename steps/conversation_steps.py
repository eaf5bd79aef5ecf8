"""What users ask, and whether they receive the answer."""

from behave import then, when
from behave.runner import Context
from greenlight_gate.bdd.context import question_in, rows_of, stops_of, world_of
from greenlight_gate.bdd.matchers.demand import demand
from greenlight_gate.bdd.matchers.event_patterns import (
    agent_failed,
    completed,
    started,
    thinking,
    tool_executing,
)
from greenlight_gate.bdd.matchers.observable import NotExercised
from greenlight_gate.bdd.matchers.request_matchers import (
    answers,
    each,
    ends_with,
    has_text_at_its_end,
    in_order,
    is_clear,
    never_shows,
    shows_once,
)
from greenlight_gate.events import EventKind
from hamcrest import assert_that, equal_to, greater_than, has_length, is_, only_contains


@when("{user:User} asks {prompt:Question}")
@when("{user:User} tells the assistant {prompt:Question}")
@when("{user:User} asks {prompt:Question} in the first tab")
def asks(context: Context, user: str, prompt: str) -> None:
    world = world_of(context)
    world.wait(world.ask(user, prompt))


@when("{user:User} begins {prompt:Question}")
def begins(context: Context, user: str, prompt: str) -> None:
    world_of(context).ask(user, prompt)


@when("both begin {prompt:Question}")
def both_begin(context: Context, prompt: str) -> None:
    world = world_of(context)
    for user in world.sessions:
        world.ask(user, prompt)


@when("{user:User} continues with {prompt:Question}")
def continues(context: Context, user: str, prompt: str) -> None:
    stops_of(context).continue_conversation(user, prompt)


@when("{user:User} asks at the same moment:")
def asks_at_once(context: Context, user: str) -> None:
    world_of(context).ask_together([(user, question_in(row["question"])) for row in rows_of(context)])


@when("{user:User}'s client sends {prompt:Question} twice, with the same request id")
def sends_twice(context: Context, user: str, prompt: str) -> None:
    world_of(context).ask_twice(user, prompt)


@when("{user:User} also sends {prompt:Question} on the same connection before it is answered")
def asks_meanwhile(context: Context, user: str, prompt: str) -> None:
    world_of(context).ask_meanwhile(user, prompt)


@when("{user:User} continues with {first:Question} and {second:Question} at the same moment")
def continues_with_two(context: Context, user: str, first: str, second: str) -> None:
    world = world_of(context)
    world.ask_at_once_in(world.last(user), (first, second))


@when("{user:User}'s tabs continue with {first:Question} and {second:Question} at the same moment")
def tabs_continue(context: Context, user: str, first: str, second: str) -> None:
    world = world_of(context)
    world.ask_in_two_tabs(world.last(user), (first, second))


@when("{user:User} changes the last question into {prompt:Question}")
def changes(context: Context, user: str, prompt: str) -> None:
    world = world_of(context)
    world.wait(world.change(world.last(user), prompt))


@when("{user:User} asks for another answer to the last question")
def asks_again(context: Context, user: str) -> None:
    world = world_of(context)
    world.wait(world.regenerate(world.last(user)))


@when(
    "each of them continues a conversation after a question that needs tools, "
    "up to {times:Number} times in {seconds:Number} seconds"
)
def many_conversations(context: Context, times: int, seconds: int) -> None:
    world = world_of(context)
    world.converse(list(world.sessions), times=times, most_s=seconds)


@when("both ask {prompt:Question} at the same moment")
@when("all of them ask {prompt:Question} at the same moment")
@when("each of them tells the assistant {prompt:Question}")
def all_ask(context: Context, prompt: str) -> None:
    world = world_of(context)
    world.ask_together([(user, prompt) for user in world.sessions])


@when("{user:User} asks {prompt:Question} in each tab")
def asks_in_each_tab(context: Context, user: str, prompt: str) -> None:
    world = world_of(context)
    world.wait(*[world.ask(user, prompt, tab=number) for number in (1, 2)])


@when("{user:User}'s second tab restores the conversation")
def restores(context: Context, user: str) -> None:
    world = world_of(context)
    restored = world.restore_in_another_tab(world.last(user), tab=2)
    demand("CONTINUITY-1", restored, is_(True), "the conversation was restored in the second tab")


@when("{user:User}'s second tab restores the whole conversation")
def restores_all(context: Context, user: str) -> None:
    world = world_of(context)
    restored = world.restore(user, world.asked_by(user)[0], tab=2)
    demand("CONTINUITY-1", restored, is_(True), "the conversation was restored in the second tab")


@then("{user:User} receives an answer that mentions the failure, or agent_failed")
def failure_is_mentioned(context: Context, user: str) -> None:
    question = world_of(context).last(user)
    if not ends_with(agent_failed()).matches(question):
        demand("CONTENT-4", question, answers())


@then("{user:User} receives the right answer")
def right_answer(context: Context, user: str) -> None:
    demand("CONTENT-4", world_of(context).last(user), answers())


@then("each of them receives the right answer")
def each_right_answer(context: Context) -> None:
    world = world_of(context)
    asked = [world.last(user) for user in world.sessions]
    demand("CONTENT-4", asked, each(answers()))


@then("each of {user:User}'s questions has a complete and right answer")
def all_answered(context: Context, user: str) -> None:
    world = world_of(context)
    asked = world.asked_by(user)
    world.wait(*[question for question in asked if not question.over])
    assert_that(asked, has_length(greater_than(1)))
    demand("CONTENT-4", asked, each(answers()))
    demand("LIFECYCLE-4", asked, each(in_order(started(), thinking(), completed())))


@when("{user:User} closes the second tab once its tool has started")
def closes_second_tab(context: Context, user: str) -> None:
    world_of(context).close_tab_during(world_of(context).asked_by(user)[-1], EventKind.TOOL_EXECUTING)


@then("{user:User} receives the right answer in the first tab")
def answered_in_first_tab(context: Context, user: str) -> None:
    world = world_of(context)
    first = world.asked_by(user)[0]
    world.wait(first)
    demand("LIFECYCLE-6", first, answers())


@then("{user:User}'s first question has a right answer, and the second an answer or a refusal")
def first_is_not_lost(context: Context, user: str) -> None:
    first, _ = world_of(context).asked_by(user)
    # The rules judge the second: it has an answer, which is right, or an error.
    demand("LIFECYCLE-2", first, answers())


@then("the first of {user:User}'s last two questions has the right answer, and the second has it or is refused")
def second_may_be_refused(context: Context, user: str) -> None:
    first, second = world_of(context).asked_by(user)[-2:]
    if any(asked.outcome is not None and asked.outcome.request.mixed_up for asked in (first, second)):
        raise NotExercised("nothing in the events of this backend says which of two requests they belong to")
    demand("CONTENT-4", first, answers())
    if second.outcome is not None and second.outcome.error is not None:
        demand("REFUSAL-4", second.outcome.error, is_clear(), "the second question was refused")
    elif ends_with(agent_failed()).matches(second):
        demand("CONTENT-1", second, has_text_at_its_end())
    else:
        demand("CONTENT-4", second, answers())


@then("one of {user:User}'s last two questions has the right answer, and the other has it or is refused")
def one_may_be_refused(context: Context, user: str) -> None:
    asked = world_of(context).asked_by(user)[-2:]
    # The rules judge the other one: its answer is right, or an error says why there is none.
    demand("CONTENT-4", any(answers().matches(question) for question in asked), is_(True))


@then("{user:User}'s question started one run")
def one_run(context: Context, user: str) -> None:
    world = world_of(context)
    demand("IDENTITY-1", world.runs_of(world.last(user)), has_length(1), "the request was sent twice")


@then("every one of their questions has the right answer")
def every_one_is_answered(context: Context) -> None:
    demand("CONTENT-4", world_of(context).questions, each(answers()))


@then("all answers belong to one conversation")
def one_conversation(context: Context) -> None:
    threads = [question.thread for question in world_of(context).questions]
    if not any(threads):
        raise NotExercised("the answers of this backend name no conversation")
    demand("IDENTITY-2", threads, only_contains(equal_to(threads[0])))


@then("each answer ended in the tab that asked, and in no other")
def in_its_tab(context: Context) -> None:
    world = world_of(context)
    if world.suite.profile.promises.tabs_share_events:
        raise NotExercised(f"{world.suite.profile.name} promises that all tabs of a user show all of their answers")
    ended = [world.tabs_that_showed(question) for question in world.questions]
    demand("IDENTITY-1", ended, equal_to([[world.tab_of(question)] for question in world.questions]))


@then("{user:User} receives the right answer, and its end in both tabs")
def in_both_tabs(context: Context, user: str) -> None:
    world = world_of(context)
    question = world.last(user)
    demand("CONTENT-4", question, answers())
    demand("CONTINUITY-1", world.tabs_that_showed(question), equal_to([1, 2]))


@then("the answer shows no tool")
def no_tool(context: Context) -> None:
    demand("LIFECYCLE-5", world_of(context).last(), never_shows(tool_executing()))


@then("agent_completed is the last event that {user:User} receives")
def answer_is_last(context: Context, user: str) -> None:
    question = world_of(context).last(user)
    demand("LIFECYCLE-2", question, shows_once(completed()))
    demand("LIFECYCLE-3", question, ends_with(completed()))


@then("{user:User} receives agent_failed once, with a text, and no agent_completed")
def run_failed(context: Context, user: str) -> None:
    question = world_of(context).last(user)
    if question.expect.end is EventKind.COMPLETED:
        raise NotExercised("the target declares that this question is refused with an answer (ends)")
    demand("LIFECYCLE-2", question, shows_once(agent_failed()))
    demand("CONTENT-1", question, has_text_at_its_end())
    demand("LIFECYCLE-2", question, never_shows(completed()))


@then("{user:User}'s first question is refused, or its run ends")
def refused_or_ended(context: Context, user: str) -> None:
    question = world_of(context).asked_by(user)[0]
    refused = question.outcome is not None and question.outcome.error is not None
    demand("LIFECYCLE-2", question.has_end or refused, is_(True), "the request was refused, or its run ended")


@then("{user:User} sees the sub-agent complete before the answer")
def sub_agent_first(context: Context, user: str) -> None:
    demand("LIFECYCLE-2", world_of(context).last(user), in_order(started(), completed(helper=True), completed()))
