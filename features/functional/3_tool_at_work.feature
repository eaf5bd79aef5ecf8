@functional
Feature: The person knows which tool is at work
  "It is searching my notes" explains a wait; "please wait" does not.

  Rule: A tool is named before it has a result

    Example: One tool
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      Then Ada sees which tool is at work before it has a result

    Example: Two tools, one after the other
      Given Ada is in a conversation
      When Ada asks a question that needs two tools
      Then Ada sees 2 tools begin and finish
      And each tool has a name

  Rule: Tools that work at the same time are told apart

    Example: Two tools at once
      Given Emeka is in a conversation
      When Emeka asks a question that needs two tools at once
      Then Emeka sees 2 tools begin and finish
      And both tools were at work at the same time
