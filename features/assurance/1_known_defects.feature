# Made of the registry of defects: `python -m greenlight_gate.assurance features` writes it anew.
@assurance
Feature: Every known defect blocks the release
  Real chat backends had most of these. A suite that lets one pass is worse than none.

  Rule: What one person is owed in one conversation

    Scenario Outline: <defect>
      Given a backend of which people say: <what people say>
      When a release of it is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                                   | what people say                                                                                        | rule        | promise                                                                          |
        | started_missing                          | No event says that work began: the first event of a run is agent_thinking.                             | LIFECYCLE-1 | A run's first event is agent_started, exactly once.                              |
        | started_twice                            | Each run sends agent_started twice.                                                                    | LIFECYCLE-1 | A run's first event is agent_started, exactly once.                              |
        | completed_missing                        | The assistant works, but the answer never arrives.                                                     | LIFECYCLE-2 | A run ends exactly once: completed, failed or stopped.                           |
        | completed_twice                          | Each answer arrives twice.                                                                             | LIFECYCLE-2 | A run ends exactly once: completed, failed or stopped.                           |
        | failed_twice                             | A failure is reported twice.                                                                           | LIFECYCLE-2 | A run ends exactly once: completed, failed or stopped.                           |
        | thinking_missing                         | The assistant never shows its reasoning.                                                               | LIFECYCLE-4 | agent_thinking arrives between start and end, where the prompt requires it.      |
        | tools_hidden                             | The assistant uses tools, but sends no event about them.                                               | LIFECYCLE-5 | A request that needs a tool shows all five kinds of event.                       |
        | tool_executing_missing                   | A tool is reported as finished, but never as started.                                                  | PAIRING-1   | Each tool_completed closes one open tool_executing.                              |
        | tool_completed_missing                   | A tool is reported as started, but never as finished.                                                  | PAIRING-2   | Every tool_executing is closed before the run completes.                         |
        | second_tool_never_completed              | In an answer that needs two tools, the second is never reported as finished.                           | PAIRING-2   | Every tool_executing is closed before the run completes.                         |
        | tool_name_missing                        | A tool runs, but no event says which one.                                                              | PAIRING-3   | Both events of a tool call name the tool, and name the same one.                 |
        | tool_name_differs                        | The tool that is reported as finished is not the one that was reported as started.                     | PAIRING-3   | Both events of a tool call name the tool, and name the same one.                 |
        | run_id_missing                           | Events carry no run id, so that nobody can tell to which answer they belong.                           | IDENTITY-1  | Every event carries the run id of the requested run.                             |
        | run_id_null                              | The run id of every event is null.                                                                     | IDENTITY-1  | Every event carries the run id of the requested run.                             |
        | run_id_placeholder                       | All answers share one placeholder as run id, so that two of them cannot be told apart.                 | IDENTITY-1  | Every event carries the run id of the requested run.                             |
        | run_id_changes_midway                    | The run id of the events changes after agent_started.                                                  | IDENTITY-1  | Every event carries the run id of the requested run.                             |
        | thread_id_of_nobody                      | The answer carries a thread id that belongs to nobody, instead of that of the request.                 | IDENTITY-2  | Thread and user ids are those of the user who sent the request.                  |
        | result_missing                           | The answer is announced, but its text is missing.                                                      | CONTENT-1   | Required fields are present, have their declared types, and are not empty.       |
        | result_renamed                           | The text of the answer is in a field that no client reads.                                             | CONTENT-1   | Required fields are present, have their declared types, and are not empty.       |
        | kind_renamed                             | agent_thinking is sent under a name that no client knows.                                              | LIFECYCLE-4 | agent_thinking arrives between start and end, where the prompt requires it.      |
        | double_wrapped_payload                   | The payload of each event is nested one level deeper than agreed.                                      | CONTENT-2   | Frames are well-formed: valid UTF-8, valid JSON, no serialisation errors.        |
        | double_encoded_json                      | Each event is a JSON string that contains JSON, instead of a JSON object.                              | CONTENT-2   | Frames are well-formed: valid UTF-8, valid JSON, no serialisation errors.        |
        | enum_as_repr                             | The agent's name is the program's internal notation of an enum.                                        | CONTENT-2   | Frames are well-formed: valid UTF-8, valid JSON, no serialisation errors.        |
        | nan_in_json                              | The duration of an answer is NaN, which is not valid JSON: a browser cannot read the answer.           | CONTENT-2   | Frames are well-formed: valid UTF-8, valid JSON, no serialisation errors.        |
        | truncated_json                           | One event of each answer is truncated JSON.                                                            | CONTENT-2   | Frames are well-formed: valid UTF-8, valid JSON, no serialisation errors.        |
        | binary_frame                             | One event of each answer arrives as a binary message.                                                  | CONTENT-2   | Frames are well-formed: valid UTF-8, valid JSON, no serialisation errors.        |
        | invalid_utf8                             | One event of each answer contains a byte that is not valid UTF-8; strict clients close the connection. | CONTENT-2   | Frames are well-formed: valid UTF-8, valid JSON, no serialisation errors.        |
        | timestamp_runs_backwards                 | The timestamp of the answer is earlier than those of the events before it.                             | CONTENT-3   | Timestamps lie within the allowed skew and do not run backwards within a run.    |
        | timestamp_zero                           | Every timestamp is of the year 1970.                                                                   | CONTENT-3   | Timestamps lie within the allowed skew and do not run backwards within a run.    |
        | timestamp_format_flips                   | Every other event of a kind has its timestamp as a number instead of a text.                           | CONTENT-6   | A connection uses one shape and one timestamp format for each kind of event.     |
        | event_hidden_in_system_message_only_once | One agent_thinking on each connection is wrapped in a system message, so that clients miss it.         | CONTENT-6   | A connection uses one shape and one timestamp format for each kind of event.     |
        | canned_answer                            | Every request gets the same fallback text as its answer.                                               | CONTENT-4   | The answer contains what the prompt expects. It is no echo and no fallback text. |
        | answer_echoes_question                   | The assistant repeats the prompt instead of answering it.                                              | CONTENT-4   | The answer contains what the prompt expects. It is no echo and no fallback text. |
        | empty_answer                             | The answer is empty.                                                                                   | CONTENT-4   | The answer contains what the prompt expects. It is no echo and no fallback text. |
        | stack_trace_in_answer                    | The answer ends with a stack trace.                                                                    | CONTENT-5   | No token, secret or stack trace is sent to a user.                               |
        | oversize_dropped_silently                | A message that is too long is dropped without an error.                                                | REFUSAL-4   | Malformed, oversized or unknown input gets a clear error, never silence.         |
        | unknown_type_acknowledged_as_ok          | A message of an unknown type is acknowledged with “ok”.                                                | REFUSAL-4   | Malformed, oversized or unknown input gets a clear error, never silence.         |
        | bad_json_silence                         | A message that is not valid JSON is dropped without an error.                                          | REFUSAL-4   | Malformed, oversized or unknown input gets a clear error, never silence.         |
        | thought_before_the_start                 | The assistant's first thought arrives before agent_started.                                            | LIFECYCLE-1 | A run's first event is agent_started, exactly once.                              |
        | parallel_tools_one_after_the_other       | Of two tools that run at the same time, the second is shown only after the first has finished.         | LIFECYCLE-5 | A request that needs a tool shows all five kinds of event.                       |
        | tool_for_small_talk                      | The assistant uses a tool to answer a greeting that needs none.                                        | SCENARIOS   | Every scenario of the wanted categories ran and passed, and no rule objected.    |
        | failure_without_a_word                   | A run fails, and agent_failed does not say why.                                                        | CONTENT-1   | Required fields are present, have their declared types, and are not empty.       |
        | failure_that_is_also_an_answer           | A run that failed is reported as completed as well.                                                    | LIFECYCLE-2 | A run ends exactly once: completed, failed or stopped.                           |
        | every_turn_a_new_conversation            | A follow-up question is answered in a new thread, without the context of the first.                    | IDENTITY-2  | Thread and user ids are those of the user who sent the request.                  |

  Rule: Several questions, tools, helpers and windows

    Scenario Outline: <defect>
      Given a backend of which people say: <what people say>
      When a release of it is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                             | what people say                                                                             | rule         | promise                                                                          |
        | out_of_order                       | In each answer, two consecutive events arrive in the wrong order.                           | CONTINUITY-3 | Sequence numbers have no gap and no repeat.                                      |
        | duplicate_delivery                 | One event of each answer arrives twice.                                                     | CONTINUITY-2 | No event is delivered twice, and events keep their order.                        |
        | events_after_completed             | agent_thinking arrives after the run has ended.                                             | LIFECYCLE-3  | No event of a run arrives after its end.                                         |
        | subagent_completion_ends_the_run   | After a sub-agent has finished, no further event of the run arrives, and no answer.         | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                           |
        | accepted_but_never_runs            | agent_started arrives, and no other event of the run.                                       | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                           |
        | final_event_skipped                | A run ends without any event that says so, whether it completed, failed or was stopped.     | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                           |
        | parallel_runs_cross_write          | While two runs are in progress on one connection, events carry the run id of the other run. | IDENTITY-1   | Every event carries the run id of the requested run.                             |
        | only_newest_connection_gets_events | With two tabs open, the newer one receives the answer to the older one's request.           | IDENTITY-1   | Every event carries the run id of the requested run.                             |
        | every_window_shows_everything      | The answer to a request from one tab arrives in all tabs of the user.                       | IDENTITY-1   | Every event carries the run id of the requested run.                             |
        | stop_acknowledged_but_run_goes_on  | A stop is acknowledged, but the run continues.                                              | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                           |
        | tool_failure_hidden                | A tool fails, and the run reports it as successful.                                         | CONTENT-4    | The answer contains what the prompt expects. It is no echo and no fallback text. |

  Rule: What comes too late is no news

    Scenario Outline: <defect>
      Given a backend of which people say: <what people say>
      When a release of it is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                         | what people say                                                                                           | rule         | promise                                                                   |
        | every_event_delayed            | Every event is delivered a little too late.                                                               | LATENCY      | Events arrive while they are news: average latency.                       |
        | latency_grows_with_connections | Each further connection makes the events of all users later.                                              | LATENCY      | Events arrive while they are news: average latency.                       |
        | blocking_sleep_stalls_everyone | The start of one user's tool blocks the events of all users.                                              | LATENCY      | Events arrive while they are news: average latency.                       |
        | slow_start                     | agent_started arrives too long after the request.                                                         | TIMELINESS-1 | agent_started arrives within the start budget of the request.             |
        | silent_gap                     | There is a long silence in the middle of a run.                                                           | TIMELINESS-2 | The longest silence within a run stays within its budget.                 |
        | burst_at_the_end               | No event arrives during the work; all arrive together at the end.                                         | TIMELINESS-3 | Events arrive as they happen, not all at the end.                         |
        | tool_never_returns             | A tool starts and never finishes.                                                                         | TIMELINESS-4 | Each tool call and each run finishes within its budget.                   |
        | ping_unanswered_during_run     | Pings are not answered while a run is in progress.                                                        | CONNECTION-2 | Pings are answered while a run is in progress.                            |
        | handshake_slow                 | The handshake takes too long.                                                                             | CONNECTION-1 | The handshake finishes in time, and the backend reports that it is ready. |
        | throughput_capped              | Only a fixed number of requests a second are started, however many users ask; the others wait in a queue. | LATENCY      | Events arrive while they are news: average latency.                       |

  Rule: Lines that are lost, and people who come back

    Scenario Outline: <defect>
      Given a backend of which people say: <what people say>
      When a release of it is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                        | what people say                                                                       | rule         | promise                                                                   |
        | events_lost_across_reconnect  | Events of the time in which a user was disconnected are never delivered.              | CONTINUITY-1 | No event is lost when a connection is lost and resumed.                   |
        | replay_buffer_drops_oldest    | After a reconnect, the oldest of the missed events are not replayed.                  | CONTINUITY-1 | No event is lost when a connection is lost and resumed.                   |
        | resume_unknown_but_says_ok    | A restore is confirmed, but no event of the thread ever arrives again.                | CONTINUITY-1 | No event is lost when a connection is lost and resumed.                   |
        | replay_duplicates             | After a reconnect, the missed events are replayed twice.                              | CONTINUITY-2 | No event is delivered twice, and events keep their order.                 |
        | replay_out_of_order           | After a reconnect, the missed events are replayed in reverse order.                   | CONTINUITY-2 | No event is delivered twice, and events keep their order.                 |
        | closes_1011_at_start          | Each connection is accepted and then closed at once with code 1011 (internal error).  | CONNECTION-1 | The handshake finishes in time, and the backend reports that it is ready. |
        | accepted_then_closed_1000     | Each connection is accepted and then closed at once with code 1000 (normal closure).  | CONNECTION-1 | The handshake finishes in time, and the backend reports that it is ready. |
        | events_before_ready_lost      | The backend reports ready too early: a request that is sent at once is lost.          | CONNECTION-1 | The handshake finishes in time, and the backend reports that it is ready. |
        | dies_mid_run_without_a_word   | The connection breaks in the middle of a run, and the run is lost.                    | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                    |
        | hangs_mid_run_socket_open     | The backend stops sending in the middle of a run and keeps the connection open.       | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                    |
        | reconnect_refused_after       | A user who has connected a few times is refused.                                      | CONNECTION-1 | The handshake finishes in time, and the backend reports that it is ready. |
        | same_token_refused_within_1_s | A reconnect with the same token within one second is refused.                         | CONNECTION-1 | The handshake finishes in time, and the backend reports that it is ready. |
        | half_open_after_reconnect     | A reconnect is accepted, but nothing is sent on the new connection after the restore. | CONTINUITY-1 | No event is lost when a connection is lost and resumed.                   |
        | idle_cut_after                | An idle connection is closed without a close frame.                                   | CONNECTION-3 | Connections are closed with a legal and meaningful close code.            |
        | illegal_close_code            | Connections are closed with a code that must never be sent.                           | CONNECTION-3 | Connections are closed with a legal and meaningful close code.            |

  Rule: What belongs to one person is shown to nobody else

    Scenario Outline: <defect>
      Given a backend of which people say: <what people say>
      When a release of it is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                             | what people say                                                                  | rule        | promise                                                                             |
        | broadcast_to_all                   | Every answer is sent to all users.                                               | ISOLATION-2 | No frame on a user's connection belongs to another user's run, thread or user id.   |
        | first_user_handler_serves_everyone | All requests are handled as those of the first user, with that user's notes.     | ISOLATION-1 | Nothing on a user's connection contains another user's canary.                      |
        | cross_leak_only_under_load         | When many connections are open, answers are also sent to another user.           | ISOLATION-1 | Nothing on a user's connection contains another user's canary.                      |
        | cross_leak_only_after_reconnect    | After a user has reconnected, that user's events are also sent to another user.  | ISOLATION-2 | No frame on a user's connection belongs to another user's run, thread or user id.   |
        | shared_agent_mixes_answers         | Of two users who ask at the same time, one receives the other's answer.          | ISOLATION-1 | Nothing on a user's connection contains another user's canary.                      |
        | canary_in_metadata                 | The answer's metadata contains another user's notes.                             | ISOLATION-1 | Nothing on a user's connection contains another user's canary.                      |
        | canary_base64                      | The answer contains another user's notes in base64.                              | ISOLATION-1 | Nothing on a user's connection contains another user's canary.                      |
        | canary_split_over_two_frames       | Another user's notes are split over two agent_thinking events.                   | ISOLATION-1 | Nothing on a user's connection contains another user's canary.                      |
        | user_id_from_client_trusted        | A request with another user's id is answered with that user's data.              | REFUSAL-2   | A request for another user's thread or run is refused, or gets a new, empty thread. |
        | foreign_thread_accepted            | Any user can send a request in another user's thread.                            | REFUSAL-2   | A request for another user's thread or run is refused, or gets a new, empty thread. |
        | foreign_resume_accepted            | Any user can restore another user's thread.                                      | REFUSAL-2   | A request for another user's thread or run is refused, or gets a new, empty thread. |
        | foreign_stop_accepted              | Any user can stop another user's run.                                            | REFUSAL-2   | A request for another user's thread or run is refused, or gets a new, empty thread. |
        | foreign_reach_met_with_silence     | A request for another user's thread is never answered, not even with an error.   | REFUSAL-2   | A request for another user's thread or run is refused, or gets a new, empty thread. |
        | no_token_accepted                  | A connection without a token is accepted as “anonymous”.                         | REFUSAL-1   | A connection without a valid token is refused.                                      |
        | bad_signature_accepted             | The signature of a token is not verified: anybody can sign a token for any user. | REFUSAL-1   | A connection without a valid token is refused.                                      |
        | expired_token_accepted             | An expired token is accepted.                                                    | REFUSAL-1   | A connection without a valid token is refused.                                      |
        | wrong_audience_accepted            | A token for another service is accepted.                                         | REFUSAL-1   | A connection without a valid token is refused.                                      |
        | token_in_query_accepted            | A token in the URL is accepted, and so appears in access logs.                   | REFUSAL-1   | A connection without a valid token is refused.                                      |
        | survives_token_expiry              | A connection stays open after its token has expired.                             | REFUSAL-3   | Access ends when the token is no longer valid, also on an open connection.          |
        | token_echoed_in_frame              | The first message on a connection contains the token of the user.                | CONTENT-5   | No token, secret or stack trace is sent to a user.                                  |

  Rule: What lives between several machines

    @needs.replicas
    Scenario Outline: <defect>
      Given a backend of which people say: <what people say>
      When a release of it is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                             | what people say                                                                               | rule         | promise                                                                             |
        | fan_out_to_one_replica             | A user on another replica than the one that does the work receives no further events.         | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                              |
        | resume_knows_only_its_replica      | After a reconnect, only events of the replica that the user is now connected to are replayed. | CONTINUITY-1 | No event is lost when a connection is lost and resumed.                             |
        | redis_channel_shared_by_all_users  | Events of one user on one replica are sent to all users on the other replica.                 | ISOLATION-1  | Nothing on a user's connection contains another user's canary.                      |
        | session_cache_keyed_by_thread_only | A request that names a recently used thread is handled as that of the thread's user.          | REFUSAL-2    | A request for another user's thread or run is refused, or gets a new, empty thread. |
        | token_cache_ignores_expiry         | A token that was valid once is accepted for ever.                                             | REFUSAL-1    | A connection without a valid token is refused.                                      |

  Rule: Many people, who come, stay and go

    Scenario Outline: <defect>
      Given a backend of which people say: <what people say>
      When a release of it is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                     | what people say                                                           | rule         | promise                                                                               |
        | connections_capped         | Connections above a fixed number are refused.                             | SUCCESS      | Expected events arrived and were valid, and connections came about.                   |
        | refuses_after_churn        | After many users have connected and left, every connection is refused.    | SUCCESS      | Expected events arrived and were valid, and connections came about.                   |
        | drops_one_in               | One run in N starts and never sends its answer.                           | SUCCESS      | Expected events arrived and were valid, and connections came about.                   |
        | memory_leak_per_run        | Each run leaves memory that is never released.                            | MEMORY       | The backend does not fill up: no large growth, no leak by slope, nothing left behind. |
        | memory_leak_per_connection | Each connection leaves memory that is never released.                     | MEMORY       | The backend does not fill up: no large growth, no leak by slope, nothing left behind. |
        | handler_leak               | The handlers of closed connections are never released.                    | MEMORY       | The backend does not fill up: no large growth, no leak by slope, nothing left behind. |
        | fd_leak                    | Each connection leaves an open file descriptor.                           | MEMORY       | The backend does not fill up: no large growth, no leak by slope, nothing left behind. |
        | slow_client_stalls_others  | One slow client stops the events of all other users until it reads again. | TIMELINESS-2 | The longest silence within a run stays within its budget.                             |
