"""`AuthPart`: who may call the views of an application."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

import click
from flask import Response
from sqlalchemy.exc import SQLAlchemyError

from flarchitect_auth import options
from flarchitect_auth.authentication import Authentication, challenges, each_operation, methods_of
from flarchitect_auth.callers import AccountCallers
from flarchitect_auth.checks import check_authentication
from flarchitect_auth.cli import auth_commands
from flarchitect_auth.errors import AuthenticationError, ForbiddenError
from flarchitect_auth.guard import AccessGuard, GlobalGuard
from flarchitect_auth.options import AUTH_OPTIONS
from flarchitect_auth.routes import check_routes, register_routes
from flarchitect_auth.schemes import scheme_names, scheme_of
from flarchitect_core.access.asked import Asked, Guard
from flarchitect_core.access.callers import Callers
from flarchitect_core.catalogue.access import Access, SecurityScheme
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.http.hooks import render_error
from flarchitect_core.http.request_scope import current_request
from flarchitect_core.http.vary import add_vary
from flarchitect_core.part import Part
from flarchitect_core.settings import Option, is_set
from flarchitect_core.state import ApplicationState

__all__ = ["AuthPart"]


class AuthPart(Part):
    """Recognises callers, and lets them do what their roles allow."""

    name: ClassVar[str] = "auth"
    order: ClassVar[int] = 5
    distribution: ClassVar[str] = "flarchitect-auth"
    options: ClassVar[Sequence[Option[Any]]] = AUTH_OPTIONS

    def check(self, state: ApplicationState) -> None:
        """Look for everything that would make authentication fail, or hold less than it says."""
        authentication = _authentication(state)
        check_authentication(authentication)
        if not state.report.problems:
            check_routes(authentication)
            try:
                GlobalGuard(authentication)
            except ConfigurationError as error:
                state.report.problems_from(error.problems)

    def install(self, state: ApplicationState) -> None:
        """Guard every view that nothing else guards, and register the routes below `/auth`."""
        authentication = _authentication(state)
        state.app.register_error_handler(AuthenticationError, lambda error: render_error(state, error.as_api_error()))
        state.app.register_error_handler(ForbiddenError, lambda error: render_error(state, error.as_api_error()))
        guard = GlobalGuard(authentication)
        if not guard.is_open:
            # After that of core, and before those of the application, which may ask for the user.
            state.app.before_request_funcs.setdefault(None, []).insert(1, guard)
        state.app.after_request(_seal(authentication))
        if "jwt" in authentication.enabled:
            _create_tables(authentication)
        register_routes(authentication)

    def register(self, state: ApplicationState) -> None:
        """Register the routes that strategies need which came with the models."""
        register_routes(_authentication(state))

    def guard_operation(self, state: ApplicationState, asked: Asked) -> Guard | None:
        """Give what judges the callers of an operation; `None` when nothing is configured that could refuse one."""
        authentication = _authentication(state)
        guard = AccessGuard(authentication, asked)
        return None if guard.is_open and not _is_in_use(authentication) else guard

    def describe_access(self, state: ApplicationState, asked: Asked, method: str) -> Access:
        """Say what `guard_operation` asks of callers."""
        return AccessGuard(_authentication(state), asked).describe(method)

    def security_schemes(self, state: ApplicationState) -> Mapping[str, SecurityScheme]:
        """Say how callers may show who they are."""
        with state.app.app_context():
            authentication = _authentication(state)
            names = {
                name
                for model, method in each_operation(state)
                for strategy in methods_of(state.settings, model, method)
                for name in scheme_names(state.settings, strategy, model, method)
            }
            return {name: scheme_of(authentication.settings, name) for name in sorted(names)}

    def callers(self, state: ApplicationState) -> Callers | None:
        """Give what recognises users, for parts with a login of their own; `None` where nothing is configured."""
        authentication = _authentication(state)
        return AccountCallers(authentication) if authentication.enabled else None

    def commands(self) -> Iterable[click.Command]:
        """Give the commands about tokens and keys."""
        return auth_commands()


def _authentication(state: ApplicationState) -> Authentication:
    """Give the authentication of an application, made when it is first asked for: hand-written views may be first."""
    if state.authentication is None:
        state.authentication = Authentication(state)
    found: Authentication = state.authentication
    return found


def _is_in_use(authentication: Authentication) -> bool:
    get = authentication.settings.get
    rules = (options.AUTH_REQUIREMENTS, options.ROLE_MAP, options.ROLES_REQUIRED, options.ROLES_ACCEPTED)
    return bool(authentication.enabled) or any(is_set(get(option)) for option in rules)


def _seal(authentication: Authentication) -> Any:
    """Make what is said of every answer: how to be recognised, and that answers to one caller are for no other."""

    def seal(response: Response) -> Response:
        if response.status_code == 401 and "WWW-Authenticate" not in response.headers:
            strategies = authentication.strategies(authentication.enabled or ("jwt",))
            failure = AuthenticationError("Authentication required", "authentication_required")
            response.headers.update(challenges(strategies, failure))
        scope = current_request()
        if scope is not None and scope.credentials is not None:
            if not response.headers.getlist("Cache-Control"):
                response.headers.add("Cache-Control", "private")
            elif not ((directives := response.cache_control).no_store or directives.public):
                directives.private = True
            header = authentication.settings.get(options.KEY_HEADER)
            add_vary(response, "Authorization", "Cookie", *((header,) if header else ()))
        return response

    return seal


def _create_tables(authentication: Authentication) -> None:
    """Create the tables of tokens, so that no request has to; a database that does not answer now may do so later."""
    if not authentication.settings.get(options.TOKEN_STORE_AUTO_CREATE):
        return
    try:
        authentication.store.create_tables()
    except SQLAlchemyError as error:
        authentication.state.report.notice(
            f"The tables of refresh tokens could not be created ({type(error).__name__}); logins fail until they are. "
            f"Run `flask flarchitect auth create-tables`, or a migration."
        )
