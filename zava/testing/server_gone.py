"""A server that goes away in the middle of a property."""

from __future__ import annotations


class ServerGone(BaseException):
    """Raised from the driver's error. An Exception would count as a falsifying example, and be shrunk in vain."""
