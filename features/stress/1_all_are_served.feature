@stress @alone
Feature: Twenty-five people and more are all served
  The day of the launch is not the day to find out.

  Rule: Everybody stays connected, and everybody is answered

    Example: All ask at the same moment, twice
      Given a crowd
      When all of them are connected for a while, and then ask at the same moment
      Then everybody was let in
      And every question was answered

    Example: All speak of their own secrets at the same moment
      Given a crowd
      When all of them tell the assistant something to remember, and ask for it
      Then every question was answered
      And everybody was reminded of their own secret, and of nobody else's
