"""Every column type there and back: written by POST and PATCH, read by GET, sent back by PUT."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flarchitect_core.testing import error_of


class Colour(enum.Enum):
    red = "R"
    blue = "B"


class Reversed(sa.TypeDecorator[str]):
    """Text stored backwards."""

    impl = sa.String(20)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value if value is None else value[::-1]

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return value if value is None else value[::-1]


class Base(DeclarativeBase):
    pass


class Sample(Base):
    __tablename__ = "samples"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    small: Mapped[Any] = mapped_column(sa.SmallInteger, nullable=True)
    integer: Mapped[Any] = mapped_column(sa.Integer, nullable=True)
    big: Mapped[Any] = mapped_column(sa.BigInteger, nullable=True)
    string: Mapped[Any] = mapped_column(sa.String(12), nullable=True)
    text: Mapped[Any] = mapped_column(sa.Text, nullable=True)
    unicode: Mapped[Any] = mapped_column(sa.Unicode(12), nullable=True)
    char: Mapped[Any] = mapped_column(sa.CHAR(3), nullable=True)
    boolean: Mapped[Any] = mapped_column(sa.Boolean, nullable=True)
    double: Mapped[Any] = mapped_column(sa.Double, nullable=True)
    money: Mapped[Any] = mapped_column(sa.Numeric(10, 2), nullable=True)
    exact: Mapped[Any] = mapped_column(sa.Numeric(30, 10), nullable=True)
    rough: Mapped[Any] = mapped_column(sa.Numeric(10, 2, asdecimal=False), nullable=True)
    date: Mapped[Any] = mapped_column(sa.Date, nullable=True)
    datetime: Mapped[Any] = mapped_column(sa.DateTime, nullable=True)
    aware: Mapped[Any] = mapped_column(sa.DateTime(timezone=True), nullable=True)
    time: Mapped[Any] = mapped_column(sa.Time, nullable=True)
    interval: Mapped[Any] = mapped_column(sa.Interval, nullable=True)
    colour: Mapped[Any] = mapped_column(sa.Enum(Colour), nullable=True)
    by_value: Mapped[Any] = mapped_column(
        sa.Enum(Colour, name="by_value", values_callable=lambda members: [member.value for member in members]),
        nullable=True,
    )
    size: Mapped[Any] = mapped_column(sa.Enum("s", "m", name="size"), nullable=True)
    uid: Mapped[Any] = mapped_column(sa.Uuid, nullable=True)
    uid_text: Mapped[Any] = mapped_column(sa.Uuid(as_uuid=False), nullable=True)
    data: Mapped[Any] = mapped_column(sa.JSON, nullable=True)
    binary: Mapped[Any] = mapped_column(sa.LargeBinary, nullable=True)
    reverse: Mapped[Any] = mapped_column(Reversed, nullable=True)


MIDNIGHT_UTC = "2024-05-06T00:00:00+00:00"

# Column, what is sent, what is answered, what Python reads.
VALUES = [
    ("small", 32767, 32767, 32767),
    ("small", "-32768", -32768, -32768),
    ("integer", 2**31 - 1, 2**31 - 1, 2**31 - 1),
    ("integer", "12", 12, 12),
    ("integer", 12.0, 12, 12),
    ("integer", 0, 0, 0),
    ("big", 2**63 - 1, 2**63 - 1, 2**63 - 1),
    ("big", -(2**63), -(2**63), -(2**63)),
    ("big", 2**53 + 1, 2**53 + 1, 2**53 + 1),
    ("string", "", "", ""),
    ("string", "naïve 🦊 語", "naïve 🦊 語", "naïve 🦊 語"),
    ("string", "a\\b'c\"d%e", "a\\b'c\"d%e", "a\\b'c\"d%e"),
    ("string", "null", "null", "null"),
    ("text", "line\r\n\ttwo\u2028", "line\r\n\ttwo\u2028", "line\r\n\ttwo\u2028"),
    ("text", "x" * 20_000, "x" * 20_000, "x" * 20_000),
    ("unicode", "žluťoučký", "žluťoučký", "žluťoučký"),
    ("char", "abc", "abc", "abc"),
    ("boolean", True, True, True),
    ("boolean", "no", False, False),
    ("boolean", 0, False, False),
    ("double", 0.1, 0.1, 0.1),
    ("double", "1e-300", 1e-300, 1e-300),
    ("double", 3, 3.0, 3.0),
    ("double", -1.7976931348623157e308, -1.7976931348623157e308, -1.7976931348623157e308),
    ("money", "12.3", "12.30", decimal.Decimal("12.30")),
    ("money", 12.34, "12.34", decimal.Decimal("12.34")),
    ("money", -7, "-7.00", decimal.Decimal(-7)),
    ("money", "99999999.99", "99999999.99", decimal.Decimal("99999999.99")),
    ("money", "1e2", "100.00", decimal.Decimal(100)),
    ("rough", "12.25", 12.25, 12.25),
    ("date", "2024-02-29", "2024-02-29", dt.date(2024, 2, 29)),
    ("datetime", "2024-05-06T07:08:09", "2024-05-06T07:08:09", dt.datetime(2024, 5, 6, 7, 8, 9)),
    ("datetime", "2024-05-06 07:08", "2024-05-06T07:08:00", dt.datetime(2024, 5, 6, 7, 8)),
    ("datetime", "2024-05-06", "2024-05-06T00:00:00", dt.datetime(2024, 5, 6)),
    ("datetime", "2024-05-06T02:00:00+02:00", "2024-05-06T00:00:00", dt.datetime(2024, 5, 6)),
    ("aware", "2024-05-06T02:00:00+02:00", MIDNIGHT_UTC, None),
    ("aware", "2024-05-06T00:00:00Z", MIDNIGHT_UTC, None),
    ("aware", "2024-05-06T00:00:00", MIDNIGHT_UTC, None),
    ("time", "07:08:09", "07:08:09", dt.time(7, 8, 9)),
    ("time", "07:08", "07:08:00", dt.time(7, 8)),
    ("interval", 90, 90.0, dt.timedelta(seconds=90)),
    ("interval", "3600", 3600.0, dt.timedelta(hours=1)),
    ("colour", "red", "red", Colour.red),
    ("colour", "B", "blue", Colour.blue),
    ("by_value", "blue", "blue", Colour.blue),
    ("size", "m", "m", "m"),
    (
        "uid",
        "12345678123456781234567812345678",
        "12345678-1234-5678-1234-567812345678",
        uuid.UUID("12345678123456781234567812345678"),
    ),
    (
        "uid_text",
        "12345678-1234-5678-1234-567812345678",
        "12345678-1234-5678-1234-567812345678",
        "12345678-1234-5678-1234-567812345678",
    ),
    ("data", {"a": [1, 2.5, None, True, {}]}, {"a": [1, 2.5, None, True, {}]}, {"a": [1, 2.5, None, True, {}]}),
    ("data", [], [], []),
    ("data", "text", "text", "text"),
    ("data", 0, 0, 0),
    ("data", False, False, False),
    ("data", {"ключ": "🦊"}, {"ключ": "🦊"}, {"ключ": "🦊"}),
    ("data", {"big": 2**63 - 1}, {"big": 2**63 - 1}, {"big": 2**63 - 1}),
    ("data", {"huge": 10**30}, {"huge": 10**30}, {"huge": 10**30}),
    ("binary", "AAEC/w==", "AAEC/w==", b"\x00\x01\x02\xff"),
    ("binary", "", "", b""),
    ("reverse", "abc", "abc", "abc"),
]


@pytest.fixture
def app(serve):
    return serve(Base)


def stored(served: Any, column: str) -> Any:
    with served.engine.connect() as connection:
        return connection.execute(sa.select(Sample.__table__.c[column])).scalar_one()


def ident(case: Any) -> str:
    return f"{case[0]}-{str(case[1])[:20]}"


@pytest.mark.contract("rest 5.2, D49, decisions 16")
@pytest.mark.parametrize("column, sent, answered, read", VALUES, ids=map(ident, VALUES))
def test_a_value_goes_there_and_back(app, column, sent, answered, read):
    created = app.post("/api/samples", json={column: sent})
    assert created.status_code == 201, created.get_data(as_text=True)
    assert created.get_json()["value"][column] == answered
    assert type(created.get_json()["value"][column]) is type(answered)
    if read is not None:
        assert stored(app, column) == read
    assert app.patch("/api/samples/1", json={column: None}).get_json()["value"][column] is None
    value = app.patch("/api/samples/1", json={column: sent}).get_json()["value"]
    assert value[column] == answered
    assert app.put("/api/samples/1", json=value).get_json()["value"] == value
    assert app.value("/api/samples/1") == value
    assert app.value("/api/samples") == [value]


@pytest.mark.contract("decisions 16")
@pytest.mark.parametrize(
    "number", ["12345678901234567890.0123456789", "0.0000000001", "-99999999999999999999.9999999999"]
)
def test_decimals_are_exact(app, database_kind, number):
    # SQLite has no exact numbers: SQLAlchemy stores floats there.
    sent = number if database_kind != "sqlite" else "12345.0123456789"
    value = app.post("/api/samples", json={"exact": sent}).get_json()["value"]
    assert value["exact"] == sent
    raw = f'{{"exact": {sent}}}'
    value = app.patch("/api/samples/1", data=raw, content_type="application/json").get_json()["value"]
    assert value["exact"] == sent


@pytest.mark.contract("decisions 16")
def test_decimals_can_be_numbers(serve):
    served = serve(Base, API_DECIMAL_FORMAT="number")
    created = served.post("/api/samples", json={"money": "12.30", "exact": 0.5})
    assert '"money":12.3,' in created.get_data(as_text=True)
    value = created.get_json()["value"]
    assert value["exact"] == 0.5
    assert served.put("/api/samples/1", json=value).get_json()["value"] == value


@pytest.mark.contract("rest 5.2")
def test_large_integers_stay_numbers(app):
    created = app.post("/api/samples", json={"big": 2**63 - 1})
    assert f'"big":{2**63 - 1},' in created.get_data(as_text=True)


@pytest.mark.contract("rest 5.2")
def test_fractions_of_a_second_are_kept_where_the_database_keeps_them(app, database_kind):
    body = {"datetime": "2024-05-06T07:08:09.123456", "time": "07:08:09.5", "interval": 1.5}
    value = app.post("/api/samples", json=body).get_json()["value"]
    if database_kind == "mariadb":
        assert (value["datetime"], value["time"]) == ("2024-05-06T07:08:09", "07:08:09")
    else:
        assert {name: value[name] for name in body} == {**body, "time": "07:08:09.500000"}


INVALID = [
    ("small", 32768, "Must be greater than or equal to -32768 and less than or equal to 32767."),
    ("integer", 2**31, "Must be greater than or equal to -2147483648 and less than or equal to 2147483647."),
    ("integer", True, "Not a valid integer."),
    ("integer", 1.5, "Not a valid integer."),
    ("integer", "1.0", "Not a valid integer."),
    ("integer", "", "Not a valid integer."),
    ("integer", [], "Not a valid integer."),
    ("integer", "٣", "Not a valid integer."),
    (
        "big",
        2**63,
        "Must be greater than or equal to -9223372036854775808 and less than or equal to 9223372036854775807.",
    ),
    ("string", "x" * 13, "Longer than maximum length 12."),
    ("string", 5, "Not a valid string."),
    ("char", "abcd", "Longer than maximum length 3."),
    ("boolean", "maybe", "Not a valid boolean."),
    ("boolean", 2, "Not a valid boolean."),
    ("boolean", [], "Not a valid boolean."),
    ("double", "NaN", "Not a valid number."),
    ("double", "inf", "Not a valid number."),
    ("double", "1e999", "Not a valid number."),
    ("double", True, "Not a valid number."),
    ("money", "1.234", "Must have at most 2 decimal places."),
    ("money", "123456789", "Must have at most 8 digits before the decimal point."),
    ("money", "NaN", "Not a valid number."),
    ("money", "Infinity", "Not a valid number."),
    ("money", "1e9999", "Not a valid number."),
    ("money", {}, "Not a valid number."),
    ("date", "2023-02-29", "Not a valid date."),
    ("date", "20240101", "Not a valid date."),
    ("date", "2024-01-01T00:00:00", "Not a valid date."),
    ("date", 20240101, "Not a valid date."),
    ("datetime", "yesterday", "Not a valid datetime."),
    ("datetime", "2024-05-06T25:00", "Not a valid datetime."),
    ("aware", "0001-01-01T00:00:00+14:00", "Not a valid datetime."),
    ("time", "24:00", "Not a valid time."),
    ("time", "7", "Not a valid time."),
    ("interval", "1 day", "Not a valid number."),
    ("interval", 1e300, "Not a valid number."),
    ("colour", "green", "Invalid enum value. Expected one of: ['red', 'blue']."),
    ("colour", 1, "Invalid enum value. Expected one of: ['red', 'blue']."),
    ("size", "l", "Invalid enum value. Expected one of: ['s', 'm']."),
    ("size", None, None),
    ("uid", "1234", "Not a valid UUID."),
    ("uid", 5, "Not a valid UUID."),
    ("binary", "no base64!", "Not valid base64."),
    ("binary", "YQ", "Not valid base64."),
    ("reverse", "x" * 21, "Longer than maximum length 20."),
]


@pytest.mark.contract("rest 5.2")
@pytest.mark.parametrize("column, sent, message", [case for case in INVALID if case[2]], ids=str)
def test_a_wrong_value_is_refused(app, column, sent, message):
    errors = error_of(app.post("/api/samples", json={column: sent}), 400, "validation_failed")
    assert errors["fields"] == {column: [message]}
    assert app.scalar("SELECT count(*) FROM samples") == 0


@pytest.mark.contract("rest 5.2")
@pytest.mark.parametrize("value", [-(10**9), 10**12, 10**14])
def test_an_interval_that_the_database_cannot_hold_is_no_failure_of_ours(app, value):
    response = app.post("/api/samples", json={"interval": value})
    assert response.status_code in (201, 400, 422), response.get_data(as_text=True)


# --- PostgreSQL -------------------------------------------------------------------------------------------------------


class PostgresBase(DeclarativeBase):
    pass


class Array(PostgresBase):
    __tablename__ = "arrays"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    numbers: Mapped[Any] = mapped_column(sa.ARRAY(sa.Integer), nullable=True)
    words: Mapped[Any] = mapped_column(postgresql.ARRAY(sa.String(5)), nullable=True)
    prices: Mapped[Any] = mapped_column(postgresql.ARRAY(sa.Numeric(6, 2)), server_default="{}")
    days: Mapped[Any] = mapped_column(postgresql.ARRAY(sa.Date), nullable=True)
    uids: Mapped[Any] = mapped_column(postgresql.ARRAY(sa.Uuid), nullable=True)
    document: Mapped[Any] = mapped_column(postgresql.JSONB, nullable=True)
    address: Mapped[Any] = mapped_column(postgresql.INET, nullable=True)


@pytest.fixture
def arrays(serve, database_kind):
    if database_kind != "postgresql":
        pytest.skip("Only PostgreSQL has arrays.")
    return serve(PostgresBase)


@pytest.mark.contract("rest 5.2")
def test_arrays_go_there_and_back(arrays):
    body = {
        "numbers": [1, None, 3],
        "words": ["a", "b,{}"],
        "prices": ["1.50", "2.00"],
        "days": ["2024-02-29"],
        "uids": ["12345678-1234-5678-1234-567812345678"],
        "document": {"n": 2**63, "t": "🦊"},
        "address": "10.0.0.1",
    }
    created = arrays.post("/api/arrays", json=body)
    assert created.status_code == 201, created.get_data(as_text=True)
    value = created.get_json()["value"]
    assert value == {"id": 1, **body}
    assert arrays.put("/api/arrays/1", json=value).get_json()["value"] == value
    emptied = arrays.put("/api/arrays/1", json={"numbers": []}).get_json()["value"]
    assert (emptied["numbers"], emptied["prices"], emptied["words"]) == ([], [], None)


@pytest.mark.contract("rest 5.2")
def test_wrong_arrays_are_refused(arrays):
    body = {"numbers": [1, "x", 2**31], "words": "ab", "days": {"a": 1}}
    errors = error_of(arrays.post("/api/arrays", json=body), 400, "validation_failed")
    assert set(errors["fields"]) == {"numbers", "words", "days"}
    assert set(errors["fields"]["numbers"]) == {"1", "2"}
    error_of(arrays.post("/api/arrays", json={"words": ["sixsix"]}), 400, "validation_failed")
    error_of(arrays.post("/api/arrays", json={"address": "nowhere"}), 422, "value_out_of_range")


def test_put_without_a_json_column_stores_no_value(serve):
    class Base(DeclarativeBase):
        pass

    class Sheet(Base):
        __tablename__ = "sheets"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20))
        data: Mapped[Any] = mapped_column(sa.JSON, nullable=True)

    served = serve(Base)
    served.post("/api/sheets", json={"name": "a", "data": {"x": 1}})
    assert served.put("/api/sheets/1", json={"name": "b"}).status_code == 200
    assert served.scalar("SELECT count(*) FROM sheets WHERE data IS NULL") == 1
