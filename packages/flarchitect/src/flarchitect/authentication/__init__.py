"""Who calls."""

from __future__ import annotations

from flarchitect_auth.decorators import public, require_roles, require_scopes, roles_accepted, roles_required
from flarchitect_auth.functions import load_user_from_cookie
from flarchitect_auth.passwords import PasswordMixin, hash_password, needs_rehash, verify_password

__all__ = [
    "PasswordMixin",
    "hash_password",
    "load_user_from_cookie",
    "needs_rehash",
    "public",
    "require_roles",
    "require_scopes",
    "roles_accepted",
    "roles_required",
    "verify_password",
]
