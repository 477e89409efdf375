"""What the API offers, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flarchitect._parts import lazily

if TYPE_CHECKING:
    from flarchitect_docs.discovery import build_schema_discovery_payload

__all__ = ["build_schema_discovery_payload"]

__getattr__ = lazily(__name__, dict.fromkeys(__all__, "flarchitect_docs.discovery"), "flarchitect-docs")
