@security @alone @needs.replicas @severity.critical
Feature: Isolation holds across replicas
  What replicas exchange about a user reaches only that user.

  Rule: A user never receives another user's data on any replica

    Example: Users connected to two replicas receive only their own secret
      Given 2 to 6 users have each told one replica a secret, and follow that conversation on the other
      When all of them ask for their secrets in that conversation, without waiting for each other
      Then each of them receives their own secret, and nothing of the others

    Example: Restoring another user's conversation is refused on both replicas
      Given Ada is in a conversation on the first replica
      And Bashir is in a conversation on the first replica
      And Chiara is in a conversation on the second replica
      When Ada asks a question that needs a tool
      And Bashir asks to restore Ada's conversation
      And Chiara asks to restore Ada's conversation
      Then Bashir is refused, or served without Ada's data
      And Chiara is refused, or served without Ada's data
