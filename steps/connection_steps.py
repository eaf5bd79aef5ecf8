"""Connections: lost, restored, dead or slow, and a backend that restarts."""

from behave import given, then, when
from behave.runner import Context
from greenlight_gate.bdd.context import (
    cut_matrix_of,
    liveness_of,
    network_of,
    question_in,
    rows_of,
    trouble_of,
    world_of,
)
from greenlight_gate.bdd.matchers.demand import demand
from greenlight_gate.bdd.matchers.event_patterns import completed
from greenlight_gate.bdd.matchers.request_matchers import answers, each, has_text_at_its_end, never_shows
from greenlight_gate.events import EventKind
from hamcrest import assert_that, empty, greater_than, greater_than_or_equal_to, has_length, is_, less_than_or_equal_to

# Lost connections ----------------------------------------------------------------------------------------------


@given("{user:User} is in a conversation over an unstable connection")
def unstable(context: Context, user: str) -> None:
    network_of(context).connect(user)


@given("{one:User} and {other:User} are each in a conversation over an unstable connection")
def two_unstable(context: Context, one: str, other: str) -> None:
    network_of(context).connect(one, other)


@given("{user:User} has two tabs open over unstable connections")
def two_unstable_tabs(context: Context, user: str) -> None:
    network_of(context).connect(user)
    network_of(context).connect(user)


@given("{count:Number} users are each in a conversation over an unstable connection")
def many_unstable(context: Context, count: int) -> None:
    network_of(context).connect(*world_of(context).users(count))


@given("the complete answer to {prompt:Question} is known")
def answer_is_known(context: Context, prompt: str) -> None:
    cut_matrix_of(context).rehearse(prompt)


@when("that answer is repeated with a cut at each event and inside it, in each way, and a reconnect")
def cut_everywhere(context: Context) -> None:
    cut_matrix_of(context).play()


@when("that answer is cut at several places, and its user reconnects while it is in progress")
def cut_in_progress(context: Context) -> None:
    cut_matrix_of(context).play_in_progress()


@when("that answer is cut while the sub-agent works, and its user reconnects")
def cut_while_sub_agent_works(context: Context) -> None:
    cut_matrix_of(context).play_in_progress(sub_agent=True)


@then("every cut answer is complete, with no event lost, repeated or out of order")
def every_cut_answer(context: Context) -> None:
    assert_that(world_of(context).further, has_length(greater_than(0)), "answers that were cut")
    demand("CONTINUITY-1", cut_matrix_of(context).broken(), empty())


@when("{user:User}'s connection is lost")
def is_lost(context: Context, user: str) -> None:
    network_of(context).lose(user)


@when("{user:User}'s connection is lost during the handshake")
def lost_in_handshake(context: Context, user: str) -> None:
    network_of(context).lose_during_handshake(user)


@when("{user:User}'s connection is lost once a tool has started")
@when("{user:User}'s second tab loses its connection once a tool has started")
def lost_once_a_tool_started(context: Context, user: str) -> None:
    network_of(context).lose_once(world_of(context).asking(user), EventKind.TOOL_EXECUTING)


@when("{user:User}'s connection is lost once every answer has begun")
def lost_once_begun(context: Context, user: str) -> None:
    network_of(context).lose_once(world_of(context).asking(user), EventKind.STARTED)


@when("{user:User}'s connection is lost and restored {times:Number} times, beginning during the answer")
def lost_often(context: Context, user: str, times: int) -> None:
    network_of(context).lose_and_reconnect(world_of(context).asking(user), times)


@when("all of them lose their connections once their answers have begun")
def all_lost(context: Context) -> None:
    network_of(context).lose_all()


# Reconnects ----------------------------------------------------------------------------------------------------


@when("{user:User} reconnects")
def reconnects(context: Context, user: str) -> None:
    network_of(context).reconnect(user)


@when("{user:User} reconnects after {wait_ms:Number} ms")
def reconnects_later(context: Context, user: str, wait_ms: int) -> None:
    network_of(context).stay_away(user, wait_ms / 1e3)
    network_of(context).reconnect(user)


@when("{user:User} reconnects from another address")
def reconnects_from_elsewhere(context: Context, user: str) -> None:
    network_of(context).reconnect_from_another_address(user)


@when("{user:User} reconnects with an expired token, and then with a new one")
def reconnects_with_expired_token(context: Context, user: str) -> None:
    network_of(context).reconnect_with_expired_token(user)


@when("all of them reconnect at the same moment")
def all_reconnect(context: Context) -> None:
    network_of(context).reconnect_together()


@then("at least {percent:Number} of 100 users are back within {seconds:Number} seconds")
def back_in_time(context: Context, percent: int, seconds: int) -> None:
    network = network_of(context)
    in_time = sum(took <= seconds for took in network.returns_s)
    assert_that(network.tries, greater_than(0))
    demand("RECOVERY", 100 * in_time / network.tries, greater_than_or_equal_to(percent), "percent back in time")


@when("{user:User} leaves once a tool has started, and is back at once")
def leaves_and_is_back(context: Context, user: str) -> None:
    network_of(context).leave_and_return(world_of(context).asking(user), EventKind.TOOL_EXECUTING)


@then("the answer that {user:User} left has gone on, or has ended where that is promised")
def left_as_promised(context: Context, user: str) -> None:
    question = network_of(context).left(user)
    if world_of(context).suite.profile.promises.runs_end_with_connection:
        demand("LIFECYCLE-8", question, never_shows(completed()))
    else:
        demand("LIFECYCLE-6", question, answers())


# Questions under way -------------------------------------------------------------------------------------------


@when("{user:User} begins {prompt:Question} in each tab")
def begins_in_each_tab(context: Context, user: str, prompt: str) -> None:
    for number in (1, 2):
        world_of(context).ask(user, prompt, tab=number)


@when("{user:User} begins at the same moment:")
def begins_at_once(context: Context, user: str) -> None:
    world_of(context).begin_together([(user, question_in(row["question"])) for row in rows_of(context)])


@when("all of them begin {prompt:Question}")
def all_begin(context: Context, prompt: str) -> None:
    world = world_of(context)
    world.begin_together([(user, prompt) for user in world.sessions])


# A backend that restarts ---------------------------------------------------------------------------------------


@when("the backend is restarted once a tool has started")
def restarted(context: Context) -> None:
    trouble_of(context).take_away(kill=False)


@when("the backend is killed once a tool has started")
def killed(context: Context) -> None:
    trouble_of(context).take_away(kill=True)


@then("{user:User}'s last question ends with an answer or an error text")
def last_question_ends(context: Context, user: str) -> None:
    question = world_of(context).last(user)
    demand("LIFECYCLE-2", question.has_end, is_(True), "the run has an end")
    demand("CONTENT-1", question, has_text_at_its_end())


@then("{user:User} can continue the earlier conversation")
def earlier_conversation(context: Context, user: str) -> None:
    world = world_of(context)
    question = world.ask(user, "follow_up", follow=world.asked_by(user)[0])
    world.wait(question)
    demand("CONTENT-4", question, answers())


# Dead and slow connections -------------------------------------------------------------------------------------


@when("{user:User}'s connection stops responding without a close")
def stops_responding(context: Context, user: str) -> None:
    liveness_of(context).connection_goes_dead(user)


@then("the backend closes {user:User}'s connection within the half-open budget")
def closes_dead_connection(context: Context, user: str) -> None:
    limit = world_of(context).budgets.half_open_s
    demand("CONNECTION-2", liveness_of(context).backend_lets_go(user), is_(True), f"closed within {limit:g} s")


@then("the backend has sent heartbeats to {user:User}")
def heartbeats(context: Context, user: str) -> None:
    demand("CONNECTION-2", liveness_of(context).heartbeats(user), greater_than(0))


@then("the backend sends a heartbeat to {user:User} while tools run")
def heartbeat_during_tools(context: Context, user: str) -> None:
    demand("CONNECTION-2", liveness_of(context).heartbeat_came_during_tools(user), is_(True), "a heartbeat came")


@when("{user:User}'s client sends a ping")
def sends_ping(context: Context, user: str) -> None:
    world_of(context).ping(user)


@when("{user:User}'s client sends a WebSocket ping")
def sends_websocket_ping(context: Context, user: str) -> None:
    world_of(context).websocket_ping(user)


@when("{user:User}'s client sends a ping once a tool has started")
def sends_ping_once_a_tool_started(context: Context, user: str) -> None:
    network_of(context).until(world_of(context).asking(user), EventKind.TOOL_EXECUTING)
    world_of(context).ping(user)


@then("the ping is answered within the ping budget")
def ping_is_answered(context: Context) -> None:
    answered = world_of(context).pinged
    assert_that(answered, has_length(1))
    demand("CONNECTION-2", answered[0], is_(True), "the ping was answered within its budget")


@when("{user:User} reads {rate:Number} bytes per second and begins {prompt:Question} {times:Number} times")
def reads_slowly(context: Context, user: str, rate: int, prompt: str, times: int) -> None:
    liveness_of(context).reads_slowly(user, prompt, bytes_per_s=rate, times=times)


@when("{user:User} asks {prompt:Question} {times:Number} times at the same moment")
def asks_often(context: Context, user: str, prompt: str, times: int) -> None:
    world_of(context).ask_together([(user, prompt)] * times)


@then(
    "{user:User}'s fastest answer of the second round took at most {times:Number} times the slowest of the first "
    "plus {more_ms:Number} ms"
)
def not_slowed(context: Context, user: str, times: int, more_ms: int) -> None:
    took_s = [liveness_of(context).took_s(question) for question in world_of(context).asked_by(user)]
    first, second = took_s[: len(took_s) // 2], took_s[len(took_s) // 2 :]
    most_s = times * max(first) + more_ms / 1e3
    if min(second) > most_s:
        for question in world_of(context).asked_by(user):
            world_of(context).admit_stall(question)
    demand("LATENCY", min(second), less_than_or_equal_to(most_s), "the fastest, in seconds")


@then("{user:User} receives every answer once the connection is fast again")
def every_answer(context: Context, user: str) -> None:
    liveness_of(context).reads_well_again(user)
    world = world_of(context)
    world.wait(*world.asked_by(user))
    demand("CONTENT-4", world.asked_by(user), each(answers()))
