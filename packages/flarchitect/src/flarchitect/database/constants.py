"""Operators and functions by their names."""

from __future__ import annotations

from flarchitect_core.query.plain import AGGREGATE_FUNCS, OPERATORS

__all__ = ["AGGREGATE_FUNCS", "OPERATORS"]
