"""Every route of an application as data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flarchitect._parts import lazily

if TYPE_CHECKING:
    from flarchitect_docs.bundle import build_docs_bundle

__all__ = ["build_docs_bundle"]

__getattr__ = lazily(__name__, dict.fromkeys(__all__, "flarchitect_docs.bundle"), "flarchitect-docs")
