"""Seeded pools of realistic values, from Faker: drawn once, indexed hundreds of thousands of times."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from conformance.errors import ConfigurationError

Array = np.ndarray[Any, Any]


@cache
def pool(provider: str, locale: str, size: int, seed: int) -> Array:
    """``size`` values of a Faker provider (such as first_name), the same for the same seed."""
    from faker import Faker

    faker = Faker(locale)
    faker.seed_instance(f"{seed}:{provider}")
    try:
        make = faker.get_formatter(provider)
    except AttributeError:
        raise ConfigurationError(
            f"x-sample: Faker has no provider {provider!r}; see Faker's list of providers"
        ) from None
    return np.array([str(make()) for _ in range(size)], dtype=object)
