@performance @alone
Feature: Events arrive while they are news
  What was true a moment ago is news; what was true a minute ago is history.

  Rule: What happens is shown within a moment

    Example: Twenty-five people ask one after the other
      When 25 people ask in turn
      Then each step of each answer was shown within the promised time
      And nobody was left without news for longer than promised

    Example: Long work is shown while it goes on
      Given Dayo is in a conversation
      When Dayo asks a question that takes long
      Then the news came while the work went on
      And Dayo gets the right answer

  Rule: The line stays alive while the backend works

    Example: A sign of life in the middle of an answer
      Given Ada is in a conversation
      When Ada begins a question that takes long
      And Ada's app asks for a sign of life
      Then the sign of life came at once
      And Ada gets the right answer
