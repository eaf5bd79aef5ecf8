@security @severity.critical
Feature: Nobody sees another person's conversation
  One private answer on another person's screen ends a product.

  Rule: What is mine is shown to me, and to nobody else

    Example: At the same moment
      Given several people have each told the assistant a secret
      When all of them ask for their secrets at the same moment
      Then everybody sees their own secret, and nobody anything of the others

    Example: The same question again and again
      Given several people have each told the assistant a secret
      When all of them ask for their secrets at the same moment, 3 times
      Then everybody sees their own secret, and nobody anything of the others

    Example: One after the other
      Given several people have each told the assistant a secret
      When they come, ask for their secrets and leave, one after the other
      Then everybody sees their own secret, and nobody anything of the others

    Example: At one computer, after another login
      Given several people have each told the assistant a secret
      When each of them leaves in the middle of an answer, and the next one takes the seat
      Then everybody sees their own secret, and nobody anything of the others

    Example: In two windows each
      Given several people have each told the assistant a secret
      When each of them opens a second window and asks for their secret in both
      Then everybody sees their own secret, and nobody anything of the others

  Rule: Nothing that goes wrong opens a view into another conversation

    Example: After everybody was disconnected
      Given several people have each told the assistant a secret
      When all of them lose the connection, come back and ask for their secrets
      Then everybody sees their own secret, and nobody anything of the others

    Example: After an error
      Given several people have each told the assistant a secret
      When each of them meets an error and then asks for their secret
      Then everybody sees their own secret, and nobody anything of the others

    Example: During another person's long work
      Given several people have each told the assistant a secret
      When some ask for their secrets while long work goes on for the others
      Then everybody sees their own secret, and nobody anything of the others

    Example: In another person's conversation
      Given several people have each told the assistant a secret
      When each of them asks to be shown the next one's conversation
      Then everybody sees their own secret, and nobody anything of the others

    @crowd
    Example: In a crowd
      Given a crowd of people have each told the assistant a secret
      When all of them ask for their secrets at the same moment
      Then everybody sees their own secret, and nobody anything of the others
