"""What nested writes need to know of a relationship, read once at start-up (rest 5.7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from sqlalchemy.orm import Mapper, RelationshipDirection, RelationshipProperty
from sqlalchemy.orm.exc import UnmappedColumnError

from flarchitect_core import options
from flarchitect_core.model.inspect import ColumnFact

if TYPE_CHECKING:
    from flarchitect_core.model.registry import Registry
    from flarchitect_core.model.resource import Relation, Resource
    from flarchitect_core.settings import Settings

__all__ = ["NestedRelation", "nested_relation"]

Kind = Literal["reference", "children", "association"]


@dataclass(frozen=True, eq=False, slots=True)
class NestedRelation:
    """One relationship below which bodies may have objects.

    Attributes:
        kind: `reference` when the row holds the key of the other one, `children` when the others hold its key,
            `association` when rows of a secondary table hold both.
        filled: Attributes that linking sets, to the attributes they get their values from: of the row itself for a
            reference, of the related rows for children.
        can_unlink: Whether all of them may be null.
        is_direct: Whether one row takes the key of the other, in attributes.
        deletes_orphans: Whether a related row that is left out is deleted.
        link_to_source: Attributes of the model that is mapped to the secondary table, to those of the row itself that
            they get their values from; empty unless a model is.
        link_to_target: The same for the related row.
        is_held: Whether instances hold what it leads to, as they do unless it is dynamic or write-only.
        allowed: HTTP methods of the requests that may write through it.
    """

    relation: Relation
    kind: Kind
    filled: Mapping[str, str]
    can_unlink: bool
    is_direct: bool
    deletes_orphans: bool
    is_held: bool
    allowed: frozenset[str]
    link_to_source: Mapping[str, str] = field(default_factory=dict)
    link_to_target: Mapping[str, str] = field(default_factory=dict)

    @property
    def many(self) -> bool:
        """Whether bodies have a list for it."""
        return self.relation.many

    @property
    def target(self) -> Resource:
        """The model of the related rows."""
        return self.relation.target

    @property
    def attribute(self) -> str:
        """The attribute of the relationship."""
        return self.relation.fact.name

    @property
    def filled_names(self) -> list[str]:
        """External names of what linking sets."""
        return [item.name for item in self.owner.fields.values() if item.attribute in self.filled]

    @property
    def owner(self) -> Resource:
        """The model whose attributes linking sets."""
        return self.relation.source if self.kind == "reference" else self.relation.target

    @property
    def makes_rows(self) -> bool:
        """Whether new rows can be made through it."""
        return self.lets("POST") and not (self.kind == "children" and self.is_locked("POST"))

    def lets(self, method: str) -> bool:
        """Say whether clients may do to related rows what a method means."""
        return method in self.target.methods and method not in self.target.refused

    def takes(self, method: str, rules: str) -> bool:
        """Say whether an object of a body may have objects for it.

        Args:
            method: Method of the request.
            rules: Method whose rules the object follows: POST for a new row, PATCH for one that names its key.
        """
        return method in self.allowed and not (self.kind == "reference" and self.is_locked(rules))

    def is_locked(self, method: str) -> bool:
        """Say whether clients may not set what linking sets, in bodies of a method."""
        items = [item for item in self.owner.fields.values() if item.attribute in self.filled]
        return any(method in item.locked_in for item in items)

    @property
    def own_key(self) -> list[str]:
        """Attributes of the target's key that an object in a body has to name."""
        filled = self.filled if self.kind == "children" else {}
        return [item.attribute for item in self.target.key if item.attribute not in filled]


def nested_relation(relation: Relation, settings: Settings) -> NestedRelation:
    """Read a relationship."""
    source, target = relation.source, relation.target
    prop = source.facts.mapper.relationships[relation.fact.name]
    kind: Kind = "association" if prop.secondary is not None else "children"
    if prop.direction is RelationshipDirection.MANYTOONE:
        kind = "reference"
    holder, giver = (prop.parent, prop.mapper) if kind == "reference" else (prop.mapper, prop.parent)
    pairs = () if kind == "association" else tuple(prop.synchronize_pairs or ())
    columns = [taking for _, taking in pairs]
    filled = _taken(holder, giver, pairs)
    links: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {})
    if relation.association is not None:
        row = relation.association.facts.mapper
        links = (
            _taken(row, prop.parent, prop.synchronize_pairs or ()),
            _taken(row, prop.mapper, prop.secondary_synchronize_pairs or ()),
        )
    return NestedRelation(
        relation=relation,
        kind=kind,
        filled=filled,
        is_direct=bool(pairs) and len(filled) == len(pairs),
        can_unlink=all(column.nullable and not column.primary_key for column in columns),
        deletes_orphans=prop.cascade.delete_orphan,
        is_held=prop.lazy not in ("dynamic", "write_only"),
        link_to_source=links[0],
        link_to_target=links[1],
        allowed=frozenset(
            method
            for method in ("POST", "PUT", "PATCH")
            if not (relation.fact.viewonly or _is_fixed(source.registry, prop))
            and settings.get(options.ALLOW_NESTED_WRITES, model=source.model, method=method)
            and settings.get(options.ALLOW_NESTED_WRITES, model=target.model, method=method)
            and relation.fact.name
            not in _listed(settings.get(options.IGNORE_INPUT_FIELDS, model=source.model, method=method))
        ),
    )


def _is_fixed(registry: Registry, prop: RelationshipProperty[Any]) -> bool:
    """Say whether a rule about fields keeps the caller from setting what the rows of a secondary table link."""
    if prop.secondary is None:
        return False
    columns = [taking for _, taking in (*(prop.synchronize_pairs or ()), *(prop.secondary_synchronize_pairs or ()))]
    fields = (item for resource in registry for item in resource.fields.values() if item.is_fixed)
    return any(isinstance(item.fact, ColumnFact) and item.fact.column in columns for item in fields)


def _taken(taker: Mapper[Any], giver: Mapper[Any], pairs: Iterable[tuple[Any, Any]]) -> dict[str, str]:
    """Give which attributes of one side get their values from which of the other."""
    return {
        taking: giving
        for giving_column, taking_column in pairs
        if (taking := _attribute(taker, taking_column)) and (giving := _attribute(giver, giving_column))
    }


def _attribute(mapper: Mapper[Any], column: Any) -> str | None:
    try:
        return mapper.get_property_by_column(column).key
    except UnmappedColumnError:
        return None


def _listed(names: Any) -> frozenset[str]:
    return frozenset([names] if isinstance(names, str) else names or ())
