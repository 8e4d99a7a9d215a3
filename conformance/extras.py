"""The optional dependencies: which extra of the package brings which module, and what to do where one is missing."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Final

from conformance.errors import ConfigurationError

#: By extra of pyproject.toml: the modules that the program imports of it.
MODULES: Final[Mapping[str, tuple[str, ...]]] = {
    "azure": ("openai",),
    "ditto": ("cbor2",),  # the SDK is not for every machine; edge/store/sdk.py says so where it is missing
    "embeddings": ("wordllama", "safetensors", "tokenizers"),
    "generate": ("faker", "rstr", "ijson"),
    "mcp": ("mcp", "uvicorn", "starlette"),
    "pytest": ("pytest", "allure", "allure_commons"),
    "suites": ("hypothesis",),
}
#: Extras that others bring along.
BROUGHT: Final[Mapping[str, tuple[str, ...]]] = {
    "generate": ("embeddings",),
    "mcp": ("embeddings",),
    "suites": ("pytest", "generate", "ditto"),
}


def require(extra: str) -> None:
    """Raise ConfigurationError, one line with pip's command, when a module of the extra is not installed."""
    for name in _with_brought(extra):
        for module in MODULES[name]:
            if find_spec(module) is None:
                raise ConfigurationError(_line(module, extra))


def missing_extra(error: ImportError) -> ConfigurationError | None:
    """Return the error that names the extra of a module that is not installed; None for any other failed import."""
    top = (error.name or "").partition(".")[0]
    extra = next((extra for extra, modules in MODULES.items() if top in modules), None)
    return ConfigurationError(_line(top, extra)) if extra is not None and find_spec(top) is None else None


def pip_command(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'zava-conformance[{extra}]'"


def _with_brought(extra: str) -> list[str]:
    return [extra, *(inner for brought in BROUGHT.get(extra, ()) for inner in _with_brought(brought))]


def _line(module: str, extra: str) -> str:
    return f"the Python package {module} is not installed; this needs the extra {extra!r}; run {pip_command(extra)}"
