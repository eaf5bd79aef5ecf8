@stress @alone
Feature: Everybody drops and comes back at once
  A train enters a tunnel, and leaves it again.

  Rule: Those who come back are served as if nothing had been

    Example: All lines break in the middle of an answer
      Given a crowd
      When all of them ask a question that takes long, and all lines break
      And all of them come back at the same moment and ask again
      Then everybody was let in
      And every question was answered
