@resilience @asking_again @severity.critical
Feature: A user whose answer was cut asks again
  Not every backend can resume an answer. A user whose answer was cut asks again, and receives a whole one.

  Rule: A question that is asked again after its answer was cut has a whole answer of its own

    Scenario Outline: A question whose answer <breaks> is asked again and has the right answer
      Given Ada is in a conversation over an unstable connection
      When Ada begins a question that takes long
      And Ada's answer <breaks> once it has begun
      And Ada asks the same question again
      Then Ada receives the right answer

      Examples:
        | breaks               |
        | is closed by a proxy |
        | is reset             |
        | stalls               |

    Example: A question asked again is answered once connections are no longer refused
      Given Bashir is in a conversation over an unstable connection
      When Bashir begins a question that takes long
      And Bashir's answer is reset once it has begun, and new connections are refused for 500 ms
      And Bashir asks the same question again
      Then Bashir receives the right answer

    Example: A question asked again is answered after its answer was read too slowly
      Given Chiara is in a conversation over an unstable connection
      When Chiara reads 1000 bytes per second and begins a question that takes long
      And Chiara's answer is closed by a proxy once it has begun
      And Chiara asks the same question again over a fast connection
      Then Chiara receives the right answer

    Example: A user whose answers were cut ten times is answered each time
      Given Dayo is in a conversation over an unstable connection
      When Dayo begins a question that takes long
      And Dayo's answers are reset 10 times, and a question that needs no tool is asked after each
      Then each of Dayo's questions that were not cut has the right answer

  Rule: A conversation goes on after a cut answer, and holds nothing of it

    Example: The next question in a conversation whose last answer was cut has the right answer
      Given Emeka is in a conversation over an unstable connection
      When Emeka begins a question that takes long
      And Emeka's answer is reset once it has begun
      And Emeka continues the conversation with a question that needs no tool
      Then Emeka receives the right answer

  Rule: A cut answer disturbs no other one

    Example: While an answer is cut, those of another tab and of another user arrive whole
      Given Farah has two tabs open over unstable connections
      And Goran is in a conversation
      When Goran begins a question that takes long
      And Farah begins a question that takes long in each tab
      And Farah's answer in the second tab is reset once it has begun
      Then Goran receives the right answer
      And Farah receives the right answer in the first tab
