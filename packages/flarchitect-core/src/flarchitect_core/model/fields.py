"""Column types as clients see them: one marshmallow field per kind of type; `type_table` says which type has which.

Each field reads a JSON value (`_deserialize`, also used for the text of a filter or of a key in a URL), writes one
(`_serialize`), and names the Python source that the dump compiler puts in place of `_serialize` (`dump_source`).
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import decimal
import enum
import re
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

import marshmallow as ma
from marshmallow import fields, validate

from flarchitect_core.model.jsonable import to_jsonable

__all__ = [
    "ArrayField",
    "BinaryField",
    "BooleanField",
    "ChoiceField",
    "ColumnField",
    "DateField",
    "DateTimeField",
    "DecimalField",
    "EnumField",
    "FloatField",
    "HstoreField",
    "IntegerField",
    "IntervalField",
    "JSONField",
    "RegisteredField",
    "StringField",
    "TextFormField",
    "TimeField",
    "UUIDField",
    "text_to_value",
]

_INTEGER_TEXT = re.compile(r"[+-]?[0-9]{1,40}\Z")
_NUMBER_TEXT = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,4})?\Z")
_DATETIME_TEXT = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})"
    r"([Tt ](?P<time>\d{2}:\d{2}(:\d{2})?)(\.(?P<fraction>\d{1,9}))?\s?(?P<zone>Z|z|[+-]\d{2}:?\d{2})?)?\Z",
    re.ASCII,
)
_TIME_TEXT = re.compile(
    r"(?P<time>\d{2}:\d{2}(:\d{2})?)(\.(?P<fraction>\d{1,9}))?(?P<zone>Z|z|[+-]\d{2}:?\d{2}(:\d{2})?)?\Z", re.ASCII
)
# A list may be as long as a body: its answer need not be.
_ITEMS_TOLD = 20
# PostgreSQL takes no offset beyond.
_OFFSET_MAX = dt.timedelta(hours=16)


_EQUALITY = frozenset({"eq", "ne", "neq", "in", "nin", "isnull", "is_null"})
_ORDERED = _EQUALITY | {"lt", "le", "gt", "ge", "between"}
_TEXT = _ORDERED | {"like", "ilike", "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith"}


class ColumnField(fields.Field[Any]):
    """Base class of the fields below.

    Attributes:
        dump_source: Python expression of the JSON value, `{v}` being a value that is not `None`; `None` when the JSON
            encoder takes the value as it is. Names in it: `to_jsonable`, `b64encode`, `utc`; `{convert}` is
            `to_json` of this field.
        url_source: Same for the text of a key in a URL; `None` when the value needs quoting (`key_text`).
        is_text: Whether the literal `null` in a filter is text rather than SQL NULL (rest 3.2).
        operators: Filter operators that make sense, empty when the type cannot be filtered.
        python_type: What values read from JSON are, `None` when they may be anything.
    """

    dump_source: str | None = None
    python_type: type | None = None
    url_source: ClassVar[str | None] = None
    is_text: ClassVar[bool] = False
    operators: ClassVar[frozenset[str]] = _TEXT

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return None if value is None else self.to_json(value)

    def to_json(self, value: Any) -> Any:
        """Give the JSON form of a value that is not `None`; equal to what `dump_source` gives."""
        return value


class IntegerField(ColumnField):
    """Whole numbers: a JSON number without fraction, or its text; booleans are refused.

    Attributes:
        asked: Range of what may be asked for, in a filter or a URL. It is wider than that of bodies where databases
            differ: whatever SQLite calls its integers, they have 64 bits.
    """

    python_type = int
    url_source = "{v}"
    operators = _ORDERED
    default_error_messages = {"invalid": "Not a valid integer."}

    def __init__(self, *, minimum: int, maximum: int, asked: tuple[int, int] | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.minimum, self.maximum = minimum, maximum
        self.stored = _range(minimum, maximum)
        self.asked = self.stored if asked is None else _range(*asked)
        self.validators.insert(0, self.stored)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if isinstance(value, bool):
            raise self.make_error("invalid")
        if isinstance(value, int):
            return value
        if isinstance(value, float) and value.is_integer():
            # A long number remembers how it was written (`http.body`), which a float has rounded.
            exact = decimal.Decimal(str(value))
            if exact == exact.to_integral_value():
                return int(exact)
        if isinstance(value, str) and _INTEGER_TEXT.match(value):
            return int(value)
        raise self.make_error("invalid")


class FloatField(ColumnField):
    """Floating-point numbers: a JSON number or its text; NaN and Infinity are refused."""

    python_type = float
    operators = _ORDERED
    default_error_messages = {"invalid": "Not a valid number."}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> float:
        number = _number(value)
        if number is None:
            raise self.make_error("invalid")
        try:
            result = float(number)
        except OverflowError as error:
            raise self.make_error("invalid") from error
        if result in (float("inf"), float("-inf")):
            raise self.make_error("invalid")
        return result


class DecimalField(ColumnField):
    """Exact numbers, JSON strings with the column's number of decimal places (decisions 16)."""

    python_type = decimal.Decimal
    operators = _ORDERED
    default_error_messages = {
        "invalid": "Not a valid number.",
        "scale": "Must have at most {scale} decimal places.",
        "precision": "Must have at most {digits} digits before the decimal point.",
    }

    def __init__(self, *, precision: int | None, scale: int | None, as_number: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.precision, self.scale, self.as_number = precision, scale, as_number
        if as_number:
            self.dump_source = "float({v} or abs({v}))"
        else:
            self.dump_source = f"format({{v}} or abs({{v}}), {self._format!r})"

    @property
    def _format(self) -> str:
        return "f" if self.scale is None else f".{self.scale}f"

    def to_json(self, value: Any) -> Any:
        # SQLite and Python compute a negative zero where the other databases have none.
        value = value or abs(value)
        return float(value) if self.as_number else format(value, self._format)

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> decimal.Decimal:
        number = _number(value)
        if number is None:
            raise self.make_error("invalid")
        exact = decimal.Decimal(str(number))
        # Exponents are bounded before any arithmetic: 1e9999 as digits would fill the memory.
        if exact and abs(exact.adjusted()) > 1000:
            raise self.make_error("invalid")
        if self.scale is not None and _decimal_places(exact) > self.scale:
            raise self.make_error("scale", scale=self.scale)
        if self.precision is not None and exact:
            digits = self.precision - (self.scale or 0)
            if exact.adjusted() + 1 > digits:
                raise self.make_error("precision", digits=digits)
        return exact or decimal.Decimal(0)


class BooleanField(ColumnField):
    """Truth values: a JSON boolean, 0 or 1, or one of the usual words."""

    python_type = bool
    operators = _EQUALITY
    default_error_messages = {"invalid": "Not a valid boolean."}
    _words: ClassVar[Mapping[object, bool]] = {
        **dict.fromkeys(("true", "t", "yes", "y", "on", "1"), True),
        **dict.fromkeys(("false", "f", "no", "n", "off", "0"), False),
    }

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bool:
        if isinstance(value, bool):
            return value
        # In JSON, 1.0 is the same number as 1.
        text = f"{value:g}" if isinstance(value, float) else str(value).lower()
        if isinstance(value, (str, int, float)) and text in self._words:
            return self._words[text]
        raise self.make_error("invalid")


class StringField(ColumnField):
    """Text, checked against the column's length."""

    python_type = str
    is_text = True
    default_error_messages = {"invalid": "Not a valid string."}

    def __init__(self, *, length: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if length is not None:
            self.validators.insert(0, validate.Length(max=length))

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        return value


class DateField(ColumnField):
    """Dates as `YYYY-MM-DD`."""

    python_type = dt.date
    operators = _ORDERED
    default_error_messages = {"invalid": "Not a valid date."}

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> dt.date:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            try:
                return dt.date.fromisoformat(value)
            except ValueError as error:
                raise self.make_error("invalid") from error
        raise self.make_error("invalid")


class DateTimeField(ColumnField):
    """Points in time in ISO 8601: `T` or space, optional seconds, fraction and offset, or a bare date.

    An offset is turned into UTC. A value without one is UTC for a column with a time zone, and kept as it is for a
    column without. A column with a time zone is always given with an offset, also by databases that store none.
    """

    python_type = dt.datetime
    operators = _ORDERED
    default_error_messages = {"invalid": "Not a valid datetime."}

    def __init__(self, *, timezone: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.timezone = timezone
        if timezone:
            self.dump_source = "({v} if {v}.tzinfo else {v}.replace(tzinfo=utc))"

    def to_json(self, value: Any) -> Any:
        return value.replace(tzinfo=dt.timezone.utc) if self.timezone and value.tzinfo is None else value

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> dt.datetime:
        match = _DATETIME_TEXT.match(value) if isinstance(value, str) else None
        if match is None:
            raise self.make_error("invalid")
        text = f"{match['date']}T{match['time'] or '00:00'}{_zone(match['zone'])}"
        try:
            moment = dt.datetime.fromisoformat(text).replace(microsecond=_microseconds(match["fraction"]))
            if moment.tzinfo is not None:
                moment = moment.astimezone(dt.timezone.utc)
        except (ValueError, OverflowError) as error:
            raise self.make_error("invalid") from error
        if self.timezone:
            return moment.replace(tzinfo=dt.timezone.utc)
        return moment.replace(tzinfo=None)


class TimeField(ColumnField):
    """Times of day as `HH:MM[:SS[.ffffff]]`, for a column with a time zone with an offset.

    The offset is kept, because PostgreSQL keeps and compares it. A value without one is UTC for such a column.
    """

    python_type = dt.time
    operators = _ORDERED
    dump_source = "{v}.isoformat()"
    default_error_messages = {"invalid": "Not a valid time."}

    def __init__(self, *, timezone: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.timezone = timezone

    def to_json(self, value: Any) -> Any:
        return value.isoformat()

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> dt.time:
        match = _TIME_TEXT.match(value) if isinstance(value, str) else None
        if match is None or (match["zone"] and not self.timezone):
            raise self.make_error("invalid")
        try:
            clock = dt.time.fromisoformat(match["time"] + _zone(match["zone"]))
        except ValueError as error:
            raise self.make_error("invalid") from error
        if abs(clock.utcoffset() or dt.timedelta(0)) >= _OFFSET_MAX:
            raise self.make_error("invalid")
        zone = (clock.tzinfo or dt.timezone.utc) if self.timezone else None
        return clock.replace(microsecond=_microseconds(match["fraction"]), tzinfo=zone)


class IntervalField(ColumnField):
    """Lengths of time as a number of seconds."""

    python_type = dt.timedelta
    operators = _ORDERED
    dump_source = "{v}.total_seconds()"
    default_error_messages = {"invalid": "Not a valid number."}

    def to_json(self, value: Any) -> Any:
        return value.total_seconds()

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> dt.timedelta:
        number = _number(value)
        if number is None:
            raise self.make_error("invalid")
        try:
            return dt.timedelta(seconds=float(number))
        except OverflowError as error:
            raise self.make_error("invalid") from error


class EnumField(ColumnField):
    """Members of a Python enum by name; the value is accepted as well."""

    python_type = enum.Enum
    operators = _EQUALITY
    dump_source = "{v}.name"
    default_error_messages = {"invalid": "Invalid enum value. Expected one of: {choices}."}

    def __init__(self, enum_class: type[enum.Enum], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.enum_class = enum_class

    def to_json(self, value: Any) -> Any:
        return value.name

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> enum.Enum:
        if isinstance(value, str) and value in self.enum_class.__members__:
            return self.enum_class[value]
        for member in self.enum_class:
            # In Python, but not in JSON, `true` is the number 1.
            is_same = value == member.value and isinstance(value, bool) is isinstance(member.value, bool)
            if is_same or (isinstance(value, str) and value == str(member.value)):
                return member
        raise self.make_error("invalid", choices=list(self.enum_class.__members__))


class ChoiceField(ColumnField):
    """One of a few strings."""

    python_type = str
    operators = _EQUALITY
    default_error_messages = {"invalid": "Invalid enum value. Expected one of: {choices}."}

    def __init__(self, choices: list[str], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.choices = choices

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> str:
        if isinstance(value, str) and value in self.choices:
            return value
        raise self.make_error("invalid", choices=self.choices)


class UUIDField(ColumnField):
    """UUIDs in any textual form that `uuid.UUID` takes."""

    python_type = uuid.UUID
    url_source = "{v}"
    operators = _ORDERED
    default_error_messages = {"invalid": "Not a valid UUID."}

    def __init__(self, *, as_uuid: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.as_uuid = as_uuid

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        try:
            result = uuid.UUID(value)
        except (ValueError, AttributeError, TypeError) as error:
            raise self.make_error("invalid") from error
        return result if self.as_uuid else str(result)


class JSONField(ColumnField):
    """Any JSON value, as it is."""

    operators = frozenset()

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        return value


class HstoreField(ColumnField):
    """Text by key, as PostgreSQL's hstore keeps it: an object of strings and nulls."""

    operators = frozenset()
    default_error_messages = {"invalid": "Not an object of strings."}

    def _deserialize(
        self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any
    ) -> dict[str, str | None]:
        if not isinstance(value, dict) or not all(item is None or isinstance(item, str) for item in value.values()):
            raise self.make_error("invalid")
        return value


class BinaryField(ColumnField):
    """Bytes as base64 text."""

    python_type = bytes
    operators = frozenset()
    dump_source = "b64encode({v}).decode('ascii')"
    default_error_messages = {"invalid": "Not valid base64."}

    def __init__(self, *, length: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if length is not None:
            self.validators.insert(0, validate.Length(max=length))

    def to_json(self, value: Any) -> Any:
        return base64.b64encode(value).decode("ascii")

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> bytes:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        try:
            return base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise self.make_error("invalid") from error


class ArrayField(ColumnField):
    """Lists of one column type."""

    python_type = list
    operators = frozenset()
    default_error_messages = {"invalid": "Not a valid list."}

    def __init__(self, inner: ColumnField, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = inner
        self.dump_source = None if inner.dump_source is None else f"[{_inner_source(inner)} for item in {{v}}]"
        if isinstance(inner, RegisteredField):
            self.dump_source = "{convert}({v})"

    def to_json(self, value: Any) -> Any:
        return [None if item is None else self.inner.to_json(item) for item in value]

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> list[Any]:
        if not isinstance(value, list):
            raise self.make_error("invalid")
        errors: dict[str, Any] = {}
        result: list[Any] = []
        for position, item in enumerate(value):
            try:
                result.append(None if item is None else self.inner.deserialize(item))
            except ma.ValidationError as error:
                errors[str(position)] = error.messages
                if len(errors) == _ITEMS_TOLD and position + 1 < len(value):
                    errors["…"] = ["… and perhaps more: the items after this one were not checked."]
                    break
        if errors:
            raise ma.ValidationError(errors)
        return result


class TextFormField(ColumnField):
    """A type nobody declared a field for: given in its text form, taken as text."""

    python_type = str
    operators = frozenset()
    dump_source = "to_jsonable({v})"
    default_error_messages = {"invalid": "Not a valid string."}

    def to_json(self, value: Any) -> Any:
        return to_jsonable(value)

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        return value


class RegisteredField(ColumnField):
    """A marshmallow field that the application wants for a column type (`register_type_mapping`)."""

    dump_source = "{convert}({v})"

    def __init__(self, inner: fields.Field[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.inner = inner

    def to_json(self, value: Any) -> Any:
        # The documented extension points of marshmallow fields; what they give need not be JSON yet.
        return to_jsonable(self.inner._serialize(value, None, None))  # noqa: SLF001

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        return self.inner.deserialize(value, attr, data, **kwargs)


def _inner_source(inner: ColumnField) -> str:
    return f"None if item is None else {(inner.dump_source or '{v}').format(v='item')}"


def _range(minimum: int, maximum: int) -> validate.Range:
    text = f"Must be greater than or equal to {minimum} and less than or equal to {maximum}."
    return validate.Range(min=minimum, max=maximum, error=text)


def _number(value: object) -> int | float | str | None:
    """Give a JSON number, or the text of one; `None` for anything else, NaN and Infinity included."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if value == value and value not in (float("inf"), float("-inf")) else None
    if isinstance(value, str) and _NUMBER_TEXT.match(value):
        return value
    return None


def _decimal_places(number: decimal.Decimal) -> int:
    # `normalize` would round to the precision of the context first.
    return len(format(number, "f").partition(".")[2].rstrip("0")) if number else 0


def _zone(text: str | None) -> str:
    """Give an offset as Python 3.10 reads it; nothing for none."""
    zone = (text or "").replace("z", "Z").replace("Z", "+00:00")
    return f"{zone[:3]}:{zone[3:]}" if len(zone) == 5 else zone


def _microseconds(fraction: str | None) -> int:
    return int((fraction or "0")[:6].ljust(6, "0"))


def text_to_value(field: ColumnField, text: object) -> Any:
    """Convert the text of a filter value or of a key in a URL, or a key in a body that names the row of the URL.

    The column's length is not checked, because a longer text simply matches no row; its number range is, because the
    database would refuse the value. What only some databases refuse is left to the statement (`query.compile`).

    Raises:
        marshmallow.ValidationError: The text is no value of the column's type.
    """
    value = field._deserialize(text, None, None)  # noqa: SLF001 - the documented extension point of marshmallow fields
    for validator in field.validators:
        if isinstance(validator, validate.Range):
            check = field.asked if isinstance(field, IntegerField) and validator is field.stored else validator
            check(value)
    return value
