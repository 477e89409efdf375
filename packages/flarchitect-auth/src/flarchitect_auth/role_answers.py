"""Rules about roles and refusals for code of the application: the documented functions (core 10)."""

from __future__ import annotations

from typing import Any

from flask import Response

from flarchitect_auth.current import authentication_of
from flarchitect_auth.roles import RoleRule, described, forbidden, rules_of
from flarchitect_core.access.asked import Asked
from flarchitect_core.access.identity import get_current_user
from flarchitect_core.access.roles import RoleRequirement
from flarchitect_core.http.hooks import render_error
from flarchitect_core.state import state_of

__all__ = ["build_user_context", "forbidden_with_context", "resolve_required_roles"]


def build_user_context() -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Describe the current user as a refusal does: `user` and `lookup`, `None` when nobody is known."""
    return described(get_current_user(), authentication_of().accounts)


def forbidden_with_context(
    required_roles: list[str] | None = None, any_of: bool = False, resolved_from: str | None = None
) -> Response:
    """Make the answer to a caller without the roles.

    Args:
        required_roles: What is missing, in the order in which it is told.
        any_of: One of them would have been enough.
        resolved_from: Key of the role map that said so.
    """
    rule = RoleRule(RoleRequirement(tuple(required_roles or ()), any_of), resolved_from)
    error = forbidden(rule, get_current_user(), authentication_of().accounts)
    return render_error(state_of(), error.as_api_error())


def resolve_required_roles(
    method: str, *, model: type | None = None, many: bool = False, relation_name: str | None = None
) -> tuple[list[str] | bool | None, bool, str | None]:
    """Give the rule about an operation: its roles, `True` for any caller who is known or `None`; whether one of them is
    enough; and the key of the role map that says so.
    """
    asked = Asked(method.upper(), model, many=many, relation_name=relation_name)
    rules = rules_of(authentication_of().settings, asked, method.upper())
    if not rules:
        return None, False, None
    rule = rules[0]
    return list(rule.requirement.names) or True, rule.requirement.any_of, rule.resolved_from
