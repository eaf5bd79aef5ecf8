@functional @severity.critical
Feature: The user knows that the answer is ready
  agent_completed holds the answer to this question, and is the last event of it.

  Rule: The answer is the answer to the question that was asked

    Example: A question that needs a tool receives the right answer
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      Then Ada receives the right answer

    Example: A question that needs no tool is answered without a tool
      Given Ada is in a conversation
      When Ada asks a question that needs no tool
      Then Ada receives the right answer
      And the answer shows no tool

    Example: A question that needs two tools receives an answer with both results
      Given Hana is in a conversation
      When Hana asks a question that needs two tools
      Then Hana receives the right answer

    Example: A question in several scripts receives the right answer
      Given Ada is in a conversation
      When Ada asks a question that mixes several scripts
      Then Ada receives the right answer

    Example: A question of more than 2,000 characters receives the right answer
      Given Ada is in a conversation
      When Ada asks a question that has more than 2,000 characters
      Then Ada receives the right answer

    Example: A long answer in several scripts arrives whole
      Given Ada is in a conversation
      When Ada asks a question that asks for a long answer
      Then Ada receives the right answer

    Example: Different questions receive different answers
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      And Ada asks a question that needs no tool
      Then Ada receives the right answer

  Rule: The answer is the last event

    Example: No event follows the answer
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      Then agent_completed is the last event that Ada receives
