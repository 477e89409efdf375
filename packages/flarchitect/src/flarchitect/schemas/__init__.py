"""Schemas of the published models, and of logging in."""

from __future__ import annotations

from flarchitect_auth.schemas import LoginSchema, RefreshSchema, TokenSchema
from flarchitect_core.model.schemas import AutoSchema
from flarchitect_core.schema_tools import DeleteSchema, get_input_output_from_model_or_make
from flarchitect_core.views.files import FileField, Upload, UploadedFile

__all__ = [
    "AutoSchema",
    "DeleteSchema",
    "FileField",
    "LoginSchema",
    "RefreshSchema",
    "TokenSchema",
    "Upload",
    "UploadedFile",
    "get_input_output_from_model_or_make",
]
