"""Reading an option by its key, and the format of the current answer."""

from __future__ import annotations

from flarchitect_core.http.negotiation import is_xml
from flarchitect_core.resolution import get_config_or_model_meta

__all__ = ["get_config_or_model_meta", "is_xml"]
