"""How many examples each property is tried with: few for whoever waits, all of them with --hypothesis-profile=ci.

The same examples each time, so that a change is judged by what it changes; --hypothesis-profile=nightly tries a hundred
times as many, and others each time. A busy machine is no reason for a test to fail: an example takes as long as it
takes. Importing this module registers the profiles and loads the default one.
"""

from hypothesis import HealthCheck, settings

_CI_EXAMPLES = 100

settings.register_profile("default", deadline=None, derandomize=True, max_examples=20)
settings.register_profile("ci", deadline=None, derandomize=True, max_examples=_CI_EXAMPLES, print_blob=True)
settings.register_profile(
    "nightly", deadline=None, max_examples=10_000, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("default")


def examples(in_ci: int) -> int:
    """How many examples a test with a number of its own tries in the profile that is loaded; `in_ci`: and in CI."""
    return max(1, in_ci * min(settings().max_examples, _CI_EXAMPLES) // _CI_EXAMPLES)
