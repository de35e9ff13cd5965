"""Hypothesis searches the same examples in every normal run; `--hypothesis-profile=long` goes out on a campaign."""

from hypothesis import HealthCheck, settings

settings.register_profile("normal", derandomize=True, deadline=None, max_examples=100, print_blob=True)
settings.register_profile(
    "long", deadline=None, max_examples=5_000, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("normal")
