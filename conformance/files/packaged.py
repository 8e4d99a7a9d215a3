"""Files that come with the package: data, and modules that are run as programs of their own.

They are found by the name of their package, so that they are there in a checkout and in an installed wheel alike.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path


def packaged(package: str, name: str) -> Path:
    """Return a file or folder of a package; FileNotFoundError when it was not packaged."""
    path = Path(str(files(package).joinpath(name)))
    if not path.exists():
        raise FileNotFoundError(f"{package} comes without {name}: install zava-conformance again")
    return path


def program(module: str) -> Path:
    """Return the source file of a module that another Python runs by path; FileNotFoundError when there is none."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"there is no module {module}: install zava-conformance again")
    return Path(spec.origin)
