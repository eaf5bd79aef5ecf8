@functional @severity.critical
Feature: The person knows that the answer is ready
  The answer comes once, comes last, and answers this question.

  Rule: The answer answers the question that was asked

    Example: The result of a calculation
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      Then Ada gets the right answer

    Example: An answer without any tool
      Given Ada is in a conversation
      When Ada asks a question that needs no tool
      Then Ada gets the right answer
      And no tool was at work

    Example: An answer made of two results
      Given Hana is in a conversation
      When Hana asks a question that needs two tools
      Then Hana gets the right answer

  Rule: The answer is the end

    Example: Nothing follows the answer
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      Then the answer is the last thing that Ada sees
