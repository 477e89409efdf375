"""The URL segment of a model, as `API_ENDPOINT_NAMER` gives it by default."""

from __future__ import annotations

from typing import Any

from flarchitect_core.model.naming import segment_name
from flarchitect_core.resolution import get_config_or_model_meta

__all__ = ["endpoint_namer"]


def endpoint_namer(model: type | None = None, input_schema: Any = None, output_schema: Any = None) -> str:
    """Name the URL segment of a model: its class name in the plural, in the case of `API_ENDPOINT_CASE`.

    Raises:
        ValueError: There is no model.
    """
    if model is None:
        raise ValueError("endpoint_namer needs the model whose URL segment it is to name.")
    return segment_name(model.__name__, get_config_or_model_meta("API_ENDPOINT_CASE", default="kebab"))
