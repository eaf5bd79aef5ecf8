"""What the rule families share: correlation, run state, id registry, canary scan, and the sink of the findings."""
