@performance @alone
Feature: Work begins soon after the question
  The time to agent_started is the first thing that a user waits for.

  Rule: The time to agent_started stays within the target's budget and thresholds

    Example: A single user receives agent_started within the start budget
      Given Bashir is in a conversation
      When Bashir asks a question that needs a tool
      Then Bashir receives agent_started within the start budget

    Example: Latency with one user at a steady rate is within the target's thresholds
      When 1 user asks at a steady rate
      Then the latency is within the target's thresholds

    Example: Latency with 25 users who pause between questions is within the thresholds
      When 25 users ask for 2500 ms, each with a pause of 500 ms after an answer
      Then the latency is within the target's thresholds
