"""The documentation of an application that knows its users: who may read it, and by what (docs 2.1)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship
from werkzeug.test import Client, TestResponse

from flarchitect_auth.part import AuthPart
from flarchitect_core.access.identity import get_current_user
from flarchitect_core.architect import Architect
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.state import state_of
from flarchitect_core.testing import error_of, make_app
from flarchitect_docs.part import DocsPart
from flarchitect_rest.part import RestPart

PASSWORD = "correct horse battery"
SPEC = "/docs/apispec.json"
EVERY_URL = (SPEC, "/docs/openapi.yaml", "/apispec.json", "/swagger.json", "/openapi.json")


class Base(DeclarativeBase):
    type_annotation_map = {str: sa.String(80)}


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    password_hash: Mapped[str]
    is_active: Mapped[bool] = mapped_column(default=True)

    def checks(self, password: str) -> bool:
        return self.password_hash == password[::-1]


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]

    class Meta:
        pass


def find_by_key(key: str) -> Any:
    session = state_of().database.session(User)
    return session.scalars(sa.select(User)).first() if key == "k-1" else None


@pytest.fixture
def serve(tmp_path: Path) -> Any:
    """Make an application with the user `mira`."""
    engines: list[sa.Engine] = []

    def make(**config: Any) -> Flask:
        app = Flask("library")
        given = {
            "SECRET_KEY": "u7Jd-flask-0pLw3xTz9qRs5vYb1nMc8kGh2",
            "ACCESS_SECRET_KEY": "kX8-access-2fQz7Lr0vB5nT1yW9mC4hJ6d",
            "REFRESH_SECRET_KEY": "pR3-refresh-8sGu2Ea6oK0iD5xN7bV1wQ4",
            "API_TITLE": "Library",
            "API_VERSION": "1.0",
            "API_BASE_MODEL": Base,
            "API_DATABASE_URI": f"sqlite:///{tmp_path / 'test.db'}",
            "API_AUTHENTICATE_METHOD": ["jwt", "basic", "api_key"],
            "API_USER_MODEL": User,
            "API_USER_LOOKUP_FIELD": "name",
            "API_CREDENTIAL_CHECK_METHOD": "checks",
            "API_KEY_AUTH_AND_RETURN_METHOD": find_by_key,
            "API_LOG_REQUESTS": False,
            "API_DOCUMENTATION_REQUIRE_AUTH": True,
            **config,
        }
        app.config.update({key: value for key, value in given.items() if value is not None})
        Architect(app, parts=[RestPart(), AuthPart(), DocsPart()])
        engine = state_of(app).database.engine
        assert engine is not None
        if not engines:
            Base.metadata.create_all(engine)
            with engine.begin() as connection:
                row = {"name": "mira", "password_hash": PASSWORD[::-1], "is_active": True}
                connection.execute(sa.insert(User), [row])
        engines.append(engine)
        return app

    return make


def log_in(client: Client, name: str = "mira", password: str = PASSWORD) -> TestResponse:
    return client.post("/docs", data={"username": name, "password": password})


def change(app: Flask, **values: Any) -> None:
    engine = state_of(app).database.engine
    assert engine is not None
    with engine.begin() as connection:
        connection.execute(sa.update(User).values(values))


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


@pytest.mark.contract("docs 2.1")
def test_users_read_the_documentation_after_their_login(serve: Callable[..., Flask]) -> None:
    client = serve().test_client()
    form = client.get("/docs")
    assert 'name="username"' in form.text
    assert "shared password" not in form.text
    assert log_in(client, password="wrong").status_code == 401
    assert log_in(client, "nobody").status_code == 401
    for path in EVERY_URL:
        error_of(client.get(path), 401, "login_required")
    answer = log_in(client)
    assert (answer.status_code, answer.location) == (302, "/docs")
    assert "spec-url=" in client.get("/docs").text
    for path in EVERY_URL:
        assert client.get(path, follow_redirects=True).status_code == 200, path


@pytest.mark.contract("docs 2.1")
def test_a_login_to_the_documentation_is_none_to_the_api(serve: Callable[..., Flask]) -> None:
    client = serve().test_client()
    log_in(client)
    error_of(client.get("/api/books"), 401, "credentials_missing")


@pytest.mark.contract("docs D-18")
@pytest.mark.parametrize("path", ["/docs/bundle", "/schema/discovery"])
def test_what_tells_about_the_application_is_never_more_open_than_the_documentation(
    serve: Callable[..., Flask], path: str
) -> None:
    client = serve(API_DOCS_BUNDLE_AUTH=False, API_SCHEMA_DISCOVERY_AUTH=False).test_client()
    error_of(client.get(path), 401, "login_required")
    log_in(client)
    assert client.get(path).status_code == 200
    closed = serve().test_client()
    log_in(closed)
    error_of(closed.get(path), 401, "credentials_missing")


@pytest.mark.contract("docs D-18")
def test_where_nobody_is_known_the_login_opens_what_tells_about_the_application(tmp_path: Path) -> None:
    app = make_app(
        Base,
        f"sqlite:///{tmp_path / 'alone.db'}",
        parts=[RestPart(), DocsPart()],
        SECRET_KEY="u7Jd-flask-0pLw3xTz9qRs5vYb1nMc8kGh2",
        API_DOCUMENTATION_PASSWORD="open sesame",
    )
    client = app.test_client()
    for path in ("/docs/bundle", "/schema/discovery"):
        refused = client.get(path)
        error_of(refused, 401, "login_required")
        assert refused.headers["Cache-Control"] == "no-store"
    log_in(client, "", "open sesame")
    for path in ("/docs/bundle", "/schema/discovery"):
        answer = client.get(path)
        assert answer.status_code == 200
        # The cookie opens it, and no cache that many share may give it to those without.
        assert "private" in answer.headers["Cache-Control"]
        assert {"Accept", "Cookie", "Authorization"} <= set(answer.vary)


@pytest.mark.contract("docs 2.1")
def test_the_reader_is_the_current_user(serve: Callable[..., Flask]) -> None:
    app, seen = serve(), []
    app.after_request(lambda response: (seen.append(getattr(get_current_user(), "name", None)), response)[1])
    client = app.test_client()
    log_in(client)
    client.get(SPEC)
    client.get("/docs/assets/nothing")
    assert seen == ["mira", "mira", None]


@pytest.mark.contract("docs 2.1")
@pytest.mark.contract("docs D-18")
@pytest.mark.parametrize("path", EVERY_URL)
def test_credentials_of_the_api_open_the_document(serve: Callable[..., Flask], path: str) -> None:
    client = serve().test_client()
    token = client.post("/auth/login", json={"username": "mira", "password": PASSWORD}).json["value"]["access_token"]
    for given in (f"Bearer {token}", basic("mira", PASSWORD)["Authorization"], "Api-Key k-1"):
        answer = client.get(path, headers={"Authorization": given}, follow_redirects=True)
        assert answer.status_code == 200, given
        assert "private" in answer.headers["Cache-Control"]
        assert "Set-Cookie" not in answer.headers
    for given in ("Bearer x.y.z", basic("mira", "wrong")["Authorization"], "Api-Key k-2"):
        refused = client.get(path, headers={"Authorization": given})
        error_of(refused, 401, "login_required")
        assert "Bearer" in refused.headers["WWW-Authenticate"]


def test_the_form_is_refused_without_a_window_of_the_browser(serve: Callable[..., Flask]) -> None:
    answer = log_in(serve().test_client(), password="wrong")
    assert answer.headers["WWW-Authenticate"] == 'Form realm="documentation"'


@pytest.mark.contract("docs D-17")
@pytest.mark.parametrize("values", [{"password_hash": "another"}, {"is_active": False}], ids=["password", "closed"])
def test_a_login_ends_when_the_account_is_another_one(serve: Callable[..., Flask], values: dict[str, Any]) -> None:
    app = serve()
    client = app.test_client()
    log_in(client)
    assert client.get(SPEC).status_code == 200
    change(app, **values)
    error_of(client.get(SPEC), 401, "login_required")
    assert "API Documentation Login" in client.get("/docs").text


@pytest.mark.contract("docs D-17")
def test_guessing_is_limited_for_the_account_too(serve: Callable[..., Flask]) -> None:
    client = serve(API_DOCS_LOGIN_RATE_LIMIT=False, API_AUTH_LOGIN_RATE_LIMIT="3 per minute").test_client()
    assert [log_in(client, password="wrong").status_code for _ in range(4)] == [401, 401, 401, 429]
    answer = client.post("/auth/login", json={"username": "mira", "password": PASSWORD})
    error_of(answer, 429, "too_many_attempts")


@pytest.mark.contract("docs 2.1")
def test_the_shared_password_and_accounts_stand_side_by_side(serve: Callable[..., Flask]) -> None:
    app = serve(API_DOCUMENTATION_PASSWORD="open sesame", API_DOCUMENTATION_REQUIRE_AUTH=False)
    form = app.test_client().get("/docs").text
    assert 'name="username"' in form
    assert "Leave it empty to use the shared password." in form
    assert log_in(app.test_client()).status_code == 302
    assert log_in(app.test_client(), "", "open sesame").status_code == 302
    assert log_in(app.test_client(), "", PASSWORD).status_code == 401


@pytest.mark.contract("docs 2.1")
def test_keys_alone_let_nobody_use_the_form(serve: Callable[..., Flask]) -> None:
    keys = {"API_AUTHENTICATE_METHOD": "api_key", "API_USER_LOOKUP_FIELD": None, "API_CREDENTIAL_CHECK_METHOD": None}
    with pytest.raises(ConfigurationError, match="nobody could log in"):
        serve(**keys)
    client = serve(**keys, API_DOCUMENTATION_PASSWORD="open sesame").test_client()
    assert 'name="username"' not in client.get("/docs").text
    assert client.get(SPEC, headers={"Authorization": "Api-Key k-1"}).status_code == 200


@pytest.mark.contract("docs 2")
@pytest.mark.contract("docs 9 13")
def test_what_guards_the_api_does_not_guard_an_open_documentation(serve: Callable[..., Flask]) -> None:
    client = serve(API_DOCUMENTATION_REQUIRE_AUTH=False).test_client()
    error_of(client.get("/api/books"), 401)
    for path in ("/docs", *EVERY_URL):
        assert client.get(path, follow_redirects=True).status_code == 200, path


def test_the_doctor_tells_of_a_documentation_that_is_more_open_than_the_api(serve: Callable[..., Flask]) -> None:
    def checks(**config: Any) -> set[str]:
        result = serve(**config).test_cli_runner().invoke(args=["flarchitect", "doctor", "--json"])
        return {finding["check"] for finding in json.loads(result.output)}

    assert "open-documentation" in checks(API_DOCUMENTATION_REQUIRE_AUTH=False)
    assert "open-documentation" not in checks()
    assert "open-documentation" not in checks(API_DOCUMENTATION_REQUIRE_AUTH=False, API_CREATE_DOCS=False)


@pytest.mark.contract("docs 5.1")
def test_discovery_leaves_out_what_the_roles_of_the_caller_do_not_let_it_read() -> None:
    class Office(DeclarativeBase):
        type_annotation_map = {str: sa.String(80)}

    class Clerk(Office):
        __tablename__ = "clerks"

        class Meta:
            role_map = {"GET_ONE": {"roles": ["boss", "clerk"], "any_of": True}, "ALL": "boss"}

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        roles: Mapped[str]
        wages: Mapped[list[Wage]] = relationship(back_populates="clerk")

        def checks(self, password: str) -> bool:
            return password == PASSWORD

    class Wage(Office):
        __tablename__ = "wages"

        class Meta:
            role_map = {"ALL": "boss"}

        id: Mapped[int] = mapped_column(primary_key=True)
        amount: Mapped[int]
        clerk_id: Mapped[int] = mapped_column(sa.ForeignKey("clerks.id"))
        clerk: Mapped[Clerk] = relationship(back_populates="wages")

    app = make_app(
        Office,
        "sqlite://",
        parts=[RestPart(), AuthPart(), DocsPart()],
        API_AUTHENTICATE_METHOD=["basic"],
        API_USER_MODEL=Clerk,
        API_USER_LOOKUP_FIELD="name",
        API_CREDENTIAL_CHECK_METHOD="checks",
        SECRET_KEY="u7Jd-flask-0pLw3xTz9qRs5vYb1nMc8kGh2",
    )
    with state_of(app).database.engine.begin() as connection:  # type: ignore[union-attr]
        Office.metadata.create_all(connection)
        rows = [{"name": "mira", "roles": "clerk"}, {"name": "joan", "roles": "boss"}, {"name": "new", "roles": ""}]
        connection.execute(sa.insert(Clerk), rows)
    client = app.test_client()

    def told(name: str) -> dict[str, Any]:
        value = client.get("/schema/discovery", headers=basic(name, PASSWORD)).get_json()["value"]
        return {each["name"]: [path["path"] for path in each["join_paths"]] for each in value["models"]}

    assert told("joan") == {"Clerk": ["wages", "wages.clerk"], "Wage": ["clerk", "clerk.wages"]}
    assert told("mira") == {"Clerk": []}
    assert told("new") == {}
