@stress @alone
Feature: The backend does not leak memory
  The limit is memory_mb_growth of the target; the soak time is 20 seconds, or what --soak says.
  A soak of 20 seconds or less ends early once it is clear that memory does not grow. Growth is watched for up to three
  times as long before it counts as a leak.

  Rule: Answers do not leak memory

    Example: Memory does not leak while users ask for the soak time
      Given the users of the stress scale
      When at most 10 of them ask for the soak time
      Then the backend leaks no memory, and its growth is within the target's limit

  Rule: The resources of users who have left are released

    Example: Memory, files and connections are released after all users left ten times
      Given the users of the stress scale
      When all of them connect and disconnect 10 times
      Then at least 99 of 100 connections were accepted
      And the backend has released their memory, files and connections

    Example: Runs end after their users have left
      Given the users of the stress scale
      When at most 5 of them ask a question that takes long, and leave for good after 400 ms
      Then the backend has ended their runs
