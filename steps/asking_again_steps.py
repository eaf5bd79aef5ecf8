"""Answers that are cut and not resumed, and what their users ask then."""

from behave import then, when
from behave.runner import Context
from greenlight_gate.bdd.context import asking_again_of, world_of
from greenlight_gate.bdd.matchers.demand import demand
from greenlight_gate.bdd.matchers.request_matchers import answers, each
from greenlight_gate.bdd.world.proxied_user import ConnectionLoss


@when("{user:User}'s answer is closed by a proxy once it has begun")
def closed_once_begun(context: Context, user: str) -> None:
    asking_again_of(context).cut_once_begun(user, ConnectionLoss.FIN)


@when("{user:User}'s answer is reset once it has begun")
@when("{user:User}'s answer in the second tab is reset once it has begun")
def reset_once_begun(context: Context, user: str) -> None:
    asking_again_of(context).cut_once_begun(user, ConnectionLoss.RST)


@when("{user:User}'s answer stalls once it has begun")
def stalls_once_begun(context: Context, user: str) -> None:
    asking_again_of(context).cut_once_begun(user, ConnectionLoss.BLACK_HOLE)


@when("{user:User}'s answer is reset once it has begun, and new connections are refused for {refused_ms:Number} ms")
def reset_and_refused(context: Context, user: str, refused_ms: int) -> None:
    asking_again_of(context).cut_once_begun(user, ConnectionLoss.RST, refused_for_s=refused_ms / 1e3)


@when("{user:User} reads {rate:Number} bytes per second and begins {prompt:Question}")
def begins_slowly(context: Context, user: str, rate: int, prompt: str) -> None:
    asking_again_of(context).begin_slowly(user, prompt, bytes_per_s=rate)


@when("{user:User} asks the same question again")
@when("{user:User} asks the same question again over a fast connection")
def asks_again(context: Context, user: str) -> None:
    asking_again_of(context).ask_again(user)


@when("{user:User}'s answers are reset {times:Number} times, and {prompt:Question} is asked after each")
def reset_often(context: Context, user: str, times: int, prompt: str) -> None:
    asking_again_of(context).cut_often(user, times, prompt)


@when("{user:User} continues the conversation with {prompt:Question}")
def continues_after_a_cut(context: Context, user: str, prompt: str) -> None:
    asking_again_of(context).continue_conversation(user, prompt)


@then("each of {user:User}'s questions that were not cut has the right answer")
def others_are_answered(context: Context, user: str) -> None:
    cut = asking_again_of(context).cut
    asked = [question for question in world_of(context).asked_by(user) if question not in cut]
    demand("CONTENT-4", asked, each(answers()))
