"""What nested writes need to know of a relationship, read once at start-up (rest 5.7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa
from sqlalchemy.orm import RelationshipDirection
from sqlalchemy.orm.exc import UnmappedColumnError

from flarchitect_core import options

if TYPE_CHECKING:
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
    filled = {
        taking: giving
        for giving_column, taking_column in pairs
        if (taking := _attribute(holder, taking_column)) and (giving := _attribute(giver, giving_column))
    }
    return NestedRelation(
        relation=relation,
        kind=kind,
        filled=filled,
        is_direct=bool(pairs) and len(filled) == len(pairs),
        can_unlink=all(column.nullable and not column.primary_key for column in columns),
        deletes_orphans=prop.cascade.delete_orphan,
        is_held=prop.lazy not in ("dynamic", "write_only"),
        allowed=frozenset(
            method
            for method in ("POST", "PUT", "PATCH")
            if not relation.fact.viewonly
            and settings.get(options.ALLOW_NESTED_WRITES, model=source.model, method=method)
            and settings.get(options.ALLOW_NESTED_WRITES, model=target.model, method=method)
            and relation.fact.name
            not in _listed(settings.get(options.IGNORE_INPUT_FIELDS, model=source.model, method=method))
        ),
    )


def _attribute(mapper: sa.orm.Mapper[Any], column: Any) -> str | None:
    try:
        return mapper.get_property_by_column(column).key
    except UnmappedColumnError:
        return None


def _listed(names: Any) -> frozenset[str]:
    return frozenset([names] if isinstance(names, str) else names or ())
