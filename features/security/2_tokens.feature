@security @severity.critical
Feature: Only a valid token gives access
  A connection belongs to the user of its token, for as long as the token is valid.

  Rule: A connection without a valid token is refused

    Scenario Outline: A connection with <token> is refused
      When Ada connects with <token>
      Then Ada's connection is refused
      And Ada connects with a valid token and receives the right answer

      Examples:
        | token                                         |
        | no token                                      |
        | a random token                                |
        | a token signed with another key               |
        | an unsigned token                             |
        | an unsigned token with the algorithm nOnE     |
        | an unsigned token sent in another way         |
        | a token whose signature was removed           |
        | a token whose signature was cut short         |
        | a token whose signature ends in another way   |
        | a token whose signature differs in its middle |
        | a token with another user's name              |
        | a token that names another kind of algorithm  |
        | an expired token                              |
        | a token that expired 6 minutes ago            |
        | a token that is not valid yet                 |
        | a token for another audience                  |
        | a token without an audience                   |
        | a token in the URL                            |
        | a token in the URL as access_token            |
        | a token in the URL as auth                    |
        | a token in the URL as auth_token              |
        | a token in the URL as authorization           |
        | a token in the URL as bearer                  |
        | a token in the URL as id_token                |
        | a token in the URL as jwt                     |
        | a token that was signed out                   |

    Scenario Outline: Resuming a conversation with <token> is refused
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      And Ada resumes the conversation with <token>
      Then Ada's connection is refused
      And Ada connects with a valid token and receives the right answer

      Examples:
        | token                          |
        | no token                       |
        | a token signed with another key |
        | an expired token               |

  Rule: A question, a stop or an approval without a valid token has no effect

    Scenario Outline: Asking on an open connection with <token> is refused
      Given Ada is in a conversation
      When Ada tries to ask a question that needs no tool with <token>
      Then that gives Ada no access
      And Ada receives the right answer to another question

      Examples:
        | token                           |
        | no token                        |
        | a token signed with another key |
        | an expired token                |

    Scenario Outline: Stopping a run with <token> is refused
      Given Ada is in a conversation
      When Ada begins a question that takes long
      And Ada tries to stop the run with <token>
      Then that gives Ada no access
      And Ada receives the right answer

      Examples:
        | token                           |
        | no token                        |
        | a token signed with another key |
        | an expired token                |

    Scenario Outline: Approving a tool with <token> is refused
      Given Ada is in a conversation
      When Ada begins a question that needs no tool
      And Ada tries to approve what the assistant asks with <token>
      And Ada denies what the assistant asks
      Then that gives Ada no access
      And Ada's question ends without its tool

      Examples:
        | token                           |
        | no token                        |
        | a token signed with another key |
        | an expired token                |

  Rule: Access ends when the token expires

    Example: An idle connection loses access when its token expires
      Given Ada is in a conversation, with a token that expires within 2 seconds
      When Ada's token expires
      Then Ada has lost access

    Example: A connection loses access when its token expires during an answer
      Given Bashir is in a conversation, with a token that expires within 2 seconds
      When Bashir's token expires during the answer to a question that takes several seconds
      Then Bashir has lost access

    @pass_ends
    Example: A new connection with an expired token that was accepted before is refused
      Given Chiara is in a conversation, with a token that expires within 2 seconds
      When Chiara's token expires
      And Chiara connects again with the same token
      Then Chiara's connection is refused
