"""Nothing can be made to refer to a row that the request may not see, and trying tells nothing of it."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.testing import count_statements, error_of

pytestmark = pytest.mark.contract("bar R5, F78", "rest 7.2, 6.1")

SEEN, OTHER, HIDDEN, ABSENT = 1, 2, 3, 99


def models(**room_meta: Any) -> tuple[type[DeclarativeBase], tuple[type, ...]]:
    """Rooms, some of which a request must not see, and what stands in them."""

    class Base(DeclarativeBase):
        pass

    class Room(Base):
        __tablename__ = "rooms"
        Meta = type("Meta", (), room_meta)

        id: Mapped[int] = mapped_column(primary_key=True)
        gone: Mapped[bool] = mapped_column(default=False)
        code: Mapped[str] = mapped_column(sa.String(10), unique=True)

    class Table(Base):
        __tablename__ = "room_tables"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        size: Mapped[int] = mapped_column(default=4)
        room_id: Mapped[int | None] = mapped_column(sa.ForeignKey("rooms.id"))
        # No relationship speaks of this one, and it does not lead to the key.
        spare_code: Mapped[str | None] = mapped_column(sa.ForeignKey("rooms.code"))
        under_id: Mapped[int | None] = mapped_column(sa.ForeignKey("room_tables.id"))
        room: Mapped[Room | None] = relationship(foreign_keys=[room_id])
        chairs: Mapped[list[Chair]] = relationship(back_populates="table")

    class Chair(Base):
        __tablename__ = "room_chairs"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        table_id: Mapped[int | None] = mapped_column(sa.ForeignKey("room_tables.id"))
        room_id: Mapped[int | None] = mapped_column(sa.ForeignKey("rooms.id"))
        table: Mapped[Table | None] = relationship(back_populates="chairs")

    # SQLAlchemy itself holds classes weakly.
    return Base, (Room, Table, Chair)


MARKED = {"soft_delete": True, "soft_delete_attribute": "gone", "soft_delete_values": (False, True)}
FILTERED = {"filter_callback": staticmethod(lambda query, model, params: query.where(model.id != HIDDEN))}


@pytest.fixture(params=[MARKED, FILTERED], ids=["marked", "filtered"])
def house(request, serve):
    base, classes = models(**request.param)
    served = serve(base, API_ALLOW_BULK=True, API_ALLOW_NESTED_WRITES=True)
    rooms, tables = base.metadata.tables["rooms"], base.metadata.tables["room_tables"]
    served.execute(
        sa.insert(rooms),
        [{"id": id_, "gone": id_ == HIDDEN, "code": f"r{id_}"} for id_ in (SEEN, OTHER, HIDDEN)],
    )
    served.execute(sa.insert(tables), [{"id": 1, "size": 4, "room_id": SEEN}, {"id": 2, "size": 4, "room_id": HIDDEN}])
    served.advance_sequences("room_tables")
    yield served
    del classes


def without_request_id(errors: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in errors.items() if name != "request_id"}


WRITES = {
    "POST": lambda room: ("POST", "/api/tables", {"room_id": room}),
    "PATCH": lambda room: ("PATCH", "/api/tables/1", {"room_id": room}),
    "PUT": lambda room: ("PUT", "/api/tables/1", {"room_id": room}),
    "code": lambda room: ("PATCH", "/api/tables/1", {"spare_code": f"r{room}"}),
    "matching": lambda room: ("PATCH", "/api/tables?id__in=1&max_affected=9", {"room_id": room}),
    "nested": lambda room: ("POST", "/api/tables", {"room_id": SEEN, "chairs": [{"room_id": room}]}),
    "beside a nested one": lambda room: ("POST", "/api/tables", {"room_id": room, "chairs": [{"room_id": SEEN}]}),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_hidden_row_is_referred_to_as_little_as_an_absent_one(house, write):
    answers = []
    for room in (HIDDEN, ABSENT):
        method, url, body = write(room)
        answers.append(without_request_id(error_of(house.open(url, method=method, json=body), 409)))
    assert answers[0] == answers[1]
    assert answers[0]["reason"] == "foreign_key_violation"
    assert house.scalar("SELECT count(*) FROM room_tables") == 2
    assert house.scalar("SELECT room_id FROM room_tables WHERE id = 1") == SEEN
    method, url, body = write(OTHER)
    assert house.open(url, method=method, json=body).status_code in (200, 201)


@pytest.mark.parametrize("room", [HIDDEN, ABSENT])
def test_a_list_says_which_item_refers_to_a_row_that_is_not_seen(house, room):
    response = house.post("/api/tables", json=[{"room_id": SEEN}, {"room_id": room}, {"room_id": OTHER}])
    items = error_of(response, 400, "bulk_refused")["items"]
    assert [(item["index"], item["errors"]["reason"]) for item in items] == [(1, "foreign_key_violation")]
    assert house.scalar("SELECT count(*) FROM room_tables") == 2


def test_what_a_row_refers_to_already_may_be_sent_back(house):
    """The room may have been hidden since."""
    record = house.value("/api/tables/2")
    assert record["room"] is None
    assert house.patch("/api/tables/2", json={**record, "size": 6}).status_code == 200
    assert house.put("/api/tables/2", json={**record, "size": 8}).status_code == 200
    assert house.patch("/api/tables?id__eq=2&max_affected=1", json={"room_id": HIDDEN, "size": 9}).status_code == 200
    assert house.value("/api/tables/2")["size"] == 9
    assert house.patch("/api/tables/2", json={"room_id": None}).status_code == 200


def lookups(house, rows: Any) -> int:
    with count_statements(house.engine) as log:
        assert house.post("/api/tables?fields=size", json=rows).status_code == 201
    return sum("FROM rooms" in statement for statement in log.statements)


def test_rows_are_looked_up_by_few_statements(house):
    rows = [{"room_id": SEEN if number % 2 else OTHER} for number in range(40)]
    few = lookups(house, rows[:4])
    assert 1 <= few <= 3
    assert lookups(house, rows) == few
    assert lookups(house, {"size": 1}) == lookups(house, {"room_id": None}) == 0


def test_rows_of_one_request_may_refer_to_each_other(serve):
    class Base(DeclarativeBase):
        pass

    class Node(Base):
        __tablename__ = "reference_nodes"
        Meta = type("Meta", (), {**MARKED, "allow_client_pk": True})

        id: Mapped[int] = mapped_column(primary_key=True)
        gone: Mapped[bool] = mapped_column(default=False)
        parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("reference_nodes.id"))

    served = serve(Base, API_ALLOW_BULK=True)
    assert served.post("/api/nodes", json={"id": 1, "parent_id": 1}).status_code == 201
    assert served.post("/api/nodes", json=[{"id": 2}, {"id": 3, "parent_id": 2}]).status_code == 201
    assert served.delete("/api/nodes/3").status_code == 200
    error_of(served.patch("/api/nodes/2", json={"parent_id": 3}), 409, "foreign_key_violation")
    assert served.patch("/api/nodes/2", json={"parent_id": 1}).status_code == 200


def test_a_part_of_a_composite_reference_is_completed_by_the_row(serve):
    class Base(DeclarativeBase):
        pass

    class Shelf(Base):
        __tablename__ = "reference_shelves"
        Meta = type("Meta", (), MARKED)

        hall: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        gone: Mapped[bool] = mapped_column(default=False)

    class Book(Base):
        __tablename__ = "reference_books"
        __table_args__ = (
            sa.ForeignKeyConstraint(["hall", "number"], ["reference_shelves.hall", "reference_shelves.number"]),
        )

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        hall: Mapped[int | None]
        number: Mapped[int | None]

    served = serve(Base)
    for shelf in ({"hall": 1, "number": 1}, {"hall": 1, "number": 2}, {"hall": 1, "number": 3}):
        assert served.post("/api/shelves", json=shelf).status_code == 201
    assert served.delete("/api/shelves/1/3").status_code == 200
    assert served.post("/api/books", json={"hall": 1, "number": 1}).status_code == 201
    assert served.patch("/api/books/1", json={"number": 2}).status_code == 200
    error_of(served.patch("/api/books/1", json={"number": 3}), 409, "foreign_key_violation")
    error_of(served.patch("/api/books/1", json={"hall": 2}), 409, "foreign_key_violation")
    assert served.patch("/api/books/1", json={"hall": None}).status_code == 200
