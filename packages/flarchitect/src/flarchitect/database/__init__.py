"""Rows without routes, and helpers for your own statements."""

from __future__ import annotations

from flarchitect_core.operations.crud import CrudService
from flarchitect_core.query.plain import (
    apply_sorting_to_query,
    get_model_columns,
    get_model_relationships,
    paginate_query,
)

__all__ = ["CrudService", "apply_sorting_to_query", "get_model_columns", "get_model_relationships", "paginate_query"]
