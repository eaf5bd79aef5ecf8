@resilience @alone @needs.replicas
Feature: Several replicas serve one chat
  A user can be connected to any replica, and receives the same conversation.

  Rule: A user who reconnects to another replica receives the whole answer there

    Scenario Outline: Reconnecting to another replica once <event> loses no event
      Given Ada is in a conversation on the first replica
      When Ada begins a question that takes long
      And Ada's connection is lost once <event>, and is reopened on the other replica
      Then Ada receives the right answer

      Examples:
        | event                     |
        | agent_started has arrived |
        | a tool has started        |
        | a tool has completed      |

    Example: A tab on the other replica receives an answer that the first replica makes
      Given Bashir is in a conversation on the first replica
      And Bashir has another tab open on the second replica
      When Bashir begins a question that takes long
      And Bashir's other tab follows the conversation
      Then Bashir receives the right answer
      And Bashir's other tab receives the end of the answer

  Rule: When a replica ends, each of its runs has an end and its users are served by the other one

    @needs.services
    Example: Every question of 25 users has an end when one replica is killed
      Given 25 users are in conversations, spread over two replicas
      When all of them begin a question that takes long
      And the first replica is killed, and its users reconnect to the other one
      Then every question ends with agent_completed, agent_failed or agent_stopped
      And each of them receives the right answer to another question

    @needs.services
    Example: Every question has an end when the replicas are restarted in turn
      Given 6 users are in conversations, spread over two replicas
      When each replica in turn is restarted while all of them wait for a question that takes long
      Then every question ends with agent_completed, agent_failed or agent_stopped
      And each of them receives the right answer to another question
