@integration
Feature: A conversation of several turns
  A later question can refer to an earlier one.

  Rule: Each turn is complete, and all turns belong to one conversation

    Example: Three questions in one conversation each receive a complete answer
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      And Ada continues with a question that needs no tool
      And Ada continues with a question that needs two tools
      Then each of Ada's questions has a complete and right answer
      And all answers belong to one conversation

  Rule: A conversation continues after every use of tools

    Example: Up to 45 conversations of five users continue after tools were used
      Given 5 users are each in a conversation of their own
      When each of them continues a conversation after a question that needs tools, up to 9 times in 60 seconds
      Then every one of their questions has the right answer

  Rule: A question can be changed, and answered anew

    Example: A changed question takes the place of the one before
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      And Ada continues with a question that needs no tool
      And Ada changes the last question into a question about the one before
      Then Ada receives the right answer

    Example: Another answer to a question knows what was asked before it
      Given Bashir is in a conversation
      When Bashir asks a question that needs a tool
      And Bashir continues with a question about the one before
      And Bashir asks for another answer to the last question
      Then Bashir receives the right answer

  Rule: A later answer knows the earlier turn

    Example: A question about the previous question receives the right answer
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      And Ada continues with a question about the previous question
      Then Ada receives the right answer

    Example: A user receives the word that the assistant was told to remember
      Given Emeka is in a conversation
      When Emeka tells the assistant something to remember
      And Emeka continues with a question about what to remember
      Then Emeka receives the right answer
