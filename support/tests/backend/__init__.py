"""Tests of the embedded backend: a real process, spoken to by a real client."""
