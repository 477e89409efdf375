"""Schemas of logging in."""

from __future__ import annotations

from flarchitect_auth.schemas import LoginSchema, RefreshSchema, TokenSchema

__all__ = ["LoginSchema", "RefreshSchema", "TokenSchema"]
