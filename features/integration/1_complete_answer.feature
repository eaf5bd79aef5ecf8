@integration
Feature: A complete answer from question to result
  All five events arrive in order.

  Rule: The five events arrive in order

    Example: The events of a question that needs a tool arrive in order
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      Then Ada receives these events in this order:
        | event           |
        | agent_started   |
        | agent_thinking  |
        | tool_executing  |
        | tool_completed  |
        | agent_completed |

    Example: The events of a question that needs two tools arrive in order
      Given Ada is in a conversation
      When Ada asks a question that needs two tools
      Then Ada receives these events in this order:
        | event           |
        | agent_started   |
        | tool_executing  |
        | tool_completed  |
        | tool_executing  |
        | tool_completed  |
        | agent_completed |

  Rule: A ping is answered during a run

    Example: A WebSocket ping after a question is answered
      Given Emeka is in a conversation
      When Emeka begins a question that needs two tools
      And Emeka's client sends a WebSocket ping
      Then the ping is answered within the ping budget
      And Emeka receives the right answer

    Example: A ping after a question that takes long is answered
      Given Dayo is in a conversation
      When Dayo begins a question that takes long
      And Dayo's client sends a ping
      Then the ping is answered within the ping budget
      And Dayo receives the right answer
