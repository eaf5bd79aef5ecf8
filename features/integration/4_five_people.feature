@integration
Feature: Five people at once
  What is said to one person is nobody else's business.

  Rule: Each person gets their own answer, and nothing of anybody else's

    Example: Five people ask the same at the same moment
      Given five people are each in their own conversation
      When all of them ask a question that needs a tool
      Then each of them gets the right answer
      And none of them sees anything of the others

    Example: Five people ask about their own secrets
      Given five people are each in their own conversation
      When each of them tells the assistant something to remember
      And all of them ask a question about what to remember
      Then each of them gets the right answer
      And none of them sees anything of the others

    Example: Two people ask at the same moment
      Given Ada and Bashir are each in their own conversation
      When both ask a question that takes long
      Then each of them gets the right answer
      And none of them sees anything of the others
