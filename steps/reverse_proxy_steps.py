"""Reverse proxies between users and the backend."""

from behave import given, then, when
from behave.runner import Context
from greenlight_gate.bdd.context import reverse_proxies_of
from greenlight_gate.bdd.matchers.demand import demand
from hamcrest import is_


@given("{user:User} is in a conversation behind a proxy that buffers answers")
def behind_buffers(context: Context, user: str) -> None:
    reverse_proxies_of(context).buffer(user)


@when("{user:User} continues with {prompt:Question}, which a proxy sends again")
def sends_again(context: Context, user: str, prompt: str) -> None:
    reverse_proxies_of(context).continue_and_send_again(user, prompt)


@when("{user:User} approves what the assistant asks, later than a proxy ends idle connections")
def approves_late(context: Context, user: str) -> None:
    reverse_proxies_of(context).approve_late(user)


@then("the proxy has not ended {user:User}'s connection")
def not_ended(context: Context, user: str) -> None:
    demand("CONNECTION-2", user in reverse_proxies_of(context).dropped, is_(False), "an idle connection was ended")
