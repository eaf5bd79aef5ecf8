"""Lines that are lost and found again, backends that restart, and lines that are dead and do not look it."""

from behave import given, then, when
from behave.runner import Context
from greenlight_gate.bdd.matchers.request_matchers import answers, each
from greenlight_gate.bdd.world.context import cut_matrix_of, liveness_of, network_of, trouble_of, world_of
from greenlight_gate.events import EventKind
from hamcrest import assert_that, empty, greater_than, greater_than_or_equal_to, is_, less_than_or_equal_to, not_none

# Lines and cuts ------------------------------------------------------------------------------------------------


@given("{person:Person} is in a conversation over an unsteady line")
def over_a_line(context: Context, person: str) -> None:
    network_of(context).connect(person)


@given("{one:Person} and {other:Person} are each in a conversation over an unsteady line")
def two_over_lines(context: Context, one: str, other: str) -> None:
    network_of(context).connect(one, other)


@given("{person:Person} has two windows open over unsteady lines")
def two_windows(context: Context, person: str) -> None:
    network_of(context).connect(person)
    network_of(context).connect(person)


@given("{count:Number} people are each in a conversation over an unsteady line")
def many_over_lines(context: Context, count: int) -> None:
    network_of(context).connect(*world_of(context).people(count))


@given("{prompt:Question} and has been answered once")
def answered_once(context: Context, prompt: str) -> None:
    cut_matrix_of(context).rehearse(prompt)


@when("the line is lost at each moment of its answer, in each way, and people come back")
def at_each_moment(context: Context) -> None:
    cut_matrix_of(context).play()


@then("every answer was whole, with nothing twice and nothing out of order")
def every_answer_whole(context: Context) -> None:
    assert_that(cut_matrix_of(context).broken(), empty())


@when("{person:Person}'s line is lost")
def line_is_lost(context: Context, person: str) -> None:
    network_of(context).lose(person)


@when("{person:Person}'s line is lost while he is let in")
def lost_while_let_in(context: Context, person: str) -> None:
    network_of(context).lose_while_coming(person)


@when("{person:Person}'s line is lost once a tool is at work")
@when("{person:Person}'s newer window loses its line once a tool is at work")
def lost_in_the_tool(context: Context, person: str) -> None:
    network_of(context).lose_once(world_of(context).asking(person), EventKind.TOOL_EXECUTING)


@when("{person:Person}'s line is lost once work has begun")
def lost_after_the_start(context: Context, person: str) -> None:
    network_of(context).lose_once(world_of(context).asking(person), EventKind.STARTED)


@when("{person:Person}'s line is lost {times:Number} times on the way, and found again each time")
def lost_often(context: Context, person: str, times: int) -> None:
    network_of(context).lose_and_come_back(world_of(context).asking(person), times)


@when("all of them lose their lines in the middle of it")
def all_lose_their_lines(context: Context) -> None:
    network_of(context).lose_all()


# Coming back ---------------------------------------------------------------------------------------------------


@when("{person:Person} comes back")
def comes_back(context: Context, person: str) -> None:
    network_of(context).come_back(person)


@when("{person:Person} comes back from another address")
def from_another_address(context: Context, person: str) -> None:
    network_of(context).come_back_from_elsewhere(person)


@when("{person:Person} comes back with a pass that has expired, and then with a new one")
def with_an_expired_pass(context: Context, person: str) -> None:
    network_of(context).come_back_with_expired_pass(person)


@when("{person:Person} stays away until the work is done")
def stays_away(context: Context, person: str) -> None:
    network_of(context).stay_away(person)


@when("all of them come back at once")
def all_come_back(context: Context) -> None:
    network_of(context).come_back_together()


@then("{percent:Number} of 100 people are back within {seconds:Number} seconds")
def back_in_time(context: Context, percent: int, seconds: int) -> None:
    network = network_of(context)
    in_time = sum(took <= seconds for took in network.returns_s)
    assert_that(network.tries, greater_than(0))
    assert_that(100 * in_time / network.tries, greater_than_or_equal_to(percent), "per cent back in time")


# What they ask -------------------------------------------------------------------------------------------------


@when("{person:Person} begins {prompt:Question} in each window")
def begins_in_each_window(context: Context, person: str, prompt: str) -> None:
    for number in (1, 2):
        world_of(context).ask(person, prompt, window=number)


@when("{person:Person} begins three questions in a row")
def begins_three(context: Context, person: str) -> None:
    world_of(context).begin_together([(person, "with_tool"), (person, "two_tools"), (person, "with_tool")])


@when("all of them begin {prompt:Question}")
def all_begin(context: Context, prompt: str) -> None:
    world = world_of(context)
    world.begin_together([(person, prompt) for person in world.sessions])


# The backend ---------------------------------------------------------------------------------------------------


@when("the backend is restarted once a tool is at work, and comes back")
def restarted(context: Context) -> None:
    trouble_of(context).take_away(kill=False)


@when("the backend is killed once a tool is at work, and comes back")
def killed(context: Context) -> None:
    trouble_of(context).take_away(kill=True)


@then("{person:Person}'s last question has an answer or a clear end")
def clear_end(context: Context, person: str) -> None:
    question = world_of(context).last(person)
    assert_that(question.has_end, is_(True), "the answer has an end")
    assert_that(question.events[-1].text, not_none())


@then("{person:Person} can go back to the conversation before it")
def go_back(context: Context, person: str) -> None:
    world = world_of(context)
    question = world.ask(person, "follow_up", follow=world.asked_by(person)[0])
    world.wait(question)
    assert_that(question, answers())


# Who is alive --------------------------------------------------------------------------------------------------


@when("{person:Person}'s line goes dead without a word")
def goes_dead(context: Context, person: str) -> None:
    liveness_of(context).line_goes_dead(person)


@then("the backend lets go of {person:Person}'s line within its declared time")
def lets_go(context: Context, person: str) -> None:
    limit = world_of(context).budgets.half_open_s
    assert_that(liveness_of(context).backend_lets_go(person), is_(True), f"let go within {limit:g} s")


@then("the backend has given signs of life to {person:Person} by itself")
def signs_of_life(context: Context, person: str) -> None:
    assert_that(liveness_of(context).heartbeats(person), greater_than(0))


@when("{person:Person}'s app asks for a sign of life once a tool is at work")
def asks_for_a_sign(context: Context, person: str) -> None:
    network_of(context).until(world_of(context).asking(person), EventKind.TOOL_EXECUTING)
    world_of(context).ping(person)


@when("{person:Person} reads slowly and has asked a lot")
def reads_slowly(context: Context, person: str) -> None:
    liveness_of(context).reads_slowly(person, "two_tools")


@when("{person:Person} asks {prompt:Question} three times at once")
def asks_three_times(context: Context, person: str, prompt: str) -> None:
    world_of(context).ask_together([(person, prompt)] * 3)


@then("{person:Person}'s answers took no longer than a person would notice")
def not_slowed(context: Context, person: str) -> None:
    took = [liveness_of(context).took_s(question) for question in world_of(context).asked_by(person)]
    longest = liveness_of(context).longest_s(took[:3])
    assert_that(min(took[3:]), less_than_or_equal_to(longest), "the quickest, in seconds")


@then("{person:Person} gets every answer in the end")
def every_answer(context: Context, person: str) -> None:
    liveness_of(context).reads_well_again(person)
    world = world_of(context)
    world.wait(*world.asked_by(person))
    assert_that(world.asked_by(person), each(answers()))
