"""A finding: one thing that somebody should look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Finding", "Severity"]

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What `flask flarchitect doctor` tells.

    Attributes:
        severity: `error` for what does not work, `warning` for what is unsafe or slow, `info` for what may be meant.
        check: Stable name of the check, in kebab-case.
        message: What, where, why, and what to do; never a secret.
    """

    severity: Severity
    check: str
    message: str
