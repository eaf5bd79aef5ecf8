"""Which scenarios must fail with which defect: the quickest ones that can.

A scenario is named by its category, the number of its feature and its own name:
"functional/3: A tool is named before its result arrives".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from greenlight_gate.backend.defects import REGISTRY

ORDINARY = "functional/3: A tool is named before its result arrives"
_MANY = "performance/1: Event latency with 25 users is within the target's thresholds"
_HALF = "functional/9: The next question is answered after the model sends a chunk that is no JSON, and ends there"
_LOST = "resilience/1: A connection lost after a tool has started loses no event"
_AWAY = "resilience/2: Three answers begun before the connection was lost arrive after the reconnect"
_TOGETHER = "security/1: Users who ask at the same moment receive only their own secret"
_ENDS = "security/2: An idle connection loses access when its token expires"
_CHURN = "stress/3: Memory, files and connections are released after all users left ten times"

_BY_SCENARIO = {
    ORDINARY: """
        started_missing started_twice thought_before_the_start completed_missing completed_twice thinking_missing
        tools_hidden tool_executing_missing tool_completed_missing tool_name_missing tool_name_differs run_id_missing
        run_id_null
        run_id_placeholder run_id_changes_midway thread_id_of_nobody result_missing result_renamed kind_renamed
        double_wrapped_payload double_encoded_json enum_as_repr nan_in_json truncated_json binary_frame invalid_utf8
        timestamp_runs_backwards timestamp_zero canned_answer one_answer_for_all placeholder_thoughts
        placeholder_results answer_echoes_question empty_answer stack_trace_in_answer
        out_of_order duplicate_delivery events_after_completed accepted_but_never_runs final_event_skipped
        slow_start silent_gap tool_never_returns tool_end_shown_late handshake_slow
        closes_1011_at_start accepted_then_closed_1000 events_before_ready_lost dies_mid_run_without_a_word
        hangs_mid_run_socket_open token_echoed_in_frame subprotocol_not_chosen
        stream_ends_without_the_end_event stream_of_another_content_type stream_compressed_unasked
        stream_open_after_the_end stream_cut_after_its_last_event data_lines_without_their_field
        only_comments_before_the_answer channel_misses_the_first_event messages_beside_a_channel_unanswered""",
    "functional/2: Reasoning arrives during long work, and not at its end": """
        burst_at_the_end stream_buffered_until_its_end""",
    "functional/3: Two tools that run one after the other are both named": """
        second_tool_never_completed timestamp_format_flips event_hidden_in_system_message_only_once""",
    "functional/3: Two tools that run at the same time are both shown while they run": """
        parallel_tools_one_after_the_other parallel_results_held_back""",
    "functional/4: A tool that fails is shown as failed, and the answer says so": "tool_failure_hidden",
    "functional/5: A question that needs no tool is answered without a tool": "tool_for_small_talk",
    "functional/5: A question in several scripts receives the right answer": """
        silent_on_other_scripts text_read_as_latin_1 question_read_as_latin_1 emoji_cut_in_two""",
    "functional/5: A long answer in several scripts arrives whole": """
        characters_cut_at_chunk_borders long_answers_cut_short long_answers_dropped""",
    "functional/5: A question of more than 2,000 characters receives the right answer": "silent_on_long_questions",
    "functional/6: An agent that fails sends agent_failed with a text and no answer": """
        failed_twice failure_without_a_word failure_that_is_also_an_answer""",
    "functional/6: A question that moderation refuses has an end": "moderated_request_leaves_the_run_open",
    "functional/6: The answer arrives after the sub-agent has completed": "subagent_completion_ends_the_run",
    "functional/6: A stopped run sends no more events while another user's run continues": """
        stop_acknowledged_but_run_goes_on""",
    "functional/7: A question of exactly the size limit is answered": "closes_1009_below_the_announced_limit",
    "functional/6: A stopped run ends while other runs of the same user continue": """
        stop_hits_another_run stop_ends_all_runs_of_the_user""",
    "functional/6: A run that is stopped before its first event ends": "stop_lost_before_the_first_event",
    "functional/6: The conversation continues after a run that was stopped as soon as it has begun": """
        stop_lost_before_the_first_tool""",
    "functional/6: The conversation continues after a run that was stopped once a tool has started": """
        stop_waits_for_the_tool stopped_answer_inside_the_next thread_fails_after_a_stop""",
    "functional/6: The conversation continues after a run that was stopped twice, once a tool has started": """
        second_stop_hits_the_next_run""",
    "integration/5: A tab that is closed during its answer leaves the other tab its answer": """
        closed_tab_stops_the_other_runs""",
    "functional/6: The tool of a stopped run does not work on": "tool_works_on_after_a_stop",
    "functional/6: The model does not go on with the answer of a stopped run": "stop_leaves_the_model_running",
    "functional/6: A user who leaves while the model answers, and reconnects, is answered": """
        disconnect_leaves_the_model_running""",
    _HALF: "half_an_answer_presented_as_finished",
    "functional/6: A stop that comes after the answer does not stop the next run": "stop_sticks_to_the_next_request",
    "functional/7: A message one byte over the size limit is refused": "oversize_dropped_silently",
    "functional/7: Sending a message of unknown type is refused with a clear error": "unknown_type_acknowledged_as_ok",
    "functional/7: Sending a truncated message is refused with a clear error": """
        bad_json_silence error_page_with_status_200""",
    "functional/8: A tool that is approved runs after the approval": """
        tool_runs_without_approval tool_runs_before_the_approval other_arguments_than_approved""",
    "functional/8: A second approval changes nothing": "second_approval_runs_the_tool_again",
    "functional/8: A tool that is denied does not run": "denied_tool_runs",
    "functional/8: An approval that nobody gives ends visibly": "unanswered_approval_waits_for_ever",
    "resilience/2: What the assistant asks is shown again after the page was reloaded": """
        pending_approval_lost_on_reload""",
    "security/3: Approving what another user is asked is refused": "foreign_approval_accepted",
    "integration/1: A ping after a question that takes long is answered": "ping_unanswered_during_run",
    "integration/1: A WebSocket ping after a question is answered": "websocket_pings_unanswered",
    "integration/2: Three questions in one conversation each receive a complete answer": """
        every_turn_a_new_conversation channel_ends_with_an_answer""",
    "integration/2: A changed question takes the place of the one before": "changed_question_is_added",
    "integration/2: Another answer to a question knows what was asked before it": "other_answer_under_the_old_run_id",
    "integration/2: Up to 45 conversations of five users continue after tools were used": """
        tool_result_now_and_then_not_recorded parallel_tools_now_and_then_hidden""",
    "integration/3: Two questions at once each receive their own answer": "parallel_runs_cross_write",
    "integration/3: A question sent during a long answer leaves that answer complete": """
        second_request_drops_the_first""",
    "integration/3: A question that is sent twice within milliseconds starts one run": """
        double_send_starts_two_runs retried_post_starts_a_second_run""",
    "integration/4: Five users ask the same question at once and each receives the right answer": """
        question_of_another_user_shown connected_users_listed""",
    "integration/3: Of two questions sent at once in one conversation, the second is answered or refused": """
        runs_of_one_thread_mix""",
    "integration/5: A question in the first of two tabs is answered in the first tab": """
        only_newest_connection_gets_events""",
    "integration/5: Of two questions that two tabs send at once in one conversation, none is lost": """
        request_of_a_second_tab_dropped""",
    "integration/5: A question in each of two tabs is answered in that tab": "every_window_shows_everything",
    "performance/2: A single user receives agent_started within the start budget": "every_event_delayed",
    _MANY: "latency_grows_with_connections blocking_sleep_stalls_everyone",
    "performance/3: With 25 users the answer rate is at least 70 percent of the question rate": "throughput_capped",
    _LOST: "half_open_after_reconnect same_token_refused_within_1_s",
    "resilience/1: An answer that is still in progress when its user is back arrives whole": """
        live_events_overtake_the_replay restore_stops_the_run""",
    "resilience/1: An answer that is cut while a sub-agent works arrives whole": "replay_without_sub_agents",
    _AWAY: """
        events_lost_across_reconnect replay_buffer_drops_oldest resume_unknown_but_says_ok replay_duplicates
        replay_out_of_order resume_begins_one_event_too_late
        channel_resumes_one_event_too_late channel_ids_lag_behind""",
    "resilience/2: An answer that its user leaves goes on or ends, as the profile promises": """
        closed_stream_stops_its_run closed_stream_leaves_its_run""",
    "resilience/4: Heartbeats go on while tools run": "heartbeats_stop_while_tools_run",
    "resilience/4: A connection that no longer responds is closed, and an idle one stays open": "idle_cut_after",
    "resilience/8: A question whose answer is reset is asked again and has the right answer": """
        rest_of_a_cut_answer_in_the_next""",
    "resilience/8: The next question in a conversation whose last answer was cut has the right answer": """
        cut_answer_locks_its_conversation""",
    "resilience/7: Events pass a proxy that buffers answers as they happen": "streams_may_be_buffered",
    "resilience/7: An answer that waits for an approval outlasts a proxy that ends idle connections": """
        no_heartbeats_while_a_user_is_asked""",
    _TOGETHER: """
        broadcast_to_all first_user_handler_serves_everyone shared_agent_mixes_answers canary_in_metadata canary_base64
        canary_split_over_two_frames canary_in_pieces_outside_of_runs canary_letter_by_letter canary_packed_as
        answers_sent_on_the_newest_stream channel_mixes_users""",
    "security/1: The prompts to the model of two users who ask at the same moment hold only their own questions": """
        prompt_with_another_users_question""",
    "security/1: Users who ask while 25 connections are open receive only their own secret": """
        cross_leak_only_under_load""",
    "security/1: Users who reconnect at the same moment receive only their own secret": """
        cross_leak_only_after_reconnect""",
    "security/2: A connection with no token is refused": "no_token_accepted",
    "security/2: A connection with a token signed with another key is refused": "bad_signature_accepted",
    "security/2: A connection with an expired token is refused": "expired_token_accepted",
    "security/2: A connection with a token for another audience is refused": "wrong_audience_accepted",
    "security/2: A connection with a token in the URL is refused": "token_in_query_accepted",
    "security/2: A connection with a token in the URL as access_token is refused": "token_in_query_accepted_by_name",
    "security/2: A connection with a token whose signature ends in another way is refused": """
        signature_checked_in_part""",
    "security/2: A connection with a token with another user's name is refused": """
        claims_of_a_known_signature_not_checked""",
    _ENDS: "survives_token_expiry illegal_close_code",
    "security/2: A connection loses access when its token expires during an answer": """
        token_honoured_until_the_run_ends token_expiry_ends_a_running_answer""",
    "security/2: A new connection with an expired token that was accepted before is refused": """
        token_cache_ignores_expiry""",
    "security/3: A question with another user's id does not reach that user's data": "user_id_from_client_trusted",
    "security/3: A question in another user's conversation is refused": """
        foreign_thread_accepted session_cache_keyed_by_thread_only refused_question_kept""",
    "security/3: A question in another user's conversation is refused while its owner is answered there": """
        running_answer_shown_to_any_asker question_refused_meanwhile_kept running_answer_doubled_by_any_asker""",
    "security/3: Restoring another user's conversation is refused while its owner is answered there": """
        running_answer_restored_by_any_user""",
    "security/3: Restoring another user's conversation is refused": """
        foreign_resume_accepted foreign_reach_met_with_silence""",
    "security/3: Restoring another user's conversation is refused once its owner has disconnected": """
        thread_of_nobody_once_its_owner_left""",
    "security/3: A question with the id of another user's answered request receives nothing of that answer": """
        answers_cached_by_request_id""",
    "security/2: Resuming a conversation with a token signed with another key is refused": """
        signature_not_checked_on_resume""",
    "security/2: Resuming a conversation with no token is refused": "no_token_accepted_on_resume",
    "security/2: Resuming a conversation with an expired token is refused": "expired_token_accepted_on_resume",
    "security/2: Asking on an open connection with no token is refused": "question_accepted_without_a_token",
    "security/2: Asking on an open connection with a token signed with another key is refused": """
        signature_not_checked_of_a_question""",
    "security/2: Asking on an open connection with an expired token is refused": "expired_token_accepted_of_a_question",
    "security/2: Stopping a run with no token is refused": "stop_accepted_without_a_token",
    "security/2: Stopping a run with a token signed with another key is refused": "signature_not_checked_of_a_stop",
    "security/2: Stopping a run with an expired token is refused": "expired_token_accepted_of_a_stop",
    "security/2: Approving a tool with no token is refused": "approval_accepted_without_a_token",
    "security/2: Approving a tool with a token signed with another key is refused": """
        signature_not_checked_of_an_approval""",
    "security/2: Approving a tool with an expired token is refused": "expired_token_accepted_of_an_approval",
    "security/3: A message to the address of another user's channel is refused": """
        channel_address_in_place_of_a_token""",
    "security/3: Resuming from the id of another user's event is refused": "channel_resumed_by_any_user",
    "security/3: Stopping another user's run is refused": "foreign_stop_accepted",
    "stress/1: All users connect, wait and ask two questions each": "connections_capped drops_one_in",
    "stress/1: All users ask for their own secrets and each receives only their own": """
        canary_letter_by_letter_once_in""",
    "stress/2: The latency of other users holds while one client in ten reads nothing": "slow_client_stalls_others",
    "stress/3: Memory does not leak while users ask for the soak time": "memory_leak_per_run",
    "stress/3: Runs end after their users have left": "runs_of_users_who_left_never_end",
    _CHURN: "refuses_after_churn reconnect_refused_after memory_leak_per_connection handler_leak fd_leak",
    "resilience/5: Reconnecting to another replica once a tool has started loses no event": "fan_out_to_one_replica",
    "resilience/5: A tab on the other replica receives an answer that the first replica makes": """
        resume_knows_only_its_replica""",
    "security/6: Users connected to two replicas receive only their own secret": "redis_channel_shared_by_all_users",
}
# Budgets for defects that the usual second does not fit.
_BUDGETS: Mapping[str, Mapping[str, float]] = {
    "tool_never_returns": {"silence_s": 3.0, "tool_s": 1.0},
    # Open runs are looked at for so long.
    "runs_of_users_who_left_never_end": {"run_s": 3.0},
    # For so long the run of a cut answer may hold its conversation.
    "cut_answer_locks_its_conversation": {"run_s": 3.0},
    # What comes after three or four seconds is late by its own rule, and is no silence.
    "parallel_results_held_back": {"silence_s": 5.0, "tool_s": 10.0},
    "tool_end_shown_late": {"silence_s": 5.0, "tool_s": 10.0},
    "stop_waits_for_the_tool": {"silence_s": 5.0, "tool_s": 10.0},
    # The stopped run completes within the second that a stop may usually need here.
    "stop_lost_before_the_first_event": {"stop_s": 0.5},
    "stop_lost_before_the_first_tool": {"stop_s": 0.5},
    # The queue has to be detected, not the slow start.
    "throughput_capped": {"start_s": 5.0},
    # Delayed events must not exceed the budget on a slow machine.
    "burst_at_the_end": {"start_s": 5.0},
    "stream_buffered_until_its_end": {"start_s": 5.0, "silence_s": 5.0},
    "streams_may_be_buffered": {"start_s": 5.0, "silence_s": 5.0},
}
# The reasons why detection takes more than three seconds beyond the budget.
SLOW: Mapping[str, str] = {
    "stop_waits_for_the_tool": "the tool that the stop waits for takes 4 s",
    "memory_leak_per_run": "growth is watched for up to three times the soak of 8 s, in case it slows down",
    "handler_leak": "the backend has 2 s to release closed connections, in the first and in the last round",
    "fan_out_to_one_replica": "two replicas with their services are started",
    "resume_knows_only_its_replica": "two replicas with their services are started",
    "throughput_capped": "the start budget is 5 s here, so that the queue is what is measured",
    "latency_grows_with_connections": "25 users ask one after the other, at a rate that a healthy backend sustains",
    "blocking_sleep_stalls_everyone": "25 users ask one after the other, at a rate that a healthy backend sustains",
    "survives_token_expiry": "a token has to expire first, and 2 s are allowed after that",
    "token_expiry_ends_a_running_answer": "a token has to expire first",
    "token_honoured_until_the_run_ends": "a token has to expire first, and 2 s are allowed after that",
    "heartbeats_stop_while_tools_run": "the tools have to run for longer than the time between two heartbeats",
    "no_heartbeats_while_a_user_is_asked": "a proxy waits for two and a half times the announced interval",
    "token_cache_ignores_expiry": "a token has to expire first",
    "half_open_after_reconnect": "the connection is lost during a run, and the suite waits for the missing events",
    "disconnect_leaves_the_model_running": "a backend is started that promises to end runs with their connections",
    "closed_stream_leaves_its_run": "a backend is started that promises to end runs with their connections",
    "drops_one_in": "every user asks twice, and the suite waits two budgets for a lost run",
}
# The rule that must report the defect, if it is not the first one in the registry.
_NAMED = {
    "kind_renamed": "LIFECYCLE-4", "slow_client_stalls_others": "TIMELINESS-2", "broadcast_to_all": "ISOLATION-2",
    "cross_leak_only_after_reconnect": "ISOLATION-2",
}  # fmt: skip
# Shown only to clients that send their token in this way.
_SEND = {"subprotocol_not_chosen": "subprotocol"}
# These are defects of the chat by HTTP, and are judged there: by transport.
HTTP_DEFECTS: Mapping[str, frozenset[str]] = {"sse": frozenset({
    "stream_ends_without_the_end_event", "stream_of_another_content_type", "stream_compressed_unasked",
    "error_page_with_status_200", "stream_buffered_until_its_end", "stream_open_after_the_end",
    "stream_cut_after_its_last_event", "data_lines_without_their_field", "only_comments_before_the_answer",
    "resume_begins_one_event_too_late", "answers_sent_on_the_newest_stream", "retried_post_starts_a_second_run",
    "streams_may_be_buffered",
    "closed_stream_stops_its_run", "closed_stream_leaves_its_run", "rest_of_a_cut_answer_in_the_next",
    "cut_answer_locks_its_conversation", "stop_accepted_without_a_token", "approval_accepted_without_a_token",
    "signature_not_checked_of_a_stop", "signature_not_checked_of_an_approval", "expired_token_accepted_of_a_stop",
    "expired_token_accepted_of_an_approval",
}), "channel": frozenset({
    "channel_misses_the_first_event", "channel_resumes_one_event_too_late", "channel_ids_lag_behind",
    "channel_mixes_users", "channel_ends_with_an_answer", "channel_resumed_by_any_user",
    "no_token_accepted_on_resume", "signature_not_checked_on_resume", "expired_token_accepted_on_resume",
    "channel_address_in_place_of_a_token", "messages_beside_a_channel_unanswered", "question_accepted_without_a_token",
    "signature_not_checked_of_a_question", "expired_token_accepted_of_a_question",
})}  # fmt: skip
# These defects occur between replicas.
REPLICATED = frozenset({"fan_out_to_one_replica", "resume_knows_only_its_replica", "redis_channel_shared_by_all_users"})


@dataclass(frozen=True)
class Proof:
    """The proof of a defect: the rule or criterion that must report it, and the scenarios to run.

    `budgets` are those that differ from the default, in seconds; `send` is how the token is sent; `promise`: one
    more that the profile makes.
    """

    defect: str
    rule: str
    scenarios: tuple[str, ...]
    budgets: Mapping[str, float] = field(default_factory=dict)
    send: str = "bearer"
    promise: str = ""

    @property
    def crowded(self) -> bool:
        """Whether many users are connected: then no other session may run."""
        return any(each.startswith(("performance", "stress")) for each in self.scenarios)

    @property
    def replicated(self) -> bool:
        """Whether it needs a stack with several replicas."""
        return self.defect in REPLICATED

    @property
    def transport(self) -> str:
        """The transport that it is a defect of, as a profile names it: a WebSocket, if it is one of all."""
        return next((name for name, defects in HTTP_DEFECTS.items() if self.defect in defects), "websocket")


PROOFS = {
    defect: Proof(
        defect,
        _NAMED.get(defect, REGISTRY[defect].rules[0]),
        (scenario,),
        _BUDGETS.get(defect, {}),
        _SEND.get(defect, "bearer"),
        REGISTRY[defect].promise,
    )
    for scenario, defects in _BY_SCENARIO.items()
    for defect in defects.split()
}
