"""What to load for an answer: the columns of the rows, and one statement for each inlined relation.

A plan depends on the models and on what the client asked to see, never on rows, so it is built once and kept. The
number of statements of a request is the number of includes in its plan plus one (decisions 11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Literal, Protocol

import sqlalchemy as sa
from sqlalchemy.orm import Load, aliased, lazyload
from sqlalchemy.sql.util import ClauseAdapter

from flarchitect_core.bounded import BoundedCache
from flarchitect_core.errors import QueryError
from flarchitect_core.model.criteria import hide_deleted
from flarchitect_core.model.dumping import (
    DumpFunction,
    InlineMany,
    InlineOne,
    ItemLink,
    KeyPart,
    Output,
    Record,
    RelationLink,
    Value,
    compile_dump,
)
from flarchitect_core.model.inspect import ColumnFact, HybridFact
from flarchitect_core.model.schemas import RelationField, output_schema_of
from flarchitect_core.query.joins import JoinedColumn, Joins, leads_over, leads_to, visible
from flarchitect_core.query.schema_dump import SchemaDump, paths_of

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Relation, Resource
    from flarchitect_core.model.schemas import AutoSchema

__all__ = ["Executor", "Include", "LoadPlan", "View", "dump_rows", "fetch_rows", "follow", "plan_of"]

SHAPES_PER_PLAN = 64

# Bind parameters that every database takes in one statement, and pairs that PostgreSQL compares within its stack.
_KEYS_MAX = 30_000
_COMPOSITE_KEYS_MAX = 1_000

Mode = Literal["url", "json", "dynamic", "hybrid"]


@dataclass(frozen=True, slots=True)
class View:
    """What an answer shows of a row.

    Attributes:
        mode: How relations are given (rest 5.4).
        depth: Levels of relations that may be inlined.
        fields: External names to show, `None` for all.
        joined: Relations named in `join`, by external name.
        relations: Whether relations are shown at all.
        method: HTTP method of the request, which decides what is hidden.
        columns: Columns of joined relations to show among those of the row.
        include_deleted: Whether rows that are marked as deleted are asked for; models may forbid to show theirs.
        spared: A model whose deleted rows the executor hides, because it makes an exception of one.
        instances: Whether every row ends with its instance, for callbacks that want it.
        with_attributes: Mapped attributes to read besides those that are shown, for the tag of a row.
    """

    mode: Mode = "url"
    depth: int = 1
    fields: tuple[str, ...] | None = None
    joined: frozenset[str] = frozenset()
    relations: bool = True
    method: str = "GET"
    columns: tuple[JoinedColumn, ...] = ()
    include_deleted: bool = False
    spared: type | None = None
    instances: bool = False
    with_attributes: tuple[str, ...] = ()

    @property
    def deleted_asked_by(self) -> str | None:
        """The method of a request that asks for deleted rows, `None` of any other."""
        return self.method if self.include_deleted else None


class Executor(Protocol):
    """Runs statements for the models of one request."""

    @property
    def root(self) -> str:
        """URL root of the request, without trailing slash, empty for most applications."""
        ...

    def inline_rows_max(self, model: type) -> int:
        """Give `API_INLINE_ROWS_MAX` of a model."""
        ...

    def execute(
        self,
        resources: Sequence[Resource],
        statement: sa.Select[Any],
        parameters: Mapping[str, Any],
        *,
        instances: bool = False,
    ) -> Sequence[Any]:
        """Run a select and give all rows.

        Args:
            resources: Every resource that the statement mentions; it runs on the database of the first one.
            instances: Whether it gives instances.
        """
        ...

    def dumped(self, resource: Resource, records: list[Record]) -> list[Record]:
        """Give the records of a resource as the callbacks of the application leave them."""
        ...

    def hides_rows(self, resources: Sequence[Resource]) -> bool:
        """Say whether conditions of the application hide rows of any of these resources."""
        ...

    def shown(self, resource: Resource, rows: Sequence[Any]) -> None:
        """Let the policy of a resource see the rows that are about to be shown."""
        ...


@dataclass(eq=False, slots=True)
class LoadPlan:
    """How to read and dump the rows of one resource for one view.

    Attributes:
        statement: Select of the columns, without condition, order or limit.
        complete: Adds what only instances know to the rows; `None` when columns are enough.
        positions: Mapped attribute to its position in the row.
        resources: Every resource that the statement mentions, its own first.
        names: Keys of a record, in their order.
        joins: What a statement built on this one must join for its columns.
        statements: Statements built on this plan, one for each query shape.
    """

    resource: Resource
    statement: sa.Select[Any]
    dump: DumpFunction
    includes: tuple[Include, ...]
    complete: Callable[[Sequence[Any]], Sequence[Any]] | None
    positions: Mapping[str, int]
    names: tuple[str, ...]
    resources: tuple[Resource, ...]
    joins: Joins
    statements: BoundedCache[Any, Any] = field(default_factory=lambda: BoundedCache(SHAPES_PER_PLAN))


@dataclass(eq=False, slots=True)
class Include:
    """One relation to load with the rows of a plan.

    Attributes:
        parent: Positions in the parent's row that lead to the related rows.
        child: Positions in the related row that hold the same values.
        statement: Select of the related rows with the parameter `keys`, and `most` when there may be many of a parent.
        resources: Every resource that the statement mentions, that of the related rows first.
    """

    relation: Relation
    plan: LoadPlan
    parent: tuple[int, ...]
    child: tuple[int, ...]
    statement: sa.Select[Any]
    resources: tuple[Resource, ...]

    def load(self, rows: Sequence[Any], executor: Executor) -> Mapping[Any, Any]:
        """Load the related rows of all rows at once.

        Returns:
            Parent's values (a tuple when there are several) to the related record, or to the list of them.

        Raises:
            QueryError: More rows than one answer may carry.
        """
        parent_key, child_key = itemgetter(*self.parent), itemgetter(*self.child)
        keys = dict.fromkeys(key for key in map(parent_key, rows) if not _has_null(key))
        if not keys:
            return {}
        if len(keys) > (_KEYS_MAX if len(self.parent) == 1 else _COMPOSITE_KEYS_MAX):
            raise self._too_many_parents(len(keys))
        model = self.relation.target.model
        parameters: dict[str, Any] = {"keys": list(keys)}
        most = None if self.relation.fact.is_reference else executor.inline_rows_max(model)
        if most is not None:
            parameters["most"] = most + 1
        related = fetch_rows(self.plan, executor, self.statement, parameters, self.resources)
        if most is not None and len(related) > most:
            raise self._too_many(most)
        records = dump_rows(self.plan, related, executor)
        if not self.relation.many:
            # Of several candidates the first one counts, so it is put in last.
            return dict(zip(map(child_key, reversed(related)), reversed(records), strict=True))
        groups: dict[Any, list[Record]] = {}
        for key, record in zip(map(child_key, related), records, strict=True):
            groups.setdefault(key, []).append(record)
        return groups

    def _too_many_parents(self, found: int) -> QueryError:
        return QueryError(
            f"The relation {self.relation.name!r} cannot be inlined in {found} rows at once. Ask for fewer rows with "
            f"`limit`, or for links with `dump=url`.",
            reason="too_many_related_rows",
            details={"relation": self.relation.name},
        )

    def _too_many(self, most: int) -> QueryError:
        relation = self.relation
        return QueryError(
            f"The relation {relation.name!r} would add more than {most} rows to this answer. Ask for fewer rows with "
            f"`limit`, or follow the link of each row: it is paged.",
            reason="too_many_related_rows",
            details={"relation": relation.name, "maximum": most},
        )


def _has_null(key: Any) -> bool:
    return key is None or (isinstance(key, tuple) and None in key)


def fetch_rows(
    plan: LoadPlan,
    executor: Executor,
    statement: sa.Select[Any],
    parameters: Mapping[str, Any],
    resources: Sequence[Resource] = (),
) -> Sequence[Any]:
    """Run a statement built on a plan and give its complete rows.

    Args:
        resources: What the statement mentions, when it is more than the plan does.
    """
    mentioned = resources or plan.resources
    if plan.complete is None:
        return executor.execute(mentioned, statement, parameters)
    return plan.complete(executor.execute(mentioned, statement, parameters, instances=True))


def dump_rows(plan: LoadPlan, rows: Sequence[Any], executor: Executor) -> list[Record]:
    """Dump rows of a plan, loading what is inlined in them."""
    executor.shown(plan.resource, rows)
    inlined = [include.load(rows, executor) for include in plan.includes]
    return executor.dumped(plan.resource, plan.dump(rows, executor.root, inlined))


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
        statement = statement.where(_is_one_of(keys))
        if not fact.is_reference:
            statement = statement.order_by(*_order(relation)).limit(sa.bindparam("most", type_=sa.Integer()))
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
        fields = self.resource.fields
        schema = self.schema
        related = {relation.fact.name: name for name, relation in self.resource.relations.items()}
        if self.view.fields is not None or not self.view.relations:
            wanted = self._wanted_members(schema, related)
            schema = output_schema_of(self.resource, self.view.method, only=wanted)
        loaded = {name: output for name, output in self.outputs.items() if name not in fields}
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


def follow(statement: sa.Select[Any], source: Any, relation: Relation) -> sa.Select[Any]:
    """Join an alias of a relation's source, and from there the rows that the relation leads to.

    SQLAlchemy would give a secondary table a name that nobody knows, and the order of a relationship may be by its
    columns.
    """
    secondary = relation.fact.secondary
    if secondary is None:
        return statement.select_from(source).join(getattr(source, relation.fact.name))
    relationship = relation.source.facts.mapper.relationships[relation.fact.name]
    to_secondary = ClauseAdapter(secondary)
    from_source = ClauseAdapter(sa.inspect(source).selectable).traverse(relationship.primaryjoin)
    association = relation.association
    return (
        statement.select_from(source)
        .join(secondary, to_secondary.traverse(from_source))
        .join(relation.target.model, to_secondary.traverse(relationship.secondaryjoin))
        .where(*([] if association is None else [leads_over(association, secondary)]))
    )


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


def _is_one_of(columns: Sequence[Any]) -> Any:
    keys: sa.BindParameter[Any] = sa.bindparam("keys", expanding=True)
    return columns[0].in_(keys) if len(columns) == 1 else sa.tuple_(*columns).in_(keys)


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
