"""Primary keys of every kind: the whole life of a row, by the URL that its own answer names."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, mapped_column

from flarchitect_core.testing import error_of

pytestmark = pytest.mark.contract("rest 2.3, 5.3, 13 group 1")


class Colour(enum.Enum):
    RED = "r"
    GREEN = "g"


def thing(**members: Any) -> Any:
    """Make a base with one model, `Thing`, that has the given key columns and two plain columns."""
    base: Any = type("Base", (DeclarativeBase,), {})
    members.setdefault("Meta", type("Meta", (), {}))
    body = {
        "__tablename__": "things",
        **members,
        "label": mapped_column(sa.String(80), nullable=False),
        "note": mapped_column(sa.String(80), default="none"),
    }
    base.model = type("Thing", (base,), body)  # nothing else keeps the class alive
    return base


def chosen(type_: Any, *name: str) -> Any:
    return mapped_column(*name, type_, primary_key=True, autoincrement=False)


INT, BIG, TEXT = thing(id=chosen(sa.Integer)), thing(id=chosen(sa.BigInteger)), thing(id=chosen(sa.String(80)))
UUID, UUID_TEXT = thing(id=chosen(sa.Uuid())), thing(id=chosen(sa.Uuid(as_uuid=False)))
RENAMED = thing(id=chosen(sa.Integer, "thing_number"))
CODE, BOTH = thing(code=chosen(sa.String(20))), thing(code=chosen(sa.String(20), "thing_code"))
DATE, MOMENT = thing(day=chosen(sa.Date)), thing(moment=chosen(sa.DateTime))
ENUM, CHOICE = thing(colour=chosen(sa.Enum(Colour))), thing(size=chosen(sa.Enum("s/m", "l", name="size")))
DECIMAL = thing(price=chosen(sa.Numeric(10, 2)))
BINARY = thing(digest=chosen(sa.LargeBinary(16).with_variant(mysql.VARBINARY(16), "mysql", "mariadb")))
PAIR = thing(user_id=chosen(sa.Integer), group_id=chosen(sa.Integer, "group_number"))
TRIPLE = thing(shop=chosen(sa.String(20)), number=chosen(sa.Integer), day=chosen(sa.Date))
UUID_PAIR = thing(left=chosen(sa.Uuid()), colour=chosen(sa.Enum(Colour)))

ID = "0190c0de-0000-7000-8000-00000000abcd"

# Base, key as JSON, and the same key as the path of the item.
KINDS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "int": (INT, {"id": 7}, "7"),
    "int zero": (INT, {"id": 0}, "0"),
    "int negative": (INT, {"id": -5}, "-5"),
    "bigint": (BIG, {"id": 2**63 - 1}, str(2**63 - 1)),
    "bigint negative": (BIG, {"id": -(2**63)}, str(-(2**63))),
    "string": (TEXT, {"id": "abc"}, "abc"),
    "uuid": (UUID, {"id": ID}, ID),
    "uuid as text": (UUID_TEXT, {"id": ID}, ID),
    "renamed column": (RENAMED, {"id": 0}, "0"),
    "not named id": (CODE, {"code": "x-1"}, "x-1"),
    "not named id and renamed": (BOTH, {"code": "x/1"}, "x~11"),
    "date": (DATE, {"day": "2024-02-29"}, "2024-02-29"),
    "datetime": (MOMENT, {"moment": "2024-02-29T07:08:09"}, "2024-02-29T07%3A08%3A09"),
    "enum": (ENUM, {"colour": "RED"}, "RED"),
    "enum of strings": (CHOICE, {"size": "s/m"}, "s~1m"),
    "decimal": (DECIMAL, {"price": "1.50"}, "1.50"),
    "decimal negative": (DECIMAL, {"price": "-0.05"}, "-0.05"),
    "binary": (BINARY, {"digest": "+/8A"}, "%2B~18A"),
    "two columns": (PAIR, {"user_id": 0, "group_id": -1}, "0/-1"),
    "three columns": (TRIPLE, {"shop": "a/b", "number": 0, "day": "2024-01-01"}, "a~1b/0/2024-01-01"),
    "uuid and enum": (UUID_PAIR, {"left": ID, "colour": "GREEN"}, f"{ID}/GREEN"),
}

TEXTS = [
    "a/b",
    "/",
    "//",
    "~",
    "~0",
    "~1",
    "a~b",
    ".",
    "..",
    "...",
    "~.",
    "a.b",
    "é ü",
    "日本",
    "😀",
    "100%",
    "%2F",
    "%",
]
TEXTS += [" ", "a b", "a+b", "a?b#c", "a&b=c", "a;b", '"quoted"', "<a>", "0", "null", "a\\b", "-", "a\tb", ""]


@pytest.fixture(params=KINDS.values(), ids=list(KINDS))
def kind(request):
    return request.param


def check_life(served: Any, key: dict[str, Any], path: str) -> None:
    """Create, read, list, change, replace and delete one row."""
    url = f"/api/things/{path}"
    created = served.post("/api/things", json={**key, "label": "one", "note": "kept"})
    assert created.status_code == 201, created.get_data(as_text=True)
    assert created.headers["Location"] == url
    assert created.get_json()["value"] == {**key, "label": "one", "note": "kept"}
    assert served.value(url) == {**key, "label": "one", "note": "kept"}
    assert served.value("/api/things") == [{**key, "label": "one", "note": "kept"}]
    assert served.patch(url, json={"label": "two"}).get_json()["value"] == {**key, "label": "two", "note": "kept"}
    replaced = served.put(url, json={"label": "three"})
    assert (replaced.status_code, replaced.get_json()["value"]) == (200, {**key, "label": "three", "note": "none"})
    assert served.delete(url).get_json()["value"] is None
    for answer in (served.get(url), served.delete(url), served.patch(url, json={"label": "four"})):
        error_of(answer, 404, "row_not_found")
    assert served.value("/api/things") == []


@pytest.mark.contract("rest 12, D04, D05, D06, D07")
def test_a_row_lives_by_its_key(serve, sessions, kind):
    base, key, path = kind
    check_life(serve(base, sessions=sessions), key, path)


@pytest.mark.parametrize("text", TEXTS)
def test_a_row_lives_by_any_text(serve, text):
    base = thing(id=chosen(sa.String(80)))
    escaped = text.replace("~", "~0").replace("/", "~1")
    path = f"~{escaped}" if not escaped.strip(".") else escaped
    check_life(serve(base), {"id": text}, quote(path, safe="~"))


@pytest.mark.parametrize("text", ["", "..", "a/b", "~"])
def test_a_text_may_stand_in_a_composite_key(serve, text):
    served = serve(thing(shop=chosen(sa.String(20)), code=chosen(sa.String(20))))
    location = served.post("/api/things", json={"shop": text, "code": text, "label": "one"}).headers["Location"]
    assert served.value(location) == {"shop": text, "code": text, "label": "one", "note": "none"}


def test_put_creates_a_row_under_a_key_that_the_client_chooses(serve, sessions, kind):
    base, key, path = kind
    served = serve(base, sessions=sessions)
    url = f"/api/things/{path}"
    created = served.put(url, json={"label": "one"})
    assert (created.status_code, created.headers.get("Location")) == (201, url), created.get_data(as_text=True)
    assert created.get_json()["value"] == {**key, "label": "one", "note": "none"}
    again = served.put(url, json={**key, "label": "two"})
    assert (again.status_code, again.get_json()["value"]["label"]) == (200, "two")
    assert "Location" not in again.headers
    assert served.value("/api/things") == [{**key, "label": "two", "note": "none"}]


def test_the_key_in_a_body_may_repeat_the_key_of_the_url(serve, kind):
    base, key, path = kind
    served = serve(base)
    url = f"/api/things/{path}"
    served.post("/api/things", json={**key, "label": "one"})
    for method in ("patch", "put"):
        answer = getattr(served, method)(url, json={**key, "label": method})
        assert (answer.status_code, answer.get_json()["value"]["label"]) == (200, method)


@pytest.mark.parametrize("method", ["patch", "put"])
@pytest.mark.parametrize(
    "name, other",
    [
        ("int", {"id": 8}),
        ("int zero", {"id": None}),
        ("bigint", {"id": 1}),
        ("string", {"id": "ABC"}),
        ("uuid", {"id": str(uuid.UUID(int=1))}),
        ("uuid as text", {"id": str(uuid.UUID(int=1))}),
        ("renamed column", {"id": 1}),
        ("date", {"day": "2024-03-01"}),
        ("enum", {"colour": "GREEN"}),
        ("decimal", {"price": "1.51"}),
        ("two columns", {"group_id": 9}),
        ("three columns", {"shop": "a/b", "number": 1}),
        ("int", {"id": "no number"}),
        ("int", {"id": {"a": 1}}),
    ],
)
def test_a_body_with_another_key_is_refused_and_changes_nothing(serve, method, name, other):
    base, key, path = KINDS[name]
    served = serve(base)
    served.post("/api/things", json={**key, "label": "one"})
    answer = getattr(served, method)(f"/api/things/{path}", json={**other, "label": "two"})
    errors = error_of(answer, 400)
    assert set(errors["fields"]) <= set(other)
    assert served.value("/api/things") == [{**key, "label": "one", "note": "none"}]


@pytest.mark.parametrize(
    "name, path",
    [
        ("int", "99"),
        ("int", str(2**31)),
        ("int", "9" * 60),
        ("bigint", str(2**63)),
        ("string", "ab"),
        ("string", "x" * 300),
        ("string", "a%00b"),
        ("uuid", str(uuid.UUID(int=1))),
        ("date", "2024-02-30"),
        ("date", "yesterday"),
        ("datetime", "2024-02-29"),
        ("enum", "BLUE"),
        ("enum of strings", "xl"),
        ("decimal", "1.505"),
        ("decimal", "cheap"),
        ("binary", "no base64!"),
        ("two columns", "0/7"),
        ("three columns", "a~1b/0/never"),
    ],
)
def test_a_key_that_no_row_has_is_not_found_by_any_method(serve, name, path):
    base, key, _ = KINDS[name]
    served = serve(base)
    served.post("/api/things", json={**key, "label": "one"})
    url = f"/api/things/{path}"
    for answer in (served.get(url), served.patch(url, json={"label": "x"}), served.delete(url)):
        error_of(answer, 404, "row_not_found")
    assert served.value("/api/things") == [{**key, "label": "one", "note": "none"}]


@pytest.mark.parametrize("path", ["abc", "1.0", "--1", "%C2%B2"])
def test_a_path_that_cannot_be_a_number_is_no_route(serve, path):
    error_of(serve(INT).get(f"/api/things/{path}"), 404, "unknown_path")


def test_a_number_out_of_range_is_never_stored_by_put(serve):
    served = serve(INT)
    errors = error_of(served.put(f"/api/things/{2**31}", json={"label": "one"}), 400, "validation_failed")
    assert list(errors["fields"]) == ["id"]
    assert served.value("/api/things") == []


@pytest.mark.parametrize("spelling", [ID.upper(), "{" + ID + "}", f"urn:uuid:{ID}", ID.replace("-", "")])
@pytest.mark.parametrize("base", [UUID, UUID_TEXT])
def test_a_uuid_is_one_key_however_the_body_writes_it(serve, base, spelling):
    served = serve(base)
    created = served.post("/api/things", json={"id": spelling, "label": "one"})
    assert created.headers["Location"] == f"/api/things/{ID}"
    assert served.patch(f"/api/things/{ID}", json={"id": spelling, "label": "two"}).status_code == 200
    assert served.value(f"/api/things/{ID.upper()}")["label"] == "two"


def test_a_decimal_is_one_key_however_the_url_writes_it(serve):
    served = serve(DECIMAL)
    served.post("/api/things", json={"price": 1.5, "label": "one"})
    assert served.value("/api/things/1.5") == served.value("/api/things/1.50")


def test_a_key_that_exists_is_a_conflict(serve, kind):
    base, key, _ = kind
    served = serve(base)
    served.post("/api/things", json={**key, "label": "one"})
    errors = error_of(served.post("/api/things", json={**key, "label": "two"}), 409, "unique_violation")
    assert set(errors.get("fields", key)) == set(key)
    assert [row["label"] for row in served.value("/api/things")] == ["one"]


def test_a_key_that_the_client_must_choose_is_required(serve, kind):
    base, key, _ = kind
    errors = error_of(serve(base).post("/api/things", json={"label": "one"}), 400)
    assert errors["fields"] == {name: ["Missing data for required field."] for name in key}


# --- keys that the database or the mapper generates -------------------------------------------------------------------


def generated(name: str, **meta: Any) -> tuple[Any, Any]:
    """Make a base whose `Thing` has a generated key, and a key that a client might want to choose."""
    columns = {
        "autoincrement": lambda: mapped_column(sa.Integer, primary_key=True),
        "bigint": lambda: mapped_column(sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        "python default": lambda: mapped_column(sa.Uuid(), primary_key=True, default=uuid.uuid4),
        "text default": lambda: mapped_column(sa.String(40), primary_key=True, default=lambda: uuid.uuid4().hex),
        "renamed": lambda: mapped_column("thing_number", sa.Integer, primary_key=True),
    }
    wanted = {"python default": str(uuid.UUID(int=7)), "text default": "mine"}.get(name, 500)
    return thing(id=columns[name](), Meta=type("Meta", (), meta)), wanted


@pytest.fixture(params=["autoincrement", "bigint", "python default", "text default", "renamed"])
def generator(request):
    return request.param


def test_a_generated_key_cannot_be_chosen_on_create(serve, sessions, generator):
    base, wanted = generated(generator)
    served = serve(base, sessions=sessions)
    created = served.post("/api/things", json={"id": wanted, "label": "one"})
    value = created.get_json()["value"]
    assert value["id"] not in (None, wanted)
    assert created.headers["Location"] == f"/api/things/{value['id']}"
    assert served.value(created.headers["Location"]) == value


def test_a_generated_key_cannot_be_chosen_by_put(serve, generator):
    base, wanted = generated(generator)
    served = serve(base)
    error_of(served.put(f"/api/things/{wanted}", json={"label": "one"}), 404, "row_not_found")
    assert served.value("/api/things") == []


def test_a_generated_key_still_names_the_row_to_replace(serve, generator):
    base, _ = generated(generator)
    served = serve(base)
    value = served.post("/api/things", json={"label": "one", "note": "kept"}).get_json()["value"]
    url = f"/api/things/{value['id']}"
    assert served.put(url, json={"label": "two"}).get_json()["value"] == {**value, "label": "two", "note": "none"}
    assert served.put(url, json={**value, "label": "three"}).get_json()["value"]["label"] == "three"


@pytest.mark.parametrize("method", ["patch", "put"])
def test_a_generated_key_cannot_be_changed(serve, generator, method):
    base, wanted = generated(generator)
    served = serve(base)
    value = served.post("/api/things", json={"label": "one"}).get_json()["value"]
    answer = getattr(served, method)(f"/api/things/{value['id']}", json={"id": wanted, "label": "two"})
    assert error_of(answer, 400)["fields"] == {"id": ["The key in the body differs from the key in the URL."]}
    assert served.value("/api/things") == [value]


def test_allow_client_pk_lets_clients_choose_a_generated_key(serve, sessions, generator):
    base, wanted = generated(generator, allow_client_pk=True)
    served = serve(base, sessions=sessions)
    created = served.post("/api/things", json={"id": wanted, "label": "one"})
    assert (created.status_code, created.headers["Location"]) == (201, f"/api/things/{wanted}")
    other = served.post("/api/things", json={"label": "two"}).get_json()["value"]["id"]
    assert other not in (None, wanted)


def test_allow_client_pk_lets_put_create(serve, generator):
    base, wanted = generated(generator, allow_client_pk=True)
    served = serve(base)
    created = served.put(f"/api/things/{wanted}", json={"label": "one"})
    assert (created.status_code, created.headers["Location"]) == (201, f"/api/things/{wanted}")
    assert served.value(f"/api/things/{wanted}")["label"] == "one"


def test_allow_client_pk_still_refuses_to_change_a_key(serve, generator):
    base, wanted = generated(generator, allow_client_pk=True)
    served = serve(base)
    value = served.post("/api/things", json={"label": "one"}).get_json()["value"]
    error_of(served.patch(f"/api/things/{value['id']}", json={"id": wanted}), 400)
    assert served.value("/api/things") == [value]


def test_the_option_lets_clients_choose_every_generated_key(serve, generator):
    base, wanted = generated(generator)
    served = serve(base, API_ALLOW_CLIENT_PK=True)
    assert served.post("/api/things", json={"id": wanted, "label": "one"}).headers["Location"].endswith(f"/{wanted}")


def test_a_null_key_is_no_choice(serve):
    base, _ = generated("autoincrement", allow_client_pk=True)
    errors = error_of(serve(base).post("/api/things", json={"id": None, "label": "one"}), 400)
    assert errors["fields"] == {"id": ["Field may not be null."]}


def test_put_does_not_create_where_post_is_blocked(serve):
    base = thing(id=chosen(sa.Integer), Meta=type("Meta", (), {"block_methods": ["POST"]}))
    served = serve(base)
    error_of(served.put("/api/things/1", json={"label": "one"}), 404, "row_not_found")


def test_a_foreign_key_that_is_the_key_is_chosen_by_the_client(serve):
    base: Any = type("Base", (DeclarativeBase,), {})
    meta = type("Meta", (), {})
    person = {"__tablename__": "people", "Meta": meta, "id": mapped_column(sa.Integer, primary_key=True)}
    key = mapped_column(sa.ForeignKey("people.id"), primary_key=True)
    passport = {"__tablename__": "passports", "Meta": meta, "person_id": key}
    base.models = [type("Person", (base,), person), type("Passport", (base,), passport)]
    served = serve(base)
    served.post("/api/people", json={})
    created = served.post("/api/passports", json={"person_id": 1})
    assert (created.status_code, created.headers["Location"]) == (201, "/api/passports/1")
    error_of(served.post("/api/passports", json={"person_id": 9}), 409, "foreign_key_violation")


@pytest.mark.contract("decisions 7")
def test_the_old_status_of_created_rows_can_be_restored(serve):
    served = serve(INT, API_CREATED_STATUS=200)
    created = served.post("/api/things", json={"id": 1, "label": "one"})
    assert (created.status_code, created.get_json()["status_code"]) == (200, 200)
    assert created.headers["Location"] == "/api/things/1"


def test_pages_are_stable_over_composite_keys(serve):
    served = serve(TRIPLE)
    day = dt.date(2024, 1, 1)
    keys = [(shop, number, day) for shop in ("a", "b") for number in (2, 1, 3)]
    table = TRIPLE.metadata.tables["things"]
    served.execute(sa.insert(table), [{"shop": s, "number": n, "day": d, "label": "x"} for s, n, d in keys])
    seen = [served.value(f"/api/things?limit=1&page={page}&order_by=label")[0] for page in range(1, 7)]
    assert [(row["shop"], row["number"]) for row in seen] == sorted((s, n) for s, n, _ in keys)


def test_keys_are_filtered_like_any_column(serve):
    served = serve(DECIMAL)
    for price in (decimal.Decimal("1.5"), decimal.Decimal("2")):
        served.post("/api/things", json={"price": str(price), "label": "one"})
    assert [row["price"] for row in served.value("/api/things?price__gt=1.5")] == ["2.00"]
