"""The state of a row as a short text that changes with it: what `If-Match` is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import orjson

from flarchitect_core.model.jsonable import to_jsonable

if TYPE_CHECKING:
    from flarchitect_core.model.inspect import ColumnFact
    from flarchitect_core.model.resource import Resource

__all__ = ["RowTags", "digest"]

_SIZE_BYTES = 12
# A quote ends a tag, so that none holds one: a row in this state is there, and matches `*` alone.
_UNNAMED = '"'


class RowTags:
    """Makes the tags of the rows of one resource: of their version where the mapper keeps one, else of all columns.

    Args:
        secret: Without it, columns that no answer shows are left out: whoever knows the others could try values of
            them against the tag.
        is_changed: Whether code of the application may leave columns out of answers. Which ones is not known, so that
            without a secret only a version makes a tag.

    Attributes:
        attributes: What a tag is made of; empty when rows have none.
    """

    def __init__(self, resource: Resource, secret: bytes, *, is_changed: bool = False) -> None:
        self._key = blake2b(secret, digest_size=32).digest() if secret else b""
        version = resource.facts.mapper.version_id_col
        columns = [fact for fact in resource.facts.columns if fact.column is not None]
        versions = [fact for fact in columns if fact.column is version]
        told = [fact for fact in columns if not _is_withheld(fact, resource)]
        shown = [fact for fact in told if secret or (not is_changed and _is_shown(fact, resource))]
        # A version tells nothing of the other columns.
        self.attributes: tuple[str, ...] = tuple(fact.name for fact in versions or shown)

    def of_values(self, values: Sequence[Any]) -> str | None:
        """Give the tag of a row whose `attributes` have these values; `None` when rows have no tags."""
        return digest(values, self._key) if self.attributes else None

    def of_instance(self, instance: object) -> str:
        """Give the tag of a row that was just loaded; one that no client can name when rows have no tags."""
        return self.of_values([getattr(instance, name) for name in self.attributes]) or _UNNAMED


def _is_withheld(fact: ColumnFact, resource: Resource) -> bool:
    # Even a tag that nobody can read tells that what it is made of has changed.
    field = resource.field_of_attribute(fact.name)
    return field is not None and field.is_withheld


def _is_shown(fact: ColumnFact, resource: Resource) -> bool:
    field = resource.field_of_attribute(fact.name)
    return field is not None and "GET" not in field.hidden_in


def digest(value: Any, key: bytes = b"") -> str:
    """Reduce a value to 24 characters; equal ones mean equal values."""
    return blake2b(_written(value), digest_size=_SIZE_BYTES, key=key).hexdigest()


def _written(value: Any) -> bytes:
    try:
        return orjson.dumps(value, default=to_jsonable)
    except TypeError:
        # Integers beyond 64 bits, keys that are no text, and text that is not Unicode.
        return repr(value).encode("utf-8", "backslashreplace")
