@functional
Feature: The user knows which tool is in use
  tool_executing names the tool that a user is waiting for.

  Rule: Every tool is named before its result arrives

    Example: A tool is named before its result arrives
      Given Ada is in a conversation
      When Ada asks a question that needs a tool
      Then Ada receives tool_executing with the tool's name before tool_completed

    Example: Two tools that run one after the other are both named
      Given Ada is in a conversation
      When Ada asks a question that needs two tools
      Then Ada sees at least 2 tools start and complete
      And each tool has a name

  Rule: Tools that run at the same time are shown separately

    Example: Two tools that run at the same time are both shown while they run
      Given Emeka is in a conversation
      When Emeka asks a question that needs two tools at once
      Then Emeka sees at least 2 tools start and complete
      And at least 2 tools ran at the same time
