@stress @alone
Feature: Many messages in little time
  The stress scale is the number of users: 25, or what --scale says.

  Rule: Questions without a pause are all answered

    Example: All users ask ten questions each without a pause
      Given the users of the stress scale
      When all of them ask 10 questions each, without a pause
      Then at least 99 of 100 questions were answered

  Rule: Clients that do not read do not slow down other users

    Example: The latency of other users holds while one client in ten reads nothing
      Given the users of the stress scale
      When of at most 50 of them one in 10 reads nothing, and the others ask for 2000 ms
      Then at least 99 of 100 questions were answered
      And the latency is within the target's thresholds
