@functional @severity.critical
Feature: Every run ends visibly
  A user is always told that a run is over: completed, failed or stopped.

  Rule: A run that was stopped ends, and other runs continue

    Example: A stopped run sends no more events while another user's run continues
      Given Ada and Bashir are each in a conversation of their own
      When both begin a question that takes long
      And Ada stops the run once a tool has started
      Then Bashir receives the right answer
      And agent_stopped is the last event of Ada's stopped run

    Example: A stopped run ends while other runs of the same user continue
      Given Ada has two tabs open
      When Ada begins a question that takes long in each tab, and in the first tab twice
      And Ada stops the first of these runs once its tool has started
      Then agent_stopped is the last event of Ada's stopped run
      And each of Ada's other questions receives the right answer

  Rule: A conversation continues after a stop, whenever it comes

    Scenario Outline: The conversation continues after a run that was stopped <when>
      Given Ada is in a conversation
      When Ada begins a question that takes long
      And Ada stops the run <when>
      And Ada continues with a question that needs a tool
      Then agent_stopped is the last event of Ada's stopped run
      And Ada receives the right answer

      Examples:
        | when                           |
        | as soon as it has begun        |
        | while its text streams         |
        | once a tool has started        |
        | twice, once a tool has started |

    Example: A run that is stopped before its first event ends
      Given Bashir is in a conversation
      When Bashir begins a question that takes long, and stops it before its first event
      And Bashir asks a question that needs a tool
      Then agent_stopped is the last event of Bashir's stopped run
      And Bashir receives the right answer

    Example: The tool of a stopped run does not work on
      Given Ada has two tabs open
      When Ada begins a question that takes long
      And Ada stops the run once a tool has started
      And Ada continues with a question that takes long
      And Ada's second tab restores the conversation
      Then agent_stopped is the last event of Ada's stopped run
      And Ada receives the right answer

    Example: A stop that comes after the answer does not stop the next run
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      And Ada stops the run that has ended
      And Ada continues with a question that needs two tools
      Then Ada receives the right answer

  Rule: The model does not answer a run that has to be over

    Example: The model does not go on with the answer of a stopped run
      Given Ada is in a conversation
      When Ada begins a question at which the model goes on with its answer for as long as it is listened to
      And Ada stops the run once the model answers
      And Ada continues with a question that needs a tool
      Then agent_stopped is the last event of Ada's stopped run
      And Ada receives the right answer

    Example: A user who leaves while the model answers, and reconnects, is answered
      Given Ada is in a conversation
      When Ada begins a question that keeps the model busy
      And Ada leaves while the model answers, and reconnects
      And Ada asks a question that needs a tool
      Then Ada receives the right answer

  Rule: A failed run ends with agent_failed

    Example: An agent that fails sends agent_failed with a text and no answer
      Given Bashir is in a conversation
      When Bashir asks a question that makes the agent fail
      Then Bashir receives agent_failed once, with a text, and no agent_completed

    Example: A question that moderation refuses has an end
      Given Chiara is in a conversation
      When Chiara asks a question that moderation refuses
      And Chiara continues with a question that needs a tool
      Then Chiara's first question is refused, or its run ends
      And Chiara receives the right answer

  Rule: The end of a sub-agent is not the end of the run

    Example: The answer arrives after the sub-agent has completed
      Given Chiara is in a conversation
      When Chiara asks a question that needs a sub-agent
      Then Chiara sees the sub-agent complete before the answer
      And Chiara receives the right answer
