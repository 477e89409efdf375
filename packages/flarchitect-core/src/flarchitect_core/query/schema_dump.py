"""Answers by an application's own schema: what to load with the instances, and how they are dumped."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import marshmallow as ma

from flarchitect_core.model.inspect import relations_read_by
from flarchitect_core.model.schemas import AutoSchema, RelationField, dump_instances

if TYPE_CHECKING:
    from sqlalchemy.orm import Mapper

    from flarchitect_core.model.dumping import DumpFunction, Record

__all__ = ["SchemaDump", "paths_of"]

Path = tuple[str, ...]


class SchemaDump:
    """Dumps rows that end with their instance: the instance by a schema, its relations as the plan has loaded them.

    Args:
        related: Gives what was loaded of each row's relations.
        added: Keys of that which the schema does not know, such as columns of joined relations.
    """

    def __init__(self, schema: AutoSchema, related: DumpFunction, added: Collection[str]) -> None:
        self._schema = schema
        self._related = related
        self._added = tuple(added)

    def __call__(self, rows: Sequence[Any], root: str, inlined: Sequence[Mapping[Any, Any]]) -> list[Record]:
        """Give the records."""
        related = self._related(rows, root, inlined)
        records = dump_instances(self._schema, [row[-1] for row in rows], related)
        if self._added:
            for record, loaded in zip(records, related, strict=True):
                record.update((name, loaded[name]) for name in self._added)
        return records


def paths_of(schema: ma.Schema, mapper: Mapper[Any]) -> set[Path]:
    """List the paths of relationships that a schema follows from an instance, to load them for all rows at once.

    Nested schemas say theirs by their fields; of functions the names in their code are taken.
    """
    found = set(chain.from_iterable(relations_read_by(function, mapper) for function in _functions_of(schema)))
    for name, field in schema.dump_fields.items():
        if isinstance(field, RelationField):
            continue
        first = (field.attribute or name).partition(".")[0]
        if first not in mapper.relationships:
            continue
        found.add((first,))
        nested = _nested_schema(field)
        if nested is not None:
            target = mapper.relationships[first].mapper
            found |= {(first, *path) for path in (*paths_of(nested, target), *_looked_up(nested))}
    return found


def _functions_of(schema: ma.Schema) -> Iterator[Any]:
    for kind in type(schema).__mro__:
        if kind is AutoSchema or kind is ma.Schema:
            break
        yield from vars(kind).values()
    for field in schema.dump_fields.values():
        if isinstance(field, ma.fields.Function):
            yield field.serialize_func


def _nested_schema(field: Any) -> ma.Schema | None:
    while isinstance(field, ma.fields.List):
        field = field.inner
    return field.schema if isinstance(field, ma.fields.Nested) else None


def _looked_up(schema: ma.Schema) -> Iterator[Path]:
    """List the relations of a nested schema whose link needs the related row."""
    for field in schema.dump_fields.values():
        if isinstance(field, RelationField) and not field.relation.many and field.relation.key_attributes() is None:
            yield (field.relation.fact.name,)
