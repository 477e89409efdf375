"""Rows that refer to each other, or to themselves, and are deleted together: SQLAlchemy finds no order for them."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from flarchitect_core.model.inspect import ColumnFact

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from flarchitect_core.model.inspect import RelationFact
    from flarchitect_core.model.resource import Resource

__all__ = ["untie"]


def untie(session: Session, resource: Resource, rows: Collection[Any]) -> None:
    """Set to NULL the references among rows that are about to be deleted, where they may be NULL.

    Sends nothing where none of the rows refers to another one of them.
    """
    for fact in resource.facts.relations:
        if not (fact.is_reference and issubclass(resource.model, fact.target) and _is_nullable(resource, fact)):
            continue
        targets = {tuple(getattr(row, name) for name in fact.remote_names) for row in rows}
        tied = [row for row in rows if tuple(getattr(row, name) for name in fact.local_names) in targets]
        for row in tied:
            key = [getattr(resource.model, item.attribute) == getattr(row, item.attribute) for item in resource.key]
            blank = dict.fromkeys(fact.local_names, sa.null())
            options = {"synchronize_session": False}
            session.execute(sa.update(resource.model).where(*key).values(blank), execution_options=options)
        for row in rows if tied else ():
            # What it has loaded of the others is not so any more.
            session.expire(row)


def _is_nullable(resource: Resource, fact: RelationFact) -> bool:
    items = [resource.field_of_attribute(name) for name in fact.local_names]
    return all(
        item is not None and isinstance(item.fact, ColumnFact) and item.fact.nullable and item not in resource.key
        for item in items
    )
