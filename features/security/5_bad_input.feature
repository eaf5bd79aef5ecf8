@security @hostile @severity.critical
Feature: Bad input of one client does not affect other users
  Clients send invalid, oversized and excessive messages, by mistake or on purpose.

  Rule: Invalid messages are refused, and other users are not affected

    Example: Malformed messages of other clients do not affect a user's answer
      Given Ada is in a conversation
      When Ada begins a question that takes long
      And at the same moment other users' clients send:
        | message                            |
        | a truncated message                |
        | a message without its fields       |
        | a number as the prompt             |
        | a list instead of an object        |
        | a message nested 10000 levels deep |
        | a prompt of control characters     |
      Then each of these clients receives a clear error or is disconnected with a close code
      And Ada receives the right answer

    Example: Binary and oversized messages of other clients do not affect a user's answer
      Given Ada is in a conversation
      When Ada begins a question that takes long
      And at the same moment other users' clients send:
        | message                                |
        | a binary message                       |
        | text that is not UTF-8                 |
        | a message one byte over the size limit |
        | a prompt of 10 megabytes               |
      Then each of these clients receives a clear error or is disconnected with a close code
      And Ada receives the right answer
      And Bashir connects with a valid token and receives the right answer

  Rule: A client that floods the backend does not affect other users

    Example: A flood of 1000 pings does not affect another user's answer
      Given Ada and Bashir are each in a conversation of their own
      When Ada begins a question that takes long
      And Bashir's client sends 1000 pings without waiting
      Then Bashir is disconnected, or receives the right answer to another question
      And Ada receives the right answer
      And Bashir connects with a valid token and receives the right answer

    Example: 1000 unfinished handshakes do not keep users from connecting
      Given Ada is in a conversation
      When 1000 clients begin a handshake and never finish it
      Then Ada receives the right answer to another question
      And Bashir connects with a valid token and receives the right answer
