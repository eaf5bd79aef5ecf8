@resilience @alone @backend_restarts
Feature: Users continue after a restart of the backend
  A release or a crash ends no conversation.

  Rule: A run that the restart interrupts has a clear end, and earlier conversations continue

    Scenario Outline: When the backend is <ended>, its runs end and its conversations continue
      Given Ada is in a conversation over an unstable connection
      When Ada asks a question that needs a tool
      And Ada begins a question that takes long
      And the backend is <ended> once a tool has started
      Then Ada's last question ends with an answer or an error text
      And Ada can continue the earlier conversation

      Examples:
        | ended     |
        | restarted |
        | killed    |
