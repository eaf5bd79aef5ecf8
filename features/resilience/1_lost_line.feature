@resilience @lost_line @severity.critical
Feature: A lost connection loses nothing
  Lifts have no signal, laptops are closed, and the assistant works on.

  Rule: Wherever and however a line is lost, the whole answer arrives in the end

    @alone @crowd
    Example: The line is lost at every moment of an answer, in every way
      Given a question that needs two tools and has been answered once
      When the line is lost at each moment of its answer, in each way, and people come back
      Then every answer was whole, with nothing twice and nothing out of order

    Example: The line is lost while a tool is at work
      Given Ada is in a conversation over an unsteady line
      When Ada begins a question that takes long
      And Ada's line is lost once a tool is at work
      And Ada comes back
      Then Ada gets the right answer
      And Ada sees, in this order:
        | moment              |
        | work began          |
        | a tool is at work   |
        | the tool's result   |
        | the answer is ready |

  Rule: Whoever comes back can go on, whatever was lost

    Example: The line is lost before the conversation begins
      When Bashir's line is lost while he is let in
      And Bashir comes back
      And Bashir asks a question that needs a tool
      Then Bashir gets the right answer

    Example: The line is lost between two questions
      Given Chiara is in a conversation over an unsteady line
      When Chiara asks a question that needs a tool
      And Chiara's line is lost
      And Chiara comes back
      And Chiara goes on with a question about the one before
      Then Chiara gets the right answer
