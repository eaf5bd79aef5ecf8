@integration
Feature: Five users at once
  What one user asks and receives is not visible to the others.

  Rule: Each user receives their own answer and nothing of another user's

    Example: Five users ask the same question at once and each receives the right answer
      Given 5 users are each in a conversation of their own
      When all of them ask a question that needs a tool at the same moment
      Then each of them receives the right answer
      And none of them receives anything of the others

    Example: Five users ask for their own secrets and each receives only their own
      Given 5 users are each in a conversation of their own
      When each of them tells the assistant something to remember
      And all of them ask a question about what to remember at the same moment
      Then each of them receives the right answer
      And none of them receives anything of the others

    Example: Two users ask at the same moment and each receives only their own answer
      Given Ada and Bashir are each in a conversation of their own
      When both ask a question that takes long at the same moment
      Then each of them receives the right answer
      And none of them receives anything of the others
