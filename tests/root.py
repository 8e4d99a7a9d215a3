"""The root of the project, independent of the current folder."""

from __future__ import annotations

from pathlib import Path
from typing import Final

#: The folder of the checkout.
ROOT: Final = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").is_file())
