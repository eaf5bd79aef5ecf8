"""Gherkin at work: the suite, its scenarios, and what steps may know of them (`context`)."""
