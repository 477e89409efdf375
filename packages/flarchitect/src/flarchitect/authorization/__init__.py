"""What callers may do."""

from __future__ import annotations

from flarchitect_core.access.rules import ANONYMOUS, ANYBODY, Policy, owner

__all__ = ["ANONYMOUS", "ANYBODY", "Policy", "owner"]
