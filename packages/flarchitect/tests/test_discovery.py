"""Schema discovery, the docs bundle, and the commands of `flask openapi`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import yaml
from flask import Flask
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect.core.discovery import build_schema_discovery_payload
from flarchitect.core.docbundle import build_docs_bundle
from flarchitect.specs.generator import CustomSpec, generate_swagger_spec, register_schemas
from flarchitect_auth.part import AuthPart
from flarchitect_core.plugins import PluginBase
from flarchitect_core.state import state_of
from flarchitect_core.testing import error_of, make_app
from flarchitect_docs.compare import breaking_changes
from flarchitect_docs.part import DocsPart
from flarchitect_rest.part import RestPart


class Base(DeclarativeBase):
    type_annotation_map = {str: sa.String(80)}


class Author(Base):
    __tablename__ = "authors"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    password: Mapped[str | None]
    books: Mapped[list[Book]] = relationship(back_populates="author")

    @hybrid_property
    def short_name(self) -> str:
        return self.name[:3]


class Book(Base):
    __tablename__ = "books"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    extra: Mapped[Any | None] = mapped_column(sa.JSON)
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("authors.id"))
    author: Mapped[Author] = relationship(back_populates="books")


class Note(Base):
    """Not published."""

    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)


class Draft(Base):
    __tablename__ = "drafts"

    class Meta:
        block_methods = ["GET"]

    id: Mapped[int] = mapped_column(primary_key=True)


Make = Callable[..., Flask]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[Flask] = []

    def make(*more: Any, **config: Any) -> Flask:
        uri = f"sqlite:///{tmp_path / 'library.db'}"
        app = make_app(Base, uri, parts=[RestPart(), DocsPart(), *more], **config)
        made.append(app)
        return app

    yield make
    for app in made:
        engine = state_of(app).database.engine
        if engine is not None:
            engine.dispose()


OPEN = {"API_SCHEMA_DISCOVERY_AUTH": False, "API_DOCS_BUNDLE_AUTH": False}


def value_of(app: Flask, url: str) -> Any:
    answer = app.test_client().get(url)
    assert answer.status_code == 200, answer.get_json()
    return answer.get_json()["value"]


@pytest.mark.contract("docs 5.1")
@pytest.mark.contract("rest 3.9")
@pytest.mark.contract("docs 9 27")
@pytest.mark.contract("rest 12, D47")
def test_discovery_tells_published_models_with_what_fits_their_types(make: Make) -> None:
    told = value_of(make(**OPEN), "/schema/discovery")
    assert [model["name"] for model in told["models"]] == ["Author", "Book"]
    author, book = told["models"]
    assert told["aggregates"] == sorted(told["aggregates"])
    assert {name: author[name] for name in list(author)[:8]} == {
        "name": "Author",
        "table": "authors",
        "primary_key": ["id"],
        "field_case": "snake",
        "filters_enabled": True,
        "ordering_enabled": True,
        "grouping_enabled": False,
        "aggregation_enabled": False,
    }
    fields = {field["name"]: field for field in author["fields"]}
    assert list(fields) == ["id", "name", "short_name"]
    assert (fields["short_name"]["type"], fields["short_name"]["source"]) == ("hybrid_property", "hybrid")
    assert (fields["id"]["type"], fields["id"]["nullable"], fields["id"]["primary_key"]) == ("Integer", False, True)
    assert "like" not in fields["id"]["operators"]
    assert "like" in fields["name"]["operators"]
    extra = next(field for field in book["fields"] if field["name"] == "extra")
    assert (extra["filterable"], extra["operators"]) == (False, [])
    assert book["relationships"] == [
        {
            "name": "author",
            "join_token": "author",
            "target": "Author",
            "direction": "manytoone",
            "uselist": False,
            "back_populates": "books",
        }
    ]
    assert book["join_paths"] == [
        {"path": "author", "segments": ["author"], "target": "Author", "depth": 1},
        {"path": "author.books", "segments": ["author", "books"], "target": "Book", "depth": 2},
    ]
    assert book["endpoints"][:2] == [{"method": "GET", "url": "/api/books"}, {"method": "POST", "url": "/api/books"}]
    assert {"method": "PATCH", "url": "/api/books/{id}"} in book["endpoints"]


@pytest.mark.contract("docs 5.1")
@pytest.mark.parametrize("named", ["book", "BOOKS", "/api/books", "author, books "])
def test_discovery_can_be_asked_for_some_models(make: Make, named: str) -> None:
    models = value_of(make(**OPEN), f"/schema/discovery?model={named}")["models"]
    assert models[-1]["name"] == "Book"
    assert len(models) == (2 if "," in named else 1)


@pytest.mark.contract("docs 9 27")
@pytest.mark.parametrize("depth, longest", [(1, 1), (9999, 2)])
def test_the_depth_of_join_paths_is_bounded(make: Make, depth: int, longest: int) -> None:
    app = make(**OPEN, API_SCHEMA_DISCOVERY_MAX_DEPTH_LIMIT=2)
    book = value_of(app, f"/schema/discovery?model=book&depth={depth}")["models"][0]
    assert max(path["depth"] for path in book["join_paths"]) == longest


@pytest.mark.parametrize("depth", ["0", "-1", "x", "", "9" * 30])
def test_a_depth_that_is_none_is_refused(make: Make, depth: str) -> None:
    error_of(make(**OPEN).test_client().get(f"/schema/discovery?depth={depth}"), 400, "invalid_depth")


@pytest.mark.contract("docs 9 27")
@pytest.mark.parametrize("path", ["/schema/discovery", "/docs/bundle"])
@pytest.mark.parametrize("has_part", [False, True])
def test_both_are_closed_where_nobody_can_be_recognised(make: Make, path: str, has_part: bool) -> None:
    app = make(*([AuthPart()] if has_part else []))
    assert app.test_client().get(path).status_code == 401
    told = json.loads(state_of(app).documents.current().json)["paths"][path]["get"]
    assert "401" in told["responses"]
    assert told["tags"] == ["Schema Discovery" if path.startswith("/schema") else "Documentation"]


@pytest.mark.contract("docs 1")
@pytest.mark.parametrize("option", ["API_SCHEMA_DISCOVERY_ROUTE", "API_DOCS_BUNDLE_ROUTE"])
@pytest.mark.parametrize("value", ["", False])
def test_each_of_them_can_be_switched_off_or_moved(make: Make, option: str, value: object) -> None:
    path = {"API_SCHEMA_DISCOVERY_ROUTE": "/schema/discovery", "API_DOCS_BUNDLE_ROUTE": "/docs/bundle"}[option]
    assert make(**OPEN, **{option: value}).test_client().get(path).status_code == 404
    assert make(**OPEN, **{option: "/elsewhere"}).test_client().get("/elsewhere").status_code == 200


@pytest.mark.contract("docs 1")
def test_without_docs_there_is_neither(make: Make) -> None:
    client = make(API_CREATE_DOCS=False).test_client()
    assert [client.get(path).status_code for path in ("/schema/discovery", "/docs/bundle")] == [404, 404]


@pytest.mark.contract("docs 5.2")
@pytest.mark.contract("docs 9 27")
def test_the_bundle_lists_generated_and_hand_written_routes(make: Make) -> None:
    app = make(**OPEN)
    app.add_url_rule("/plain", "plain", lambda: "plain")
    architect = app.extensions["flarchitect"]
    app.add_url_rule("/said", "said", architect.schema_constructor(model=Book)(lambda: {}))
    told = value_of(app, "/docs/bundle")
    routes = {(route["method"], route["url"]): route for route in told["routes"]}
    assert list(routes) == sorted(routes, key=lambda place: (place[1], place[0]))
    assert routes["GET", "/api/books"] == {
        "url": "/api/books",
        "method": "GET",
        "endpoint": "api.collection/api/books",
        "blueprint": "api",
        "managed": False,
        "auto_generated": True,
        "model": "Book",
        "input_schema": None,
        "output_schema": None,
        "exists": True,
    }
    assert (routes["GET", "/plain"]["managed"], routes["GET", "/plain"]["blueprint"]) == (False, None)
    assert (routes["GET", "/said"]["managed"], routes["GET", "/said"]["model"]) == (True, "Book")
    assert routes["GET", "/said"]["auto_generated"] is False
    assert all(route["exists"] for route in told["routes"])
    assert told["conflicts"] == []


@pytest.mark.contract("docs 5.2")
def test_the_bundle_tells_of_routes_that_meet(make: Make) -> None:
    app = make(**OPEN)
    for name in ("one", "two"):
        app.add_url_rule("/same", name, lambda: "")
    (conflict,) = value_of(app, "/docs/bundle")["conflicts"]
    assert (conflict["method"], conflict["url"]) == ("GET", "/same")
    assert [route["endpoint"] for route in conflict["routes"]] == ["one", "two"]


@pytest.mark.contract("docs 6")
def test_the_documented_functions_give_what_the_routes_give(make: Make) -> None:
    app = make(**OPEN)
    with app.test_request_context():
        assert build_schema_discovery_payload(models=["book"]) == value_of(app, "/schema/discovery?model=book")
        assert build_docs_bundle(app.extensions["flarchitect"]) == value_of(app, "/docs/bundle")
        view = app.view_functions["api.collection/api/books"]
        assert generate_swagger_spec("get", view)["operationId"] == "list_books"
        with pytest.raises(LookupError, match="DELETE"):
            generate_swagger_spec("delete", view)


@pytest.mark.contract("docs 6")
def test_a_document_of_ones_own_groups_tags_and_takes_schemas(make: Make) -> None:
    from apispec.ext.marshmallow import MarshmallowPlugin
    from marshmallow import Schema, fields

    class PageSchema(Schema):
        number = fields.Integer()

    spec = CustomSpec("T", "1", "3.1.1", plugins=[MarshmallowPlugin()])
    assert "x-tagGroups" not in spec.to_dict()
    spec.set_xtags_group("Pages", "All")
    spec.set_xtags_group("Pages", "All")
    with make().app_context():
        register_schemas(spec, PageSchema, None)
        register_schemas(spec, PageSchema, None, force_update=True)
    written = spec.to_dict()
    assert written["x-tagGroups"] == [{"name": "All", "tags": ["Pages"]}]
    assert list(written["components"]["schemas"]) == ["page"]


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.mark.contract("docs D-20")
def test_export_writes_the_document_without_a_database(make: Make, tmp_path: Path) -> None:
    app = make(API_DATABASE_URI="postgresql+psycopg://nobody@127.0.0.1:1/none")
    run = app.test_cli_runner().invoke
    as_json = run(args=["openapi", "export"])
    assert (as_json.exit_code, json.loads(as_json.output)["openapi"]) == (0, "3.1.1")
    as_yaml = run(args=["openapi", "export", "--format", "yaml", "--version", "3.0", "-o", str(tmp_path / "doc.yaml")])
    assert (as_yaml.exit_code, as_yaml.output) == (0, "")
    assert yaml.safe_load((tmp_path / "doc.yaml").read_text())["openapi"] == "3.0.4"


@pytest.mark.contract("docs D-20")
def test_routes_and_validate(make: Make) -> None:
    run = make().test_cli_runner().invoke
    routes = run(args=["openapi", "routes"]).output.splitlines()
    assert any(line.split()[:3] == ["PATCH", "/api/books/{id}", "update_books"] for line in routes)
    valid = run(args=["openapi", "validate"])
    assert (valid.exit_code, valid.output) == (0, "The document is valid.\n")


@pytest.mark.contract("docs D-20")
def test_commands_take_what_a_plugin_makes_of_the_document(make: Make) -> None:
    class Adds(PluginBase):
        def spec_build_completed(self, spec: dict[str, Any]) -> dict[str, Any]:
            answers = {"responses": {"200": {"description": "OK"}}}
            item = {"summary": "Mine", "parameters": [], "get": answers, "post": answers}
            return {**spec, "paths": {**spec["paths"], "/mine": item}}

    class Breaks(PluginBase):
        def spec_build_completed(self, spec: dict[str, Any]) -> dict[str, Any]:
            return {**spec, "info": {"title": "Without version"}}

    run = make(API_PLUGINS=[Adds()]).test_cli_runner().invoke
    assert run(args=["openapi", "validate"]).output == "The document is valid.\n"
    broken = make(API_PLUGINS=[Breaks()]).test_cli_runner().invoke(args=["openapi", "validate"])
    assert broken.exit_code == 1
    assert broken.stderr.startswith("info: ")
    assert "is a required property." in broken.stderr
    lines = [line.split() for line in run(args=["openapi", "routes"]).output.splitlines()]
    assert [line for line in lines if "/mine" in line] == [["GET", "/mine"], ["POST", "/mine"]]


@pytest.mark.contract("docs D-20")
def test_diff_exits_with_2_when_clients_would_break(make: Make, tmp_path: Path) -> None:
    old, app = tmp_path / "old.json", make()
    run = app.test_cli_runner().invoke
    run(args=["openapi", "export", "-o", str(old)])
    same = run(args=["openapi", "diff", str(old)])
    assert (same.exit_code, same.output) == (0, "Nothing that would break a client.\n")
    narrower = make(API_READ_ONLY=True).test_cli_runner().invoke(args=["openapi", "diff", str(old)])
    assert narrower.exit_code == 2
    assert "POST /api/books was removed." in narrower.output


def test_diff_with_something_else_says_so(make: Make, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text("[1]")
    refused = make().test_cli_runner().invoke(args=["openapi", "diff", str(other)])
    assert refused.exit_code == 1
    assert "is no OpenAPI document" in refused.stderr


@pytest.mark.contract("docs D-20")
def test_a_file_that_cannot_be_used_ends_neither_in_a_traceback_nor_as_a_breaking_change(
    make: Make, tmp_path: Path
) -> None:
    run = make().test_cli_runner().invoke
    nowhere = str(tmp_path / "nowhere" / "openapi.json")
    for command in (["export", "-o", nowhere], ["diff", nowhere], ["diff", str(tmp_path)]):
        result = run(args=["openapi", *command])
        assert (result.exit_code, type(result.exception)) == (1, SystemExit), command
        assert result.stderr.startswith("Error: Could not open file"), command


@pytest.mark.contract("docs D-20")
@pytest.mark.parametrize(
    "written, changes",
    [
        ("openapi: 3.0.2", 0),
        ("openapi: 3.0.2\npaths:", 0),
        ("openapi: 3.0.2\npaths: {/api/books: {get: {responses: {200: {description: OK}}}}}", 0),
        ("openapi: 3.0.2\npaths: {/api/books: {get: {responses: {202: {description: OK}}}}}", 1),
        ("openapi: 3.1.0\npaths: {/api/books: {get: {responses: {200: {content: {application/json: null}}}}}}", 0),
        ("openapi: 3.0.2\npaths: {/api/books: {get: {parameters: [{$ref: 'other.yaml#/x'}], responses: null}}}", 0),
        ("openapi: 3.0.2\npaths: {/api/books: {parameters: [{in: query, name: old}], get: {}}}", 1),
        ("openapi: 3.0.2\npaths: {/api/books: {parameters: {}, get: {parameters: [{$ref: '#/tags/0'}]}}}\ntags: []", 0),
    ],
)
def test_documents_from_elsewhere_are_compared_too(make: Make, tmp_path: Path, written: str, changes: int) -> None:
    old = tmp_path / "old.yaml"
    old.write_text(written)
    result = make().test_cli_runner().invoke(args=["openapi", "diff", str(old)])
    assert isinstance(result.exception, SystemExit) or result.exception is None, result.exception
    assert result.exit_code == (2 if changes else 0)
    assert len(result.output.splitlines()) == max(changes, 1)


@pytest.mark.contract("docs D-20")
def test_credentials_that_were_not_needed_before_are_told() -> None:
    schemes = {"key": {"type": "apiKey", "in": "header", "name": "K"}, "token": {"type": "http", "scheme": "bearer"}}

    def document(security: Any, *, renamed: bool = False) -> dict[str, Any]:
        known = {"other": schemes["token"]} if renamed else schemes
        operation = {"responses": {}, **({} if security is None else {"security": security})}
        return {"openapi": "3.1.1", "paths": {"/a": {"get": operation}}, "components": {"securitySchemes": known}}

    def told(old: Any, new: Any, *, renamed: bool = False) -> list[str]:
        return list(breaking_changes(document(old), document(new, renamed=renamed)))

    token, key = {"token": []}, {"key": []}
    for free in (None, [], [{}, token]):
        assert told(free, [token])[0] == "GET /a needs credentials now."
        assert told([token], free) == []
    assert told([token, key], [key]) == ["GET /a: token is not enough any more."]
    assert told([key], [token, key]) == []
    assert told([token], [{"token": [], "key": []}]) == ["GET /a: token is not enough any more."]
    assert told([token], [{"other": []}], renamed=True) == []


def documents(**changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Make two documents with one operation, the newer one with other members of its request, answer or parameter."""

    def document(parameter: Any, body: Any, answer: Any, required: bool = False) -> dict[str, Any]:
        content = {"application/json": {"schema": body}}
        operation = {
            "parameters": [{"name": "p", "in": "query", "schema": parameter, "required": required}],
            "requestBody": {"content": content},
            "responses": {"200": {"content": {"application/json": {"schema": answer}}}},
        }
        return {"openapi": "3.1.1", "paths": {"/a": {"post": operation}}}

    members = {
        "parameter": {"type": "integer", "maximum": 9},
        "body": {"type": "object", "properties": {"x": {"type": ["string", "null"]}}, "additionalProperties": False},
        "answer": {"type": "object", "properties": {"y": {"type": "string", "enum": ["a", "b"]}}},
    }
    return document(**members), document(**{**members, **changes})


BREAKING: dict[str, dict[str, Any]] = {
    "POST /a: the query parameter p is required now.": {"required": True},
    "POST /a: the query parameter p: maximum is 8 now.": {"parameter": {"type": "integer", "maximum": 8}},
    "POST /a: the query parameter p: integer is not taken any more.": {"parameter": {"type": "string", "maximum": 9}},
    "POST /a: the body.x: null is not taken any more.": {
        "body": {"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": False}
    },
    "POST /a: the body.x was removed.": {"body": {"type": "object", "properties": {}, "additionalProperties": False}},
    "POST /a: the body.z is required now.": {
        "body": {"type": "object", "properties": {"x": {"type": ["string", "null"]}}, "required": ["z"]}
    },
    "POST /a: the answer 200.y was removed.": {"answer": {"type": "object", "properties": {}}},
    "POST /a: the answer 200.y may be null now.": {
        "answer": {"type": "object", "properties": {"y": {"type": ["string", "null"], "enum": ["a", "b"]}}}
    },
    "POST /a: the answer 200.y has other values than before.": {
        "answer": {"type": "object", "properties": {"y": {"type": "string", "enum": ["a", "b", "c"]}}}
    },
}


@pytest.mark.contract("docs D-20")
@pytest.mark.parametrize("sentence", BREAKING)
def test_what_breaks_clients_is_told(sentence: str) -> None:
    assert list(breaking_changes(*documents(**BREAKING[sentence]))) == [sentence]


@pytest.mark.contract("docs D-20")
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"parameter": {"type": ["integer", "string"], "maximum": 10}},
        {"body": {"type": "object", "properties": {"x": {}, "z": {"type": "string"}}}},
        {"answer": {"type": "object", "properties": {"y": {"type": "string", "enum": ["a"]}, "z": {}}}},
    ],
)
def test_what_breaks_nobody_is_not_told(changes: dict[str, Any]) -> None:
    assert list(breaking_changes(*documents(**changes))) == []


CHOICE: dict[str, Any] = {"anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["yes", "no"]}]}
OBJECTS: dict[str, Any] = {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"x": {"type": "string"}}}]}
BREAKING_ALTERNATIVES: list[tuple[Any, Any, list[str]]] = [
    (CHOICE, CHOICE, []),
    (CHOICE, {"type": ["boolean", "string"]}, []),
    (CHOICE, {"type": "boolean"}, ["string is not taken any more."]),
    (
        CHOICE,
        {"anyOf": [{"type": "boolean"}, {"type": "string", "enum": ["yes"]}]},
        ["has other values than before."],
    ),
    (
        {"anyOf": [{"type": "integer", "maximum": 9}, {"type": "string"}]},
        {"anyOf": [{"type": "integer", "maximum": 8}, {"type": "string"}]},
        ["maximum is 8 now."],
    ),
    (OBJECTS, {"anyOf": [*OBJECTS["anyOf"], {"type": "integer"}]}, []),
    ({"anyOf": [*OBJECTS["anyOf"], {"type": "integer"}]}, OBJECTS, ["has other alternatives than before."]),
    (
        OBJECTS,
        {"anyOf": [{"type": "string"}, {"type": "object", "properties": {"x": {"type": "integer"}}}]},
        ["x: string is not taken any more."],
    ),
]


@pytest.mark.contract("docs D-20")
@pytest.mark.parametrize("before, after, told", BREAKING_ALTERNATIVES)
def test_what_breaks_clients_is_told_of_alternatives(before: Any, after: Any, told: list[str]) -> None:
    old, new = documents(parameter=before)[1], documents(parameter=after)[1]
    where = "POST /a: the query parameter p"
    assert [each.removeprefix(where).lstrip(":. ") for each in breaking_changes(old, new)] == told
