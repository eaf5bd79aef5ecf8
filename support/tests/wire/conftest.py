"""A busy machine is no reason for a test to fail: examples may take as long as they take."""

from hypothesis import settings

settings.register_profile("patient", deadline=None, derandomize=True)
settings.load_profile("patient")
