"""Routes of an application."""

from __future__ import annotations

from flarchitect_core.route_list import find_rule_by_function

__all__ = ["find_rule_by_function"]
