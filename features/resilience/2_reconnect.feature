@resilience @coming_back
Feature: Users reconnect
  Once or ten times, at once or later, from the same address or another one.

  Rule: However often a connection is lost, the answer is made once and arrives whole

    Example: Ten reconnects that begin during one answer lose nothing of it
      Given Dayo is in a conversation over an unstable connection
      When Dayo begins a question that takes long
      And Dayo's connection is lost and restored 10 times, beginning during the answer
      Then Dayo receives the right answer

    Example: A tab that loses its connection reconnects, and both tabs are answered
      Given Ada has two tabs open over unstable connections
      When Ada begins a question that takes long in each tab
      And Ada's second tab loses its connection once a tool has started
      And Ada reconnects
      Then each of Ada's questions has a complete and right answer

  Rule: Events sent while a user is disconnected arrive after the reconnect

    Example: Three answers begun before the connection was lost arrive after the reconnect
      Given Emeka is in a conversation over an unstable connection
      When Emeka begins at the same moment:
        | question                        |
        | a question that needs a tool    |
        | a question that needs two tools |
        | a question that needs a tool    |
      And Emeka's connection is lost once every answer has begun
      And Emeka reconnects after 1000 ms
      Then each of Emeka's questions has a complete and right answer

    Example: What the assistant asks is shown again after the page was reloaded
      Given Bashir is in a conversation over an unstable connection
      When Bashir begins a question that needs approval
      And Bashir reloads the page when the assistant asks
      And Bashir approves what the assistant asks
      Then Bashir receives the right answer

    Example: A user who reconnects from another address receives the rest of the answer
      Given Farah is in a conversation over an unstable connection
      When Farah begins a question that takes long
      And Farah's connection is lost once a tool has started
      And Farah reconnects from another address
      Then Farah receives the right answer

    Example: A user whose token expired while away receives the rest after signing in
      Given Goran is in a conversation over an unstable connection
      When Goran begins a question that takes long
      And Goran's connection is lost once a tool has started
      And Goran reconnects with an expired token, and then with a new one
      Then Goran receives the right answer

  Rule: What a user leaves behind goes on or ends, as the backend promises

    Example: An answer that its user leaves goes on or ends, as the profile promises
      Given Ada is in a conversation over an unstable connection
      When Ada begins a question that takes long
      And Ada leaves once a tool has started, and is back at once
      And Ada continues with a question that needs a tool
      Then the answer that Ada left has gone on, or has ended where that is promised
      And Ada receives the right answer

  @alone
  Rule: All users can reconnect at the same moment

    Example: 25 users lose their connections at once and reconnect within 5 seconds
      Given 25 users are each in a conversation over an unstable connection
      When all of them begin a question that takes long
      And all of them lose their connections once their answers have begun
      And all of them reconnect at the same moment
      Then at least 99 of 100 users are back within 5 seconds
      And each of them receives the right answer
