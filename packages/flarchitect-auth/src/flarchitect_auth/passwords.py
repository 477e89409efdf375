"""Hashes of passwords, for user models that have no other way: Argon2id (RFC 9106)."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argon2 import PasswordHasher

__all__ = ["PasswordMixin", "hash_password", "needs_rehash", "verify_password"]


@cache
def _hasher() -> PasswordHasher:
    # Only who stores passwords pays for the import.
    from argon2 import PasswordHasher

    return PasswordHasher()


def hash_password(password: str) -> str:
    """Give what to store of a password: with its own salt, and the parameters in front."""
    return _hasher().hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Say whether a password is the one of a hash; a hash that cannot be read belongs to no password."""
    from argon2.exceptions import InvalidHashError, VerificationError

    if not stored:
        return False
    try:
        return _hasher().verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def needs_rehash(stored: str) -> bool:
    """Say whether a hash was made with weaker parameters than those of today, so that a login should renew it."""
    return _hasher().check_needs_rehash(stored)


class PasswordMixin:
    """Gives a user model `set_password` and `check_password`; it needs a column `password_hash`."""

    password_hash: object

    def set_password(self, password: str) -> None:
        """Store the hash of a password."""
        self.password_hash = hash_password(password)

    def check_password(self, password: str) -> bool:
        """Say whether a password is right; a hash with weaker parameters than those of today is renewed."""
        stored = str(self.password_hash or "")
        is_right = verify_password(stored, password)
        if is_right and needs_rehash(stored):
            self.set_password(password)
        return is_right
