"""Cases of names."""

from __future__ import annotations

from flarchitect_core.model.naming import (
    convert_camel_to_snake,
    convert_case,
    convert_kebab_to_snake,
    convert_snake_to_camel,
)

__all__ = ["convert_camel_to_snake", "convert_case", "convert_kebab_to_snake", "convert_snake_to_camel"]
