"""Questions at which the scripted model fails, and what becomes of them."""

from behave import then, when
from behave.runner import Context
from greenlight_gate.bdd.context import model_faults_of, world_of
from greenlight_gate.bdd.matchers.demand import demand
from hamcrest import empty, is_


@when("{user:User} asks a question at which the model {fault:ModelFault}")
def asks_at_fault(context: Context, user: str, fault: str) -> None:
    world_of(context).wait(model_faults_of(context).ask(user, fault))


@then("{user:User}'s question at which the model failed has an end, or an answer that is whole")
def has_ended(context: Context, user: str) -> None:
    faults = model_faults_of(context)
    question = faults.failed(user)
    refused = question.outcome is not None and question.outcome.error is not None
    demand("LIFECYCLE-2", question.has_end or refused, is_(True), "the run ends, or an error takes its place")
    demand("CONTENT-4", faults.lacking(question), is_(empty()), "the answer is that of the model")
