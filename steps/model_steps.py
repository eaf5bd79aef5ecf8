"""Questions at which the scripted model fails, and what becomes of them."""

from behave import then, when
from behave.runner import Context
from greenlight_gate.bdd.context import model_faults_of, stops_of, world_of
from greenlight_gate.bdd.matchers.demand import demand
from hamcrest import empty, is_


@when("{user:User} asks a question at which the model {fault:ModelFault}")
def asks_at_fault(context: Context, user: str, fault: str) -> None:
    world_of(context).wait(model_faults_of(context).ask(user, fault))


@when("{user:User} begins a question at which the model {fault:ModelFault}")
def begins_at_fault(context: Context, user: str, fault: str) -> None:
    model_faults_of(context).ask(user, fault)


@when("{user:User} begins a question that keeps the model busy")
def begins_long(context: Context, user: str) -> None:
    model_faults_of(context).ask_for_long(user)


@when("{user:User} leaves while the model answers, and reconnects")
def leaves_the_model(context: Context, user: str) -> None:
    world = world_of(context)
    model_faults_of(context).wait_until_asked(world.asking(user))
    world.leave(user)
    world.connect(user)


@when("both ask, at the same moment, a question at which the model {fault:ModelFault}")
def both_ask_at_fault(context: Context, fault: str) -> None:
    world, faults = world_of(context), model_faults_of(context)
    world.wait(*[faults.ask(user, fault) for user in world.sessions])


@when("{user:User} stops the run once the model answers")
def stops_the_model(context: Context, user: str) -> None:
    question = world_of(context).asking(user)
    model_faults_of(context).wait_until_asked(question)
    stops_of(context).stop_once(question)


@then("each prompt to the model is seen to hold its user's own question")
def prompts_are_own(context: Context) -> None:
    # The rules search it for what is another user's.
    for user in world_of(context).sessions:
        model_faults_of(context).require_own_prompt(user)


@then("{user:User}'s question at which the model failed has an end, or an answer that is whole")
def has_ended(context: Context, user: str) -> None:
    faults = model_faults_of(context)
    question = faults.failed(user)
    refused = question.outcome is not None and question.outcome.error is not None
    demand("LIFECYCLE-2", question.has_end or refused, is_(True), "the run ends, or an error takes its place")
    demand("CONTENT-4", faults.lacking(question), is_(empty()), "the answer is that of the model")
