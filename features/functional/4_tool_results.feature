@functional
Feature: The person sees what the tool found
  A result belongs to its tool, also when the result is that it failed.

  Rule: Every tool that began is seen to finish

    Example: The result belongs to its tool
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      Then Ada sees what the tool found

    Example: Results of two tools at once reach the right tool
      Given Farah is in a conversation
      When Farah asks a question that needs two tools at once
      Then Farah sees what each tool found

  Rule: A tool that fails is shown as failed, and the conversation goes on

    Example: A tool fails in the middle of an answer
      Given Goran is in a conversation
      When Goran asks a question whose tool fails
      Then Goran sees that the tool failed
      And Goran gets an answer that says so, or is told that there will be none

    Example: The next question is answered as if nothing had been
      Given Goran is in a conversation
      When Goran asks a question whose tool fails
      And Goran asks a question that needs a tool
      Then Goran gets the right answer
