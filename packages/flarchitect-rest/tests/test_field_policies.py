"""Rules about fields: what a role may not read is not there for it, and what it may not write stays as it is."""

import gc
import json
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import marshmallow as ma
import pytest
import sqlalchemy as sa
from flask import request
from marshmallow import fields
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, column_property, mapped_column, relationship

from flarchitect_core.access.identity import set_current_user
from flarchitect_core.errors import ConfigurationError, QueryError, ValidationError
from flarchitect_core.model.schemas import AutoSchema
from flarchitect_core.operations.crud import CrudService
from flarchitect_core.schema_tools import get_input_output_from_model_or_make
from flarchitect_core.session import get_session
from flarchitect_core.testing import make_app
from flarchitect_core.views.managed import handle_one
from flarchitect_core.views.sse import stream_model_events
from flarchitect_rest.part import RestPart

KEY = {"Idempotency-Key": "one-key"}
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
    return filled(serve(kinds.Base), kinds)


def with_users(api: Any) -> Any:
    api.app.before_request(lambda: set_current_user(USERS.get(request.headers.get("X-User", ""))))
    return api


def filled(api: Any, kinds: Any) -> Any:
    with_users(api).kinds = kinds
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


@pytest.mark.contract("S-20")
def test_what_other_models_make_from_a_hidden_column_is_hidden(serve):
    kinds = models()
    top = sa.select(sa.func.max(kinds.Person.salary)).where(kinds.Person.team_id == kinds.Team.id)
    kinds.Team.top = column_property(top.correlate_except(kinds.Person).scalar_subquery())
    api = filled(serve(kinds.Base), kinds)
    assert api.value("/api/teams/1", headers=calls("hr"))["top"] == 4711
    for path in ("/api/teams/1", "/api/teams?fields=top", "/api/teams?top__gt=1", "/api/people?dump=json"):
        assert "4711" not in api.get(path, headers=calls("clerk")).get_data(as_text=True)


@pytest.mark.contract("S-20")
def test_a_relation_does_not_tell_its_hidden_key(serve):
    kinds = models(team_id={"read": "hr"})
    api = filled(serve(kinds.Base), kinds)
    assert api.value("/api/people/1", headers=calls("hr"))["team"] == "/api/teams/1"
    for path in ("/api/people/1", "/api/people/1?dump=json", "/api/teams/1", "/api/teams/1?dump=json"):
        assert not {"team", "people"} & api.value(path, headers=calls("clerk")).keys()
    for path in ("/api/people?team.id__eq=1", "/api/people?join=team", "/api/people?order_by=team.name"):
        assert api.get(path, headers=calls("clerk")).status_code == 400
    for path in ("/api/people/1/teams", "/api/teams/1/people"):
        assert api.get(path, headers=calls("hr")).status_code == 200
        assert api.get(path, headers=calls("clerk")).status_code == 404


@pytest.mark.contract("S-20")
@pytest.mark.parametrize("is_renamed", [False, True])
def test_no_own_schema_shows_or_takes_what_a_rule_hides(serve, is_renamed):
    kinds = models()

    class PersonSchema(AutoSchema):
        class Meta:
            model = kinds.Person
            exclude = ("salary",) if is_renamed else ()

        if is_renamed:
            wage = ma.fields.Integer(attribute="salary")
        else:
            salary = ma.fields.Integer()

    api = filled(serve(kinds.Base), kinds)
    assert "4711" in api.get("/api/people/1", headers=calls("hr")).get_data(as_text=True)
    for path in ("/api/people/1", "/api/people", "/api/people?fields=salary", "/api/teams/1?dump=json"):
        assert "4711" not in api.get(path, headers=calls("clerk")).get_data(as_text=True)
    api.patch("/api/people/1", json={"salary": 1}, headers=calls("clerk"))
    api.patch("/api/people/1", json={"wage": 1}, headers=calls("clerk"))
    assert api.scalar("SELECT salary FROM people") == 4711


@pytest.mark.contract("S-20")
@pytest.mark.parametrize("searched", [["motto"], ["motto", "name"]])
def test_no_search_finds_a_hidden_column(serve, searched):
    kinds = models(motto={"read": "hr"})
    kinds.Person.Meta.search = searched
    api = filled(serve(kinds.Base), kinds)
    assert len(api.value("/api/people?search=hi", headers=calls("hr"))) == 1
    answers = [api.get(f"/api/people?search={word}", headers=calls("clerk")) for word in ("hi", "nothing")]
    assert [(answer.status_code, answer.get_json()["value"]) for answer in answers] == (
        [(400, None)] * 2 if searched == ["motto"] else [(200, [])] * 2
    )


@pytest.mark.contract("S-20")
def test_an_own_schema_that_is_kept_shows_and_takes_what_each_caller_may(api):
    class PersonSchema(AutoSchema):
        class Meta:
            model = api.kinds.Person

    with api.app.app_context():
        kept = PersonSchema(exclude=["motto"])

    def view():
        with Session(api.engine) as session:
            person = session.get(api.kinds.Person, 1)
            return {
                "shown": kept.dump(person),
                "all": kept.dump([person], many=True),
                "taken": kept.load({"name": "x", "salary": 1}),
            }

    api.app.add_url_rule("/view", "view", view)
    seen = {name: api.get("/view", headers=calls(name)).get_json() for name in ("hr", "clerk", "hr")}
    assert (seen["hr"]["shown"]["salary"], seen["hr"]["taken"]["salary"]) == (4711, 1)
    assert "salary" not in json.dumps(seen["clerk"])
    assert "motto" not in json.dumps(seen)
    assert seen["clerk"]["all"] == [seen["clerk"]["shown"]]


@pytest.mark.contract("S-20")
@pytest.mark.contract("rest-8.3")
def test_streams_of_records_show_what_the_caller_may_read(api):
    def stream():
        with get_session(api.kinds.Person) as session:
            return stream_model_events([session.get(api.kinds.Person, 1)])

    api.app.add_url_rule("/stream", "stream", stream)
    seen = {name: api.get("/stream", headers=calls(name)).get_data(as_text=True) for name in ("hr", "clerk")}
    assert '"salary":4711' in seen["hr"]
    assert '"name":"ann"' in seen["clerk"]
    assert "salary" not in seen["clerk"]


@pytest.mark.contract("S-20")
def test_schemas_that_views_ask_for_are_those_of_the_caller(api):
    def view():
        taken, given = get_input_output_from_model_or_make(api.kinds.Person)
        with get_session(api.kinds.Person) as session:
            shown = given.dump(session.get(api.kinds.Person, 1))
        return {"shown": shown, "taken": taken.load({"name": "eve", "salary": 1})}

    api.app.add_url_rule("/view", "view", view)
    seen = {name: api.get("/view", headers=calls(name)).get_json() for name in ("hr", "clerk")}
    assert (seen["hr"]["shown"]["salary"], seen["hr"]["taken"]["salary"]) == (4711, 1)
    assert "salary" not in json.dumps(seen["clerk"])


@pytest.mark.contract("S-20")
@pytest.mark.contract("bar F47")
def test_an_answer_that_is_kept_for_a_key_is_given_to_its_user_alone(serve):
    kinds = models()
    api = filled(serve(kinds.Base, API_IDEMPOTENCY=True), kinds)
    bodies = {"hr": {"name": "eve", "salary": 9}, "clerk": {"name": "eve"}}
    first = {name: api.post("/api/people", json=bodies[name], headers={**calls(name), **KEY}) for name in bodies}
    again = {name: api.post("/api/people", json=bodies[name], headers={**calls(name), **KEY}) for name in bodies}
    for name in bodies:
        assert first[name].status_code == 201, first[name].get_data(as_text=True)
        assert again[name].get_json()["value"] == first[name].get_json()["value"]
    assert first["hr"].get_json()["value"]["id"] != first["clerk"].get_json()["value"]["id"]
    assert "salary" not in again["clerk"].get_json()["value"]
    assert api.scalar("SELECT count(*) FROM people") == 3


@pytest.mark.contract("S-20")
def test_many_callers_at_once_see_their_own_fields_and_leave_nothing_behind(api):
    def ask(number):
        roles = ["hr"] if number % 2 else ["clerk", f"own-{number}"]
        with api.app.test_client() as client:
            client.environ_base["test.user"] = SimpleNamespace(id=number, roles=roles)
            record = client.get("/api/people/1").get_json()["value"]
        return ("salary" in record) == (roles == ["hr"])

    def grown(numbers):
        assert all(pool.map(ask, numbers))
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    api.app.before_request(lambda: set_current_user(request.environ["test.user"]))
    with ThreadPoolExecutor(8) as pool:
        tracemalloc.start()
        try:
            few = grown(range(100))
            assert grown(range(100, 500)) - few < 100_000
        finally:
            tracemalloc.stop()


@pytest.mark.contract("S-20")
def test_code_of_the_application_reads_and_writes_by_the_same_rules(api):
    with api.app.test_request_context(), Session(api.engine) as session:
        set_current_user(USERS["clerk"])
        people = CrudService(api.kinds.Person, session)
        with pytest.raises(QueryError):
            people.get_query({"salary__gt": 1})
        people.update_object(1, {"grade": 9})
        with pytest.raises(ValidationError):
            people.update_object(1, {"salary": 1})
    assert api.scalar("SELECT salary + grade FROM people") == 4712


@pytest.mark.contract("S-20")
def test_a_hand_written_view_dumps_for_each_caller_what_it_may_see(api):
    class PersonSchema(AutoSchema):
        class Meta:
            model = api.kinds.Person
            register = False

    @api.app.get("/boss")
    @handle_one(PersonSchema)
    def boss() -> Any:
        with Session(api.engine) as session:
            return session.get(api.kinds.Person, 1)

    for name, is_shown in (("clerk", False), ("hr", True), ("clerk", False)):
        assert ("salary" in api.value("/boss", headers=calls(name))) == is_shown


@pytest.mark.contract("S-20")
@pytest.mark.parametrize("of_parent", [True, False])
def test_a_rule_holds_for_a_column_on_the_routes_of_parent_and_subclass(serve, of_parent):
    class Base(DeclarativeBase):
        pass

    rule = {"pay": {"read": "hr", "write": "hr"}}

    class Employee(Base):
        __tablename__ = "employees"

        class Meta:
            field_policy = rule if of_parent else {}

        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(sa.String(9))
        pay: Mapped[int]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "employee"}

    class Manager(Employee):
        class Meta:
            field_policy = {} if of_parent else rule

        __mapper_args__ = {"polymorphic_identity": "manager"}

    api = with_users(serve(Base))
    api.execute(sa.insert(Employee.__table__), [{"id": 1, "kind": "manager", "pay": 4711}])
    for path in ("/api/employees/1", "/api/managers/1"):
        assert api.value(path, headers=calls("hr"))["pay"] == 4711
        assert "pay" not in api.value(path, headers=calls("clerk"))
        api.patch(path, json={"pay": 1}, headers=calls("clerk"))
    assert api.scalar("SELECT pay FROM employees") == 4711


@pytest.mark.contract("S-20")
def test_a_cursor_is_good_for_its_reader_whatever_its_roles_are_by_then(api, monkeypatch):
    api.execute(sa.insert(api.kinds.Person), [{"id": 2, "name": "bea"}, {"id": 3, "name": "cyd"}])
    page = api.get("/api/people?cursor=&limit=1", headers=calls("clerk")).get_json()
    monkeypatch.setattr(USERS["clerk"], "roles", ["hr"])
    following = api.get(page["next_url"].removeprefix("http://localhost"), headers=calls("clerk"))
    assert [row["id"] for row in following.get_json()["value"]] == [2]


@pytest.mark.contract("S-25")
def test_a_write_by_one_role_drops_what_is_kept_for_another(serve):
    kinds = models()
    api = filled(serve(kinds.Base, API_CACHE_TYPE="SimpleCache", API_CACHE_TIMEOUT=60), kinds)
    for name in ("hr", "clerk", "hr", "clerk"):
        assert ("salary" in api.value("/api/people/1", headers=calls(name))) == (name == "hr")
    api.patch("/api/people/1", json={"name": "bea"}, headers=calls("clerk"))
    for name in ("hr", "clerk"):
        assert api.value("/api/people/1", headers=calls(name))["name"] == "bea"


@pytest.mark.contract("S-20")
def test_no_tag_tells_that_a_hidden_field_has_changed(serve):
    kinds = models()
    api = filled(serve(kinds.Base, SECRET_KEY="k", API_ETAGS=True), kinds)
    tags = {name: [] for name in ("hr", "clerk")}
    for salary in (1, 2):
        api.execute(sa.update(kinds.Person).values(salary=salary))
        for name, seen in tags.items():
            seen += [
                api.get(path, headers=calls(name)).headers.get("ETag") for path in ("/api/people/1", "/api/people")
            ]
    assert tags["clerk"][:2] == tags["clerk"][2:]
    assert tags["hr"][0] != tags["hr"][2]
    answer = api.patch("/api/people/1", json={"name": "b"}, headers={**calls("clerk"), "If-Match": tags["clerk"][0]})
    assert answer.status_code == 200
