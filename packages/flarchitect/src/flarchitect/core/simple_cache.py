"""A cache in this process."""

from __future__ import annotations

from flarchitect_core.simple_cache import SimpleCache

__all__ = ["SimpleCache"]
