"""Names in descriptions of the API."""

from __future__ import annotations

from flarchitect_core.model.endpoints import endpoint_namer

__all__ = ["endpoint_namer"]
