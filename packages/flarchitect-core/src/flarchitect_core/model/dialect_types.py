"""Types that only one database has, recognised by name: importing the dialects would be felt at every start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy.types import TypeEngine

__all__ = ["is_dialect_type", "lineage"]

_DIALECTS = "sqlalchemy.dialects."


def lineage(type_: TypeEngine[Any]) -> Iterator[type | str]:
    """Give the classes of a type, nearest first; after each that belongs to a dialect its name, `postgresql.HSTORE`."""
    for class_ in type(type_).__mro__:
        yield class_
        if class_.__module__.startswith(_DIALECTS):
            yield f"{class_.__module__[len(_DIALECTS) :].partition('.')[0]}.{class_.__name__}"


def is_dialect_type(type_: TypeEngine[Any], name: str) -> bool:
    """Say whether a type is the one called `mysql.SET`, or a kind of it."""
    return name in lineage(type_)
