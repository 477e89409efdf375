"""What runs before each operation: whether its caller must be known, who it is, and which roles it needs (auth 3)."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app, request

from flarchitect_auth import options
from flarchitect_auth.authentication import Authentication, is_switched_off, methods_of
from flarchitect_auth.decorators import asks_for_roles, asks_who_calls
from flarchitect_auth.errors import AuthenticationError
from flarchitect_auth.requirements import Requirement, requirement_of
from flarchitect_auth.roles import RoleRule, rules_of
from flarchitect_auth.schemes import COOKIE_SCHEME, CSRF, SAFE_METHODS
from flarchitect_auth.strategies.strategy import Strategy
from flarchitect_core.access.asked import Asked
from flarchitect_core.catalogue.access import Access
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.http.health import HEALTH_ENDPOINTS
from flarchitect_core.settings import HTTP_METHODS

__all__ = ["AccessGuard", "GlobalGuard"]


@dataclass(frozen=True, slots=True)
class _Rule:
    """What is fixed about one operation and one method."""

    requirement: Requirement
    is_required: bool
    strategies: tuple[Strategy, ...]
    roles: tuple[RoleRule, ...]

    def needs_authentication(self) -> bool:
        decided = self.requirement() if callable(self.requirement) else self.requirement
        return self.is_required if decided is None else decided


class AccessGuard:
    """Judges the requests to one operation or hand-written view; made where it is registered.

    Raises:
        ConfigurationError: Something is demanded that no request could fulfil.
    """

    def __init__(self, authentication: Authentication, asked: Asked) -> None:
        self._authentication = authentication
        self._asked = asked
        methods = HTTP_METHODS if asked.method is None else (asked.method,)
        self._rules = {method: self._rule(method) for method in methods}
        self._fallback = self._rules.get("GET") or next(iter(self._rules.values()))

    @property
    def is_open(self) -> bool:
        """Whether it lets everybody pass without a look."""
        return all(
            not rule.is_required and not rule.roles and rule.requirement in (None, False)
            for rule in self._rules.values()
        )

    def describe(self, method: str) -> Access:
        """Say what it asks of the callers of a method."""
        rule = self._rules.get(method, self._fallback)
        roles = tuple(each.requirement for each in rule.roles)
        required = True if roles else None if callable(rule.requirement) else rule.needs_authentication()
        schemes = self._authentication.schemes_of(rule.strategies, self._asked.model, method)
        if required is False or not schemes:
            return Access((), required, roles)
        has_token = COOKIE_SCHEME in schemes and method not in SAFE_METHODS
        return Access(tuple(schemes), required, roles, [CSRF] if has_token else ())

    def __call__(self, *, wants_user: bool = False) -> None:
        """Judge the current request.

        Args:
            wants_user: The view wants to know who calls, also where nobody has to be known.

        Raises:
            AuthenticationError: Nobody knows who calls (401).
            ForbiddenError: The caller lacks a role (403).
        """
        rule = self._recognise(wants_user=wants_user)
        for roles in rule.roles:
            roles.enforce(self._authentication.accounts)

    def recognise(self) -> None:
        """Find out who calls, for a view that asks for roles itself.

        Raises:
            AuthenticationError: Nobody knows, and somebody must.
        """
        self._recognise(wants_user=True)

    def _recognise(self, *, wants_user: bool) -> _Rule:
        method = self._asked.method or ("GET" if request.method == "HEAD" else request.method)
        rule = self._rules.get(method, self._fallback)
        if rule.needs_authentication():
            self._authentication.authenticate(rule.strategies, self._asked, method)
        elif (wants_user or rule.roles) and rule.strategies:
            self._look(rule, method)
        return rule

    def _look(self, rule: _Rule, method: str) -> None:
        """Find out who calls where that need not be known, because a rule about roles wants to know it all the same."""
        try:
            self._authentication.authenticate(rule.strategies, self._asked, method)
        except AuthenticationError as error:
            if error.code_name != "credentials_missing":
                raise

    def _rule(self, method: str) -> _Rule:
        asked, settings = self._asked, self._authentication.settings
        try:
            roles = rules_of(settings, asked, method)
            if asked.auth is False:
                return _Rule(False, False, (), ())
            requirement = requirement_of(settings.get(options.AUTH_REQUIREMENTS, model=asked.model), asked, method)
        except ValueError as error:
            raise ConfigurationError(f"A rule about {_named(asked, method)} cannot be read: {error}") from error
        names = methods_of(settings, asked.model, method)
        if requirement is True and not names:
            raise ConfigurationError(
                f"API_AUTH_REQUIREMENTS demands a known caller of {_named(asked, method)}, and no "
                f"API_AUTHENTICATE_METHOD says how callers are recognised. Set it, or take the demand back."
            )
        is_required = bool(names) and not is_switched_off(settings, asked.model, method)
        return _Rule(requirement, is_required, self._authentication.strategies(names), roles)


def _named(asked: Asked, method: str) -> str:
    model = "hand-written views" if asked.model is None else asked.model.__name__
    relation = f" by the relation {asked.relation_name}" if asked.relation_name else ""
    return f"{method} of {model}{relation}"


class GlobalGuard:
    """Judges the requests to every view that nothing else guards, the application's own among them."""

    def __init__(self, authentication: Authentication) -> None:
        self._guard = AccessGuard(authentication, Asked())
        exempt = authentication.settings.get(options.AUTH_EXEMPT_ENDPOINTS)
        self._exempt = frozenset((*([exempt] if isinstance(exempt, str) else exempt), *HEALTH_ENDPOINTS))

    @property
    def is_open(self) -> bool:
        """Whether it lets everybody pass without a look."""
        return self._guard.is_open

    def __call__(self) -> None:
        """Judge the current request, unless its view is judged elsewhere or open to all.

        Raises:
            AuthenticationError: Nobody knows who calls.
            ForbiddenError: The caller lacks a role.
        """
        endpoint = request.endpoint
        if endpoint is None:
            return
        # Asked first, as it is what most requests are for.
        view = current_app.view_functions.get(endpoint)
        if getattr(view, "is_guarded_by_flarchitect", False) or getattr(view, "_auth_disabled", False):
            return
        if endpoint in self._exempt or request.routing_exception is not None:
            return
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return  # a preflight carries no credentials (Fetch, 3.2.2)
        if asks_for_roles(view):
            # What a view says of itself counts, and not what the configuration says of all.
            self._guard.recognise()
        else:
            self._guard(wants_user=asks_who_calls(view))
