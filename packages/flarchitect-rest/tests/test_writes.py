"""POST, PUT, PATCH and DELETE: what each of them does to a row, and what each of them answers."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column

from flarchitect_core.testing import count_statements, error_of


class Base(DeclarativeBase):
    pass


class Machine(Base):
    """A default of every kind."""

    __tablename__ = "machines"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    note: Mapped[str | None] = mapped_column(sa.String(40))
    status: Mapped[str] = mapped_column(sa.String(40), default="new")
    code: Mapped[str] = mapped_column(sa.String(40), default=lambda: "made")
    label: Mapped[str] = mapped_column(
        sa.String(40), default=lambda context: "no. " + context.get_current_parameters()["name"]
    )
    level: Mapped[int] = mapped_column(server_default="3")
    quota: Mapped[int] = mapped_column(server_default=sa.text("7"))
    active: Mapped[bool] = mapped_column(server_default=sa.true())
    stamped: Mapped[dt.datetime] = mapped_column(server_default=sa.func.now())
    options: Mapped[Any] = mapped_column(sa.JSON, server_default='{"a": "it\'s 5%"}')
    changed: Mapped[int] = mapped_column(default=0, onupdate=1)
    serial: Mapped[int | None] = mapped_column(info={"read_only": True})
    password: Mapped[str] = mapped_column(sa.String(40))
    pin_hash: Mapped[str | None] = mapped_column(sa.String(40))


class Country(Base):
    """A key that clients choose."""

    __tablename__ = "countries"

    class Meta:
        pass

    code: Mapped[str] = mapped_column(sa.String(8), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    password: Mapped[str] = mapped_column(sa.String(40))


class Slot(Base):
    __tablename__ = "slots"

    class Meta:
        pass

    day: Mapped[dt.date] = mapped_column(primary_key=True)
    hour: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str | None] = mapped_column(sa.String(40))


class Ticket(Base):
    """A generated key that clients may choose all the same."""

    __tablename__ = "tickets"

    class Meta:
        allow_client_pk = True

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str | None] = mapped_column(sa.String(40))


class Versioned(Base):
    __tablename__ = "versioned"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    version: Mapped[int] = mapped_column()
    width: Mapped[int] = mapped_column(sa.Integer, default=2)
    area: Mapped[int] = mapped_column(sa.Computed("width * width", persisted=True))
    doubled: Mapped[int] = column_property(width + width)

    __mapper_args__ = {"version_id_col": version}


class Animal(Base):
    __tablename__ = "animals"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(20))
    name: Mapped[str] = mapped_column(sa.String(40))

    __mapper_args__ = {"polymorphic_on": kind, "polymorphic_identity": "animal"}


class Dog(Animal):
    __tablename__ = "dogs"

    id: Mapped[int] = mapped_column(sa.ForeignKey("animals.id"), primary_key=True)
    breed: Mapped[str | None] = mapped_column(sa.String(40))

    __mapper_args__ = {"polymorphic_identity": "dog"}


FULL = {
    "name": "Press",
    "note": "Loud",
    "status": "old",
    "code": "own",
    "label": "Mine",
    "level": 5,
    "quota": 1,
    "active": False,
    "stamped": "2020-01-02T03:04:05",
    "options": {"b": [1]},
    "changed": 9,
    "password": "hunter2",
    "pin_hash": "0000",
}


@pytest.fixture
def app(serve):
    return serve(Base)


def row(served, table, key=1, column="id"):
    with served.engine.connect() as connection:
        found = connection.execute(sa.select(table.__table__).where(table.__table__.c[column] == key)).mappings()
        return dict(found.one())


def record(response, status=200):
    assert response.status_code == status, response.get_data(as_text=True)
    body = response.get_json()
    assert body["status_code"] == status
    return body["value"]


# --- POST -------------------------------------------------------------------------------------------------------------


@pytest.mark.contract("core 12 1")
@pytest.mark.contract("decisions 7")
def test_post_answers_201_with_the_row_and_its_location(cinema_app):
    response = cinema_app.post("/api/films", json={"title": "Low Tide", "year": 2021, "studio_id": 1})
    value = record(response, 201)
    assert value["title"] == "Low Tide"
    assert value["studio"] == "/api/studios/1"
    assert response.headers["Location"] == f"/api/films/{value['id']}"
    assert cinema_app.value(response.headers["Location"]) == value


@pytest.mark.contract("decisions 7")
def test_the_old_status_of_post_can_be_restored(serve, cinema):
    served = serve(cinema.Base, API_CREATED_STATUS=200)
    response = served.post("/api/studios", json={"name": "Harbour"})
    assert record(response, 200)["name"] == "Harbour"
    assert response.headers["Location"] == "/api/studios/1"


def test_the_location_stands_below_the_mount_of_the_application(cinema_app):
    response = cinema_app.post("/api/studios", json={"name": "Harbour"}, environ_overrides={"SCRIPT_NAME": "/shop"})
    value = record(response, 201)
    assert response.headers["Location"] == f"/shop/api/studios/{value['id']}"


@pytest.mark.contract("rest 5.3")
def test_post_gives_columns_that_are_left_out_their_defaults(app):
    value = record(app.post("/api/machines", json={"name": "Press", "password": "x"}), 201)
    assert value["note"] is None
    assert (value["status"], value["code"], value["label"]) == ("new", "made", "no. Press")
    assert (value["level"], value["quota"], value["active"], value["changed"]) == (3, 7, True, 0)
    assert value["options"] == {"a": "it's 5%"}
    assert value["stamped"].startswith("20")


@pytest.mark.contract("rest 5.3")
def test_post_needs_what_has_neither_default_nor_null(app):
    errors = error_of(app.post("/api/machines", json={}), 400, "validation_failed")
    assert errors["fields"] == {
        "name": ["Missing data for required field."],
        "password": ["Missing data for required field."],
    }
    assert app.scalar("SELECT count(*) FROM machines") == 0


@pytest.mark.contract("rest 5.3")
def test_post_drops_a_key_that_is_generated(app):
    value = record(app.post("/api/machines", json={"id": 77, "name": "Press", "password": "x"}), 201)
    assert value["id"] == 1


@pytest.mark.contract("rest 5.3")
def test_post_takes_a_key_that_is_not_generated(app):
    response = app.post("/api/countries", json={"code": "no", "name": "Norway", "password": "x"})
    assert record(response, 201) == {"code": "no", "name": "Norway"}
    assert response.headers["Location"] == "/api/countries/no"
    errors = error_of(app.post("/api/countries", json={"name": "Norway", "password": "x"}), 400)
    assert errors["fields"] == {"code": ["Missing data for required field."]}


@pytest.mark.contract("rest 5.3")
def test_post_takes_a_generated_key_where_the_model_allows_it(app):
    assert record(app.post("/api/tickets", json={"id": 77}), 201)["id"] == 77
    assert record(app.post("/api/tickets", json={}), 201)["id"] not in (None, 77)


# --- PUT --------------------------------------------------------------------------------------------------------------


@pytest.mark.contract("decisions 7")
def test_put_replaces_the_whole_row_and_defaults_fill_what_is_left_out(app):
    record(app.post("/api/machines", json=FULL), 201)
    response = app.put("/api/machines/1", json={"name": "Lathe", "password": "x"})
    value = record(response)
    assert "Location" not in response.headers
    assert (value["name"], value["note"]) == ("Lathe", None)
    assert (value["status"], value["code"], value["label"]) == ("new", "made", "no. Lathe")
    assert (value["level"], value["quota"], value["active"]) == (3, 7, True)
    assert value["options"] == {"a": "it's 5%"}
    assert value["stamped"] > "2020-01-02T03:04:05"
    assert value == app.value("/api/machines/1")


@pytest.mark.contract("decisions 7")
def test_put_needs_what_post_needs(app):
    record(app.post("/api/machines", json=FULL), 201)
    before = row(app, Machine)
    errors = error_of(app.put("/api/machines/1", json={"note": "x"}), 400, "validation_failed")
    assert errors["fields"] == {"name": ["Missing data for required field."]}
    assert row(app, Machine) == before


@pytest.mark.contract("decisions 7, 18")
def test_put_keeps_columns_that_the_client_cannot_see(app):
    record(app.post("/api/machines", json=FULL), 201)
    record(app.put("/api/machines/1", json={"name": "Lathe"}))
    after = row(app, Machine)
    assert (after["password"], after["pin_hash"]) == ("hunter2", "0000")


def test_put_changes_hidden_columns_that_are_named(app):
    record(app.post("/api/machines", json=FULL), 201)
    record(app.put("/api/machines/1", json={"name": "Lathe", "password": "new", "pin_hash": None}))
    after = row(app, Machine)
    assert (after["password"], after["pin_hash"]) == ("new", None)


def test_put_keeps_read_only_columns(app):
    record(app.post("/api/machines", json=FULL), 201)
    app.execute(sa.update(Machine).values(serial=12))
    assert record(app.put("/api/machines/1", json={"name": "Lathe", "serial": 99}))["serial"] == 12


@pytest.mark.contract("decisions 7")
def test_put_is_idempotent(app):
    record(app.post("/api/machines", json=FULL), 201)
    body = {"name": "Lathe", "stamped": "2021-01-01T00:00:00"}
    assert record(app.put("/api/machines/1", json=body)) == record(app.put("/api/machines/1", json=body))
    assert app.scalar("SELECT count(*) FROM machines") == 1


@pytest.mark.contract("decisions 7")
def test_put_creates_a_row_whose_key_the_client_may_choose(app):
    body = {"name": "Norway", "password": "x"}
    response = app.put("/api/countries/no", json=body)
    assert record(response, 201) == {"code": "no", "name": "Norway"}
    assert response.headers["Location"] == "/api/countries/no"
    response = app.put("/api/countries/no", json={**body, "name": "Norge"})
    assert record(response, 200) == {"code": "no", "name": "Norge"}
    assert "Location" not in response.headers
    assert record(app.put("/api/tickets/5", json={"label": "x"}), 201) == {"id": 5, "label": "x"}


@pytest.mark.contract("decisions 7")
def test_put_that_creates_needs_hidden_columns_too(app):
    errors = error_of(app.put("/api/countries/no", json={"name": "Norway"}), 400, "validation_failed")
    assert errors["fields"] == {"password": ["Missing data for required field."]}
    assert app.scalar("SELECT count(*) FROM countries") == 0


@pytest.mark.contract("decisions 7")
def test_put_that_creates_gives_defaults(serve, cinema):
    served = serve(Base, API_ALLOW_CLIENT_PK=True)
    value = record(served.put("/api/machines/9", json={"name": "Press", "password": "x"}), 201)
    assert (value["id"], value["status"], value["level"], value["label"]) == (9, "new", 3, "no. Press")


@pytest.mark.contract("decisions 7")
def test_put_does_not_create_where_the_database_makes_the_key(app):
    error_of(app.put("/api/machines/9", json={"name": "Press", "password": "x"}), 404, "row_not_found")
    assert app.scalar("SELECT count(*) FROM machines") == 0


def test_put_does_not_create_where_post_does_not_exist(serve):
    class PutBase(DeclarativeBase):
        pass

    class Place(PutBase):
        __tablename__ = "places"

        class Meta:
            block_methods = ["POST"]

        code: Mapped[str] = mapped_column(sa.String(8), primary_key=True)

    error_of(serve(PutBase).put("/api/places/x", json={}), 404, "row_not_found")


def test_put_works_on_composite_keys_of_any_type(app):
    assert record(app.put("/api/slots/2024-05-06/7", json={"label": "a"}), 201) == {
        "day": "2024-05-06",
        "hour": 7,
        "label": "a",
    }
    body = {"day": "2024-05-06", "hour": "7", "label": "b"}
    assert record(app.put("/api/slots/2024-05-06/7", json=body))["label"] == "b"
    assert record(app.put("/api/slots/2024-05-06/7", json={}))["label"] is None
    error_of(app.put("/api/slots/tomorrow/7", json={}), 404)
    # The client may choose this key, so what is wrong is the value and not that the row is missing.
    error_of(app.put("/api/slots/2024-05-06/99999999999999", json={}), 400)


# --- PATCH ------------------------------------------------------------------------------------------------------------


def test_patch_changes_only_what_is_named(app):
    record(app.post("/api/machines", json=FULL), 201)
    before = row(app, Machine)
    value = record(app.patch("/api/machines/1", json={"note": "Quiet"}))
    assert value["note"] == "Quiet"
    assert row(app, Machine) == {**before, "note": "Quiet", "changed": 1}


def test_an_empty_patch_changes_nothing_and_answers_the_row(app):
    record(app.post("/api/machines", json=FULL), 201)
    before = row(app, Machine)
    with count_statements(app.engine) as log:
        value = record(app.patch("/api/machines/1", json={}))
    assert not [statement for statement in log.statements if statement.startswith("UPDATE")]
    assert value == app.value("/api/machines/1")
    assert row(app, Machine) == before


@pytest.mark.contract("rest 5.3")
@pytest.mark.parametrize("method", ["patch", "put"])
def test_null_is_refused_where_the_column_is_not_nullable(app, method):
    record(app.post("/api/machines", json=FULL), 201)
    before = row(app, Machine)
    body = {"name": "x", "status": None, "level": None, "password": None}
    errors = error_of(getattr(app, method)("/api/machines/1", json=body), 400, "validation_failed")
    assert errors["fields"] == {name: ["Field may not be null."] for name in ("status", "level", "password")}
    assert row(app, Machine) == before


def test_null_clears_a_nullable_column(app):
    record(app.post("/api/machines", json=FULL), 201)
    assert record(app.patch("/api/machines/1", json={"note": None}))["note"] is None


@pytest.mark.contract("rest 5.3, D09")
@pytest.mark.parametrize("method", ["patch", "put"])
def test_a_key_in_the_body_must_be_that_of_the_url(app, method):
    record(app.post("/api/machines", json=FULL), 201)
    send = getattr(app, method)
    errors = error_of(send("/api/machines/1", json={"id": 2, "name": "x"}), 400, "validation_failed")
    assert errors["fields"] == {"id": ["The key in the body differs from the key in the URL."]}
    error_of(send("/api/machines/1", json={"id": "one", "name": "x"}), 400)
    error_of(send("/api/machines/1", json={"id": None, "name": "x"}), 400)
    assert record(send("/api/machines/1", json={"id": 1, "name": "y"}))["id"] == 1
    assert record(send("/api/machines/1", json={"id": "1", "name": "z"}))["name"] == "z"
    assert app.scalar("SELECT count(*) FROM machines") == 1


@pytest.mark.parametrize("key", ["2", "-1", "999999999999999999999999", "x"])
def test_patch_and_delete_of_a_missing_row_answer_404(cinema_app, key):
    before = cinema_app.scalar("SELECT count(*) FROM awards")
    error_of(cinema_app.patch(f"/api/awards/9{key}", json={"label": "x"}), 404)
    error_of(cinema_app.delete(f"/api/awards/9{key}"), 404)
    assert cinema_app.scalar("SELECT count(*) FROM awards") == before


# --- DELETE -----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("decisions 7")
def test_delete_answers_200_with_null_and_then_404(cinema_app):
    response = cinema_app.delete("/api/awards/1")
    assert record(response) is None
    assert cinema_app.scalar("SELECT count(*) FROM awards WHERE id = 1") == 0
    assert cinema_app.scalar("SELECT count(*) FROM awards") == 4
    error_of(cinema_app.delete("/api/awards/1"), 404, "row_not_found")


@pytest.mark.contract("rest 6.2, D65")
def test_delete_removes_association_rows_and_never_the_other_side(cinema_app):
    record(cinema_app.delete("/api/actors/1"))
    assert cinema_app.scalar("SELECT count(*) FROM film_actor") == 0
    assert cinema_app.scalar("SELECT count(*) FROM films") == 5


def test_delete_refuses_parameters_it_does_not_know(cinema_app):
    error_of(cinema_app.delete("/api/awards/1?dump=json"), 400)
    assert cinema_app.scalar("SELECT count(*) FROM awards WHERE id = 1") == 1


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("decisions 15")
@pytest.mark.parametrize("method, url", [("post", "/api/films"), ("put", "/api/films/1"), ("patch", "/api/films/1")])
def test_an_unknown_key_is_refused_with_the_nearest_name(cinema_app, method, url):
    body = {"title": "x", "yaer": 2000, "qqqqqqqqqqqq": 1}
    errors = error_of(getattr(cinema_app, method)(url, json=body), 400, "validation_failed")
    assert errors["fields"] == {"yaer": ["Unknown field. Did you mean 'year'?"], "qqqqqqqqqqqq": ["Unknown field."]}
    assert errors["suggestions"] == ["year"]
    assert cinema_app.value("/api/films/1")["title"] == "Film 1"


@pytest.mark.contract("decisions 15")
def test_every_mistake_of_a_body_is_told_at_once(cinema_app):
    body = {"year": "soon", "budget": [], "colour": 1, "studio": {"name": "x"}}
    errors = error_of(cinema_app.post("/api/films", json=body), 400, "validation_failed")
    assert set(errors["fields"]) == {"title", "year", "budget", "colour", "studio"}
    assert errors["fields"]["year"] == ["Not a valid integer."]


@pytest.mark.contract("decisions 15")
def test_unknown_keys_can_be_ignored(serve, cinema):
    served = serve(cinema.Base, API_UNKNOWN_FIELDS="ignore")
    assert record(served.post("/api/studios", json={"name": "Harbour", "colour": "red"}), 201)["name"] == "Harbour"
    assert record(served.patch("/api/studios/1", json={"colour": "red"}))["name"] == "Harbour"


@pytest.mark.contract("decisions 15")
@pytest.mark.parametrize("unknown", ["refuse", "ignore"])
@pytest.mark.parametrize("nested", [{"name": "x"}, 1, True])
def test_nested_objects_are_refused_and_never_lost(serve, cinema, nested, unknown):
    served = serve(cinema.Base, API_UNKNOWN_FIELDS=unknown)
    errors = error_of(served.post("/api/films", json={"title": "x", "studio": nested}), 400, "validation_failed")
    assert errors["fields"] == {"studio": ["Nested writes are not accepted here. Set studio_id instead."]}
    errors = error_of(served.post("/api/films", json={"title": "x", "awards": [nested]}), 400)
    assert errors["fields"] == {"awards": ["Nested writes are not accepted here."]}
    assert served.scalar("SELECT count(*) FROM films") == 0


@pytest.mark.contract("decisions 15")
@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize("view", ["", "?dump=url", "?dump=dynamic", "?dump_relationships=false"])
def test_an_answer_can_be_sent_back(cinema_app, method, view):
    before = cinema_app.value(f"/api/films/2{view}")
    assert record(getattr(cinema_app, method)(f"/api/films/2{view}", json=before)) == before


@pytest.mark.contract("decisions 15")
@pytest.mark.parametrize("method", ["put", "patch"])
@pytest.mark.parametrize("view", ["dump=json", "dump=hybrid", "dump=dynamic&join=studio"])
def test_an_answer_with_inlined_rows_is_a_nested_write(cinema_app, method, view):
    before = cinema_app.value(f"/api/films/2?{view}")
    error_of(getattr(cinema_app, method)("/api/films/2", json=before), 400, "validation_failed")
    empty = {"label": "x", "film_id": 1, "film": None}
    assert record(cinema_app.patch("/api/awards/1", json=empty))["label"] == "x"


@pytest.mark.contract("decisions 15")
@pytest.mark.parametrize("method", ["put", "patch"])
def test_an_answer_with_a_value_in_every_column_can_be_sent_back(app, method):
    value = record(app.post("/api/machines", json=FULL), 201)
    before = row(app, Machine)
    again = record(getattr(app, method)("/api/machines/1", json=value))
    assert again == value
    assert row(app, Machine) == before


@pytest.mark.contract("rest 5.3")
@pytest.mark.parametrize("method", ["put", "patch"])
def test_what_the_database_or_the_mapper_gives_is_not_writable(app, method):
    value = record(app.post("/api/versioneds", json={"name": "a", "version": 40, "area": 40, "doubled": 40}), 201)
    assert value == {"id": 1, "name": "a", "version": 1, "width": 2, "area": 4, "doubled": 4}
    body = {**value, "name": "b", "version": 50, "area": 50, "doubled": 50}
    value = record(getattr(app, method)("/api/versioneds/1", json=body))
    assert value == {"id": 1, "name": "b", "version": 2, "width": 2, "area": 4, "doubled": 4}


@pytest.mark.parametrize("method", ["put", "patch"])
def test_the_discriminator_is_not_writable(app, method):
    value = record(app.post("/api/dogs", json={"name": "Rex", "kind": "animal", "breed": "Pug"}), 201)
    assert value["kind"] == "dog"
    assert app.scalar("SELECT count(*) FROM dogs") == 1
    value = record(getattr(app, method)("/api/dogs/1", json={"name": "Max", "kind": "animal"}))
    assert (value["kind"], value["name"]) == ("dog", "Max")
    assert value["breed"] == ("Pug" if method == "patch" else None)
    assert record(getattr(app, method)("/api/animals/1", json={"name": "Moritz"}))["kind"] == "dog"
    assert record(app.delete("/api/dogs/1")) is None
    assert app.scalar("SELECT count(*) FROM animals") == 0


def test_every_naming_case_takes_its_own_answers_back(serve, cinema):
    served = serve(cinema.Base, API_FIELD_CASE="camel")
    served.post("/api/studios", json={"name": "Harbour"})
    response = served.post("/api/films", json={"title": "x", "studioId": 1})
    assert response.status_code == 201
    value = response.get_json()["value"]
    assert value["studioId"] == 1
    for method in ("put", "patch"):
        assert getattr(served, method)("/api/films/1", json=value).get_json()["value"] == value
    errors = served.post("/api/films", json={"title": "x", "studioID": 1}).get_json()["errors"]
    assert errors["fields"] == {"studioID": ["Unknown field. Did you mean 'studioId'?"]}


# --- cost -------------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 13 group 15")
@pytest.mark.parametrize("view", ["", "?dump=url"])
def test_a_write_takes_few_statements(cinema_app, view):
    def cost(send):
        with count_statements(cinema_app.engine) as log:
            assert send().status_code < 300
        return [statement.split()[0] for statement in log.statements]

    films = f"/api/films{view}"
    assert cost(lambda: cinema_app.post(films, json={"title": "x", "studio_id": 1})) == ["INSERT", "SELECT"]
    assert cost(lambda: cinema_app.patch(f"/api/films/1{view}", json={"year": 1})) == ["UPDATE", "SELECT"]
    assert cost(lambda: cinema_app.put(f"/api/films/1{view}", json={"title": "y"})) == ["SELECT", "UPDATE", "SELECT"]
    assert cost(lambda: cinema_app.delete("/api/awards/1")) == ["SELECT", "DELETE"]


@pytest.mark.contract("rest 13 group 15")
def test_the_cost_of_a_write_does_not_depend_on_related_rows(serve, cinema, fill):
    costs = []
    served = serve(cinema.Base)
    for films in (10, 60):
        for table in ("film_actor", "awards", "films", "actors", "studios"):
            served.execute(sa.text(f"DELETE FROM {table}"))
        fill(served, cinema, films=films)
        with count_statements(served.engine) as log:
            assert served.patch("/api/studios/1?dump=json", json={"name": "Pier"}).status_code == 200
        costs.append(len(log))
    assert costs[0] == costs[1] == 3
