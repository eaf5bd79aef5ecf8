@security @severity.critical
Feature: Nobody reaches into another person's conversation
  A conversation belongs to the person who began it.

  Rule: What is another person's is refused

    Example: Going on in it
      Given Ada and Bashir are each in their own conversation
      When Ada tells the assistant something to remember
      And Bashir asks in Ada's conversation
      Then Bashir gets nothing of Ada's
      And Ada can go on asking

    Example: Having it shown
      Given Ada and Bashir are each in their own conversation
      When Ada tells the assistant something to remember
      And Bashir asks to be shown Ada's conversation
      Then Bashir gets nothing of Ada's
      And Bashir can go on asking

    Example: Stopping an answer
      Given Ada and Bashir are each in their own conversation
      When Ada begins a question that takes long
      And Bashir says stop to Ada's work
      Then Bashir gets nothing of Ada's
      And Ada gets the right answer

  Rule: A person is who their pass says, whatever they claim

    Example: Asking in another person's name
      Given Ada and Bashir are each in their own conversation
      When Ada tells the assistant something to remember
      And Bashir claims to be Ada and asks a question about what to remember
      Then Bashir gets nothing of Ada's
