@resilience @alone @needs.replicas @needs.services
Feature: The services behind the chat restart
  Databases get updates and caches lose their memory. What people are owed does not live there alone.

  Rule: An answer that is under way arrives, whole and in order

    Scenario Outline: <service> restarts in the middle of an answer
      Given Chiara is in a conversation with the first replica
      And Chiara has a window open on the other replica
      When Chiara begins a question that takes long
      And Chiara's newer window follows it
      And <service> restarts once a tool is at work
      Then Chiara gets the right answer
      And Chiara's newer window shows the answer too

      Examples:
        | service    |
        | Redis      |
        | PostgreSQL |

  Rule: Without the service that signs people in, those inside go on and nobody else gets in

    Example: The sign-in is away
      Given Dayo is in a conversation with the first replica
      When nobody can sign in any more
      And Emeka tries to sign in
      And Dayo begins a question that needs a tool
      Then Dayo gets the right answer
      And Emeka was kept out
