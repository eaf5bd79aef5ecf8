@resilience @reverse_proxies
Feature: Answers pass the reverse proxies in front of a backend
  Reverse proxies buffer answers, end idle connections, and send a request again whose answer they have lost.

  Rule: A proxy that buffers answers does not hold an answer back

    Example: Events pass a proxy that buffers answers as they happen
      Given Dayo is in a conversation behind a proxy that buffers answers
      When Dayo asks a question that takes long
      Then Dayo receives the right answer
      And the events arrive as they happen, if the answer takes 500 ms or more

  Rule: A proxy that ends idle connections does not end an answer

    Example: An answer that waits for an approval outlasts a proxy that ends idle connections
      Given Chiara is in a conversation over an unstable connection
      When Chiara begins a question that needs approval
      And Chiara approves what the assistant asks, later than a proxy ends idle connections
      Then the proxy has not ended Chiara's connection
      And Chiara receives the right answer

  Rule: A question that a proxy sends again is answered once

    Example: A question that a proxy sends again after its answer was lost starts one run
      Given Bashir has two tabs open over unstable connections
      When Bashir asks a question that needs a tool
      And Bashir continues with a question that needs no tool, which a proxy sends again
      And Bashir's second tab restores the whole conversation
      Then Bashir's question started one run
      And Bashir receives the right answer
