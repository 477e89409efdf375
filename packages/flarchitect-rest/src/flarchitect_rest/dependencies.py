"""Which models hang together, so that a write to one of them may change answers about the others."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy.orm import Mapper

from flarchitect_core.model.mapped_classes import full_name
from flarchitect_core.model.registry import Registry

__all__ = ["families_of"]


def families_of(registry: Registry) -> dict[type, str]:
    """Name the family of each mapped class: all that relationships, foreign keys and inheritance connect.

    A finer division would be wrong: an answer may follow relations to any depth, and the database may delete rows
    along any chain of foreign keys. The names are the same in every process.
    """
    mappers = {mapper for resource in registry for mapper in resource.facts.mapper.registry.mappers}
    leaders: dict[Any, Any] = {}

    def leader(item: Any) -> Any:
        while leaders.get(item, item) is not item:
            item = leaders[item]
        return item

    for mapper in mappers:
        for other in _connected(mapper):
            leaders[leader(other)] = leader(mapper)
    members: dict[Any, list[type]] = {}
    for mapper in mappers:
        members.setdefault(leader(mapper), []).append(mapper.class_)
    return {model: min(map(full_name, family)) for family in members.values() for model in family}


def _connected(mapper: Mapper[Any]) -> Iterable[Any]:
    """List what a mapper is connected to: other mappers, its tables, and those that these refer to."""
    yield mapper.base_mapper
    for relation in mapper.relationships:
        yield relation.mapper
    for table in mapper.tables:
        yield table
        for key in table.foreign_keys:
            yield key.column.table
