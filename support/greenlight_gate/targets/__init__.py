"""Environments: which backend is judged, how one gets in, and what it is asked. One readable file for each."""
