"""Bodies and schemas in views of your own."""

from __future__ import annotations

from flarchitect_core.schema_tools import (
    create_dynamic_schema,
    dump_schema_if_exists,
    filter_keys,
    get_input_output_from_model_or_make,
    get_schema_subclass,
    list_schema_fields,
)
from flarchitect_core.views.bodies import deserialise_data
from flarchitect_core.views.bodies import deserialise_data as deserialize_data

__all__ = [
    "create_dynamic_schema",
    "deserialise_data",
    "deserialize_data",
    "dump_schema_if_exists",
    "filter_keys",
    "get_input_output_from_model_or_make",
    "get_schema_subclass",
    "list_schema_fields",
]
