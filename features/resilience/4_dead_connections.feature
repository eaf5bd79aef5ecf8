@resilience @dead_lines
Feature: A dead connection is noticed
  A dead connection can look open, and a slow connection is not a dead one.

  Rule: The backend closes a connection whose client no longer responds

    Example: A connection that no longer responds is closed, and an idle one stays open
      Given Ada and Bashir are each in a conversation over an unstable connection
      When Ada's connection stops responding without a close
      Then the backend closes Ada's connection within the half-open budget
      And the backend has sent heartbeats to Bashir
      And Bashir receives the right answer to another question

    Example: Heartbeats go on while tools run
      Given Farah is in a conversation
      When Farah begins a question that takes several seconds
      Then the backend sends a heartbeat to Farah while tools run

    Example: A ping sent after a tool has started is answered
      Given Chiara is in a conversation over an unstable connection
      When Chiara begins a question that takes long
      And Chiara's client sends a ping once a tool has started
      Then the ping is answered within the ping budget
      And Chiara receives the right answer

  @alone
  Rule: A slow connection does not slow down other users

    Example: A user who reads 1000 bytes per second does not slow down another user
      Given Dayo and Emeka are each in a conversation over an unstable connection
      When Emeka asks a question that needs two tools 3 times at the same moment
      And Dayo reads 1000 bytes per second and begins a question that needs two tools 10 times
      And Emeka asks a question that needs two tools 3 times at the same moment
      Then Emeka's fastest answer of the second round took at most 2 times the slowest of the first plus 500 ms
      And Dayo receives every answer once the connection is fast again
