"""The routes below `/auth`: logging in, renewing, logging out, and who one is (auth 5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import wraps
from typing import TYPE_CHECKING, Any

from flask import Response, jsonify, request

from flarchitect_auth import options
from flarchitect_auth.audit import tell
from flarchitect_auth.cookies import clear_cookies, cookie_name, set_cookies
from flarchitect_auth.errors import AuthenticationError
from flarchitect_auth.me import described_to_itself
from flarchitect_auth.registration import login_name, register
from flarchitect_auth.schemas import LogoutSchema, PresentedLogin, RefreshSchema, RegisterSchema, TokenSchema
from flarchitect_auth.sessions import TokenPair, log_in, log_out, renew
from flarchitect_auth.strategies.basic import invalid_credentials
from flarchitect_core.access.asked import Asked
from flarchitect_core.access.identity import get_current_user
from flarchitect_core.catalogue.endpoint import Endpoint
from flarchitect_core.catalogue.shapes import Answer, Content, JsonShape, SchemaShape
from flarchitect_core.errors import ApiError, BadRequestError
from flarchitect_core.state import ApplicationState
from flarchitect_core.views.details import answer_types, view_details
from flarchitect_core.views.managed import ManagedView, managed_view_of

if TYPE_CHECKING:
    from flarchitect_auth.authentication import Authentication

__all__ = ["check_routes", "register_routes"]

LOGIN, LOGOUT, REGISTER, JWKS = "/auth/login", "/auth/logout", "/auth/register", "/.well-known/jwks.json"

_PRIVATE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_TAG = "Authentication"

View = Callable[..., Any]


class AuthViews:
    """The views of one application."""

    def __init__(self, authentication: Authentication) -> None:
        self._authentication = authentication
        self._settings = authentication.settings

    # --- tokens -------------------------------------------------------------------------------------------------------

    def log_in(self, deserialized_data: Mapping[str, str]) -> Any:
        """Answer a login name and a password with tokens."""
        self._authentication.require_tls()
        name, password = deserialized_data["username"], deserialized_data["password"]
        user = self._recognised(lambda: self._authentication.basic.log_in(name, password))
        return self._answer(log_in(self._authentication, user))

    def renew(self, deserialized_data: Mapping[str, str]) -> Any:
        """Answer a refresh token with new tokens; each can be used once."""
        self._authentication.require_tls()
        token = deserialized_data.get("refresh_token")
        if token is None:
            token = self._from_cookie()
        if not token.strip():
            raise BadRequestError("Refresh token is missing", reason="refresh_token_missing")
        with self._authentication.throttle.attempt(None):
            pair, _ = renew(self._authentication, token)
        return self._answer(pair)

    def _from_cookie(self) -> str:
        """Give the refresh token of the cookie, where a page of ours asks.

        Raises:
            ForbiddenError: Nothing shows that it is one of ours.
        """
        authentication = self._authentication
        name = cookie_name(self._settings, self._settings.get(options.AUTH_REFRESH_COOKIE_NAME))
        token = request.cookies.get(name, "")
        if token:
            claims = authentication.tokens.read(token, "refresh")
            authentication.csrf.check(request, "POST", {"jti": claims.get("access_jti")})
        return token

    def log_out(self, deserialized_data: Mapping[str, Any]) -> Any:
        """End the login that the tokens come from, or all of the user."""
        log_out(
            self._authentication,
            refresh_token=deserialized_data.get("refresh_token"),
            everywhere=deserialized_data["all"],
        )
        answer: Response = self._authentication.state.envelope.response({}, headers=_PRIVATE)
        if self._settings.get(options.AUTH_SET_COOKIES):
            clear_cookies(answer)
        return answer

    def _answer(self, pair: TokenPair) -> Response:
        answer: Response = self._authentication.state.envelope.response(pair.to_dict(), headers=_PRIVATE)
        if self._settings.get(options.AUTH_SET_COOKIES):
            csrf = self._authentication.csrf.value_for(pair.access.claims["jti"])
            access, refresh = ((issued.token, issued.expires_at) for issued in (pair.access, pair.refresh))
            set_cookies(answer, access=access, refresh=refresh, csrf=csrf)
        return answer

    # --- other credentials --------------------------------------------------------------------------------------------

    def log_in_basic(self) -> Any:
        """Answer a login name and a password in the header with whose they are; nothing is kept."""
        return self._checked("basic")

    def log_in_api_key(self) -> Any:
        """Answer an API key in the header with whose it is; nothing is kept."""
        return self._checked("api_key")

    def _checked(self, name: str) -> Any:
        authentication = self._authentication
        authentication.require_tls()
        (strategy,) = authentication.strategies([name])

        def recognise() -> Any:
            credentials = strategy.recognise(request, Asked(), "POST")
            if credentials is None:
                raise invalid_credentials()
            return credentials.user

        user = self._recognised(recognise)
        accounts = authentication.accounts
        value = {"user_pk": getattr(user, "id", None)}
        if isinstance(user, self._settings.get(options.USER_MODEL) or ()):
            value["user_pk"] = accounts.pk_of(user)
            if accounts.is_configured:
                value[accounts.lookup_field] = getattr(user, accounts.lookup_field)
        tell("auth.login.ok", user_pk=value["user_pk"])
        return value, 200, _PRIVATE

    @staticmethod
    def _recognised(recognise: Callable[[], Any]) -> Any:
        try:
            return recognise()
        except (AuthenticationError, ApiError) as error:
            tell("auth.login.failed", reason=getattr(error, "code_name", None) or getattr(error, "reason", None))
            raise

    # --- users --------------------------------------------------------------------------------------------------------

    def me(self) -> Any:
        """Answer with the current user, without anything that is secret."""
        described = described_to_itself(self._authentication.accounts, get_current_user())
        return described, 200, {"Cache-Control": "private, no-store"}

    def register(self, deserialized_data: Mapping[str, str]) -> Any:
        """Make an account; whether there was one already is not told."""
        self._authentication.require_tls()
        with self._authentication.throttle.attempt(None):
            register(self._authentication, deserialized_data)
        return {"message": "If the account can be made, it has been."}, 202, _PRIVATE

    def key_set(self) -> Any:
        """Answer with the public keys (RFC 7517)."""
        answer = jsonify(keys=list(self._authentication.keys.public_keys()))
        answer.headers["Cache-Control"] = "public, max-age=300"
        return answer


def _routes(authentication: Authentication) -> list[tuple[str, str, View, dict[str, Any]]]:
    """List path, method, view and what is said about it, of all routes that are to be there."""
    settings, enabled = authentication.settings, authentication.enabled
    views = AuthViews(authentication)
    public: dict[str, Any] = {"auth": False}
    said: dict[str, Any] = {"tag": _TAG, "group_tag": _TAG}
    routes: list[tuple[str, str, View, dict[str, Any]]] = []
    if not enabled or not settings.get(options.AUTO_AUTH_ROUTES):
        return routes
    if settings.get(options.JWT_EXPOSE_JWKS):
        routes.append(
            (JWKS, "GET", views.key_set, {**said, **public, "summary": "Public keys", "operation_id": "auth_jwks"})
        )
    if "jwt" in enabled:
        # Where cookies carry the tokens, the body may be empty.
        may_be_missing = ("refresh_token",) if settings.get(options.AUTH_SET_COOKIES) else ()
        takes_token = {"input_schema": RefreshSchema(partial=may_be_missing)}
        tokens = {"output_schema": TokenSchema, **said}
        routes += [
            (
                LOGIN,
                "POST",
                views.log_in,
                {"input_schema": PresentedLogin, **tokens, **public, "summary": "Log in", "operation_id": "auth_login"},
            ),
            (
                LOGOUT,
                "POST",
                views.log_out,
                {
                    "input_schema": LogoutSchema,
                    "roles": True,
                    **said,
                    "summary": "Log out",
                    "operation_id": "auth_logout",
                },
            ),
        ]
        refresh = settings.get(options.AUTH_REFRESH_ROUTE)
        if not _is_taken(authentication.state, refresh, "POST"):
            told = {**takes_token, **tokens, **public, "summary": "Renew tokens", "operation_id": "auth_refresh"}
            routes.append((refresh, "POST", views.renew, told))
    elif "basic" in enabled:
        routes.append(
            (
                LOGIN,
                "POST",
                views.log_in_basic,
                {**said, **public, "summary": "Check credentials", "operation_id": "auth_login"},
            )
        )
    elif "api_key" in enabled:
        routes.append(
            (
                LOGIN,
                "POST",
                views.log_in_api_key,
                {**said, **public, "summary": "Check an API key", "operation_id": "auth_login"},
            )
        )
    me = settings.get(options.AUTH_ME_ROUTE)
    has_users = settings.get(options.USER_MODEL) is not None
    if has_users and settings.get(options.EXPOSE_ME) and not _is_taken(authentication.state, me, "GET"):
        routes.append(
            (me, "GET", views.me, {"roles": True, **said, "summary": "The current user", "operation_id": "auth_me"})
        )
    if settings.get(options.EXPOSE_REGISTER):
        schema = RegisterSchema(
            login_name=login_name(authentication), password_min_length=settings.get(options.PASSWORD_MIN_LENGTH)
        )
        routes.append(
            (
                REGISTER,
                "POST",
                views.register,
                {"input_schema": schema, **said, **public, "summary": "Register", "operation_id": "auth_register"},
            )
        )
    return routes


def _is_taken(state: ApplicationState, path: str, method: str) -> bool:
    return any(rule.rule == path and method in (rule.methods or ()) for rule in state.app.url_map.iter_rules())


def check_routes(authentication: Authentication) -> None:
    """Report every route that the application has already."""
    state = authentication.state
    for path, method, view, _ in _routes(authentication):
        if _is_taken(state, path, method) and _endpoint(view) not in state.app.view_functions:
            state.report.problem(
                f"{method} {path} is already a route of the application. Change yours, or set "
                f"API_AUTO_AUTH_ROUTES = False to keep it."
            )


def register_routes(authentication: Authentication) -> None:
    """Register the routes at the root of the application, as far as they are not there."""
    state = authentication.state
    for path, method, view, said in _routes(authentication):
        endpoint = _endpoint(view)
        if endpoint not in state.app.view_functions:
            decorated = state.architect.schema_constructor(**said)(_named(view))
            state.app.add_url_rule(path, endpoint, decorated, methods=[method])
            state.owned_paths.append(path)
            if (around := managed_view_of(decorated)) is not None:
                state.endpoints.append(_described(state, path, method, endpoint, around))


def _described(state: ApplicationState, path: str, method: str, name: str, view: ManagedView) -> Endpoint:
    info = view.info
    return Endpoint(
        path,
        method,
        name,
        "view",
        info.asked(),
        lambda: replace(
            view_details(state, view, method), answers=_answers(state, path, view), errors=_errors(path, view)
        ),
        view=view,
        summary=info.summary,
        tag=info.tag,
    )


def _answers(state: ApplicationState, path: str, view: ManagedView) -> list[Answer]:
    if path == JWKS:
        keys = {"type": "array", "items": {"type": "object"}}
        shape = JsonShape({"type": "object", "properties": {"keys": keys}, "required": ["keys"]})
        return [Answer(200, "The keys.", [Content(["application/json"], shape, is_enveloped=False)])]
    schema = view.info.output_schema
    content = Content(answer_types(state), JsonShape({"type": "object"}) if schema is None else SchemaShape(schema))
    return [Answer(202 if path == REGISTER else 200, "OK", [content])]


def _errors(path: str, view: ManagedView) -> tuple[int, ...]:
    """List what may go wrong besides who calls: wrong credentials are no credentials of a request."""
    if path == JWKS:
        return (500,)
    judges = (401, 429) if view.info.auth is False else ()
    return (*((400, 413, 415) if view.info.input_schema is not None else ()), *judges, 403, 500, 503)


def _endpoint(view: View) -> str:
    return f"flarchitect_auth_{view.__name__}"


def _named(method: View) -> View:
    """Give a function in place of a bound method, which takes no marks."""

    @wraps(method)
    def view(**variables: Any) -> Any:
        return method(**variables)

    return view
