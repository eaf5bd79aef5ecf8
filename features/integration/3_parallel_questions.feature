@integration
Feature: Several questions at once on one connection
  A user can ask the next question before the last one is answered.

  Rule: Each question gets its own answer

    Example: Two questions at once each receive their own answer
      Given Ada is in a conversation
      When Ada asks at the same moment:
        | question                      |
        | a question that needs a tool  |
        | a question that needs no tool |
      Then each of Ada's questions has a complete and right answer

    Example: Four questions at once, one of them long, each receive their own answer
      Given Ada is in a conversation
      When Ada asks at the same moment:
        | question                                |
        | a question that takes long              |
        | a question that needs a tool            |
        | a question that needs two tools         |
        | a question that needs two tools at once |
      Then each of Ada's questions has a complete and right answer

  Rule: The next question does not cost the last one its answer

    Example: A question sent during a long answer leaves that answer complete
      Given Ada is in a conversation
      When Ada begins a question that takes long
      And Ada also sends a question that needs no tool on the same connection before it is answered
      Then Ada's first question has a right answer, and the second an answer or a refusal

  Rule: A double click asks once

    Example: A question that is sent twice within milliseconds starts one run
      Given Ada is in a conversation
      When Ada's client sends a question that takes long twice, with the same request id
      Then Ada receives the right answer
      And Ada's question started one run

  Rule: Two questions at once in one conversation do not mix

    Example: Of two questions sent at once in one conversation, the second is answered or refused
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      And Ada continues with a question that needs no tool and a question that needs two tools at the same moment
      Then the first of Ada's last two questions has the right answer, and the second has it or is refused
