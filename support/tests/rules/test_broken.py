"""Every rule objects to what it is there for, with the whole result as a literal."""

import pytest
from greenlight_gate.rules.registry import RULES

from support.tests.rules.broken import BROKEN

# Which rules may name a defect: one of them must. These are the tables of the contract's defects.
NAMED = {
    "started_missing": "LIFECYCLE-1",
    "started_twice": "LIFECYCLE-1",
    "completed_missing": "LIFECYCLE-2",
    "completed_twice": "LIFECYCLE-2",
    "failed_twice": "LIFECYCLE-2",
    "thinking_missing": "LIFECYCLE-4",
    "tools_missing": "LIFECYCLE-5",
    "tool_executing_missing": "PAIRING-1",
    "tool_completed_missing": "PAIRING-2",
    "second_tool_never_completed": "PAIRING-2",
    "tool_name_missing": "PAIRING-3",
    "tool_name_differs": "PAIRING-3",
    "run_id_missing": "IDENTITY-1",
    "run_id_null": "IDENTITY-1",
    "run_id_placeholder": "IDENTITY-1",
    "run_id_changes_midway": "IDENTITY-1",
    "thread_of_nobody": "IDENTITY-2",
    "result_missing": "CONTENT-1",
    "result_renamed": "CONTENT-1",
    "kind_renamed": "CONTENT-1 LIFECYCLE-4",
    "double_wrapped_payload": "CONTENT-2",
    "double_encoded_json": "CONTENT-2",
    "enum_as_repr": "CONTENT-2",
    "nan_in_json": "CONTENT-2",
    "truncated_json": "CONTENT-2",
    "binary_frame": "CONTENT-2",
    "invalid_utf8": "CONTENT-2",
    "timestamp_runs_backwards": "CONTENT-3",
    "timestamp_zero": "CONTENT-3",
    "timestamp_format_flips": "CONTENT-6",
    "event_hidden_in_system_message_only_once": "CONTENT-6",
    "canned_answer": "CONTENT-4",
    "answer_echoes_question": "CONTENT-4",
    "empty_answer": "CONTENT-4",
    "stack_trace_in_answer": "CONTENT-5",
    "token_echoed": "CONTENT-5",
    "oversize_dropped_silently": "REFUSAL-4",
    "unknown_type_acknowledged_as_ok": "REFUSAL-4",
    "bad_json_crashes_the_connection": "REFUSAL-4",
    "out_of_order": "CONTINUITY-3",
    "duplicate_delivery": "CONTINUITY-2",
    "events_after_completed": "LIFECYCLE-3",
    "subagent_completion_ends_the_run": "LIFECYCLE-2",
    "accepted_but_never_runs": "LIFECYCLE-2",
    "final_event_skipped": "LIFECYCLE-2",
    "parallel_runs_cross_write": "IDENTITY-1",
    "parallel_runs_cross_write_between_users": "ISOLATION-2",
    "only_newest_connection_gets_events": "IDENTITY-1",
    "stop_acknowledged_but_run_goes_on": "LIFECYCLE-2",
    "stop_ignored": "LIFECYCLE-6",
    "stop_hits_another_run": "LIFECYCLE-6",
    "stop_waits_for_the_tool": "TIMELINESS-5",
    "stop_leaves_the_model_running": "LIFECYCLE-8",
    "half_an_answer_presented_as_finished": "LIFECYCLE-7",
    "prompt_with_another_users_question": "ISOLATION-4",
    "stopped_answer_inside_the_next": "CONTENT-4",
    "results_are_held_back_until_the_slowest_is_done": "TIMELINESS-6",
    "tool_failure_hidden": "CONTENT-4",
    "slow_start": "TIMELINESS-1",
    "silent_gap": "TIMELINESS-2",
    "burst_at_the_end": "TIMELINESS-3",
    "tool_never_returns": "TIMELINESS-4",
    "ping_unanswered": "CONNECTION-2",
    "handshake_slow": "CONNECTION-1",
    "events_before_ready_lost": "CONNECTION-1",
    "closes_1011_at_start": "CONNECTION-1",
    "accepted_then_closed_1000": "CONNECTION-1",
    "dies_mid_run_without_a_word": "LIFECYCLE-2",
    "illegal_close_code": "CONNECTION-3",
    "events_lost_across_reconnect": "CONTINUITY-1",
    "replay_duplicates": "CONTINUITY-2",
    "replay_out_of_order": "CONTINUITY-2",
    "tool_runs_without_approval": "INPUT-1",
    "tool_runs_before_the_approval": "INPUT-2",
    "denied_tool_runs": "INPUT-3",
    "other_arguments_than_approved": "INPUT-4",
    "pending_approval_lost_on_reload": "INPUT-5",
    "second_approval_runs_the_tool_again": "INPUT-6",
    "unanswered_approval_waits_for_ever": "INPUT-7",
    "broadcast_to_all": "ISOLATION-2",
    "canary_in_metadata": "ISOLATION-1",
    "canary_base64": "ISOLATION-1",
    "canary_split_over_two_frames": "ISOLATION-1",
}
# What no frame can break: whether the check itself worked is the verdict's to say, which asks `own_canary_seen`.
NEVER_A_FINDING = {"ISOLATION-3"}


@pytest.mark.parametrize("name", BROKEN)
def test_the_whole_result(name: str) -> None:
    build, whole = BROKEN[name]
    assert build().whole() == whole


@pytest.mark.parametrize("name", NAMED)
def test_the_rule_of_a_defect_objects(name: str) -> None:
    build, _ = BROKEN[name]
    assert build().rules() & set(NAMED[name].split())


@pytest.mark.parametrize("rule", sorted(RULES.keys() - NEVER_A_FINDING))
def test_no_rule_can_be_taken_away_unseen(rule: str) -> None:
    literals = {found[0] for _, whole in BROKEN.values() for found in whole}
    assert rule in literals, "without a literal result that names it, a rule could be deleted and all tests pass"


def test_findings_carry_who_where_and_how_bad() -> None:
    build, _ = BROKEN["broadcast_to_all"]
    (finding,) = build().findings()
    assert (finding.user, finding.connection, finding.run) == ("Bashir", "c2", None)
    assert (finding.severity, finding.requirement) == (RULES["ISOLATION-2"].severity, RULES["ISOLATION-2"].requirement)
    assert str(finding).startswith("ISOLATION-2: expected only what belongs to Bashir, got agent_started")
