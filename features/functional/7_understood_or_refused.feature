@functional
Feature: The backend understands or says that it does not
  Silence is the worst error message.

  Rule: What cannot be understood is refused clearly, and the conversation goes on

    Scenario Outline: <what> is refused
      Given Ada is in a conversation
      When Ada's app sends <what>
      Then Ada's app is told clearly what is wrong
      And Ada can go on asking

      Examples:
        | what                       |
        | half a message             |
        | a message of no known kind |
        | a question without words   |

  Rule: What is too large is refused, not swallowed

    Example: A message one byte larger than allowed
      Given Ada is in a conversation
      When Ada's app sends one byte more than is allowed
      Then Ada's app is told clearly what is wrong, or is shown the door with a reason
