@performance @alone
Feature: Events arrive as they happen
  The thresholds are those of the target: latency_ms_avg, and p95 and p99 where it sets them.

  Rule: Latency stays within the target's thresholds

    Example: Event latency with 25 users is within the target's thresholds
      When 25 users ask at a steady rate
      Then the latency is within the target's thresholds
      And no answer was silent for longer than the silence budget

    Example: The events of a long answer are spread over its time
      Given Dayo is in a conversation
      When Dayo asks a question that takes long
      Then the events arrive as they happen, if the answer takes 500 ms or more
      And Dayo receives the right answer

  Rule: A ping is answered during a run

    Example: A ping during an answer is answered within the ping budget
      Given Ada is in a conversation
      When Ada begins a question that takes long
      And Ada's client sends a ping
      Then the ping is answered within the ping budget
      And Ada receives the right answer
