@functional
Feature: The person can follow the reasoning
  A person who sees the assistant think stays patient, and trusts the answer.

  Rule: Reasoning is shown while it happens, in words

    Example: Reasoning comes between the beginning and the answer
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      Then Ada can read the reasoning before the answer

    Example: Small talk shows its reasoning too
      Given Chiara is in a conversation
      When Chiara asks a question that needs no tool
      Then Chiara can read the reasoning before the answer

  Rule: Long work is not a silence with an answer at its end

    Example: Reasoning is shown more than once in long work
      Given Dayo is in a conversation
      When Dayo asks a question that takes long
      Then Dayo can read the reasoning 2 times or more
      And the news came while the work went on
