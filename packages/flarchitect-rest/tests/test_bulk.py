"""Many rows by one request: lists, filters, limits, and what happens to the others when one of them is wrong."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.state import state_of
from flarchitect_core.testing import count_statements, error_of

CALLS: list[Any] = []


def note_added(obj: Any, model: Any) -> Any:
    CALLS.append(("add", obj.name))
    return obj


class Base(DeclarativeBase):
    pass


class Part(Base):
    __tablename__ = "parts"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), unique=True)
    stock: Mapped[int] = mapped_column(default=7)
    shelf: Mapped[str | None] = mapped_column(sa.String(40))


class Watched(Base):
    __tablename__ = "watcheds"

    class Meta:
        add_callback = staticmethod(note_added)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), unique=True)
    stock: Mapped[int] = mapped_column(default=7)
    shelf: Mapped[str | None] = mapped_column(sa.String(40))


def note_updated(obj: Any, model: Any) -> Any:
    CALLS.append(("update", obj.name))
    return obj


class Box(Base):
    """Has rows below it that go with it, and others that stay."""

    __tablename__ = "boxes"

    class Meta:
        update_callback = staticmethod(note_updated)
        allow_cascade_delete = True

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    screws: Mapped[list[Screw]] = relationship(cascade="all, delete-orphan")
    labels: Mapped[list[Label]] = relationship()
    rooms: Mapped[list[Room]] = relationship(secondary="box_rooms")


class Screw(Base):
    __tablename__ = "screws"

    id: Mapped[int] = mapped_column(primary_key=True)
    box_id: Mapped[int] = mapped_column(sa.ForeignKey("boxes.id"))
    notes: Mapped[list[Note]] = relationship(cascade="all, delete-orphan")


class Note(Base):
    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    screw_id: Mapped[int] = mapped_column(sa.ForeignKey("screws.id"))


class Label(Base):
    __tablename__ = "labels"

    id: Mapped[int] = mapped_column(primary_key=True)
    box_id: Mapped[int | None] = mapped_column(sa.ForeignKey("boxes.id"))


class Room(Base):
    __tablename__ = "rooms"

    id: Mapped[int] = mapped_column(primary_key=True)


box_rooms = sa.Table(
    "box_rooms",
    Base.metadata,
    sa.Column("box_id", sa.ForeignKey("boxes.id"), primary_key=True),
    sa.Column("room_id", sa.ForeignKey("rooms.id"), primary_key=True),
)


class Cell(Base):
    __tablename__ = "cells"

    class Meta:
        pass

    row: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    column: Mapped[str] = mapped_column("col", sa.String(10), primary_key=True)
    content: Mapped[str | None] = mapped_column(sa.String(40))


class Marked(Base):
    __tablename__ = "markeds"

    class Meta:
        soft_delete = True
        soft_delete_attribute = "gone"
        soft_delete_values = (False, True)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    gone: Mapped[bool] = mapped_column(default=False)


COLLECTIONS = ("parts", "watcheds")


@pytest.fixture
def app(serve, sessions):
    CALLS.clear()
    return serve(Base, sessions=sessions, API_ALLOW_BULK=True)


@pytest.fixture
def filled(app):
    for collection in COLLECTIONS:
        rows = [{"name": f"n{number}", "shelf": "a" if number < 4 else "b"} for number in range(1, 6)]
        assert app.post(f"/api/{collection}", json=rows).status_code == 201
    CALLS.clear()
    return app


def names(served: Any, collection: str) -> list[str]:
    return [row["name"] for row in served.value(f"/api/{collection}?order_by=id&limit=100")]


def number_of(served: Any, collection: str) -> int:
    return served.scalar(f"SELECT count(*) FROM {collection}")


# --- POST -------------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest-F42")
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_list_creates_a_row_for_each_of_its_objects(app, collection):
    response = app.post(f"/api/{collection}", json=[{"name": "a"}, {"name": "b", "stock": 1}, {"name": "c"}])
    assert response.status_code == 201, response.get_data(as_text=True)
    body = response.get_json()
    assert [(row["name"], row["stock"]) for row in body["value"]] == [("a", 7), ("b", 1), ("c", 7)]
    assert body["total_count"] == 3
    ids = [row["id"] for row in body["value"]]
    assert [app.value(f"/api/{collection}/{key}")["name"] for key in ids] == ["a", "b", "c"]
    expected = [("add", "a"), ("add", "b"), ("add", "c")] if collection == "watcheds" else []
    assert expected == CALLS


@pytest.mark.contract("rest-F42")
def test_a_thousand_rows_are_few_statements(serve):
    served = serve(Base, API_ALLOW_BULK=True)
    with count_statements(served.engine) as ten:
        assert served.post("/api/parts", json=[{"name": f"a{n}"} for n in range(10)]).status_code == 201
    with count_statements(served.engine) as log:
        response = served.post("/api/parts", json=[{"name": f"n{n}"} for n in range(1000)])
    assert [row["name"] for row in response.get_json()["value"]] == [f"n{n}" for n in range(1000)]
    # In one statement where the database gives the keys in the order of the rows.
    inserts = [statement for statement in log.statements if statement.startswith("INSERT")]
    assert len(inserts) <= (1 if served.engine.dialect.name == "postgresql" else 1000)
    assert len(log) - len(inserts) <= len(ten)
    assert number_of(served, "parts") == 1010


@pytest.mark.contract("rest-F42")
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_one_wrong_item_among_many_writes_nothing_and_is_told(app, collection):
    response = app.post(f"/api/{collection}", json=[{"name": "a"}, {"nam": "b"}, 7, {"name": "d", "stock": "many"}])
    errors = error_of(response, 400, "bulk_refused")
    assert [(item["index"], item["status"], item["errors"]["reason"]) for item in errors["items"]] == [
        (1, 400, "validation_failed"),
        (2, 400, "not_an_object"),
        (3, 400, "validation_failed"),
    ]
    assert errors["items"][2]["errors"]["fields"] == {"stock": ["Not a valid integer."]}
    assert number_of(app, collection) == 0


@pytest.mark.contract("rest-F42")
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_what_the_database_refuses_is_told_by_its_index_and_writes_nothing(app, collection):
    app.post(f"/api/{collection}", json={"name": "taken"})
    response = app.post(f"/api/{collection}", json=[{"name": "a"}, {"name": "taken"}, {"name": "c"}])
    errors = error_of(response, 400, "bulk_refused")
    (item,) = errors["items"]
    assert (item["index"], item["status"], item["errors"]["reason"]) == (1, 409, "unique_violation")
    assert number_of(app, collection) == 1
    assert app.engine.pool.checkedout() == 0


@pytest.mark.contract("rest-F42")
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_not_atomic_writes_what_can_be_written(app, collection):
    bodies = [{"name": "a"}, {"nam": "b"}, {"name": "a"}, {"name": "d"}]
    response = app.post(f"/api/{collection}?atomic=false", json=bodies)
    assert response.status_code == 207
    items = response.get_json()["value"]
    assert [(item["index"], item["status"]) for item in items] == [(0, 201), (1, 400), (2, 409), (3, 201)]
    assert [item["value"]["name"] for item in items if "value" in item] == ["a", "d"]
    assert [item["errors"]["reason"] for item in items if "errors" in item] == [
        "validation_failed",
        "unique_violation",
    ]
    assert names(app, collection) == ["a", "d"]


@pytest.mark.contract("rest-F42")
def test_an_object_still_creates_one_row(app):
    response = app.post("/api/parts", json={"name": "a"})
    assert response.status_code == 201
    assert response.headers["Location"] == f"/api/parts/{response.get_json()['value']['id']}"


@pytest.mark.contract("rest-F42")
@pytest.mark.parametrize("rows, reason", [([], "empty_list"), ([{"name": "a"}] * 4, "too_many_items")])
def test_a_list_has_a_size(serve, rows, reason):
    served = serve(Base, API_ALLOW_BULK=True, API_BULK_ROWS_MAX=3)
    error_of(served.post("/api/parts", json=rows), 400, reason)
    assert number_of(served, "parts") == 0


@pytest.mark.contract("rest-F42, D38")
def test_without_the_option_nothing_of_it_exists(serve):
    served = serve(Base)
    error_of(served.post("/api/parts", json=[{"name": "a"}]), 400, "not_an_object")
    error_of(served.patch("/api/parts?id__eq=1&max_affected=1", json={"stock": 1}), 405)
    error_of(served.delete("/api/parts?id__eq=1&max_affected=1"), 405)


@pytest.mark.contract("rest-F42")
def test_a_method_alone_can_be_allowed(serve):
    served = serve(Base, API_POST_ALLOW_BULK=True)
    assert served.post("/api/parts", json=[{"name": "a"}]).status_code == 201
    error_of(served.delete("/api/parts?id__eq=1&max_affected=1"), 405)


@pytest.mark.contract("rest-F42, F49")
def test_events_are_told_for_each_row_after_the_commit(app):
    told: list[Any] = []
    state_of(app.app).listeners.append(
        lambda changes: told.append([(change.resource.name, change.action, change.key) for change in changes])
    )
    ids = [row["id"] for row in app.post("/api/parts", json=[{"name": "a"}, {"name": "b"}]).get_json()["value"]]
    app.patch("/api/parts?name__in=a,b&max_affected=2", json={"stock": 1})
    app.delete("/api/parts?name__eq=a&max_affected=2")
    app.post("/api/parts", json=[{"name": "c"}, {"name": "b"}])
    assert told == [
        [("Part", "created", (ids[0],)), ("Part", "created", (ids[1],))],
        [("Part", "updated", (ids[0],)), ("Part", "updated", (ids[1],))],
        [("Part", "deleted", (ids[0],))],
    ]


# --- PATCH with a list ------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest-F42")
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_each_object_of_a_list_changes_the_row_of_its_key(filled, collection):
    ids = [row["id"] for row in filled.value(f"/api/{collection}?order_by=id")]
    response = filled.patch(
        f"/api/{collection}", json=[{"id": ids[1], "stock": 1}, {"id": ids[0], "name": "first", "shelf": None}]
    )
    assert response.status_code == 200, response.get_data(as_text=True)
    shown = [(row["id"], row["name"], row["stock"], row["shelf"]) for row in response.get_json()["value"]]
    assert shown == [(ids[1], "n2", 1, "a"), (ids[0], "first", 7, None)]
    assert names(filled, collection) == ["first", "n2", "n3", "n4", "n5"]


@pytest.mark.contract("rest-F42")
@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("atomic", [True, False])
def test_keys_that_are_missing_unknown_or_twice(filled, collection, atomic):
    ids = [row["id"] for row in filled.value(f"/api/{collection}?order_by=id")]
    bodies = [{"id": ids[0], "stock": 1}, {"stock": 2}, {"id": 9999, "stock": 3}, {"id": ids[0], "stock": 4}]
    response = filled.patch(f"/api/{collection}?atomic={str(atomic).lower()}", json=bodies)
    stock = f"SELECT stock FROM {collection} WHERE id = {ids[0]}"
    if atomic:
        errors = error_of(response, 400, "bulk_refused")
        assert [item["index"] for item in errors["items"]] == [1, 3]
        assert filled.scalar(stock) == 7
    else:
        assert [item["status"] for item in response.get_json()["value"]] == [200, 400, 404, 400]
        assert filled.scalar(stock) == 1


@pytest.mark.contract("rest-F42")
def test_composite_keys(app):
    cells = [{"row": 1, "column": "a"}, {"row": 1, "column": "b"}, {"row": 2, "column": "a"}]
    assert app.post("/api/cells", json=cells).status_code == 201
    response = app.patch("/api/cells", json=[{**cells[1], "content": "x"}, {**cells[2], "content": "y"}])
    assert [row["content"] for row in response.get_json()["value"]] == ["x", "y"]
    response = app.patch("/api/cells?row__eq=1&max_affected=5", json={"content": "z"})
    assert [(row["column"], row["content"]) for row in response.get_json()["value"]] == [("a", "z"), ("b", "z")]
    assert [row["content"] for row in app.value("/api/cells?row__eq=2")] == ["y"]


# --- PATCH and DELETE with a filter -----------------------------------------------------------------------------------


@pytest.mark.contract("rest-F44")
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_an_object_changes_all_rows_that_the_filter_finds(filled, collection):
    response = filled.patch(f"/api/{collection}?shelf__eq=a&max_affected=3", json={"stock": 0})
    assert response.status_code == 200, response.get_data(as_text=True)
    body = response.get_json()
    assert [(row["name"], row["stock"]) for row in body["value"]] == [("n1", 0), ("n2", 0), ("n3", 0)]
    assert body["total_count"] == 3
    assert filled.scalar(f"SELECT sum(stock) FROM {collection}") == 14


@pytest.mark.contract("rest-F44")
def test_the_body_of_a_set_is_checked_once_unless_it_names_a_key(serve):
    seen = []

    def note(body):
        seen.append(body)
        return body

    served = serve(Base, API_ALLOW_BULK=True, API_GLOBAL_PRE_DESERIALIZE_HOOK=note)
    served.post("/api/parts", json=[{"name": f"n{number}", "shelf": "a"} for number in range(3)])
    seen.clear()
    url = "/api/parts?shelf__eq=a&max_affected=3"
    assert served.patch(url, json={"stock": 4}).get_json()["total_count"] == 3
    assert seen == [{"stock": 4}]
    error_of(served.patch(url, json={"id": 1, "stock": 5}), 400)
    assert served.scalar("SELECT sum(stock) FROM parts") == 12


@pytest.mark.contract("rest-F44")
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_filter_deletes_all_that_it_finds(filled, collection):
    response = filled.delete(f"/api/{collection}?shelf__eq=a&max_affected=3")
    assert response.status_code == 200, response.get_data(as_text=True)
    assert (response.get_json()["value"], response.get_json()["total_count"]) == (None, 3)
    assert names(filled, collection) == ["n4", "n5"]


@pytest.mark.contract("rest-F44")
@pytest.mark.parametrize("method", ["patch", "delete"])
@pytest.mark.parametrize(
    "query, reason",
    [
        ("shelf__eq=a&max_affected=2", "too_many_affected"),
        ("max_affected=9", "filter_required"),
        ("shelf__eq=a", "invalid_max_affected"),
        ("shelf__eq=a&max_affected=0", "invalid_max_affected"),
        ("shelf__eq=a&max_affected=1001", "invalid_max_affected"),
        ("shelf__eq=a&max_affected=x", "invalid_max_affected"),
        ("shelf__eq=a&max_affected=5&max_affected=5", "invalid_max_affected"),
        ("shelf__eq=a&limit=1&max_affected=5", "unknown_parameter"),
        ("shelf__eq=a&order_by=id&max_affected=5", "unknown_parameter"),
        ("shelf__eq=a&shelv__eq=b&max_affected=5", "invalid_column"),
    ],
)
def test_a_write_of_a_set_is_guarded(filled, method, query, reason):
    body = {"json": {"stock": 0}} if method == "patch" else {}
    errors = error_of(getattr(filled, method)(f"/api/parts?{query}", **body), 400)
    assert errors["reason"] in (reason, "unknown_parameter"), errors
    assert filled.scalar("SELECT sum(stock) FROM parts") == 35


@pytest.mark.contract("rest-F44")
def test_a_misspelt_filter_is_refused_even_where_unknown_parameters_are_ignored(serve):
    served = serve(Base, API_ALLOW_BULK=True, API_UNKNOWN_PARAMETERS="ignore")
    served.post("/api/parts", json=[{"name": "a"}, {"name": "b"}])
    error_of(served.delete("/api/parts?stock__eq=7&nam=a&max_affected=5"), 400, "unknown_parameter")
    assert number_of(served, "parts") == 2


@pytest.mark.contract("rest-F44")
def test_a_wrong_body_for_a_set_is_one_mistake(filled):
    response = filled.patch("/api/parts?shelf__eq=a&max_affected=3", json={"stock": "many"})
    assert error_of(response, 400, "validation_failed")["fields"] == {"stock": ["Not a valid integer."]}


@pytest.mark.contract("rest-F44")
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_conflict_in_a_set_writes_nothing(filled, collection):
    error_of(filled.patch(f"/api/{collection}?shelf__eq=a&max_affected=3", json={"name": "same"}), 409)
    assert names(filled, collection) == ["n1", "n2", "n3", "n4", "n5"]


@pytest.mark.contract("rest-F44")
def test_a_filter_that_finds_nothing_writes_nothing(filled):
    response = filled.patch("/api/parts?shelf__eq=zzz&max_affected=3", json={"stock": 0})
    assert (response.status_code, response.get_json()["value"]) == (200, [])
    assert filled.delete("/api/parts?shelf__eq=zzz&max_affected=3").get_json()["total_count"] == 0


@pytest.mark.contract("rest-F44, rest 6.1")
def test_a_set_of_rows_is_marked_where_rows_are_only_marked(app):
    app.post("/api/markeds", json=[{"name": "a"}, {"name": "b"}])
    assert app.delete("/api/markeds?name__eq=a&max_affected=5").get_json()["total_count"] == 1
    assert number_of(app, "markeds") == 2
    assert names(app, "markeds") == ["b"]
    # What is marked is found no more.
    assert app.delete("/api/markeds?name__in=a,b&max_affected=5").get_json()["total_count"] == 1
    response = app.patch("/api/markeds?name__eq=a&include_deleted=true&max_affected=5", json={"gone": False})
    assert response.status_code == 200, response.get_data(as_text=True)
    assert names(app, "markeds") == ["a"]


@pytest.mark.contract("rest-F44, D14")
def test_a_set_holds_only_what_the_filter_callback_shows(serve):
    def only_a(query: Any, model: Any, params: Any) -> Any:
        return query.where(model.shelf == "a")

    served = serve(Base, API_ALLOW_BULK=True)
    served.post("/api/parts", json=[{"name": "x", "shelf": "a"}, {"name": "y", "shelf": "b"}])
    served.app.config["API_FILTER_CALLBACK"] = None
    other = serve(Base, API_ALLOW_BULK=True, API_FILTER_CALLBACK=only_a)
    assert other.patch("/api/parts?name__in=x,y&max_affected=5", json={"stock": 0}).get_json()["total_count"] == 1
    assert other.delete("/api/parts?name__in=x,y&max_affected=5").get_json()["total_count"] == 1
    assert names(served, "parts") == ["y"]


@pytest.mark.contract("rest-R32")
def test_where_a_condition_is_required_rows_are_not_written_in_bulk(serve):
    served = serve(Base, API_ALLOW_BULK=True, API_REQUIRE_IF_MATCH=True)
    served.post("/api/parts", json=[{"name": "a"}])
    error_of(served.patch("/api/parts?name__eq=a&max_affected=1", json={"stock": 0}), 428, "precondition_required")
    error_of(served.patch("/api/parts", json=[{"id": 1, "stock": 0}]), 428, "precondition_required")
    error_of(served.delete("/api/parts?name__eq=a&max_affected=1"), 428, "precondition_required")


def test_what_is_deleted_cannot_be_deleted_again_by_a_filter(serve):
    class Marked(DeclarativeBase):
        pass

    class Memo(Marked):
        __tablename__ = "memos"

        class Meta:
            soft_delete = True
            soft_delete_attribute = "gone"
            soft_delete_values = (False, True)

        id: Mapped[int] = mapped_column(primary_key=True)
        gone: Mapped[bool] = mapped_column(default=False)

    served = serve(Marked, API_ALLOW_BULK=True)
    served.execute(sa.insert(Memo), [{"id": 1, "gone": True}])
    url = "/api/memos?id__eq=1&max_affected=1&include_deleted=true"
    error_of(served.delete(url), 400, "unknown_parameter")


# --- statements -------------------------------------------------------------------------------------------------------


def fill(served: Any, first: int, number: int) -> list[int]:
    """Add rows to every table, and give their ids."""
    ids = list(range(first, first + number))
    served.execute(sa.insert(Part), [{"id": n, "name": f"n{n}"} for n in ids])
    served.execute(sa.insert(Watched), [{"id": n, "name": f"n{n}"} for n in ids])
    served.execute(sa.insert(Marked), [{"id": n, "name": f"n{n}"} for n in ids])
    served.execute(sa.insert(Box), [{"id": n, "name": f"n{n}"} for n in ids])
    served.execute(sa.insert(Screw), [{"id": n, "box_id": n} for n in ids])
    served.execute(sa.insert(Note), [{"id": n, "screw_id": n} for n in ids])
    served.execute(sa.insert(Label), [{"id": n, "box_id": n} for n in ids])
    served.execute(sa.insert(Room), [{"id": n} for n in ids])
    served.execute(box_rooms.insert(), [{"box_id": n, "room_id": n} for n in ids])
    return ids


@pytest.mark.contract("rest-F42, rest-F44, rest 13 group 15")
@pytest.mark.parametrize("collection", ["parts", "watcheds", "markeds", "boxes"])
@pytest.mark.parametrize("write", ["list", "set", "delete", "cascade"])
def test_the_number_of_statements_is_that_of_one_row_for_any_number(serve, collection, write):
    served = serve(Base, API_ALLOW_BULK=True)
    seen = []
    for first, number in ((1, 10), (1001, 100)):
        ids = fill(served, first, number)
        found = f"/api/{collection}?id__in={','.join(map(str, ids))}&max_affected=100"
        CALLS.clear()
        with count_statements(served.engine) as log:
            if write == "list":
                response = served.patch(f"/api/{collection}", json=[{"id": n, "name": f"x{n}"} for n in reversed(ids)])
            elif write == "set":
                changed = {"name": "x"} if collection in ("markeds", "boxes") else {"stock": 3}
                response = served.patch(found, json=changed)
            else:
                response = served.delete(found + ("&cascade_delete=true" if write == "cascade" else ""))
        assert response.status_code == 200, response.get_data(as_text=True)
        assert response.get_json()["total_count"] == number
        if collection == "boxes" and write in ("list", "set"):
            assert len(CALLS) == number
        seen.append(len(log))
    assert seen[0] == seen[1], log.statements
    if collection == "boxes" and write in ("delete", "cascade"):
        left = [served.scalar(f"SELECT count(*) FROM {name}") for name in ("boxes", "screws", "notes", "box_rooms")]
        assert left == [0, 0, 0, 0]
        assert number_of(served, "labels") == (0 if write == "cascade" else 110)
        assert number_of(served, "rooms") == 110


@pytest.mark.contract("rest-F44")
def test_rows_below_a_set_of_rows_are_bounded_together(serve):
    served = serve(Base, API_ALLOW_BULK=True, API_CASCADE_ROWS_MAX=9)
    fill(served, 1, 10)
    url = "/api/boxes?id__le=10&max_affected=10"
    assert error_of(served.delete(url), 409, "cascade_too_large")["maximum"] == 9
    assert error_of(served.delete(f"{url}&cascade_delete=1"), 409, "cascade_too_large")["maximum"] == 9
    assert number_of(served, "boxes") == 10
    assert served.delete("/api/boxes?id__le=9&max_affected=10").status_code == 200


@pytest.mark.contract("rest-F42")
def test_callbacks_get_every_row_of_a_list_in_its_order(serve):
    served = serve(Base, API_ALLOW_BULK=True)
    fill(served, 1, 3)
    CALLS.clear()
    assert served.patch("/api/boxes", json=[{"id": n, "name": f"x{n}"} for n in (3, 1, 2)]).status_code == 200
    assert [("update", f"x{n}") for n in (3, 1, 2)] == CALLS
