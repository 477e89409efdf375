"""Decorators of views."""

from __future__ import annotations

from flarchitect_core.views.managed import handle_many, handle_one, standardise_response
from flarchitect_core.views.managed import standardise_response as standardize_response

__all__ = ["handle_many", "handle_one", "standardise_response", "standardize_response"]
