"""Documents for some readers: those of an audience, and what the roles of a reader allow (docs D-16)."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from flask import Flask
from openapi_spec_validator import OpenAPIV31SpecValidator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.test import Client

from flarchitect_auth.part import AuthPart
from flarchitect_core.architect import Architect
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.state import state_of
from flarchitect_docs.document.check import problems_of
from flarchitect_docs.part import DocsPart
from flarchitect_rest.part import RestPart

pytestmark = pytest.mark.contract("docs D-16")

SPEC = "/docs/apispec.json"
BOOKS = {"list_books", "create_books", "get_books", "replace_books", "update_books", "delete_books"}
WAGES = {name.replace("books", "wages") for name in BOOKS}


class Base(DeclarativeBase):
    type_annotation_map = {str: sa.String(80)}


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    roles: Mapped[str]

    def checks(self, password: str) -> bool:
        return password == self.name[::-1]


class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]

    class Meta:
        tag, tag_group = "Books", "Shop"
        role_map = {"DELETE": "boss"}


class Wage(Base):
    __tablename__ = "wages"
    id: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[int]

    class Meta:
        tag, tag_group = "Wages", "Office"
        role_map = {"ALL": {"roles": ["boss", "clerk"], "any_of": True}}


Make = Callable[..., Flask]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    engines: list[sa.Engine] = []

    def make(**config: Any) -> Flask:
        app = Flask("shop")
        app.config.update(
            SECRET_KEY="u7Jd-flask-0pLw3xTz9qRs5vYb1nMc8kGh2",
            API_TITLE="Shop",
            API_VERSION="1.0",
            API_BASE_MODEL=Base,
            API_DATABASE_URI=f"sqlite:///{tmp_path / 'test.db'}",
            API_AUTHENTICATE_METHOD="basic",
            API_USER_MODEL=User,
            API_USER_LOOKUP_FIELD="name",
            API_CREDENTIAL_CHECK_METHOD="checks",
            API_LOG_REQUESTS=False,
            **config,
        )
        Architect(app, parts=[RestPart(), AuthPart(), DocsPart()])
        engine = state_of(app).database.engine
        assert engine is not None
        if not engines:
            Base.metadata.create_all(engine)
            with engine.begin() as connection:
                rows = [{"name": name, "roles": name} for name in ("boss", "clerk", "reader")]
                connection.execute(sa.insert(User), rows)
        engines.append(engine)
        return app

    yield make
    for engine in engines:
        engine.dispose()


def as_user(name: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{name[::-1]}'.encode()).decode()}"}


def ids_in(document: Any) -> set[str]:
    return {operation["operationId"] for item in document["paths"].values() for operation in item.values()}


def ids_of(client: Client, path: str = SPEC, name: str | None = None) -> set[str]:
    return ids_in(client.get(path, headers=as_user(name) if name else {}).get_json())


def test_an_audience_is_shown_what_has_its_tags(make: Make) -> None:
    client = make(API_DOCS_AUDIENCES={"customers": ["Books"]}).test_client()
    document = client.get("/docs/customers/apispec.json").get_json()
    assert ids_in(document) == BOOKS
    assert ids_of(client) > BOOKS | WAGES
    assert [tag["name"] for tag in document["tags"]] == ["Books"]
    assert document["x-tagGroups"] == [{"name": "Shop", "tags": ["Books"]}]
    assert "wage" not in json.dumps(document["components"]).lower()
    assert yaml.safe_load(client.get("/docs/customers/openapi.yaml").text) == document
    assert 'spec-url="/docs/customers/apispec.json"' in client.get("/docs/customers").text
    assert client.get("/docs/customers/").status_code == 200
    assert client.get("/docs/others").status_code == 404


def test_an_audience_may_be_chosen_by_a_callable(make: Make) -> None:
    def reads(path: str, method: str, operation: Any) -> bool:
        return method == "GET" and path.startswith("/api/") and "Wages" not in operation["tags"]

    app = make(API_DOCS_AUDIENCES={"read-only": reads})
    document = app.test_client().get("/docs/read-only/apispec.json").get_json()
    assert ids_in(document) == {"list_books", "get_books"}
    # Nothing leads to what is not there, and nothing is there for nobody.
    assert list(problems_of(document)) == []
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_the_document_of_an_audience_is_as_protected_as_the_whole_one(make: Make) -> None:
    app = make(API_DOCS_AUDIENCES={"customers": ["Books"]}, API_DOCUMENTATION_PASSWORD="open sesame")
    client = app.test_client()
    for path in ("/docs/customers/apispec.json", "/docs/customers/openapi.yaml"):
        assert client.get(path).status_code == 401
    assert "API Documentation Login" in client.get("/docs/customers").text
    answer = client.post("/docs/customers", data={"password": "open sesame"})
    assert (answer.status_code, answer.location) == (302, "/docs/customers")
    assert ids_of(client, "/docs/customers/apispec.json") == BOOKS


def test_readers_see_what_their_roles_allow(make: Make) -> None:
    client = make(API_DOCS_FILTER_BY_ROLE=True, API_DOCUMENTATION_REQUIRE_AUTH=True).test_client()
    assert ids_of(client, name="boss") > BOOKS | WAGES
    assert ids_of(client, name="clerk") & (BOOKS | WAGES) == (BOOKS | WAGES) - {"delete_books"}
    assert ids_of(client, name="reader") & (BOOKS | WAGES) == BOOKS - {"delete_books"}
    answers = [client.get(SPEC, headers=as_user(name)) for name in ("boss", "clerk")]
    assert answers[0].headers["ETag"] != answers[1].headers["ETag"]
    for answer in answers:
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert {"Cookie", "Authorization"} <= set(answer.vary)


def test_a_login_of_the_page_has_roles_and_the_shared_password_has_none(make: Make) -> None:
    app = make(API_DOCS_FILTER_BY_ROLE=True, API_DOCUMENTATION_PASSWORD="open sesame")
    for form, told in (
        ({"username": "boss", "password": "ssob"}, BOOKS | WAGES),
        ({"password": "open sesame"}, BOOKS - {"delete_books"}),
    ):
        client = app.test_client()
        assert client.post("/docs", data=form).status_code == 302
        assert ids_of(client) & (BOOKS | WAGES) == told


def test_roles_hold_for_the_document_of_an_audience_too(make: Make) -> None:
    app = make(
        API_DOCS_FILTER_BY_ROLE=True,
        API_DOCUMENTATION_REQUIRE_AUTH=True,
        API_DOCS_AUDIENCES={"office": ["Wages"], "customers": ["Books"]},
    )
    client = app.test_client()
    assert ids_of(client, "/docs/office/apispec.json", "reader") == set()
    assert ids_of(client, "/docs/office/apispec.json", "clerk") == WAGES
    assert ids_of(client, "/docs/customers/apispec.json", "reader") == BOOKS - {"delete_books"}


def test_a_view_with_security_of_its_own_tells_its_roles(make: Make) -> None:
    app = make(API_DOCS_FILTER_BY_ROLE=True, API_DOCUMENTATION_REQUIRE_AUTH=True)
    said = {"roles": "boss", "operation_id": "secret", "security": [{"basicAuth": []}]}
    view = state_of(app).architect.schema_constructor(**said)(lambda: {})
    app.add_url_rule("/secret", "secret", view)
    assert "secret" in ids_of(app.test_client(), name="boss")
    assert "secret" not in ids_of(app.test_client(), name="clerk")


@pytest.mark.parametrize(
    "config, sentence",
    [
        ({"API_DOCS_AUDIENCES": {"assets": ["Books"]}}, "API_DOCS_AUDIENCES"),
        ({"API_DOCS_AUDIENCES": {"a/b": ["Books"]}}, "API_DOCS_AUDIENCES"),
        ({"API_DOCS_AUDIENCES": {"partners": "Books"}}, "API_DOCS_AUDIENCES"),
        ({"API_DOCS_FILTER_BY_ROLE": True}, "API_DOCUMENTATION_REQUIRE_AUTH"),
    ],
)
def test_what_would_show_nothing_or_too_much_stops_the_start(make: Make, config: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        make(**config)


def test_the_document_of_an_audience_is_exported(make: Make) -> None:
    runner = make(API_DOCS_AUDIENCES={"customers": ["Books"]}).test_cli_runner()
    result = runner.invoke(args=["openapi", "export", "--audience", "customers"])
    assert ids_in(json.loads(result.output)) == BOOKS
    wrong = runner.invoke(args=["openapi", "export", "--audience", "nobody"])
    assert wrong.exit_code == 2
    assert "There are: customers." in wrong.output
