"""Operators, keys and columns."""

from __future__ import annotations

from flarchitect_core.model.join_tokens import normalise_join_token
from flarchitect_core.query.plain import (
    AGGREGATE_FUNCS,
    OPERATORS,
    get_all_columns_and_hybrids,
    get_primary_key_filters,
    get_primary_keys,
    is_hybrid_property,
)
from flarchitect_core.query.plain import (
    get_model_columns as list_model_columns,
)

__all__ = [
    "AGGREGATE_FUNCS",
    "OPERATORS",
    "get_all_columns_and_hybrids",
    "get_primary_key_filters",
    "get_primary_keys",
    "is_hybrid_property",
    "list_model_columns",
    "normalise_join_token",
]
