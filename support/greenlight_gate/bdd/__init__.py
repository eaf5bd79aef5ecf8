"""Runs the scenarios with behave. Steps use `context` only."""
