"""The SQLAlchemy session of a model."""

from __future__ import annotations

import sys

from flarchitect_core import session
from flarchitect_core.session import get_session

__all__ = ["get_session"]

sys.modules[__name__] = session
