"""Speed of the bridge: pauses while copying, and delays between attempts."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import chain, repeat
from typing import Final

from conformance.ditto.connector import RetryStrategy

#: A lost link is retried at once, then after these seconds, and on at the last of them.
LINK_DELAYS: Final = (0.0, 1.0, 2.0, 4.0, 8.0)
#: Seconds before a batch is tried for the second time.
_FIRST: Final = 0.05


def link_delays(jitter: float) -> Iterator[float]:
    """Seconds to wait before each attempt to reach a server that is out of reach; never ends."""
    return (_lengthened(seconds, jitter) for seconds in chain(LINK_DELAYS, repeat(LINK_DELAYS[-1])))


def batch_delays(strategy: RetryStrategy) -> Iterator[float]:
    """Seconds to wait before each further attempt at a batch; ends after ``max_retries`` of them."""
    waits = (_FIRST * strategy.backoff_multiplier**number for number in range(strategy.max_retries))
    return (_lengthened(seconds, strategy.jitter) for seconds in waits)


def _lengthened(seconds: float, jitter: float) -> float:
    return seconds * (1 + random.uniform(0, jitter))  # noqa: S311 - no secret


def copying_pause(number: int, per_second: int) -> float:
    """Seconds to wait after so many documents, so that there are at most ``per_second``; 0 is no limit."""
    return number / per_second if per_second else 0.0
