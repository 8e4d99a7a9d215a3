"""Numbers of generated examples: set by each test in the fast profile, more in the deep one.

The profiles are those of the project's conftest.py; `pytest --hypothesis-profile=deep` is for a night.
"""

from __future__ import annotations

from typing import Final

from hypothesis import HealthCheck, settings

_FAST: Final = 10
#: Documents with vectors are large, and fixtures are servers and models, the same for every example.
_SUPPRESSED: Final = (HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture)
#: The number of examples, as a multiple of the fast profile's.
FACTOR: Final = max(1, settings.default.max_examples // _FAST) if settings.default is not None else 1


def examples(number: int) -> settings:
    """Return settings for a test with this number of examples in the fast profile."""
    return settings(max_examples=number * FACTOR, deadline=None, suppress_health_check=_SUPPRESSED)
