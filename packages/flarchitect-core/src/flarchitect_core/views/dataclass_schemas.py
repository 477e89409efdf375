"""Dataclasses as schemas of hand-written views: the marshmallow schema that their annotations spell."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, TypeGuard, Union

import marshmallow as ma
from marshmallow import validate
from werkzeug.datastructures import FileStorage

from flarchitect_core.views.files import FileField, Upload

__all__ = ["DataclassSchema", "dataclass_schema", "is_plain_dataclass"]

Arguments = dict[str, Any]


class WholeNumber(ma.fields.Integer):
    """Whole numbers as columns take them: their text too, but no fractions and no truth values."""

    def _validated(self, value: Any) -> int:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class CollectionField(ma.fields.List):  # type: ignore[type-arg]  # not generic in every release
    """A list that is given to the view as a tuple or a set."""

    def __init__(self, kind: Callable[[list[Any]], Any], inner: ma.fields.Field[Any], **arguments: Any) -> None:
        super().__init__(inner, **arguments)
        self._kind = kind

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        return self._kind(super()._deserialize(value, attr, data, **kwargs))


class DataclassSchema(ma.Schema):
    """Base of the schemas that are made of dataclasses.

    A body becomes an instance; that of a PATCH, which may leave out what an instance needs, the dictionary of what was
    given. What `__post_init__` refuses by `ValueError` is an error of the body.
    """

    dataclass: ClassVar[type[Any]]

    @ma.post_load
    def _made(self, data: dict[str, Any], partial: Any = None, **how: Any) -> Any:
        if partial:
            return data
        try:
            return self.dataclass(**data)
        except ValueError as error:
            raise ma.ValidationError(str(error)) from error


def is_plain_dataclass(kind: type[object]) -> TypeGuard[Any]:
    """Say whether a class is a dataclass, and none that pydantic checks."""
    return dataclasses.is_dataclass(kind) and not hasattr(kind, "__pydantic_validator__")


@cache
def dataclass_schema(kind: Any) -> type[DataclassSchema]:
    """Make the schema of a dataclass.

    Raises:
        TypeError: An annotation says nothing that could be read from a body.
    """
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except NameError as error:
        raise TypeError(f"{kind.__name__} is annotated with {error.name!r}, which its module does not have.") from error
    fields: dict[str, ma.fields.Field[Any]] = {}
    for item in dataclasses.fields(kind):
        try:
            fields[item.name] = _field_of(item, hints[item.name])
        except TypeError as error:
            raise TypeError(f"{kind.__name__}.{item.name}: {error}") from error
    # The names of fields are free, also those that a schema has for itself.
    base = type(f"{kind.__name__}Base", (DataclassSchema,), {"dataclass": kind})
    return type(f"{kind.__name__}Schema", (base,), {**fields, "__module__": kind.__module__, "__doc__": kind.__doc__})


def _field_of(item: dataclasses.Field[Any], annotation: Any) -> ma.fields.Field[Any]:
    metadata = dict(item.metadata)
    arguments: Arguments = {"metadata": metadata}
    if "validate" in metadata:
        arguments["validate"] = metadata.pop("validate")
    if not item.init:
        arguments["dump_only"] = True
    elif item.default is not dataclasses.MISSING:
        arguments["load_default"] = item.default
    elif item.default_factory is not dataclasses.MISSING:
        arguments["load_default"] = item.default_factory
    else:
        arguments["required"] = True
    return _field(annotation, arguments)


def _field(annotation: Any, arguments: Arguments) -> ma.fields.Field[Any]:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _annotated(inner[0], inner[1:], arguments)
    if origin in (Union, types.UnionType):
        return _optional(inner, arguments)
    if origin is Literal:
        return _choice(inner, arguments)
    if origin in _COLLECTIONS:
        return _collection(annotation, origin, inner, arguments)
    if origin in (dict, Mapping):
        return ma.fields.Dict(keys=_field(inner[0], {}), values=_field(inner[1], {}), **arguments)
    if annotation in (Any, object):
        return ma.fields.Raw(**{"allow_none": True, **arguments})
    if isinstance(annotation, type):
        if annotation in _FIELDS:
            return _FIELDS[annotation](**arguments)
        if issubclass(annotation, enum.Enum):
            return ma.fields.Enum(annotation, **arguments)
        if is_plain_dataclass(annotation):
            return ma.fields.Nested(lambda: dataclass_schema(annotation)(), **arguments)
    raise TypeError(f"{annotation!r} is no type of values in a body. Use a marshmallow schema or a pydantic model.")


def _annotated(annotation: Any, said: Sequence[Any], arguments: Arguments) -> ma.fields.Field[Any]:
    upload = next((each for each in said if isinstance(each, Upload)), None)
    if upload is not None:
        return FileField(max_bytes=upload.max_bytes, content_types=upload.content_types, **arguments)
    validators = [each for each in said if isinstance(each, validate.Validator)]
    if validators:
        more = arguments.get("validate", [])
        arguments = {**arguments, "validate": [*validators, *(more if isinstance(more, (list, tuple)) else [more])]}
    return _field(annotation, arguments)


def _optional(kinds: Sequence[Any], arguments: Arguments) -> ma.fields.Field[Any]:
    left = [kind for kind in kinds if kind is not type(None)]
    if len(left) != 1:
        raise TypeError(f"{' | '.join(map(str, kinds))} may be several types. Use a pydantic model.")
    return _field(left[0], {**arguments, "allow_none": True})


def _choice(values: Sequence[Any], arguments: Arguments) -> ma.fields.Field[Any]:
    kinds = {type(value) for value in values}
    if len(kinds) != 1 or not kinds <= {str, int}:
        raise TypeError("Literal must be of texts only, or of whole numbers only.")
    choice = validate.OneOf(values, error="Must be one of: {choices}.")
    return _annotated(kinds.pop(), [choice], arguments)


def _collection(annotation: Any, origin: Any, inner: Sequence[Any], arguments: Arguments) -> ma.fields.Field[Any]:
    if origin is tuple and (len(inner) != 2 or inner[1] is not Ellipsis):
        raise TypeError(f"{annotation!r} has places of their own. Use tuple[{inner[0].__name__}, ...] or a dataclass.")
    kind = _COLLECTIONS[origin]
    item = _field(inner[0], {})
    return ma.fields.List(item, **arguments) if kind is list else CollectionField(kind, item, **arguments)


_COLLECTIONS: Mapping[Any, Callable[[list[Any]], Any]] = {
    list: list,
    Sequence: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
}
_FIELDS: Mapping[type, Callable[..., ma.fields.Field[Any]]] = {
    bool: ma.fields.Boolean,
    int: WholeNumber,
    float: ma.fields.Float,
    # As text, so that no digit is lost (decisions 16).
    decimal.Decimal: lambda **arguments: ma.fields.Decimal(as_string=True, **arguments),
    str: ma.fields.String,
    dt.datetime: ma.fields.DateTime,
    dt.date: ma.fields.Date,
    dt.time: ma.fields.Time,
    dt.timedelta: ma.fields.TimeDelta,
    uuid.UUID: ma.fields.UUID,
    FileStorage: FileField,
    dict: ma.fields.Dict,
    list: lambda **arguments: ma.fields.List(ma.fields.Raw(allow_none=True), **arguments),
}
