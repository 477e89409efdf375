"""The OpenAPI document."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flarchitect._parts import lazily

if TYPE_CHECKING:
    from flarchitect_docs.generator import (
        CustomSpec,
        generate_swagger_spec,
        register_routes_with_spec,
        register_schemas,
    )

__all__ = ["CustomSpec", "generate_swagger_spec", "register_routes_with_spec", "register_schemas"]

__getattr__ = lazily(__name__, dict.fromkeys(__all__, "flarchitect_docs.generator"), "flarchitect-docs")
