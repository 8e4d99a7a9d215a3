"""Hypothesis profiles: "fast" (the default) for every run, "deep" for the long one; HYPOTHESIS_PROFILE chooses."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

_SLOW: Final = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)
settings.register_profile("fast", deadline=None, derandomize=True, suppress_health_check=_SLOW)
settings.register_profile("deep", deadline=None, derandomize=False, suppress_health_check=_SLOW)

PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "fast")
#: How many times as many examples as a test asks for.
_FACTOR: Final = {"fast": 1, "deep": 20}
settings.load_profile(PROFILE)


def examples(number: int) -> settings:
    """Settings for a test that wants so many examples in the fast profile."""
    return settings(max_examples=number * _FACTOR[PROFILE])
