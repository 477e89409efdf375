"""What a database refuses: which status, which words, which fields, and nothing of its own language."""

from __future__ import annotations

import re
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.testing import error_of


class Base(DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "teams"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), unique=True)
    members: Mapped[list[Member]] = relationship(back_populates="team", cascade="all, delete-orphan")
    matches: Mapped[list[Match]] = relationship(passive_deletes="all")
    guests: Mapped[list[Guest]] = relationship(back_populates="team")


class Member(Base):
    """One constraint of every kind."""

    __tablename__ = "members"
    __table_args__ = (
        sa.UniqueConstraint("team_id", "number"),
        sa.Index("ix_team", "team_id"),
        sa.UniqueConstraint("badge", name="badge_is_unique"),
        sa.Index("ix_locker", "locker", unique=True),
        sa.CheckConstraint("age >= 18", name="grown_up"),
    )

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"))
    number: Mapped[int]
    badge: Mapped[str | None] = mapped_column(sa.String(40))
    locker: Mapped[str | None] = mapped_column(sa.String(40))
    mail: Mapped[str | None] = mapped_column("e_mail", sa.String(40), unique=True)
    pin_hash: Mapped[str | None] = mapped_column(sa.String(40), unique=True)
    age: Mapped[int] = mapped_column(default=20)
    team: Mapped[Team] = relationship(back_populates="members")


class Match(Base):
    __tablename__ = "matches"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("teams.id"))


class Guest(Base):
    __tablename__ = "guests"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("teams.id"))
    team: Mapped[Team | None] = relationship(back_populates="guests")


class LooseBase(DeclarativeBase):
    pass


class Loose(LooseBase):
    """A model that promises more than its table holds."""

    __tablename__ = "looses"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    short: Mapped[str | None] = mapped_column(sa.String)
    small: Mapped[int | None]
    needed: Mapped[str | None] = mapped_column(sa.String)


LOOSE_TABLE = {
    "sqlite": "id INTEGER PRIMARY KEY, short TEXT CHECK (length(short) <= 3), small INTEGER, needed TEXT NOT NULL",
    "postgresql": "id SERIAL PRIMARY KEY, short VARCHAR(3), small SMALLINT, needed VARCHAR(9) NOT NULL",
    "mariadb": "id INT PRIMARY KEY AUTO_INCREMENT, short VARCHAR(3), small SMALLINT, needed VARCHAR(9) NOT NULL",
}

# What no body of an error may contain: SQL, names of constraints and classes of drivers, paths.
FOREIGN_WORDS = re.compile(
    r"INSERT|UPDATE|DELETE |SELECT|constraint failed|UNIQUE|FOREIGN KEY|Duplicate|violates|DETAIL|grown_up|"
    r"badge_is_unique|ix_locker|_key\b|_fkey|ibfk|sqlite|psycopg|pymysql|sqlalchemy|sqlalche\.me|Error\(|\(1\d\d\d|/site",
)


def refused(response: Any, status: int, reason: str) -> dict[str, Any]:
    errors = error_of(response, status, reason)
    text = response.get_data(as_text=True).replace(reason, "")
    assert not FOREIGN_WORDS.search(text), text
    assert errors["message"].endswith(".")
    return errors


def observe(mapper: Any, connection: Any, target: Any) -> None:
    pass


@pytest.fixture(params=["plain", "observed"])
def app(request, serve):
    """Two teams and two members, written by plain statements, or through the ORM because somebody listens."""
    served = serve(Base)
    watched = [(model, event) for model in (Team, Member) for event in ("before_insert", "before_update")]
    watched = watched if request.param == "observed" else []
    for model, event in watched:
        sa.event.listen(model, event, observe)
    served.execute(sa.insert(Team), [{"name": "Red"}, {"name": "Blue"}])
    assert served.post("/api/members", json={**MEMBER, "number": 1}).status_code == 201
    assert served.post("/api/members", json={"team_id": 1, "number": 2}).status_code == 201
    yield served
    for model, event in watched:
        sa.event.remove(model, event, observe)


MEMBER = {"team_id": 1, "badge": "b", "locker": "l", "mail": "m", "pin_hash": "p"}
METHODS = ("post", "patch", "put")


def send(served: Any, method: str, collection: str, body: Any, key: int = 2) -> Any:
    url = f"/api/{collection}" if method == "post" else f"/api/{collection}/{key}"
    return getattr(served, method)(url, json=body)


def everything(served: Any, base: Any = Base) -> dict[str, Any]:
    with served.engine.connect() as connection:
        return {
            table.name: connection.execute(sa.select(table).order_by(*table.primary_key)).all()
            for table in base.metadata.sorted_tables
        }


@pytest.mark.contract("decisions 8, rest 2.1")
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("column", ["badge", "locker", "mail"])
def test_a_value_in_use_is_409_with_its_field(app, method, column):
    before = everything(app)
    body = {"team_id": 1, "number": 9, column: MEMBER[column]}
    errors = refused(send(app, method, "members", body), 409, "unique_violation")
    assert errors["error"] == "conflict"
    assert errors["fields"] == {column: ["Already in use."]}
    assert errors["message"] == f"Another Member already has this value of {column}."
    assert everything(app) == before


@pytest.mark.contract("decisions 8")
@pytest.mark.parametrize("method", METHODS)
def test_a_combination_in_use_is_409_with_all_its_fields(app, method):
    errors = refused(send(app, method, "members", {"team_id": 1, "number": 1}), 409, "unique_violation")
    assert errors["fields"] == {"team_id": ["Already in use."], "number": ["Already in use."]}


@pytest.mark.contract("decisions 8, 18")
@pytest.mark.parametrize("method", METHODS)
def test_a_hidden_value_in_use_is_not_named(app, method):
    body = {"team_id": 1, "number": 9, "pin_hash": "p"}
    assert "fields" not in refused(send(app, method, "members", body), 409, "unique_violation")


@pytest.mark.contract("decisions 8")
def test_a_key_in_use_is_409(serve, cinema):
    served = serve(cinema.Base, API_ALLOW_CLIENT_PK=True)
    assert served.post("/api/studios", json={"id": 4, "name": "x"}).status_code == 201
    errors = refused(served.post("/api/studios", json={"id": 4, "name": "y"}), 409, "unique_violation")
    assert errors["fields"] == {"id": ["Already in use."]}
    assert served.scalar("SELECT name FROM studios") == "x"


@pytest.mark.contract("decisions 8")
@pytest.mark.parametrize("method", METHODS)
def test_a_reference_to_nothing_is_409(app, method, database_kind):
    before = everything(app)
    errors = refused(send(app, method, "members", {"team_id": 99, "number": 9}), 409, "foreign_key_violation")
    # SQLite does not say which reference it is.
    known = {} if database_kind == "sqlite" else {"team_id": ["Refers to a row that does not exist."]}
    assert errors.get("fields", {}) == known
    assert everything(app) == before


@pytest.mark.contract("decisions 8")
@pytest.mark.parametrize("method", METHODS)
def test_a_broken_rule_is_422(app, method):
    before = everything(app)
    refused(send(app, method, "members", {"team_id": 1, "number": 9, "age": 17}), 422, "check_violation")
    assert everything(app) == before


@pytest.mark.contract("rest 6.2")
def test_a_row_that_others_need_is_not_deleted(app):
    app.execute(sa.insert(Match).values(team_id=1))
    before = everything(app)
    errors = refused(app.delete("/api/teams/1"), 409, "row_is_referred_to")
    assert errors["message"].startswith("Error deleting object")
    assert everything(app) == before
    app.execute(sa.delete(Match))
    assert app.delete("/api/teams/1").status_code == 200


@pytest.mark.contract("rest 6.2")
def test_a_row_that_others_cannot_lose_is_not_deleted(cinema_app, cinema):
    before = everything(cinema_app, cinema.Base)
    refused(cinema_app.delete("/api/films/1"), 409, "row_is_referred_to")
    assert everything(cinema_app, cinema.Base) == before


@pytest.mark.contract("rest 6.2")
def test_deleting_follows_the_rules_of_the_relationships(app):
    app.execute(sa.insert(Guest).values(team_id=1))
    assert app.delete("/api/teams/1").status_code == 200
    after = everything(app)
    assert [row.name for row in after["teams"]] == ["Blue"]
    assert after["members"] == []
    assert [row.team_id for row in after["guests"]] == [None]


@pytest.fixture
def loose(serve, database_uri, database_kind):
    engine = sa.create_engine(database_uri)
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE looses ({LOOSE_TABLE[database_kind]})")
    engine.dispose()
    served = serve(LooseBase)
    assert served.post("/api/looses", json={"needed": "x"}).status_code == 201
    return served


@pytest.mark.contract("decisions 8")
@pytest.mark.parametrize("method", METHODS)
def test_a_value_the_database_misses_is_422(loose, method):
    response = send(loose, method, "looses", {"needed": None}, key=1)
    errors = refused(response, 422, "not_null_violation")
    assert errors["fields"] == {"needed": ["Field may not be null."]}
    assert loose.scalar("SELECT needed FROM looses") == "x"


@pytest.mark.contract("decisions 8")
@pytest.mark.parametrize("method", METHODS)
def test_a_value_too_long_for_its_column_is_422(loose, method, database_kind):
    response = send(loose, method, "looses", {"needed": "x", "short": "long"}, key=1)
    refused(response, 422, "check_violation" if database_kind == "sqlite" else "value_out_of_range")
    assert loose.scalar("SELECT short FROM looses") is None


@pytest.mark.contract("decisions 8")
@pytest.mark.parametrize("method", METHODS)
def test_a_number_too_large_for_its_column_is_422(loose, method, database_kind):
    response = send(loose, method, "looses", {"needed": "x", "small": 40_000}, key=1)
    if database_kind == "sqlite":
        assert response.status_code < 300
    else:
        refused(response, 422, "value_out_of_range")
        assert loose.scalar("SELECT small FROM looses") is None


@pytest.mark.contract("decisions 8")
@pytest.mark.parametrize("accept", ["application/json", "application/problem+json"])
def test_a_conflict_has_the_one_error_shape(app, accept):
    response = app.post("/api/teams", json={"name": "Red"}, headers={"Accept": accept})
    assert response.status_code == 409
    assert not FOREIGN_WORDS.search(response.get_data(as_text=True).replace("unique_violation", ""))
    if accept == "application/problem+json":
        body = response.get_json()
        assert (body["title"], body["status"]) == ("Conflict", 409)
        assert body["fields"] == {"name": ["Already in use."]}


@pytest.mark.contract("rest 4.2, D36")
def test_a_table_that_is_missing_is_an_error_of_ours_without_details(serve, cinema):
    served = serve(cinema.Base)
    served.execute(sa.text("ALTER TABLE awards RENAME TO connections"))
    try:
        for response in (
            served.get("/api/awards"),
            served.post("/api/awards", json={"label": "x", "film_id": 1}),
            served.delete("/api/awards/1"),
        ):
            refused(response, 500, "unexpected_error")
            assert "awards" not in response.get_data(as_text=True)
    finally:
        served.execute(sa.text("ALTER TABLE connections RENAME TO awards"))


def test_a_column_that_is_missing_is_no_reason_to_try_again(serve, cinema):
    served = serve(cinema.Base)
    served.execute(sa.text("ALTER TABLE studios RENAME COLUMN city TO connected_to"))
    refused(served.get("/api/studios"), 500, "unexpected_error")
    served.execute(sa.text("ALTER TABLE studios RENAME COLUMN connected_to TO city"))


def test_a_missing_table_called_like_a_fault_is_no_reason_to_try_again(serve):
    class ClosedBase(DeclarativeBase):
        pass

    class Connection(ClosedBase):
        __tablename__ = "closed_connections"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)

    served = serve(ClosedBase)
    ClosedBase.metadata.drop_all(served.engine)
    refused(served.get("/api/connections"), 500, "unexpected_error")
    refused(served.delete("/api/connections/1"), 500, "unexpected_error")


@pytest.mark.contract("bar R32")
def test_a_change_between_reading_and_writing_is_409(serve):
    served = serve(Versions)
    served.post("/api/pages", json={"text": "a"})

    def overtake(session: Any, *rest: Any) -> None:
        # Somebody else commits between our SELECT and our UPDATE.
        served.execute(sa.update(Page).values(version=Page.version + 1, text="theirs"))

    sa.event.listen(sa.orm.Session, "before_flush", overtake)
    try:
        for response in (served.patch("/api/pages/1", json={"text": "b"}), served.delete("/api/pages/1")):
            refused(response, 409, "row_changed")
    finally:
        sa.event.remove(sa.orm.Session, "before_flush", overtake)
    assert served.value("/api/pages/1")["text"] == "theirs"
    assert served.patch("/api/pages/1", json={"text": "b"}).status_code == 200


class Versions(DeclarativeBase):
    pass


class Page(Versions):
    __tablename__ = "pages"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(40))
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}
