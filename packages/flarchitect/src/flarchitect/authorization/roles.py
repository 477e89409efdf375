"""How rules about roles are read."""

from __future__ import annotations

from flarchitect_auth.role_answers import resolve_required_roles as _resolve_required_roles
from flarchitect_auth.roles import normalise_roles_spec as _normalize_roles_spec

__all__ = ["_normalize_roles_spec", "_resolve_required_roles"]
