"""Examples of records: as answers show them, and as bodies give them so that they can be sent (docs 3.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flarchitect_core.catalogue.shapes import RecordShape
from flarchitect_core.model.inspect import ColumnFact
from flarchitect_docs.document.examples import example_of

if TYPE_CHECKING:
    from flarchitect_core.catalogue.shapes import Shape
    from flarchitect_core.model.json_types import JsonSchema
    from flarchitect_core.model.resource import Field, Relation, Resource

__all__ = ["body_example", "shown_record"]

_SIMPLE = (bool, int, str, type(None))


def shown_record(value: Any, shape: Shape | None) -> Any:
    """Give the example of an answer with the links that its rows really have, and of rows that are not deleted.

    Args:
        value: What the schema alone makes of it, one record or a list of them.
        shape: What a record is.
    """
    if not isinstance(shape, RecordShape):
        return value
    if isinstance(value, list):
        return [shown_record(each, shape) for each in value]
    return {**value, **_links(shape.resource, value), **_mark(shape.resource, value)} if value else value


def _links(resource: Resource, record: Mapping[str, Any]) -> dict[str, str]:
    links = {
        relation.name: _link(relation, record) for relation in resource.relations.values() if relation.name in record
    }
    return {name: link for name, link in links.items() if link is not None}


def _link(relation: Relation, record: Mapping[str, Any]) -> str | None:
    """Give the link of a relation: to its rows, or to the one row that it leads to."""
    source, target = relation.source, relation.target
    if relation.many:
        key = _values([item.name for item in source.key], record)
        row = None if key is None or not relation.segment else source.key_path(key)
        return None if row is None else f"{source.relations_link_path}/{row}/{relation.link_segment}"
    columns = [source.field_of_attribute(attribute) for attribute in relation.key_attributes() or ()]
    key = _values([column.name for column in columns if column is not None], record)
    return f"{target.link_path}/{target.key_path(key)}" if key else None


def _values(names: Sequence[str], record: Mapping[str, Any]) -> list[Any] | None:
    """Give some members of a record, nothing when one of them is not there."""
    return [record[name] for name in names] if all(name in record for name in names) else None


def _mark(resource: Resource, record: Mapping[str, Any]) -> dict[str, Any]:
    mark = resource.soft_delete
    item = None if mark is None else resource.field_of_attribute(mark.fact.name)
    if mark is None or item is None or item.name not in record or not isinstance(mark.active, _SIMPLE):
        return {}
    return {item.name: mark.active}


def body_example(shape: Shape, schema: JsonSchema, components: Mapping[str, JsonSchema]) -> Any:
    """Give a body that can be sent: without what would lead to rows of which nobody knows whether they are there.

    Args:
        schema: What the body is.
        components: The schemas that references lead to, by name.

    Returns:
        The example, `None` where the body must hold a secret, which no example shows.
    """
    if not isinstance(shape, RecordShape):
        return example_of(schema, components)
    resource = shape.resource
    secrets = {item.name for item in resource.fields.values() if "GET" in item.hidden_in}
    references = {item.name for item in resource.fields.values() if _may_refer(item)}
    example = example_of(schema, components, left_out={*resource.relations, *references, *secrets})
    return None if secrets & example.keys() else example


def _may_refer(item: Field) -> bool:
    fact = item.fact
    return isinstance(fact, ColumnFact) and fact.column is not None and bool(fact.column.foreign_keys) and fact.nullable
