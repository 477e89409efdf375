"""Rules about fields: what a role may not read is not there for it, and what it may not write stays as it is."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import request
from marshmallow import fields
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.access.identity import set_current_user
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.model.schemas import AutoSchema
from flarchitect_core.testing import make_app
from flarchitect_rest.part import RestPart

USERS = {"hr": SimpleNamespace(id=1, roles=["hr"]), "clerk": SimpleNamespace(id=2, roles=["clerk"])}


def models(**policy: Any) -> Any:
    class Base(DeclarativeBase):
        pass

    class Team(Base):
        __tablename__ = "teams"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20))
        people: Mapped[list["Person"]] = relationship(back_populates="team")

    class Person(Base):
        __tablename__ = "people"

        class Meta:
            field_policy = policy or {
                "salary": {"read": ["hr"], "write": ["hr"]},
                "grade": {"write": "hr"},
                "motto": {"read": "*"},
            }
            allow_groupby = True
            allow_aggregation = True
            allow_export = True

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20))
        salary: Mapped[int] = mapped_column(default=7)
        grade: Mapped[int] = mapped_column(default=1)
        motto: Mapped[str] = mapped_column(sa.String(20), default="")
        team_id: Mapped[int | None] = mapped_column(sa.ForeignKey("teams.id"))
        team: Mapped[Team | None] = relationship(back_populates="people")

        @hybrid_property
        def yearly(self) -> int:
            return self.salary * 12

    return SimpleNamespace(Base=Base, Team=Team, Person=Person)


def calls(name: str | None) -> dict[str, str]:
    return {} if name is None else {"X-User": name}


@pytest.fixture
def api(serve):
    kinds = models()
    api = serve(kinds.Base)
    api.app.before_request(lambda: set_current_user(USERS.get(request.headers.get("X-User", ""))))
    api.execute(sa.insert(kinds.Team), [{"id": 1, "name": "one"}])
    api.execute(sa.insert(kinds.Person), [{"id": 1, "name": "ann", "salary": 4711, "motto": "hi", "team_id": 1}])
    api.advance_sequences("people")
    return api


@pytest.mark.contract("auth-4")
def test_each_role_sees_its_own_fields(api):
    assert api.value("/api/people/1", headers=calls("hr"))["salary"] == 4711
    seen = api.value("/api/people/1", headers=calls("clerk"))
    assert not {"salary", "yearly"} & seen.keys()
    assert seen["motto"] == "hi"
    assert "motto" not in api.value("/api/people/1")


@pytest.mark.contract("auth-4")
@pytest.mark.parametrize(
    "query",
    ["salary__gt=1", "order_by=salary", "fields=salary", "groupby=salary", "salary__sum=1", "yearly__eq=56532"],
)
def test_a_hidden_field_is_as_if_it_were_not_there(api, query):
    assert api.get(f"/api/people?{query}", headers=calls("hr")).status_code == 200
    answer = api.get(f"/api/people?{query}", headers=calls("clerk"))
    body = answer.get_json()
    if query == "salary__sum=1":
        assert answer.status_code == 400
    assert (answer.status_code, "4711" in json.dumps(body), body["errors"].get("suggestions")) == (400, False, None)


@pytest.mark.contract("auth-4")
@pytest.mark.parametrize(
    "path",
    ["/api/teams/1?dump=json", "/api/teams/1/people", "/api/teams?people.salary__gt=1", "/api/people?dump=json"],
)
def test_relations_hide_the_same_fields(api, path):
    answer = api.get(path, headers=calls("clerk"))
    assert answer.status_code == (400 if "salary" in path else 200)
    assert "4711" not in answer.get_data(as_text=True)
    assert api.get(path, headers=calls("hr")).status_code == 200


@pytest.mark.contract("auth-4")
@pytest.mark.parametrize("accepts", ["text/csv", "application/x-ndjson", "application/xml"])
def test_exports_and_xml_hide_the_same_fields(api, accepts):
    hidden, shown = (
        api.get("/api/people", headers={**calls(name), "Accept": accepts}).get_data(as_text=True)
        for name in ("clerk", "hr")
    )
    assert ("4711" in hidden, "4711" in shown) == (False, True)


@pytest.mark.contract("auth-4")
def test_what_a_role_may_not_write_stays_as_it_is(api):
    api.patch("/api/people/1", json={"name": "bea", "grade": 9}, headers=calls("clerk"))
    assert api.scalar("SELECT grade FROM people WHERE id = 1") == 1
    # Whoever cannot see a column must not clear it by sending the rest back.
    seen = api.value("/api/people/1", headers=calls("clerk"))
    assert api.put("/api/people/1", json=seen, headers=calls("clerk")).status_code == 200
    assert api.scalar("SELECT salary FROM people WHERE id = 1") == 4711
    api.patch("/api/people/1", json={"grade": 9, "salary": 1}, headers=calls("hr"))
    assert api.scalar("SELECT grade + salary FROM people WHERE id = 1") == 10


@pytest.mark.contract("auth-4")
def test_a_field_that_an_own_schema_declares_is_hidden_and_locked_all_the_same(serve):
    kinds = models()

    class PersonSchema(AutoSchema):
        class Meta:
            model = kinds.Person

        salary = fields.Integer()
        grade = fields.Integer()

    api = serve(kinds.Base)
    api.app.before_request(lambda: set_current_user(USERS.get(request.headers.get("X-User", ""))))
    api.execute(sa.insert(kinds.Person), [{"id": 1, "name": "ann", "salary": 4711, "grade": 1}])
    assert api.value("/api/people/1", headers=calls("hr"))["salary"] == 4711
    assert "salary" not in api.value("/api/people/1", headers=calls("clerk"))
    assert api.get("/api/people?fields=salary", headers=calls("clerk")).status_code == 400
    api.patch("/api/people/1", json={"name": "bea", "grade": 9}, headers=calls("clerk"))
    assert api.scalar("SELECT grade FROM people") == 1


@pytest.mark.contract("auth-4")
@pytest.mark.parametrize(
    "policy, said",
    [
        ({"salry": {"read": "hr"}}, "Did you mean 'salary'"),
        ({"salary": "hr"}, "mapping with 'read' and 'write'"),
        ({"salary": {"see": "hr"}}, "mapping with 'read' and 'write'"),
        ({"salary": {"read": 5}}, "must name roles"),
        ({"id": {"read": "hr"}}, "is about the key"),
    ],
)
def test_what_is_no_rule_stops_the_start(policy, said, tmp_path):
    kinds = models(**policy)
    with pytest.raises(ConfigurationError, match=said):
        make_app(kinds.Base, f"sqlite:///{tmp_path / 'x.db'}", parts=[RestPart()])
