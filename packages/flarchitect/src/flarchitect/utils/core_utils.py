"""Cases of names, and XML."""

from __future__ import annotations

from flarchitect_core.http.xml import dict_to_xml
from flarchitect_core.model.naming import (
    convert_camel_to_snake,
    convert_case,
    convert_kebab_to_snake,
    convert_snake_to_camel,
)
from flarchitect_core.views.results import get_count

__all__ = [
    "convert_camel_to_snake",
    "convert_case",
    "convert_kebab_to_snake",
    "convert_snake_to_camel",
    "dict_to_xml",
    "get_count",
]
