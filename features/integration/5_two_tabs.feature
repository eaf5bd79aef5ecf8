@integration
Feature: Two tabs of one user
  A user can be connected twice, for instance with a laptop and a phone.

  Rule: An answer arrives in the tab that asked

    Example: A question in each of two tabs is answered in that tab
      Given Ada has two tabs open
      When Ada asks a question that needs a tool in each tab
      Then each of Ada's questions has a complete and right answer
      And each answer ended in the tab that asked, and in no other

    Example: A question in the first of two tabs is answered in the first tab
      Given Ada has two tabs open
      When Ada asks a question that needs a tool in the first tab
      Then Ada receives the right answer
      And each answer ended in the tab that asked, and in no other

  Rule: A closed tab takes nothing of another tab with it

    Example: A tab that is closed during its answer leaves the other tab its answer
      Given Ada has two tabs open
      When Ada begins a question that takes long in each tab
      And Ada closes the second tab once its tool has started
      Then Ada receives the right answer in the first tab

  Rule: Two tabs can ask in one conversation

    Example: Of two questions that two tabs send at once in one conversation, none is lost
      Given Ada has two tabs open
      When Ada asks a question that needs a tool in the first tab
      And Ada's tabs continue with a question that takes long and a question that needs two tools at the same moment
      Then one of Ada's last two questions has the right answer, and the other has it or is refused

  Rule: A tab can restore the conversation of another tab

    Example: The second tab restores the conversation and receives the answer
      Given Ada has two tabs open
      When Ada asks a question that needs a tool in the first tab
      And Ada's second tab restores the conversation
      Then Ada receives the right answer, and its end in both tabs
