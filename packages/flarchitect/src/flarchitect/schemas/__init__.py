"""Schemas of the published models."""

from __future__ import annotations

from flarchitect_core.model.schemas import AutoSchema

__all__ = ["AutoSchema"]
