"""The current user."""

from __future__ import annotations

from flarchitect_core.access.identity import current_user, get_current_user, set_current_user

__all__ = ["current_user", "get_current_user", "set_current_user"]
