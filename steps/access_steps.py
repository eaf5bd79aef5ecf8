"""Who gets in, who stays in, and who reaches into what is another person's."""

from behave import given, then, when
from behave.runner import Context
from greenlight_gate.bdd.matchers.request_matchers import answers
from greenlight_gate.bdd.world.context import walls_of, world_of
from hamcrest import assert_that, is_


@when("{person:Person} comes with {kind:Forgery}")
def comes_with(context: Context, person: str, kind: str) -> None:
    walls_of(context).come_with(person, kind)


@then("{person:Person} is turned away")
def turned_away(context: Context, person: str) -> None:
    assert_that(walls_of(context).turned_away(person), is_(True), f"{person} was turned away")


@then("{person:Person}'s own pass opens the door")
def own_pass(context: Context, person: str) -> None:
    world = world_of(context)
    world.connect(person)
    question = world.ask(person, world.suite.first_prompt, window=len(world.sessions[person]))
    world.wait(question)
    assert_that(question, answers())


@given("{person:Person} is in a conversation, with a pass that ends soon")
def a_short_pass(context: Context, person: str) -> None:
    walls_of(context).come_for_a_short_time(person)


@when("{person:Person}'s pass ends")
def the_pass_ends(context: Context, person: str) -> None:
    walls_of(context).wait_for_the_end(person)


@when("{person:Person}'s pass ends in the middle of an answer")
def the_pass_ends_in_an_answer(context: Context, person: str) -> None:
    walls_of(context).wait_for_the_end(person, while_asking="long_running")


@when("{person:Person} comes again with the same pass")
def comes_again(context: Context, person: str) -> None:
    walls_of(context).come_again(person)


@then("{person:Person} is shown out")
def shown_out(context: Context, person: str) -> None:
    assert_that(walls_of(context).is_shown_out(person), is_(True), f"{person} was shown out")


@when("{person:Person} asks in {owner:Person}'s conversation")
def asks_in_foreign(context: Context, person: str, owner: str) -> None:
    walls_of(context).ask_in_conversation_of(owner, person)


@when("{person:Person} asks to be shown {owner:Person}'s conversation")
def asks_to_see_foreign(context: Context, person: str, owner: str) -> None:
    walls_of(context).ask_to_see_conversation_of(owner, person)


@when("{person:Person} says stop to {owner:Person}'s work")
def stops_foreign(context: Context, person: str, owner: str) -> None:
    walls_of(context).say_stop_to(owner, person)


@when("{person:Person} claims to be {owner:Person} and asks {prompt:Question}")
def claims_to_be(context: Context, person: str, owner: str, prompt: str) -> None:
    walls_of(context).claim_to_be(owner, person, prompt)


@then("{person:Person} gets nothing of {owner:Person}'s")
def gets_nothing(context: Context, person: str, owner: str) -> None:
    assert_that(walls_of(context).has_reached(person), is_(False), f"{person} got something of {owner}'s")
