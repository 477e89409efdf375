"""The authentication of one application: its strategies and what they need, made once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

from flask import request

from flarchitect_auth import options
from flarchitect_auth.accounts import Accounts
from flarchitect_auth.audit import tell
from flarchitect_auth.cookies import cookie_name
from flarchitect_auth.csrf import CsrfGuard
from flarchitect_auth.errors import AuthenticationError, ForbiddenError
from flarchitect_auth.keys import Keys
from flarchitect_auth.providers import Providers
from flarchitect_auth.requirements import DONE_BY_PUT
from flarchitect_auth.schemes import scheme_names
from flarchitect_auth.strategies.api_key import ApiKeyStrategy
from flarchitect_auth.strategies.basic import BasicStrategy
from flarchitect_auth.strategies.custom import CustomStrategy
from flarchitect_auth.strategies.jwt import JwtStrategy
from flarchitect_auth.strategies.strategy import Credentials, Strategy
from flarchitect_auth.throttle import Throttle
from flarchitect_auth.token_store import TokenStore
from flarchitect_auth.tokens import Tokens
from flarchitect_core import options as core
from flarchitect_core.access.asked import Asked
from flarchitect_core.access.identity import get_current_user, known_user, set_current_user
from flarchitect_core.errors import ApiError
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.http.request_scope import current_request
from flarchitect_core.settings import HTTP_METHODS, Settings
from flarchitect_core.state import ApplicationState
from flarchitect_core.users import user_key

if TYPE_CHECKING:
    from flarchitect_core.model.registry import Registry

__all__ = ["METHODS", "Authentication", "challenges", "each_operation", "is_switched_off", "methods_of"]

METHODS = ("jwt", "basic", "api_key", "custom")


def methods_of(settings: Settings, model: type | None, method: str | None) -> tuple[str, ...]:
    """List how callers are recognised, in the order in which it is tried; the names are not checked here."""
    value = settings.get(options.AUTHENTICATE_METHOD, model=model, method=method)
    if method == "PUT" and value == settings.get(options.AUTHENTICATE_METHOD, model=model):
        likes = (settings.get(options.AUTHENTICATE_METHOD, model=model, method=like) for like in DONE_BY_PUT)
        value = next((like for like in likes if like and like != value), value)
    if not value:
        return ()
    words = [value] if isinstance(value, str) else value
    return tuple(dict.fromkeys(word.strip().lower() for word in words))


def is_switched_off(settings: Settings, model: type | None, method: str) -> bool:
    """Say whether `API_AUTHENTICATE` opens a method: PUT not where it asks for the callers of what a PUT does."""
    if settings.get(options.AUTHENTICATE, model=model, method=method) is not False:
        return False
    if method != "PUT" or settings.get(options.AUTHENTICATE, model=model) is not False:
        return True
    return not any(settings.get(options.AUTHENTICATE, model=model, method=like) for like in DONE_BY_PUT)


class Authentication:
    """What recognises the callers of one application."""

    def __init__(self, state: ApplicationState) -> None:
        self.state = state
        self.settings = state.settings
        self.accounts = Accounts(state)
        self.keys = Keys(state.settings)
        self.tokens = Tokens(state.settings, self.keys)
        self.store = TokenStore(state, self.accounts)
        self.providers = Providers(state.settings)
        self._enabled: tuple[Registry, tuple[str, ...]] | None = None
        self.csrf = CsrfGuard(state.app, partial(cookie_name, state.settings))

    @cached_property
    def throttle(self) -> Throttle:
        """What counts failed attempts."""
        return Throttle(self.state)

    @cached_property
    def jwt(self) -> JwtStrategy:
        """The strategy of tokens."""
        return JwtStrategy(self.tokens, self.accounts, self.providers, self.csrf, self.store)

    @cached_property
    def basic(self) -> BasicStrategy:
        """The strategy of names and passwords."""
        return BasicStrategy(self.accounts, self.throttle)

    @cached_property
    def api_key(self) -> ApiKeyStrategy:
        """The strategy of API keys."""
        return ApiKeyStrategy(self.settings, self.accounts, self.throttle)

    @cached_property
    def custom(self) -> CustomStrategy:
        """The strategy of the application."""
        return CustomStrategy(self.settings)

    def strategies(self, names: Iterable[str]) -> tuple[Strategy, ...]:
        """Give strategies by their names."""
        return tuple(cast("Strategy", getattr(self, name)) for name in names)

    @property
    def enabled(self) -> tuple[str, ...]:
        """Every strategy that any route may use, in the order of `METHODS`."""
        registry = self.state.registry
        # `init_api` brings further models, and with them perhaps further strategies.
        if self._enabled is None or self._enabled[0] is not registry:
            operations = each_operation(self.state)
            named = {name for model, method in operations for name in methods_of(self.settings, model, method)}
            self._enabled = registry, tuple(name for name in METHODS if name in named)
        return self._enabled[1]

    def schemes_of(self, strategies: Iterable[Strategy], model: type | None, method: str | None) -> list[str]:
        """List the names of the security schemes by which strategies recognise callers."""
        return [name for each in strategies for name in scheme_names(self.settings, each.name, model, method)]

    # --- requests -----------------------------------------------------------------------------------------------------

    def authenticate(self, strategies: tuple[Strategy, ...], asked: Asked, method: str) -> Credentials:
        """Find out who makes the current request, and keep it as the current user.

        Plugins are told before and after, once each, also when nobody is recognised.

        Raises:
            AuthenticationError: Nobody was recognised; it carries the challenges of all strategies.
            ApiError: A strategy refuses the request for another reason, such as too many attempts.
        """
        known = _known(strategies, asked)
        if known is not None:
            return known
        plugins = self.state.plugins
        context = plugins.before_authenticate(
            {
                "model": asked.model,
                "method": method,
                "output_schema": asked.output_schema,
                "input_schema": asked.input_schema,
            }
        )
        try:
            credentials = self._recognise(strategies, asked, method)
        except Exception as error:
            _tell_denied(error)
            plugins.after_authenticate(context, False, None)
            raise
        _keep(credentials)
        if plugins.overrides("after_authenticate"):
            plugins.after_authenticate(context, True, get_current_user())
        return credentials

    def _recognise(self, strategies: tuple[Strategy, ...], asked: Asked, method: str) -> Credentials:
        self.require_tls()
        failure: AuthenticationError | None = None
        for strategy in strategies:
            try:
                credentials = strategy.recognise(request, asked, method)
            except AuthenticationError as error:
                # What was presented and is wrong tells more than that nothing was presented to another one.
                failure = error if failure is None or failure.code_name == "credentials_missing" else failure
                continue
            if credentials is not None:
                return credentials
        failure = failure or AuthenticationError("Authorization credentials missing", "credentials_missing")
        failure.headers.update(challenges(strategies, failure))
        raise failure

    def require_tls(self) -> None:
        """Refuse credentials that everybody on the way can read (S-26).

        Raises:
            ForbiddenError: The current request is not encrypted, and the configuration wants it to be.
        """
        wanted = self.settings.get(options.REQUIRE_TLS)
        if wanted is None:
            wanted = self.settings.get(core.SECURITY_PROFILE) == "strict"
        if wanted and not request.is_secure:
            raise ForbiddenError("Credentials are taken over HTTPS only.", "tls_required")


def challenges(strategies: Iterable[Strategy], failure: AuthenticationError) -> dict[str, str]:
    """Give the header that names what would have been accepted (S-24, RFC 9110, 11.6.1)."""
    words = []
    for strategy in strategies:
        challenge = strategy.challenge
        if strategy.name == "jwt" and failure.code_name in ("invalid_token", "token_expired"):
            challenge += f', error="invalid_token", error_description="{failure.reason}"'
        words.append(challenge)
    # An answer 401 names something (RFC 9110, 15.5.2), also where the application has a way of its own.
    return {"WWW-Authenticate": ", ".join(word for word in words if word) or 'Custom realm="api"'}


def _known(strategies: Iterable[Strategy], asked: Asked) -> Credentials | None:
    """Give how the current user was recognised, where one of these strategies did that for this request.

    It is asked twice where a decorator hides from the guard of all views that a view has its own.
    """
    scope = current_request()
    known: Credentials | None = None if scope is None else scope.credentials
    if known is None or asked.model is not None or not _is_same(known_user(), known.user):
        return None
    return known if any(each.name == known.strategy for each in strategies) else None


def _is_same(user: Any, other: Any) -> bool:
    """Say whether two users are one: of a row that was read without a session, the session may have given its own."""
    key = user_key(user)
    return user is other or (key is not None and key == user_key(other))


def _tell_denied(error: Exception) -> None:
    if isinstance(error, (CustomHTTPException, ApiError)):
        reason = error.code_name if isinstance(error, CustomHTTPException) else error.reason
        if reason != "credentials_missing":
            tell("auth.denied", reason=reason)


def _keep(credentials: Credentials) -> None:
    set_current_user(credentials.user, attach=credentials.attach)
    scope = current_request()
    if scope is not None:
        scope.credentials = credentials


def each_operation(state: ApplicationState) -> Iterator[tuple[type | None, str | None]]:
    """List every model and method for which options may say something of their own."""
    for model in (None, *(resource.model for resource in state.registry)):
        for method in (None, *HTTP_METHODS):
            yield model, method
