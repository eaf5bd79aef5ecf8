"""Assertions that no seeded defect makes object by themselves, each with the reason.

Most see to it that there was something to judge. What only the rules notice first is told as such.
"""

_SOMETHING = "there was something to judge: it objects where the scenario itself did nothing"
_RULES_FIRST = "the rules of the load convict in the step before, at the same bar"
_NOT_PLANTED = "the embedded backend cannot be given the defect: "

GUARDS = {
    "input_steps.clear_error_or_disconnected.1": _SOMETHING,
    "connection_steps.ping_is_answered.1": _SOMETHING,
    "load_steps.connections_were_accepted.1": _SOMETHING,
    "load_steps.connections_were_accepted.2": _RULES_FIRST,
    "load_steps.questions_were_answered.1": _SOMETHING,
    "load_steps.questions_were_answered.2": _RULES_FIRST,
    "load_steps.own_secrets.1": _RULES_FIRST,
    "load_steps.own_secrets.2": _RULES_FIRST,
    "conversation_steps.all_answered.1": _SOMETHING,
    "conversation_steps.second_may_be_refused.2": _NOT_PLANTED + "a second question that is refused without a reason",
    "conversation_steps.second_may_be_refused.3": _NOT_PLANTED + "a second question that fails without a text",
    "conversation_steps.answer_is_last.2": "what follows comes after the step has looked; LIFECYCLE-3 listens on",
    "isolation_steps.nothing_of_the_others.1": _SOMETHING,
    "isolation_steps.no_secret.1": _SOMETHING,
    "replica_steps.could_not_sign_in.1": _NOT_PLANTED + "users who can sign in without the sign-in service",
    "connection_steps.back_in_time.1": _SOMETHING,
    "connection_steps.every_cut_answer.1": _SOMETHING,
    "connection_steps.closes_dead_connection.1": _NOT_PLANTED + "no heartbeat, so that dead connections stay open",
    "latency_steps.within_thresholds.1": _SOMETHING,
    "latency_steps.no_silence.1": _RULES_FIRST,
    "latency_steps.no_silence.2": _SOMETHING,
}
