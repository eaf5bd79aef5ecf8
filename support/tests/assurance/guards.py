"""Assertions that no seeded defect makes object by themselves, each with the reason.

Most see to it that there was something to judge. What only the rules notice first is told as such.
"""

_SOMETHING = "there was something to judge: it objects where the scenario itself did nothing"
_RULES_FIRST = "the rules of the load convict in the step before, at the same bar"
_NOT_PLANTED = "the embedded backend cannot be given the defect: "

GUARDS = {
    "backend_steps.told_or_shown_the_door.1": _SOMETHING,
    "backend_steps.came_at_once.1": _SOMETHING,
    "capacity_steps.everybody_was_let_in.1": _SOMETHING,
    "capacity_steps.everybody_was_let_in.2": _RULES_FIRST,
    "capacity_steps.every_question_was_answered.1": _SOMETHING,
    "capacity_steps.every_question_was_answered.2": _RULES_FIRST,
    "capacity_steps.own_secrets.1": _RULES_FIRST,
    "capacity_steps.own_secrets.2": _RULES_FIRST,
    "conversation_steps.all_answered.1": _SOMETHING,
    "conversation_steps.answer_is_last.2": "what follows comes after the step has looked; LIFECYCLE-3 listens on",
    "conversation_steps.one_conversation.1": _SOMETHING,
    "privacy_steps.nothing_of_the_others.1": _SOMETHING,
    "privacy_steps.nothing_secret.1": _SOMETHING,
    "replica_steps.kept_out.1": _NOT_PLANTED + "people who can sign in where nobody signs them in",
    "resilience_steps.back_in_time.1": _SOMETHING,
    "resilience_steps.lets_go.1": _NOT_PLANTED + "no heartbeat, so that dead lines are kept",
    "speed_steps.within_the_promised_time.1": _SOMETHING,
    "speed_steps.no_silence.1": _RULES_FIRST,
    "speed_steps.no_silence.2": _SOMETHING,
}
