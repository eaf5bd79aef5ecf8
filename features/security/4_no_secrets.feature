@security @severity.critical
Feature: No message to a user holds a secret
  Tokens, keys and stack traces help an attacker.

  Rule: No message holds a token, a key or a stack trace

    Example: An answer with two tools holds no secret
      Given Ada is in a conversation
      When Ada asks a question that needs two tools
      Then Ada has received messages, and none of them holds a secret

    Example: An answer whose tool fails holds no secret
      Given Ada is in a conversation
      When Ada asks a question whose tool fails
      Then Ada has received messages, and none of them holds a secret

    Example: The error of an agent that fails holds no secret
      Given Ada is in a conversation
      When Ada asks a question that makes the agent fail
      Then Ada has received messages, and none of them holds a secret

    Example: The error for a message that is not UTF-8 holds no secret
      Given Ada is in a conversation
      When Ada's client sends text that is not UTF-8
      Then Ada has received messages, and none of them holds a secret
