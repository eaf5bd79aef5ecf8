@functional
Feature: The user sees that work began
  agent_started tells a user that the question has arrived and is being worked on.

  Rule: Every answer begins with agent_started, exactly once

    Example: A question that needs a tool first receives agent_started, once
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      Then Ada receives agent_started exactly once
      And agent_started is the first event that Ada receives

    Example: A question that needs no tool first receives agent_started, once
      Given Ada is in a conversation
      When Ada asks a question that needs no tool
      Then Ada receives agent_started exactly once
      And agent_started is the first event that Ada receives

  Rule: agent_started arrives within the start budget of the target

    Example: agent_started arrives within the start budget of the target
      Given Bashir is in a conversation
      When Bashir asks a question that needs a tool
      Then Bashir receives agent_started within the start budget
