"""What PostgreSQL is told of users who are recognised (`API_DATABASE_CLAIMS`)."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask, jsonify
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_auth.functions import get_session as get_short_session
from flarchitect_auth.part import AuthPart
from flarchitect_core.architect import Architect
from flarchitect_core.session import get_session
from flarchitect_core.state import state_of
from flarchitect_core.testing import count_statements

pytestmark = [pytest.mark.contract("auth 11"), pytest.mark.contract("F81")]


class Base(DeclarativeBase):
    pass


class Person(Base):
    __tablename__ = "people"

    id: Mapped[int] = mapped_column(primary_key=True)
    username: Mapped[str] = mapped_column(sa.String(40), unique=True)
    teams: Mapped[list[Team]] = relationship(order_by="Team.id")

    def check_password(self, password: str) -> bool:
        return bool(password)


class Team(Base):
    __tablename__ = "teams"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("people.id"))


TOLD = sa.select(sa.func.current_setting("app.user_id", sa.true()))


def add_views(app: Flask) -> None:
    @app.get("/reading")
    def reading() -> Any:
        return jsonify(state_of().database.read(Person, TOLD, {})[0][0])

    @app.get("/session")
    def session() -> Any:
        with get_session(Person) as opened:
            return jsonify(opened.scalar(TOLD))

    @app.get("/short")
    def short() -> Any:
        with get_short_session() as opened:
            return jsonify(opened.scalar(TOLD))


@pytest.fixture
def claimed(start, database_kind):
    """Serve users whose claims are these, and log one of them in."""
    if database_kind != "postgresql":
        pytest.skip("Only PostgreSQL has settings of a transaction.")

    def make(source: Any, **config: Any) -> Any:
        config = {"API_USER_MODEL": Person, "API_DATABASE_CLAIMS": {"app.user_id": source}, **config}
        served = start(base=Base, prepare=add_views, **config)
        served.execute(sa.insert(Person), [{"id": 7, "username": "mira"}])
        served.execute(sa.insert(Team), [{"name": name, "person_id": 7} for name in ("red", "blue")])
        served.headers = served.bearer("mira")
        return served

    return make


@pytest.mark.parametrize("path", ["/reading", "/session", "/short"])
def test_the_database_knows_the_user_of_a_token(claimed, sessions, path):
    served = claimed("id", sessions=sessions)
    assert served.get(path, headers=served.headers).get_json() == "7"
    assert served.get(path).status_code == 401


def test_columns_of_a_user_need_no_session(claimed):
    served = claimed("id")
    with count_statements(served.engine) as log:
        assert served.get("/reading", headers=served.headers).get_json() == "7"
    assert [("set_config" in statement) for statement in log.statements] == [True, False, True, False]


@pytest.mark.parametrize("source", ["teams_of", lambda user: ",".join(team.name for team in user.teams)])
def test_what_needs_more_than_columns_is_told_too(claimed, sessions, source, monkeypatch):
    monkeypatch.setattr(Person, "teams_of", lambda self: ",".join(team.name for team in self.teams), raising=False)
    served = claimed(source, sessions=sessions)
    assert served.get("/session", headers=served.headers).get_json() == "red,blue"


def test_tokens_are_exchanged_and_ended_as_ever(claimed, sessions):
    served = claimed("id", sessions=sessions)
    value = served.login("mira")
    again = served.refresh(value["refresh_token"])
    assert again.status_code == 200
    assert served.refresh(value["refresh_token"]).status_code in (401, 403)
    assert served.get("/auth/me", headers=served.headers).get_json()["value"]["username"] == "mira"


def test_an_attribute_that_users_lack_is_told_at_the_start(kit, caplog):
    caplog.set_level(logging.WARNING)
    app = Flask("typo")
    app.config.update(
        kit.configuration(API_DATABASE_CLAIMS={"app.user_id": "usernam"}),
        API_DATABASE_URI="postgresql+psycopg://nobody@127.0.0.1/none",
    )
    Architect(app, parts=[AuthPart()])
    assert (
        "API_DATABASE_CLAIMS takes 'app.user_id' from the attribute 'usernam', which User does not have. Did you mean "
        "'username'?" in caplog.text
    )
