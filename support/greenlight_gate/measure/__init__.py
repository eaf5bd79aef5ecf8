"""The course of a session in bounded memory: what happened when, for failure patterns, alerts and pictures."""
