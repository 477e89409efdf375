"""Functions for code beside the generated routes."""

from __future__ import annotations

from flarchitect.utils import session
from flarchitect_core.session import get_session

__all__ = ["get_session", "session"]
