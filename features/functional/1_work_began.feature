@functional
Feature: The person sees that work began
  Somebody who asks wants to know at once that somebody is on it.

  Rule: Every question is taken up visibly, and once

    Example: A question that needs a tool is taken up
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      Then Ada sees once that work began
      And Ada sees nothing of the answer before that

    Example: A question that needs no tool is taken up as well
      Given Ada is in a conversation
      When Ada asks a question that needs no tool
      Then Ada sees once that work began
      And Ada sees nothing of the answer before that

  Rule: The first sign of life comes while the person still waits

    Example: Work begins within the time that the backend promises
      Given Bashir is in a conversation
      When Bashir asks a question that needs a tool
      Then Bashir waits no longer for the first sign than promised
