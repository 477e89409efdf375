"""Logging in by a cookie."""

from __future__ import annotations

from flarchitect_auth.functions import load_user_from_cookie

__all__ = ["load_user_from_cookie"]
