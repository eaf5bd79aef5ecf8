"""What users are asked during a run, and how they answer."""

from behave import then, when
from behave.runner import Context
from greenlight_gate.bdd.context import approvals_of, network_of, world_of
from greenlight_gate.bdd.matchers.demand import demand
from greenlight_gate.bdd.matchers.event_patterns import input_requested, tool_completed
from greenlight_gate.bdd.matchers.request_matchers import in_order
from hamcrest import all_of, equal_to, greater_than, is_, less_than_or_equal_to


@when("{user:User} approves what the assistant asks")
def approves(context: Context, user: str) -> None:
    approvals_of(context).answer(user, approves=True)


@when("{user:User} approves twice what the assistant asks")
def approves_twice(context: Context, user: str) -> None:
    approvals_of(context).answer(user, approves=True, times=2)


@when("{user:User} denies what the assistant asks")
def denies(context: Context, user: str) -> None:
    approvals_of(context).answer(user, approves=False)


@when("{user:User} does not answer what the assistant asks")
def does_not_answer(context: Context, user: str) -> None:
    approvals_of(context).leave_unanswered(user)


@when("{user:User} reloads the page when the assistant asks")
def reloads(context: Context, user: str) -> None:
    approvals_of(context).reload(network_of(context), user)


@then("the tool of {user:User}'s question ran once, after it was approved")
def ran_once(context: Context, user: str) -> None:
    question = world_of(context).last(user)
    demand("INPUT-2", question, in_order(input_requested(), tool_completed()))
    times, asked = approvals_of(context).approved_runs(user)
    demand("INPUT-6", times, is_(all_of(greater_than(0), less_than_or_equal_to(asked))))


@then("{user:User}'s question ends without its tool")
def ends_without_tool(context: Context, user: str) -> None:
    question = world_of(context).last(user)
    demand("LIFECYCLE-2", question.has_end, is_(True))
    demand("INPUT-3", approvals_of(context).runs_without_asking(user), equal_to(0))
