@functional @severity.critical
Feature: A user decides whether a tool may run
  Where a tool needs approval, the assistant asks, waits for the answer, and does what it says.

  Rule: What was approved runs, and it runs once

    Example: A tool that is approved runs after the approval
      Given Ada is in a conversation
      When Ada begins a question that needs approval
      And Ada approves what the assistant asks
      Then Ada receives the right answer
      And the tool of Ada's question ran once, after it was approved

    Example: A second approval changes nothing
      Given Bashir is in a conversation
      When Bashir begins a question that needs approval
      And Bashir approves twice what the assistant asks
      Then Bashir receives the right answer
      And the tool of Bashir's question ran once, after it was approved

  Rule: What was not approved does not run

    Example: A tool that is denied does not run
      Given Chiara is in a conversation
      When Chiara begins a question that needs approval
      And Chiara denies what the assistant asks
      Then Chiara's question ends without its tool

    Example: An approval that nobody gives ends visibly
      Given Dayo is in a conversation
      When Dayo begins a question that asks for an approval that nobody gives
      And Dayo does not answer what the assistant asks
      Then Dayo's question ends without its tool
