"""Authentication, tokens and roles for Flask applications with a SQLAlchemy user model."""

from __future__ import annotations

from flarchitect_auth.decorators import (
    jwt_authentication,
    public,
    require_roles,
    require_scopes,
    roles_accepted,
    roles_required,
)
from flarchitect_auth.functions import load_user_from_cookie
from flarchitect_auth.passwords import PasswordMixin, hash_password, verify_password
from flarchitect_core.access.identity import current_user, get_current_user, set_current_user
from flarchitect_core.architect import Architect

__all__ = [
    "Architect",
    "PasswordMixin",
    "current_user",
    "get_current_user",
    "hash_password",
    "jwt_authentication",
    "load_user_from_cookie",
    "public",
    "require_roles",
    "require_scopes",
    "roles_accepted",
    "roles_required",
    "set_current_user",
    "verify_password",
]
