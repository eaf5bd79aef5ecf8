# Generated from the registry of defects by `python -m greenlight_gate.assurance features`.
@assurance
Feature: Every known defect blocks the release
  Most of these defects come from real chat backends. Each row activates one, and names the rule that must report it.

  Rule: A release that breaks the events of one conversation is blocked

    Scenario Outline: A release with <defect> is blocked
      Given a backend with this defect: <what a user notices>
      When the release is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                                   | what a user notices                                                                            | rule        | promise                                                                                                                 |
        | started_missing                          | agent_started never arrives: the first event of an answer is agent_thinking.                   | LIFECYCLE-1 | A run's first event is agent_started, exactly once.                                                                     |
        | started_twice                            | agent_started arrives twice for each answer.                                                   | LIFECYCLE-1 | A run's first event is agent_started, exactly once.                                                                     |
        | completed_missing                        | The assistant works, but agent_completed never arrives.                                        | LIFECYCLE-2 | A run ends exactly once: completed, failed or stopped.                                                                  |
        | completed_twice                          | agent_completed arrives twice for each answer.                                                 | LIFECYCLE-2 | A run ends exactly once: completed, failed or stopped.                                                                  |
        | failed_twice                             | agent_failed arrives twice for a failed run.                                                   | LIFECYCLE-2 | A run ends exactly once: completed, failed or stopped.                                                                  |
        | thinking_missing                         | agent_thinking never arrives.                                                                  | LIFECYCLE-4 | agent_thinking arrives between start and end, where the prompt requires it.                                             |
        | tools_hidden                             | The assistant uses tools, but no tool event arrives.                                           | LIFECYCLE-5 | A request that needs a tool shows all five kinds of event.                                                              |
        | tool_executing_missing                   | tool_completed arrives without tool_executing before it.                                       | PAIRING-1   | Each tool_completed closes one open tool_executing.                                                                     |
        | tool_completed_missing                   | tool_executing arrives, but tool_completed never does.                                         | PAIRING-2   | Every tool_executing is closed before the run completes.                                                                |
        | second_tool_never_completed              | When an answer needs two tools, tool_completed of the second never arrives.                    | PAIRING-2   | Every tool_executing is closed before the run completes.                                                                |
        | tool_name_missing                        | Tool events do not name the tool.                                                              | PAIRING-3   | Both events of a tool call name the tool, and name the same one.                                                        |
        | tool_name_differs                        | tool_completed names another tool than tool_executing.                                         | PAIRING-3   | Both events of a tool call name the tool, and name the same one.                                                        |
        | run_id_missing                           | Events have no run id.                                                                         | IDENTITY-1  | Every event carries the run id of the requested run.                                                                    |
        | run_id_null                              | The run id of events is null.                                                                  | IDENTITY-1  | Every event carries the run id of the requested run.                                                                    |
        | run_id_placeholder                       | All answers have the same made-up run id.                                                      | IDENTITY-1  | Every event carries the run id of the requested run.                                                                    |
        | run_id_changes_midway                    | The run id changes during an answer.                                                           | IDENTITY-1  | Every event carries the run id of the requested run.                                                                    |
        | thread_id_of_nobody                      | Events name a conversation that does not exist.                                                | IDENTITY-2  | Thread and user ids are those of the user who sent the request.                                                         |
        | result_missing                           | agent_completed arrives without the text of the answer.                                        | CONTENT-1   | Required fields are present, have their declared types, and are not empty.                                              |
        | result_renamed                           | The text of the answer is in a field that no client reads.                                     | CONTENT-1   | Required fields are present, have their declared types, and are not empty.                                              |
        | kind_renamed                             | agent_thinking arrives under a name that no client knows.                                      | LIFECYCLE-4 | agent_thinking arrives between start and end, where the prompt requires it.                                             |
        | double_wrapped_payload                   | The payload of each event is nested one level too deep.                                        | CONTENT-2   | Frames are well-formed: valid UTF-8, valid JSON, no serialisation errors.                                               |
        | double_encoded_json                      | Each event is JSON that was encoded twice.                                                     | CONTENT-2   | Frames are well-formed: valid UTF-8, valid JSON, no serialisation errors.                                               |
        | enum_as_repr                             | The agent's name is the repr of a Python enum.                                                 | CONTENT-2   | Frames are well-formed: valid UTF-8, valid JSON, no serialisation errors.                                               |
        | nan_in_json                              | The answer holds NaN, which is not JSON, so that browsers cannot read it.                      | CONTENT-2   | Frames are well-formed: valid UTF-8, valid JSON, no serialisation errors.                                               |
        | truncated_json                           | One event of each answer is truncated.                                                         | CONTENT-2   | Frames are well-formed: valid UTF-8, valid JSON, no serialisation errors.                                               |
        | binary_frame                             | One event of each answer arrives as a binary message.                                          | CONTENT-2   | Frames are well-formed: valid UTF-8, valid JSON, no serialisation errors.                                               |
        | invalid_utf8                             | One event of each answer is not valid UTF-8, so that strict clients disconnect.                | CONTENT-2   | Frames are well-formed: valid UTF-8, valid JSON, no serialisation errors.                                               |
        | timestamp_runs_backwards                 | The timestamp of the answer is before that of the question.                                    | CONTENT-3   | Timestamps lie within the allowed skew and do not run backwards within a run.                                           |
        | timestamp_zero                           | All timestamps are in 1970.                                                                    | CONTENT-3   | Timestamps lie within the allowed skew and do not run backwards within a run.                                           |
        | timestamp_format_flips                   | Every second event of a kind has its timestamp as a number instead of a text.                  | CONTENT-6   | A connection uses one shape and one timestamp format for each kind of event.                                            |
        | event_hidden_in_system_message_only_once | One agent_thinking of each connection is wrapped in a system message, and clients miss it.     | CONTENT-6   | A connection uses one shape and one timestamp format for each kind of event.                                            |
        | canned_answer                            | Every question receives the same apology instead of an answer.                                 | CONTENT-4   | The answer contains what the prompt expects. It is no echo and no fallback text, and holds nothing of a stopped answer. |
        | one_answer_for_all                       | Every question receives the same sentence, which holds whatever was asked for before.          | CONTENT-4   | The answer contains what the prompt expects. It is no echo and no fallback text, and holds nothing of a stopped answer. |
        | placeholder_thoughts                     | agent_thinking shows a dot and no reasoning.                                                   | CONTENT-1   | Required fields are present, have their declared types, and are not empty.                                              |
        | placeholder_results                      | Every tool shows the same letter instead of its result.                                        | CONTENT-1   | Required fields are present, have their declared types, and are not empty.                                              |
        | silent_on_other_scripts                  | A question with letters beyond English gets no event at all.                                   | LIFECYCLE-2 | A run ends exactly once: completed, failed or stopped.                                                                  |
        | silent_on_long_questions                 | A question of more than 2,000 characters gets no event at all.                                 | LIFECYCLE-2 | A run ends exactly once: completed, failed or stopped.                                                                  |
        | answer_echoes_question                   | The answer repeats the question.                                                               | CONTENT-4   | The answer contains what the prompt expects. It is no echo and no fallback text, and holds nothing of a stopped answer. |
        | empty_answer                             | The answer is empty.                                                                           | CONTENT-4   | The answer contains what the prompt expects. It is no echo and no fallback text, and holds nothing of a stopped answer. |
        | stack_trace_in_answer                    | The answer ends with a stack trace.                                                            | CONTENT-5   | No token, secret or stack trace is sent to a user.                                                                      |
        | oversize_dropped_silently                | A message over the size limit gets no error.                                                   | REFUSAL-4   | Malformed, oversized or unknown input gets a clear error, never silence.                                                |
        | unknown_type_acknowledged_as_ok          | A message of unknown type is acknowledged as ok.                                               | REFUSAL-4   | Malformed, oversized or unknown input gets a clear error, never silence.                                                |
        | bad_json_silence                         | A message that is not JSON gets no error.                                                      | REFUSAL-4   | Malformed, oversized or unknown input gets a clear error, never silence.                                                |
        | thought_before_the_start                 | agent_thinking arrives before agent_started.                                                   | LIFECYCLE-1 | A run's first event is agent_started, exactly once.                                                                     |
        | parallel_tools_one_after_the_other       | Of two tools that run at the same time, the second is shown only when the first has completed. | LIFECYCLE-5 | A request that needs a tool shows all five kinds of event.                                                              |
        | tool_for_small_talk                      | A greeting, which needs no tool, is answered with a tool.                                      | SCENARIOS   | Every scenario of the selected categories ran and passed, without findings.                                             |
        | failure_without_a_word                   | agent_failed arrives without a text.                                                           | CONTENT-1   | Required fields are present, have their declared types, and are not empty.                                              |
        | failure_that_is_also_an_answer           | A failed run sends agent_completed as well as agent_failed.                                    | LIFECYCLE-2 | A run ends exactly once: completed, failed or stopped.                                                                  |
        | every_turn_a_new_conversation            | A question that continues a conversation is answered in a new one.                             | IDENTITY-2  | Thread and user ids are those of the user who sent the request.                                                         |

  Rule: A release that breaks several questions, tools, sub-agents or tabs is blocked

    Scenario Outline: A release with <defect> is blocked
      Given a backend with this defect: <what a user notices>
      When the release is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                                | what a user notices                                                                           | rule         | promise                                                                                                                 |
        | out_of_order                          | Two consecutive events of each answer arrive in the wrong order.                              | CONTINUITY-3 | Sequence numbers have no gap and no repeat.                                                                             |
        | duplicate_delivery                    | One event of each answer arrives twice.                                                       | CONTINUITY-2 | No event is delivered twice, and events keep their order.                                                               |
        | events_after_completed                | agent_thinking arrives after agent_completed.                                                 | LIFECYCLE-3  | No event of a run arrives after its end.                                                                                |
        | subagent_completion_ends_the_run      | After a sub-agent has completed, no more events of the run arrive.                            | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                                                                  |
        | accepted_but_never_runs               | agent_started arrives, and nothing after it.                                                  | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                                                                  |
        | final_event_skipped                   | No run sends its last event: agent_completed, agent_failed or agent_stopped.                  | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                                                                  |
        | parallel_runs_cross_write             | While two runs are under way on one connection, events carry the run id of the other one.     | IDENTITY-1   | Every event carries the run id of the requested run.                                                                    |
        | only_newest_connection_gets_events    | With two tabs open, the second receives what the first asked for.                             | IDENTITY-1   | Every event carries the run id of the requested run.                                                                    |
        | every_window_shows_everything         | A question in one tab is answered in all tabs of the user.                                    | IDENTITY-1   | Every event carries the run id of the requested run.                                                                    |
        | stop_acknowledged_but_run_goes_on     | A stop is acknowledged, but the run continues.                                                | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                                                                  |
        | tool_failure_hidden                   | A tool fails, but is shown as successful.                                                     | CONTENT-4    | The answer contains what the prompt expects. It is no echo and no fallback text, and holds nothing of a stopped answer. |
        | stop_hits_another_run                 | Of two runs on one connection, a stop ends the other one.                                     | LIFECYCLE-6  | A run is stopped by a stop that names it, and by nothing else.                                                          |
        | stop_ends_all_runs_of_the_user        | A stop ends the runs of all tabs of the user.                                                 | LIFECYCLE-6  | A run is stopped by a stop that names it, and by nothing else.                                                          |
        | stop_lost_before_the_first_tool       | A stop that comes before the first tool has started has no effect.                            | LIFECYCLE-6  | A run is stopped by a stop that names it, and by nothing else.                                                          |
        | stop_waits_for_the_tool               | A run that is stopped ends only when its tool is done, seconds later.                         | TIMELINESS-5 | A run that is stopped ends within the stop budget.                                                                      |
        | stop_sticks_to_the_next_request       | A stop that comes after the end of its run ends the next one.                                 | LIFECYCLE-6  | A run is stopped by a stop that names it, and by nothing else.                                                          |
        | stopped_answer_inside_the_next        | The answer after a stopped one begins with what the stopped one was about.                    | CONTENT-4    | The answer contains what the prompt expects. It is no echo and no fallback text, and holds nothing of a stopped answer. |
        | thread_fails_after_a_stop             | After a stop, every further request in that conversation fails.                               | CONTENT-4    | The answer contains what the prompt expects. It is no echo and no fallback text, and holds nothing of a stopped answer. |
        | runs_of_one_thread_mix                | Of two requests sent at once in one conversation, each receives the events of the other.      | CONTENT-4    | The answer contains what the prompt expects. It is no echo and no fallback text, and holds nothing of a stopped answer. |
        | tool_result_now_and_then_not_recorded | Of fifteen tool results one is not recorded, and the next request in that conversation fails. | CONTENT-4    | The answer contains what the prompt expects. It is no echo and no fallback text, and holds nothing of a stopped answer. |
        | parallel_tools_now_and_then_hidden    | In every second answer with tools at the same time, the events of one of them never arrive.   | LIFECYCLE-5  | A request that needs a tool shows all five kinds of event.                                                              |
        | parallel_results_held_back            | The results of tools that run at the same time are shown only when the slowest is done.       | TIMELINESS-6 | The end of a tool is shown when it ends, whatever else is still running.                                                |
        | tool_end_shown_late                   | The end of a tool is shown seconds after it.                                                  | TIMELINESS-6 | The end of a tool is shown when it ends, whatever else is still running.                                                |

  Rule: A release that is slow is blocked

    Scenario Outline: A release with <defect> is blocked
      Given a backend with this defect: <what a user notices>
      When the release is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                         | what a user notices                                                     | rule         | promise                                                                   |
        | every_event_delayed            | Every event arrives late.                                               | LATENCY      | Events arrive without delay: latency is within the thresholds.            |
        | latency_grows_with_connections | Latency grows with the number of connections.                           | LATENCY      | Events arrive without delay: latency is within the thresholds.            |
        | blocking_sleep_stalls_everyone | While a tool starts, no user receives events.                           | LATENCY      | Events arrive without delay: latency is within the thresholds.            |
        | slow_start                     | agent_started arrives late.                                             | TIMELINESS-1 | agent_started arrives within the start budget of the request.             |
        | silent_gap                     | There is a long silence during an answer.                               | TIMELINESS-2 | The longest silence within a run stays within its budget.                 |
        | burst_at_the_end               | All events arrive at the end of an answer.                              | TIMELINESS-3 | Events arrive as they happen, not all at the end.                         |
        | tool_never_returns             | A tool starts and never completes.                                      | TIMELINESS-4 | Each tool call and each run finishes within its budget.                   |
        | ping_unanswered_during_run     | Pings are not answered during a run.                                    | CONNECTION-2 | Pings are answered while a run is in progress.                            |
        | handshake_slow                 | The handshake takes long.                                               | CONNECTION-1 | The handshake finishes in time, and the backend reports that it is ready. |
        | throughput_capped              | Only a limited number of questions a second are begun; the others wait. | LATENCY      | Events arrive without delay: latency is within the thresholds.            |

  Rule: A release that loses events or refuses users after a lost connection is blocked

    Scenario Outline: A release with <defect> is blocked
      Given a backend with this defect: <what a user notices>
      When the release is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                          | what a user notices                                                                | rule         | promise                                                                   |
        | events_lost_across_reconnect    | Events sent while a user is disconnected are never delivered.                      | CONTINUITY-1 | No event is lost when a connection is lost and resumed.                   |
        | replay_buffer_drops_oldest      | After a reconnect, the oldest missed events are lost.                              | CONTINUITY-1 | No event is lost when a connection is lost and resumed.                   |
        | resume_unknown_but_says_ok      | A conversation is reported as restored, but no more of its events arrive.          | CONTINUITY-1 | No event is lost when a connection is lost and resumed.                   |
        | replay_duplicates               | After a reconnect, missed events arrive twice.                                     | CONTINUITY-2 | No event is delivered twice, and events keep their order.                 |
        | replay_out_of_order             | After a reconnect, missed events arrive in reverse order.                          | CONTINUITY-2 | No event is delivered twice, and events keep their order.                 |
        | closes_1011_at_start            | Connections are accepted and closed at once with an internal error (1011).         | CONNECTION-1 | The handshake finishes in time, and the backend reports that it is ready. |
        | accepted_then_closed_1000       | Connections are accepted and closed at once as if complete (1000).                 | CONNECTION-1 | The handshake finishes in time, and the backend reports that it is ready. |
        | events_before_ready_lost        | The backend reports that it is ready too early, and loses questions asked at once. | CONNECTION-1 | The handshake finishes in time, and the backend reports that it is ready. |
        | dies_mid_run_without_a_word     | The connection breaks during an answer, and the run is lost.                       | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                    |
        | hangs_mid_run_socket_open       | No more events arrive during an answer, and the connection stays open.             | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                    |
        | reconnect_refused_after         | After some reconnects, a user is refused.                                          | CONNECTION-1 | The handshake finishes in time, and the backend reports that it is ready. |
        | same_token_refused_within_1_s   | A user who reconnects at once with the same token is refused.                      | CONNECTION-1 | The handshake finishes in time, and the backend reports that it is ready. |
        | half_open_after_reconnect       | After a reconnect, no more events arrive.                                          | CONTINUITY-1 | No event is lost when a connection is lost and resumed.                   |
        | idle_cut_after                  | An idle connection is closed without a close code.                                 | CONNECTION-3 | Connections are closed with a legal and meaningful close code.            |
        | illegal_close_code              | Connections are closed with a close code that must not be sent.                    | CONNECTION-3 | Connections are closed with a legal and meaningful close code.            |
        | live_events_overtake_the_replay | After a reconnect during a run, new events arrive between the missed ones.         | CONTINUITY-1 | No event is lost when a connection is lost and resumed.                   |
        | replay_without_sub_agents       | After a reconnect, the missed events of sub-agents are lost.                       | CONTINUITY-1 | No event is lost when a connection is lost and resumed.                   |
        | restore_stops_the_run           | When a user reconnects during an answer, the run is stopped.                       | LIFECYCLE-6  | A run is stopped by a stop that names it, and by nothing else.            |

  Rule: A release that shows one user's data to another, or accepts invalid tokens, is blocked

    Scenario Outline: A release with <defect> is blocked
      Given a backend with this defect: <what a user notices>
      When the release is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                                  | what a user notices                                                                        | rule        | promise                                                                             |
        | broadcast_to_all                        | All users receive the answers of all users.                                                | ISOLATION-2 | No frame on a user's connection belongs to another user's run, thread or user id.   |
        | first_user_handler_serves_everyone      | All questions are answered with the data of the first user.                                | ISOLATION-1 | Nothing on a user's connection contains another user's canary.                      |
        | cross_leak_only_under_load              | When many connections are open, answers also arrive at another user.                       | ISOLATION-1 | Nothing on a user's connection contains another user's canary.                      |
        | cross_leak_only_after_reconnect         | After a user has reconnected, their answers also arrive at another user.                   | ISOLATION-2 | No frame on a user's connection belongs to another user's run, thread or user id.   |
        | shared_agent_mixes_answers              | Of two users who ask at the same time, one receives the other's answer.                    | ISOLATION-1 | Nothing on a user's connection contains another user's canary.                      |
        | canary_in_metadata                      | The metadata of an answer holds another user's notes.                                      | ISOLATION-1 | Nothing on a user's connection contains another user's canary.                      |
        | canary_base64                           | The answer ends with another user's notes, encoded in Base64.                              | ISOLATION-1 | Nothing on a user's connection contains another user's canary.                      |
        | canary_split_over_two_frames            | Another user's notes are split over two agent_thinking events.                             | ISOLATION-1 | Nothing on a user's connection contains another user's canary.                      |
        | canary_in_pieces_outside_of_runs        | Another user's notes arrive in pieces of eight letters, in messages that belong to no run. | ISOLATION-1 | Nothing on a user's connection contains another user's canary.                      |
        | canary_letter_by_letter                 | Another user's notes arrive letter by letter in agent_thinking events.                     | ISOLATION-1 | Nothing on a user's connection contains another user's canary.                      |
        | canary_packed_as                        | The metadata of an answer holds another user's notes in another form.                      | ISOLATION-1 | Nothing on a user's connection contains another user's canary.                      |
        | user_id_from_client_trusted             | A question with another user's id receives that user's answer.                             | REFUSAL-2   | A request for another user's thread or run is refused, or gets a new, empty thread. |
        | foreign_thread_accepted                 | A user can continue another user's conversation.                                           | REFUSAL-2   | A request for another user's thread or run is refused, or gets a new, empty thread. |
        | foreign_resume_accepted                 | A user can restore another user's conversation.                                            | REFUSAL-2   | A request for another user's thread or run is refused, or gets a new, empty thread. |
        | foreign_stop_accepted                   | A user can stop another user's run.                                                        | REFUSAL-2   | A request for another user's thread or run is refused, or gets a new, empty thread. |
        | foreign_reach_met_with_silence          | A request for another user's conversation gets no response.                                | REFUSAL-2   | A request for another user's thread or run is refused, or gets a new, empty thread. |
        | no_token_accepted                       | A connection without a token is accepted as an anonymous user.                             | REFUSAL-1   | A connection without a valid token is refused.                                      |
        | bad_signature_accepted                  | The signature of tokens is not checked.                                                    | REFUSAL-1   | A connection without a valid token is refused.                                      |
        | expired_token_accepted                  | An expired token is accepted.                                                              | REFUSAL-1   | A connection without a valid token is refused.                                      |
        | wrong_audience_accepted                 | A token for another audience is accepted.                                                  | REFUSAL-1   | A connection without a valid token is refused.                                      |
        | token_in_query_accepted                 | A token in the URL is accepted, and so appears in logs.                                    | REFUSAL-1   | A connection without a valid token is refused.                                      |
        | token_in_query_accepted_by_name         | A token in the URL is accepted under one of the usual names.                               | REFUSAL-1   | A connection without a valid token is refused.                                      |
        | signature_checked_in_part               | Only the first 16 characters of a token's signature are checked.                           | REFUSAL-1   | A connection without a valid token is refused.                                      |
        | claims_of_a_known_signature_not_checked | A token with another user's name is accepted once a token with the same signature was.     | REFUSAL-1   | A connection without a valid token is refused.                                      |
        | survives_token_expiry                   | A connection stays open after its token has expired.                                       | REFUSAL-3   | Access ends when the token is no longer valid, also on an open connection.          |
        | token_echoed_in_frame                   | The first message of a connection holds the user's token.                                  | CONTENT-5   | No token, secret or stack trace is sent to a user.                                  |

  Rule: A release that fails across replicas is blocked

    @needs.replicas
    Scenario Outline: A release with <defect> is blocked
      Given a backend with this defect: <what a user notices>
      When the release is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                             | what a user notices                                                                           | rule         | promise                                                                             |
        | fan_out_to_one_replica             | A user connected to another replica than the one that runs the agent receives no more events. | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                              |
        | resume_knows_only_its_replica      | A user who reconnects receives only the missed events of the replica that they reconnect to.  | CONTINUITY-1 | No event is lost when a connection is lost and resumed.                             |
        | redis_channel_shared_by_all_users  | Answers made on one replica arrive at all users of the other replica.                         | ISOLATION-1  | Nothing on a user's connection contains another user's canary.                      |
        | session_cache_keyed_by_thread_only | A user who names another user's recent conversation has that user's access.                   | REFUSAL-2    | A request for another user's thread or run is refused, or gets a new, empty thread. |
        | token_cache_ignores_expiry         | A token that was accepted once is accepted after it has expired.                              | REFUSAL-1    | A connection without a valid token is refused.                                      |

  Rule: A release that fails or leaks under many users is blocked

    Scenario Outline: A release with <defect> is blocked
      Given a backend with this defect: <what a user notices>
      When the release is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                     | what a user notices                                                | rule         | promise                                                                                                |
        | connections_capped         | When some users are connected, further connections are refused.    | SUCCESS      | Expected events arrived and were valid, and connections were accepted.                                 |
        | refuses_after_churn        | After many users have connected and left, connections are refused. | SUCCESS      | Expected events arrived and were valid, and connections were accepted.                                 |
        | drops_one_in               | A share of the answers begins and never ends.                      | SUCCESS      | Expected events arrived and were valid, and connections were accepted.                                 |
        | memory_leak_per_run        | Each answer leaks memory.                                          | MEMORY       | The backend does not leak memory: growth is limited, and the memory of closed connections is released. |
        | memory_leak_per_connection | Each connection leaks memory.                                      | MEMORY       | The backend does not leak memory: growth is limited, and the memory of closed connections is released. |
        | handler_leak               | Connections of users who have left are still served.               | MEMORY       | The backend does not leak memory: growth is limited, and the memory of closed connections is released. |
        | fd_leak                    | Each connection leaks an open file.                                | MEMORY       | The backend does not leak memory: growth is limited, and the memory of closed connections is released. |
        | slow_client_stalls_others  | A client that reads slowly stops the answers of all others.        | TIMELINESS-2 | The longest silence within a run stays within its budget.                                              |
