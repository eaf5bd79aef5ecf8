@assurance
Feature: A verdict is neither unjust nor a guess
  Whoever accuses without cause is soon ignored, and whoever approves what was never seen is worse.

  Rule: A healthy backend is approved, every time

    Example: All that blocks a broken backend approves a healthy one
      Given a backend without any defect
      When a release of it is judged
      Then it is approved, and nothing is held against it

  Rule: A verdict is never given without evidence

    Example: People who never see their own secret could not see a leak of it either
      Given a backend that never shows people what they have told it
      When a release of it is judged
      Then nobody can tell, for want of ISOLATION-3: the check itself works
