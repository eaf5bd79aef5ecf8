"""Correlation: which run an event belongs to, what its request is owed, and how the request was settled."""
