"""The compiled dump and the marshmallow schema of a resource give the same JSON."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import json
import uuid

import orjson
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flarchitect_core.http.responses import encode_json
from flarchitect_core.model.dumping import ItemLink, KeyPart, RelationLink, Value, compile_dump
from flarchitect_core.model.schemas import schema_of
from flarchitect_core.query.plans import plan_of
from flarchitect_core.query.view import View
from flarchitect_core.state import state_of
from flarchitect_core.testing import make_app

pytestmark = pytest.mark.contract("rest 5.2")


class Base(DeclarativeBase):
    pass


class Colour(enum.Enum):
    red = "r"
    green = 2


class Point:
    """A value no field is known for."""

    def __init__(self, x: int) -> None:
        self.x = x

    def __str__(self) -> str:
        return f"({self.x})"


class Words(sa.TypeDecorator[list[str]]):
    """A list kept as text."""

    impl = sa.Text
    cache_ok = True


class Cents(sa.TypeDecorator[decimal.Decimal]):
    """An amount kept as an integer."""

    impl = sa.Integer
    cache_ok = True


class PointType(sa.types.UserDefinedType[Point]):
    cache_ok = True

    def get_col_spec(self, **_: object) -> str:
        return "POINT"


INTEGERS = st.integers(-(2**31), 2**31 - 1)
# As JSON columns may hold them: text without half pairs, and numbers that every parser reads alike.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12)
MOMENTS = st.datetimes()
INSTANTS = st.datetimes(timezones=st.just(dt.timezone.utc) | st.just(dt.timezone(dt.timedelta(hours=5, minutes=45))))

# Attribute to its type and the values that instances may hold.
COLUMNS: dict[str, tuple[object, st.SearchStrategy[object]]] = {
    "whole": (sa.Integer(), INTEGERS),
    "small": (sa.SmallInteger(), st.integers(-(2**15), 2**15 - 1)),
    "big": (sa.BigInteger(), st.integers(-(2**63), 2**63 - 1)),
    "unsigned": (mysql.BIGINT(unsigned=True), st.integers(0, 2**64 - 1)),
    "ratio": (sa.Float(), st.floats(allow_nan=False, allow_infinity=False)),
    "double": (sa.Double(), st.floats(allow_nan=False, allow_infinity=False)),
    "exact_float": (sa.Float(asdecimal=True), DECIMALS),
    "price": (sa.Numeric(14, 3), st.decimals(places=3, allow_nan=False, allow_infinity=False, min_value=-999)),
    "amount": (sa.Numeric(), DECIMALS),
    "plain_numeric": (sa.Numeric(10, 2, asdecimal=False), st.floats(allow_nan=False, allow_infinity=False)),
    "active": (sa.Boolean(), st.booleans()),
    "day": (sa.Date(), st.dates()),
    "moment": (sa.DateTime(), MOMENTS),
    "instant": (sa.DateTime(timezone=True), INSTANTS | MOMENTS),
    "clock": (sa.Time(), st.times()),
    "span": (sa.Interval(), st.timedeltas()),
    "pg_span": (postgresql.INTERVAL(), st.timedeltas()),
    "code": (sa.Uuid(), st.uuids()),
    "text_code": (sa.Uuid(as_uuid=False), st.uuids().map(str)),
    "colour": (sa.Enum(Colour), st.sampled_from(Colour)),
    "size": (sa.Enum("small", "large", name="size"), st.sampled_from(["small", "large"])),
    "name": (sa.String(20), TEXT),
    "notes": (sa.Text(), TEXT),
    "label": (sa.Unicode(20), TEXT),
    "flag": (sa.CHAR(1), TEXT),
    "extra": (sa.JSON(), JSON),
    "document": (postgresql.JSONB(), JSON),
    "blob": (sa.LargeBinary(), st.binary(max_size=40) | st.binary(max_size=9).map(memoryview)),
    "numbers": (postgresql.ARRAY(sa.Integer), st.lists(st.none() | INTEGERS, max_size=4)),
    "codes": (postgresql.ARRAY(sa.Uuid), st.lists(st.none() | st.uuids(), max_size=4)),
    "prices": (postgresql.ARRAY(sa.Numeric(8, 2)), st.lists(st.none() | st.decimals(-99, 99, places=2), max_size=4)),
    "spans": (postgresql.ARRAY(sa.Interval), st.lists(st.none() | st.timedeltas(), max_size=4)),
    "grid": (postgresql.ARRAY(sa.Date, dimensions=2), st.lists(st.lists(st.dates(), max_size=2), max_size=2)),
    "words": (Words(), st.lists(TEXT, max_size=3) | st.frozensets(TEXT, max_size=1)),
    "cents": (Cents(), st.decimals(-99, 99, places=2)),
    "point": (PointType(), st.builds(Point, INTEGERS)),
    "_note": (sa.Text(), TEXT),
}


class Everything(Base):
    """A column of every type, and hybrid properties of the types that annotations name."""

    __tablename__ = "everything"

    class Meta:
        ignore_underscore_attributes = False

    id: Mapped[int] = mapped_column(primary_key=True)

    @hybrid_property
    def double_whole(self) -> int | None:
        return None if self.whole is None else self.whole * 2

    @hybrid_property
    def exact(self) -> decimal.Decimal | None:
        return self.amount

    @hybrid_property
    def age(self) -> dt.timedelta | None:
        return self.span

    @hybrid_property
    def anything(self):
        return self.colour

    @hybrid_property
    def same_code(self) -> uuid.UUID | None:
        return self.code


for _name, (_type, _) in COLUMNS.items():
    setattr(Everything, _name, mapped_column(_name, _type, nullable=True))


@pytest.fixture(scope="module", params=["string", "number"])
def resource(request):
    app = make_app(Base, "sqlite://", parts=[], API_DECIMAL_FORMAT=request.param)
    return state_of(app).registry.get(Everything)


def dumped_by_plan(resource, instance, **view):
    plan = plan_of(resource, View(relations=False, **view))
    row = tuple(getattr(instance, name) for name in plan.positions)
    return plan.dump([row], "", [])[0]


def as_json(value):
    return orjson.loads(encode_json(value))


@settings(max_examples=300, deadline=None)
@given(values=st.fixed_dictionaries({name: st.none() | values for name, (_, values) in COLUMNS.items()}))
def test_the_compiled_dump_equals_the_dump_of_the_schema(resource, values):
    # Setting attributes one by one, because the constructor is not what is tested.
    instance = Everything(id=1)
    for name, value in values.items():
        setattr(instance, name, value)
    record = dumped_by_plan(resource, instance)
    expected = schema_of(resource, "GET").dump(instance)
    assert as_json(record) == as_json(expected)
    assert list(record) == list(resource.fields)


@settings(max_examples=50, deadline=None)
@given(names=st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, unique=True), data=st.data())
def test_chosen_fields_are_dumped_alike_in_the_order_of_the_model(resource, names, data):
    instance = Everything(id=1)
    for name in names:
        setattr(instance, name, data.draw(COLUMNS[name][1]))
    record = dumped_by_plan(resource, instance, fields=tuple(names))
    assert list(record) == [name for name in resource.fields if name in names]
    full = as_json(schema_of(resource, "GET").dump(instance))
    assert as_json(record) == {name: full[name] for name in record}


def test_every_type_of_the_table_is_among_the_columns(resource):
    assert {field.attribute for field in resource.fields.values()} >= COLUMNS.keys()


@pytest.mark.parametrize(
    "name, value, expected",
    [
        ("price", decimal.Decimal("12.3"), "12.300"),
        ("amount", decimal.Decimal("1E+3"), "1000"),
        ("moment", dt.datetime(2024, 5, 6, 7, 8, 9), "2024-05-06T07:08:09"),
        ("moment", dt.datetime(2024, 5, 6, 7, 8, 9, 123456), "2024-05-06T07:08:09.123456"),
        ("instant", dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.timezone.utc), "2024-05-06T07:08:09+00:00"),
        ("day", dt.date(2024, 5, 6), "2024-05-06"),
        ("clock", dt.time(7, 8, 9), "07:08:09"),
        ("span", dt.timedelta(minutes=1, milliseconds=500), 60.5),
        ("code", uuid.UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ("colour", Colour.green, "green"),
        ("size", "small", "small"),
        ("blob", b"\x00\xff", "AP8="),
        ("big", 2**63 - 1, 2**63 - 1),
        ("unsigned", 2**64 - 1, 2**64 - 1),
        ("active", False, False),
        ("numbers", [1, None], [1, None]),
        ("extra", {"a": [2**70]}, {"a": [2**70]}),
        ("words", ["a"], ["a"]),
        ("point", Point(3), "(3)"),
        ("anything", Colour.red, "red"),
    ],
)
def test_a_value_has_the_json_form_of_its_type(name, value, expected):
    resource = state_of(make_app(Base, "sqlite://", parts=[])).registry.get(Everything)
    instance = Everything(id=1)
    setattr(instance, "colour" if name == "anything" else name, value)
    assert json.loads(encode_json(dumped_by_plan(resource, instance)))[name] == expected


def test_names_that_look_like_code_are_only_names():
    resource = state_of(make_app(Base, "sqlite://", parts=[])).registry.get(Everything)
    codec = resource.fields["whole"].codec
    nasty = "'}]; raise SystemExit #\n\\{c0}"
    dump = compile_dump({nasty: Value(0, codec), "link": ItemLink(nasty, (KeyPart(0, codec),))}, 1)
    assert dump([(5,)], "", []) == [{nasty: 5, "link": f"{nasty}/5"}]


def test_links_carry_the_root_and_the_quoted_key():
    resource = state_of(make_app(Base, "sqlite://", parts=[])).registry.get(Everything)
    whole, name = (KeyPart(position, resource.fields[field].codec) for position, field in enumerate(("whole", "name")))
    dump = compile_dump(
        {"one": ItemLink("/api/x", (whole, name)), "many": RelationLink("/api/x", (whole,), "parts")}, 2
    )
    assert dump([(1, "a/b c"), (2, None)], "/shop", []) == [
        {"one": "/shop/api/x/1/a~1b%20c", "many": "/shop/api/x/1/parts"},
        {"one": None, "many": "/shop/api/x/2/parts"},
    ]
