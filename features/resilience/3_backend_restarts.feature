@resilience @alone @backend_restarts
Feature: The backend restarts and people notice only a pause
  Releases happen while people talk. Nobody should look at a spinner that will never stop.

  Rule: What was under way goes on or has a clear end, and nothing older is forgotten

    Scenario Outline: The backend is <what> in the middle of an answer
      Given Ada is in a conversation over an unsteady line
      When Ada asks a question that needs a tool
      And Ada begins a question that takes long
      And the backend is <what> once a tool is at work, and comes back
      Then Ada's last question has an answer or a clear end
      And Ada can go back to the conversation before it

      Examples:
        | what      |
        | restarted |
        | killed    |
