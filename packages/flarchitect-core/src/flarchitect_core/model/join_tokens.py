"""What a client may write in `join` to mean a relationship (rest 3.6)."""

from __future__ import annotations

from inflection import pluralize, singularize

__all__ = ["join_tokens", "normalise_join_token"]


def normalise_join_token(token: str) -> str:
    """Bring a token to the form in which tokens are compared: trimmed, lower case, `-` as `_`."""
    return token.strip().lower().replace("-", "_")


def join_tokens(*names: str) -> frozenset[str]:
    """Give every accepted spelling of the names of one relationship, singular and plural included."""
    spellings: set[str] = set()
    for name in names:
        token = normalise_join_token(name)
        spellings |= {token, singularize(token), pluralize(token)}
    return frozenset(spellings)
