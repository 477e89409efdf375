"""A Flask application without any generated route: its hand-written views are the document."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Flask
from marshmallow import Schema, fields, validate
from openapi_spec_validator import OpenAPIV31SpecValidator

from flarchitect_core.architect import Architect
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.plugins import PluginBase
from flarchitect_core.state import state_of
from flarchitect_docs.document.check import operations_in, problems_of
from flarchitect_docs.part import DocsPart


class BookSchema(Schema):
    id = fields.Integer(dump_only=True)
    title = fields.String(required=True, validate=validate.Length(max=80), metadata={"description": "As printed."})
    price = fields.Decimal(as_string=True)
    rating = fields.Float(allow_none=True)


class Application:
    """One application with a view on books, as a test wants it."""

    def __init__(self, **config: Any) -> None:
        self.app = Flask("plain")
        self.app.config.update(FULL_AUTO=False, **config)
        self.architect = Architect(self.app, parts=[DocsPart()])

    def view(self, rule: str = "/books", methods: tuple[str, ...] = ("GET",), **said: Any) -> Callable[..., Any]:
        def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
            decorated = self.architect.schema_constructor(**said)(function)
            self.app.add_url_rule(rule, function.__name__, decorated, methods=list(methods))
            return decorated

        return decorate

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(state_of(self.app).documents.current().json)
        return document

    def operation(self, path: str = "/books", method: str = "get") -> dict[str, Any]:
        operation: dict[str, Any] = self.document["paths"][path][method]
        return operation


@pytest.fixture
def plain() -> Application:
    return Application()


def books() -> list[dict[str, Any]]:
    """List all books.

    Sorted by title.
    ---
    not for readers
    """
    return [{"id": 1, "title": "Tides"}]


@pytest.mark.contract("docs 8.7")
@pytest.mark.contract("docs 9 18")
def test_a_view_that_is_added_after_the_start_is_in_the_document(plain: Application) -> None:
    assert "/books" not in plain.document["paths"]
    plain.view(output_schema=BookSchema, many=True)(books)
    assert plain.operation()["operationId"] == "books"


@pytest.mark.contract("docs 3.9")
def test_the_docstring_of_a_view_is_its_description_up_to_the_dashes(plain: Application) -> None:
    plain.view(output_schema=BookSchema, many=True, summary="All books")(books)
    operation = plain.operation()
    assert operation["summary"] == "All books"
    assert operation["description"] == "List all books.\n\nSorted by title."


@pytest.mark.contract("docs 3.4")
@pytest.mark.contract("docs 8.8")
@pytest.mark.contract("docs 9 23")
@pytest.mark.parametrize("key", ["API_OPENAPI_FIELD_EXAMPLE_DEFAULTS", "API_FIELD_EXAMPLE_DEFAULTS"])
def test_a_marshmallow_schema_is_a_component_with_examples_by_its_fields(key: str) -> None:
    plain = Application(**{key: {"Integer": 7}})
    plain.view(output_schema=BookSchema, many=True)(books)
    book = plain.document["components"]["schemas"]["book"]["properties"]
    assert book["id"] == {"type": "integer", "readOnly": True, "example": 7}
    assert book["title"] == {"type": "string", "maxLength": 80, "description": "As printed."}
    assert book["rating"]["type"] == ["number", "null"]
    assert book["rating"]["example"] == 1.23


@pytest.mark.contract("docs 3.6")
@pytest.mark.contract("docs 9 7")
def test_a_list_is_described_in_its_envelope(plain: Application) -> None:
    plain.view(output_schema=BookSchema, many=True)(books)
    answer = plain.operation()["responses"]["200"]["content"]["application/json"]
    assert answer["schema"] == {"$ref": "#/components/schemas/bookListEnvelope"}
    value = plain.document["components"]["schemas"]["bookListEnvelope"]["allOf"][1]["properties"]["value"]
    assert value == {"type": "array", "items": {"$ref": "#/components/schemas/book"}}
    assert plain.app.test_client().get("/books").get_json().keys() == answer["example"].keys()


def test_answers_can_be_described_without_their_envelope() -> None:
    plain = Application(API_DOCS_ENVELOPE=False)
    plain.view(output_schema=BookSchema)(books)
    answer = plain.operation()["responses"]["200"]["content"]["application/json"]
    assert answer["schema"] == {"$ref": "#/components/schemas/book"}


@pytest.mark.contract("docs 9 20")
def test_a_patch_requires_nothing_and_a_post_does(plain: Application) -> None:
    @plain.view(methods=("POST", "PATCH"), input_schema=BookSchema)
    def save(deserialized_data: dict[str, Any]) -> dict[str, Any]:
        return deserialized_data

    schemas = plain.document["components"]["schemas"]
    assert schemas["book"]["required"] == ["title"]
    assert "required" not in schemas["bookUpdate"]
    ids = [plain.operation(method=method)["operationId"] for method in ("post", "patch")]
    assert ids == ["save_post", "save_patch"]


@pytest.mark.contract("docs 8.9")
@pytest.mark.contract("docs 9 19")
def test_every_status_that_was_named_is_described(plain: Application) -> None:
    plain.view(output_schema=BookSchema, many=True, error_responses=[404, 418])(books)
    responses = plain.operation()["responses"]
    assert set(responses) == {"200", "404", "418"}
    told = plain.document["components"]["responses"]
    assert told["NotFound"]["description"] == "Not Found"
    assert told["NotFound"]["content"]["application/json"]["example"]["errors"]["error"] == "not_found"


@pytest.mark.contract("docs 9 22")
@pytest.mark.contract("docs 3.2")
def test_views_of_one_name_in_two_blueprints_are_two_operations(plain: Application) -> None:
    for name in ("old", "new"):

        def show(name: str = name) -> dict[str, str]:
            return {"name": name}

        show.__doc__ = f"The {name} one."
        blueprint = Blueprint(name, name, url_prefix=f"/{name}")
        blueprint.add_url_rule("/it", "show", plain.architect.schema_constructor()(show))
        plain.app.register_blueprint(blueprint)
    told = {path: plain.operation(path) for path in ("/old/it", "/new/it")}
    assert [each["operationId"] for each in told.values()] == ["old_show", "new_show"]
    assert [each["description"] for each in told.values()] == ["The old one.", "The new one."]


@pytest.mark.contract("docs 3.2")
def test_two_operations_with_one_given_id_are_refused(plain: Application) -> None:
    plain.view("/a", operation_id="same")(books)
    plain.app.add_url_rule("/b", "b", plain.architect.schema_constructor(operation_id="same")(lambda: "b"))
    with pytest.raises(ConfigurationError, match="operation id 'same'"):
        state_of(plain.app).documents.current()


@pytest.mark.contract("docs 3.2")
def test_an_id_that_is_given_to_a_view_with_several_operations_is_the_beginning_of_theirs(plain: Application) -> None:
    view = plain.architect.schema_constructor(operation_id="shelf")(lambda **variables: {})
    plain.app.add_url_rule("/shelves", "shelf", view, methods=["GET", "POST"])
    plain.app.add_url_rule("/shelves/<int:id>", "shelf", view, methods=["GET"])
    ids = {(path, method): each["operationId"] for path, method, each in operations_in(plain.document)}
    assert ids == {
        ("/shelves", "get"): "shelf_get_shelves",
        ("/shelves", "post"): "shelf_post",
        ("/shelves/{id}", "get"): "shelf_get_shelves_int_id",
    }


@pytest.mark.contract("docs 9 24")
def test_path_variables_have_the_type_of_their_converter(plain: Application) -> None:
    @plain.view("/b/<int:number>/<uuid:key>/<float(max=9.5):size>/<any(red, blue):colour>/<name>/<path:rest>")
    def show(**variables: Any) -> dict[str, Any]:
        return variables

    (path,) = plain.document["paths"]
    assert path == "/b/{number}/{key}/{size}/{colour}/{name}/{rest}"
    schemas = {each["name"]: each["schema"] for each in plain.operation(path)["parameters"]}
    assert schemas["number"] == {"type": "integer", "minimum": 0}
    assert schemas["key"] == {"type": "string", "format": "uuid"}
    assert schemas["size"] == {"type": "number", "minimum": 0, "maximum": 9.5}
    assert schemas["colour"] == {"type": "string", "enum": ["red", "blue"]}
    assert (schemas["name"]["type"], schemas["rest"]["type"]) == ("string", "string")


@pytest.mark.contract("docs 3.1")
def test_path_variables_have_the_lengths_of_their_converter(plain: Application) -> None:
    @plain.view("/c/<string(length=3):code>/<string(minlength=2, maxlength=5):word>")
    def show(**variables: Any) -> dict[str, Any]:
        return variables

    schemas = [each["schema"] for each in plain.operation("/c/{code}/{word}")["parameters"]]
    assert [(each["minLength"], each["maxLength"]) for each in schemas] == [(3, 3), (2, 5)]


@pytest.mark.contract("docs 3.6")
def test_a_body_that_a_delete_has_to_have_is_told(plain: Application) -> None:
    plain.view(methods=("GET", "DELETE"), input_schema=BookSchema)(lambda **given: {})
    answer = plain.app.test_client().delete("/books")
    operation = plain.operation(method="delete")
    assert answer.status_code == 400
    assert "400" in operation["responses"]
    assert operation["requestBody"]["required"] is True
    assert "requestBody" not in plain.operation()


@pytest.mark.contract("docs D-1")
def test_a_method_that_openapi_does_not_know_is_left_out(plain: Application) -> None:
    plain.view(methods=("GET", "LINK", "PROPFIND"))(books)
    assert set(plain.document["paths"]["/books"]) == {"get"}
    assert list(OpenAPIV31SpecValidator(plain.document).iter_errors()) == []


@pytest.mark.contract("docs D-23")
def test_a_deprecated_view_says_so_in_the_document_and_in_its_answers(plain: Application) -> None:
    plain.view(deprecated=True, sunset=dt.date(2030, 1, 2))(books)
    assert plain.operation()["deprecated"] is True
    assert set(plain.operation()["responses"]["200"]["headers"]) == {"Deprecation", "Sunset"}
    answer = plain.app.test_client().get("/books")
    assert answer.headers["Deprecation"] == "@0"
    assert answer.headers["Sunset"] == "Wed, 02 Jan 2030 00:00:00 GMT"


def test_what_was_said_about_a_view_is_in_the_document(plain: Application) -> None:
    plain.view(
        methods=("POST",),
        input_schema=BookSchema,
        output_schema=BookSchema,
        tag="Books",
        group_tag="Library",
        description="Adds one.",
        operation_id="add_book",
        query_params=[{"name": "notify", "in": "query", "schema": {"type": "boolean"}}],
        request_examples={"short": {"title": "Tides"}},
        response_examples={"first": {"id": 1, "title": "Tides"}},
        security=[{"partner": []}],
    )(lambda deserialized_data: deserialized_data)
    operation = plain.operation(method="post")
    assert (operation["operationId"], operation["description"]) == ("add_book", "Adds one.")
    assert [each["name"] for each in operation["parameters"]] == ["notify"]
    content = operation["requestBody"]["content"]["application/json"]
    assert content["examples"] == {"short": {"value": {"title": "Tides"}}}
    shown = operation["responses"]["200"]["content"]["application/json"]["examples"]["first"]["value"]
    assert shown["value"] == {"id": 1, "title": "Tides"}
    assert operation["security"] == [{"partner": []}]
    assert plain.document["tags"] == [{"name": "Books"}]
    assert plain.document["x-tagGroups"] == [{"name": "Library", "tags": ["Books"]}]


@pytest.mark.contract("docs 3.3")
def test_a_tag_without_a_group_is_in_the_last_one(plain: Application) -> None:
    plain.view("/a", tag="Zebras", group_tag="Animals")(books)
    plain.app.add_url_rule("/b", "b", plain.architect.schema_constructor(tag="Apples")(lambda: "b"))
    groups = plain.document["x-tagGroups"]
    assert groups == [{"name": "Animals", "tags": ["Zebras"]}, {"name": "Other", "tags": ["Apples"]}]


def test_a_route_that_was_told_of_by_set_route_is_in_the_document(plain: Application) -> None:
    plain.app.add_url_rule("/books", "books", books)
    plain.architect.set_route({"function": books, "output_schema": BookSchema, "multiple": True, "tag": "Books"})
    assert plain.operation()["tags"] == ["Books"]
    assert "bookListEnvelope" in plain.document["components"]["schemas"]


@pytest.mark.contract("docs 8.10")
def test_two_applications_have_documents_of_their_own() -> None:
    first, second = Application(API_TITLE="First"), Application(API_TITLE="Second")
    first.view()(books)
    assert (first.document["info"]["title"], second.document["info"]["title"]) == ("First", "Second")
    assert second.document["paths"] == {}


@pytest.mark.contract("docs 1")
def test_the_info_block_has_what_is_configured() -> None:
    info = Application(
        API_TITLE="Library",
        API_VERSION="2.3",
        API_DESCRIPTION="All about books.",
        API_CONTACT_NAME="Mira",
        API_CONTACT_EMAIL="mira@example.org",
        API_LICENSE_NAME="MIT",
        API_LOGO_URL="/logo.png",
        API_SERVER_URLS=[{"url": "https://api.example.org"}],
    ).document
    assert info["servers"] == [{"url": "https://api.example.org"}]
    assert info["info"] == {
        "title": "Library",
        "version": "2.3",
        "description": "All about books.",
        "contact": {"name": "Mira", "email": "mira@example.org"},
        "license": {"name": "MIT"},
        "x-logo": {"url": "/logo.png", "backgroundColor": "#ffffff", "altText": "Library logo."},
    }


@pytest.mark.contract("docs 1")
def test_an_application_that_says_nothing_has_a_title_and_a_version(plain: Application) -> None:
    info = plain.document["info"]
    assert (info["title"], info["version"]) == ("My API", "1.0.0")


@pytest.mark.contract("docs 4")
@pytest.mark.contract("docs 9 29")
@pytest.mark.contract("core 12 30")
def test_a_description_in_a_file_sees_no_secret(tmp_path: Any) -> None:
    template = tmp_path / "about.md"
    template.write_text(
        "{{ config.API_TITLE }} {{ config.SECRET_KEY }}{{ config.MY_TOKEN_X }}{{ config.SQLALCHEMY_DATABASE_URI }}"
        "{{ config.HOOKS.token }}"
    )
    info = Application(
        API_TITLE="Library",
        API_DESCRIPTION=str(template),
        SECRET_KEY="hush",
        MY_TOKEN_X="hush",
        HOOKS={"token": "hush", "url": "https://me:hush@example.org"},
        SQLALCHEMY_DATABASE_URI="postgresql://me:hush@localhost/x",
    ).document["info"]
    assert info["description"].startswith("Library")
    assert "hush" not in info["description"]


def test_a_template_reaches_nothing_but_its_variables(tmp_path: Any) -> None:
    template = tmp_path / "about.md"
    template.write_text("{{ config.__class__.__mro__ }}")
    with pytest.raises(Exception, match="unsafe"):
        Application(API_DESCRIPTION=str(template)).document  # noqa: B018


@pytest.mark.contract("docs 4")
@pytest.mark.parametrize(
    "written, sentence",
    [
        (None, "there is no such file"),
        (b"caf\xe9", "cannot be used: 'utf-8' codec"),
        (b"{% if %}", "cannot be used: Expected an expression"),
    ],
)
def test_a_file_that_is_no_description_stops_the_start(tmp_path: Path, written: bytes | None, sentence: str) -> None:
    file = tmp_path / "about.md"
    if written is not None:
        file.write_bytes(written)
    with pytest.raises(ConfigurationError, match=f"API_DESCRIPTION.*{sentence}"):
        Application(API_DESCRIPTION=str(file))


def test_a_template_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    template = tmp_path / "about.md"
    template.write_text("{{ nothing.at.all }}")
    plain = Application(API_DESCRIPTION=str(template))
    with pytest.raises(ConfigurationError, match=r"about\.md cannot be used: 'nothing' is undefined"):
        plain.document  # noqa: B018


@pytest.mark.parametrize(
    "option, value",
    [
        ("API_DESCRIPTION", 5),
        ("API_DESCRIPTION", {"GET": None}),
        ("API_ADDITIONAL_QUERY_PARAMS", {"name": "a"}),
        ("API_ADDITIONAL_QUERY_PARAMS", [{"in": "query"}]),
        ("API_ADDITIONAL_QUERY_PARAMS", ["a"]),
    ],
)
def test_an_option_of_another_shape_stops_the_start(option: str, value: object) -> None:
    with pytest.raises(ConfigurationError, match=f"{option} must be"):
        Application(**{option: value})


class Signature(PluginBase):
    def __init__(self) -> None:
        self.started: list[Any] = []

    def spec_build_started(self, spec: Any) -> None:
        self.started.append(spec)

    def spec_build_completed(self, spec_dict: dict[str, Any]) -> dict[str, Any]:
        return {**spec_dict, "x-signed-by": "plugin"}


@pytest.mark.contract("docs 3")
def test_plugins_see_the_document_before_and_change_it_after() -> None:
    plugin = Signature()
    plain = Application(API_PLUGINS=[plugin])
    assert plain.document["x-signed-by"] == "plugin"
    assert plugin.started[0].api_keywords == []


@pytest.mark.contract("docs 6")
def test_the_document_is_given_as_data_outside_of_requests(plain: Application) -> None:
    plain.view(output_schema=BookSchema)(books)
    given = plain.architect.to_api_spec()
    assert given == plain.architect.api_spec.to_dict() == plain.document
    given["paths"].clear()
    assert plain.architect.to_api_spec()["paths"]


@pytest.mark.contract("docs 1")
def test_without_docs_there_is_no_document() -> None:
    assert Application(API_CREATE_DOCS=False).architect.to_api_spec() is None


def test_without_the_part_the_error_names_what_to_install() -> None:
    app = Flask("bare")
    app.config["FULL_AUTO"] = False
    architect = Architect(app, parts=[])
    with pytest.raises(RuntimeError, match="pip install flarchitect-docs"):
        architect.to_api_spec()


@pytest.mark.contract("docs D-3")
@pytest.mark.contract("docs 9 9")
def test_two_processes_write_the_same_bytes() -> None:
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_plain_application import Application, BookSchema, books\n"
        "from flarchitect_core.state import state_of\n"
        "plain = Application()\n"
        "plain.view(output_schema=BookSchema, many=True, error_responses={404, 401, 403, 418})(books)\n"
        "sys.stdout.buffer.write(state_of(plain.app).documents.current().json)\n"
    )
    folder = __file__.rpartition("/")[0]
    written = [
        subprocess.run(  # noqa: S603 - our own interpreter and text
            [sys.executable, "-c", program, folder],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    ]
    assert written[0] == written[1] != b""


@pytest.mark.contract("docs D-2")
def test_a_whole_document_has_nothing_loose(plain: Application) -> None:
    plain.view(output_schema=BookSchema, many=True)(books)
    assert list(problems_of(plain.document)) == []
