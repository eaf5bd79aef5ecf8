@integration
Feature: A whole answer from question to result
  All that the person sees, in the order in which it makes sense.

  Rule: The five moments come in order

    Example: A question that needs a tool
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      Then Ada sees, in this order:
        | moment              |
        | work began          |
        | reasoning           |
        | a tool is at work   |
        | the tool's result   |
        | the answer is ready |

    Example: A question that needs two tools
      Given Ada is in a conversation
      When Ada asks a question that needs two tools
      Then Ada sees, in this order:
        | moment              |
        | work began          |
        | a tool is at work   |
        | the tool's result   |
        | a tool is at work   |
        | the tool's result   |
        | the answer is ready |

  Rule: The line stays alive while the backend works

    Example: A sign of life during a long piece of work
      Given Dayo is in a conversation
      When Dayo begins a question that takes long
      And Dayo's app asks for a sign of life
      Then the sign of life came at once
      And Dayo gets the right answer
