"""The marshmallow schema of a resource: its public description."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

import marshmallow as ma
from flask import has_app_context, has_request_context, request
from sqlalchemy.orm.exc import DetachedInstanceError

from flarchitect_core import options
from flarchitect_core.bounded import BoundedCache
from flarchitect_core.model.fields import ArrayField, ColumnField
from flarchitect_core.model.naming import field_name
from flarchitect_core.state import FACES_MAX, current_face, state_of

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Relation, Resource

__all__ = ["AutoSchema", "RelationField", "dump_instances", "output_schema_of", "schema_of"]


class AutoSchemaOptions(ma.SchemaOpts):
    """What `Meta` of a schema says: besides the options of marshmallow the model and the direction."""

    def __init__(self, meta: type) -> None:
        super().__init__(meta)
        self.unknown = getattr(meta, "unknown", ma.EXCLUDE)
        self.model: type | None = getattr(meta, "model", None)


class AutoSchema(ma.Schema):
    """The schema of a published model: a field for each of its columns, hybrids and relations, and those you declare.

    A declared field takes the place of the generated one of its name. `dump = True` makes a schema one of answers,
    `dump = False` one of bodies; without it a schema is for both.

    Args:
        only: Names of the attributes to keep.
        many: Whether `dump` and `load` take lists.
        context: Anything that methods of the schema want to know, kept as `self.context`.
        depth: Levels of relations that are given as objects; below them, and with 0, relations are links.
        render_nested: Whether relations are given at all.
        others: Further arguments of `marshmallow.Schema`.

    Raises:
        RuntimeError: The schema has a model, and no application that publishes it is at work.
    """

    OPTIONS_CLASS = AutoSchemaOptions

    # Set in the classes that `_bound` derives.
    _resource: ClassVar[Resource | None] = None
    _method: ClassVar[str] = "POST"
    _dumps: ClassVar[bool | None] = None
    _unlocked: ClassVar[frozenset[str]] = frozenset()

    _definitions: ClassVar[Iterator[int]] = itertools.count()
    definition: ClassVar[int] = -1
    """Rank among all schemas in the order of their definition."""
    direction: ClassVar[bool | None] = None
    """True for answers, False for bodies, None for both."""

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        cls.definition = next(cls._definitions)
        marker = vars(cls).get("dump", _UNMARKED)
        if marker is None or isinstance(marker, bool):
            # The marker must not stand in the way of the method.
            delattr(cls, "dump")
            cls.direction = marker
        elif "Meta" in vars(cls) and "dump" in vars(cls.Meta):
            cls.direction = vars(cls.Meta)["dump"]

    def __init__(
        self,
        *,
        only: Collection[str] | None = None,
        many: bool | None = None,
        context: Mapping[str, Any] | None = None,
        depth: int | None = None,
        render_nested: bool = True,
        **others: Any,
    ) -> None:
        self._arguments = {"only": only, "many": many, "depth": depth, "render_nested": render_nested, **others}
        self.context = dict(context or {})
        self.depth = depth or 0
        self.render_nested = render_nested
        self.came_from: Relation | None = None
        resource = self._resource or self._published()
        self._made_of = resource
        self._twins: BoundedCache[Resource, AutoSchema] | None = None
        if resource is not None:
            self._declared_fields = self._merged(resource)
        super().__init__(only=None if only is None else list(only), many=many, **others)

    @classmethod
    def is_bound(cls) -> bool:
        """Say whether the class was derived by us for one method of a resource."""
        return "_resource" in vars(cls)

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """Give an object as the current caller may see it."""
        return super(AutoSchema, self._of_caller()).dump(obj, many=many)

    def load(self, data: Any, **how: Any) -> Any:
        """Read what the current caller may write."""
        return super(AutoSchema, self._of_caller()).load(data, **how)

    def validate(self, data: Any, **how: Any) -> dict[str, list[str]]:
        """Check what the current caller may write."""
        return super(AutoSchema, self._of_caller()).validate(data, **how)

    def _of_caller(self) -> AutoSchema:
        """Give this schema as it would have been made for the current caller: it may be kept from one to the next."""
        if self._resource is not None or self._made_of is None or not has_app_context():
            return self
        resource = self._published()
        if resource is None or resource is self._made_of:
            return self
        if self._twins is None:
            self._twins = BoundedCache(FACES_MAX)
        return self._twins.get(resource, self._remade)

    def _remade(self) -> AutoSchema:
        twin = copy.copy(self)
        del vars(twin)["_declared_fields"]  # those of the other caller
        arguments: dict[str, Any] = self._arguments
        AutoSchema.__init__(twin, **arguments)
        twin.context = self.context
        return twin

    def _published(self) -> Resource | None:
        model = type(self).opts.model
        if model is None:
            return None
        state = state_of() if has_app_context() else None
        if state is not None and has_request_context():
            state = current_face(state)
        resource = None if state is None else state.registry.get(model)
        if resource is None:
            raise RuntimeError(
                f"{type(self).__name__} has the model {model.__name__}, which the current application does not "
                f"publish. Use the schema within an application context, and give the model an inner class Meta."
            )
        return resource

    def _merged(self, resource: Resource) -> dict[str, ma.fields.Field[Any]]:
        """Put the declared fields over the generated ones; both are copied, as they belong to this schema alone."""
        declared: dict[str, ma.fields.Field[Any]] = dict(self._declared_fields)
        merged: dict[str, ma.fields.Field[Any]] = {}
        for name, item in resource.fields.items():
            own = declared.pop(item.attribute, None)
            if own is None or item.is_withheld or (item.is_fixed and not self._dumps):
                own = self._generated(item)
            field = copy.copy(own)
            field.data_key = field.data_key or name
            merged[item.attribute] = field
        if self._dumps is not False and self.direction is not False:
            for name, relation in resource.relations.items():
                if relation.fact.name not in declared and relation.is_shown and self.render_nested:
                    merged[relation.fact.name] = RelationField(relation, data_key=name)
        withheld = {item.attribute for item in resource.fields.values() if item.is_withheld}
        for attribute, field in declared.items():
            if (field.attribute or attribute).partition(".")[0] in withheld:
                continue
            merged[attribute] = copy.copy(field)
            merged[attribute].data_key = field.data_key or field_name(attribute, resource.case)
        return merged

    def _generated(self, item: Field) -> ma.fields.Field[Any]:
        """Give the field of a column as this schema takes and gives it.

        What it leaves out is there all the same, or `Meta.exclude` could not name it.
        """
        field = copy.copy(_checked(item, self._method))
        gives = "GET" if self._dumps is None else self._method
        field.load_only = self._dumps is not False and gives in item.hidden_in
        field.dump_only = not self._dumps and self._method in item.locked_in and item.attribute not in self._unlocked
        return field


_UNMARKED: Any = object()


def schema_of(
    resource: Resource, method: str, *, unlocked: frozenset[str] = frozenset(), **arguments: Any
) -> AutoSchema:
    """Make the schema of what a method takes (POST, PUT, PATCH) or gives (GET) of a resource.

    Args:
        unlocked: Attributes that it takes although bodies of the method do not.
        arguments: Arguments of the schema.
    """
    if method == "GET":
        return output_schema_of(resource, method, **arguments)
    bound = _bound(resource.input_schema, resource, method, dumps=False, unlocked=unlocked)
    return bound(**arguments)


def output_schema_of(resource: Resource, method: str, **arguments: Any) -> AutoSchema:
    """Make the schema of what the answer to a request of this method gives of a resource."""
    return _bound(resource.output_schema, resource, method, dumps=True)(**arguments)


def _bound(
    base: type[AutoSchema] | None,
    resource: Resource,
    method: str,
    *,
    dumps: bool,
    unlocked: frozenset[str] = frozenset(),
) -> type[AutoSchema]:
    base = base or AutoSchema
    members = {
        "Meta": type("Meta", (base.Meta,), {"register": False}),
        "_resource": resource,
        "_method": method,
        "_dumps": dumps,
        "_unlocked": unlocked,
    }
    made: type[AutoSchema] = type(f"{resource.name}{method.title()}Schema", (base,), members)
    return made


class RelationField(ma.fields.Field[Any]):
    """A relation in an answer: a link, or as many levels of objects as the schema has `depth`."""

    def __init__(self, relation: Relation, **arguments: Any) -> None:
        super().__init__(dump_only=True, **arguments)
        self.relation = relation
        self._nested: AutoSchema | None = None

    def serialize(
        self, attr: str, obj: Any, accessor: Callable[[Any, str, Any], Any] | None = None, **arguments: Any
    ) -> Any:
        """Give what a plan has loaded of this relation, else what the instance says; rows are not loaded for links."""
        relation = self.relation
        loaded = (_LOADED.get() or {}).get(id(obj))
        if loaded is not None:
            return loaded.get(relation.name, ma.missing)
        schema = self._auto_schema()
        inlined = schema.depth > 0 and relation.is_readable
        if relation.leads_back(schema.came_from) and not (relation.many and inlined):
            return ma.missing
        if not inlined:
            return self._link(obj)
        value = self._related(obj)
        if self._nested is None:
            nested = output_schema_of(relation.target, "GET", depth=schema.depth - 1, context=schema.context)
            nested.came_from = relation
            self._nested = nested
        if value is None:
            return None
        return self._nested.dump(_values_in(value) if relation.many else value, many=relation.many)

    def _auto_schema(self) -> AutoSchema:
        root = self.parent
        if not isinstance(root, AutoSchema):
            raise TypeError(f"The field of the relation {self.relation.name!r} belongs to {type(root).__name__}.")
        return root

    def _link(self, obj: Any) -> Any:
        relation = self.relation
        source, target = relation.source, relation.target
        if relation.many:
            if not relation.segment:
                return ma.missing
            return f"{_root()}{source.canonical_path}/{source.key_path(source.key_of(obj))}/{relation.segment}"
        if "GET" not in target.methods:
            return ma.missing
        key = self._key_in(obj)
        return None if key is None else f"{_root()}{target.link_path}/{target.key_path(key)}"

    def _key_in(self, obj: Any) -> tuple[Any, ...] | None:
        """Give the key of the one related row, from the row itself where it holds it."""
        target, local = self.relation.target, self.relation.key_attributes()
        if local is not None:
            key = tuple(getattr(obj, name) for name in local)
            return None if None in key else key
        related = self._related(obj)
        return None if related is None else target.key_of(related)

    def _related(self, obj: Any) -> Any:
        try:
            return getattr(obj, self.relation.fact.name)
        except DetachedInstanceError:
            model = self.relation.source.model
            if not state_of().settings.get(options.SERIALIZATION_IGNORE_DETACHED, model=model):
                raise
            return [] if self.relation.many else None


_LOADED: ContextVar[Mapping[int, Mapping[str, Any]] | None] = ContextVar("flarchitect.loaded_relations", default=None)


def dump_instances(
    schema: AutoSchema, instances: Sequence[Any], related: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Dump instances by a schema, with relations that were loaded for them.

    Args:
        related: Of each instance, what its relations give, by external name.
    """
    token = _LOADED.set({id(instance): record for instance, record in zip(instances, related, strict=True)})
    try:
        records: list[dict[str, Any]] = schema.dump(instances, many=True)
    finally:
        _LOADED.reset(token)
    return records


def _values_in(collection: Any) -> list[Any]:
    return list(collection.values() if isinstance(collection, Mapping) else collection)


def _root() -> str:
    return request.root_path.rstrip("/") if has_request_context() else ""


def _checked(item: Field, method: str) -> ColumnField:
    """Give the field with the check that bodies of this method get on top of those that the column always has."""
    validator = item.checks.get(method)
    if validator is None:
        return item.codec
    field = copy.copy(item.codec)
    if isinstance(field, ArrayField):
        # A list has the check for each of its values.
        field.inner = copy.copy(field.inner)
        field.inner.validators = [*field.inner.validators, validator]
    else:
        field.validators = [*field.validators, validator]
    return field
