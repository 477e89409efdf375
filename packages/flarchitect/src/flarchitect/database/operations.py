"""Rows without routes."""

from __future__ import annotations

from flarchitect_core.operations.crud import CrudService, recursive_delete
from flarchitect_core.query.plain import apply_sorting_to_query, paginate_query

__all__ = ["CrudService", "apply_sorting_to_query", "paginate_query", "recursive_delete"]
