@resilience @coming_back
Feature: People come back
  Once or ten times, after a moment or after a long while, from the same place or another one.

  Rule: However often a line is lost, the answer is made once and arrives whole

    Example: Ten losses in one answer
      Given Dayo is in a conversation over an unsteady line
      When Dayo begins a question that takes long
      And Dayo's line is lost 10 times on the way, and found again each time
      Then Dayo gets the right answer

    Example: One of two windows loses its line
      Given Ada has two windows open over unsteady lines
      When Ada begins a question that takes long in each window
      And Ada's newer window loses its line once a tool is at work
      And Ada comes back
      Then each of Ada's questions was answered in full

  Rule: What happened while a person was away is shown when they come back

    Example: Away until everything is over
      Given Emeka is in a conversation over an unsteady line
      When Emeka begins three questions in a row
      And Emeka's line is lost once work has begun
      And Emeka stays away until the work is done
      And Emeka comes back
      Then each of Emeka's questions was answered in full

    Example: Back from another network
      Given Farah is in a conversation over an unsteady line
      When Farah begins a question that takes long
      And Farah's line is lost once a tool is at work
      And Farah comes back from another address
      Then Farah gets the right answer

    Example: The pass has ended meanwhile
      Given Goran is in a conversation over an unsteady line
      When Goran begins a question that takes long
      And Goran's line is lost once a tool is at work
      And Goran comes back with a pass that has expired, and then with a new one
      Then Goran gets the right answer

  @alone
  Rule: Everybody can come back at the same moment

    Example: Twenty-five people lose their lines at once
      Given 25 people are each in a conversation over an unsteady line
      When all of them begin a question that takes long
      And all of them lose their lines in the middle of it
      And all of them come back at once
      Then 99 of 100 people are back within 5 seconds
      And each of them gets the right answer
