"""A busy machine is no reason for a test to fail: examples may take as long as they take.

The same examples each time, so that a change is judged by what it changes; HYPOTHESIS_PROFILE=nightly tries a hundred
times as many, and others each time.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile("patient", deadline=None, derandomize=True)
settings.register_profile(
    "nightly", deadline=None, max_examples=10_000, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "patient"))
