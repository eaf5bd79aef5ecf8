@security @severity.critical
Feature: Hostile input hurts nobody else
  Somebody always sends what nobody should.

  Rule: What is malformed is refused, and others do not notice

    Example: Broken messages during another person's answer
      Given Ada is in a conversation
      When Ada begins a question that takes long
      And at the same moment other people's apps send:
        | message                             |
        | half a message                      |
        | a message without its parts         |
        | a number for a question             |
        | a list for a message                |
        | a message nested ten thousand times |
        | control characters                  |
      Then each of these apps is told clearly what is wrong, or is shown the door with a reason
      And Ada gets the right answer

    Example: Bytes and too many of them during another person's answer
      Given Ada is in a conversation
      When Ada begins a question that takes long
      And at the same moment other people's apps send:
        | message                       |
        | bytes that are no text        |
        | text that is no UTF-8         |
        | one byte more than is allowed |
        | ten megabytes                 |
      Then each of these apps is told clearly what is wrong, or is shown the door with a reason
      And Ada gets the right answer
      And Bashir's own pass opens the door

  Rule: Whoever makes noise makes it alone

    Example: A flood of pings during another person's answer
      Given Ada and Bashir are each in their own conversation
      When Ada begins a question that takes long
      And Bashir's app floods the backend with pings
      Then Ada gets the right answer
      And Bashir can go on asking, or is shown the door with a reason

    Example: Strangers who never finish coming in
      Given Ada is in a conversation
      When strangers crowd the door and never come in
      Then Ada can go on asking
      And Bashir's own pass opens the door
