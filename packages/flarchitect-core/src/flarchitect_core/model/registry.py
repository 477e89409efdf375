"""The resources of one application: which models are published, and what clients call their parts."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper

from flarchitect_core import options
from flarchitect_core.model.criteria import reaches
from flarchitect_core.model.fields import ColumnField, DecimalField, TextFormField
from flarchitect_core.model.inspect import ColumnFact, HybridFact, ModelFacts, RelationFact, inspect_model
from flarchitect_core.model.naming import convert_case, field_name, segment_name
from flarchitect_core.model.related_order import RelatedOrder
from flarchitect_core.model.resource import Field, Relation, Resource
from flarchitect_core.model.schema_discovery import choose_schemas
from flarchitect_core.model.search import add_search
from flarchitect_core.model.soft_delete import soft_delete_of
from flarchitect_core.model.type_table import field_for_expression, field_for_type
from flarchitect_core.model.validation import ColumnValidation
from flarchitect_core.model.visibility import Visibility
from flarchitect_core.settings import HTTP_METHODS, Settings, is_set
from flarchitect_core.startup import StartupReport
from flarchitect_core.suggestions import nearest

if TYPE_CHECKING:
    from flarchitect_core.access.fields import FieldLimits

__all__ = ["Registry", "published_models", "unpublished_models"]

_WRITING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Whether the model was made from a table, and what its user can do about a column that is taken for a secret.
_SECRET_ADVICE = {
    False: "Show a column with info={'secret': False}, or keep it hidden with info={'secret': True}.",
    True: "Exclude a table to leave out the rest of it too; to show such a column, write a model for its table.",
}
_OPEN_KEY_ADVICE = {
    False: "Give such a table another key, or rename the column; if it is no secret, say so with "
    "info={'secret': False}.",
    True: "Exclude such a table, give it another key, or rename the column.",
}


def published_models(bases: Any) -> list[type]:
    """List the mapped classes below the bases that have a `Meta`, own or inherited, in the order of definition."""
    return [model for model in _mapped_below(bases) if hasattr(model, "Meta")]


def unpublished_models(bases: Any) -> list[str]:
    """List the names of the mapped classes below the bases that have no `Meta`, in the order of definition."""
    return [model.__name__ for model in _mapped_below(bases) if not hasattr(model, "Meta")]


def _mapped_below(bases: Any) -> dict[type, None]:
    """Give the mapped classes below the bases, each once, in the order of definition."""
    return dict.fromkeys(
        model
        for base in (bases if isinstance(bases, (list, tuple)) else [bases])
        for model in _descendants(base)
        if sa.inspect(model, raiseerr=False) is not None
    )


def _descendants(base: type) -> Iterator[type]:
    yield base
    children: list[type] = base.__subclasses__()
    for child in children:
        yield from _descendants(child)


class Registry:
    """The published resources, built once at start-up and read-only afterwards.

    Naming mistakes (two models on one URL, two columns under one name) are added to the report.

    Args:
        limits: Fields that are hidden or locked besides, for callers with fewer rights than others.

    Attributes:
        unpublished: Mapped classes that clients do not know and that have rows of tenants: no route leads to these, but
            published models may read them.
    """

    def __init__(
        self,
        models: Sequence[type],
        settings: Settings,
        report: StartupReport,
        limits: FieldLimits | None = None,
    ) -> None:
        self._limits = limits
        self._settings = settings
        self._report = report
        self._resources: dict[type, Resource] = {}
        self._by_path: dict[str, Resource] = {}
        self._visibilities: dict[type, Visibility] = {}
        # Those of these models alone: others in the process are nobody's business here, also when they are wrong.
        mappers: list[Mapper[Any]] = [sa.inspect(model) for model in models]
        for registry in dict.fromkeys(mapper.registry for mapper in mappers):
            registry.configure(cascade=True)
        for model in models:
            self._add(model)
        self.unpublished = tuple(self._unpublished())
        known = (*self, *self.unpublished)
        for resource in known:
            resource.subclasses.extend(each for each in known if _has_rows_of(resource.facts.mapper, each.facts.mapper))
        self._by_model = {resource.model: resource for resource in known}
        # A subclass without a table of its own says nothing of the other rows of the table.
        self._by_table = {
            resource.facts.mapper.local_table: resource
            for resource in known
            if resource.is_restricted and not resource.facts.mapper.single
        }
        for resource in self:
            self._add_relations(resource)
            self._add_reads(resource)
        for resource in self:
            self._hide_relations(resource)
            self._tell_unrestricted(resource)
            choose_schemas(resource, settings, report)
        self._sort_relations()
        add_search(self, settings, report)
        self._tell_hidden()

    def __iter__(self) -> Iterator[Resource]:
        return iter(self._resources.values())

    def __len__(self) -> int:
        return len(self._resources)

    def get(self, model: type) -> Resource | None:
        """Find the resource of a model, `None` when the model is not published."""
        return self._resources.get(model)

    def known(self, model: type) -> Resource | None:
        """Find what rules say of the rows of a mapped class, `None` when there are none; it may be unpublished."""
        return self._by_model.get(model)

    def association(self, secondary: Any) -> Resource | None:
        """Find what is mapped to a secondary table of which rows may be there that a request must not see."""
        return None if secondary is None else self._by_table.get(secondary)

    def read_along(self, mapper: Mapper[Any], paths: Iterable[Sequence[str]]) -> Iterator[Resource]:
        """Give every resource whose rows are read by whoever follows paths of relationships from a mapped class."""
        for path in paths:
            at = mapper
            for name in path:
                relationship = at.relationships[name]
                at = relationship.mapper
                found = (self.known(at.class_), self.association(relationship.secondary))
                yield from (each for each in found if each is not None)

    def paths(self) -> list[str]:
        """List every collection path."""
        return list(self._by_path)

    # --- resources ----------------------------------------------------------------------------------------------------

    def _add(self, model: type) -> None:
        facts = inspect_model(model)
        segment = self._segment(model)
        prefix = self.prefix
        paths = self._paths(model, prefix, segment)
        visibility = self._visibilities[model] = Visibility(model, self._settings, self._limits)
        visibility.check(self._report, facts.names())
        methods = self._methods(facts)
        validation = ColumnValidation(model, methods, self._settings, self._report)
        fields = self._fields(facts, visibility, validation)
        soft_delete = soft_delete_of(facts, self._settings, self._report)
        if soft_delete is not None:
            _lock(fields, soft_delete.fact.name)
        tenant_field = self._settings.get(options.TENANT_FIELD, model=model) or None
        if tenant_field is not None:
            _fill(fields, tenant_field)
        by_attribute = {field.attribute: field for field in fields.values()}
        resource = Resource(
            name=model.__name__,
            model=model,
            facts=facts,
            segment=segment,
            paths=paths,
            canonical_path=f"{prefix}/{segment}",
            methods=methods,
            table_names=self._table_names(model),
            fields=fields,
            key=tuple(by_attribute[fact.name] for fact in facts.key),
            soft_delete=soft_delete,
            case=self._settings.get(options.FIELD_CASE, model=model),
            refused=frozenset() if self._limits is None else self._limits.refused_on(model),
            is_filtered=any(
                self._settings.get(options.FILTER_CALLBACK, model=model, method=method) is not None
                for method in (None, *HTTP_METHODS)
            )
            or is_set(self._settings.get(options.ACCESS_POLICY, model=model))
            or tenant_field is not None,
            protected=frozenset(name for name, item in fields.items() if visibility.is_protected(item.fact)),
            registry=self,
        )
        for path in dict.fromkeys((*paths, resource.canonical_path)):
            other = self._by_path.setdefault(path, resource)
            if other is not resource:
                self._report.problem(
                    f"The models {_where(other.model)} and {_where(model)} both want the URL {path}. "
                    f"Rename one, or give one of them a `Meta.endpoint_namer`."
                )
        self._resources[model] = resource

    def _unpublished(self) -> Iterator[Resource]:
        """Take in the mapped classes with rows of tenants that are not published themselves."""
        if not self._settings.get(options.TENANT_FIELD):
            return
        bases = self._settings.get(options.BASE_MODEL) or ()
        for mapper in _mapped_around([*self._resources, *_mapped_below(bases)]):
            tenant_field = self._settings.get(options.TENANT_FIELD, model=mapper.class_)
            is_published = mapper.class_ in self._resources
            if tenant_field and tenant_field in mapper.all_orm_descriptors and not is_published:
                yield self._bare(mapper.class_)

    def _bare(self, model: type) -> Resource:
        """Make the resource of a mapped class that clients do not know; of its fields it has those of the key."""
        facts, everywhere = inspect_model(model), frozenset(HTTP_METHODS)
        return Resource(
            name=model.__name__,
            model=model,
            facts=facts,
            segment="",
            paths=(),
            canonical_path="",
            methods=frozenset(),
            table_names=frozenset(),
            fields={},
            key=tuple(
                Field(fact.name, fact, field_for_type(fact.type), everywhere, everywhere, required=False)
                for fact in facts.key
            ),
            is_filtered=True,
            registry=self,
        )

    def _add_reads(self, resource: Resource) -> None:
        for item in resource.fields.values():
            tables = set(item.fact.sources.tables)
            item.reads.extend(
                other for other in self._by_model.values() if tables.intersection(other.facts.mapper.tables)
            )

    def _tell_unrestricted(self, resource: Resource) -> None:
        """Tell of the SQL of an application that reads rows which clients must not see."""
        for item in resource.fields.values():
            for other in item.reads if item.fact.attribute is not None else ():
                above = [each for each in item.reads if issubclass(other.model, each.model)]
                if not other.is_restricted or any(reaches(each.model, item.fact.attribute) for each in above):
                    continue
                self._report.notice(
                    f"{_where(resource.model)}.{item.attribute} selects from a table of {other.name} itself, so it "
                    f"also reads rows that are deleted or filtered out. Let it select from the class {other.name}."
                )

    def _methods(self, facts: ModelFacts) -> frozenset[str]:
        methods = allowed_methods(self._settings, facts.model)
        kept = [
            relationship.key
            for relationship in facts.mapper.relationships
            if relationship.lazy == "write_only" and not (relationship.passive_deletes or relationship.viewonly)
        ]
        if "DELETE" not in methods or not kept:
            return methods
        self._report.notice(
            f"{_where(facts.model)} has no DELETE, because SQLAlchemy cannot delete rows that have the write-only "
            f"relationship {kept[0]!r}. Give it passive_deletes=True and its foreign key an ON DELETE rule."
        )
        return methods - {"DELETE"}

    @property
    def prefix(self) -> str:
        """The URL prefix with one leading and no trailing slash; empty for the root."""
        stripped = self._settings.get(options.PREFIX).strip("/")
        return f"/{stripped}" if stripped else ""

    def _segment(self, model: type) -> str:
        namer = self._settings.get(options.ENDPOINT_NAMER, model=model)
        if namer is not None:
            return str(namer(model, None, None)).strip("/")
        return segment_name(model.__name__, self._settings.get(options.ENDPOINT_CASE))

    def _paths(self, model: type, prefix: str, segment: str) -> tuple[str, ...]:
        canonical = str(self._settings.get(options.REGISTER_CANONICAL_ROUTES, model=model)).lower()
        extra = self._settings.get(options.ENDPOINT, model=model) or ()
        segments = [segment] if canonical not in ("0", "false", "no") else []
        segments += [extra] if isinstance(extra, str) else list(extra)
        return tuple(dict.fromkeys(f"{prefix}/{item.strip('/')}" for item in segments))

    def _table_names(self, model: type) -> frozenset[str]:
        case = self._settings.get(options.SCHEMA_CASE, model=model)
        name = model.__name__
        return frozenset({name, convert_case(name, case), convert_case(name, "snake")})

    # --- fields -------------------------------------------------------------------------------------------------------

    def _fields(self, facts: ModelFacts, visibility: Visibility, validation: ColumnValidation) -> dict[str, Field]:
        case = self._settings.get(options.FIELD_CASE, model=facts.model)
        skip_underscore = self._settings.get(options.IGNORE_UNDERSCORE_ATTRIBUTES, model=facts.model)
        key_names = {fact.name for fact in facts.key}
        fields: dict[str, Field] = {}
        facts_in_order: list[ColumnFact | HybridFact] = [*facts.columns, *facts.hybrids]
        for fact in facts_in_order:
            if fact.name.startswith("_") and skip_underscore and fact.name not in key_names:
                continue
            name = field_name(fact.name, case)
            if name in fields:
                self._report.problem(
                    f"The columns {fields[name].attribute!r} and {fact.name!r} of {_where(facts.model)} are both "
                    f"called {name!r} in {case} case. Rename one, or choose another API_FIELD_CASE."
                )
            fields[name] = self._field(facts.model, visibility, validation, fact, name)
        return fields

    def _field(
        self,
        model: type,
        visibility: Visibility,
        validation: ColumnValidation,
        fact: ColumnFact | HybridFact,
        name: str,
    ) -> Field:
        codec = self._codec(model, fact)
        required = isinstance(fact, ColumnFact) and not (fact.nullable or fact.has_default or fact.column is None)
        codec.required = required
        codec.allow_none = not isinstance(fact, ColumnFact) or fact.nullable
        return Field(
            name=name,
            fact=fact,
            codec=codec,
            hidden_in=visibility.hidden_in(fact),
            locked_in=visibility.locked_in(fact),
            required=required,
            is_withheld=visibility.is_out_of_reach(fact, "hides"),
            is_fixed=visibility.is_out_of_reach(fact, "locks"),
            checks=validation.apply(fact, codec) if isinstance(fact, ColumnFact) else {},
        )

    def _codec(self, model: type, fact: ColumnFact | HybridFact) -> ColumnField:
        if isinstance(fact, HybridFact):
            declared, codec = fact.sql_type, field_for_expression(fact.sql_type, fact.python_type)
        else:
            declared, codec = fact.type, field_for_type(fact.type)
        if isinstance(codec, TextFormField):
            self._report.notice(
                f"{_where(model)}.{fact.name} has the type {declared!r}, for which no field is known; "
                f"it is given in its text form."
            )
        if isinstance(codec, DecimalField) and self._settings.get(options.DECIMAL_FORMAT, model=model) == "number":
            codec = DecimalField(precision=codec.precision, scale=codec.scale, as_number=True)
        return codec

    def _tell_hidden(self) -> None:
        hidden = [
            (f"{resource.name}.{field.attribute}", field.fact)
            for resource in self
            for field in resource.fields.values()
            if isinstance(field.fact, ColumnFact)
            and field.fact.info.get("secret") is None
            and self._visibilities[resource.model].is_secret(field.fact)
        ]
        for is_reflected, advice in _SECRET_ADVICE.items():
            names = [name for name, fact in hidden if bool(fact.info.get("reflected")) == is_reflected]
            if names:
                self._report.notice(
                    f"Never returned, because their names look like secrets (API_SECRET_FIELDS): {', '.join(names)}. "
                    f"{advice}"
                )
        self._tell_derived()
        self._tell_open_keys()

    def _tell_derived(self) -> None:
        derived = [
            f"{resource.name}.{field.attribute}"
            for resource in self
            for field in resource.fields.values()
            if self._visibilities[resource.model].hides_derived(field.fact)
        ]
        if derived:
            self._report.notice(
                f"Never returned, because they are made from hidden columns or their names look like secrets: "
                f"{', '.join(derived)}. Show a hybrid property with `name.info['secret'] = False` below it in its "
                f"class, a column_property with info={{'secret': False}}."
            )

    def _tell_open_keys(self) -> None:
        keys = [
            (f"{resource.name}.{field.attribute}", field.fact)
            for resource in self
            for field in resource.key
            if isinstance(field.fact, ColumnFact) and self._visibilities[resource.model].is_open_key(field.fact)
        ]
        for is_reflected, advice in _OPEN_KEY_ADVICE.items():
            names = [name for name, fact in keys if bool(fact.info.get("reflected")) == is_reflected]
            if names:
                self._report.notice(
                    f"Returned although their names look like secrets (API_SECRET_FIELDS), because keys stand in URLs "
                    f"and links: {', '.join(names)}. {advice}"
                )

    # --- relations ----------------------------------------------------------------------------------------------------

    def _add_relations(self, resource: Resource) -> None:
        shown = self._settings.get(options.ADD_RELATIONS, model=resource.model)
        case = self._settings.get(options.FIELD_CASE, model=resource.model)
        skip_underscore = self._settings.get(options.IGNORE_UNDERSCORE_ATTRIBUTES, model=resource.model)
        for fact in resource.facts.relations:
            target = self._resources.get(fact.target)
            hidden = self._visibilities[resource.model].hides_relation(fact.name)
            if target is None or hidden or (fact.name.startswith("_") and skip_underscore):
                continue
            name = field_name(fact.name, case)
            if name in resource.fields or name in resource.relations:
                self._report.problem(
                    f"The relationship {fact.name!r} of {_where(resource.model)} has the same name {name!r} in {case} "
                    f"case as another attribute. Rename one of them."
                )
                continue
            association = self.association(resource.facts.mapper.relationships[fact.name].secondary)
            closed = self._limits is not None and self._limits.closes(resource.model, fact.name)
            resource.relations[name] = Relation(
                name, fact, resource, target, association=association, is_shown=shown, is_closed=closed
            )
        if shown:
            self._name_relation_routes(resource)

    def _hide_relations(self, resource: Resource) -> None:
        """Leave out relations that would tell columns which are hidden from the caller; the others keep their names."""
        if self._limits is None:
            return
        for name, relation in list(resource.relations.items()):
            prop = resource.facts.mapper.relationships[relation.fact.name]
            if any(map(self._limits.hides_column, (*prop.local_columns, *prop.remote_side))):
                del resource.relations[name]

    def _sort_relations(self) -> None:
        """Sort relations by what may be seen only, as an own schema may also decide it."""
        order = RelatedOrder(self, lambda resource: self._visibilities[resource.model])
        for resource in self:
            for relation in resource.relations.values():
                relation.order_by = order.visible(relation)
                if len(relation.order_by) < len(relation.fact.order_by):
                    self._report.notice(
                        f"{_where(resource.model)}.{relation.fact.name} is sorted by what answers do not show, which "
                        f"its order would tell; so it is given without that order. Show the column, or sort by others."
                    )

    def _name_relation_routes(self, resource: Resource) -> None:
        self._check_route_map(resource)
        explicit = self._settings.resolve(options.ADD_RELATIONS, model=resource.model)[1] == "model"
        routed = [relation for relation in resource.relations.values() if explicit or "GET" in relation.target.methods]
        mode = self._naming_mode(resource.model)
        wanted = [relation.target.segment for relation in routed]
        taken: set[str] = set()
        for relation, segment in zip(routed, wanted, strict=True):
            by_relationship = mode == "relationship" or (mode == "auto" and wanted.count(segment) > 1)
            if by_relationship:
                segment = self._relationship_segment(resource.model, relation.fact)
            elif segment in taken:
                fallback = self._relationship_segment(resource.model, relation.fact)
                self._report.notice(
                    f"Two relationships of {_where(resource.model)} lead to {relation.target.name}; the relation route "
                    f"of {relation.fact.name!r} is {resource.canonical_path}/…/{fallback}. "
                    f"Set relation_route_naming = 'auto' or 'relationship' to name them alike."
                )
                segment = fallback
            if segment in taken:
                self._report.problem(
                    f"Two relationships of {_where(resource.model)} both want the URL segment {segment!r}. "
                    f"Give one of them another in Meta.relation_route_map."
                )
            taken.add(segment)
            relation.segment = segment

    def _check_route_map(self, resource: Resource) -> None:
        known = [fact.name for fact in resource.facts.relations]
        for name in self._settings.get(options.RELATION_ROUTE_MAP, model=resource.model):
            near = nearest(name, known, limit=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            # A `Meta` that several models share may name a relationship of one of them.
            if name not in known:
                tell = self._report.problem if near else self._report.notice
                tell(f"{resource.name}.Meta.relation_route_map names {name!r}, which is no relationship.{hint}")

    def _naming_mode(self, model: type) -> str:
        mode, origin = self._settings.resolve(options.RELATION_ROUTE_NAMING, model=model)
        older = self._settings.get(options.RELATION_URL_STYLE)
        if origin == "default" and older is not None:
            return "relationship" if older == "relation-key" else "model"
        return mode

    def _relationship_segment(self, model: type, fact: RelationFact) -> str:
        return self._settings.get(options.RELATION_ROUTE_MAP, model=model).get(fact.name, fact.name)


def _mapped_around(models: Iterable[type]) -> list[Mapper[Any]]:
    """List every mapped class of the registries of models, and of those that relationships lead to, in one order."""
    mappers: set[Mapper[Any]] = set()
    registries: list[Any] = list(dict.fromkeys(sa.inspect(model).registry for model in models))
    for registry in registries:
        registry.configure(cascade=True)
        mappers |= registry.mappers
        registries += {each.mapper.registry for mapper in registry.mappers for each in mapper.relationships}.difference(
            registries
        )
    return sorted(mappers, key=lambda mapper: _where(mapper.class_))


def _lock(fields: dict[str, Field], attribute: str) -> None:
    """Take a column out of what bodies may carry."""
    for name, item in fields.items():
        if item.attribute == attribute:
            item.codec.required = False
            fields[name] = replace(item, locked_in=frozenset(HTTP_METHODS), required=False)


def _fill(fields: dict[str, Field], attribute: str) -> None:
    """Let bodies leave out a column that is filled for them."""
    for name, item in fields.items():
        if item.attribute == attribute:
            item.codec.required = False
            fields[name] = replace(item, required=False)


def allowed_methods(settings: Settings, model: type) -> frozenset[str]:
    """Decide which HTTP methods a model has (rest 2.5)."""
    allowed, allowed_from = settings.resolve(options.ALLOWED_METHODS, model=model)
    blocked, blocked_from = settings.resolve(options.BLOCK_METHODS, model=model)
    allow, block = _upper(allowed), _upper(blocked)
    methods = {method for method in HTTP_METHODS if not allow or method in allow}
    if settings.get(options.READ_ONLY, model=model):
        methods -= {method for method in _WRITING if method not in allow}
    spared = allow if allowed_from == "model" and blocked_from != "model" else frozenset()
    return frozenset(methods - {method for method in block if method not in spared})


def _upper(value: Any) -> frozenset[str]:
    if not is_set(value):
        return frozenset()
    return frozenset(item.upper() for item in ([value] if isinstance(value, str) else value))


def _has_rows_of(mapper: Mapper[Any], other: Mapper[Any]) -> bool:
    """Say whether the rows of another model are rows of this one, because it is a subclass."""
    if other is mapper or not other.isa(mapper):
        return False
    # With concrete inheritance each class has a table of its own.
    between = itertools.takewhile(lambda each: each is not mapper, other.iterate_to_root())
    return not any(each.concrete for each in between)


def _where(model: type) -> str:
    return f"{model.__module__}.{model.__qualname__}"
