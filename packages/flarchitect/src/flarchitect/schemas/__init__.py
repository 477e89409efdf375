"""Schemas of the published models."""

from __future__ import annotations

from flarchitect_core.model.schemas import AutoSchema
from flarchitect_core.schema_tools import DeleteSchema, get_input_output_from_model_or_make

__all__ = ["AutoSchema", "DeleteSchema", "get_input_output_from_model_or_make"]
