"""Types for reflected columns: what the database declares, made fit for what its columns really hold."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from flarchitect_core.model.dialect_types import is_dialect_type

if TYPE_CHECKING:
    from sqlalchemy.sql.type_api import _BindProcessorType, _ResultProcessorType

__all__ = ["Lenient", "served_type"]

# Declared names to which SQLite gives numeric affinity because it knows no better (https://sqlite.org/datatype3.html).
_SQLITE_NUMBERS = frozenset({"BIT", "CURRENCY", "DEC", "DECIMAL", "FIXED", "MONEY", "NUMBER", "NUMERIC"})
_SQLITE_MOMENT = re.compile(r"(SMALL)?DATETIME|TIMESTAMP")
_SQLITE_FREE = (
    sqltypes.Boolean,
    sqltypes.Date,
    sqltypes.DateTime,
    sqltypes.JSON,
    sqltypes.LargeBinary,
    sqltypes.Numeric,
    sqltypes.Time,
)

_BIGGEST_INTEGER = 2**63 - 1


class Lenient(TypeDecorator[Any]):
    """A type whose column may also hold values of another kind; these are read as they are instead of raising.

    SQLite lets every column hold any value, and MariaDB's `TIME` reaches far beyond a day. `impl` is the reflected
    type, so that everything else about the column stays known. Numbers are exact to the column's scale, and moments
    are written as SQLite itself writes them, without an empty fraction, so that they equal what other programs stored.
    """

    impl: TypeEngine[Any] | type[TypeEngine[Any]] = sqltypes.NullType
    cache_ok = True

    def __init__(self, reflected: TypeEngine[Any]) -> None:
        super().__init__()
        # The name of the argument: SQLAlchemy builds the cache key of the type from it.
        self.reflected = reflected
        self.impl = reflected

    def result_processor(self, dialect: Dialect, coltype: object) -> _ResultProcessorType[Any]:
        """Give the reader of the reflected type, which hands on what it cannot read."""
        read = _reader(self.reflected) or super().result_processor(dialect, coltype) or _as_it_is

        def process(value: Any) -> Any:
            if value is None:
                return None
            try:
                return read(value)
            except (ArithmeticError, TypeError, ValueError):
                return value

        return process

    def bind_processor(self, dialect: Dialect) -> _BindProcessorType[Any] | None:
        """Give the writer of the reflected type, our own for moments and numbers."""
        return _writer(self.reflected) or super().bind_processor(dialect)


def served_type(reflected: TypeEngine[Any], *, dialect: str, declared: str = "") -> TypeEngine[Any] | None:
    """Choose the type with which a reflected column is served.

    Args:
        reflected: Type as reflected.
        dialect: Name of the dialect, such as `sqlite`.
        declared: The type's name in the table's definition; needed for SQLite only, where reflection hides it.

    Returns:
        `None` when nothing is known of the column's values.
    """
    if is_dialect_type(reflected, "postgresql.DOMAIN"):
        domain: Any = reflected
        return served_type(domain.data_type, dialect=dialect)
    if isinstance(reflected, sqltypes.Float):
        # The doubles of MySQL would be read as decimals, cut to ten digits.
        return sqltypes.Double() if reflected.asdecimal else reflected
    if dialect == "sqlite":
        return _sqlite_type(reflected, declared)
    if isinstance(reflected, sqltypes.NullType):
        return None
    if isinstance(reflected, sqltypes.ARRAY):
        return _array_type(reflected, dialect)
    return _mysql_type(reflected)


def _sqlite_type(reflected: TypeEngine[Any], declared: str) -> TypeEngine[Any]:
    name = declared.partition("(")[0].strip().upper()
    if isinstance(reflected, sqltypes.NullType):
        return sqltypes.Text()
    if isinstance(reflected, sqltypes.Integer):
        # Every integer of SQLite has 64 bits, whatever its column is called.
        return sqltypes.BigInteger()
    if type(reflected) is sqltypes.NUMERIC and name and name not in _SQLITE_NUMBERS:
        if _SQLITE_MOMENT.match(name):
            return Lenient(sqlite.DATETIME())  # type: ignore[no-untyped-call]
        return sqltypes.Text()
    return Lenient(reflected) if isinstance(reflected, _SQLITE_FREE) else reflected


def _array_type(reflected: sqltypes.ARRAY[Any], dialect: str) -> TypeEngine[Any] | None:
    """Serve arrays of what is served as it is; those of domains, which drivers give as text, are unknown."""
    return reflected if served_type(reflected.item_type, dialect=dialect) is reflected.item_type else None


def _mysql_type(reflected: TypeEngine[Any]) -> TypeEngine[Any]:
    if is_dialect_type(reflected, "mysql.TINYINT") and getattr(reflected, "display_width", None) == 1:
        return sqltypes.Boolean()
    if is_dialect_type(reflected, "mysql.SET"):
        # Read as a set its members would have no order; the text of the database is `a,b`.
        return sqltypes.String()
    return Lenient(reflected) if is_dialect_type(reflected, "mysql.TIME") else reflected


def _reader(reflected: TypeEngine[Any]) -> _ResultProcessorType[Any] | None:
    if is_dialect_type(reflected, "mysql.TIME"):
        return _to_time
    if isinstance(reflected, sqltypes.Numeric):
        return partial(_to_decimal, reflected.scale)
    if isinstance(reflected, sqltypes.Boolean):
        return _to_boolean
    return _as_it_is if isinstance(reflected, sqltypes.LargeBinary) else None


def _writer(reflected: TypeEngine[Any]) -> _BindProcessorType[Any] | None:
    if isinstance(reflected, sqltypes.Numeric):
        return _from_decimal
    return _from_moment if isinstance(reflected, (sqltypes.DateTime, sqltypes.Time)) else None


def _as_it_is(value: Any) -> Any:
    return value


def _to_boolean(value: Any) -> bool:
    if value not in (0, 1):
        raise ValueError(value)
    return bool(value)


def _to_decimal(scale: int | None, value: Any) -> Decimal:
    number = Decimal(repr(value) if isinstance(value, float) else value)
    if not number.is_finite():
        raise ValueError(value)
    return number if scale is None else number.quantize(Decimal(1).scaleb(-scale))


def _to_time(value: dt.timedelta) -> dt.time:
    # SQLAlchemy forgets the days, so that 26 hours would read as two.
    if not dt.timedelta(0) <= value < dt.timedelta(days=1):
        raise ValueError(value)
    return (dt.datetime.min + value).time()


def _from_decimal(value: Any) -> Any:
    if not isinstance(value, Decimal):
        return value
    is_whole = abs(value) <= _BIGGEST_INTEGER and value == value.to_integral_value()
    return int(value) if is_whole else float(value)


def _from_moment(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        naive = value if value.tzinfo is None else value.astimezone(dt.timezone.utc).replace(tzinfo=None)
        return naive.isoformat(" ")
    return value.isoformat() if isinstance(value, (dt.date, dt.time)) else value
