"""Groups of rows, and what is computed over each of them (rest 3.7): what clients ask for, before any SQL."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa
from sqlalchemy.types import TypeDecorator

from flarchitect_core.model.fields import (
    ColumnField,
    DateField,
    DateTimeField,
    DecimalField,
    FloatField,
    IntegerField,
    IntervalField,
    StringField,
    TimeField,
)

if TYPE_CHECKING:
    from flarchitect_core.model.resource import Field, Relation, Resource
    from flarchitect_core.query.expressions import Path

__all__ = ["AGGREGATES", "Aggregate", "AggregateFunction", "GroupColumn", "GroupOrder", "Grouping"]

# How many more places the average of exact numbers has than they have: what every database gives.
_PLACES_OF_AVERAGE = 4

_NUMBERS = (IntegerField, FloatField, DecimalField)
_ORDERED = (*_NUMBERS, StringField, DateField, DateTimeField, TimeField, IntervalField)


class _WholeNumber(ColumnField):
    """Sums of whole numbers, which some databases give as decimals."""

    python_type = int

    def to_json(self, value: Any) -> int:
        return int(value)


class _Number(ColumnField):
    """Averages of numbers that are not exact."""

    python_type = float

    def to_json(self, value: Any) -> float:
        return float(value)


_WHOLE_NUMBER = _WholeNumber()
_NUMBER = _Number()


@dataclass(frozen=True, slots=True)
class AggregateFunction:
    """A function over the values of a column in all rows of a group.

    Attributes:
        takes: Says whether a column is of a type that the function makes sense for.
        sql: Makes the expression of a column and its field.
        codec: Gives the field of the result.
        repeats: Whether a row that stands in a group twice changes the result.
    """

    takes: Callable[[Field], bool]
    sql: Callable[[Any, Field], Any]
    codec: Callable[[Field], ColumnField]
    repeats: bool = False


def _is_number(field: Field) -> bool:
    return isinstance(field.codec, _NUMBERS)


def _is_ordered(field: Field) -> bool:
    return isinstance(field.codec, _ORDERED) and bool(field.codec.operators)


def _is_decorated(field: Field) -> bool:
    """Say whether only the type of the column knows what the stored values mean."""
    return isinstance(getattr(field.fact, "type", None), TypeDecorator)


def _average(column: Any, field: Field) -> Any:
    if _is_decorated(field):
        return sa.func.avg(column, type_=column.type)
    if isinstance(field.codec, DecimalField):
        scale = field.codec.scale
        places = None if scale is None else scale + _PLACES_OF_AVERAGE
        return sa.func.avg(column, type_=sa.Numeric(decimal_return_scale=places))
    # Of whole numbers MariaDB would give four places.
    return sa.func.avg(sa.cast(column, sa.Double()), type_=sa.Double())


def _average_codec(field: Field) -> ColumnField:
    codec = field.codec
    if _is_decorated(field):
        return codec
    if isinstance(codec, DecimalField):
        places = None if codec.scale is None else codec.scale + _PLACES_OF_AVERAGE
        return DecimalField(precision=None, scale=places, as_number=codec.as_number)
    return _NUMBER


def _sum_codec(field: Field) -> ColumnField:
    is_whole = isinstance(field.codec, IntegerField) and not _is_decorated(field)
    return _WHOLE_NUMBER if is_whole else field.codec


AGGREGATES: Mapping[str, AggregateFunction] = {
    "avg": AggregateFunction(_is_number, _average, _average_codec, repeats=True),
    "count": AggregateFunction(
        lambda field: True, lambda column, field: sa.func.count(column), lambda field: _WHOLE_NUMBER, repeats=True
    ),
    "count_distinct": AggregateFunction(
        lambda field: bool(field.codec.operators),
        lambda column, field: sa.func.count(column.distinct()),
        lambda field: _WHOLE_NUMBER,
    ),
    "max": AggregateFunction(_is_ordered, lambda column, field: sa.func.max(column), lambda field: field.codec),
    "min": AggregateFunction(_is_ordered, lambda column, field: sa.func.min(column), lambda field: field.codec),
    "sum": AggregateFunction(
        _is_number, lambda column, field: sa.func.sum(column, type_=column.type), _sum_codec, repeats=True
    ),
}
"""Name in the URL to what it does."""


@dataclass(frozen=True, slots=True)
class GroupColumn:
    """A column whose values make the groups.

    Attributes:
        name: Key of the record.
        path: Relations that lead to the field.
    """

    name: str
    path: Path
    field: Field

    @property
    def codec(self) -> ColumnField:
        """The field that writes the values."""
        return self.field.codec

    @property
    def shape(self) -> Hashable:
        """What decides the SQL text of the column."""
        return (*(relation.name for relation in self.path), self.field.attribute)


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A function over a column.

    Attributes:
        name: Key of the record.
        function: Name in `AGGREGATES`.
        path: Relations that lead to the field.
        codec: The field that writes the results.
    """

    name: str
    function: str
    path: Path
    field: Field
    codec: ColumnField

    @property
    def shape(self) -> Hashable:
        """What decides the SQL text of the aggregate."""
        return (self.function, *(relation.name for relation in self.path), self.field.attribute)


@dataclass(frozen=True, slots=True)
class GroupOrder:
    """One sort key of groups.

    Attributes:
        position: Which of the record's keys it is.
        nulls: Where groups without a value stand; `None` leaves it to the database.
    """

    position: int
    descending: bool
    nulls: Literal["first", "last"] | None = None


@dataclass(frozen=True, slots=True)
class Grouping:
    """What an answer about groups shows; all rows are one group when there are no columns.

    Attributes:
        order: Sort keys as asked; the columns are appended when the statement is built.
        spread: The joined relation to many rows of which each row counts by itself.
        is_outer: Whether rows without a row of `spread` are kept.
    """

    columns: tuple[GroupColumn, ...]
    aggregates: tuple[Aggregate, ...] = ()
    order: tuple[GroupOrder, ...] = ()
    spread: Relation | None = None
    is_outer: bool = False

    @property
    def members(self) -> tuple[GroupColumn | Aggregate, ...]:
        """What a record has, in its order."""
        return (*self.columns, *self.aggregates)

    @property
    def shape(self) -> Hashable:
        """What decides the SQL text; how a client labels the results does not."""
        spread = None if self.spread is None else self.spread.name
        columns = tuple(column.shape for column in self.columns)
        return columns, tuple(each.shape for each in self.aggregates), self.order, spread, self.is_outer

    def resources(self) -> list[Resource]:
        """List the resources that it mentions besides that of the rows."""
        related = [each for member in self.members for relation in member.path for each in relation.mentions]
        return related + [each for member in self.members for each in member.field.reads]
