@performance @alone
Feature: The first sign of life comes at once
  Somebody who has asked looks at the screen, and wonders.

  Rule: Work is seen to begin within the promised time

    Example: Nobody else is there
      Given Bashir is in a conversation
      When Bashir asks a question that needs a tool
      Then Bashir waits no longer for the first sign than promised

    Example: Somebody asks again and again
      When 1 person asks in turn
      Then the first sign of each answer came within the promised time

    Example: Twenty-five people ask at the same moment, and then whenever they like
      When 25 people ask, and ask again after half a second
      Then the first sign of each answer came within the promised time
