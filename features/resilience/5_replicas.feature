@resilience @alone @needs.replicas
Feature: Several replicas, one chat
  People do not know which machine answers them, and never have to.

  Rule: Whoever comes back to another replica finds everything there

    Scenario Outline: Coming back <when>
      Given Ada is in a conversation with the first replica
      When Ada begins a question that takes long
      And Ada's line is lost once <when>, and she comes back to the other replica
      Then Ada gets the right answer

      Examples:
        | when                |
        | work has begun      |
        | a tool is at work   |
        | a tool has answered |

    Example: A second window on the other replica follows while the answer is made
      Given Bashir is in a conversation with the first replica
      And Bashir has a window open on the other replica
      When Bashir begins a question that takes long
      And Bashir's newer window follows it
      Then Bashir gets the right answer
      And Bashir's newer window shows the answer too

  Rule: A replica that is lost takes nothing with it that people were shown

    @needs.services
    Example: A replica is killed under 25 people
      Given 25 people are in conversations, every other one with the second replica
      When all of them begin a question that takes long
      And the first replica is killed, and its people come back to the other one
      Then each question has an answer or a clear end
      And everybody gets an answer to another question

    @needs.services
    Example: A release, one replica at a time
      Given 6 people are in conversations, every other one with the second replica
      When each replica in turn is replaced while everybody asks a question that takes long
      Then each question has an answer or a clear end
      And everybody gets an answer to another question
