"""What tells one query from another, whatever page of it is asked for."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from flarchitect_core.model.jsonable import to_jsonable
from flarchitect_core.query.expressions import Condition, Group, conditions_of

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Relation, Resource
    from flarchitect_core.query.compile import Scope
    from flarchitect_core.query.expressions import CollectionQuery, Filter

__all__ = ["fingerprint_of"]


def fingerprint_of(resource: Resource, query: CollectionQuery, scope: Scope | None, reader: str | None = None) -> str:
    """Digest what decides which rows a query has, and their order: a cursor is good for that only.

    Args:
        reader: Who reads, as far as that is known.
    """
    view = query.view
    parts = (
        resource.canonical_path,
        None if scope is None else (_relation(scope.relation), to_jsonable(scope.parent_key)),
        [key.shape for key in query.order],
        [_described(each) for each in query.where],
        [to_jsonable(condition.value) for condition in conditions_of(query.where)],
        query.words,
        [(_relation(column.relation), column.is_outer) for column in view.columns if column.relation.many],
        view.include_deleted,
        *(() if reader is None else (reader,)),
    )
    return hashlib.blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def _relation(relation: Relation) -> tuple[str, str]:
    return relation.source.canonical_path, relation.name


def _described(part: Filter) -> object:
    if isinstance(part, Condition):
        return part.shape
    name = part.kind if isinstance(part, Group) else f"related {part.relation.name}"
    return name, [_described(member) for member in part.members]
