"""How fast it is: for one person, and for many."""

from behave import then, when
from behave.runner import Context
from greenlight_gate.bdd.actions.crowd import crowd_of
from greenlight_gate.bdd.matchers.complaints import nothing
from hamcrest import assert_that, equal_to, greater_than, greater_than_or_equal_to

# Of the questions that people come with. Less than this, and the line grows longer and longer.
_KEEPING_UP = 0.7
_HALF_A_SECOND = 0.5


@when("{people:Number} people ask in turn")
@when("{people:Number} person asks in turn")
def ask_in_turn(context: Context, people: int) -> None:
    crowd = crowd_of(context)
    crowd.gather(people)
    crowd.find_pace()
    crowd.in_turn(f"{people} in turn", people)


@when("{people:Number} people ask, and ask again after half a second")
def ask_again(context: Context, people: int) -> None:
    crowd = crowd_of(context)
    crowd.gather(people)
    crowd.talk(f"{people} at the same moment", fast=True, think_s=_HALF_A_SECOND, duration_s=2.5)


@then("each step of each answer was shown within the promised time")
@then("the first sign of each answer came within the promised time")
@then("the others were answered within the promised time")
def within_the_promised_time(context: Context) -> None:
    assert_that(crowd_of(context).latest().runs, greater_than(0), "answers")
    assert_that(crowd_of(context).too_slow(), nothing())


@then("nobody was left without news for longer than promised")
def no_silence(context: Context) -> None:
    # TIMELINESS-2 has judged each answer; here is that there was something to judge.
    summary = crowd_of(context).latest()
    assert_that(summary.counts.get("TIMELINESS-2", 0), equal_to(0), "answers with a long silence")
    assert_that(summary.runs, greater_than(0), "answers")


@then("many were at most {times:Number} times slower than one, or as fast as promised")
def not_much_slower(context: Context, times: int) -> None:
    assert_that(crowd_of(context).slower_than("1 in turn", "25 in turn", times), nothing())


@then("the answers kept up with the questions")
def kept_up(context: Context) -> None:
    crowd = crowd_of(context)
    assert_that(crowd.latest().dropped, equal_to(0), "questions that could not even be asked")
    assert_that(crowd.kept_up(crowd.size), greater_than_or_equal_to(_KEEPING_UP), "share of the questions answered")
