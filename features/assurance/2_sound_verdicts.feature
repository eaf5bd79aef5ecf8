@assurance
Feature: A verdict is right, or says that evidence is missing
  A healthy backend is not blocked, and a backend that cannot be judged is not approved.

  Rule: A healthy backend is approved

    Example: A backend without defects is approved by all scenarios that block a defective one
      Given a backend without any defect
      When the release is judged
      Then it is approved, without any finding

  Rule: Without evidence the verdict is INCONCLUSIVE

    Example: Isolation cannot be judged when users never receive their own secret
      Given a backend that never shows users what they have told it
      When the release is judged
      Then it is inconclusive because of ISOLATION-3: the check itself works
