@functional @severity.critical
Feature: A model that fails does not take the conversation with it
  Models break off, refuse and send what cannot be read. A user sees that the run is over, and asks again.

  Rule: Whatever the model does, the run ends visibly and the next question is answered

    Scenario Outline: The next question is answered after the model <does>
      Given Ada is in a conversation
      When Ada asks a question at which the model <does>
      And Ada continues with a question that needs a tool
      Then Ada's question at which the model failed has an end, or an answer that is whole
      And Ada receives the right answer

      Examples:
        | does                                                  |
        | breaks the connection off in the middle of its answer |
        | sends half of its answer, and then nothing more       |
        | answers 429 with Retry-After                          |
        | answers 500                                           |
        | sends a chunk that is no JSON, and ends there         |
        | sends only half of a tool's arguments                 |
        | ends its answer at a limit of tokens                  |
        | has its answer ended by a content filter              |
        | ends its answer without a word                        |
        | calls a tool with the finish reason of an answer      |
        | gives several tool calls the same id                  |
        | sends its first token late                            |
