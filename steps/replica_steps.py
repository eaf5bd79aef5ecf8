"""Several replicas, the services behind them, and what becomes of people when these fail."""

from behave import given, then, when
from behave.runner import Context
from greenlight_gate.bdd.matchers.request_matchers import answers, each
from greenlight_gate.bdd.world.context import replicas_of, world_of
from greenlight_gate.events import EventKind
from hamcrest import assert_that, equal_to, has_item, is_


@given("{person:Person} is in a conversation with the first replica")
def with_the_first(context: Context, person: str) -> None:
    replicas_of(context).come([person], 1)


@given("{person:Person} is in a conversation with the second replica")
@given("{person:Person} has a window open on the other replica")
def with_the_second(context: Context, person: str) -> None:
    replicas_of(context).come([person], 2)


@given("{count:Number} people are in conversations, every other one with the second replica")
def every_other_one(context: Context, count: int) -> None:
    replicas_of(context).come_in_turn(world_of(context).people(count))


@given("several people have each told one replica a secret, and follow that on the other one")
def told_one_replica(context: Context) -> None:
    replicas_of(context).gather(most=6)


@when("{person:Person}'s newer window follows it")
def follows(context: Context, person: str) -> None:
    replicas_of(context).follow(person)


@when("{person:Person}'s line is lost once work has begun, and she comes back to the other replica")
def elsewhere_after_the_start(context: Context, person: str) -> None:
    replicas_of(context).lose_and_come_back_elsewhere(person, EventKind.STARTED)


@when("{person:Person}'s line is lost once a tool is at work, and she comes back to the other replica")
def elsewhere_in_the_tool(context: Context, person: str) -> None:
    replicas_of(context).lose_and_come_back_elsewhere(person, EventKind.TOOL_EXECUTING)


@when("{person:Person}'s line is lost once a tool has answered, and she comes back to the other replica")
def elsewhere_after_the_tool(context: Context, person: str) -> None:
    replicas_of(context).lose_and_come_back_elsewhere(person, EventKind.TOOL_COMPLETED)


@when("the first replica is killed, and its people come back to the other one")
def first_is_killed(context: Context) -> None:
    replicas_of(context).take_away(1, kill=True)


@when("each replica in turn is replaced while everybody asks {prompt:Question}")
def replaced_in_turn(context: Context, prompt: str) -> None:
    replicas_of(context).deploy(prompt)


@when("Redis restarts once a tool is at work")
def redis_restarts(context: Context) -> None:
    replicas_of(context).restart("redis")


@when("PostgreSQL restarts once a tool is at work")
def postgres_restarts(context: Context) -> None:
    replicas_of(context).restart("postgres")


@when("nobody can sign in any more")
def auth_is_away(context: Context) -> None:
    replicas_of(context).stop("auth")


@when("{person:Person} tries to sign in")
def tries_to_sign_in(context: Context, person: str) -> None:
    replicas_of(context).try_to_sign_in(person)


@when("all of them ask for their secrets there at the same moment")
def ask_there(context: Context) -> None:
    replicas_of(context).ask_all()


@then("{person:Person} was kept out")
def kept_out(context: Context, person: str) -> None:
    assert_that(replicas_of(context).kept_out, has_item(person))


@then("{person:Person}'s newer window shows the answer too")
def shows_it_too(context: Context, person: str) -> None:
    assert_that(replicas_of(context).shows_it_too(person), is_(True), "the newer window shows the end of the answer")


@then("each question has an answer or a clear end")
def clear_ends(context: Context) -> None:
    world = world_of(context)
    world.wait(*world.questions)
    assert_that([question.text for question in world.questions if not question.has_end], equal_to([]))


@then("everybody gets an answer to another question")
def another_question(context: Context) -> None:
    world = world_of(context)
    asked = world.ask_together([(person, "with_tool") for person in world.sessions])
    assert_that(asked, each(answers()))
