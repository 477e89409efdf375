"""Refresh tokens that were given out."""

from __future__ import annotations

from flarchitect_auth.functions import (
    delete_refresh_token,
    get_refresh_token,
    get_session,
    list_user_tokens,
    mark_refresh_token_used,
    purge_expired_refresh_tokens,
    revoke_family,
    revoke_refresh_token,
    revoke_user_tokens,
    rotate_refresh_token,
    store_refresh_token,
)
from flarchitect_auth.token_store import Base, RefreshToken

__all__ = [
    "Base",
    "RefreshToken",
    "delete_refresh_token",
    "get_refresh_token",
    "get_session",
    "list_user_tokens",
    "mark_refresh_token_used",
    "purge_expired_refresh_tokens",
    "revoke_family",
    "revoke_refresh_token",
    "revoke_user_tokens",
    "rotate_refresh_token",
    "store_refresh_token",
]
