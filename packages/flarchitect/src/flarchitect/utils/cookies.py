"""The attributes of cookies."""

from __future__ import annotations

from flarchitect_core.http.cookies import cookie_settings

__all__ = ["cookie_settings"]
