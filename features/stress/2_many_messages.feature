@stress @alone
Feature: Many messages in little time
  Haste is no excuse for a mistake.

  Rule: However fast people ask, every answer is whole and right

    Example: Nobody takes a breath
      Given a crowd
      When all of them ask again as soon as they are answered
      Then every question was answered

  Rule: A slow line is the problem of those who have it

    Example: Some people's lines are so slow that they take nothing in
      Given a crowd
      When some of them have very slow lines, and the others ask
      Then every question of the others was answered
      And the others were answered within the promised time
