"""Latency and throughput, for one user and for many."""

from behave import then, when
from behave.runner import Context
from greenlight_gate.bdd.actions.load import crowd_of
from greenlight_gate.bdd.matchers.complaints import nothing
from greenlight_gate.bdd.matchers.demand import demand
from hamcrest import equal_to, greater_than, greater_than_or_equal_to


@when("{count:Number} users ask at a steady rate")
@when("{count:Number} user asks at a steady rate")
def at_a_steady_rate(context: Context, count: int) -> None:
    crowd = crowd_of(context)
    crowd.gather(count)
    crowd.find_pace()
    crowd.at_steady_rate(count)


@when("{count:Number} users ask for {asking_ms:Number} ms, each with a pause of {pause_ms:Number} ms after an answer")
def ask_again(context: Context, count: int, asking_ms: int, pause_ms: int) -> None:
    crowd = crowd_of(context)
    crowd.gather(count)
    crowd.talk(f"{count} users with pauses", fast=True, think_s=pause_ms / 1e3, duration_s=asking_ms / 1e3)


@then("the latency is within the target's thresholds")
def within_thresholds(context: Context) -> None:
    demand("SUCCESS", crowd_of(context).latest().runs, greater_than(0), "answers")
    demand("LATENCY", crowd_of(context).too_slow(), nothing())


@then("no answer was silent for longer than the silence budget")
def no_silence(context: Context) -> None:
    # TIMELINESS-2 judges each answer; this step also checks that there were answers.
    summary = crowd_of(context).latest()
    demand("TIMELINESS-2", summary.counts.get("TIMELINESS-2", 0), equal_to(0), "answers with a long silence")
    demand("SUCCESS", summary.runs, greater_than(0), "answers")


@then(
    "the p95 latency of {many:Number} users is at most {times:Number} times that of {few:Number} user, "
    "or within the target's threshold"
)
def not_much_slower(context: Context, many: int, times: int, few: int) -> None:
    demand("LATENCY", crowd_of(context).slower_than(few, many, times), nothing())


@then("the answer rate is at least {percent:Number} percent of the question rate, and no question was dropped")
def keeps_up(context: Context, percent: int) -> None:
    crowd = crowd_of(context)
    demand("SUCCESS", crowd.latest().dropped, equal_to(0), "questions that were dropped")
    share = 100 * crowd.kept_up(crowd.size)
    demand(
        "LATENCY", share, greater_than_or_equal_to(percent), "answers a second, as a percentage of questions a second"
    )
