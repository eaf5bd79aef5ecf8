@functional
Feature: The user can follow the reasoning
  agent_thinking shows a user what the assistant does before it answers.

  Rule: Reasoning arrives between the start and the answer, as text

    Example: The reasoning for a question that needs a tool arrives before the answer
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      Then Ada receives agent_thinking between agent_started and agent_completed

    Example: The reasoning for a question that needs no tool arrives before the answer
      Given Chiara is in a conversation
      When Chiara asks a question that needs no tool
      Then Chiara receives agent_thinking between agent_started and agent_completed

  Rule: Long work sends reasoning while it runs

    Example: Reasoning arrives during long work, and not at its end
      Given Dayo is in a conversation
      When Dayo asks a question that takes long
      Then Dayo receives agent_thinking between agent_started and agent_completed
      And the events arrive as they happen, if the answer takes 500 ms or more
