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
        | defect                                   | what people say                                                                             | rule        | promise                                                                       |
        | started_missing                          | Nothing says that work began: the first sign of life is a thought.                          | LIFECYCLE-1 | A run's first event is agent_started, exactly once.                           |
        | started_twice                            | Each answer begins twice.                                                                   | LIFECYCLE-1 | A run's first event is agent_started, exactly once.                           |
        | completed_missing                        | The assistant works, but the answer never comes.                                            | LIFECYCLE-2 | A run ends exactly once: completed, failed or stopped.                        |
        | completed_twice                          | Each answer comes twice.                                                                    | LIFECYCLE-2 | A run ends exactly once: completed, failed or stopped.                        |
        | failed_twice                             | A failure is reported twice.                                                                | LIFECYCLE-2 | A run ends exactly once: completed, failed or stopped.                        |
        | thinking_missing                         | The assistant never shows what it is thinking.                                              | LIFECYCLE-4 | agent_thinking is seen between start and end, where the question requires it. |
        | tools_hidden                             | The assistant uses tools, and nobody ever sees one at work.                                 | LIFECYCLE-5 | A question that needs a tool shows all five kinds.                            |
        | tool_executing_missing                   | Tools finish that nobody saw begin.                                                         | PAIRING-1   | Each tool_completed closes one open tool_executing.                           |
        | tool_completed_missing                   | Tools begin and are never seen to finish.                                                   | PAIRING-2   | Every tool_executing is closed before the run completes.                      |
        | second_tool_never_completed              | When an answer needs two tools, the second is never seen to finish.                         | PAIRING-2   | Every tool_executing is closed before the run completes.                      |
        | tool_name_missing                        | Some tool runs, but nothing says which.                                                     | PAIRING-3   | Tools are named, and the same in both events.                                 |
        | tool_name_differs                        | One tool begins, and another one finishes.                                                  | PAIRING-3   | Tools are named, and the same in both events.                                 |
        | run_id_missing                           | Events do not say to which answer they belong.                                              | IDENTITY-1  | Every event carries the run id of the run that was asked for.                 |
        | run_id_null                              | Events belong to no answer: their run id is null.                                           | IDENTITY-1  | Every event carries the run id of the run that was asked for.                 |
        | run_id_placeholder                       | All answers share one made-up run id, so that two of them cannot be told apart.             | IDENTITY-1  | Every event carries the run id of the run that was asked for.                 |
        | run_id_changes_midway                    | An answer goes on under another run id than it began with.                                  | IDENTITY-1  | Every event carries the run id of the run that was asked for.                 |
        | thread_id_of_nobody                      | The answer belongs to another conversation than the question, one that nobody has.          | IDENTITY-2  | Thread and user ids are the asker's.                                          |
        | result_missing                           | The answer is announced, but there is no text in it.                                        | CONTENT-1   | The fields that the profile requires are there, with their types, not empty.  |
        | result_renamed                           | The answer's text stands in a field that no client looks at.                                | CONTENT-1   | The fields that the profile requires are there, with their types, not empty.  |
        | kind_renamed                             | Thoughts come under a name that no client knows.                                            | LIFECYCLE-4 | agent_thinking is seen between start and end, where the question requires it. |
        | double_wrapped_payload                   | The content of each event is one level deeper than agreed.                                  | CONTENT-2   | Frames are well-formed: UTF-8, JSON, and no serialiser debris.                |
        | double_encoded_json                      | Each event is a text that holds JSON, instead of JSON.                                      | CONTENT-2   | Frames are well-formed: UTF-8, JSON, and no serialiser debris.                |
        | enum_as_repr                             | The assistant's name looks like a piece of program text.                                    | CONTENT-2   | Frames are well-formed: UTF-8, JSON, and no serialiser debris.                |
        | nan_in_json                              | A browser cannot read the answer: its duration is NaN, which is not JSON.                   | CONTENT-2   | Frames are well-formed: UTF-8, JSON, and no serialiser debris.                |
        | truncated_json                           | One event of each answer is cut off in the middle.                                          | CONTENT-2   | Frames are well-formed: UTF-8, JSON, and no serialiser debris.                |
        | binary_frame                             | One event of each answer comes as a binary message.                                         | CONTENT-2   | Frames are well-formed: UTF-8, JSON, and no serialiser debris.                |
        | invalid_utf8                             | One event of each answer holds a byte that is not UTF-8, and strict clients hang up.        | CONTENT-2   | Frames are well-formed: UTF-8, JSON, and no serialiser debris.                |
        | timestamp_runs_backwards                 | The answer is dated before the question.                                                    | CONTENT-3   | Timestamps lie within the allowed skew and do not run backwards inside a run. |
        | timestamp_zero                           | Everything happened in 1970.                                                                | CONTENT-3   | Timestamps lie within the allowed skew and do not run backwards inside a run. |
        | timestamp_format_flips                   | Every other event of a kind has its time as a number instead of a text.                     | CONTENT-6   | A connection keeps one shape and one timestamp format for each kind of event. |
        | event_hidden_in_system_message_only_once | One thought on each connection hides in a system message, and clients miss it.              | CONTENT-6   | A connection keeps one shape and one timestamp format for each kind of event. |
        | canned_answer                            | Every question gets the same excuse.                                                        | CONTENT-4   | The answer answers.                                                           |
        | answer_echoes_question                   | The assistant repeats the question instead of answering it.                                 | CONTENT-4   | The answer answers.                                                           |
        | empty_answer                             | The answer is empty.                                                                        | CONTENT-4   | The answer answers.                                                           |
        | stack_trace_in_answer                    | The answer ends in a stack trace.                                                           | CONTENT-5   | No token, secret or stack trace is shown to a person.                         |
        | oversize_dropped_silently                | A message that is too long vanishes without a word.                                         | REFUSAL-4   | Malformed, oversized or unknown input gets a clear error, never silence.      |
        | unknown_type_acknowledged_as_ok          | A request that the server does not know is answered with “ok”.                              | REFUSAL-4   | Malformed, oversized or unknown input gets a clear error, never silence.      |
        | bad_json_silence                         | A garbled message vanishes without a word.                                                  | REFUSAL-4   | Malformed, oversized or unknown input gets a clear error, never silence.      |
        | thought_before_the_start                 | The assistant thinks first, and only then is work said to begin.                            | LIFECYCLE-1 | A run's first event is agent_started, exactly once.                           |
        | parallel_tools_one_after_the_other       | Of two tools that could work at once, the second is only shown when the first has finished. | LIFECYCLE-5 | A question that needs a tool shows all five kinds.                            |
        | tool_for_small_talk                      | A greeting is answered with the help of a tool that nobody needs.                           | SCENARIOS   | Every scenario of the wanted categories ran and passed, and no rule objected. |
        | failure_without_a_word                   | The assistant gives up, and does not say why.                                               | CONTENT-1   | The fields that the profile requires are there, with their types, not empty.  |
        | failure_that_is_also_an_answer           | An answer that failed is announced as ready as well.                                        | LIFECYCLE-2 | A run ends exactly once: completed, failed or stopped.                        |
        | every_turn_a_new_conversation            | Whoever goes on in a conversation is answered in another one, which knows nothing of it.    | IDENTITY-2  | Thread and user ids are the asker's.                                          |

  Rule: Several questions, tools, helpers and windows

    Scenario Outline: <defect>
      Given a backend of which people say: <what people say>
      When a release of it is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                             | what people say                                                                   | rule         | promise                                                       |
        | out_of_order                       | In each answer, two neighbouring events arrive in the wrong order.                | CONTINUITY-3 | Sequence numbers have no gap and no repeat.                   |
        | duplicate_delivery                 | One event of each answer arrives twice.                                           | CONTINUITY-2 | No event is delivered twice, and order holds.                 |
        | events_after_completed             | The assistant goes on thinking after it has answered.                             | LIFECYCLE-3  | Nothing of a run arrives after its end.                       |
        | subagent_completion_ends_the_run   | When a helper is done the assistant falls silent, and its own answer never comes. | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.        |
        | accepted_but_never_runs            | The question is taken, and then nothing happens.                                  | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.        |
        | final_event_skipped                | However an answer ends, nobody is told.                                           | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.        |
        | parallel_runs_cross_write          | While two answers are under way on one connection, each writes into the other.    | IDENTITY-1   | Every event carries the run id of the run that was asked for. |
        | only_newest_connection_gets_events | With two windows open, the newer one gets what the older one asked for.           | IDENTITY-1   | Every event carries the run id of the run that was asked for. |
        | every_window_shows_everything      | What is asked in one window is answered in all windows of the person.             | IDENTITY-1   | Every event carries the run id of the run that was asked for. |
        | stop_acknowledged_but_run_goes_on  | The assistant says that it stopped, and goes on.                                  | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.        |
        | tool_failure_hidden                | A tool fails, and the answer pretends that all went well.                         | CONTENT-4    | The answer answers.                                           |

  Rule: What comes too late is no news

    Scenario Outline: <defect>
      Given a backend of which people say: <what people say>
      When a release of it is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                         | what people say                                                                                 | rule         | promise                                                               |
        | every_event_delayed            | Everything that the assistant does is shown a little too late.                                  | LATENCY      | Events arrive while they are news: average latency.                   |
        | latency_grows_with_connections | Each person more makes it slower for all.                                                       | LATENCY      | Events arrive while they are news: average latency.                   |
        | blocking_sleep_stalls_everyone | While one person's tool is started, nothing moves for anybody.                                  | LATENCY      | Events arrive while they are news: average latency.                   |
        | slow_start                     | For a long time nothing says that somebody has taken up the question.                           | TIMELINESS-1 | agent_started comes within the start budget of the request.           |
        | silent_gap                     | In the middle of the work there is a long silence.                                              | TIMELINESS-2 | The longest silence inside a run stays within budget.                 |
        | burst_at_the_end               | Nothing is shown while the assistant works, and everything once it has finished.                | TIMELINESS-3 | Events arrive as they happen, not all at the end.                     |
        | tool_never_returns             | A tool begins and is never heard of again.                                                      | TIMELINESS-4 | A tool and a run finish within their budgets.                         |
        | ping_unanswered_during_run     | While the assistant works, the app gets no sign of life.                                        | CONNECTION-2 | A ping is answered while a run is under way.                          |
        | handshake_slow                 | It takes very long until one is let in.                                                         | CONNECTION-1 | The handshake finishes in time and the backend says that it is ready. |
        | throughput_capped              | However many people ask, only so many questions a second are taken up; the others wait in line. | LATENCY      | Events arrive while they are news: average latency.                   |

  Rule: Lines that are lost, and people who come back

    Scenario Outline: <defect>
      Given a backend of which people say: <what people say>
      When a release of it is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                        | what people say                                                                        | rule         | promise                                                               |
        | events_lost_across_reconnect  | What happened while somebody was away is never shown to them.                          | CONTINUITY-1 | Over a lost connection no event is lost.                              |
        | replay_buffer_drops_oldest    | Of what somebody missed, the oldest events are gone.                                   | CONTINUITY-1 | Over a lost connection no event is lost.                              |
        | resume_unknown_but_says_ok    | The conversation is said to be restored, and nothing of it ever comes again.           | CONTINUITY-1 | Over a lost connection no event is lost.                              |
        | replay_duplicates             | What somebody missed comes twice.                                                      | CONTINUITY-2 | No event is delivered twice, and order holds.                         |
        | replay_out_of_order           | What somebody missed comes in the wrong order: the latest first.                       | CONTINUITY-2 | No event is delivered twice, and order holds.                         |
        | closes_1011_at_start          | Whoever comes is let in and shown the door at once, with an internal error.            | CONNECTION-1 | The handshake finishes in time and the backend says that it is ready. |
        | accepted_then_closed_1000     | Whoever comes is let in, and the connection is closed as if all were done.             | CONNECTION-1 | The handshake finishes in time and the backend says that it is ready. |
        | events_before_ready_lost      | The backend says that it is ready before it is: who asks at once is not heard.         | CONNECTION-1 | The handshake finishes in time and the backend says that it is ready. |
        | dies_mid_run_without_a_word   | In the middle of an answer the line breaks, and the work is lost.                      | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                |
        | hangs_mid_run_socket_open     | In the middle of an answer the backend falls silent for good, and keeps the line open. | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                |
        | reconnect_refused_after       | Whoever has come a few times is not let in any more.                                   | CONNECTION-1 | The handshake finishes in time and the backend says that it is ready. |
        | same_token_refused_within_1_s | Whoever comes back at once, with the same pass, is taken for an impostor.              | CONNECTION-1 | The handshake finishes in time and the backend says that it is ready. |
        | half_open_after_reconnect     | Whoever comes back is let in, and then never hears another word.                       | CONTINUITY-1 | Over a lost connection no event is lost.                              |
        | idle_cut_after                | Whoever says nothing for a while is cut off without a word.                            | CONNECTION-3 | Closes carry a legal, meaningful code.                                |
        | illegal_close_code            | Connections are closed with a code that must never be sent.                            | CONNECTION-3 | Closes carry a legal, meaningful code.                                |

  Rule: What belongs to one person is shown to nobody else

    Scenario Outline: <defect>
      Given a backend of which people say: <what people say>
      When a release of it is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                             | what people say                                                                                          | rule        | promise                                                                           |
        | broadcast_to_all                   | Everybody sees everything that is answered to anybody.                                                   | ISOLATION-2 | No frame on a person's connection belongs to another's run, thread or user.       |
        | first_user_handler_serves_everyone | Whoever asked first is taken for everybody: all questions are worked on in their name, with their notes. | ISOLATION-1 | Nothing on a person's connection holds another person's canary.                   |
        | cross_leak_only_under_load         | When many connections are open, answers also go to somebody who did not ask.                             | ISOLATION-1 | Nothing on a person's connection holds another person's canary.                   |
        | cross_leak_only_after_reconnect    | What is answered to somebody who came back also goes to somebody else.                                   | ISOLATION-2 | No frame on a person's connection belongs to another's run, thread or user.       |
        | shared_agent_mixes_answers         | Of two people who ask at the same time, one gets the other's answer.                                     | ISOLATION-1 | Nothing on a person's connection holds another person's canary.                   |
        | canary_in_metadata                 | The answer carries, beside its text, what somebody else had noted down.                                  | ISOLATION-1 | Nothing on a person's connection holds another person's canary.                   |
        | canary_base64                      | The answer ends in letters that nobody can read: encoded, what somebody else had noted down.             | ISOLATION-1 | Nothing on a person's connection holds another person's canary.                   |
        | canary_split_over_two_frames       | One thought ends in half a word, the next begins with the rest: what somebody else had noted down.       | ISOLATION-1 | Nothing on a person's connection holds another person's canary.                   |
        | user_id_from_client_trusted        | Whoever writes another person's id into a question gets that person's answer.                            | REFUSAL-2   | Another person's conversation or run is refused, or a fresh one is given instead. |
        | foreign_thread_accepted            | Anybody can go on in a conversation of somebody else.                                                    | REFUSAL-2   | Another person's conversation or run is refused, or a fresh one is given instead. |
        | foreign_resume_accepted            | Anybody can have a conversation of somebody else shown to them.                                          | REFUSAL-2   | Another person's conversation or run is refused, or a fresh one is given instead. |
        | foreign_stop_accepted              | Anybody can stop an answer that somebody else waits for.                                                 | REFUSAL-2   | Another person's conversation or run is refused, or a fresh one is given instead. |
        | foreign_reach_met_with_silence     | Whoever reaches for a conversation of somebody else is left without any answer, and waits for ever.      | REFUSAL-2   | Another person's conversation or run is refused, or a fresh one is given instead. |
        | no_token_accepted                  | Whoever brings no token is let in as “anonymous”.                                                        | REFUSAL-1   | Nobody gets in without a valid pass.                                              |
        | bad_signature_accepted             | Nobody looks who signed a token: anybody can write one for anybody.                                      | REFUSAL-1   | Nobody gets in without a valid pass.                                              |
        | expired_token_accepted             | A token that has long expired still opens the chat.                                                      | REFUSAL-1   | Nobody gets in without a valid pass.                                              |
        | wrong_audience_accepted            | A token that was made for another service opens the chat.                                                | REFUSAL-1   | Nobody gets in without a valid pass.                                              |
        | token_in_query_accepted            | A token may stand in the address, and so in every log on the way.                                        | REFUSAL-1   | Nobody gets in without a valid pass.                                              |
        | survives_token_expiry              | Whoever is connected stays so, long after the token has expired.                                         | REFUSAL-3   | Access ends when the pass does, also for those who are connected.                 |
        | token_echoed_in_frame              | The greeting repeats the token with which somebody came.                                                 | CONTENT-5   | No token, secret or stack trace is shown to a person.                             |

  Rule: What lives between several machines

    @needs.replicas
    Scenario Outline: <defect>
      Given a backend of which people say: <what people say>
      When a release of it is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                             | what people say                                                                                   | rule         | promise                                                                           |
        | fan_out_to_one_replica             | Whoever is connected to another replica than the one that does the work hears nothing more of it. | LIFECYCLE-2  | A run ends exactly once: completed, failed or stopped.                            |
        | resume_knows_only_its_replica      | Whoever comes back is shown only what happened on the replica that they come back to.             | CONTINUITY-1 | Over a lost connection no event is lost.                                          |
        | redis_channel_shared_by_all_users  | What one person is answered on one replica, everybody on the other replica is shown.              | ISOLATION-1  | Nothing on a person's connection holds another person's canary.                   |
        | session_cache_keyed_by_thread_only | Whoever names a conversation that was lately used is taken for the person who used it.            | REFUSAL-2    | Another person's conversation or run is refused, or a fresh one is given instead. |
        | token_cache_ignores_expiry         | A token that was good once opens the chat for ever.                                               | REFUSAL-1    | Nobody gets in without a valid pass.                                              |

  Rule: Many people, who come, stay and go

    Scenario Outline: <defect>
      Given a backend of which people say: <what people say>
      When a release of it is judged
      Then it is blocked by <rule>: <promise>

      Examples:
        | defect                     | what people say                                                                  | rule         | promise                                                                               |
        | connections_capped         | Whoever comes when some people are already there is turned away.                 | SUCCESS      | Expected events arrived and were valid, and connections came about.                   |
        | refuses_after_churn        | After many people have come and gone, nobody is let in any more.                 | SUCCESS      | Expected events arrived and were valid, and connections came about.                   |
        | drops_one_in               | One answer in so many begins and never comes.                                    | SUCCESS      | Expected events arrived and were valid, and connections came about.                   |
        | memory_leak_per_run        | Each answer leaves something behind in the backend's memory.                     | MEMORY       | The backend does not fill up: no large growth, no leak by slope, nothing left behind. |
        | memory_leak_per_connection | Each person who has been there leaves something behind in the backend's memory.  | MEMORY       | The backend does not fill up: no large growth, no leak by slope, nothing left behind. |
        | handler_leak               | The backend goes on to serve people who have left.                               | MEMORY       | The backend does not fill up: no large growth, no leak by slope, nothing left behind. |
        | fd_leak                    | Each person who has been there leaves a file open.                               | MEMORY       | The backend does not fill up: no large growth, no leak by slope, nothing left behind. |
        | slow_client_stalls_others  | When somebody's line is slow, everybody else's answers stop until it takes more. | TIMELINESS-2 | The longest silence inside a run stays within budget.                                 |
