"""Many rows by their keys, a few hundred in one statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

__all__ = ["is_one_of", "parts_of"]

_KEYS_PER_STATEMENT = 500
_NAME = "flarchitect_keys"


def is_one_of(columns: Sequence[Any], name: str = _NAME) -> Any:
    """Compare a key with a list of keys, the parameter of this name; by default that of `parts_of`."""
    keys: sa.BindParameter[Any] = sa.bindparam(name, expanding=True)
    return columns[0].in_(keys) if len(columns) == 1 else sa.tuple_(*columns).in_(keys)


def parts_of(keys: Sequence[tuple[Any, ...]]) -> Iterator[dict[str, Any]]:
    """Give the parameters of each statement that it takes for these keys."""
    for start in range(0, len(keys), _KEYS_PER_STATEMENT):
        some = keys[start : start + _KEYS_PER_STATEMENT]
        yield {_NAME: [key[0] for key in some] if len(some[0]) == 1 else list(some)}
