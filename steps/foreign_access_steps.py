"""Attempts to reach what is another user's."""

from behave import then, when
from behave.runner import Context
from greenlight_gate.bdd.context import foreign_access_of
from greenlight_gate.bdd.matchers.demand import demand
from hamcrest import is_


@when("{user:User} tells the assistant a secret")
def tells_secret(context: Context, user: str) -> None:
    foreign_access_of(context).tell_secret(user)


@when("{user:User} disconnects")
def disconnects(context: Context, user: str) -> None:
    foreign_access_of(context).leave(user)


@when("{user:User} asks in {owner:User}'s conversation")
def asks_in_conversation_of(context: Context, user: str, owner: str) -> None:
    foreign_access_of(context).ask_in_conversation_of(owner, user)


@when("{user:User} asks in {owner:User}'s conversation while {prompt:Question} is answered there")
def asks_while_answered(context: Context, user: str, owner: str, prompt: str) -> None:
    foreign_access_of(context).ask_while_answered(owner, user, prompt)


@when("{user:User} asks to restore {owner:User}'s conversation")
def asks_to_restore(context: Context, user: str, owner: str) -> None:
    foreign_access_of(context).ask_to_see_conversation_of(owner, user)


@when("{user:User} asks to restore {owner:User}'s conversation while {prompt:Question} is answered there")
def asks_to_restore_while_answered(context: Context, user: str, owner: str, prompt: str) -> None:
    foreign_access_of(context).restore_while_answered(owner, user, prompt)


@when("{user:User} resumes from the id of an event of {owner:User}'s")
def resumes_from_event_of(context: Context, user: str, owner: str) -> None:
    foreign_access_of(context).resume_from_event_of(owner, user)


@when("{user:User} sends a question to the address of {owner:User}'s channel")
def sends_to_channel_of(context: Context, user: str, owner: str) -> None:
    foreign_access_of(context).send_to_channel_of(owner, user)


@when("{user:User} tries to stop {owner:User}'s run")
def tries_to_stop(context: Context, user: str, owner: str) -> None:
    foreign_access_of(context).send_stop_to(owner, user)


@when("{user:User} tries to approve what {owner:User} is asked")
def tries_to_approve(context: Context, user: str, owner: str) -> None:
    foreign_access_of(context).answer_for(owner, user)


@when("{user:User} claims {owner:User}'s user id and asks {prompt:Question}")
def claims_user_id(context: Context, user: str, owner: str, prompt: str) -> None:
    foreign_access_of(context).claim_to_be(owner, user, prompt)


@when("{user:User} asks {prompt:Question} with the id of {owner:User}'s request")
def asks_with_id_of(context: Context, user: str, prompt: str, owner: str) -> None:
    foreign_access_of(context).ask_with_request_id_of(owner, user, prompt)


@when("meanwhile {user:User} asks {prompt:Question} with the id of {owner:User}'s request")
def asks_meanwhile_with_id_of(context: Context, user: str, prompt: str, owner: str) -> None:
    foreign_access_of(context).ask_with_request_id_of(owner, user, prompt, meanwhile=True)


@then("{user:User} is refused, or served without {owner:User}'s data")
def refused_or_without_data(context: Context, user: str, owner: str) -> None:
    demand(
        "REFUSAL-2", foreign_access_of(context).has_reached(user), is_(False), f"{user} reached something of {owner}'s"
    )
