"""Stops of a run: at which moment, and what becomes of the run, of other runs, and of the conversation."""

from behave import then, when
from behave.runner import Context
from greenlight_gate.bdd.context import stops_of, world_of
from greenlight_gate.bdd.matchers.demand import demand
from greenlight_gate.bdd.matchers.event_patterns import stopped
from greenlight_gate.bdd.matchers.request_matchers import answers, each, ends_with
from greenlight_gate.events import EventKind


@when("{user:User} begins {prompt:Question} in each tab, and in the first tab twice")
def begins_several(context: Context, user: str, prompt: str) -> None:
    stops_of(context).begin_several(user, prompt)


@when("{user:User} begins {prompt:Question}, and stops it before its first event")
def stops_before_the_start(context: Context, user: str, prompt: str) -> None:
    stops_of(context).begin_and_stop(user, prompt)


@when("{user:User} stops the run as soon as it has begun")
def stops_at_the_start(context: Context, user: str) -> None:
    stops_of(context).stop_once(world_of(context).asking(user), EventKind.STARTED)


@when("{user:User} stops the run once a tool has started")
def stops(context: Context, user: str) -> None:
    stops_of(context).stop_once(world_of(context).asking(user), EventKind.TOOL_EXECUTING)


@when("{user:User} stops the run while its text streams")
def stops_in_text(context: Context, user: str) -> None:
    stops_of(context).stop_once(world_of(context).asking(user), EventKind.THINKING)


@when("{user:User} stops the run twice, once a tool has started")
def stops_twice(context: Context, user: str) -> None:
    stops_of(context).stop_once(world_of(context).asking(user), EventKind.TOOL_EXECUTING, times=2)


@when("{user:User} stops the first of these runs once its tool has started")
def stops_the_first(context: Context, user: str) -> None:
    stops_of(context).stop_once(world_of(context).asked_by(user)[0], EventKind.TOOL_EXECUTING)


@when("{user:User} stops the run that has ended")
def stops_after_the_end(context: Context, user: str) -> None:
    stops_of(context).stop_after_the_end(world_of(context).asking(user))


@then("agent_stopped is the last event of {user:User}'s stopped run")
def run_was_stopped(context: Context, user: str) -> None:
    stops = stops_of(context)
    question = stops.ended(user)
    if stops.shows_ends:  # if not, the rules judge the calls to the model
        demand("LIFECYCLE-6", question, ends_with(stopped()))


@then("each of {user:User}'s other questions receives the right answer")
def others_are_answered(context: Context, user: str) -> None:
    demand("CONTENT-4", stops_of(context).others(user), each(answers()))
