"""Which scenarios must object to which defect: the cheapest ones that can.

A scenario is named by its category, the number of its feature and its own name: "functional/3: One tool".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from greenlight_gate.backend.defects import REGISTRY

ORDINARY = "functional/3: One tool"
_MANY = "performance/1: Twenty-five people ask one after the other"
_LOST = "resilience/1: The line is lost while a tool is at work"
_AWAY = "resilience/2: Away until everything is over"
_TOGETHER = "security/1: At the same moment"
_ENDS = "security/2: While the person is just connected"
_CHURN = "stress/3: Everybody comes and leaves ten times"

_BY_SCENARIO = {
    ORDINARY: """
        started_missing started_twice thought_before_the_start completed_missing completed_twice thinking_missing
        tools_hidden tool_executing_missing tool_completed_missing tool_name_missing tool_name_differs run_id_missing
        run_id_null
        run_id_placeholder run_id_changes_midway thread_id_of_nobody result_missing result_renamed kind_renamed
        double_wrapped_payload double_encoded_json enum_as_repr nan_in_json truncated_json binary_frame invalid_utf8
        timestamp_runs_backwards timestamp_zero canned_answer answer_echoes_question empty_answer stack_trace_in_answer
        out_of_order duplicate_delivery events_after_completed accepted_but_never_runs final_event_skipped
        slow_start silent_gap tool_never_returns handshake_slow
        closes_1011_at_start accepted_then_closed_1000 events_before_ready_lost dies_mid_run_without_a_word
        hangs_mid_run_socket_open token_echoed_in_frame""",
    "functional/2: Reasoning is shown more than once in long work": "burst_at_the_end",
    "functional/3: Two tools, one after the other": """
        second_tool_never_completed timestamp_format_flips event_hidden_in_system_message_only_once""",
    "functional/3: Two tools at once": "parallel_tools_one_after_the_other",
    "functional/4: A tool fails in the middle of an answer": "tool_failure_hidden",
    "functional/5: An answer without any tool": "tool_for_small_talk",
    "functional/6: The agent gives up": "failed_twice failure_without_a_word failure_that_is_also_an_answer",
    "functional/6: The agent asks a helper": "subagent_completion_ends_the_run",
    "functional/6: Stopped work stays stopped, however long others work on": "stop_acknowledged_but_run_goes_on",
    "functional/7: A message one byte larger than allowed": "oversize_dropped_silently",
    "functional/7: a message of no known kind is refused": "unknown_type_acknowledged_as_ok",
    "functional/7: half a message is refused": "bad_json_silence",
    "integration/1: A sign of life during a long piece of work": "ping_unanswered_during_run",
    "integration/2: Three turns": "every_turn_a_new_conversation",
    "integration/3: Two questions at once": "parallel_runs_cross_write",
    "integration/5: A question in the older window": "only_newest_connection_gets_events",
    "integration/5: A question in each window": "every_window_shows_everything",
    "performance/2: Nobody else is there": "every_event_delayed",
    _MANY: "latency_grows_with_connections blocking_sleep_stalls_everyone",
    "performance/3: 25 people ask in turn": "throughput_capped",
    _LOST: "half_open_after_reconnect same_token_refused_within_1_s",
    _AWAY: """
        events_lost_across_reconnect replay_buffer_drops_oldest resume_unknown_but_says_ok replay_duplicates
        replay_out_of_order""",
    "resilience/4: A line that goes silent is let go, and a silent person is not": "idle_cut_after",
    _TOGETHER: """
        broadcast_to_all first_user_handler_serves_everyone shared_agent_mixes_answers canary_in_metadata canary_base64
        canary_split_over_two_frames""",
    "security/1: In a crowd": "cross_leak_only_under_load",
    "security/1: After everybody was disconnected": "cross_leak_only_after_reconnect",
    "security/2: The door stays closed for no pass": "no_token_accepted",
    "security/2: The door stays closed for a pass signed by somebody else": "bad_signature_accepted",
    "security/2: The door stays closed for an expired pass": "expired_token_accepted",
    "security/2: The door stays closed for a pass for another service": "wrong_audience_accepted",
    "security/2: The door stays closed for a pass in the address": "token_in_query_accepted",
    _ENDS: "survives_token_expiry illegal_close_code",
    "security/2: Coming again with it": "token_cache_ignores_expiry",
    "security/3: Asking in another person's name": "user_id_from_client_trusted",
    "security/3: Going on in it": "foreign_thread_accepted session_cache_keyed_by_thread_only",
    "security/3: Having it shown": "foreign_resume_accepted foreign_reach_met_with_silence",
    "security/3: Stopping an answer": "foreign_stop_accepted",
    "stress/1: All ask at the same moment, twice": "connections_capped drops_one_in",
    "stress/2: Some people's lines are so slow that they take nothing in": "slow_client_stalls_others",
    "stress/3: People talk for as long as we can watch": "memory_leak_per_run",
    _CHURN: "refuses_after_churn reconnect_refused_after memory_leak_per_connection handler_leak fd_leak",
    "resilience/5: Coming back a tool is at work": "fan_out_to_one_replica",
    "resilience/5: A second window on the other replica follows while the answer is made": """
        resume_knows_only_its_replica""",
    "security/6: Everybody follows their own conversation on the other replica": "redis_channel_shared_by_all_users",
}
# Where the usual second is not what the defect breaks, or would be broken before.
_BUDGETS: Mapping[str, Mapping[str, float]] = {
    "tool_never_returns": {"silence_s": 3.0, "tool_s": 1.0},
    # It is the waiting in line that has to be noticed.
    "throughput_capped": {"start_s": 5.0},
    # Nor may what is held back be late as well where the machine is slow.
    "burst_at_the_end": {"start_s": 5.0},
}
# Why it takes more than three seconds beyond the budget that is broken.
SLOW: Mapping[str, str] = {
    "memory_leak_per_run": "memory is sampled for 8 s, since it takes 12 samples to tell a leak from noise",
    "handler_leak": "the backend has 2 s to release closed connections, in the first and in the last round",
    "fan_out_to_one_replica": "two replicas with their services are started",
    "resume_knows_only_its_replica": "two replicas with their services are started",
    "throughput_capped": "the start budget is 5 s here, so that the queue is what is measured",
    "latency_grows_with_connections": "25 users ask one after the other, at a rate that a healthy backend sustains",
    "blocking_sleep_stalls_everyone": "25 users ask one after the other, at a rate that a healthy backend sustains",
    "survives_token_expiry": "a token has to expire first, and 2 s are allowed after that",
    "token_cache_ignores_expiry": "a token has to expire first",
    "half_open_after_reconnect": "the connection is lost during a run, and the missing events are waited for",
    "drops_one_in": "every user asks twice, and a lost run is waited for until two budgets have passed",
}
# Which of the rules that the registry names is held to have objected, where it is not the first of them.
_NAMED = {
    "kind_renamed": "LIFECYCLE-4", "slow_client_stalls_others": "TIMELINESS-2", "broadcast_to_all": "ISOLATION-2",
    "cross_leak_only_after_reconnect": "ISOLATION-2",
}  # fmt: skip
# Several replicas and what is behind them: these defects live between them.
REPLICATED = frozenset({"fan_out_to_one_replica", "resume_knows_only_its_replica", "redis_channel_shared_by_all_users"})


@dataclass(frozen=True)
class Proof:
    """How a defect is proven: the rule or criterion that must object, and the scenarios that are run.

    `budgets` are seconds that differ from the usual ones.
    """

    defect: str
    rule: str
    scenarios: tuple[str, ...]
    budgets: Mapping[str, float] = field(default_factory=dict)

    @property
    def crowded(self) -> bool:
        """Whether many people talk: then the machine has to be theirs."""
        return any(each.startswith(("performance", "stress")) for each in self.scenarios)

    @property
    def replicated(self) -> bool:
        """Whether it takes a stack with several replicas."""
        return self.defect in REPLICATED


PROOFS = {
    defect: Proof(defect, _NAMED.get(defect, REGISTRY[defect].rules[0]), (scenario,), _BUDGETS.get(defect, {}))
    for scenario, defects in _BY_SCENARIO.items()
    for defect in defects.split()
}
