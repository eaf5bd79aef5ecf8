@stress @alone
Feature: Many users at once are all served
  The stress scale is the number of users: 25, or what --scale says.

  Rule: Users stay connected, and their questions are answered

    Example: All users connect, wait and ask two questions each
      Given the users of the stress scale
      When all of them stay connected for 1000 ms and then ask 2 questions each
      Then at least 99 of 100 connections were accepted
      And at least 99 of 100 questions were answered

    Example: All users ask for their own secrets and each receives only their own
      Given the users of the stress scale
      When all of them tell the assistant something to remember, and then ask for it
      Then at least 99 of 100 questions were answered
      And each of them received their own secret, and nothing of the others
