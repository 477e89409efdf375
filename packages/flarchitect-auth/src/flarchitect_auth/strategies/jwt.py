"""Callers with an access token (auth 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import Request

from flarchitect_auth.errors import TokenError
from flarchitect_auth.strategies.strategy import Credentials
from flarchitect_core.access.asked import Asked

if TYPE_CHECKING:
    from flarchitect_auth.accounts import Accounts
    from flarchitect_auth.csrf import CsrfGuard
    from flarchitect_auth.providers import Providers
    from flarchitect_auth.token_store import TokenStore
    from flarchitect_auth.tokens import Tokens

__all__ = ["JwtStrategy"]


class JwtStrategy:
    """Recognises callers by the access token that they present."""

    name = "jwt"
    challenge = 'Bearer realm="api"'

    def __init__(
        self, tokens: Tokens, accounts: Accounts, providers: Providers, csrf: CsrfGuard, store: TokenStore
    ) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._providers = providers
        self._csrf = csrf
        self._store = store

    def recognise(self, request: Request, asked: Asked, method: str) -> Credentials | None:
        """Find the token of a request and its user.

        Raises:
            TokenError: The token does not count, or its user is not there, or the account is closed.
            ForbiddenError: A cookie carries it, and nothing shows that a page of ours made the request.
        """
        token, provider = self._providers.extract(request, asked, method)
        if token is None:
            return None
        claims = self._tokens.read(token, "access")
        user = self.user_of(claims, attached=False)
        if self._store.is_denied(claims.get("jti")):
            raise TokenError
        if provider == "cookie":
            self._csrf.check(request, method, claims)
        scope = claims.get("scope")
        scopes = frozenset(scope.split()) if isinstance(scope, str) else None
        return Credentials(user, self.name, provider, claims, scopes, self._accounts.attach)

    def user_of(self, claims: Mapping[str, Any], *, attached: bool = True) -> Any:
        """Give the user whom a token names: by key alone, as login names may change hands (S-32).

        Args:
            attached: See `Accounts.by_pk`.

        Raises:
            TokenError: There is no such user, the account is closed, or its tokens were revoked.
        """
        user = self._accounts.by_pk(claims.get("sub"), attached=attached)
        if user is None or not self._accounts.is_active(user):
            raise TokenError
        if not self._accounts.accepts_issued_at(user, claims.get("iat")):
            raise TokenError
        return user
