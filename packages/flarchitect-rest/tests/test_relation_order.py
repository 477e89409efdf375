"""Relations are sorted by what their reader may see: the order of rows tells no hidden column either."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import request
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from flarchitect_core.access.identity import set_current_user
from flarchitect_core.testing import count_statements

pytestmark = pytest.mark.contract("bar F78", "auth 11.2")

USERS = {"hr": SimpleNamespace(id=1, roles=["hr"]), "clerk": SimpleNamespace(id=2, roles=["clerk"])}
HR, CLERK = ({"X-User": name} for name in USERS)

# Keys in the order of their names, and of what is hidden.
BY_NAME, BY_SALARY, BY_KEY = [3, 1, 2], [2, 3, 1], [1, 2, 3]
PEOPLE = [
    {"id": 1, "name": "b", "salary": 30, "team_id": 1},
    {"id": 2, "name": "c", "salary": 10, "team_id": 1},
    {"id": 3, "name": "a", "salary": 20, "team_id": 1},
]


def models(order: Any, *, many: bool = True, secondary: bool = False, **meta: Any) -> SimpleNamespace:
    """A team and its people, in an order that is given as a function of the class and the table between them."""

    class Base(DeclarativeBase):
        pass

    members = sa.Table(
        "order_members",
        Base.metadata,
        sa.Column("team_id", sa.ForeignKey("order_teams.id"), primary_key=True),
        sa.Column("person_id", sa.ForeignKey("order_people.id"), primary_key=True),
        sa.Column("place", sa.Integer),
    )

    class Person(Base):
        __tablename__ = "order_people"
        Meta = type("Meta", (), meta)

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20))
        salary: Mapped[int]
        team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("order_teams.id"))

        @hybrid_property
        def yearly(self) -> int:
            return self.salary * 12

    Person.double = column_property(Person.__table__.c.salary * 2)
    Person.known = column_property(Person.__table__.c.salary * 3, info={"secret": False})

    class Team(Base):
        __tablename__ = "order_teams"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        people = relationship(
            Person,
            secondary=members if secondary else None,
            order_by=lambda: order(Person, members),
            uselist=many,
            viewonly=True,
        )

    return SimpleNamespace(Base=Base, Person=Person, Team=Team, members=members)


LIMITED = {"field_policy": {"salary": {"read": ["hr"]}}}


@pytest.fixture
def team(serve):
    """Start an application with an order of the people in its only team."""

    def start(order: Any, *, meta: Any = None, config: Any = None, **arguments: Any) -> Any:
        kinds = models(order, **(LIMITED if meta is None else meta), **arguments)
        api = serve(kinds.Base, API_ALLOW_EXPORT=True, **(config or {}))
        api.app.before_request(lambda: set_current_user(USERS.get(request.headers.get("X-User", ""))))
        api.execute(sa.insert(kinds.Team), [{"id": 1}])
        api.execute(sa.insert(kinds.Person), PEOPLE)
        places = [{"team_id": 1, "person_id": row["id"], "place": row["salary"]} for row in PEOPLE]
        api.execute(sa.insert(kinds.members), places)
        api.kinds = kinds
        return api

    return start


def listed(api: Any, caller: dict[str, str]) -> list[list[int]]:
    """Give the keys of the people as each way lists them."""
    nested = api.value("/api/teams/1?dump=json", headers=caller)["people"]
    joined = api.value("/api/teams?dump=dynamic&join=people", headers=caller)[0]["people"]
    lines = api.get("/api/teams/1/people", headers={**caller, "Accept": "application/x-ndjson"}).get_data(as_text=True)
    pages = [api.value(f"/api/teams/1/people?limit=1&page={page}", headers=caller)[0] for page in (1, 2, 3)]
    given, url = [], "/api/teams/1/people?limit=2&cursor="
    while url:
        body = api.get(url, headers=caller).get_json()
        given += body["value"]
        url = body["next_url"]
    whole = api.value("/api/teams/1/people", headers=caller)
    exported = [json.loads(line) for line in lines.splitlines()]
    return [[row["id"] for row in rows] for rows in (nested, joined, exported, pages, given, whole)]


ORDERS = {
    "column": (lambda Person, between: Person.salary, BY_KEY),
    "downwards": (lambda Person, between: Person.salary.desc(), BY_KEY),
    "of the table": (lambda Person, between: Person.__table__.c.salary, BY_KEY),
    "first of two": (lambda Person, between: [Person.salary, Person.name], BY_NAME),
    "second of two": (lambda Person, between: [Person.team_id, Person.salary.desc(), Person.name], BY_NAME),
    "function": (lambda Person, between: [sa.func.abs(Person.salary), Person.name], BY_NAME),
    "case": (lambda Person, between: sa.case((Person.salary > 15, 1), else_=0), BY_KEY),
    "hybrid": (lambda Person, between: Person.yearly, BY_KEY),
    "expression": (lambda Person, between: Person.double, BY_KEY),
}


@pytest.mark.parametrize("secondary", [False, True], ids=["children", "secondary"])
@pytest.mark.parametrize("order, left", ORDERS.values(), ids=ORDERS)
def test_a_relation_is_sorted_by_what_its_reader_sees(team, order, left, secondary):
    api = team(order, secondary=secondary)
    rows = sorted(PEOPLE, key=lambda row: row["salary"])
    upwards = [row["id"] for row in rows]
    declared = listed(api, HR)
    assert all(given == declared[0] for given in declared)
    assert declared[0] in (upwards, upwards[::-1], [2, 1, 3])
    assert all(given == left for given in listed(api, CLERK)), listed(api, CLERK)


def test_what_is_shown_of_a_hidden_column_may_be_sorted_by(team):
    assert all(given == BY_SALARY for given in listed(team(lambda Person, between: Person.known), CLERK))


@pytest.mark.parametrize(
    "meta", [{"ignore_fields": ["salary"]}, {"ignore_output_fields": ["salary"]}, {"secret_fields": ["salary"]}]
)
def test_nobody_sees_the_order_of_what_is_hidden_from_all(team, caplog, meta):
    api = team(lambda Person, between: [Person.salary, Person.name.desc()], meta=meta)
    assert all(given == BY_NAME[::-1] for given in listed(api, HR))
    (told,) = [record.getMessage() for record in caplog.records if "sorted by" in record.getMessage()]
    assert "Team.people" in told


@pytest.mark.parametrize("order", [lambda P, between: P.salary, lambda P, between: P.salary.desc()], ids=["up", "down"])
def test_the_one_row_of_several_is_not_chosen_by_what_is_hidden(team, order):
    api = team(order, many=False)
    first = api.value("/api/teams/1?dump=json", headers=HR)["people"]["id"]
    assert first in (1, 2)
    for caller, expected in ((HR, first), (CLERK, 1)):
        assert api.value("/api/teams/1?dump=json", headers=caller)["people"]["id"] == expected
        assert api.value("/api/teams/1", headers=caller)["people"] == f"/api/people/{expected}"
        assert api.value("/api/teams/1/people", headers=caller)["id"] == expected


def test_the_table_between_sorts_as_it_says(team):
    """Nobody publishes it, so nothing of it is hidden from some."""
    api = team(lambda Person, between: between.c.place, secondary=True)
    assert all(given == BY_SALARY for given in listed(api, CLERK))


def test_the_table_between_is_judged_by_its_model(serve):
    class Base(DeclarativeBase):
        pass

    class Member(Base):
        __tablename__ = "order_links"

        class Meta:
            field_policy = {"place": {"read": ["hr"]}}

        team_id: Mapped[int] = mapped_column(sa.ForeignKey("order_linked_teams.id"), primary_key=True)
        person_id: Mapped[int] = mapped_column(sa.ForeignKey("order_linked_people.id"), primary_key=True)
        place: Mapped[int]

    class Person(Base):
        __tablename__ = "order_linked_people"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)

    class Team(Base):
        __tablename__ = "order_linked_teams"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        people = relationship(
            Person, secondary=Member.__table__, order_by=lambda: Member.__table__.c.place, viewonly=True
        )

    api = serve(Base, API_ALLOW_EXPORT=True)
    api.app.before_request(lambda: set_current_user(USERS.get(request.headers.get("X-User", ""))))
    api.execute(sa.insert(Team), [{"id": 1}])
    api.execute(sa.insert(Person), [{"id": n} for n in BY_KEY])
    api.execute(sa.insert(Member), [{"team_id": 1, "person_id": n, "place": -n} for n in BY_KEY])
    assert all(given == BY_KEY[::-1] for given in listed(api, HR))
    assert all(given == BY_KEY for given in listed(api, CLERK))


def test_the_order_is_decided_with_the_statement(team):
    api = team(lambda Person, between: [Person.salary, Person.name])
    urls = ("/api/teams/1?dump=json", "/api/teams/1/people")
    for caller, is_sorted in ((HR, True), (CLERK, False)):
        for url in urls:
            with count_statements(api.engine) as log:
                api.value(url, headers=caller)
            ordered = [each.split("ORDER BY")[1] for each in log.statements if "ORDER BY" in each]
            assert ["salary" in each for each in ordered] == [is_sorted]
