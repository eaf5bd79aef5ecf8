@functional @severity.critical
Feature: A run ends visibly in every case
  Nobody should look at a spinner that will never stop.

  Rule: Stop means stop

    Example: Stopped work stays stopped, however long others work on
      Given Ada and Bashir are each in their own conversation
      When both begin a question that takes long
      And Ada says stop once a tool is at work
      Then Bashir gets the right answer
      And Ada sees that the work was stopped, and nothing after that

    Example: Stopping one piece of work leaves the conversation usable
      Given Ada is in a conversation
      When Ada begins a question that takes long
      And Ada says stop once a tool is at work
      And Ada asks a question that needs a tool
      Then Ada gets the right answer

  Rule: An agent that fails says so

    Example: The agent gives up
      Given Bashir is in a conversation
      When Bashir asks a question that the agent gives up on
      Then Bashir is told clearly that there will be no answer

  Rule: The end of a helper is not the end

    Example: The agent asks a helper
      Given Chiara is in a conversation
      When Chiara asks a question that needs a helper
      Then Chiara sees the helper finish before the answer
      And Chiara gets the right answer
