@performance @alone
Feature: Latency and throughput hold with more users
  Response times and throughput hold for 25 users as they do for one.

  Rule: Latency grows by no more than a factor of 5 from 1 user to 25, or stays within the threshold

    Example: Latency with 25 users is at most 5 times that with one user
      When 1 user asks at a steady rate
      And 25 users ask at a steady rate
      Then the p95 latency of 25 users is at most 5 times that of 1 user, or within the target's threshold

  Rule: Answers keep pace with the questions

    Scenario Outline: With <users> users the answer rate is at least 70 percent of the question rate
      When <users> users ask at a steady rate
      Then the answer rate is at least 70 percent of the question rate, and no question was dropped

      Examples:
        | users |
        | 10    |
        | 25    |
