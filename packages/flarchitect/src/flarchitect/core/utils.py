"""The keys of models."""

from __future__ import annotations

from flarchitect_core.model.key_rules import (
    SQLALCHEMY_TO_FLASK_CONVERTER,
    get_foreign_key_to_parent,
    get_pk,
    get_primary_key_info,
    get_url_pk,
)

__all__ = ["SQLALCHEMY_TO_FLASK_CONVERTER", "get_foreign_key_to_parent", "get_pk", "get_primary_key_info", "get_url_pk"]
