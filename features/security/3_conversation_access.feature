@security @severity.critical
Feature: A user has no access to another user's conversation
  A conversation belongs to the user who began it.

  Rule: Access to another user's conversation or run is refused

    Example: A question in another user's conversation is refused
      Given Ada and Bashir are each in a conversation of their own
      When Ada tells the assistant a secret
      And Bashir asks in Ada's conversation
      Then Bashir is refused, or served without Ada's data
      And Ada receives the right answer to another question

    Example: A question in another user's conversation is refused while its owner is answered there
      Given Ada and Bashir are each in a conversation of their own
      When Ada tells the assistant a secret
      And Bashir asks in Ada's conversation while a question that takes long is answered there
      Then Bashir is refused, or served without Ada's data
      And Ada receives the right answer

    Example: Restoring another user's conversation is refused
      Given Ada and Bashir are each in a conversation of their own
      When Ada tells the assistant a secret
      And Bashir asks to restore Ada's conversation
      Then Bashir is refused, or served without Ada's data
      And Bashir receives the right answer to another question

    Example: Restoring another user's conversation is refused while its owner is answered there
      Given Ada and Bashir are each in a conversation of their own
      When Ada tells the assistant something to remember
      And Bashir asks to restore Ada's conversation while a question that takes long is answered there
      Then Bashir is refused, or served without Ada's data
      And Ada receives the right answer

    Example: Resuming from the id of another user's event is refused
      Given Ada and Bashir are each in a conversation of their own
      When Bashir resumes from the id of an event of Ada's
      Then Bashir is refused, or served without Ada's data
      And Ada receives the right answer to another question

    Example: A message to the address of another user's channel is refused
      Given Ada and Bashir are each in a conversation of their own
      When Bashir sends a question to the address of Ada's channel
      Then Bashir is refused, or served without Ada's data
      And Ada receives the right answer to another question

    Example: Stopping another user's run is refused
      Given Ada and Bashir are each in a conversation of their own
      When Ada begins a question that takes long
      And Bashir tries to stop Ada's run
      Then Bashir is refused, or served without Ada's data
      And Ada receives the right answer

    Example: Approving what another user is asked is refused
      Given Ada and Bashir are each in a conversation of their own
      When Ada begins a question that needs no tool
      And Bashir tries to approve what Ada is asked
      And Ada denies what the assistant asks
      Then Bashir is refused, or served without Ada's data
      And Ada's question ends without its tool

  Rule: A conversation stays its owner's after the owner has disconnected

    Example: A question in another user's conversation is refused once its owner has disconnected
      Given Ada and Bashir are each in a conversation of their own
      When Ada tells the assistant a secret
      And Ada disconnects
      And Bashir asks in Ada's conversation
      Then Bashir is refused, or served without Ada's data

    Example: Restoring another user's conversation is refused once its owner has disconnected
      Given Ada and Bashir are each in a conversation of their own
      When Ada tells the assistant a secret
      And Ada disconnects
      And Bashir asks to restore Ada's conversation
      Then Bashir is refused, or served without Ada's data

  Rule: The id of another user's request gives no access to its answer

    Example: A question with the id of another user's answered request receives nothing of that answer
      Given Ada and Bashir are each in a conversation of their own
      When Ada tells the assistant a secret
      And Bashir asks a question that needs no tool with the id of Ada's request
      Then Bashir is refused, or served without Ada's data

    Example: A question with the id of another user's request in progress receives nothing of its answer
      Given Ada and Bashir are each in a conversation of their own
      When Ada begins a question that takes long
      And meanwhile Bashir asks a question that needs no tool with the id of Ada's request
      Then Bashir is refused, or served without Ada's data
      And Ada receives the right answer

  Rule: The token decides who the user is, whatever a message claims

    Example: A question with another user's id does not reach that user's data
      Given Ada and Bashir are each in a conversation of their own
      When each of them tells the assistant something to remember
      And Bashir claims Ada's user id and asks a question about what to remember
      Then Bashir is refused, or served without Ada's data
