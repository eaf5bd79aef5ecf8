"""Bad input: invalid messages, floods and unfinished handshakes."""

from behave import then, when
from behave.runner import Context
from greenlight_gate.bdd.context import hostility_of, rows_of, world_of
from greenlight_gate.bdd.matchers.demand import demand
from greenlight_gate.bdd.matchers.request_matchers import answers, is_clear
from hamcrest import assert_that, greater_than, has_length


@when("{user:User}'s client sends {message:Message}")
def sends(context: Context, user: str, message: str) -> None:
    hostility_of(context).send((user, message))


@when("{user:User} asks a question of exactly the size limit")
def asks_at_the_limit(context: Context, user: str) -> None:
    hostility_of(context).ask_at_the_limit(user)


@when("at the same moment other users' clients send:")
def others_send(context: Context) -> None:
    hostility_of(context).send_from_others([row["message"] for row in rows_of(context)])


@when("{user:User}'s client sends {count:Number} pings without waiting")
def floods_with_pings(context: Context, user: str, count: int) -> None:
    hostility_of(context).flood_with_pings(user, count)


@when("{count:Number} clients begin a handshake and never finish it")
def unfinished_handshakes(context: Context, count: int) -> None:
    hostility_of(context).hold_half_open_handshakes(count)


@then("{user:User} receives a clear error")
def clear_error(context: Context, user: str) -> None:
    answered = world_of(context).answered_to[-1]
    demand("REFUSAL-4", answered.reply, is_clear(), f"{user}: {answered.message}")


@then("{user:User} receives a clear error or is disconnected with a close code")
@then("each of these clients receives a clear error or is disconnected with a close code")
def clear_error_or_disconnected(context: Context, user: str = "") -> None:
    world = world_of(context)
    assert_that(world.answered_to, has_length(greater_than(0)))
    for answered in world.answered_to:
        if not world.was_closed_by_backend(answered.session):
            demand("REFUSAL-4", answered.reply, is_clear(), f"{user} {answered.message}")


@then("{user:User} is disconnected, or receives the right answer to another question")
def disconnected_or_answered(context: Context, user: str) -> None:
    # A backend may drop a client that floods it, in any way and at any time.
    if not hostility_of(context).was_dropped(user):
        demand("CONTENT-4", world_of(context).last(user), answers())


@then("{user:User} receives the right answer to another question")
def another_question(context: Context, user: str) -> None:
    world = world_of(context)
    question = world.ask(user, "with_tool")
    world.wait(question)
    demand("CONTENT-4", question, answers())
