"""Writes that triggers, types and rules of the database refuse or alter, and deletes that would reach too far."""

from __future__ import annotations

import datetime as dt
import logging
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    WriteOnlyMapped,
    mapped_column,
    relationship,
    validates,
)

from flarchitect_core.state import state_of
from flarchitect_core.testing import count_statements, error_of, make_app
from flarchitect_rest.part import RestPart

pytestmark = pytest.mark.contract("rest 4.2")

SECRET = "words of the trigger"


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    stock: Mapped[int | None]
    password: Mapped[str | None] = mapped_column(sa.String(40))


class Code(Base):
    __tablename__ = "codes"

    class Meta:
        pass

    code: Mapped[str] = mapped_column(sa.String(20), primary_key=True)


class Moment(Base):
    __tablename__ = "moments"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[dt.datetime | None] = mapped_column(sa.TIMESTAMP)


class Checked(Base):
    __tablename__ = "checkeds"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    full_name: Mapped[str | None] = mapped_column(sa.String(20))
    note: Mapped[str | None] = mapped_column(sa.String(20))

    @validates("full_name")
    def check(self, key: str, value: Any) -> Any:
        if value == "wrong":
            raise ValueError(SECRET)
        assert value != "false", SECRET
        return value


@pytest.fixture
def api(serve):
    return serve(Base)


# --- triggers ---------------------------------------------------------------------------------------------------------

RAISE = {
    "sqlite": "CREATE TRIGGER t_{event} BEFORE {event} ON items WHEN {row}.stock = 13 "
    f"BEGIN SELECT RAISE(ABORT, '{SECRET}'); END",
    "postgresql": "CREATE TRIGGER t_{event} BEFORE {event} ON items FOR EACH ROW WHEN ({row}.stock = 13) "
    "EXECUTE FUNCTION refuse()",
    "mariadb": "CREATE TRIGGER t_{event} BEFORE {event} ON items FOR EACH ROW "
    f"IF {{row}}.stock = 13 THEN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{SECRET}'; END IF",
}


@pytest.fixture
def refusing_trigger(api, database_kind):
    """Let the database refuse every change of an item of which there are thirteen."""
    api.execute(sa.insert(Item), [{"id": 1, "stock": 13}, {"id": 2, "stock": 1}])
    with api.engine.begin() as connection:
        if database_kind == "postgresql":
            connection.exec_driver_sql(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
                f"$$ BEGIN RAISE EXCEPTION '{SECRET}'; END $$"
            )
        for event, row in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD")):
            connection.exec_driver_sql(RAISE[database_kind].format(event=event, row=row))
    yield api
    if database_kind == "postgresql":
        api.execute(sa.text("DROP FUNCTION refuse CASCADE"))


@pytest.mark.parametrize("watched", [False, True])
@pytest.mark.parametrize(
    "method, path, body",
    [
        ("POST", "", {"stock": 13}),
        ("PATCH", "/2", {"stock": 13}),
        ("PUT", "/2", {"stock": 13}),
        ("DELETE", "/1", None),
    ],
)
def test_what_a_trigger_refuses_is_422_without_its_words(refusing_trigger, method, path, body, watched):
    listener: Any = lambda *arguments: None  # noqa: E731 - an event that makes the write go through the ORM
    if watched:
        sa.event.listen(Item, "before_insert", listener)
    try:
        errors = error_of(refusing_trigger.open(f"/api/items{path}", method=method, json=body), 422)
    finally:
        if watched:
            sa.event.remove(Item, "before_insert", listener)
    assert errors["reason"] == "refused_by_database"
    assert errors["message"] == "A rule of the database refused the change."
    assert refusing_trigger.scalar("SELECT count(*) FROM items WHERE stock = 13") == 1


def test_a_key_that_a_trigger_alters_is_no_missing_row(api, database_kind):
    if database_kind == "sqlite":
        pytest.skip("SQLite cannot alter a row before it is written.")
    alter = "SET NEW.code = concat(lower(NEW.code), '!')"
    if database_kind == "postgresql":
        api.execute(
            sa.text(
                "CREATE FUNCTION alter_code() RETURNS trigger LANGUAGE plpgsql AS "
                "$$ BEGIN NEW.code = lower(NEW.code); RETURN NEW; END $$"
            )
        )
        alter = "EXECUTE FUNCTION alter_code()"
    api.execute(sa.text(f"CREATE TRIGGER t BEFORE INSERT ON codes FOR EACH ROW {alter}"))
    try:
        error_of(api.post("/api/codes", json={"code": "ABC"}), 422, "row_not_kept")
        assert api.scalar("SELECT count(*) FROM codes") == 0
    finally:
        if database_kind == "postgresql":
            api.execute(sa.text("DROP FUNCTION alter_code CASCADE"))


@pytest.mark.parametrize("watched", [False, True])
def test_a_row_that_a_trigger_drops_is_not_created(api, database_kind, watched):
    if database_kind == "mariadb":
        pytest.skip("MariaDB cannot drop a row without a failure.")
    if database_kind == "postgresql":
        api.execute(
            sa.text("CREATE FUNCTION drop_row() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$")
        )
        api.execute(sa.text("CREATE TRIGGER t BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION drop_row()"))
    else:
        api.execute(sa.text("CREATE TRIGGER t AFTER INSERT ON items BEGIN DELETE FROM items WHERE id = NEW.id; END"))
    listener: Any = lambda *arguments: None  # noqa: E731 - an event that makes the write go through the ORM
    if watched:
        sa.event.listen(Item, "before_insert", listener)
    try:
        error_of(api.post("/api/items", json={"stock": 1}), 422, "row_not_kept")
    finally:
        if watched:
            sa.event.remove(Item, "before_insert", listener)
        if database_kind == "postgresql":
            api.execute(sa.text("DROP FUNCTION drop_row CASCADE"))


@pytest.mark.parametrize("value", ["2106-02-08", "1969-01-01"])
def test_a_time_that_a_timestamp_cannot_hold_is_422(api, database_kind, value):
    if database_kind != "mariadb":
        pytest.skip("The timestamps of the other databases hold every year.")
    error_of(api.post("/api/moments", json={"at": value}), 422, "value_out_of_range")


# --- rights and schema ------------------------------------------------------------------------------------------------


@pytest.fixture
def reader(api, database_uri, database_kind, tmp_path):
    """A client of an application whose database takes no changes."""
    api.execute(sa.insert(Item), [{"id": 1}])
    arguments: dict[str, Any] = {"options": "-c default_transaction_read_only=on"}
    if database_kind == "mariadb":
        arguments = {"init_command": "SET SESSION TRANSACTION READ ONLY"}
    if database_kind == "sqlite":
        arguments, database_uri = {}, f"sqlite:///file:{tmp_path / 'test.db'}?mode=ro&uri=true"
    app = make_app(Base, database_uri, parts=[RestPart()], API_DATABASE_ENGINE_OPTIONS={"connect_args": arguments})
    yield app.test_client()
    state_of(app).database.engine.dispose()


@pytest.mark.parametrize(
    "method, path, body", [("POST", "", {"stock": 1}), ("PATCH", "/1", {"stock": 1}), ("DELETE", "/1", None)]
)
def test_a_database_that_is_read_only_is_403(reader, method, path, body):
    error_of(reader.open(f"/api/items{path}", method=method, json=body), 403, "database_read_only")
    assert reader.get("/api/items").status_code == 200


def test_values_do_not_reach_the_log(serve, sessions, caplog):
    api = serve(Base, sessions=sessions)
    api.app.config["PROPAGATE_EXCEPTIONS"] = False
    api.execute(sa.text("ALTER TABLE items RENAME COLUMN stock TO moved"))
    with caplog.at_level(logging.INFO):
        error_of(api.post("/api/items", json={"stock": 1, "password": "hunter2"}), 500, "unexpected_error")
    assert "failed: " in caplog.text
    assert "hunter2" not in caplog.text
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("flarchitect.")]
    assert ours
    assert not any("INSERT" in line or "moved" in line for line in ours)


# --- rules of the model -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["wrong", "false"])
@pytest.mark.parametrize("method, path", [("POST", ""), ("PUT", "/1"), ("PATCH", "/1")])
def test_a_value_that_the_model_refuses_is_told_by_its_own_name(serve, method, path, value):
    api = serve(Base, API_FIELD_CASE="camel")
    api.execute(sa.insert(Checked), [{"id": 1}])
    body = {"note": "n", "fullName": value}
    errors = error_of(api.open(f"/api/checkeds{path}", method=method, json=body), 400, "validation_failed")
    assert errors["fields"] == {"fullName": ["Not accepted by the model."]}


# --- deletes ----------------------------------------------------------------------------------------------------------


class FamilyBase(DeclarativeBase):
    pass


class Parent(FamilyBase):
    __tablename__ = "parents"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    children: Mapped[list[Child]] = relationship(back_populates="parent")
    owned: Mapped[list[Owned]] = relationship(cascade="all, delete-orphan")
    members: Mapped[list[Member]] = relationship(back_populates="parent")


class Child(FamilyBase):
    __tablename__ = "children"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("parents.id"))
    parent: Mapped[Parent | None] = relationship(back_populates="children")


class Owned(FamilyBase):
    __tablename__ = "owneds"

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int] = mapped_column(sa.ForeignKey("parents.id"))


class Member(FamilyBase):
    """An association object: what refers to the parent is a part of its key."""

    __tablename__ = "members"

    class Meta:
        pass

    parent_id: Mapped[int] = mapped_column(sa.ForeignKey("parents.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    parent: Mapped[Parent] = relationship(back_populates="members")


def test_a_row_with_association_objects_is_not_deleted(serve):
    api = serve(FamilyBase)
    api.execute(sa.insert(Parent), [{"id": 1}, {"id": 2}])
    api.execute(sa.insert(Member), [{"parent_id": 1, "number": 1}])
    error_of(api.delete("/api/parents/1"), 409, "row_is_referred_to")
    assert api.delete("/api/parents/2").status_code == 200
    assert api.scalar("SELECT count(*) FROM parents") == 1


@pytest.mark.parametrize("related", [Child, Owned])
def test_more_rows_than_the_option_allows_are_never_loaded_to_delete_one(serve, related):
    api = serve(FamilyBase, API_CASCADE_ROWS_MAX=5)
    api.execute(sa.insert(Parent), [{"id": 1}, {"id": 2}])
    api.execute(sa.insert(related), [{"parent_id": 1} for _ in range(6)])
    api.execute(sa.insert(related), [{"parent_id": 2} for _ in range(5)])
    with count_statements(api.engine) as log:
        errors = error_of(api.delete("/api/parents/1"), 409, "cascade_too_large")
    assert errors["maximum"] == 5
    assert len(log) == 2
    assert api.delete("/api/parents/2").status_code == 200
    table = related.__table__.name
    assert api.scalar(f"SELECT count(*) FROM {table} WHERE parent_id = 1") == 6
    assert api.scalar(f"SELECT count(*) FROM {table} WHERE parent_id IS NULL") == (5 if related is Child else 0)


class BoxBase(DeclarativeBase):
    pass


class Box(BoxBase):
    __tablename__ = "boxes"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    things: WriteOnlyMapped[Thing] = relationship()


class Crate(BoxBase):
    __tablename__ = "crates"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    things: WriteOnlyMapped[Thing] = relationship(passive_deletes=True)


class Thing(BoxBase):
    __tablename__ = "things"

    id: Mapped[int] = mapped_column(primary_key=True)
    box_id: Mapped[int | None] = mapped_column(sa.ForeignKey("boxes.id"))
    crate_id: Mapped[int | None] = mapped_column(sa.ForeignKey("crates.id", ondelete="SET NULL"))


def test_a_write_only_relationship_that_the_orm_cannot_clear_takes_delete_away(serve):
    api = serve(BoxBase)
    api.execute(sa.insert(Box), [{"id": 1}])
    api.execute(sa.insert(Crate), [{"id": 1}])
    error_of(api.delete("/api/boxes/1"), 405, "method_not_allowed")
    assert api.delete("/api/crates/1").status_code == 200
    notices = [notice for notice in state_of(api.app).report.notices if "has no DELETE" in notice]
    assert len(notices) == 1
    assert "Box" in notices[0]
    assert "passive_deletes=True" in notices[0]
