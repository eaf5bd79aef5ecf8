@integration
Feature: Two windows of one person
  A laptop and a phone, one person.

  Rule: An answer appears where it was asked for

    Example: A question in each window
      Given Ada has two windows open
      When Ada asks a question that needs a tool in each window
      Then each of Ada's questions was answered in full
      And each answer appeared in the window where it was asked for

    Example: A question in the older window
      Given Ada has two windows open
      When Ada asks a question that needs a tool in the older window
      Then Ada gets the right answer
      And each answer appeared in the window where it was asked for

  Rule: A window can catch up with the conversation

    Example: The second window asks for what it missed
      Given Ada has two windows open
      When Ada asks a question that needs a tool in the older window
      And Ada's newer window catches up with the conversation
      Then Ada's newer window shows the same answer
