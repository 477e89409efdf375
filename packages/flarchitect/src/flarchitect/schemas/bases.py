"""Base class and fields of the generated schemas."""

from __future__ import annotations

from flarchitect_core.model.fields import EnumField
from flarchitect_core.model.schemas import AutoSchema
from flarchitect_core.model.type_table import register_type_mapping
from flarchitect_core.schema_tools import DeleteSchema

__all__ = ["AutoSchema", "DeleteSchema", "EnumField", "register_type_mapping"]
