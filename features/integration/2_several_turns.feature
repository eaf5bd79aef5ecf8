@integration
Feature: A conversation of several turns
  A conversation is more than questions in a row.

  Rule: Each turn is whole, and all belong to one conversation

    Example: Three turns
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      And Ada goes on with a question that needs no tool
      And Ada goes on with a question that needs two tools
      Then each of Ada's questions was answered in full
      And all of it happened in one conversation

  Rule: A later answer knows the earlier turn

    Example: Asking back
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      And Ada goes on with a question about the one before
      Then Ada gets the right answer

    Example: Something to remember
      Given Emeka is in a conversation
      When Emeka tells the assistant something to remember
      And Emeka goes on with a question about what to remember
      Then Emeka gets the right answer
