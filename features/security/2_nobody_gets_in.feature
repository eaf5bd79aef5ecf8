@security @severity.critical
Feature: Nobody gets in without a valid pass
  A chat that lets strangers in has no private conversations.

  Rule: The door opens for a valid pass only

    Scenario Outline: The door stays closed for <pass>
      When Ada comes with <pass>
      Then Ada is turned away
      And Ada's own pass opens the door

      Examples:
        | pass                                     |
        | no pass                                  |
        | a gibberish pass                         |
        | a pass signed by somebody else           |
        | an unsigned pass                         |
        | an unsigned pass in disguise             |
        | an unsigned pass by another way          |
        | a pass without its signature             |
        | a pass with the beginning of a signature |
        | a pass signed with the wrong kind of key |
        | an expired pass                          |
        | a pass that expired minutes ago          |
        | a pass that is not valid yet             |
        | a pass for another service               |
        | a pass for no service                    |
        | a pass in the address                    |
        | a pass that was signed out               |

  Rule: Access ends when the pass does

    Example: While the person is just connected
      Given Ada is in a conversation, with a pass that ends soon
      When Ada's pass ends
      Then Ada is shown out

    Example: In the middle of an answer
      Given Bashir is in a conversation, with a pass that ends soon
      When Bashir's pass ends in the middle of an answer
      Then Bashir is shown out

    @pass_ends
    Example: Coming again with it
      Given Chiara is in a conversation, with a pass that ends soon
      When Chiara's pass ends
      And Chiara comes again with the same pass
      Then Chiara is turned away
