"""OpenAPI documents and documentation pages for Flask applications."""

from __future__ import annotations

from flarchitect_core.architect import Architect

__all__ = ["Architect"]
