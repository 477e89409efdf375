"""Reading an option by its key."""

from __future__ import annotations

import sys

from flarchitect_core import resolution
from flarchitect_core.resolution import get_config_or_model_meta

__all__ = ["get_config_or_model_meta"]

sys.modules[__name__] = resolution
