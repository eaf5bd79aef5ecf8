@functional
Feature: The user sees the result of each tool
  tool_completed shows what a tool found, or that it failed.

  Rule: Every tool that started shows its result

    Example: A tool shows its result
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      Then Ada receives the result of each tool

    Example: Two tools that run at the same time both show their results
      Given Farah is in a conversation
      When Farah asks a question that needs two tools at once
      Then Farah receives the result of each tool

  Rule: A tool that fails is shown as failed, and the conversation continues

    Example: A tool that fails is shown as failed, and the answer says so
      Given Goran is in a conversation
      When Goran asks a question whose tool fails
      Then Goran sees that the tool failed
      And Goran receives an answer that mentions the failure, or agent_failed

    Example: The question after a failed tool is answered
      Given Goran is in a conversation
      When Goran asks a question whose tool fails
      And Goran asks a question that needs a tool
      Then Goran receives the right answer
