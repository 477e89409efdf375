"""The marshmallow schema of a resource: its public description, and the check of every body."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import marshmallow as ma
import sqlalchemy as sa
from flask import has_app_context, has_request_context, request
from sqlalchemy.orm.exc import DetachedInstanceError

from flarchitect_core import options
from flarchitect_core.bounded import BoundedCache
from flarchitect_core.errors import ApiError, ValidationError
from flarchitect_core.model.fields import ArrayField, ColumnField
from flarchitect_core.model.inspect import ColumnFact
from flarchitect_core.model.naming import field_name
from flarchitect_core.state import FACES_MAX, current_face, state_of
from flarchitect_core.suggestions import nearest

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Relation, Resource
    from flarchitect_core.settings import Settings

__all__ = ["AutoSchema", "BodyReader", "RelationField", "default_value", "dump_instances", "output_schema_of"]
__all__ += ["schema_of"]


class AutoSchemaOptions(ma.SchemaOpts):
    """What `Meta` of a schema says: besides the options of marshmallow the model and the direction."""

    def __init__(self, meta: type) -> None:
        super().__init__(meta)
        self.unknown = getattr(meta, "unknown", ma.EXCLUDE)
        self.model: type | None = getattr(meta, "model", None)


# A body may hold tens of thousands of keys: finding what each may have meant, and an answer as long, help nobody.
_UNKNOWN_KEYS_TOLD = 20
_UNKNOWN_KEYS_READ = 200
_KEY_CHARACTERS_TOLD = 100


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


class BodyReader:
    """Turns the body of one method into attribute values of a model.

    Args:
        unlocked: Attributes that it takes although bodies of the method do not.
        nests: Whether somebody writes the rows that declared fields make of relations.

    Keys that only answers have (a generated key, a read-only column, links of relations) are dropped, so that an
    answer can be sent back as it is. Any other unknown key is a mistake.
    """

    def __init__(
        self,
        resource: Resource,
        method: str,
        settings: Settings,
        *,
        unlocked: frozenset[str] = frozenset(),
        nests: bool = False,
    ) -> None:
        self._resource = resource
        self._nests = nests
        # A PUT may leave out what answers do not show: the row keeps it.
        unseen = [item.attribute for item in resource.fields.values() if "GET" in item.hidden_in]
        self._partial: bool | list[str] = method == "PATCH" or (unseen if method == "PUT" else False)
        self._schema = schema_of(resource, method, unlocked=unlocked)
        takes_unknown = settings.get(options.UNKNOWN_FIELDS, model=resource.model) == "ignore"
        self._unknown: Literal["exclude", "raise"] = ma.EXCLUDE if takes_unknown else ma.RAISE
        self._accepted = {field.data_key or name: field for name, field in self._schema.load_fields.items()}
        self._attributes = {item.attribute for item in resource.fields.values()}
        is_strict = settings.get(options.SECURITY_PROFILE) == "strict"
        self._refused = resource.protected if is_strict else frozenset()
        self._shown = {name for name, item in resource.fields.items() if "GET" not in item.hidden_in}
        if resource.output_schema is not None:
            shown = schema_of(resource, "GET").dump_fields
            self._shown = {field.data_key or name for name, field in shown.items()}

    @property
    def accepted(self) -> Collection[str]:
        """Keys that bodies may have, links of relations aside."""
        return self._accepted.keys()

    def read(self, body: Mapping[str, Any], *, given: Collection[str] = ()) -> dict[str, Any]:
        """Check a body and give the attribute values to set.

        Args:
            given: Attributes that get their values from elsewhere, so that the body need not have them.

        Raises:
            ValidationError: Every wrong key and value at once, by external name.
            ApiError: In the profile `strict`, it carries what gives users their rights (422).
        """
        self._refuse_protected(body)
        errors: dict[str, Any] = {}
        known = {key: value for key, value in body.items() if self._is_read(key, value, errors)}
        # marshmallow takes long over thousands of keys that it does not know, and some of them say it all.
        surplus = [key for key in known if key not in self._accepted][_UNKNOWN_KEYS_READ:]
        for key in surplus:
            del known[key]
        partial = self._partial if self._partial is True else [*(self._partial or ()), *given]
        values: Any = {}
        try:
            values = self._schema.load(known, partial=partial or None, unknown=self._unknown)
        except ma.ValidationError as error:
            errors = {**_messages(error), **errors}
        if errors:
            raise self._failure(body, errors, len(surplus))
        if not isinstance(values, dict):
            raise TypeError(
                f"{type(self._schema).__mro__[1].__name__} gave {type(values).__name__} for a body instead of the "
                f"dictionary of its values. Return the dictionary from its post_load methods."
            )
        if not self._nests:
            self._refuse_nested(values)
        # A declared field may be there for a check alone.
        model = self._resource.model
        return {name: value for name, value in values.items() if name in self._attributes or hasattr(model, name)}

    def _refuse_protected(self, body: Mapping[str, Any]) -> None:
        named = [name for name in body if name in self._refused]
        if named:
            raise ApiError(
                f"No body may set {', '.join(named)} of a {self._resource.name}.",
                status=422,
                reason="protected_field",
                fields={name: ["Cannot be set by clients."] for name in named},
            )

    def require_all(self, values: Mapping[str, Any]) -> None:
        """Check that nothing is missing for a new row, which has nothing to keep.

        Raises:
            ValidationError: Every field that is missing.
        """
        missing = [
            key
            for key, field in self._accepted.items()
            if field.required and (field.attribute or field.name) not in values
        ]
        if missing:
            raise ValidationError({name: ["Missing data for required field."] for name in missing})

    def _is_read(self, key: str, value: Any, errors: dict[str, Any]) -> bool:
        """Say whether the schema is to read a key, be it to find that nobody knows it."""
        if key in self._accepted:
            return True
        relation = self._resource.relations.get(key)
        if relation is None:
            return key not in self._shown
        self._check_relation(relation, value, errors)
        return False

    def _refuse_nested(self, values: Mapping[str, Any]) -> None:
        """Refuse dictionaries that a declared field made of a relation."""
        errors: dict[str, Any] = {}
        for relation in self._resource.relations.values():
            value = values.get(relation.fact.name)
            if any(isinstance(entry, Mapping) for entry in (value if isinstance(value, list) else [value])):
                self._check_relation(relation, value, errors)
        if errors:
            raise ValidationError(errors)

    def _failure(self, body: Mapping[str, Any], errors: dict[str, Any], surplus: int) -> ValidationError:
        """Make the error, with the nearest name for each key that nobody knows.

        Args:
            surplus: Number of further such keys.
        """
        suggestions: dict[str, None] = {}
        is_unknown = [self._schema.error_messages["unknown"]]
        # In the order of the body: some releases of marshmallow tell of them in the order of a set.
        unknown = [key for key in dict.fromkeys([*body, *errors]) if errors.get(key) == is_unknown]
        told = {key: messages for key, messages in errors.items() if messages != is_unknown}
        names = [*self._accepted, *self._resource.relations]
        for key in unknown[:_UNKNOWN_KEYS_TOLD]:
            near = nearest(key, names, limit=1)
            shown = key if len(key) <= _KEY_CHARACTERS_TOLD else f"{key[:_KEY_CHARACTERS_TOLD]}…"
            told[shown] = ["Unknown field." + (f" Did you mean {near[0]!r}?" if near else "")]
            suggestions.update(dict.fromkeys(near))
        more = len(unknown) + surplus - _UNKNOWN_KEYS_TOLD
        if more > 0:
            told["…"] = [f"… and {more} more unknown fields."]
        failure = ValidationError(told)
        failure.suggestions = tuple(suggestions)
        return failure

    @staticmethod
    def _check_relation(relation: Relation, value: Any, errors: dict[str, Any]) -> None:
        # A link, or a list of them, is what an answer shows. An object would be a nested write, which must never be
        # lost in silence (decisions 15).
        if not (value is None or relation.is_link(value) or (relation.many and value == [])):
            keys = ", ".join(relation.fact.local_names) if relation.fact.is_direct and not relation.many else ""
            hint = f" Set {keys} instead." if keys else ""
            errors[relation.name] = [f"Nested writes are not accepted here.{hint}"]


def _messages(error: ma.ValidationError) -> dict[str, Any]:
    return error.messages if isinstance(error.messages, dict) else {"_schema": error.messages}


class _DefaultContext:
    """What the callable default of a column gets on a replacement, in place of the context of an INSERT."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self.current_parameters = parameters

    def get_current_parameters(self, isolate_multiinsert_params: bool = True) -> Mapping[str, Any]:
        """Give the values of the row so far, by column key."""
        return self.current_parameters


def default_value(item: Field, parameters: Mapping[str, Any]) -> tuple[bool, Any]:
    """Give what a PUT without this field sets: `(True, value)`, or `(False, None)` when the mapper decides.

    A Python default is called or taken, a SQL default is given as SQL, and a nullable column without either is NULL.
    What the mapper sets on every update is left to it.

    Args:
        item: The field.
        parameters: Values of the row so far, by column key, for defaults that look at them.
    """
    fact = item.fact
    if not isinstance(fact, ColumnFact) or fact.column is None or _is_set_on_update(fact.column):
        return False, None
    default, server_default = fact.column.default, fact.column.server_default
    if default is not None:
        written = getattr(default, "arg", None)
        if default.is_callable and written is not None:
            return True, written(_DefaultContext(parameters))
        return written is not None, written
    if fact.factory is not None:
        return True, fact.factory()
    if server_default is not None:
        written = getattr(server_default, "arg", None)
        if isinstance(written, str):
            # The same literal as in the table's definition, for the database to convert as it does there.
            return True, sa.literal(written, sa.String(), literal_execute=True)
        return written is not None, written
    # Of a JSON column, None would be the value null. Who listens to what is set, as mutable types do, takes no SQL.
    is_json = isinstance(fact.type, sa.JSON) and not fact.attribute.dispatch.set
    return fact.nullable, sa.null() if is_json else None


def _is_set_on_update(column: sa.Column[Any]) -> bool:
    return column.onupdate is not None or column.server_onupdate is not None
