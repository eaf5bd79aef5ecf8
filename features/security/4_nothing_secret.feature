@security @severity.critical
Feature: Nothing secret is shown
  Passes, keys and stack traces tell a stranger how to get in.

  Rule: What people see holds nothing of the inside

    Example: In an ordinary answer
      Given Ada is in a conversation
      When Ada asks a question that needs two tools
      Then Ada was shown something, and nothing secret

    Example: When a tool fails
      Given Ada is in a conversation
      When Ada asks a question whose tool fails
      Then Ada was shown something, and nothing secret

    Example: When the agent gives up
      Given Ada is in a conversation
      When Ada asks a question that the agent gives up on
      Then Ada was shown something, and nothing secret

    Example: When a message cannot be understood
      Given Ada is in a conversation
      When Ada's app sends text that is no UTF-8
      Then Ada was shown something, and nothing secret
