"""What can be told of a user, whatever class it is of: its key, its roles, and whether any of what is known changed."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa

__all__ = ["key_of", "roles_of", "state_of_user", "user_key"]


def roles_of(user: Any) -> tuple[str, ...]:
    """Give the names of the roles of a user, in their order and each once; none of nobody.

    They are what `user.roles` holds, or gives when it is called: a name, several between commas, or a collection of
    names or of objects with a `name`.
    """
    roles = getattr(user, "roles", None)
    if callable(roles):
        roles = roles()
    if isinstance(roles, str):
        roles = roles.split(",")
    if not isinstance(roles, Iterable):
        return ()
    names = (role if isinstance(role, str) else getattr(role, "name", None) for role in roles)
    return tuple(dict.fromkeys(name.strip() for name in names if isinstance(name, str) and name.strip()))


def user_key(user: Any) -> str | None:
    """Name a user for as long as the account lives, whatever it is called; `None` of nobody and of what has no key."""
    key = key_of(user)
    return None if key is None else f"{type(user).__module__}.{type(user).__qualname__}:{key}"


def key_of(user: Any) -> Any:
    """Give the key of a user: of a mapped one its primary key, else its `id`; `None` of nobody."""
    if user is None:
        return None
    mapped: Any = sa.inspect(user, raiseerr=False)
    if mapped is None:
        return getattr(user, "id", None)
    identity = mapped.identity
    return identity[0] if identity is not None and len(identity) == 1 else identity


def state_of_user(user: Any) -> str:
    """Digest what rules may ask about a user: its columns and roles. It changes when one of them does."""
    names = _attributes(user)
    values = [(name, repr(getattr(user, name, None))) for name in names] or [("", repr(user))]
    return blake2b(repr((values, roles_of(user))).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _attributes(user: Any) -> list[str]:
    """List what a user is known by: columns, or attributes; none of one that is a plain value, such as a name."""
    mapped: Any = sa.inspect(user, raiseerr=False)
    if mapped is not None:
        return [each.key for each in mapped.mapper.column_attrs]
    slots = (getattr(kind, "__slots__", ()) for kind in type(user).__mro__)
    declared = (name for given in slots for name in ([given] if isinstance(given, str) else given))
    return sorted({*getattr(user, "__dict__", ()), *declared})
