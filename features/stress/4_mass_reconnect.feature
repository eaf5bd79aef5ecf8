@stress @alone
Feature: All users lose their connections and reconnect at once
  A failed network between users and backend ends all connections at the same moment.

  Rule: Users who reconnect at the same moment are served

    Example: All users reconnect and are answered after all connections were cut
      Given the users of the stress scale
      When all of them ask a question that takes long, and all connections are cut after 400 ms
      And all of them reconnect at the same moment and ask again
      Then at least 99 of 100 connections were accepted
      And at least 99 of 100 questions were answered
