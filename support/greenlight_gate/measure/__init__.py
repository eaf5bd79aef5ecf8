"""Measurements of a session over time in bounded memory, for failure patterns, alerts and pictures."""
