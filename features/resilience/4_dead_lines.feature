@resilience @dead_lines
Feature: A dead line is noticed
  A line can be dead and look alive, and a slow one is not a dead one.

  Rule: Nobody works for a person who has gone without a word

    Example: A line that goes silent is let go, and a silent person is not
      Given Ada and Bashir are each in a conversation over an unsteady line
      When Ada's line goes dead without a word
      Then the backend lets go of Ada's line within its declared time
      And the backend has given signs of life to Bashir by itself
      And Bashir can go on asking

    Example: A sign of life while a tool is at work
      Given Chiara is in a conversation over an unsteady line
      When Chiara begins a question that takes long
      And Chiara's app asks for a sign of life once a tool is at work
      Then the sign of life came at once
      And Chiara gets the right answer

  @alone
  Rule: One slow person does not slow the others

    Example: Somebody whose line takes hardly anything
      Given Dayo and Emeka are each in a conversation over an unsteady line
      When Emeka asks a question that needs two tools three times at once
      And Dayo reads slowly and has asked a lot
      And Emeka asks a question that needs two tools three times at once
      Then Emeka's answers took no longer than a person would notice
      And Dayo gets every answer in the end
