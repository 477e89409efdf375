"""The switches of the envelope."""

from __future__ import annotations

from flarchitect_core.views.results import filter_response_data as _filter_response_data

__all__ = ["_filter_response_data"]
