@integration
Feature: Several questions at once on one connection
  People do not wait until the assistant has finished.

  Rule: Each question gets its own answer

    Example: Two questions at once
      Given Ada is in a conversation
      When Ada asks at the same moment:
        | question                       |
        | a question that needs a tool   |
        | a question that needs no tool  |
      Then each of Ada's questions was answered in full

    Example: Four questions at once, one of them long
      Given Ada is in a conversation
      When Ada asks at the same moment:
        | question                                 |
        | a question that takes long               |
        | a question that needs a tool             |
        | a question that needs two tools          |
        | a question that needs two tools at once  |
      Then each of Ada's questions was answered in full
