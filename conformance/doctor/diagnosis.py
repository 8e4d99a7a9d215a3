"""One step of the doctor: what was examined, how it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pymongo.errors import PyMongoError

from conformance import exit_codes
from conformance.connection.client import in_words
from conformance.errors import HarnessError
from conformance.text.masking import mask

Status = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Step:
    """The result of one step; ``detail`` is one line, with the fix if it failed or the reason if it was skipped.

    ``exit_code`` is the command's when this is the first step that failed: 1 finding, 2 configuration, 3 target. A
    warning does not fail.
    """

    name: str
    status: Status
    detail: str
    exit_code: int = 0


class Fault(Exception):  # noqa: N818 - it never leaves `diagnose`
    """Raised when a step fails: what is wrong and how to fix it, in one line; ``exit_code`` if not the step's own."""

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Warned(Exception):  # noqa: N818 - it never leaves `diagnose`
    """Raised for what works and should be changed all the same."""


class Skipped(Exception):  # noqa: N818 - it never leaves `diagnose`
    """Raised when a step is skipped, with the reason."""


def diagnose(name: str, examine: Callable[[], str], exit_code: int = exit_codes.FINDINGS) -> Step:
    """Return the step with what ``examine`` found; an error of the harness or of the driver is a failed step."""
    try:
        return Step(name, "ok", mask(examine()))
    except Skipped as reason:
        return Step(name, "skipped", mask(str(reason)))
    except Warned as warning:
        return Step(name, "warning", mask(str(warning)))
    except Fault as fault:
        return Step(name, "failed", mask(str(fault)), fault.exit_code or exit_code)
    except HarnessError as error:
        return Step(name, "failed", mask(str(error)), exit_code)
    except PyMongoError as error:
        return Step(name, "failed", f"{in_words(error)}; check the server and the user's roles", exit_code)
