"""Logging in, renewing and logging out: what the routes do, for code of the application too."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flask import has_request_context, request
from sqlalchemy.exc import SQLAlchemyError

from flarchitect_auth.audit import Event, tell
from flarchitect_auth.errors import TokenError
from flarchitect_auth.token_store import Origin, refusal
from flarchitect_auth.tokens import Issued, plain_token
from flarchitect_core.access.identity import get_current_user
from flarchitect_core.http.request_scope import current_request
from flarchitect_core.operations.failures import read_failure
from flarchitect_core.releasing import roll_back

if TYPE_CHECKING:
    from flarchitect_auth.authentication import Authentication

__all__ = ["TokenPair", "log_in", "log_out", "release", "renew"]


@dataclass(frozen=True, slots=True)
class TokenPair:
    """The two tokens of a login."""

    access: Issued = field(repr=False)
    refresh: Issued = field(repr=False)
    user_pk: str

    def to_dict(self) -> dict[str, str]:
        """Give what the answer says."""
        return {"access_token": self.access.token, "refresh_token": self.refresh.token, "user_pk": self.user_pk}


def log_in(authentication: Authentication, user: Any) -> TokenPair:
    """Begin a login of a user who has proven to be one: a new family of tokens."""
    family = authentication.store.new_family()
    pair = _issue(authentication, user, family[0], until=family[1])
    identity = authentication.accounts.identity_of(user)
    release(authentication)
    authentication.store.store(
        pair.refresh.token,
        pair.user_pk,
        identity[authentication.accounts.lookup_field],
        pair.refresh.expires_at,
        jti=pair.refresh.claims["jti"],
        origin=_origin(),
        family=family,
    )
    tell("auth.login.ok", user_pk=pair.user_pk)
    return pair


def renew(authentication: Authentication, refresh_token: str) -> tuple[TokenPair, Any]:
    """Exchange a refresh token for new tokens.

    Returns:
        The tokens, and their user.

    Raises:
        TokenError: It is no refresh token of ours, has expired, or its user is gone or closed (401).
        CustomHTTPException: It is not known, was revoked, or was exchanged before (403).
    """
    store = authentication.store
    token = plain_token(refresh_token)
    try:
        claims = authentication.tokens.read(token, "refresh")
    except TokenError as error:
        if error.code_name == "token_expired":
            store.revoke(token, "expired")
        raise
    user = authentication.jwt.user_of(claims)
    pair = _issue(authentication, user, str(claims.get("family", "")))
    release(authentication)
    outcome = store.rotate(
        token, pair.refresh.token, pair.refresh.expires_at, jti=pair.refresh.claims["jti"], origin=_origin()
    )
    if outcome != "rotated":
        event: Event = "auth.refresh_reuse" if outcome == "reused" else "auth.refresh.failed"
        tell(event, user_pk=pair.user_pk, reason=outcome)
        raise refusal(outcome)
    tell("auth.refresh.ok", user_pk=pair.user_pk)
    return pair, user


def log_out(authentication: Authentication, *, refresh_token: str | None, everywhere: bool) -> None:
    """End a login of the current user, or all of them; what is not there any more is no mistake.

    Args:
        refresh_token: Of the login that ends; without one it is the login that the access token comes from.
        everywhere: End all logins of the user.
    """
    store, user = authentication.store, get_current_user()
    pk = None if user is None else str(authentication.accounts.pk_of(user))
    scope = current_request()
    claims = {} if scope is None or scope.credentials is None else scope.credentials.claims
    release(authentication)
    if everywhere and pk is not None:
        store.revoke_user(pk, "logout")
    row = None if refresh_token is None else store.find(_text(refresh_token))
    # Nobody ends the login of somebody else by a token that was found somewhere.
    if row is not None and (pk is None or row.user_pk == pk):
        store.revoke_family(row.family_id, "logout")
    if refresh_token is None and "family" in claims:
        store.revoke_family(claims["family"], "logout")
    if "jti" in claims:
        store.deny(claims["jti"], dt.datetime.fromtimestamp(claims["exp"], dt.timezone.utc))
    tell("auth.logout", user_pk=pk)


def _text(token: str) -> str:
    try:
        return plain_token(token)
    except TokenError:
        return token


def _issue(authentication: Authentication, user: Any, family: str, *, until: dt.datetime | None = None) -> TokenPair:
    accounts, tokens = authentication.accounts, authentication.tokens
    pk, identity = str(accounts.pk_of(user)), accounts.identity_of(user)
    access = tokens.issue("access", pk, identity, family=family)
    # By the id of the access token, pages prove that a renewal by cookie is theirs (S-22).
    refresh = tokens.issue("refresh", pk, identity, until=until, family=family, access_jti=access.claims["jti"])
    return TokenPair(access, refresh, pk)


def _origin() -> Origin:
    if not has_request_context():
        return Origin()
    return Origin(request.remote_addr, request.headers.get("User-Agent"))


def release(authentication: Authentication) -> None:
    """Give the connection of the request back, with what checking a password changed of the user.

    The store takes a connection of its own, and many who hold one each and wait for a second would wait for ever.
    """
    model = authentication.accounts.model
    session = authentication.state.database.session(model)
    try:
        session.commit()
    except SQLAlchemyError as error:
        roll_back(session)
        raise read_failure(error, model, ()) from error
