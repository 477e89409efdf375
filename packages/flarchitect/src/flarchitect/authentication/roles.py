"""Decorators about roles, and the parts of a refusal."""

from __future__ import annotations

from flarchitect_auth.decorators import require_roles, roles_accepted, roles_required
from flarchitect_auth.role_answers import build_user_context as _build_user_context
from flarchitect_auth.role_answers import forbidden_with_context as _forbidden_with_context
from flarchitect_auth.roles import infer_resource as _infer_resource_from_path

__all__ = [
    "_build_user_context",
    "_forbidden_with_context",
    "_infer_resource_from_path",
    "require_roles",
    "roles_accepted",
    "roles_required",
]
