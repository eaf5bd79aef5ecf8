"""Several replicas and the services behind them: who is connected where, and what restarts."""

from behave import given, then, when
from behave.runner import Context
from greenlight_gate.bdd.context import replicas_of, world_of
from greenlight_gate.bdd.matchers.demand import demand
from greenlight_gate.bdd.matchers.request_matchers import answers, each
from greenlight_gate.events import EventKind
from hamcrest import assert_that, equal_to, has_item, is_


@given("{user:User} is in a conversation on the first replica")
def on_the_first(context: Context, user: str) -> None:
    replicas_of(context).connect([user], 1)


@given("{user:User} is in a conversation on the second replica")
@given("{user:User} has another tab open on the second replica")
def on_the_second(context: Context, user: str) -> None:
    replicas_of(context).connect([user], 2)


@given("{count:Number} users are in conversations, spread over two replicas")
def spread_over_replicas(context: Context, count: int) -> None:
    replicas_of(context).connect_in_turn(world_of(context).users(count))


@given("2 to {most:Number} users have each told one replica a secret, and follow that conversation on the other")
def told_one_replica(context: Context, most: int) -> None:
    replicas_of(context).gather(most=most)


@when("{user:User}'s other tab follows the conversation")
def follows(context: Context, user: str) -> None:
    replicas_of(context).follow(user)


@when("{user:User}'s connection is lost once agent_started has arrived, and is reopened on the other replica")
def elsewhere_after_the_start(context: Context, user: str) -> None:
    replicas_of(context).lose_and_reconnect_elsewhere(user, EventKind.STARTED)


@when("{user:User}'s connection is lost once a tool has started, and is reopened on the other replica")
def elsewhere_in_the_tool(context: Context, user: str) -> None:
    replicas_of(context).lose_and_reconnect_elsewhere(user, EventKind.TOOL_EXECUTING)


@when("{user:User}'s connection is lost once a tool has completed, and is reopened on the other replica")
def elsewhere_after_the_tool(context: Context, user: str) -> None:
    replicas_of(context).lose_and_reconnect_elsewhere(user, EventKind.TOOL_COMPLETED)


@when("the first replica is killed, and its users reconnect to the other one")
def first_is_killed(context: Context) -> None:
    replicas_of(context).take_away(1, kill=True)


@when("each replica in turn is restarted while all of them wait for {prompt:Question}")
def restarted_in_turn(context: Context, prompt: str) -> None:
    replicas_of(context).deploy(prompt)


@when("Redis restarts once a tool has started")
def redis_restarts(context: Context) -> None:
    replicas_of(context).restart("redis")


@when("PostgreSQL restarts once a tool has started")
def postgres_restarts(context: Context) -> None:
    replicas_of(context).restart("postgres")


@when("the sign-in service is stopped")
def sign_in_is_stopped(context: Context) -> None:
    replicas_of(context).stop("auth")


@when("{user:User} tries to sign in")
def tries_to_sign_in(context: Context, user: str) -> None:
    replicas_of(context).try_to_sign_in(user)


@when("all of them ask for their secrets in that conversation, without waiting for each other")
def ask_in_that_conversation(context: Context) -> None:
    replicas_of(context).ask_all()


@then("{user:User} could not sign in")
def could_not_sign_in(context: Context, user: str) -> None:
    assert_that(replicas_of(context).kept_out, has_item(user))


@then("{user:User}'s other tab receives the end of the answer")
def other_tab_too(context: Context, user: str) -> None:
    demand(
        "CONTINUITY-1",
        replicas_of(context).shows_it_too(user),
        is_(True),
        "the other tab received the end of the answer",
    )


@then("every question ends with agent_completed, agent_failed or agent_stopped")
def every_question_ends(context: Context) -> None:
    world = world_of(context)
    world.wait(*world.questions)
    demand("LIFECYCLE-2", [question.text for question in world.questions if not question.has_end], equal_to([]))


@then("each of them receives the right answer to another question")
def another_question_each(context: Context) -> None:
    world = world_of(context)
    asked = world.ask_together([(user, "with_tool") for user in world.sessions])
    demand("CONTENT-4", asked, each(answers()))
