"""Settings of pytest's process, and profiles of Hypothesis, for the suites and the project's own tests."""

from __future__ import annotations

from hypothesis import settings

from zava.process import spare_processor_time

spare_processor_time()

# The fast profile is the same every time; the deep one is for a night, or a change of the schemas.
settings.register_profile("fast", deadline=None, derandomize=True, max_examples=10, print_blob=True)
settings.register_profile("deep", deadline=None, max_examples=500, print_blob=True)
settings.load_profile("fast")
