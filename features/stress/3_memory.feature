@stress @alone
Feature: Hours of work do not fill the memory
  What fills up slowly fails at night.

  Rule: Answers leave nothing behind

    Example: People talk for as long as we can watch
      Given a crowd
      When some of them talk for as long as the memory is watched
      Then the backend's memory did not fill up

  Rule: People who have left leave nothing behind

    Example: Everybody comes and leaves ten times
      Given a crowd
      When all of them come and leave 10 times
      Then everybody was let in
      And nothing of them is left behind
