@functional
Feature: The backend understands or says that it does not
  Silence is the worst error message.

  Rule: What cannot be understood is refused clearly, and the conversation goes on

    Example Outline: <Something> is sent
      Given Ada is in a conversation
      When Ada's app sends <something>
      Then Ada's app is told clearly what is wrong
      And Ada can go on asking

      Examples:
        | Something                | something                |
        | Half a message           | half a message           |
        | A message of no known kind | a message of no known kind |
        | A question without words | a question without words |

  Rule: What is too large is refused, not swallowed

    Example: A message far larger than allowed
      Given Ada is in a conversation
      When Ada's app sends a message that is far too large
      Then Ada's app is told clearly what is wrong, or is shown the door with a reason
