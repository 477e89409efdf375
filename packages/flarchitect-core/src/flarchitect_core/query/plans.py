"""Making the plan of a view: which columns, which links, and which includes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Load, aliased, lazyload
from sqlalchemy.sql.util import ClauseAdapter

from flarchitect_core.model.criteria import hide_deleted
from flarchitect_core.model.dumping import (
    DumpFunction,
    InlineMany,
    InlineOne,
    ItemLink,
    KeyPart,
    Output,
    RelationLink,
    Value,
    compile_dump,
)
from flarchitect_core.model.inspect import ColumnFact, HybridFact
from flarchitect_core.model.schemas import RelationField, output_schema_of
from flarchitect_core.query.include import KEYS, MOST, Include, LoadPlan
from flarchitect_core.query.joins import JoinedColumn, Joins, follow, leads_to, visible
from flarchitect_core.query.many_keys import is_one_of
from flarchitect_core.query.schema_dump import SchemaDump, paths_of

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Relation, Resource
    from flarchitect_core.model.schemas import AutoSchema
    from flarchitect_core.query.view import View

__all__ = ["plan_of"]


def plan_of(resource: Resource, view: View) -> LoadPlan:
    """Give the plan of a view, from those kept when it was asked before."""
    return resource.plans.get(view, lambda: _PlanBuilder(resource, view).build())


class _PlanBuilder:
    """Collects the columns, outputs and includes of one plan."""

    def __init__(self, resource: Resource, view: View, origin: Relation | None = None) -> None:
        self.resource = resource
        # An own schema dumps instances, and some policies judge them.
        needs_instances = resource.output_schema is not None or resource.judges_reads
        self.view = replace(view, instances=True) if needs_instances else view
        self.schema = None if resource.output_schema is None else output_schema_of(resource, view.method)
        self.origin = origin
        self.expressions: list[Any] = []
        self.positions: dict[str, int] = {}
        self.outputs: dict[str, Output] = {}
        self.includes: list[Include] = []
        self.instance_only: list[tuple[str, Field]] = []
        self.resources: dict[type, Resource] = {resource.model: resource}
        self.joins = Joins(resource.model)

    def build(self) -> LoadPlan:
        for name, item in self.resource.fields.items():
            if self._is_wanted(name) and self.view.method not in item.hidden_in:
                self._add_field(name, item)
        for column in self.view.columns:
            self._add_joined(column)
        if self.view.relations:
            for name, relation in self.resource.relations.items():
                is_shown = relation.is_shown or name in self.view.joined
                if self._is_wanted(name) and is_shown and not self._is_declared(relation):
                    self._add_relation(name, relation)
        for attribute in self.view.with_attributes:
            self.column(attribute)
        if not self.expressions:
            self.key_positions()
        return self._plan()

    def _is_wanted(self, name: str) -> bool:
        return self.view.fields is None or name in self.view.fields

    def _is_declared(self, relation: Relation) -> bool:
        """Say whether an own schema gives a relation in its own way."""
        field = None if self.schema is None else self.schema.dump_fields.get(relation.fact.name)
        return field is not None and not isinstance(field, RelationField)

    def column(self, attribute: str) -> int:
        """Give the position of a mapped attribute in the row, adding it when needed."""
        if attribute not in self.positions:
            self.positions[attribute] = self.expression(getattr(self.resource.model, attribute))
            item = self.resource.field_of_attribute(attribute)
            self._reads([] if item is None else [item])
        return self.positions[attribute]

    def expression(self, expression: Any) -> int:
        """Add a SQL expression to the row and give its position."""
        self.expressions.append(expression)
        return len(self.expressions) - 1

    def key_positions(self) -> tuple[int, ...]:
        """Give the positions of the primary key."""
        return tuple(self.column(item.attribute) for item in self.resource.key)

    def _add_field(self, name: str, item: Field) -> None:
        if item.fact.attribute is None:
            # Its position follows the last column, which is known only when all columns are.
            self.instance_only.append((name, item))
            self.outputs[name] = Value(-1, item.codec)
        else:
            self.outputs[name] = Value(self.column(item.attribute), item.codec)

    def _add_joined(self, column: JoinedColumn) -> None:
        relation, item = column.relation, column.field
        if relation.many:
            self.joins.spread(relation, is_outer=column.is_outer)
        self.resources.update((each.model, each) for each in relation.mentions)
        self._reads([item])
        expression = self.joins.column((relation,), item.attribute)
        self.outputs[column.name] = Value(self.expression(expression), item.codec)

    # --- relations ----------------------------------------------------------------------------------------------------

    def _add_relation(self, name: str, relation: Relation) -> None:
        inline = self._is_inlined(name, relation)
        if relation.leads_back(self.origin) and (not relation.many or not inline):
            return
        if inline:
            self._inline(name, relation)
        elif relation.many:
            if relation.segment:
                key = self._key_parts(self.key_positions(), self.resource)
                self.outputs[name] = RelationLink(self.resource.relations_link_path, key, relation.link_segment)
        elif "GET" in relation.target.methods:
            positions = self._target_key_positions(relation)
            self.outputs[name] = ItemLink(relation.target.link_path, self._key_parts(positions, relation.target))

    def _is_inlined(self, name: str, relation: Relation) -> bool:
        if not relation.is_readable:
            return False
        if self.view.mode == "dynamic":
            return name in self.view.joined
        if self.view.depth < 1:
            return False
        return self.view.mode == "json" or (self.view.mode == "hybrid" and not relation.many)

    def _key_parts(self, positions: Sequence[int], target: Resource) -> tuple[KeyPart, ...]:
        return tuple(KeyPart(position, item.codec) for position, item in zip(positions, target.key, strict=True))

    def _target_key_positions(self, relation: Relation) -> tuple[int, ...]:
        fact, target = relation.fact, relation.target
        key = tuple(item.attribute for item in target.key)
        if fact.is_reference and set(fact.remote_names) == set(key):
            local = dict(zip(fact.remote_names, fact.local_names, strict=True))
            # Rows of a target that is never hidden need not be looked at to be linked.
            if not target.is_restricted:
                return tuple(self.column(local[name]) for name in key)
        self.resources.update((each.model, each) for each in relation.mentions)
        return tuple(self.expression(_related_key(relation, name)) for name in key)

    def _inline(self, name: str, relation: Relation) -> None:
        view = replace(
            self.view,
            depth=self.view.depth - 1,
            fields=None,
            joined=frozenset(),
            method="GET",
            columns=(),
            instances=False,
            with_attributes=(),
        )
        child = _PlanBuilder(relation.target, view, relation)
        fact = relation.fact
        if fact.is_direct and self._compares_exactly(fact.local_names):
            parent = tuple(self.column(attribute) for attribute in fact.local_names)
            link = tuple(child.column(attribute) for attribute in fact.remote_names)
            plan = child.build()
            statement = plan.statement
            keys = [getattr(relation.target.model, attribute) for attribute in fact.remote_names]
        else:
            source: Any = aliased(self.resource.model)
            keys = [getattr(source, item.attribute) for item in self.resource.key]
            parent = self.key_positions()
            link = tuple(child.expression(key) for key in keys)
            plan = child.build()
            statement = follow(plan.statement, source, relation)
            over = [] if relation.association is None else [relation.association]
            statement = statement.options(*hide_deleted(over, self.view.deleted_asked_by))
        resources = tuple(dict.fromkeys((*plan.resources, self.resource, *relation.mentions)))
        statement = statement.where(is_one_of(keys, KEYS))
        if not fact.is_reference:
            statement = statement.order_by(*_order(relation)).limit(sa.bindparam(MOST, type_=sa.Integer()))
        slot = len(self.includes)
        self.includes.append(Include(relation, plan, parent, link, statement, resources))
        self.outputs[name] = InlineMany(slot, parent) if relation.many else InlineOne(slot, parent)

    def _compares_exactly(self, attributes: Sequence[str]) -> bool:
        """Say whether equal values of these columns are equal in Python too; text is equal as its collation says."""
        types = {fact.name: fact.type for fact in self.resource.facts.columns}
        return not any(isinstance(getattr(types[name], "impl_instance", types[name]), sa.String) for name in attributes)

    # --- result -------------------------------------------------------------------------------------------------------

    def _plan(self) -> LoadPlan:
        statement = sa.select(*self.expressions)
        complete = None
        width = len(self.expressions)
        if self.instance_only or self.view.instances:
            for offset, (name, item) in enumerate(self.instance_only):
                self.outputs[name] = Value(width + offset, item.codec)
            statement = statement.add_columns(self.resource.model).options(*self._instance_options())
            # What the session still holds of a row is not what the row is now.
            statement = statement.execution_options(populate_existing=True)
            complete = _completer([item.attribute for _, item in self.instance_only], keep=self.view.instances)
            width += len(self.instance_only) + self.view.instances
        hiding = [each for model, each in self.resources.items() if model is not self.view.spared]
        statement = statement.options(*hide_deleted(hiding, self.view.deleted_asked_by))
        dump, names = self._dump(width)
        return LoadPlan(
            self.resource,
            statement,
            dump,
            tuple(self.includes),
            complete,
            dict(self.positions),
            names,
            tuple(self.resources.values()),
            self.joins,
        )

    def _dump(self, width: int) -> tuple[DumpFunction, tuple[str, ...]]:
        """Give the dump function, and the keys of its records."""
        if self.schema is None:
            return compile_dump(self.outputs, width), tuple(self.outputs)
        schema = self.schema
        related = {relation.fact.name: name for name, relation in self.resource.relations.items()}
        if self.view.fields is not None or not self.view.relations:
            wanted = self._wanted_members(schema, related)
            schema = output_schema_of(self.resource, self.view.method, only=wanted)
        # Columns of joined rows may be called like those of the row that are not asked for.
        own = self.resource.fields.keys() - {column.name for column in self.view.columns}
        loaded = {name: output for name, output in self.outputs.items() if name not in own}
        known = [field.data_key or name for name, field in schema.dump_fields.items()]
        related_names = {field.data_key for field in schema.dump_fields.values() if isinstance(field, RelationField)}
        added = [name for name in loaded if name not in known]
        names = [name for name in known if name in loaded or name not in related_names]
        return SchemaDump(schema, compile_dump(loaded, width), added), (*names, *added)

    def _wanted_members(self, schema: AutoSchema, related: Mapping[str, str]) -> list[str]:
        """List the fields of an own schema that the view shows, in their order.

        Args:
            related: Those of relations, with their external names.
        """
        if self.view.fields is None:
            wanted = schema.fields.keys() - related.keys()
        else:
            names = self.resource.output_names[self.view.method]
            wanted = {names[name] for name in self.view.fields if name in names}
            if self.view.relations:
                wanted |= {member for member, name in related.items() if self._is_wanted(name)}
        return [name for name in schema.fields if name in wanted]

    def _instance_options(self) -> list[Any]:
        used = {
            path for _, item in self.instance_only if isinstance(item.fact, HybridFact) for path in item.fact.relations
        }
        if self.schema is not None:
            followed = paths_of(self.schema, self.resource.facts.mapper)
            used |= followed
        self._mention(used)
        for resource in list(self.resources.values()):
            # An instance is loaded with all of its columns, expressions among them.
            self._reads(item for item in resource.fields.values() if isinstance(item.fact, ColumnFact))
        # Only what the getters read is loaded, whatever the model loads with a row otherwise.
        return [lazyload("*"), *(_selectinload(self.resource, path) for path in sorted(used))]

    def _reads(self, items: Iterable[Field]) -> None:
        """Let what the SQL of fields reads of other models be what the request may see."""
        self.resources.update((each.model, each) for item in items for each in item.reads)

    def _mention(self, paths: Iterable[Sequence[str]]) -> None:
        """Let the rows that paths lead to be those that the request may see."""
        read = self.resource.registry.read_along(self.resource.facts.mapper, paths)
        self.resources.update((each.model, each) for each in read)


def _selectinload(resource: Resource, path: Sequence[str]) -> Any:
    """Load the instances that a path of relationships leads to, one statement for each step."""
    mapper = resource.facts.mapper
    option: Any = Load(resource.model)
    for name in path:
        relationship = mapper.relationships[name]
        association = resource.registry.association(relationship.secondary)
        option = option.selectinload(visible(association, getattr(mapper.class_, name)))
        mapper = relationship.mapper
    return option


def _related_key(relation: Relation, attribute: str) -> Any:
    """Give one key column of a to-one target that the row itself does not hold, as a scalar subquery."""
    source: Any = aliased(relation.source.model)
    target: Any = aliased(relation.target.model)
    model = relation.source.model
    same_row = [getattr(source, item.attribute) == getattr(model, item.attribute) for item in relation.source.key]
    key = [getattr(target, item.attribute) for item in relation.target.key]
    order = map(ClauseAdapter(sa.inspect(target).selectable).traverse, relation.order_by)
    return (
        sa.select(getattr(target, attribute))
        .select_from(source)
        .join(leads_to(source, relation, target))
        .where(*same_row)
        .order_by(*order, *key)
        .limit(1)
        .correlate(model)
        .scalar_subquery()
    )


def _order(relation: Relation) -> list[Any]:
    target = relation.target
    return [*relation.order_by, *(getattr(target.model, item.attribute) for item in target.key)]


def _completer(attributes: Sequence[str], *, keep: bool) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Make the function that puts the values of these attributes before the instance at the end of each row.

    Args:
        keep: Whether the instance stays in the row, after the values.
    """

    def complete(rows: Sequence[Any]) -> Sequence[Any]:
        return [
            (*row[:-1], *(getattr(row[-1], attribute) for attribute in attributes), *((row[-1],) if keep else ()))
            for row in rows
        ]

    return complete
