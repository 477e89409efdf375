"""The current user.

Core only keeps who it is. A part such as `flarchitect-auth`, or code of the application, finds it out and calls
`set_current_user`; row policies and every transport ask here.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from flask import g, has_app_context
from werkzeug.local import LocalProxy

from flarchitect_core.http.request_scope import current_request

__all__ = ["current_user", "get_current_user", "known_user", "set_current_user"]

# Of code that runs outside of any request, such as a command or a test: in the application context where there is one,
# which forgets it when it ends.
_KEY = "_flarchitect_user"
_outside: ContextVar[Any] = ContextVar("flarchitect_user", default=None)


def set_current_user(user: Any, *, attach: Callable[[Any], Any] | None = None) -> None:
    """Say who calls; `None` says that nobody is known.

    Within a request it holds until the request ends, for this request alone. Outside of one it holds until the
    application context ends, without any in the current context of `contextvars`, and for no request that begins in it.

    Args:
        attach: Gives the user with a session, where it was read without one. It is called when code of the application
            asks for the user within the request.
    """
    scope = current_request()
    if scope is not None:
        if scope.claims is not None:
            if attach is not None and not scope.claims.take_columns_alone(user):
                user, attach = attach(user), None
            scope.claims.change(user)
        scope.user, scope.attach_user = user, attach
    elif has_app_context():
        setattr(g, _KEY, user)
    else:
        _outside.set(user)


def get_current_user() -> Any:
    """Give the user who calls, `None` when nobody is known."""
    scope = current_request()
    if scope is not None and scope.attach_user is not None:
        attach, scope.attach_user = scope.attach_user, None
        scope.user = attach(scope.user)
    return known_user()


def known_user() -> Any:
    """Give the user who calls for a look at its columns; whatever else it has may need a session that it lacks."""
    scope = current_request()
    if scope is not None:
        return scope.user
    return g.get(_KEY, _outside.get()) if has_app_context() else _outside.get()


current_user: Any = LocalProxy(get_current_user, unbound_message="Nobody is logged in.")
"""The user who calls; it is false, and equals `None`, when nobody is known."""
