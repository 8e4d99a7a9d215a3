"""Errors: one line that a user can act on, and an exit code."""

from __future__ import annotations


class HarnessError(Exception):
    """Base of every expected failure: the message is the one line shown to the user.

    The line says what was wrong, where, and what to do about it. ``exit_code`` is the exit code of both the
    command line and pytest (01-product: 2 usage or configuration, 3 target or harness).
    """

    exit_code = 3


class ConfigurationError(HarnessError):
    """A schema, a configuration file, a setting or an option is wrong; nothing was written."""

    exit_code = 2


class TargetError(HarnessError):
    """The database could not be reached, started or used as asked."""

    exit_code = 3
