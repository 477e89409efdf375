"""The extension itself."""

from __future__ import annotations

from flarchitect_core.architect import Architect

__all__ = ["Architect"]
