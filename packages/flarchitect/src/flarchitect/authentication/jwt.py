"""Tokens."""

from __future__ import annotations

from flarchitect_auth.functions import (
    create_jwt,
    decode_token,
    generate_access_token,
    generate_refresh_token,
    get_allowed_algorithms,
    get_jwt_algorithm,
    get_pk_and_lookups,
    get_user_from_token,
    refresh_access_token,
)

__all__ = [
    "create_jwt",
    "decode_token",
    "generate_access_token",
    "generate_refresh_token",
    "get_allowed_algorithms",
    "get_jwt_algorithm",
    "get_pk_and_lookups",
    "get_user_from_token",
    "refresh_access_token",
]
