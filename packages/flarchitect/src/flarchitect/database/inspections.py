"""What a model consists of."""

from __future__ import annotations

from flarchitect_core.query.plain import get_model_columns, get_model_relationships

__all__ = ["get_model_columns", "get_model_relationships"]
