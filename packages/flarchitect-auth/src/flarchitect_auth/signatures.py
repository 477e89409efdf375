"""The one place where PyJWT is used: keys, signatures and what makes them count.

Import it where it is needed and not above: with `cryptography` it takes a tenth of a second, which applications without
tokens need not pay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from flarchitect_auth.errors import TokenError

__all__ = ["UnusableKeyError", "as_jwk", "is_pair", "prepare", "read_header", "sign", "verify", "weakness"]

_RSA_BITS = 2048
_CURVES = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}


class UnusableKeyError(ValueError):
    """A text is no key for an algorithm; the message does not repeat it."""


def prepare(text: str, algorithm: str) -> Any:
    """Turn text into a key.

    Raises:
        UnusableKeyError: The algorithm cannot use it.
    """
    try:
        key = jwt.get_algorithm_by_name(algorithm).prepare_key(text)
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise UnusableKeyError(type(error).__name__) from error
    # Not every PyJWT looks at the curve (RFC 7518, 3.4).
    is_curve = isinstance(key, (EllipticCurvePrivateKey, EllipticCurvePublicKey))
    if is_curve and key.curve.name != _CURVES.get(algorithm):
        raise UnusableKeyError(f"its curve is {key.curve.name}")
    return key


def is_pair(one: Any, other: Any) -> bool:
    """Say whether two keys, private or public, are of one pair."""
    return _public_half(one) == _public_half(other)


def _public_half(key: Any) -> bytes:
    public = key.public_key() if hasattr(key, "public_key") else key
    half: bytes = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return half


def weakness(key: object) -> str | None:
    """Say why a key of a pair is weak, `None` when it is not."""
    if isinstance(key, (RSAPrivateKey, RSAPublicKey)) and key.key_size < _RSA_BITS:
        return f"{key.key_size} bits, and RSA keys need {_RSA_BITS} or more"
    return None


def as_jwk(key: Any, algorithm: str) -> dict[str, Any]:
    """Describe the public half of a key (RFC 7517)."""
    maker: Any = jwt.get_algorithm_by_name(algorithm)
    # A private key stands in for its public half nowhere else; here it must never be told.
    public = key.public_key() if hasattr(key, "public_key") else key
    return {**maker.to_jwk(public, as_dict=True), "alg": algorithm, "use": "sig"}


def sign(claims: Mapping[str, Any], key: Any, algorithm: str, header: Mapping[str, str]) -> str:
    """Write a token."""
    return jwt.encode(dict(claims), key, algorithm=algorithm, headers=dict(header))


def read_header(token: str) -> Mapping[str, Any]:
    """Read the header of a token, which nobody has verified.

    Raises:
        TokenError: It cannot be read.
    """
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise TokenError from error


def verify(
    token: str,
    key: Any,
    algorithms: Sequence[str],
    *,
    audience: str | Sequence[str] | None,
    issuer: str | None,
    leeway: float,
) -> dict[str, Any]:
    """Check signature, moments, issuer and audience of a token, and give what it says.

    Raises:
        TokenError: One of them is wrong.
    """
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=list(algorithms),
            audience=audience,
            issuer=issuer,
            leeway=leeway,
            options={"require": ["exp", "iat"]},
        )
    except jwt.ExpiredSignatureError as error:
        raise TokenError("Token has expired", "token_expired") from error
    # Numbers that no clock knows and keys of another kind are what some callers send, and no failure of ours.
    except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise TokenError from error
    return claims
