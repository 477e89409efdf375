"""Tokens for code of the application: the documented functions about making and reading them (auth 6, 7, 12)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import request
from sqlalchemy.orm import Session

from flarchitect_auth import options
from flarchitect_auth.current import authentication_of
from flarchitect_auth.errors import TokenError
from flarchitect_auth.keys import Key, allowed_algorithms
from flarchitect_auth.providers import extract_token_from_cookie
from flarchitect_auth.sessions import renew
from flarchitect_auth.strategies.strategy import Credentials
from flarchitect_auth.token_store import RefreshToken
from flarchitect_auth.tokens import plain_token
from flarchitect_core.access.identity import set_current_user
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.session import get_session as get_model_session

__all__ = [
    "create_jwt",
    "decode_token",
    "delete_refresh_token",
    "generate_access_token",
    "generate_refresh_token",
    "get_allowed_algorithms",
    "get_jwt_algorithm",
    "get_pk_and_lookups",
    "get_refresh_token",
    "get_session",
    "get_user_from_token",
    "list_user_tokens",
    "load_user_from_cookie",
    "mark_refresh_token_used",
    "purge_expired_refresh_tokens",
    "refresh_access_token",
    "revoke_family",
    "revoke_refresh_token",
    "revoke_user_tokens",
    "rotate_refresh_token",
    "store_refresh_token",
]

# --- tokens -----------------------------------------------------------------------------------------------------------


def get_jwt_algorithm() -> str:
    """Give the algorithm that signs tokens."""
    return authentication_of().keys.algorithm


def get_allowed_algorithms() -> list[str]:
    """List the algorithms that tokens may be signed with."""
    return list(allowed_algorithms(authentication_of().settings))


def get_pk_and_lookups() -> tuple[str, str]:
    """Give the names of the key and of the login name of the user model.

    Raises:
        CustomHTTPException: Model or login name are not configured (500).
    """
    accounts = authentication_of().accounts
    return accounts.pk_name, accounts.lookup_field


def create_jwt(
    payload: Mapping[str, Any], secret_key: str, exp_minutes: float, algorithm: str
) -> tuple[str, dict[str, Any]]:
    """Sign a payload.

    Args:
        payload: Claims; `exp`, `iat` and what the configuration says of issuer and audience are added.
        secret_key: Secret, or PEM of the private key.
        exp_minutes: Lifetime in minutes.
        algorithm: Algorithm that the key is for.

    Returns:
        The token, and the claims with `exp` and `iat` as moments in UTC.
    """
    authentication = authentication_of()
    key = Key(authentication.keys.prepared(secret_key, algorithm), (algorithm,))
    issued = authentication.tokens.sign(payload, key, exp_minutes)
    return issued.token, dict(issued.claims)


def generate_access_token(usr_model: Any, expires_in_minutes: float | None = None) -> str:
    """Make an access token for a user.

    Args:
        usr_model: The user, an instance.
        expires_in_minutes: Lifetime; `None` for the configured one.
    """
    authentication = authentication_of()
    accounts = authentication.accounts
    identity = accounts.identity_of(usr_model)
    return authentication.tokens.issue(
        "access", str(accounts.pk_of(usr_model)), identity, minutes=expires_in_minutes
    ).token


def generate_refresh_token(usr_model: Any, expires_in_minutes: float | None = None) -> str:
    """Make a refresh token for a user, and store it.

    Args:
        usr_model: The user, an instance.
        expires_in_minutes: Lifetime; `None` for the configured one.
    """
    authentication = authentication_of()
    accounts, store = authentication.accounts, authentication.store
    pk, identity = str(accounts.pk_of(usr_model)), accounts.identity_of(usr_model)
    family = store.new_family()
    issued = authentication.tokens.issue(
        "refresh", pk, identity, minutes=expires_in_minutes, until=family[1], family=family[0]
    )
    lookup = identity[accounts.lookup_field]
    store.store(issued.token, pk, lookup, issued.expires_at, jti=issued.claims["jti"], family=family)
    return issued.token


def decode_token(
    token: str, secret_key: str, algorithm: str | None = None, *, allowed_algorithms: list[str] | None = None
) -> dict[str, Any]:
    """Check a token by a key and give what it says.

    Args:
        token: With or without `Bearer` before it.
        secret_key: Secret, or PEM of the public key.
        algorithm: A hint; what counts is the list of allowed ones.
        allowed_algorithms: In place of the configured ones.

    Raises:
        TokenError: It does not count (401).
    """
    authentication = authentication_of()
    allowed = tuple(allowed_algorithms or get_allowed_algorithms())
    text = plain_token(token)
    try:
        prepared = authentication.keys.prepared(secret_key, allowed[0])
    except ValueError as error:
        raise TokenError from error
    return authentication.tokens.verify(text, Key(prepared, allowed))


def refresh_access_token(refresh_token: str) -> tuple[str, Any]:
    """Exchange a refresh token for an access token; the refresh token is used up.

    Returns:
        Access token and user. The new refresh token goes to clients by the route only.

    Raises:
        TokenError: It is no refresh token of ours, or has expired (401).
        CustomHTTPException: It is not known, or was used or revoked before (403).
    """
    pair, user = renew(authentication_of(), refresh_token)
    return pair.access.token, user


def get_user_from_token(token: str, secret_key: str | None = None) -> Any:
    """Give the user of an access token.

    Args:
        token: With or without `Bearer` before it.
        secret_key: Key that verifies it, in place of the configured one.

    Raises:
        TokenError: It does not count (401).
        CustomHTTPException: The user is gone, where `API_JWT_USER_MISSING_STATUS` is 404.
    """
    authentication = authentication_of()
    if secret_key is None:
        claims = authentication.tokens.read(token, "access")
    else:
        claims = decode_token(token, secret_key)
        if claims.get("token_use", "access") != "access":
            raise TokenError
    accounts = authentication.accounts
    # Those that `create_jwt` signed name their user by the name of the key only.
    subject = claims.get("sub", claims.get(accounts.pk_name))
    if subject is None:
        raise TokenError("Invalid token payload")
    if authentication.settings.get(options.JWT_USER_MISSING_STATUS) == 404 and accounts.by_pk(subject) is None:
        raise CustomHTTPException(404, "User not found", code_name="user_not_found")
    return authentication.jwt.user_of({**claims, "sub": subject})


def load_user_from_cookie(cookie_name: str | None = None, *, silent: bool = False) -> bool:
    """Let the user of the access token in a cookie be the current one, and say whether there was one.

    Args:
        cookie_name: Name of the cookie; the configured one by default.
        silent: Say no to a token that does not count, in place of raising.

    Raises:
        TokenError: The token does not count (401).
        ForbiddenError: Nothing shows that a page of ours makes a request that changes something (403).
    """
    token = extract_token_from_cookie(cookie_name)
    if token is None:
        return False
    authentication = authentication_of()
    try:
        claims = authentication.tokens.read(token, "access")
        user = authentication.jwt.user_of(claims)
        authentication.csrf.check(request, request.method, claims)
    except CustomHTTPException:
        if silent:
            return False
        raise
    set_current_user(Credentials(user, "jwt", "cookie", claims).user)
    return True


# --- store ------------------------------------------------------------------------------------------------------------


def store_refresh_token(token: str, user_pk: object, user_lookup: str, expires_at: dt.datetime) -> None:
    """Store a refresh token, as a family of its own; one that is there already is never overwritten.

    Raises:
        UnavailableError: It could not be stored (503).
    """
    authentication_of().store.store(token, str(user_pk), user_lookup, expires_at)


def get_refresh_token(token: str) -> RefreshToken | None:
    """Give the row of a token that was not revoked."""
    row = authentication_of().store.find(token)
    return None if row is None or row.revoked else row


def delete_refresh_token(token: str) -> None:
    """Forget a token; nothing happens when it is not there."""
    authentication_of().store.delete(token)


def revoke_refresh_token(token: str) -> None:
    """Let a token count no more; its row stays. Nothing happens when it is not there."""
    authentication_of().store.revoke(token)


def mark_refresh_token_used(token: str, *, replaced_by: str | None = None) -> None:
    """Note when a token was used, and by which one it was replaced."""
    authentication_of().store.mark_used(token, replaced_by)


def rotate_refresh_token(old_token: str, new_token: str) -> None:
    """Let a token count no more because another one, which is stored already, has come in its place."""
    authentication_of().store.replace(old_token, new_token)


def revoke_family(family_id: str) -> int:
    """Revoke all tokens of one login, and say how many."""
    return authentication_of().store.revoke_family(family_id)


def revoke_user_tokens(user_pk: object) -> int:
    """Revoke all refresh tokens of a user, when a password was changed for example, and say how many."""
    return authentication_of().store.revoke_user(user_pk)


def list_user_tokens(user_pk: object) -> list[RefreshToken]:
    """List the refresh tokens of a user that count, newest first."""
    return authentication_of().store.of_user(user_pk)


def purge_expired_refresh_tokens(older_than: dt.timedelta = dt.timedelta(days=30)) -> int:
    """Delete tokens that expired longer ago than a time, and say how many."""
    return authentication_of().store.purge(older_than)


@contextmanager
def get_session(model: type | None = None) -> Iterator[Session]:
    """Open a short session on the database of a model: closing it leaves the objects of the request alone.

    Args:
        model: Mapped class; the user model by default.
    """
    authentication = authentication_of()
    with get_model_session(model or authentication.accounts.model) as session:
        bind = session.get_bind(model or authentication.accounts.model)
    with Session(bind.engine) as own:
        yield own
