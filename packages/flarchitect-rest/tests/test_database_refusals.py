"""What only the database finds wrong: rights it does not give, and types it does not take together."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flarchitect_core.state import state_of
from flarchitect_core.testing import error_of, make_app
from flarchitect_rest.part import RestPart

pytestmark = pytest.mark.contract("rest 4.2")


@pytest.fixture
def on_postgresql(database_kind):
    if database_kind != "postgresql":
        pytest.skip("The other databases convert values as well as they can.")


# --- rights -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def guest(cinema_app, cinema, database_kind, guest_of):
    """A client whose database user may read the films, and nothing else."""
    if database_kind == "sqlite":
        pytest.skip("SQLite knows no users.")
    url = cinema_app.engine.url.render_as_string(hide_password=False)
    app = make_app(cinema.Base, guest_of(url, ["GRANT SELECT ON films TO"]), parts=[RestPart()])
    yield app.test_client()
    state_of(app).database.engine.dispose()


@pytest.mark.parametrize(
    "method, path, body",
    [
        ("GET", "/api/studios", None),
        ("GET", "/api/studios/1", None),
        ("GET", "/api/films?dump=json", None),
        ("GET", "/api/films/1/awards", None),
        ("POST", "/api/films", {"title": "New", "studio_id": 1}),
        ("PATCH", "/api/films/1", {"title": "Other"}),
        ("PUT", "/api/films/1", {"title": "Other"}),
        ("DELETE", "/api/films/1", None),
        ("DELETE", "/api/studios/1", None),
    ],
)
def test_what_the_database_does_not_allow_is_403(guest, method, path, body):
    errors = error_of(guest.open(path, method=method, json=body), 403, "database_permission")
    assert errors["error"] == "forbidden"
    assert "Grant its user the right, or leave the table out of the API." in errors["message"]
    assert not any(word in errors["message"] for word in ("SELECT", "permission denied", "guest_", "command denied"))
    assert guest.get("/api/films?dump_relationships=false").status_code == 200


# --- types ------------------------------------------------------------------------------------------------------------


class Base(DeclarativeBase):
    pass


class Sample(Base):
    __tablename__ = "samples"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    words: Mapped[Any | None] = mapped_column(sa.Text().with_variant(postgresql.TSVECTOR(), "postgresql"))
    query: Mapped[Any | None] = mapped_column(sa.Text().with_variant(postgresql.TSQUERY(), "postgresql"))
    relation: Mapped[Any | None] = mapped_column(sa.Text().with_variant(postgresql.REGCLASS(), "postgresql"))
    # The table has another type than the model says.
    address: Mapped[str | None] = mapped_column(sa.Text)
    stock: Mapped[int] = mapped_column(default=0)


@pytest.fixture
def samples(serve, on_postgresql):
    served = serve(Base)
    served.execute(sa.text("INSERT INTO samples (id, stock) VALUES (1, 1)"))
    served.execute(sa.text("ALTER TABLE samples ALTER address TYPE inet USING address::inet"))
    return served


@pytest.mark.parametrize(
    "column, value", [("words", "a" * 5000), ("query", "[1,2)"), ("relation", "nothing"), ("relation", "")]
)
@pytest.mark.parametrize("method", ["patch", "put"])
def test_text_that_a_type_of_the_database_cannot_read_is_422(samples, method, column, value):
    error_of(getattr(samples, method)("/api/samples/1", json={column: value}), 422, "value_out_of_range")
    assert samples.patch("/api/samples/1", json={column: None}).status_code == 200


@pytest.mark.parametrize("method, path", [("PATCH", "/1"), ("PUT", "/1"), ("POST", "")])
def test_a_value_of_another_type_than_the_column_is_400_and_logged(samples, method, path, caplog):
    response = samples.open(f"/api/samples{path}", method=method, json={"address": "10.0.0.1"})
    errors = error_of(response, 400, "validation_failed")
    assert errors["fields"] == {"address": ["Not accepted by the type of the column."]}
    assert "inet" not in errors["message"]
    assert "of type inet but expression is of type" in caplog.text
    assert "10.0.0.1" not in caplog.text


@pytest.mark.parametrize("query", ["address__eq=x", "address__like=x", "or[address__ilike=x,stock__gt=1]"])
def test_an_operator_that_the_database_does_not_have_is_400_and_logged(samples, query, caplog):
    errors = error_of(samples.get(f"/api/samples?{query}"), 400, "invalid_operator")
    name = query.removeprefix("or[").partition("=")[0]
    assert f"cannot compare as asked by {name}" in errors["message"]
    assert "operator does not exist" in caplog.text
    assert samples.get("/api/samples").status_code == 200


def test_a_trigger_that_mixes_types_up_is_a_mistake_of_the_server(samples):
    samples.execute(
        sa.text(
            "CREATE FUNCTION mixed_up() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN UPDATE samples SET stock = 5 WHERE address = 7; RETURN NEW; END $$"
        )
    )
    samples.execute(sa.text("CREATE TRIGGER t BEFORE UPDATE ON samples FOR EACH ROW EXECUTE FUNCTION mixed_up()"))
    try:
        error_of(samples.patch("/api/samples/1", json={"stock": 3}), 500, "unexpected_error")
    finally:
        samples.execute(sa.text("DROP FUNCTION mixed_up CASCADE"))


def test_a_filter_without_a_table_is_still_a_mistake_of_the_server(samples):
    samples.execute(sa.text("ALTER TABLE samples RENAME COLUMN stock TO moved"))
    error_of(samples.get("/api/samples?stock__eq=1"), 500, "unexpected_error")


class HstoreBase(DeclarativeBase):
    pass


class Bag(HstoreBase):
    __tablename__ = "bags"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    labels: Mapped[Any | None] = mapped_column(postgresql.HSTORE)


@pytest.fixture
def bags(on_postgresql, server_database, serve):
    engine = sa.create_engine(server_database)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE EXTENSION IF NOT EXISTS hstore")
    engine.dispose()
    return serve(HstoreBase)


@pytest.mark.parametrize("value", ["x", 1, [], ["a"], {"a": 1}, {"a": {}}, True])
def test_what_is_no_object_of_strings_is_refused_by_hstore(bags, value):
    errors = error_of(bags.post("/api/bags", json={"labels": value}), 400, "validation_failed")
    assert errors["fields"] == {"labels": ["Not an object of strings."]}


@pytest.mark.parametrize("value", [{}, {"a": "b", "c": None}, {'"': "=>"}, None])
def test_an_object_of_strings_is_kept_by_hstore(bags, value):
    location = bags.post("/api/bags", json={"labels": value}).headers["Location"]
    assert bags.value(location)["labels"] == value
