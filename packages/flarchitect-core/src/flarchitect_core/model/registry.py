"""The resources of one application, made of its published models."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapper

from flarchitect_core import options
from flarchitect_core.model.criteria import reaches
from flarchitect_core.model.inspect import inspect_model
from flarchitect_core.model.mapped_classes import full_name, has_rows_of, mapped_around, mapped_below
from flarchitect_core.model.methods import methods_of
from flarchitect_core.model.naming import convert_case, field_name, segment_name
from flarchitect_core.model.related_order import RelatedOrder
from flarchitect_core.model.relation_routes import name_relation_routes
from flarchitect_core.model.resource import Field, Relation, Resource
from flarchitect_core.model.resource_fields import fill, lock, resource_fields
from flarchitect_core.model.schema_discovery import choose_schemas
from flarchitect_core.model.search import add_search
from flarchitect_core.model.secret_notices import tell_secrets
from flarchitect_core.model.soft_delete import soft_delete_of
from flarchitect_core.model.type_table import field_for_type
from flarchitect_core.model.validation import ColumnValidation
from flarchitect_core.model.visibility import Visibility
from flarchitect_core.settings import HTTP_METHODS, Settings, is_set
from flarchitect_core.startup import StartupReport

if TYPE_CHECKING:
    from flarchitect_core.access.fields import FieldLimits

__all__ = ["Registry"]


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
            resource.subclasses.extend(each for each in known if has_rows_of(resource.facts.mapper, each.facts.mapper))
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
        tell_secrets(self, self._visibilities, report)

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
        paths = self._paths(model, segment)
        visibility = self._visibilities[model] = Visibility(model, self._settings, self._limits)
        visibility.check(self._report, facts.names())
        methods = methods_of(facts, self._settings, self._report)
        validation = ColumnValidation(model, methods, self._settings, self._report)
        fields = resource_fields(facts, visibility, validation, self._settings, self._report)
        soft_delete = soft_delete_of(facts, self._settings, self._report)
        if soft_delete is not None:
            lock(fields, soft_delete.fact.name)
        tenant_field = self._settings.get(options.TENANT_FIELD, model=model) or None
        if tenant_field is not None:
            fill(fields, tenant_field)
        by_attribute = {field.attribute: field for field in fields.values()}
        resource = Resource(
            name=model.__name__,
            model=model,
            facts=facts,
            segment=segment,
            paths=paths,
            canonical_path=f"{self.prefix}/{segment}",
            methods=methods,
            table_names=self._table_names(model),
            fields=fields,
            key=tuple(by_attribute[fact.name] for fact in facts.key),
            soft_delete=soft_delete,
            case=self._settings.get(options.FIELD_CASE, model=model),
            refused=frozenset() if self._limits is None else self._limits.refused_on(model),
            is_filtered=tenant_field is not None or self._is_filtered(model),
            protected=frozenset(name for name, item in fields.items() if visibility.is_protected(item.fact)),
            registry=self,
        )
        for path in dict.fromkeys((*paths, resource.canonical_path)):
            other = self._by_path.setdefault(path, resource)
            if other is not resource:
                self._report.problem(
                    f"The models {full_name(other.model)} and {full_name(model)} both want the URL {path}. "
                    f"Rename one, or give one of them a `Meta.endpoint_namer`."
                )
        self._resources[model] = resource

    def _is_filtered(self, model: type) -> bool:
        """Say whether a callback or a policy of the application decides which rows there are."""
        callbacks = (
            self._settings.get(options.FILTER_CALLBACK, model=model, method=method) for method in (None, *HTTP_METHODS)
        )
        has_callback = any(callback is not None for callback in callbacks)
        return has_callback or is_set(self._settings.get(options.ACCESS_POLICY, model=model))

    def _unpublished(self) -> Iterator[Resource]:
        """Take in the mapped classes with rows of tenants that are not published themselves."""
        if not self._settings.get(options.TENANT_FIELD):
            return
        bases = self._settings.get(options.BASE_MODEL) or ()
        for mapper in mapped_around([*self._resources, *mapped_below(bases)]):
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
                    f"{full_name(resource.model)}.{item.attribute} selects from a table of {other.name} itself, so it "
                    f"also reads rows that are deleted or filtered out. Let it select from the class {other.name}."
                )

    def _segment(self, model: type) -> str:
        namer = self._settings.get(options.ENDPOINT_NAMER, model=model)
        if namer is not None:
            return str(namer(model, None, None)).strip("/")
        return segment_name(model.__name__, self._settings.get(options.ENDPOINT_CASE))

    def _paths(self, model: type, segment: str) -> tuple[str, ...]:
        canonical = str(self._settings.get(options.REGISTER_CANONICAL_ROUTES, model=model)).lower()
        extra = self._settings.get(options.ENDPOINT, model=model) or ()
        segments = [segment] if canonical not in ("0", "false", "no") else []
        segments += [extra] if isinstance(extra, str) else list(extra)
        return tuple(dict.fromkeys(f"{self.prefix}/{item.strip('/')}" for item in segments))

    def _table_names(self, model: type) -> frozenset[str]:
        case = self._settings.get(options.SCHEMA_CASE, model=model)
        name = model.__name__
        return frozenset({name, convert_case(name, case), convert_case(name, "snake")})

    @property
    def prefix(self) -> str:
        """The URL prefix with one leading and no trailing slash; empty for the root."""
        stripped = self._settings.get(options.PREFIX).strip("/")
        return f"/{stripped}" if stripped else ""

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
                    f"The relationship {fact.name!r} of {full_name(resource.model)} has the same name {name!r} in "
                    f"{case} case as another attribute. Rename one of them."
                )
                continue
            association = self.association(resource.facts.mapper.relationships[fact.name].secondary)
            closed = self._limits is not None and self._limits.closes(resource.model, fact.name)
            resource.relations[name] = Relation(
                name, fact, resource, target, association=association, is_shown=shown, is_closed=closed
            )
        if shown:
            name_relation_routes(resource, self._settings, self._report)

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
                        f"{full_name(resource.model)}.{relation.fact.name} is sorted by what answers do not show, "
                        f"which its order would tell; so it is given without that order. Show the column, or sort by "
                        f"others."
                    )
