"""Which field a SQLAlchemy type has (rest 5.2)."""

from __future__ import annotations

import datetime as dt
import decimal
import uuid
from collections.abc import Callable
from typing import Any

from marshmallow import fields
from sqlalchemy import types as sqltypes
from sqlalchemy.types import TypeDecorator, TypeEngine

from flarchitect_core.model.dialect_types import lineage
from flarchitect_core.model.fields import (
    ArrayField,
    BinaryField,
    BooleanField,
    ChoiceField,
    ColumnField,
    DateField,
    DateTimeField,
    DecimalField,
    EnumField,
    FloatField,
    HstoreField,
    IntegerField,
    IntervalField,
    JSONField,
    RegisteredField,
    StringField,
    TextFormField,
    TimeField,
    UUIDField,
)
from flarchitect_core.model.jsonable import to_jsonable

__all__ = ["TYPE_TABLE", "field_for_expression", "field_for_type", "is_plain_integer", "register_type_mapping"]

_BITS: dict[type | str, int] = {
    "mysql.TINYINT": 8,
    "mysql.MEDIUMINT": 24,
    sqltypes.SmallInteger: 16,
    sqltypes.BigInteger: 64,
    sqltypes.Integer: 32,
}


_LONG = (-(2**63), 2**63 - 1)
_PLAIN_INTEGERS = frozenset(
    {
        sqltypes.Integer,
        sqltypes.INTEGER,
        sqltypes.SmallInteger,
        sqltypes.SMALLINT,
        sqltypes.BigInteger,
        sqltypes.BIGINT,
    }
)


def _integer(type_: Any) -> ColumnField:
    bits = next(_BITS[kind] for kind in lineage(type_) if kind in _BITS)
    if getattr(type_, "unsigned", False):
        return IntegerField(minimum=0, maximum=2**bits - 1)
    asked = _LONG if bits < 64 and is_plain_integer(type_) else None
    return IntegerField(minimum=-(2 ** (bits - 1)), maximum=2 ** (bits - 1) - 1, asked=asked)


def is_plain_integer(type_: TypeEngine[Any]) -> bool:
    """Say whether a type is a whole number of no database or application in particular."""
    return type(type_) in _PLAIN_INTEGERS


def _numeric(type_: Any) -> ColumnField:
    if not type_.asdecimal:
        return FloatField()
    if isinstance(type_, sqltypes.Float):
        return DecimalField(precision=None, scale=None)
    return DecimalField(precision=type_.precision, scale=type_.scale)


def _enum(type_: Any) -> ColumnField:
    return EnumField(type_.enum_class) if type_.enum_class is not None else ChoiceField(list(type_.enums))


def _array(type_: Any) -> ColumnField:
    inner = field_for_type(type_.item_type)
    return ArrayField(inner) if (type_.dimensions or 1) == 1 else JSONField()


TYPE_TABLE: dict[type | str, Callable[[Any], ColumnField]] = {
    sqltypes.Integer: _integer,
    sqltypes.Float: lambda type_: _numeric(type_) if type_.asdecimal else FloatField(),
    sqltypes.Numeric: _numeric,
    sqltypes.Boolean: lambda type_: BooleanField(),
    sqltypes.Enum: _enum,
    sqltypes.String: lambda type_: StringField(length=type_.length),
    sqltypes.DateTime: lambda type_: DateTimeField(timezone=bool(type_.timezone)),
    sqltypes.Date: lambda type_: DateField(),
    sqltypes.Time: lambda type_: TimeField(timezone=bool(type_.timezone)),
    sqltypes.Interval: lambda type_: IntervalField(),
    "postgresql.INTERVAL": lambda type_: IntervalField(),
    sqltypes.Uuid: lambda type_: UUIDField(as_uuid=bool(type_.as_uuid)),
    sqltypes.JSON: lambda type_: JSONField(),
    "postgresql.HSTORE": lambda type_: HstoreField(),
    sqltypes.LargeBinary: lambda type_: BinaryField(length=type_.length),
    sqltypes.BINARY: lambda type_: BinaryField(length=type_.length),
    sqltypes.VARBINARY: lambda type_: BinaryField(length=type_.length),
    sqltypes.ARRAY: _array,
    "mysql.YEAR": lambda type_: IntegerField(minimum=0, maximum=2155),
}
"""SQLAlchemy type, or name of a dialect's type, to the maker of its field; the nearest in its lineage is used."""


_LIKE: dict[tuple[type, str], Callable[[Any], ColumnField]] = {}
"""The same for types with certain arguments: class and text form to the maker of the field."""


def register_type_mapping(
    sqlalchemy_type: type[TypeEngine[Any]] | TypeEngine[Any], field_class: Callable[[], fields.Field[Any]]
) -> None:
    """Choose the field of a column type, for all applications of the process; call it before `Architect(app)`.

    Args:
        sqlalchemy_type: Class of the type, its subclasses included; or an instance, which stands for the types of its
            class with the same arguments (`String(7)` leaves `String(8)` alone).
        field_class: marshmallow field class, or a function that makes a field. Its `_serialize` gives what answers
            show, its `_deserialize` reads bodies, filters and keys; what it refuses is a 400.

    Raises:
        TypeError: The first argument is no SQLAlchemy type, or the second makes no marshmallow field.
    """

    def make(type_: Any) -> ColumnField:
        made = field_class()
        return made if isinstance(made, ColumnField) else RegisteredField(made)

    if not _is_field(field_class()):
        raise TypeError(
            f"register_type_mapping needs a marshmallow field class as its second argument: {field_class!r}"
        )
    if isinstance(sqlalchemy_type, TypeEngine):
        _LIKE[type(sqlalchemy_type), repr(sqlalchemy_type)] = make
    elif _is_type_class(sqlalchemy_type):
        TYPE_TABLE[sqlalchemy_type] = make
    else:
        raise TypeError(f"register_type_mapping needs a SQLAlchemy type as its first argument: {sqlalchemy_type!r}")


def _is_field(candidate: object) -> bool:
    return isinstance(candidate, fields.Field)


def _is_type_class(candidate: object) -> bool:
    return isinstance(candidate, type) and issubclass(candidate, TypeEngine)


def field_for_type(type_: TypeEngine[Any]) -> ColumnField:
    """Make the field of a SQLAlchemy type; a `TypeDecorator` is taken as what it stands for (rest 5.2)."""
    if _LIKE and (like := _LIKE.get((type(type_), repr(type_)))) is not None:
        return like(type_)
    # The table first: `Interval` is itself a decorator.
    for kind in lineage(type_):
        if kind in TYPE_TABLE:
            return TYPE_TABLE[kind](type_)
    if isinstance(type_, TypeDecorator):
        field = _decorated(type_)
        if isinstance(field, IntegerField):
            field.asked = field.stored
        # What a decorator returns is its own affair.
        return _judging_values(field)
    return TextFormField()


def _decorated(type_: TypeDecorator[Any]) -> ColumnField:
    """Make the field of a decorator: of the type it encrypts, of the Python type it declares, else of its `impl`."""
    underlying = getattr(type_, "underlying_type", None)
    if isinstance(underlying, TypeEngine):
        return field_for_type(underlying)
    declared = next((vars(kind)["python_type"] for kind in type(type_).__mro__ if "python_type" in vars(kind)), None)
    if isinstance(declared, type) and declared in _DECLARED_TYPES:
        return _DECLARED_TYPES[declared]()
    return field_for_type(type_.impl_instance)


def _judging_values(field: ColumnField) -> ColumnField:
    """Let a field give each value by what that value is."""
    field.dump_source = "to_jsonable({v})"
    field.to_json = to_jsonable  # type: ignore[method-assign]
    return field


_PYTHON_TYPES: dict[type, Callable[[], ColumnField]] = {
    bool: BooleanField,
    int: lambda: IntegerField(minimum=_LONG[0], maximum=_LONG[1]),
    float: FloatField,
    decimal.Decimal: lambda: DecimalField(precision=None, scale=None),
    str: StringField,
    dt.datetime: DateTimeField,
    dt.date: DateField,
    dt.time: TimeField,
    dt.timedelta: IntervalField,
    uuid.UUID: UUIDField,
}


# What a decorator may say it is in Python where its `impl` would mislead: a UUID kept as bytes, JSON kept as text.
_DECLARED_TYPES: dict[type, Callable[[], ColumnField]] = {uuid.UUID: UUIDField, dict: JSONField, list: JSONField}

# An expression has the kind of its type and not the bounds: `price * rate` has more places than `price`.
_UNBOUNDED: dict[type[ColumnField], type] = {
    IntegerField: int,
    DecimalField: decimal.Decimal,
    StringField: str,
}


def field_for_expression(type_: TypeEngine[Any] | None, python_type: type | None = None) -> ColumnField:
    """Make the field of a hybrid property or an expression.

    Args:
        type_: Type of its SQL, `None` when SQL does not know it.
        python_type: Return annotation, which counts more when it is a known one.

    Returns:
        A field for text when nothing is known (rest 5.1).
    """
    if python_type in _PYTHON_TYPES:
        return _PYTHON_TYPES[python_type]()
    if type_ is None or isinstance(type_, sqltypes.NullType):
        return _judging_values(StringField())
    field = field_for_type(type_)
    if isinstance(type_, TypeDecorator) or type(field) not in _UNBOUNDED:
        return field
    return _PYTHON_TYPES[_UNBOUNDED[type(field)]]()
