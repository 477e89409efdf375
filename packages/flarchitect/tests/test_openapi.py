"""The OpenAPI document of generated routes and of authentication: it is valid, complete, and says what happens."""

from __future__ import annotations

import argparse
import ast
import datetime as dt
import decimal
import enum
import hashlib
import itertools
import json
import re
import shlex
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jsonschema
import marshmallow as ma
import pytest
import sqlalchemy as sa
import yaml
from flask import Flask
from openapi_schema_validator import OAS30Validator, OAS31Validator
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from flarchitect_auth.part import AuthPart
from flarchitect_core.model.schemas import AutoSchema
from flarchitect_core.query.parse import COLLECTION_PARAMETERS
from flarchitect_core.state import state_of
from flarchitect_core.testing import error_of, make_app
from flarchitect_docs.document.check import problems_of, references_of
from flarchitect_docs.document.dialect import in_3_0
from flarchitect_docs.part import DocsPart
from flarchitect_rest.part import RestPart

SECRETS = {
    "SECRET_KEY": "u7Jd-flask-0pLw3xTz9qRs5vYb1nMc8kGh2",
    "ACCESS_SECRET_KEY": "kX8-access-2fQz7Lr0vB5nT1yW9mC4hJ6d",
    "REFRESH_SECRET_KEY": "pR3-refresh-8sGu2Ea6oK0iD5xN7bV1wQ4",
}


class Base(DeclarativeBase):
    type_annotation_map = {str: sa.String(80)}


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Author(Base):
    """Whoever writes books."""

    __tablename__ = "authors"

    class Meta:
        tag = "Authors"
        tag_group = "Library"
        get_many_summary = "All authors"
        get_single_summary = "One author"
        post_summary = "Add an author"
        description = {"GET": "Reads authors.", "DELETE": "Removes an author."}

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(info={"description": "As on the cover.", "example": "Mira Holt"})
    email: Mapped[str | None] = mapped_column(info={"format": "email"})
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(Base):
    __tablename__ = "books"

    class Meta:
        tag = "Books"
        tag_group = "Library"

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    price: Mapped[decimal.Decimal | None] = mapped_column(sa.Numeric(8, 2))
    weight: Mapped[float | None]
    sold: Mapped[bool] = mapped_column(default=False)
    colour: Mapped[Colour | None]
    code: Mapped[uuid.UUID | None]
    released: Mapped[dt.date | None]
    seen_at: Mapped[dt.datetime | None]
    opens: Mapped[dt.time | None]
    lasts: Mapped[dt.timedelta | None]
    cover: Mapped[bytes | None] = mapped_column(sa.LargeBinary(100))
    extra: Mapped[Any | None] = mapped_column(sa.JSON)
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")

    @hybrid_property
    def is_heavy(self) -> bool:
        """Whether two hands are needed."""
        return self.weight > 10  # type: ignore[operator]


class Stock(Base):
    __tablename__ = "stocks"

    class Meta:
        pass

    place: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[int] = mapped_column(sa.SmallInteger, default=0)


class User(Base):
    __tablename__ = "users"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password_hash: Mapped[str]
    api_key_hash: Mapped[str | None]
    deleted: Mapped[bool] = mapped_column(default=False)

    @property
    def roles(self) -> list[str]:
        return ["reader"]

    def checks(self, given: str) -> bool:
        return hashlib.sha256(given.encode()).hexdigest() in (self.password_hash, self.api_key_hash)


Make = Callable[..., Flask]


@pytest.fixture
def make(tmp_path: Any) -> Iterator[Make]:
    """Make an application with the models, and a database that has a row of each."""
    uri = f"sqlite:///{tmp_path / 'library.db'}"
    engine = sa.create_engine(uri)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Author(name="Mira Holt", email="mira@example.org", books=[Book(title="Tides", weight=3.5)]))
        session.add(Stock(place="cellar/2", number=1, amount=3))
        key = hashlib.sha256(b"key").hexdigest()
        session.add(User(name="mira", password_hash=hashlib.sha256(b"secret").hexdigest(), api_key_hash=key))
        session.commit()
    engine.dispose()
    made: list[Flask] = []

    def make(*, auth: bool = False, **config: Any) -> Flask:
        parts: list[Any] = [RestPart(), DocsPart()]
        if auth or "API_AUTHENTICATE_METHOD" in config:
            parts.append(AuthPart())
            config = {
                **SECRETS,
                "API_USER_MODEL": User,
                "API_USER_LOOKUP_FIELD": "name",
                "API_CREDENTIAL_CHECK_METHOD": "checks",
                "API_CREDENTIAL_HASH_FIELD": "api_key_hash",
                **config,
            }
        app = make_app(Base, uri, parts=parts, **config)
        made.append(app)
        return app

    yield make
    for app in made:
        state_of(app).database.engine.dispose()


def document_of(app: Flask, version: str | None = None) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(state_of(app).documents.current(version).json)
    return document


def operations_of(document: Mapping[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }


def parameters_of(document: Mapping[str, Any], operation: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = [
        document["components"]["parameters"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each
        for each in operation.get("parameters", ())
    ]
    return {each["name"]: each for each in found}


def schema_of(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    schema: dict[str, Any] = document["components"]["schemas"][name]
    return schema


# --- validity ---------------------------------------------------------------------------------------------------------

MATRIX: dict[str, dict[str, Any]] = {
    "plain": {},
    "jwt": {"API_AUTHENTICATE_METHOD": "jwt", "API_AUTHENTICATE": True},
    "jwt in a list": {"API_AUTHENTICATE_METHOD": ["jwt"], "API_AUTHENTICATE": True},
    "basic": {"API_AUTHENTICATE_METHOD": "basic"},
    "api_key": {"API_AUTHENTICATE_METHOD": ["api_key"], "API_KEY_HEADER": "X-Key"},
    "custom": {
        "API_AUTHENTICATE_METHOD": "custom",
        "API_CUSTOM_AUTH": lambda: True,
        "API_CUSTOM_AUTH_SCHEME": {"type": "apiKey", "in": "header", "name": "X-Me"},
    },
    "all methods": {"API_AUTHENTICATE_METHOD": ["jwt", "basic", "api_key"]},
    "cookies": {
        "API_AUTHENTICATE_METHOD": "jwt",
        "API_AUTH_TOKEN_PROVIDERS": ["header", "cookie"],
        "API_AUTH_SET_COOKIES": True,
    },
    "roles": {"API_AUTHENTICATE_METHOD": "jwt", "API_ROLE_MAP": {"GET": True, "POST": ["editor", "admin"]}},
    "some open": {
        "API_AUTHENTICATE_METHOD": "jwt",
        "API_AUTH_REQUIREMENTS": {"GET": False, "DELETE": lambda **_: None},
    },
    "soft delete": {
        "API_SOFT_DELETE": True,
        "API_SOFT_DELETE_ATTRIBUTE": "deleted",
        "API_SOFT_DELETE_VALUES": (False, True),
    },
    "no joins": {"API_ALLOW_JOIN": False, "API_ALLOW_SELECT_FIELDS": False, "API_ALLOW_ORDER_BY": False},
    "groups": {"API_ALLOW_GROUPBY": True, "API_ALLOW_AGGREGATION": True},
    "rate limit": {"API_RATE_LIMIT": "1000 per minute"},
    "bulk": {"API_ALLOW_BULK": True, "API_IDEMPOTENCY": True},
    "tags": {"API_ETAGS": True, "API_REQUIRE_IF_MATCH": True},
    "exports": {"API_ALLOW_EXPORT": True},
    "no XML": {"API_ALLOW_XML": False},
    "problems": {"API_ERROR_FORMAT": "problem"},
    "read only": {"API_READ_ONLY": True},
    "client keys": {"API_ALLOW_CLIENT_PK": True, "API_ALLOW_CASCADE_DELETE": True},
    "operations": {"API_EXPOSE_HEALTH": True},
    "no envelope": {"API_DOCS_ENVELOPE": False},
    "all members": {"API_DUMP_REQUEST_ID": True, "API_DUMP_NULL_ERRORS": True},
    "nested": {"API_ALLOW_NESTED_WRITES": True},
    **{
        f"{case} case": {"API_FIELD_CASE": case, "API_SCHEMA_CASE": case}
        for case in ("camel", "pascal", "snake", "screaming_snake", "kebab", "screaming_kebab")
    },
}
VALIDATORS = {"3.0": OpenAPIV30SpecValidator, "3.1": OpenAPIV31SpecValidator}


@pytest.mark.contract("docs D-1")
@pytest.mark.contract("docs 9 1")
@pytest.mark.parametrize("version", VALIDATORS)
@pytest.mark.parametrize("named", MATRIX)
def test_the_document_is_valid_in_every_configuration(make: Make, named: str, version: str) -> None:
    document = document_of(make(**MATRIX[named]), version)
    problems = [str(error)[:500] for error in VALIDATORS[version](document).iter_errors()]
    assert problems == []
    assert document["openapi"].startswith(version)


@pytest.mark.contract("docs D-2")
@pytest.mark.contract("docs 9 8")
@pytest.mark.parametrize("named", MATRIX)
def test_nothing_in_the_document_is_loose(make: Make, named: str) -> None:
    assert list(problems_of(document_of(make(**MATRIX[named])))) == []


@pytest.mark.contract("docs D-2")
@pytest.mark.parametrize("named", MATRIX)
def test_no_schema_of_3_0_has_anything_beside_a_reference(make: Make, named: str) -> None:
    def beside(node: Any) -> Iterator[Any]:
        if isinstance(node, dict):
            if "$ref" in node and len(node) > 1:
                yield node
            for value in node.values():
                yield from beside(value)
        elif isinstance(node, list):
            for item in node:
                yield from beside(item)

    assert list(beside(document_of(make(**MATRIX[named]), "3.0"))) == []


@pytest.mark.contract("docs D-2")
@pytest.mark.parametrize("named", MATRIX)
def test_every_example_fits_its_schema(make: Make, named: str) -> None:
    document = document_of(make(**MATRIX[named]))
    wrong = []
    for where, schema, example in examples_in(document, ()):
        whole = {**schema, "components": document["components"]}
        errors = [error.message for error in jsonschema.Draft202012Validator(whole).iter_errors(example)]
        wrong += [(where, example, errors)] if errors else []
    assert wrong == []


def examples_in(node: Any, where: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    """Give each example with its schema: of schemas themselves, of parameters, and of contents."""
    if isinstance(node, list):
        for position, item in enumerate(node):
            yield from examples_in(item, (*where, str(position)))
    elif isinstance(node, dict):
        if "example" in node and where[-1:] != ("properties",):
            yield (
                where,
                node.get("schema", {name: value for name, value in node.items() if name != "example"}),
                node["example"],
            )
        for name, value in node.items():
            if name != "example":
                yield from examples_in(value, (*where, name))


@pytest.mark.contract("docs 3.6")
def test_an_example_of_a_body_works_when_it_is_sent(make: Make) -> None:
    app = make(API_ALLOW_NESTED_WRITES=True)
    document, client = document_of(app), app.test_client()
    author = client.post("/api/authors", json=body_example(document, "post", "/api/authors"))
    assert author.status_code == 201, author.text
    # Relations, and keys that may lead nowhere, are left out.
    assert body_example(document, "post", "/api/authors") == {"name": "Mira Holt", "email": "mira@example.org"}
    book = client.post("/api/books", json=body_example(document, "post", "/api/books"))
    assert book.status_code == 201, book.text
    for method, path in (("put", "/api/books/{id}"), ("patch", "/api/books/{id}"), ("patch", "/api/authors/{id}")):
        answer = client.open(path.replace("{id}", "1"), method=method, json=body_example(document, method, path))
        assert answer.status_code == 200, answer.text


def body_example(document: Mapping[str, Any], method: str, path: str) -> Any:
    return document["paths"][path][method]["requestBody"]["content"]["application/json"]["example"]


@pytest.mark.contract("docs 3.6")
def test_an_example_of_an_answer_has_the_links_that_rows_have(make: Make) -> None:
    app = make(API_SOFT_DELETE=True, API_SOFT_DELETE_ATTRIBUTE="deleted", API_SOFT_DELETE_VALUES=(False, True))
    document = document_of(app)

    def example(path: str) -> Any:
        return document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["example"]["value"]

    assert example("/api/books/{id}")["author"] == "/api/authors/1"
    assert example("/api/authors")[0]["books"] == "/api/authors/1/books"
    assert example("/api/users/{id}")["deleted"] is False
    assert example("/api/books/{id}")["title"] == "Title"


@pytest.mark.contract("docs D-12")
def test_no_parameter_is_filled_in_that_would_make_another_request_of_it(make: Make) -> None:
    """Pages send the example of every parameter with whatever is tried out."""
    app = make(API_ALLOW_GROUPBY=True, API_ALLOW_AGGREGATION=True)
    document = document_of(app)
    told = parameters_of(document, document["paths"]["/api/books"]["get"])
    assert {name for name, each in told.items() if each.get("example")} == set()


# --- completeness -----------------------------------------------------------------------------------------------------


@pytest.mark.contract("docs D-4")
@pytest.mark.parametrize("named", MATRIX)
def test_the_document_and_the_url_map_have_the_same_routes(make: Make, named: str) -> None:
    app = make(**MATRIX[named])
    served = {
        (method, re.sub(r"<(?:[^:<>]*(?:\([^)]*\))?:)?([^<>]+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static" and not rule.endpoint.startswith(("docs.", "flarchitect_docs."))
    }
    assert set(operations_of(document_of(app))) == served


@pytest.mark.contract("docs 3.2")
def test_operation_ids_are_those_of_the_contract(make: Make) -> None:
    operations = operations_of(document_of(make(API_AUTHENTICATE_METHOD="jwt")))
    ids = {place: operation["operationId"] for place, operation in operations.items()}
    assert {place: ids[place] for place in ids if place[1].startswith("/api/books")} == {
        ("GET", "/api/books"): "list_books",
        ("POST", "/api/books"): "create_books",
        ("GET", "/api/books/{id}"): "get_books",
        ("PUT", "/api/books/{id}"): "replace_books",
        ("PATCH", "/api/books/{id}"): "update_books",
        ("DELETE", "/api/books/{id}"): "delete_books",
        ("GET", "/api/books/{id}/authors"): "get_books_authors",
    } | {place: name for place, name in ids.items() if "author" in place[1] and "books/" in place[1]}
    assert ids["GET", "/api/authors/{id}/books"] == "list_authors_books"
    assert [ids["POST", f"/auth/{name}"] for name in ("login", "refresh", "logout")] == [
        "auth_login",
        "auth_refresh",
        "auth_logout",
    ]
    assert ids["GET", "/auth/me"] == "auth_me"


@pytest.mark.contract("docs 8.6")
@pytest.mark.contract("docs 9 10")
@pytest.mark.contract("docs 3.9")
def test_texts_of_many_and_of_one_land_where_they_belong(make: Make) -> None:
    operations = operations_of(document_of(make()))
    summaries = {place: operation.get("summary") for place, operation in operations.items()}
    assert summaries["GET", "/api/authors"] == "All authors"
    assert summaries["GET", "/api/authors/{id}"] == "One author"
    assert summaries["POST", "/api/authors"] == "Add an author"
    assert summaries["GET", "/api/books"] == "List `book` records"
    assert summaries["GET", "/api/authors/{id}/books"] == "List the `book` records of one `author` (books)"
    assert operations["DELETE", "/api/authors/{id}"]["description"] == "Removes an author."
    assert "description" not in operations["POST", "/api/authors"]


@pytest.mark.contract("docs D-3")
def test_the_methods_of_a_path_stand_as_people_read_them(make: Make) -> None:
    paths = document_of(make())["paths"]
    assert [key for key in paths["/api/books"] if key != "parameters"] == ["get", "post"]
    assert [key for key in paths["/api/books/{id}"] if key != "parameters"] == ["get", "put", "patch", "delete"]


@pytest.mark.contract("docs 3.9")
def test_the_configuration_has_texts_for_methods_and_one_for_the_document(make: Make) -> None:
    document = document_of(make(API_DESCRIPTION="All of it.", API_POST_DESCRIPTION="Adds.", API_PUT_SUMMARY="Swap"))
    operations = operations_of(document)
    assert document["info"]["description"] == "All of it."
    assert operations["POST", "/api/books"]["description"] == "Adds."
    assert operations["PUT", "/api/books/{id}"]["summary"] == "Swap"
    assert "description" not in operations["GET", "/api/books"]


@pytest.mark.contract("docs 1")
def test_no_summary_is_written_where_that_is_switched_off(make: Make) -> None:
    operations = operations_of(document_of(make(AUTO_NAME_ENDPOINTS=False)))
    assert "summary" not in operations["GET", "/api/books"]
    assert operations["GET", "/api/authors"]["summary"] == "All authors"


@pytest.mark.contract("docs 3.3")
def test_tags_are_told_once_with_the_docstring_of_their_model(make: Make) -> None:
    document = document_of(make())
    tags = {tag["name"]: tag.get("description") for tag in document["tags"]}
    assert tags["Authors"] == "Whoever writes books."
    assert [tag["name"] for tag in document["tags"]][:3] == ["Authors", "Books", "Documentation"]
    assert {"name": "Library", "tags": ["Authors", "Books"]} in document["x-tagGroups"]
    assert document["x-tagGroups"][-1] == {"name": "Other", "tags": ["Unknown"]}


@pytest.mark.contract("docs 3.3")
def test_models_without_a_group_stand_before_what_describes_them() -> None:
    class Shelves(DeclarativeBase):
        pass

    class Shelf(Shelves):
        __tablename__ = "shelves"

        class Meta:
            tag = "Shelves"

        id: Mapped[int] = mapped_column(primary_key=True)

    app = make_app(Shelves, "sqlite://")
    groups = [group["name"] for group in document_of(app)["x-tagGroups"]]
    assert groups == ["Resources", "Documentation", "Schema Discovery"]
    state_of(app).database.engine.dispose()


# --- schemas ----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("docs 3.4")
def test_columns_are_properties_of_their_types(make: Make) -> None:
    shown = schema_of(document_of(make()), "book")["properties"]
    assert shown["id"] == {"type": "integer", "example": 1, "readOnly": True}
    assert shown["price"] == {"type": ["string", "null"], "pattern": r"^-?[0-9]+(\.[0-9]+)?$", "example": "9.99"}
    assert shown["weight"] == {"type": ["number", "null"], "example": 1.23}
    assert shown["sold"] == {"type": "boolean", "example": True}
    assert shown["colour"]["enum"] == ["RED", "BLUE", None]
    assert shown["colour"]["x-enum-varnames"] == ["RED", "BLUE"]
    assert shown["code"] == {"type": ["string", "null"], "format": "uuid"}
    assert shown["released"] == {"type": ["string", "null"], "format": "date"}
    # A column without time zone has no offset, which `date-time` would promise (RFC 3339).
    assert shown["seen_at"] == {"type": ["string", "null"], "format": "date-time-local"}
    assert shown["lasts"]["type"] == ["number", "null"]
    assert shown["cover"]["contentEncoding"] == "base64"
    assert shown["is_heavy"]["type"] == ["boolean", "null"]
    assert shown["author"]["anyOf"][0] == {"type": "string", "format": "uri-reference"}
    assert shown["author"]["readOnly"] is True


def schemas_below(node: Any) -> Iterator[dict[str, Any]]:
    """Give whatever looks like a schema below a node."""
    if isinstance(node, dict):
        yield node
        for name, value in node.items():
            if name not in ("example", "examples", "enum"):
                yield from schemas_below(value)
    elif isinstance(node, list):
        for item in node:
            yield from schemas_below(item)


@pytest.mark.contract("docs D-2")
def test_null_stands_beside_the_type_that_it_adds_to_in_3_0(make: Make) -> None:
    document = document_of(make(), "3.0")
    for schema in schemas_below(document):
        assert "nullable" not in schema or isinstance(schema.get("type"), str), schema
    author = schema_of(document, "book")["properties"]["author"]
    resolver = {"components": document["components"], **author}
    assert OAS30Validator(resolver).is_valid(None)
    assert OAS30Validator(resolver).is_valid("/api/authors/1")
    assert not OAS30Validator(resolver).is_valid(5)


@pytest.mark.contract("docs D-2")
@pytest.mark.parametrize(
    "schema, fitting, others",
    [
        ({"type": "null"}, [None], ["", 0]),
        ({"type": ["string", "null"]}, ["a", None], [0]),
        ({"type": ["string", "integer", "null"], "minimum": 2}, ["a", 2, None], [1, []]),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, ["a", None], [0]),
        ({"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]}, ["a", None], ["b", 0]),
        ({"anyOf": [{"$ref": "#/components/schemas/a"}, {"type": "null"}]}, [3, None], ["a"]),
        ({"const": "a"}, ["a"], ["b", None]),
        ({"type": "array", "prefixItems": [{"type": "string"}], "examples": [["a"]]}, [["a"]], ["a"]),
        ({"type": "object", "properties": {"x": True}, "patternProperties": {"y": True}}, [{"x": 1}], [0]),
        ({"oneOf": [{"type": "array", "items": {"type": ["null", "string"]}}, {"type": "null"}]}, [[None], None], [0]),
    ],
)
def test_null_means_the_same_in_both_versions(schema: dict[str, Any], fitting: list[Any], others: list[Any]) -> None:
    newer = {"openapi": "3.1.1", "components": {"schemas": {"a": {"type": "integer"}, "b": schema}}}
    older = in_3_0(newer)
    for document, validator in ((newer, OAS31Validator), (older, OAS30Validator)):
        judge = validator({**document["components"]["schemas"]["b"], "components": document["components"]})
        assert [value for value in (*fitting, *others) if judge.is_valid(value)] == fitting


@pytest.mark.contract("docs 3.4")
def test_null_is_told_in_the_words_of_3_0(make: Make) -> None:
    shown = schema_of(document_of(make(), "3.0"), "book")["properties"]
    assert shown["released"] == {"type": "string", "format": "date", "nullable": True}
    assert shown["colour"]["nullable"] is True
    assert shown["cover"]["format"] == "byte"
    nothing = schema_of(document_of(make(), "3.0"), "errorEnvelope")["allOf"][1]["properties"]["value"]
    assert nothing == {"type": "string", "enum": [None], "nullable": True}


@pytest.mark.contract("docs 3.4")
@pytest.mark.contract("docs 9 20")
def test_each_write_has_a_component_of_its_own(make: Make) -> None:
    document = document_of(make())
    create, update, replace = (schema_of(document, f"book{word}") for word in ("Create", "Update", "Replace"))
    assert create["required"] == replace["required"] == ["title", "author_id"]
    assert "required" not in update
    assert "id" not in create["properties"]
    assert create["additionalProperties"] is False
    assert create["properties"]["title"] == {"type": "string", "maxLength": 80}
    assert schema_of(document, "author")["properties"]["name"]["description"] == "As on the cover."
    assert schema_of(document, "author")["properties"]["name"]["example"] == "Mira Holt"
    assert schema_of(document, "authorCreate")["properties"]["email"]["format"] == "email"


@pytest.mark.contract("docs 9 21")
def test_secret_columns_are_in_no_answer_and_for_writing_only_in_bodies(make: Make) -> None:
    document = document_of(make())
    assert "password_hash" not in json.dumps(schema_of(document, "user"))
    assert schema_of(document, "userCreate")["properties"]["password_hash"]["writeOnly"] is True
    assert "password_hash__eq" not in parameters_of(document, document["paths"]["/api/users"]["get"])
    told = [json.dumps(each) for _, _, each in examples_in(document, ())]
    assert not any("password_hash" in example for example in told)


@pytest.mark.contract("docs 3.4")
@pytest.mark.parametrize("case, name", [("camel", "bookCreate"), ("pascal", "BookCreate"), ("kebab", "book-create")])
def test_components_are_named_in_the_case_of_schemas(make: Make, case: str, name: str) -> None:
    assert name in document_of(make(API_SCHEMA_CASE=case))["components"]["schemas"]


@pytest.mark.contract("docs 3.6")
@pytest.mark.contract("docs 9 7")
def test_answers_have_the_members_that_the_document_tells(make: Make) -> None:
    app = make(API_FIELD_CASE="camel")
    document = document_of(app)
    told = document["paths"]["/api/books"]["get"]["responses"]["200"]["content"]["application/json"]
    assert told["schema"] == {"$ref": "#/components/schemas/bookListEnvelope"}
    answer = app.test_client().get("/api/books").get_json()
    assert list(answer) == list(told["example"])
    validate(document, told["schema"], answer)
    assert set(answer["value"][0]) <= set(schema_of(document, "book")["properties"])


def validate(document: Mapping[str, Any], schema: Mapping[str, Any], value: Any) -> None:
    jsonschema.validate(value, {**schema, "components": document["components"]}, jsonschema.Draft202012Validator)


# --- parameters -------------------------------------------------------------------------------------------------------


@pytest.mark.contract("docs D-23")
def test_answers_of_deprecated_methods_say_so() -> None:
    class Own(DeclarativeBase):
        pass

    class Film(Own):
        __tablename__ = "films"

        class Meta:
            get_deprecated = dt.date(2026, 1, 2)
            get_sunset = dt.date(2030, 1, 2)
            delete_deprecated = True

        id: Mapped[int] = mapped_column(primary_key=True)
        sequel_id: Mapped[int | None] = mapped_column(sa.ForeignKey("films.id"))
        sequel: Mapped[Any] = relationship("Film", remote_side=id)

    app = make_app(Own, "sqlite://", parts=[RestPart(), DocsPart()])
    Own.metadata.create_all(state_of(app).database.engine)
    client, operations = app.test_client(), operations_of(document_of(app))
    row = client.post("/api/films", json={})
    client.post("/api/films", json={"sequel_id": 1})
    told = {"Deprecation": "@1767312000", "Sunset": "Wed, 02 Jan 2030 00:00:00 GMT"}
    answers = {
        "/api/films": (client.get("/api/films"), told),
        "/api/films/{id}": (client.get("/api/films/2"), told),
        "/api/films/{id}/films": (client.get("/api/films/2/films"), told),
    }
    for path, (answer, headers) in answers.items():
        assert answer.status_code == 200
        assert {name: value for name, value in answer.headers if name in told} == headers
        assert operations["GET", path]["deprecated"] is True
        assert set(told) <= operations["GET", path]["responses"]["200"]["headers"].keys()
    gone = client.delete("/api/films/2")
    assert (gone.headers["Deprecation"], gone.headers.get("Sunset")) == ("@0", None)
    assert "Deprecation" not in row.headers
    state_of(app).database.engine.dispose()


@pytest.mark.contract("docs 3.5")
@pytest.mark.contract("docs 9 5")
@pytest.mark.contract("docs 9 6")
def test_a_collection_has_a_typed_parameter_for_each_column_and_operator(make: Make) -> None:
    app = make()
    document = document_of(app)
    told = parameters_of(document, document["paths"]["/api/books"]["get"])
    assert "order by" not in told
    assert {"limit", "page", "cursor", "count", "fields", "order_by", "join", "join_type", "dump"} <= set(told)
    assert told["limit"]["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    assert told["author_id__in"]["schema"]["items"]["type"] == "integer"
    assert (told["author_id__in"]["style"], told["author_id__in"]["explode"]) == ("form", False)
    assert told["released__ge"]["schema"] == {"type": "string", "format": "date"}
    assert told["join"]["schema"]["items"] == {"type": "string", "enum": ["author"]}
    assert "extra__eq" not in told
    for item in app.extensions["flarchitect.state"].registry.get(Book).fields.values():
        operators = item.codec.operators - {"neq", "is_null"} if item.is_queryable else set()
        assert {name for name in told if name.startswith(f"{item.name}__")} == {f"{item.name}__{o}" for o in operators}


@pytest.mark.contract("docs 3.5")
def test_every_parameter_that_is_told_is_taken(make: Make) -> None:
    app = make(API_ALLOW_GROUPBY=True, API_ALLOW_AGGREGATION=True, API_FILTER_CONDITIONS_MAX=500)
    client, document = app.test_client(), document_of(app)
    for path in ("/api/books", "/api/authors/1/books", "/api/stocks"):
        rule = path.replace("/1/", "/{id}/")
        for name, parameter in parameters_of(document, document["paths"][rule]["get"]).items():
            if parameter["in"] == "query":
                answer = client.get(path, query_string={name: text_of(parameter)})
                assert answer.status_code == 200, (name, text_of(parameter), answer.get_json())


def text_of(parameter: Mapping[str, Any]) -> str:
    """Write a value of a parameter."""
    schema = parameter["schema"]
    if "example" in parameter:
        return str(parameter["example"])
    if "anyOf" in schema:
        return text_of({"schema": [part for part in schema["anyOf"] if part["type"] != "null"][-1]})
    if schema.get("type") == "array":
        item = text_of({"schema": schema["items"]})
        return ",".join([item] * schema.get("minItems", 1))
    known = {"date": "2024-01-31", "date-time-local": "2024-01-31T10:00:00", "time-local": "10:00:00"}
    if "format" in schema:
        return known.get(schema["format"], str(uuid.UUID(int=7)))
    kinds = schema.get("type", "string")
    if "enum" in schema:
        return str([value for value in schema["enum"] if value is not None][-1])
    return "1" if "pattern" in schema or "string" not in kinds else "text"


@pytest.mark.contract("docs 3.5")
def test_parameters_with_fixed_names_are_those_that_are_parsed(make: Make) -> None:
    app = make(API_ALLOW_GROUPBY=True, **MATRIX["soft delete"])
    document = document_of(app)
    told: set[str] = set()
    for (method, _), operation in operations_of(document).items():
        if method == "GET":
            told |= {name for name in parameters_of(document, operation) if "__" not in name}
    assert set(COLLECTION_PARAMETERS) - {"include_deleted"} <= told
    assert told - set(COLLECTION_PARAMETERS) <= {"If-None-Match", "model", "depth", *variables_of(document)}


def variables_of(document: Mapping[str, Any]) -> set[str]:
    return set(itertools.chain.from_iterable(re.findall(r"{([^}]*)}", path) for path in document["paths"]))


@pytest.mark.contract("docs 3.5")
def test_a_parameter_that_is_switched_off_is_not_told(make: Make) -> None:
    document = document_of(make(**MATRIX["no joins"], API_ALLOW_FILTERS=False, API_ALLOW_COUNT=False))
    told = parameters_of(document, document["paths"]["/api/books"]["get"])
    assert set(told) == {"limit", "page", "cursor", "dump", "dump_relationships"}


@pytest.mark.contract("docs 3.5")
def test_parameters_of_the_application_are_told(make: Make) -> None:
    extra = [{"name": "notify", "in": "query", "schema": {"type": "string", "format": "email"}}]
    document = document_of(make(API_POST_ADDITIONAL_QUERY_PARAMS=extra))
    assert parameters_of(document, document["paths"]["/api/books"]["post"])["notify"]["schema"] == extra[0]["schema"]
    assert "notify" not in parameters_of(document, document["paths"]["/api/books"]["get"])


def test_conditions_and_keys_for_repetition_are_told_where_they_are_heeded(make: Make) -> None:
    document = document_of(make(API_ETAGS=True, API_IDEMPOTENCY=True))
    heads = {
        place: {name for name, each in parameters_of(document, operation).items() if each["in"] == "header"}
        for place, operation in operations_of(document).items()
    }
    assert heads["GET", "/api/books/{id}"] == {"If-None-Match"}
    assert heads["PUT", "/api/books/{id}"] == {"If-Match", "If-None-Match", "Prefer"}
    assert heads["POST", "/api/books"] == {"Prefer", "Idempotency-Key"}
    answer = document["paths"]["/api/books/{id}"]["get"]["responses"]
    assert {"200", "304", "412"} <= set(answer)
    assert "ETag" in answer["200"]["headers"]


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("docs 3.7")
@pytest.mark.contract("docs D-7")
@pytest.mark.parametrize("form", ["envelope", "problem"])
def test_errors_that_really_happen_fit_the_schema_of_errors(make: Make, form: str) -> None:
    app = make(API_RATE_LIMIT="30 per minute", **({"API_ERROR_FORMAT": "problem"} if form == "problem" else {}))
    document, client = document_of(app), app.test_client()
    media_type, name = {
        "envelope": ("application/json", "errorEnvelope"),
        "problem": ("application/problem+json", "problem"),
    }[form]
    happened = {
        404: client.get("/api/books/99"),
        405: client.put("/api/books"),
        400: client.get("/api/books?page=0"),
        406: client.get("/api/books", headers={"Accept": "image/png"}),
        415: client.post("/api/books", data="x", content_type="text/plain"),
        409: client.delete("/api/authors/1"),
    }
    for _ in range(30):
        limited = client.get("/api/stocks")
    happened[429] = client.get("/api/stocks") if limited.status_code == 200 else limited
    for status, answer in happened.items():
        assert (answer.status_code, answer.mimetype) == (status, media_type), answer.get_data()
        validate(document, {"$ref": f"#/components/schemas/{name}"}, answer.get_json())


@pytest.mark.contract("docs 3.7")
@pytest.mark.contract("docs 9 25")
def test_a_rate_limit_is_told_and_retry_after_only_where_it_means_something(make: Make) -> None:
    app = make(API_RATE_LIMIT="5 per minute")
    responses = document_of(app)["paths"]["/api/books"]["get"]["responses"]
    assert "5 per 1 minute" in responses["429"]["description"]
    rates = {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"}
    assert set(responses["429"]["headers"]) == {*rates, "Retry-After"}
    assert rates <= set(responses["200"]["headers"])
    assert "Retry-After" not in responses["200"]["headers"]
    answer = app.test_client().get("/api/books")
    assert rates <= set(answer.headers.keys())
    assert "Retry-After" not in answer.headers


@pytest.mark.contract("docs 1")
def test_links_of_the_configuration_are_on_the_answers_of_errors(make: Make) -> None:
    link = {"operationId": "list_books", "description": "Look again."}
    document = document_of(make(API_LINKS={404: {"again": link}}))
    assert document["paths"]["/api/books/{id}"]["get"]["responses"]["404"]["links"] == {"again": link}


@pytest.mark.contract("docs D-6")
def test_links_lead_from_a_new_row_to_what_can_be_done_with_it(make: Make) -> None:
    app = make()
    document, client = document_of(app), app.test_client()
    links = document["paths"]["/api/books"]["post"]["responses"]["201"]["links"]
    assert set(links) == {"get", "update", "replace", "delete"}
    assert links["get"] == {
        "operationId": "get_books",
        "description": "Read the row.",
        "parameters": {"path.id": "$response.body#/value/id"},
    }
    made = client.post("/api/books", json={"title": "Ebb", "author_id": 1}).get_json()
    assert client.get(f"/api/books/{made['value']['id']}").status_code == 200
    listed = document["paths"]["/api/books"]["get"]["responses"]["200"]["links"]
    assert listed["next"]["operationId"] == "list_books"


def test_formats_of_answers_and_bodies_are_told(make: Make) -> None:
    paths = document_of(make(API_ALLOW_EXPORT=True))["paths"]
    assert set(paths["/api/books"]["get"]["responses"]["200"]["content"]) == {
        "application/json",
        "application/xml",
        "text/csv",
        "application/x-ndjson",
    }
    bodies = paths["/api/books/{id}"]["patch"]["requestBody"]["content"]
    assert set(bodies) == {"application/json", "application/merge-patch+json", "application/xml"}


def test_bodies_of_many_rows_are_told(make: Make) -> None:
    document = document_of(make(API_ALLOW_BULK=True))
    item = document["paths"]["/api/books"]
    one, many = item["post"]["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    assert one == many["items"] == {"$ref": "#/components/schemas/bookCreate"}
    assert schema_of(document, "bookUpdateItem")["required"] == ["id"]
    assert "207" in item["patch"]["responses"]
    assert parameters_of(document, item["delete"])["max_affected"]["required"] is True


# --- security ---------------------------------------------------------------------------------------------------------


@pytest.mark.contract("docs 8.4")
@pytest.mark.contract("docs 9 2")
def test_a_method_in_a_list_is_told_on_every_operation(make: Make) -> None:
    document = document_of(make(API_AUTHENTICATE_METHOD=["jwt"], API_AUTHENTICATE=True))
    assert document["paths"]["/api/books"]["get"]["security"] == [{"bearerAuth": []}]
    assert document["paths"]["/auth/login"]["post"]["security"] == []
    assert {"401", "403"} <= set(document["paths"]["/api/books"]["get"]["responses"])
    assert {"login", "token", "refresh"} <= set(document["components"]["schemas"])


@pytest.mark.contract("docs 3.8")
@pytest.mark.contract("docs 9 4")
def test_only_schemes_that_are_enabled_are_told(make: Make) -> None:
    assert "securitySchemes" not in document_of(make())["components"]
    assert "security" not in document_of(make())["paths"]["/api/books"]["get"]
    assert set(document_of(make(API_AUTHENTICATE_METHOD="basic"))["components"]["securitySchemes"]) == {"basicAuth"}


@pytest.mark.contract("docs 3.8")
def test_several_methods_are_alternatives(make: Make) -> None:
    document = document_of(make(API_AUTHENTICATE_METHOD=["jwt", "basic"]))
    assert document["paths"]["/api/books"]["get"]["security"] == [{"bearerAuth": []}, {"basicAuth": []}]


@pytest.mark.contract("docs 8.5")
@pytest.mark.contract("docs 9 3")
@pytest.mark.parametrize("header", [None, "X-Key"])
def test_a_key_that_is_sent_as_the_document_says_is_accepted(make: Make, header: str | None) -> None:
    app = make(API_AUTHENTICATE_METHOD="api_key", **({"API_KEY_HEADER": header} if header else {}))
    schemes = document_of(app)["components"]["securitySchemes"]
    assert set(schemes) == ({"apiKeyAuth", "apiKeyHeader"} if header else {"apiKeyAuth"})
    client = app.test_client()
    assert client.get("/api/books").status_code == 401
    for scheme in schemes.values():
        assert (scheme["type"], scheme["in"]) == ("apiKey", "header")
        value = "key" if scheme["name"] == header else "Api-Key key"
        assert client.get("/api/books", headers={scheme["name"]: value}).status_code == 200


@pytest.mark.contract("docs 3.8")
def test_security_is_that_of_the_guard(make: Make) -> None:
    app = make(
        API_AUTHENTICATE_METHOD="basic",
        API_AUTH_REQUIREMENTS={"GET_MANY": False, "*": True},
    )
    operations, client = operations_of(document_of(app)), app.test_client()
    assert operations["GET", "/api/books"]["security"] == []
    assert operations["GET", "/api/books/{id}"]["security"] == [{"basicAuth": []}]
    assert [client.get(path).status_code for path in ("/api/books", "/api/books/1")] == [200, 401]


def test_what_only_the_request_decides_may_be_open(make: Make) -> None:
    app = make(API_AUTHENTICATE_METHOD="basic", API_AUTH_REQUIREMENTS=lambda http_method, **_: http_method == "DELETE")
    assert document_of(app)["paths"]["/api/books"]["get"]["security"] == [{"basicAuth": []}, {}]


@pytest.mark.contract("docs 3.7")
def test_roles_are_told_on_the_403(make: Make) -> None:
    app = make(API_AUTHENTICATE_METHOD="basic", API_ROLE_MAP={"POST": {"roles": ["editor", "admin"], "any_of": True}})
    post = document_of(app)["paths"]["/api/books"]["post"]
    assert post["responses"]["403"]["description"] == "Forbidden. Roles accepted: editor, admin."
    assert post["x-required-roles"] == {"roles": ["editor", "admin"], "any_of": True}
    body = {"title": "Ebb", "author_id": 1}
    refused = app.test_client().post("/api/books", json=body, auth=("mira", "secret"))
    assert error_of(refused, 403)["required_roles"] == ["editor", "admin"]


@pytest.mark.contract("docs 4")
@pytest.mark.contract("docs 9 11")
def test_the_introduction_tells_what_is_configured(make: Make) -> None:
    plain = document_of(make())["info"]["description"]
    assert "## Authentication" not in plain
    assert "## Rate limits" not in plain
    told = document_of(
        make(
            API_AUTHENTICATE_METHOD=["jwt", "api_key"],
            API_JWT_ALGORITHM="HS512",
            API_AUTH_REFRESH_ROUTE="/auth/again",
            API_RATE_LIMIT="7 per minute",
            ACCESS_SECRET_KEY="a" * 30 + "Kd93-lsK8w1-xx-yq7Zt5Vb2nM4cL6jH0gF",
            REFRESH_SECRET_KEY="b" * 30 + "Kd93-lsK8w1-xx-yq7Zt5Vb2nM4cL6jH0gF",
        )
    )["info"]["description"]
    for words in ("HS512", "POST /auth/again", "360 minutes", "2880\nminutes", "Api-Key <key>", "7 per minute"):
        assert words in told or words.replace("\n", " ") in told.replace("\n", " "), words


@pytest.mark.contract("docs 4")
def test_the_introduction_tells_of_queries_that_lists_take(make: Make) -> None:
    every = document_of(make())["info"]["description"]
    for words in ("column__operator=value", "`order_by=", "`fields=", "`join`", "An unknown parameter is refused"):
        assert words in every
    off = dict.fromkeys(("API_ALLOW_FILTERS", "API_ALLOW_SELECT_FIELDS", "API_ALLOW_JOIN"), False)
    some = document_of(make(**off, API_UNKNOWN_PARAMETERS="ignore"))["info"]["description"]
    assert "`order_by=" in some
    for words in ("column__operator=value", "`fields=", "`join`", "An unknown parameter is refused"):
        assert words not in some
    assert "## Queries" not in document_of(make(**off, API_ALLOW_ORDER_BY=False))["info"]["description"]


# --- both forms, and the commands -------------------------------------------------------------------------------------


def test_yaml_says_the_same(make: Make) -> None:
    document = state_of(make()).documents.current()
    assert yaml.safe_load(document.yaml) == json.loads(document.json)


@pytest.mark.contract("docs 3.2")
@pytest.mark.contract("docs D-23")
def test_what_meta_says_about_operations_is_told() -> None:
    class Own(DeclarativeBase):
        pass

    class Film(Own):
        __tablename__ = "films"

        class Meta:
            get_many_operation_id = "films"
            post_operation_id = "addFilm"
            delete_deprecated = True
            delete_links = {409: {"again": {"operationId": "films"}}}

        id: Mapped[int] = mapped_column(primary_key=True)

    app = make_app(Own, "sqlite://", parts=[RestPart(), DocsPart()])
    item, rows = document_of(app)["paths"]["/api/films/{id}"], document_of(app)["paths"]["/api/films"]
    assert (rows["get"]["operationId"], rows["post"]["operationId"]) == ("films", "addFilm")
    assert item["get"]["operationId"] == "get_films"
    assert item["delete"]["deprecated"] is True
    assert item["delete"]["responses"]["409"]["links"] == {"again": {"operationId": "films"}}
    assert "deprecated" not in item["get"]
    state_of(app).database.engine.dispose()


@pytest.mark.contract("docs 3.5")
def test_a_relation_that_an_own_schema_declares_too_is_named_once() -> None:
    class Own(DeclarativeBase):
        pass

    class Maker(Own):
        __tablename__ = "makers"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)

    class Tool(Own):
        __tablename__ = "tools"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        maker_id: Mapped[int | None] = mapped_column(sa.ForeignKey("makers.id"))
        maker: Mapped[Maker | None] = relationship()

    class Schemas(AutoSchema):
        pass

    class ToolSchema(Schemas):
        class Meta:
            model = Tool

        maker = ma.fields.Function(lambda tool: tool.maker_id)

    app = make_app(Own, "sqlite://", parts=[RestPart(), DocsPart()], API_BASE_SCHEMA=Schemas)
    document = document_of(app)
    fields = parameters_of(document, document["paths"]["/api/tools"]["get"])["fields"]
    assert sorted(fields["schema"]["items"]["enum"]) == ["id", "maker", "maker_id"]
    state_of(app).database.engine.dispose()


@pytest.mark.contract("docs D-25")
def test_a_chain_of_many_models_is_described() -> None:
    class Chain(DeclarativeBase):
        pass

    kinds = []
    for number in range(300):
        before = {"before_id": mapped_column(sa.ForeignKey(f"link{number - 1}.id"))} if number else {}
        relation = {"before": relationship(f"Link{number - 1}")} if number else {}
        members = {"__tablename__": f"link{number}", "id": mapped_column(sa.Integer, primary_key=True)}
        kinds.append(type(f"Link{number}", (Chain,), {**members, **before, **relation, "Meta": type("Meta", (), {})}))
    app = make_app(Chain, "sqlite://", parts=[RestPart(), DocsPart()])
    assert len(document_of(app)["paths"]) > len(kinds) * 2
    state_of(app).database.engine.dispose()


@pytest.mark.contract("docs D-3")
def test_the_order_in_which_models_are_defined_changes_no_name(make: Make) -> None:
    first, second = document_of(make()), document_of(make())
    assert first == second
    assert set(references_of(first)) == set(references_of(second))


# --- samples of code --------------------------------------------------------------------------------------------------


def sample_of(operation: Mapping[str, Any], language: str) -> str:
    (source,) = (each["source"] for each in operation["x-codeSamples"] if each["lang"] == language)
    return str(source)


@pytest.mark.contract("docs D-22")
def test_samples_of_code_are_there_where_they_are_switched_on(make: Make) -> None:
    assert all("x-codeSamples" not in each for each in operations_of(document_of(make())).values())
    for operation in operations_of(document_of(make(API_DOCS_CODE_SAMPLES=True))).values():
        assert [each["lang"] for each in operation["x-codeSamples"]] == ["Shell", "Python", "JavaScript"]


@pytest.mark.contract("docs D-22")
def test_a_sample_that_is_sent_as_it_stands_works(make: Make) -> None:
    app = make(API_DOCS_CODE_SAMPLES=True, API_SCHEMA_DISCOVERY_AUTH=False, API_DOCS_BUNDLE_AUTH=False)
    document, client = document_of(app), app.test_client()
    for (method, path), operation in operations_of(document).items():
        parser = argparse.ArgumentParser()
        parser.add_argument("--request", default="GET")
        parser.add_argument("--header", action="append", default=[])
        parser.add_argument("--data")
        parser.add_argument("url")
        _, *words = shlex.split(sample_of(operation, "Shell").replace("\\\n", " "))
        curl = parser.parse_args(words)
        assert curl.request == method
        headers = dict(line.split(": ", 1) for line in curl.header)
        url = curl.url.removeprefix("http://127.0.0.1:5000")
        answer = client.open(url, method=method, headers=headers, data=curl.data)
        # A row that another sample has removed, or that clashes with one that is there, is no fault of the sample.
        assert answer.status_code in (200, 201, 204, 404, 409), (method, path, answer.text)
        (call,) = (
            (
                each
                for each in ast.walk(ast.parse(sample_of(operation, "Python")))
                if isinstance(each, ast.keyword) and each.arg == "json"
            )
            if curl.data
            else (None,)
        )
        assert call is None or ast.literal_eval(call.value) == json.loads(curl.data)
        assert f"fetch({json.dumps(curl.url)}" in sample_of(operation, "JavaScript")


@pytest.mark.contract("docs D-22")
def test_samples_have_the_server_the_credentials_and_the_examples_that_were_given(make: Make) -> None:
    servers = [{"url": "https://api.example.org/"}]
    app = make(API_DOCS_CODE_SAMPLES=True, API_AUTHENTICATE_METHOD=["jwt"], API_SERVER_URLS=servers)
    said = {"request_examples": {"one": {"title": "It's"}}, "operation_id": "told"}
    schema = ma.Schema.from_dict({"title": ma.fields.String()})
    view = state_of(app).architect.schema_constructor(input_schema=schema, auth=False, **said)(lambda **given: {})
    app.add_url_rule("/told", "told", view, methods=["POST"])
    operations = operations_of(document_of(app))
    listed = sample_of(operations["GET", "/api/books"], "Shell")
    assert shlex.split(listed.replace("\\\n", " ")) == [
        "curl",
        "https://api.example.org/api/books",
        "--header",
        "Authorization: Bearer <token>",
    ]
    words = shlex.split(sample_of(operations["POST", "/told"], "Shell").replace("\\\n", " "))
    assert words[-1] == '{"title": "It\'s"}'
    assert "Authorization" not in " ".join(words)


# --- names ------------------------------------------------------------------------------------------------------------


def body_of(document: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Give the schema of what a hand-written view takes."""
    schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
    return schema_of(document, schema["$ref"].rpartition("/")[2])


def add_view(app: Flask, path: str, schema: Any) -> None:
    name = path.strip("/")
    view = state_of(app).architect.schema_constructor(input_schema=schema, operation_id=name)(lambda **given: {})
    app.add_url_rule(path, name, view, methods=["POST"])


@pytest.mark.contract("docs 3.4")
def test_a_schema_called_as_a_model_describes_itself_and_not_the_model(make: Make) -> None:
    class BookSchema(ma.Schema):
        isbn = ma.fields.String(required=True)

    class ShelfSchema(ma.Schema):
        first = ma.fields.Nested(BookSchema)

    app = make()
    add_view(app, "/special", BookSchema)
    add_view(app, "/shelf", ShelfSchema)
    document = document_of(app)
    assert set(body_of(document, "/special")["properties"]) == {"isbn"}
    nested = body_of(document, "/shelf")["properties"]["first"]["$ref"].rpartition("/")[2]
    assert set(schema_of(document, nested)["properties"]) == {"isbn"}
    assert "title" in schema_of(document, "book")["properties"]
    assert list(problems_of(document)) == []


@pytest.mark.contract("docs 3.4")
def test_each_view_has_the_fields_that_its_own_schema_takes(make: Make) -> None:
    class NoteSchema(ma.Schema):
        title = ma.fields.String(required=True)
        text = ma.fields.String()

    class PageSchema(ma.Schema):
        note = ma.fields.Nested(NoteSchema(only=("text",)))

    app = make()
    add_view(app, "/a-page", PageSchema)
    add_view(app, "/note", NoteSchema)
    add_view(app, "/titles", NoteSchema(only=("title",)))
    add_view(app, "/one", ma.Schema.from_dict({"one": ma.fields.Integer()}))
    add_view(app, "/three", ma.Schema.from_dict({"three": ma.fields.Integer()}))
    add_view(app, "/two", ma.Schema.from_dict({"two": ma.fields.Integer()}))
    document = document_of(app)
    nested = body_of(document, "/a-page")["properties"]["note"]["$ref"].rpartition("/")[2]
    assert set(schema_of(document, nested)["properties"]) == {"text"}
    assert set(body_of(document, "/note")["properties"]) == {"title", "text"}
    assert set(body_of(document, "/titles")["properties"]) == {"title"}
    assert {name for name in document["components"]["schemas"] if name.startswith("note")} >= {
        "note",
        "note_2",
        "note_3",
    }
    for name in ("one", "two", "three"):
        assert set(body_of(document, f"/{name}")["properties"]) == {name}


@pytest.mark.contract("docs 3.4")
def test_models_keep_their_names_whatever_else_is_called_so() -> None:
    class Named(DeclarativeBase):
        type_annotation_map = {str: sa.String(80)}

    names = ("Error", "Problem", "Envelope", "ErrorEnvelope", "ErrorCreate", "Größe", "東京", "大阪")
    models = []  # SQLAlchemy itself holds them loosely
    for number, name in enumerate(names):
        column = mapped_column(sa.Integer, nullable=False)
        members = {"__tablename__": f"table_{number}", "Meta": type("Meta", (), {}), f"own_{number}": column}
        models.append(type(name, (Named,), {"id": mapped_column(sa.Integer, primary_key=True), **members}))
    document = document_of(make_app(Named, "sqlite://", parts=[RestPart(), DocsPart()]))
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    assert list(problems_of(document)) == []

    def reference(path: str, method: str, status: str) -> str:
        response = document["paths"][path][method]["responses"][status]
        if "$ref" in response:
            response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        found: str = response["content"]["application/json"]["schema"]["$ref"]
        return found.rpartition("/")[2]

    paths = [path for path in document["paths"] if path.startswith("/api/") and path.endswith("}")]
    owned = set()
    for path in paths:
        envelope = schema_of(document, reference(path, "get", "200"))
        value = envelope["allOf"][1]["properties"]["value"]["$ref"].rpartition("/")[2]
        body = document["paths"][path]["put"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        (own,) = schema_of(document, value)["properties"].keys() - {"id"}
        assert set(schema_of(document, body.rpartition("/")[2])["properties"]) == {own}
        owned.add((value, own))
        failed = schema_of(document, reference(path, "get", "404"))["allOf"][1]["properties"]["errors"]["$ref"]
        assert "reason" in schema_of(document, failed.rpartition("/")[2])["properties"]
    assert {("error", "own_0"), ("problem", "own_1"), ("envelope", "own_2"), ("errorEnvelope", "own_3")} < owned
    assert len({name for name, _ in owned}) == len(names)
    # The links of pages lead to operations by their ids.
    assert all(re.fullmatch(r"\w+", each["operationId"], re.ASCII) for each in operations_of(document).values())
