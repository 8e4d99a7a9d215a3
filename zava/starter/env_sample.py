""".env.sample: every setting with its meaning and default, made from the settings themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from conformance.config.settings import Settings

_HEAD: Final = """\
# Settings of the harness (zava). Copy this file to .env beside schemas/ and config/, then edit it:
#   cp .env.sample .env; chmod 600 .env     (git ignores .env)
# Lines that begin with # are not in force. Empty values and unknown names are errors.
"""
#: Settings that a first run needs; the others are commented out.
_FIRST: Final = ("MONGODB_CONNECTION_STRING", "MONGODB_DATABASE")
#: The value for the one server without a placeholder.
_LOCAL: Final = "mongodb://localhost:27017/"


def env_sample(sizes: Mapping[str, int]) -> str:
    """Return the file's text; ``sizes`` are the model's own settings, with their defaults."""
    return "".join([_HEAD, *_settings(), *_sizes(sizes)])


def _settings() -> Iterator[str]:
    for field, about in Settings.model_fields.items():
        name = field.upper()
        value = next(iter(about.examples or ()), _LOCAL) if about.default is None else about.default
        off = "" if name in _FIRST else "# "
        yield f"\n# {about.description}\n{off}{name}={value}\n"


def _sizes(sizes: Mapping[str, int]) -> Iterator[str]:
    for name, size in sizes.items():
        yield f"\n# A number of documents to generate and to expect (config/generation.yaml).\n# {name}={size}\n"
