"""Decorators of views: who may call them (auth 8, 9.1, S-31)."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import SimpleNamespace
from typing import Any, TypeVar, cast

from flask import current_app, has_request_context, request

from flarchitect_auth.audit import tell
from flarchitect_auth.current import authentication_of
from flarchitect_auth.errors import ForbiddenError
from flarchitect_auth.roles import RoleRule, forbidden, require_user
from flarchitect_core.access.asked import Asked
from flarchitect_core.access.roles import RoleRequirement
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.http.hooks import render_error
from flarchitect_core.http.request_scope import current_request

__all__ = [
    "asks_for_roles",
    "asks_who_calls",
    "jwt_authentication",
    "public",
    "require_roles",
    "require_scopes",
    "roles_accepted",
    "roles_required",
]

Function = TypeVar("Function", bound=Callable[..., Any])


def jwt_authentication(function: Function) -> Function:
    """Let only callers with an access token call a view; they are the current user in it.

    It works whatever `API_AUTHENTICATE_METHOD` says. With roles, it stands above `require_roles`.
    """

    def check() -> None:
        authentication = authentication_of()
        method = "GET" if request.method == "HEAD" else request.method
        authentication.authenticate((authentication.jwt,), Asked(), method)

    decorated = _before(function, check)
    # Who calls is found out here, and once is enough.
    decorated.is_guarded_by_flarchitect = True  # type: ignore[attr-defined]
    return decorated


def public(function: Function) -> Function:
    """Let everybody call a view, whatever is configured for the others."""
    function._auth_disabled = True  # type: ignore[attr-defined]  # noqa: SLF001 - the documented mark
    return function


def require_roles(*roles: str, any_of: bool = False) -> Callable[[Function], Function]:
    """Make the decorator of a view that only users with these roles may call.

    Args:
        roles: Names, all of which are needed; without any, it is enough to be known.
        any_of: One of them is enough.
    """
    names = tuple(name.strip() for role in roles for name in role.split(",") if name.strip())
    rule = RoleRule(RoleRequirement(names, any_of))

    def check() -> Any:
        user = require_user()
        if rule.requirement.is_met_by(user):
            return None
        if not has_request_context():
            raise CustomHTTPException(403, "Insufficient role")
        error = forbidden(rule, user, authentication_of().accounts)
        return render_error(authentication_of().state, error.as_api_error())

    def decorate(function: Function) -> Function:
        return _saying(_before(function, check), "require_roles", _args=names, _any_of=any_of)

    return decorate


def asks_for_roles(view: object) -> bool:
    """Say whether a view is decorated with roles of its own."""
    return any(said.__name__ == "require_roles" for said in getattr(view, "_decorators", ()))


def asks_who_calls(view: object) -> bool:
    """Say whether a view is decorated with anything that judges its caller."""
    return bool(getattr(view, "_decorators", ()))


def roles_required(*roles: str) -> Callable[[Function], Function]:
    """Make the decorator of a view that only users with all of these roles may call."""
    return require_roles(*roles)


def roles_accepted(*roles: str) -> Callable[[Function], Function]:
    """Make the decorator of a view that users with one of these roles may call."""
    return require_roles(*roles, any_of=True)


def require_scopes(*scopes: str) -> Callable[[Function], Function]:
    """Make the decorator of a view for which credentials must be meant: tokens and keys that name all of these scopes.

    Credentials without any scopes, such as a password, are for everything.
    """

    def check() -> None:
        user = require_user()
        scope = current_request()
        credentials = None if scope is None else scope.credentials
        granted = None if credentials is None else credentials.scopes
        if granted is not None and not granted.issuperset(scopes):
            tell("auth.denied", user_pk=authentication_of().accounts.key_of(user), reason="insufficient_scope")
            raise ForbiddenError(
                f"These credentials are not for this. They need the scope {' '.join(scopes)}.",
                "insufficient_scope",
                required_scopes=list(scopes),
            )

    return lambda function: _saying(_before(function, check), "require_scopes", _args=scopes)


def _saying(decorated: Function, name: str, **arguments: Any) -> Function:
    """Let a decorated view say by what it was decorated, for guards and documents."""
    said = SimpleNamespace(__name__=name, **arguments)
    decorated._decorators = [*getattr(decorated, "_decorators", ()), said]  # type: ignore[attr-defined]  # noqa: SLF001
    return decorated


def _before(function: Function, check: Callable[[], Any]) -> Function:
    """Wrap a view so that a check runs before it; what the check gives is the answer."""

    @wraps(function)
    def checked(*arguments: Any, **variables: Any) -> Any:
        answer = check()
        if answer is not None:
            return answer
        if has_request_context():
            return current_app.ensure_sync(function)(*arguments, **variables)
        return function(*arguments, **variables)

    return cast("Function", checked)
