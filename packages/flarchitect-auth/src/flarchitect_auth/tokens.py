"""Writing and reading tokens: what they say, and what makes one count (auth 6, S-4 to S-6)."""

from __future__ import annotations

import datetime as dt
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from flarchitect_auth import options
from flarchitect_auth.errors import TokenError
from flarchitect_auth.keys import Key, Keys, Kind
from flarchitect_core import options as core
from flarchitect_core.bounded import BoundedCache
from flarchitect_core.settings import Settings

__all__ = ["TOKEN_BYTES_MAX", "Issued", "Tokens", "plain_token"]

TOKEN_BYTES_MAX = 8192
_KNOWN_TOKENS_MAX = 2048

# What names of columns must not stand for.
_RESERVED = frozenset({"iss", "sub", "aud", "exp", "nbf", "iat", "jti", "token_use", "scope", "family", "access_jti"})
_TYPES: Mapping[Kind, str] = {"access": "at+jwt", "refresh": "JWT"}


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that was made.

    Attributes:
        claims: What it says; `exp` and `iat` are moments in UTC.
    """

    token: str = field(repr=False)
    claims: Mapping[str, Any]

    @property
    def expires_at(self) -> dt.datetime:
        """When it stops to count."""
        moment: dt.datetime = self.claims["exp"]
        return moment


class Tokens:
    """Makes and checks the tokens of one application."""

    def __init__(self, settings: Settings, keys: Keys) -> None:
        self._settings = settings
        self.keys = keys
        # What was verified a moment ago: clients send one token many times.
        self._known: BoundedCache[Any, Mapping[str, Any]] = BoundedCache(_KNOWN_TOKENS_MAX)
        self._kids: BoundedCache[bytes, object] = BoundedCache(_KNOWN_TOKENS_MAX)

    def issue(
        self,
        kind: Kind,
        subject: str,
        identity: Mapping[str, str],
        *,
        minutes: float | None = None,
        until: dt.datetime | None = None,
        scopes: Sequence[str] = (),
        **more: str,
    ) -> Issued:
        """Make a token.

        Args:
            subject: Key of the user.
            identity: Further claims that name the user, as far as no claim of ours has their name.
            minutes: Lifetime; the configured one by default. 0 and less make a token that has expired.
            until: Moment that it must not outlive.
            scopes: What it may be used for.
            more: Claims of ours.
        """
        lifetime = options.JWT_EXPIRY_TIME if kind == "access" else options.JWT_REFRESH_EXPIRY_TIME
        minutes = self._settings.get(lifetime) if minutes is None else minutes
        claims = {name: value for name, value in identity.items() if name not in _RESERVED}
        claims |= {**more, "sub": subject, "jti": secrets.token_urlsafe(16), "token_use": kind}
        if scopes:
            claims["scope"] = " ".join(scopes)
        return self.sign(claims, self.keys.signing(kind), minutes, until=until, type_=_TYPES[kind])

    def sign(
        self,
        payload: Mapping[str, Any],
        key: Key,
        minutes: float,
        *,
        until: dt.datetime | None = None,
        type_: str = "JWT",
    ) -> Issued:
        """Sign a payload, with the moments and what the configuration says of issuer and audience added."""
        from flarchitect_auth.signatures import sign

        now = dt.datetime.now(dt.timezone.utc).replace(microsecond=0)
        expires = now + dt.timedelta(minutes=minutes)
        claims: dict[str, Any] = {**payload, "iat": now, "exp": expires if until is None else min(expires, until)}
        issuer, audience = self._settings.get(options.JWT_ISSUER), self._settings.get(options.JWT_AUDIENCE)
        if issuer:
            claims["iss"] = issuer
        if audience:
            claims["aud"] = audience if isinstance(audience, str) else list(audience)
        header = {"typ": type_} | ({} if key.kid is None else {"kid": key.kid})
        return Issued(sign(claims, key.value, key.algorithms[0], header), claims)

    def read(self, token: object, kind: Kind) -> dict[str, Any]:
        """Check a token and give what it says.

        Raises:
            TokenError: It does not count: 401, whatever is wrong with it.
            CustomHTTPException: No key is configured (500).
        """
        text = plain_token(token)
        digest = _digest(text)
        kid = self._kids.get(digest, lambda: _kid_of(text))
        claims = self._verified(text, digest, self.keys.verifying(kind, kid))
        use = claims.get("token_use")
        if use != kind and not (use is None and self._may_lack_use(kind)):
            raise TokenError
        return claims

    def _may_lack_use(self, kind: Kind) -> bool:
        return kind == "access" and self._settings.get(core.SECURITY_PROFILE) != "strict"

    def verify(self, text: str, key: Key) -> dict[str, Any]:
        """Check signature, moments, issuer and audience of a token.

        Raises:
            TokenError: One of them is wrong.
        """
        return self._verified(text, _digest(text), key)

    def _verified(self, text: str, digest: bytes, key: Key) -> dict[str, Any]:
        get = self._settings.get
        audience, issuer, leeway = get(options.JWT_AUDIENCE), get(options.JWT_ISSUER), get(options.JWT_LEEWAY)
        wanted = audience if audience is None or isinstance(audience, str) else tuple(audience)

        def verified() -> Mapping[str, Any]:
            from flarchitect_auth.signatures import verify

            return verify(text, key.value, key.algorithms, audience=wanted, issuer=issuer, leeway=leeway)

        # All that decides stands in the key: with another secret, issuer or audience it is verified anew.
        checked = (digest, _Same(key.value), key.algorithms, wanted, issuer, leeway)
        claims = self._known.get(checked, verified)
        if int(claims["exp"]) <= time.time() - leeway:
            raise TokenError("Token has expired", "token_expired")
        return dict(claims)


def plain_token(token: object) -> str:
    """Give a token without the word `Bearer` before it.

    Raises:
        TokenError: It has not the form of a token, or is longer than one may be.
    """
    if not isinstance(token, str) or len(token) > TOKEN_BYTES_MAX:
        raise TokenError
    words = token.split()
    if len(words) == 2 and words[0].lower() == "bearer":
        words = words[1:]
    if len(words) != 1 or words[0].count(".") != 2 or not words[0].isascii():
        raise TokenError
    return words[0]


def _kid_of(text: str) -> object:
    """Give the id of the key that a token names, `None` without one; of all that its header may name, only this counts.

    Raises:
        TokenError: It cannot be read, or demands what we do not know (RFC 7515, 4.1.11).
    """
    from flarchitect_auth.signatures import read_header

    header = read_header(text)
    if "crit" in header:
        raise TokenError
    return header.get("kid")


def _digest(text: str) -> bytes:
    """Give what stands for a token in memory."""
    return sha256(text.encode()).digest()


class _Same:
    """One key, the same one and no equal one; keys of pairs cannot be compared."""

    __slots__ = ("_value",)

    def __init__(self, value: object) -> None:
        self._value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other._value is self._value

    def __hash__(self) -> int:
        return id(self._value)
