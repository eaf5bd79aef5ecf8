@performance @alone
Feature: More people do not make it slower than promised
  A full house is what it was built for.

  Rule: Many are served nearly as fast as one

    Example: One person, and then twenty-five
      When 1 person asks in turn
      And 25 people ask in turn
      Then many were at most 5 times slower than one, or as fast as promised

  Rule: Answers keep up with the questions

    Scenario Outline: <people> people ask in turn
      When <people> people ask in turn
      Then the answers kept up with the questions

      Examples:
        | people |
        | 10     |
        | 25     |
