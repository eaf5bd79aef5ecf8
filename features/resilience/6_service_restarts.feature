@resilience @alone @needs.replicas @needs.services
Feature: The services behind the chat restart
  Redis, PostgreSQL and the sign-in service can be restarted while users are connected.

  Rule: An answer under way arrives whole when a service restarts

    Scenario Outline: An answer under way arrives in both tabs when <service> restarts
      Given Chiara is in a conversation on the first replica
      And Chiara has another tab open on the second replica
      When Chiara begins a question that takes long
      And Chiara's other tab follows the conversation
      And <service> restarts once a tool has started
      Then Chiara receives the right answer
      And Chiara's other tab receives the end of the answer

      Examples:
        | service    |
        | Redis      |
        | PostgreSQL |

  Rule: Without the sign-in service, connected users are served and nobody else can sign in

    Example: A connected user is answered while the sign-in service is down
      Given Dayo is in a conversation on the first replica
      When the sign-in service is stopped
      And Emeka tries to sign in
      And Dayo begins a question that needs a tool
      Then Dayo receives the right answer
      And Emeka could not sign in
