"""Column types that are not SQLAlchemy's own: registered ones, and decorators that say what they stand for."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from marshmallow import ValidationError, fields
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator, UserDefinedType

from flarchitect_core.model.type_table import register_type_mapping
from flarchitect_core.testing import error_of

UID = "12345678-1234-5678-1234-567812345678"


class Colour(UserDefinedType[int]):
    """A number that clients see as `#rrggbb`."""

    cache_ok = True

    def get_col_spec(self, **kwargs: Any) -> str:
        return "INTEGER"


class ColourField(fields.Field[int]):
    default_error_messages = {"invalid": "Not a colour."}

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return f"#{value:06x}"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str) or len(value) != 7 or value[0] != "#":
            raise self.make_error("invalid")
        try:
            return int(value[1:], 16)
        except ValueError as error:
            raise self.make_error("invalid") from error


def evens(value: int) -> None:
    if value % 2:
        raise ValidationError("Not even.")


register_type_mapping(Colour, ColourField)
register_type_mapping(sa.Numeric(7, 3), lambda: fields.Integer(validate=evens, strict=True))


class Bytes16(TypeDecorator[uuid.UUID]):
    """A UUID kept as bytes."""

    impl = sa.LargeBinary(16)
    cache_ok = True
    python_type = uuid.UUID

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.bytes

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else uuid.UUID(bytes=bytes(value))


class JSONText(TypeDecorator[dict[str, Any]]):
    """JSON kept as text."""

    impl = sa.Text
    cache_ok = True
    python_type = dict

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else json.loads(value)


class Encrypted(TypeDecorator[Any]):
    """Text kept as bytes that nobody can read."""

    impl = sa.LargeBinary
    cache_ok = True

    def __init__(self, underlying_type: Any) -> None:
        super().__init__()
        self.underlying_type = underlying_type

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.encode()[::-1]

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else bytes(value)[::-1].decode()


class LowerCase(TypeDecorator[str]):
    """An address in small letters."""

    impl = sa.Unicode(30)
    cache_ok = True

    @property
    def python_type(self) -> type[str]:
        return str

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else value.lower()


class Base(DeclarativeBase):
    pass


class Thing(Base):
    __tablename__ = "things"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    colour: Mapped[Any] = mapped_column(Colour, nullable=True)
    pairs: Mapped[Any] = mapped_column(sa.Numeric(7, 3), nullable=True)
    price: Mapped[Any] = mapped_column(sa.Numeric(7, 2), nullable=True)
    uid: Mapped[Any] = mapped_column(Bytes16, nullable=True)
    data: Mapped[Any] = mapped_column(JSONText, nullable=True)
    note: Mapped[Any] = mapped_column(Encrypted(sa.String(8)), nullable=True)
    email: Mapped[Any] = mapped_column(LowerCase, nullable=True)


@pytest.fixture
def app(serve):
    return serve(Base)


BODY = {
    "colour": "#00ff10",
    "pairs": 4,
    "price": "1.50",
    "uid": UID,
    "data": {"a": [1, None]},
    "note": "hush",
    "email": "ida@example.org",
}


@pytest.mark.contract("rest 5.2")
def test_every_value_goes_there_and_back(app):
    created = app.post("/api/things", json=BODY)
    assert created.status_code == 201, created.get_data(as_text=True)
    assert created.get_json()["value"] == {"id": 1, **BODY}
    assert app.put("/api/things/1", json={"id": 1, **BODY}).get_json()["value"] == {"id": 1, **BODY}
    assert app.value("/api/things") == [{"id": 1, **BODY}]
    assert app.scalar("SELECT colour FROM things") == 0xFF10
    empty = app.patch("/api/things/1", json=dict.fromkeys(BODY)).get_json()["value"]
    assert empty == {"id": 1, **dict.fromkeys(BODY)}


@pytest.mark.contract("rest 5.2")
def test_wrong_values_are_refused_by_the_field_of_the_type(app):
    body = {"colour": "red", "pairs": 3, "price": 1.234, "uid": "x", "note": "too long by far", "email": "IDA"}
    assert error_of(app.post("/api/things", json=body), 400, "validation_failed")["fields"] == {
        "colour": ["Not a colour."],
        "pairs": ["Not even."],
        "price": ["Must have at most 2 decimal places."],
        "uid": ["Not a valid UUID."],
        "note": ["Longer than maximum length 8."],
        "email": ["Email address is not valid."],
    }


@pytest.mark.contract("rest 5.2")
def test_a_registered_type_is_filtered_and_sorted_in_the_form_of_clients(app):
    for colour in ("#000001", "#0000ff"):
        app.post("/api/things", json={"colour": colour})
    assert [row["id"] for row in app.value("/api/things?colour__eq=%230000ff")] == [2]
    assert [row["id"] for row in app.value("/api/things?order_by=-colour")] == [2, 1]
    error_of(app.get("/api/things?colour__eq=red"), 400, "invalid_value")


@pytest.mark.contract("rest 5.2")
@pytest.mark.parametrize("arguments", [(int, ColourField), ("x", ColourField), (Colour, 5), (Colour, int)], ids=str)
def test_what_is_no_type_or_no_field_is_refused(arguments):
    with pytest.raises(TypeError):
        register_type_mapping(*arguments)
