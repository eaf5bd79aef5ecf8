@security @alone @needs.replicas @severity.critical
Feature: Privacy does not end at a replica
  What replicas tell each other is as private as what they tell people.

  Rule: Nobody sees another person's conversation on any replica

    Example: Everybody follows their own conversation on the other replica
      Given several people have each told one replica a secret, and follow that on the other one
      When all of them ask for their secrets there at the same moment
      Then everybody sees their own secret, and nobody anything of the others

    Example: Another person's conversation stays closed on both replicas
      Given Ada is in a conversation with the first replica
      And Bashir is in a conversation with the first replica
      And Chiara is in a conversation with the second replica
      When Ada asks a question that needs a tool
      And Bashir asks to be shown Ada's conversation
      And Chiara asks to be shown Ada's conversation
      Then Bashir gets nothing of Ada's
      And Chiara gets nothing of Ada's
