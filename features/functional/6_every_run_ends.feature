@functional @severity.critical
Feature: Every run ends visibly
  A user is always told that a run is over: completed, failed or stopped.

  Rule: A run that was stopped ends, and other runs continue

    Example: A stopped run sends no more events while another user's run continues
      Given Ada and Bashir are each in a conversation of their own
      When both begin a question that takes long
      And Ada stops the run once a tool has started
      Then Bashir receives the right answer
      And agent_stopped is the last event that Ada receives

    Example: The question after a stopped run is answered
      Given Ada is in a conversation
      When Ada begins a question that takes long
      And Ada stops the run once a tool has started
      And Ada asks a question that needs a tool
      Then Ada receives the right answer

  Rule: A failed run ends with agent_failed

    Example: An agent that fails sends agent_failed with a text and no answer
      Given Bashir is in a conversation
      When Bashir asks a question that makes the agent fail
      Then Bashir receives agent_failed once, with a text, and no agent_completed

  Rule: The end of a sub-agent is not the end of the run

    Example: The answer arrives after the sub-agent has completed
      Given Chiara is in a conversation
      When Chiara asks a question that needs a sub-agent
      Then Chiara sees the sub-agent complete before the answer
      And Chiara receives the right answer
