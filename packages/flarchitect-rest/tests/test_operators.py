"""Operators beyond comparison, groups within groups, and the whole grammar against a Python evaluation of the rows."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.testing import count_statements, error_of


class Base(DeclarativeBase):
    pass


class Colour(enum.Enum):
    RED = "r"
    BLUE = "b"


class Box(Base):
    __tablename__ = "boxes"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str] = mapped_column(sa.String(40))


class Item(Base):
    __tablename__ = "items"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(sa.String(40))
    count: Mapped[int | None]
    price: Mapped[decimal.Decimal | None] = mapped_column(sa.Numeric(8, 2))
    day: Mapped[dt.date | None]
    active: Mapped[bool | None]
    colour: Mapped[Colour | None]
    extra: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    box_id: Mapped[int | None] = mapped_column(sa.ForeignKey("boxes.id"))
    box: Mapped[Box | None] = relationship()


BOXES = [{"id": 1, "label": "Alpha"}, {"id": 2, "label": "50%_off"}]
ROWS: list[dict[str, Any]] = [
    {"name": "Apple", "count": 1, "price": "1.50", "day": "2020-01-01", "active": True, "colour": "RED", "box_id": 1},
    {"name": "apple pie", "count": 2, "price": None, "day": "2021-06-30", "active": False, "colour": None, "box_id": 1},
    {"name": "50%_off", "count": None, "price": "9.99", "day": None, "active": None, "colour": "BLUE", "box_id": 2},
    {"name": "500 off", "count": 10, "price": "20.00", "day": "2020-12-31", "active": True, "colour": "RED"},
    {"name": None, "count": -3, "price": "0.00", "day": "2019-05-05", "active": False, "colour": "BLUE"},
    {"name": "a/b", "count": 2, "price": "1.50", "day": "2020-01-01", "active": None, "colour": None, "box_id": 2},
]


def _typed(row: dict[str, Any], key: int) -> dict[str, Any]:
    return {
        "id": key,
        "box_id": None,
        **row,
        "price": row["price"] and decimal.Decimal(row["price"]),
        "day": row["day"] and dt.date.fromisoformat(row["day"]),
        "colour": row["colour"] and Colour[row["colour"]],
    }


ITEMS = [_typed(row, key) for key, row in enumerate(ROWS, 1)]


@pytest.fixture
def shop(serve):
    served = serve(Base)
    served.execute(sa.insert(Box), BOXES)
    served.execute(sa.insert(Item), ITEMS)
    return served


@pytest.mark.contract("bar F18, bar F21")
@pytest.mark.parametrize(
    "query, expected",
    [
        ("name__isnull=true", [5]),
        ("name__isnull", [5]),
        ("name__is_null=false", [1, 2, 3, 4, 6]),
        ("colour__isnull=1", [2, 6]),
        ("active__isnull=yes", [3, 6]),
        ("count__between=1,2", [1, 2, 6]),
        ("count__between=(-3, 1)", [1, 5]),
        ("count__between=5,1", []),
        ("price__between=1.5,9.99", [1, 3, 6]),
        ("day__between=2020-01-01,2020-12-31", [1, 4, 6]),
        ("name__between=50,5a", [3, 4]),
        ("name__startswith=50", [3, 4]),
        ("name__startswith=50%25", [3]),
        ("name__startswith=%25", []),
        ("name__endswith=off", [3, 4]),
        ("name__endswith=_off", [3]),
        ("name__contains=%25_", [3]),
        ("name__contains=/", [6]),
        ("name__contains=", [1, 2, 3, 4, 6]),
        ("name__icontains=APPLE", [1, 2]),
        ("name__istartswith=APPLE", [1, 2]),
        ("name__iendswith=PLE", [1]),
        ("box.label__startswith=50%25_", [3, 6]),
    ],
)
def test_operators_find_what_they_say(shop, query, expected):
    assert shop.ids(f"/api/items?{query}") == expected


@pytest.mark.contract("bar F18")
@pytest.mark.parametrize(
    "query, reason, message",
    [
        ("count__between=1", "invalid_value", "between takes two values"),
        ("count__between=1,2,3", "invalid_value", "between takes two values"),
        ("count__between=", "invalid_value", "between takes two values"),
        ("count__between=1,x", "invalid_value", "Invalid value for count: x."),
        ("count__isnull=maybe", "invalid_boolean", "Invalid boolean value: maybe."),
        ("count__startswith=1", "invalid_operator", "The column 'count' takes eq, ne"),
        ("day__contains=2020", "invalid_operator", "The column 'day' takes eq, ne"),
        ("active__between=0,1", "invalid_operator", "The column 'active' takes eq, ne"),
        ("colour__between=RED,BLUE", "invalid_operator", "The column 'colour' takes eq, ne"),
        ("colour__startswith=R", "invalid_operator", "The column 'colour' takes eq, ne"),
        ("extra__isnull=true", "not_filterable", "cannot be filtered"),
        ("name__startswith=" + "x" * 10_001, "invalid_value", "It must not be longer than 10000 characters."),
        ("name__startswith=a%00", "invalid_value", "NUL"),
    ],
)
def test_an_operator_takes_only_values_and_columns_that_fit(shop, query, reason, message):
    assert message in error_of(shop.get(f"/api/items?{query}"), 400, reason)["message"]


@pytest.mark.contract("bar F19, rest D28, rest D29")
@pytest.mark.parametrize(
    "query, expected",
    [
        ("not[count__eq=2]", [1, 4, 5]),
        ("not[name__ilike=apple]", [3, 4, 6]),
        ("not[count__eq=2,active__eq=false]", [1, 4, 5]),
        ("not[count__isnull=false]", [3]),
        ("not[not[count__eq=2]]", [2, 6]),
        ("or[count__eq=1,not[price__isnull=false]]", [1, 2]),
        ("or[and[count__eq=2,price__eq=1.5],id__eq=4]", [4, 6]),
        ("or[ and[ count__eq=2 , price__eq=1.5 ] , id__eq=4 ]", [4, 6]),
        ("and[or[id__eq=1,id__eq=2],or[id__eq=2,id__eq=3]]", [2]),
        ("or[id__in=(1,2),not[or[id__lt=5,id__in=(5,7)]]]", [1, 2, 6]),
        ("or[id__between=(1,2),id__eq=6]", [1, 2, 6]),
        ("or[id__lt=3]&not[id__eq=1]&id__gt=0&id__gt=1", [2]),
        ("not[id__gt=1,id__lt=6]&not[id__eq=6]", [1]),
        ("or[name__eq=a/b,name__eq=x]]", [6]),
        ("count__ne=2", [1, 4, 5]),
        ("count__nin=(2,1)", [4, 5]),
    ],
)
def test_groups_hold_groups(shop, query, expected):
    assert shop.ids(f"/api/items?{query}") == expected


@pytest.mark.contract("rest D28")
@pytest.mark.parametrize("depth, status", [(5, 200), (6, 400), (200, 400)])
def test_groups_are_nested_to_a_limit(shop, depth, status):
    response = shop.get(f"/api/items?{'not[' * depth}id__eq=1{']' * depth}")
    assert response.status_code == status
    if status == 400:
        assert "more than 5 deep" in error_of(response, 400, "groups_too_deep")["message"]


@pytest.mark.contract("rest D28")
@pytest.mark.parametrize(
    "query", ["not[]", "not[", "and[id__eq=1", "or[not[id__eq=1]", "not[id]", "or[id__eq=1,not[]]", "not[id__eq=1]]x"]
)
def test_a_malformed_group_is_refused(shop, query):
    error_of(shop.get(f"/api/items?{query}"), 400, "malformed_group")


def test_conditions_in_groups_count(serve):
    served = serve(Base, API_FILTER_CONDITIONS_MAX=3)
    assert served.get("/api/items?or[id__eq=1,not[id__eq=2]]&id__gt=0").status_code == 200
    error_of(served.get("/api/items?or[id__eq=1,not[id__eq=2,id__eq=3]]&id__gt=0"), 400, "too_many_conditions")


def test_queries_of_one_shape_are_one_statement(shop):
    texts = []
    for pair, text in ("1,2", "3"), ("4,4", "x"):
        with count_statements(shop.engine) as log:
            shop.value(f"/api/items?or[count__between=({pair}),not[name__startswith={text}]]")
        texts.append(log.statements[0])
    assert texts[0] == texts[1]


# --- the grammar against Python ---------------------------------------------------------------------------------------
#
# Evaluation gives True, False, or None for unknown, as SQL has it: a comparison with NULL is unknown, NOT of unknown is
# unknown, and only rows for which a filter is True are found.

TEXTS = ["apple", "Apple", "50", "%", "_", "off", "/", "a/b", "zz"]
NUMBERS = [-3, 0, 1, 2, 10]
ORDERING = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "neq": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}
MATCHING = {
    "icontains": lambda a, b: b.lower() in a.lower(),
    "ilike": lambda a, b: b.lower() in a.lower(),
    "istartswith": lambda a, b: a.lower().startswith(b.lower()),
    "iendswith": lambda a, b: a.lower().endswith(b.lower()),
}


def _leaf(text: str, test: Any) -> tuple[str, Any]:
    return text, test


def _of_column(column: str, compare: Any) -> Any:
    return lambda row: None if row[column] is None else compare(row[column])


def _of_box(compare: Any) -> Any:
    labels = {box["id"]: box["label"] for box in BOXES}
    return lambda row: row["box_id"] is not None and compare(labels[row["box_id"]])


@st.composite
def conditions(draw: Any) -> tuple[str, Any]:
    kind = draw(st.sampled_from(["number", "text", "null", "list", "between", "box"]))
    number, other = draw(st.sampled_from(NUMBERS)), draw(st.sampled_from(NUMBERS))
    if kind == "number":
        name, compare = draw(st.sampled_from(sorted(ORDERING.items())))
        return _leaf(f"count__{name}={number}", _of_column("count", lambda value: compare(value, number)))
    if kind == "list":
        name = draw(st.sampled_from(["in", "nin"]))
        found = _of_column("count", lambda value: (value in (number, other)) == (name == "in"))
        return _leaf(f"count__{name}=({number},{other})", found)
    if kind == "between":
        text = f"count__between=({number},{other})"
        return _leaf(text, _of_column("count", lambda value: number <= value <= other))
    if kind == "null":
        column = draw(st.sampled_from(["name", "count", "price", "day", "active", "colour", "box_id"]))
        wanted = draw(st.booleans())
        return _leaf(f"{column}__isnull={str(wanted).lower()}", lambda row: (row[column] is None) == wanted)
    text = draw(st.sampled_from(TEXTS))
    name, compare = draw(st.sampled_from(sorted(MATCHING.items())))
    if kind == "box":
        return _leaf(f"box.label__{name}={text}", _of_box(lambda value: compare(value, text)))
    return _leaf(f"name__{name}={text}", _of_column("name", lambda value: compare(value, text)))


def _all(results: list[bool | None]) -> bool | None:
    return False if False in results else None if None in results else True


def _any(results: list[bool | None]) -> bool | None:
    return True if True in results else None if None in results else False


def _not(result: bool | None) -> bool | None:
    return None if result is None else not result


@st.composite
def groups(draw: Any, members: Any) -> tuple[str, Any]:
    parts = draw(st.lists(members, min_size=1, max_size=3))
    kind = draw(st.sampled_from(["or", "and", "not"]))
    text = f"{kind}[{','.join(part[0] for part in parts)}]"
    tests = [part[1] for part in parts]
    if kind == "or":
        return text, lambda row: _any([test(row) for test in tests])
    if kind == "and":
        return text, lambda row: _all([test(row) for test in tests])
    return text, lambda row: _not(_all([test(row) for test in tests]))


filters = st.lists(st.recursive(conditions(), groups, max_leaves=8), min_size=1, max_size=4)


@pytest.mark.contract("bar F19, rest 3.2")
@settings(deadline=None, max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(filters)
def test_the_database_finds_what_python_finds(shop, parts):
    response = shop.get("/api/items?" + "&".join(text.replace("%", "%25") for text, _ in parts))
    if response.status_code != 200:
        error_of(response, 400, "groups_too_deep")
        return
    expected = [row["id"] for row in ITEMS if all(test(row) is True for _, test in parts)]
    assert [record["id"] for record in response.get_json()["value"]] == expected
