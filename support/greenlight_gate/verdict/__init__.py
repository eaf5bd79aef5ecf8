"""Criteria, decision, baseline, memory trend and failure patterns: pure functions of the evidence."""
