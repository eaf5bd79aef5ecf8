@functional @hostile
Feature: Invalid messages get a clear error
  A client learns what was wrong with its message, and can correct it.

  Rule: An invalid message is refused with a clear error, and the conversation continues

    Scenario Outline: Sending <message> is refused with a clear error
      Given Ada is in a conversation
      When Ada's client sends <message>
      Then Ada receives a clear error
      And Ada receives the right answer to another question

      Examples:
        | message                    |
        | a truncated message        |
        | a message of unknown type  |
        | a request without a prompt |

  Rule: A message up to the size limit is served, and one over it is refused, not ignored

    Example: A question of exactly the size limit is answered
      Given Ada is in a conversation
      When Ada asks a question of exactly the size limit
      Then Ada receives the right answer

    Example: A message one byte over the size limit is refused
      Given Ada is in a conversation
      When Ada's client sends a message one byte over the size limit
      Then Ada receives a clear error or is disconnected with a close code
