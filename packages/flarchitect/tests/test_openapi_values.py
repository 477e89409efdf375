"""The values that the OpenAPI document tells of bodies, compared with those that are taken (rest 5.2)."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flarchitect_core.state import state_of
from flarchitect_core.testing import make_app
from flarchitect_docs.part import DocsPart
from flarchitect_rest.part import RestPart

pytestmark = [pytest.mark.contract("docs 3.4"), pytest.mark.contract("rest 5.2")]


class Base(DeclarativeBase):
    pass


class Colour(enum.Enum):
    RED = "red"


class Level(enum.Enum):
    ONE = 1


class Thing(Base):
    __tablename__ = "thing"

    class Meta: ...

    id: Mapped[int] = mapped_column(primary_key=True)
    whole: Mapped[int | None]
    small: Mapped[int | None] = mapped_column(sa.SmallInteger)
    big: Mapped[int | None] = mapped_column(sa.BigInteger)
    floating: Mapped[float | None]
    exact: Mapped[decimal.Decimal | None] = mapped_column(sa.Numeric(6, 2))
    rounded: Mapped[decimal.Decimal | None] = mapped_column(sa.Numeric(4, 0))
    switch: Mapped[bool | None]
    text: Mapped[str | None] = mapped_column(sa.String(4))
    day: Mapped[dt.date | None]
    moment: Mapped[dt.datetime | None]
    zoned: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True))
    clock: Mapped[dt.time | None]
    span: Mapped[dt.timedelta | None]
    colour: Mapped[Colour | None]
    level: Mapped[Level | None]
    code: Mapped[uuid.UUID | None]
    extra: Mapped[Any | None] = mapped_column(sa.JSON)
    raw: Mapped[bytes | None]


COLUMNS = [column.key for column in Thing.__table__.columns if column.key != "id"]
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 2, 1.0, 1.5, 1e30, 32767, 32768, 2147483647, 2147483648, -2147483649, 12345.67),
    *(9999.99, 10000, 1e14, [], {}, [1]),
    *("", " 1", "1 ", "0", "1", "+1", "-1", "2", "01", "1.0", "1.5", "1.555", ".5", "5.", "1e2", "1e999", "inf", "NaN"),
    *("32768", "2147483648", "9999999999", "12345678901234567890", "1234.56", "12345.6", "x", "yes", "No", "TRUE", "t"),
    *("RED", "red", "Red", "ONE", "abcd", "abcde", "2026-05-06", "2026-5-6", "2026-13-06", "2026-05-06T07:08:09"),
    *("2026-05-06 07:08:09", "2026-05-06T07:08", "2026-05-06T07:08:09.5", "2026-05-06T07:08:09Z"),
    *("2026-05-06T07:08:09+02:00", "2026-05-06t07:08:09z", "07:08", "07:08:09", "07:08:09.5", "07:08:09Z", "24:00:00"),
    *("7d444840-9dc0-11d1-b245-5ffdce74fad2", "7d4448409dc011d1b2455ffdce74fad2", "AQID", "AQ==", "AQI", "P1D"),
]
# What may be sent otherwise than answers have it.
LENIENT: Mapping[str, tuple[Any, ...]] = {
    "whole": ("1", "+1", "-1"),
    "small": ("1",),
    "big": ("2147483648",),
    "floating": ("1.5", "-1"),
    "exact": (1.5, "1.5", "1234.56"),
    "rounded": (2, "2"),
    "switch": (1, 0, "1", "0", "yes", "t"),
    "colour": ("red",),
    "level": (1, "ONE"),
}


def formats() -> jsonschema.FormatChecker:
    """Give the checker of formats, with those that only the registry of OpenAPI has."""
    checker = jsonschema.FormatChecker()

    @checker.checks("date-time-local")
    def _is_moment(value: Any) -> bool:
        form = r"\d{4}-(0\d|1[0-2])-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?"
        return not isinstance(value, str) or re.fullmatch(form, value) is not None

    @checker.checks("time-local")
    def _is_clock(value: Any) -> bool:
        return not isinstance(value, str) or re.fullmatch(r"([01]\d|2[0-3]):\d{2}:\d{2}(\.\d+)?", value) is not None

    return checker


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    uri = f"sqlite:///{tmp_path_factory.mktemp('things') / 'things.db'}"
    app = make_app(Base, uri, parts=[RestPart(), DocsPart()])
    engine = state_of(app).database.engine
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Thing(id=1))
        session.commit()
    yield app
    engine.dispose()


def update_of(app: Flask) -> dict[str, Any]:
    document = json.loads(state_of(app).documents.current().json)
    schema: dict[str, Any] = document["components"]["schemas"]["thingUpdate"]
    return schema


def is_told(app: Flask, body: Any) -> bool:
    return jsonschema.Draft202012Validator(update_of(app), format_checker=formats()).is_valid(body)


@pytest.mark.parametrize("column", COLUMNS)
def test_every_value_that_the_document_tells_is_taken(app: Flask, column: str) -> None:
    client = app.test_client()
    told = [value for value in VALUES if is_told(app, {column: value})]
    assert None in told
    refused = [value for value in told if client.patch("/api/things/1", json={column: value}).status_code != 200]
    assert refused == []


@pytest.mark.parametrize("column", LENIENT)
def test_what_is_read_more_generously_than_written_is_told(app: Flask, column: str) -> None:
    for value in LENIENT[column]:
        assert app.test_client().patch("/api/things/1", json={column: value}).status_code == 200
        assert is_told(app, {column: value}), value


@pytest.mark.parametrize("column, value", [("level", True), ("whole", True), ("floating", False), ("text", 1)])
def test_what_is_of_another_type_is_neither_told_nor_taken(app: Flask, column: str, value: Any) -> None:
    assert app.test_client().patch("/api/things/1", json={column: value}).status_code == 400
    assert not is_told(app, {column: value})


def test_an_empty_patch_is_told_as_it_is_answered(app: Flask) -> None:
    client = app.test_client()
    before = client.get("/api/things/1").json["value"]
    response = client.patch("/api/things/1", json={})
    assert (response.status_code, response.json["value"]) == (200, before)
    assert is_told(app, {})
    assert update_of(app)["description"].endswith("An empty object changes nothing, and the answer is the row.")
