"""Access: tokens that are refused or expire."""

from behave import given, then, when
from behave.runner import Context
from greenlight_gate.bdd.context import access_attempts_of, world_of
from greenlight_gate.bdd.matchers.demand import demand
from greenlight_gate.bdd.matchers.request_matchers import answers
from hamcrest import is_


@when("{user:User} connects with {token:InvalidToken}")
def connects_with(context: Context, user: str, token: str) -> None:
    access_attempts_of(context).connect_with(user, token)


@when("{user:User} resumes the conversation with {token:InvalidToken}")
def resumes_with(context: Context, user: str, token: str) -> None:
    access_attempts_of(context).resume_with(user, token)


@when("{user:User} tries to ask {prompt:Question} with {token:InvalidToken}")
def tries_to_ask_with(context: Context, user: str, prompt: str, token: str) -> None:
    access_attempts_of(context).ask_with(user, prompt, token)


@when("{user:User} tries to stop the run with {token:InvalidToken}")
def tries_to_stop_with(context: Context, user: str, token: str) -> None:
    access_attempts_of(context).stop_with(user, token)


@when("{user:User} tries to approve what the assistant asks with {token:InvalidToken}")
def tries_to_approve_with(context: Context, user: str, token: str) -> None:
    access_attempts_of(context).approve_with(user, token)


@then("that gives {user:User} no access")
def gives_no_access(context: Context, user: str) -> None:
    demand("REFUSAL-1", access_attempts_of(context).gave_access(user), is_(False), f"{user} reached the run")


@then("{user:User}'s connection is refused")
def is_refused(context: Context, user: str) -> None:
    demand("REFUSAL-1", access_attempts_of(context).turned_away(user), is_(True), f"{user}'s connection was refused")


@then("{user:User} connects with a valid token and receives the right answer")
def valid_token(context: Context, user: str) -> None:
    world = world_of(context)
    world.connect(user)
    question = world.ask(user, world.suite.first_prompt, tab=len(world.sessions[user]))
    world.wait(question)
    demand("CONTENT-4", question, answers())


@given("{user:User} is in a conversation, with a token that expires within {seconds:Number} seconds")
def token_expires_soon(context: Context, user: str, seconds: int) -> None:
    access_attempts_of(context).connect_with_short_token(user, seconds)


@when("{user:User}'s token expires")
def token_expires(context: Context, user: str) -> None:
    access_attempts_of(context).wait_for_the_end(user)


@when("{user:User}'s token expires during the answer to {prompt:Question}")
def token_expires_during_answer(context: Context, user: str, prompt: str) -> None:
    access_attempts_of(context).wait_for_the_end(user, while_asking=prompt)


@when("{user:User} connects again with the same token")
def connects_again(context: Context, user: str) -> None:
    access_attempts_of(context).reconnect_with_old_token(user)


@then("{user:User} has lost access")
def has_lost_access(context: Context, user: str) -> None:
    demand("REFUSAL-3", access_attempts_of(context).is_shown_out(user), is_(True), f"{user} lost access")
