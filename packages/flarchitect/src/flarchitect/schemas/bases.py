"""Base class and fields of the generated schemas."""

from __future__ import annotations

from flarchitect_core.model.fields import EnumField
from flarchitect_core.model.schemas import AutoSchema

__all__ = ["AutoSchema", "EnumField"]
