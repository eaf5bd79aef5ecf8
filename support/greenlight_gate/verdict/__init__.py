"""Failure patterns: what goes wrong over many answers and over time, each with its definition and threshold."""
