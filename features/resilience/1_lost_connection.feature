@resilience @lost_line @severity.critical
Feature: A lost connection loses no events
  A user whose connection is lost reconnects, and receives the rest of the answer.

  Rule: Wherever and however a connection is lost, the whole answer arrives after the reconnect

    @alone @crowd
    Example: An answer that is cut before, inside or after any event arrives whole
      Given the complete answer to a question that needs two tools is known
      When that answer is repeated with a cut at each event and inside it, in each way, and a reconnect
      Then every cut answer is complete, with no event lost, repeated or out of order

    Example: An answer that is still in progress when its user is back arrives whole
      Given the complete answer to a question that takes long is known
      When that answer is cut at several places, and its user reconnects while it is in progress
      Then every cut answer is complete, with no event lost, repeated or out of order

    Example: An answer that is cut while a sub-agent works arrives whole
      Given the complete answer to a question that needs a sub-agent is known
      When that answer is cut while the sub-agent works, and its user reconnects
      Then every cut answer is complete, with no event lost, repeated or out of order

    Example: A connection lost after a tool has started loses no event
      Given Ada is in a conversation over an unstable connection
      When Ada begins a question that takes long
      And Ada's connection is lost once a tool has started
      And Ada reconnects
      Then Ada receives the right answer
      And Ada receives these events in this order:
        | event           |
        | agent_started   |
        | tool_executing  |
        | tool_completed  |
        | agent_completed |

  Rule: A user who reconnects can ask, whenever the connection was lost

    Example: A user reconnects and is answered after a connection lost in the handshake
      When Bashir's connection is lost during the handshake
      And Bashir reconnects
      And Bashir asks a question that needs a tool
      Then Bashir receives the right answer

    Example: A conversation continues after a connection lost between two questions
      Given Chiara is in a conversation over an unstable connection
      When Chiara asks a question that needs a tool
      And Chiara's connection is lost
      And Chiara reconnects
      And Chiara continues with a question about the previous question
      Then Chiara receives the right answer
