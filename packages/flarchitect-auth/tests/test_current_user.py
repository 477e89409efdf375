"""The user who calls: read by one select, and an instance like any other for code of the application."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from flask import g, jsonify
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    column_property,
    composite,
    deferred,
    mapped_column,
    object_session,
    reconstructor,
    relationship,
)

from flarchitect_auth.current import authentication_of
from flarchitect_auth.decorators import jwt_authentication, require_roles
from flarchitect_core.access.identity import current_user, get_current_user
from flarchitect_core.plugins import PluginBase
from flarchitect_core.state import state_of
from flarchitect_core.testing import count_statements

ROW = {"id": 7, "name": "mira", "motto": "on", "street": "Quay", "kind": "robot"}


def people(**members: Any) -> Any:
    """Make a base with a user model that has notes, and these members too."""

    class Base(DeclarativeBase):
        pass

    class Note(Base):
        __tablename__ = "notes"

        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str] = mapped_column(sa.String(40))
        owner_id: Mapped[int] = mapped_column(sa.ForeignKey("people.id"))

    columns = {
        "__tablename__": "people",
        "id": mapped_column(sa.Integer, primary_key=True),
        "name": mapped_column(sa.String(40), unique=True),
        "motto": mapped_column(sa.String(40), nullable=True),
        "street": mapped_column(sa.String(40), nullable=True),
        "kind": mapped_column(sa.String(20), nullable=True),
        "notes": relationship(Note, order_by=Note.id),
        "check_password": lambda self, password: password == "right",
    }
    Base.user = type("Person", (Base,), {**columns, **members})
    Base.note = Note
    return Base


@pytest.fixture
def served_with(start):
    """Serve a user model: one user with two notes, and a view that answers with what a function makes of the user."""

    def make(base: Any, view: Any, **config: Any) -> Any:
        def prepare(app):
            app.add_url_rule("/view", "view", lambda: jsonify(view()), methods=["GET", "POST"])

        config = {"API_USER_MODEL": base.user, "API_USER_LOOKUP_FIELD": "name", **config}
        served = start(base=base, prepare=prepare, **config)
        served.execute(sa.insert(base.user.__table__), [ROW])
        served.execute(sa.insert(base.note), [{"text": text, "owner_id": 7} for text in ("first", "second")])
        value = served.post("/auth/login", json={"username": "mira", "password": "right"}).get_json()["value"]
        served.headers = {"Authorization": f"Bearer {value['access_token']}"}
        return served

    return make


def seen(served: Any) -> tuple[Any, list[str]]:
    """Give what the view answers, and the statements that it took."""
    with count_statements(served.engine) as log:
        response = served.get("/view", headers=served.headers)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json(), log.statements


@pytest.mark.contract("S-32")
def test_a_token_costs_one_look_up_by_key(served_with, sessions):
    answer, statements = seen(served_with(people(), lambda: current_user.name, sessions=sessions))
    assert answer == "mira"
    assert len(statements) == 1
    assert "people.id = " in statements[0]
    assert "name = " not in statements[0]


@pytest.mark.contract("auth 8")
def test_views_get_a_user_whose_relations_load_and_whose_changes_are_stored(served_with, sessions):
    base = people()

    def view():
        user = get_current_user()
        session = object_session(user)
        assert sa.inspect(user).persistent
        assert session.get(base.user, 7) is user
        user.motto = "changed"
        texts = [note.text for note in user.notes]
        session.commit()
        assert current_user.motto == "changed"
        return texts

    served = served_with(base, view, sessions=sessions)
    assert seen(served)[0] == ["first", "second"]
    assert served.rows("SELECT motto FROM people") == [("changed",)]


@pytest.mark.contract("auth 8")
def test_a_user_that_the_view_has_read_before_is_the_same_one(served_with):
    base = people()

    def view():
        held = state_of().database.session(base.user).get(base.user, 7)
        return get_current_user() is held

    assert seen(served_with(base, view))[0] is True


class Street:
    def __init__(self, motto: str, street: str) -> None:
        self.words = f"{motto} {street}"


def reconstructed() -> dict[str, Any]:
    def remember(self: Any) -> None:
        self.greeting = f"hello {self.name}"

    return {"remember": reconstructor(remember)}


def active_by_notes(self: Any, name: str) -> Any:
    if name != "is_active":
        raise AttributeError(name)
    return len(self.notes) == 2


@pytest.mark.contract("auth 8")
@pytest.mark.parametrize(
    "members, look, expected",
    [
        (reconstructed, lambda user: user.greeting, "hello mira"),
        (lambda: {"motto": deferred(sa.Column(sa.String(40)))}, lambda user: user.motto, "on"),
        (lambda: {"kind_of": composite(Street, "motto", "street")}, lambda user: user.kind_of.words, "on Quay"),
        (
            lambda: {"is_active": property(lambda self: len(self.notes) == 2)},
            lambda user: [note.text for note in user.notes],
            ["first", "second"],
        ),
        (
            lambda: {"roles": property(lambda self: [note.text for note in self.notes])},
            lambda user: user.roles[0],
            "first",
        ),
        (
            lambda: {"tokens_valid_after": property(lambda self: self.notes[0].text and None)},
            lambda user: user.tokens_valid_after,
            None,
        ),
        (lambda: {"__getattr__": active_by_notes}, lambda user: user.is_active, True),
        (
            lambda: {"shout": column_property(sa.func.upper(sa.literal_column("people.name")))},
            lambda user: user.shout,
            "MIRA",
        ),
    ],
    ids=[
        "reconstructor",
        "deferred",
        "composite",
        "active by relation",
        "roles by relation",
        "revoked by relation",
        "active by what is not declared",
        "column property",
    ],
)
def test_users_of_every_mapping_are_what_a_session_loads(served_with, members, look, expected):
    assert seen(served_with(people(**members()), lambda: look(current_user)))[0] == expected


@pytest.mark.contract("auth 8")
def test_a_subclass_of_users_is_given_as_such(served_with):
    base = people(__mapper_args__={"polymorphic_on": "kind", "polymorphic_identity": "person"})
    base.robot = type("Robot", (base.user,), {"__mapper_args__": {"polymorphic_identity": "robot"}})
    assert seen(served_with(base, lambda: type(get_current_user()).__name__))[0] == "Robot"


@pytest.mark.contract("auth 8")
def test_whoever_listens_to_loading_or_execution_hears_of_users(served_with):
    base = people()
    heard: list[str] = []
    served = served_with(base, lambda: current_user.name)

    def load(target, context):
        heard.append(target.name)

    def execute(state):
        heard.append("executed")

    sa.event.listen(base.user, "load", load)
    seen(served)
    sa.event.remove(base.user, "load", load)
    sa.event.listen(Session, "do_orm_execute", execute)
    try:
        seen(served)
    finally:
        sa.event.remove(Session, "do_orm_execute", execute)
    assert heard == ["mira", "executed"]


@pytest.mark.contract("auth 8")
def test_plugins_get_a_user_like_that_of_views(served_with):
    class Watching(PluginBase):
        texts: list[list[str]] = []

        def after_authenticate(self, context, success, user):
            self.texts.append([note.text for note in user.notes])

    plugin = Watching()
    seen(served_with(people(), lambda: current_user.name, API_PLUGINS=[plugin]))
    assert plugin.texts == [["first", "second"]]


@pytest.mark.contract("auth 9.1")
@pytest.mark.parametrize("role, status", [("first", 200), ("third", 403)])
def test_roles_over_a_relation_are_asked_in_the_session_of_the_request(start, role, status):
    base = people(roles=property(lambda self: [note.text for note in self.notes]))

    def prepare(app):
        app.add_url_rule("/guarded", "guarded", require_roles(role)(lambda: "ok"))

    served = start(base=base, prepare=prepare, API_USER_MODEL=base.user, API_USER_LOOKUP_FIELD="name")
    served.execute(sa.insert(base.user.__table__), [ROW])
    served.execute(sa.insert(base.note), [{"text": "first", "owner_id": 7}])
    token = served.post("/auth/login", json={"username": "mira", "password": "right"}).get_json()["value"]
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    assert served.get("/guarded", headers=headers).status_code == status


@pytest.mark.contract("S-32")
def test_a_key_of_two_users_is_nobody(start):
    class Base(DeclarativeBase):
        pass

    class Person(Base):
        __table__ = sa.Table(
            "people",
            Base.metadata,
            sa.Column("row", sa.Integer, primary_key=True),
            sa.Column("id", sa.Integer),
            sa.Column("name", sa.String(40)),
        )
        __mapper_args__ = {"primary_key": [__table__.c.id]}

        def check_password(self, password: str) -> bool:
            return True

    served = start(base=Base, API_USER_MODEL=Person, API_USER_LOOKUP_FIELD="name")
    served.execute(sa.insert(Person.__table__), [{"row": 1, "id": 7, "name": "mira"}])
    token = served.post("/auth/login", json={"username": "mira", "password": "right"}).get_json()["value"]
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    assert served.get("/plain", headers=headers).status_code == 200
    served.execute(sa.insert(Person.__table__), [{"row": 2, "id": 7, "name": "noor"}])
    assert served.get("/plain", headers=headers).status_code == 401


@pytest.mark.contract("auth 4.1")
@pytest.mark.parametrize("subject", ["a\0b", "a\ud800b"], ids=["nul", "surrogate"])
def test_a_subject_that_no_database_holds_is_nobody(start, kit, subject):
    class Base(DeclarativeBase):
        pass

    class Person(Base):
        __tablename__ = "people"

        id: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(40))

        def check_password(self, password: str) -> bool:
            return True

    served = start(base=Base, API_USER_MODEL=Person, API_USER_LOOKUP_FIELD="name")
    with served.app.app_context():
        token = authentication_of().tokens.issue("access", subject, {}).token
    assert served.get("/plain", headers=kit.bearer(token)).status_code == 401


@pytest.mark.contract("auth 13")
def test_a_caller_who_is_asked_for_twice_is_found_out_once(start):
    base = people()
    told: list[str] = []

    class Watching(PluginBase):
        def before_authenticate(self, context):
            told.append(context["method"])

    def prepare(app):
        inner = jwt_authentication(lambda: "ok")
        app.add_url_rule("/guarded", "guarded", lambda: inner())

    config = {"API_USER_MODEL": base.user, "API_USER_LOOKUP_FIELD": "name", "API_PLUGINS": [Watching()]}
    served = start(base=base, prepare=prepare, **config)

    @served.app.before_request
    def read_the_same_row() -> None:
        g.held = state_of().database.session(base.user).get(base.user, 7)
        assert get_current_user() in (None, g.held)

    served.execute(sa.insert(base.user.__table__), [ROW])
    token = served.post("/auth/login", json={"username": "mira", "password": "right"}).get_json()["value"]
    with count_statements(served.engine) as log:
        response = served.get("/guarded", headers={"Authorization": f"Bearer {token['access_token']}"})
    assert response.status_code == 200
    assert told == ["GET"]
    assert len(log.statements) == 2, "that of the guard, and that of the application"


@pytest.mark.contract("auth 8")
def test_whoever_listens_to_expiry_hears_nothing_of_a_user_who_was_read(served_with):
    base = people()
    heard: list[str] = []
    served = served_with(base, lambda: current_user.name)

    @sa.event.listens_for(base.user, "expire")
    def expire(target, names):
        heard.append(type(target).__name__)

    seen(served)
    assert heard == []
