"""The OpenAPI document of hand-written views with dataclasses, pydantic models, files and streams."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import jsonschema
import marshmallow as ma
import pydantic
import pytest
from flask import Flask
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator
from werkzeug.datastructures import FileStorage

from flarchitect.schemas import FileField, Upload
from flarchitect_core.architect import Architect
from flarchitect_core.state import state_of
from flarchitect_docs.document.check import problems_of
from flarchitect_docs.part import DocsPart
from flarchitect_rest.part import RestPart

pytestmark = pytest.mark.contract("docs D-26")


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Seat:
    """Where somebody sits."""

    row: int
    place: int = field(default=1, metadata={"description": "From the left."})


@dataclass
class Booking:
    film: Annotated[str, ma.validate.Length(max=10)]
    seats: list[Seat]
    on: dt.date | None = None
    colour: Colour | None = None
    size: Literal["small", "large"] = "small"
    price: decimal.Decimal = decimal.Decimal("9.50")


class Guest(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=10, examples=["Ida"])
    mood: Literal["good"] = "good"


class Cat(pydantic.BaseModel):
    kind: Literal["cat"] = "cat"


class Dog(pydantic.BaseModel):
    kind: Literal["dog"] = "dog"
    size: tuple[int, str] = (1, "x")


class Party(pydantic.BaseModel):
    """People who meet."""

    title: str = pydantic.Field(alias="name")
    guests: list[Guest]
    pet: Annotated[Cat | Dog, pydantic.Field(discriminator="kind")] | None = None
    load: int = pydantic.Field(default=7, gt=5, le=9)


class Bill(pydantic.BaseModel):
    fee: decimal.Decimal
    parts: list[Bill] = []

    @pydantic.computed_field
    def doubled(self) -> decimal.Decimal:
        return self.fee * 2


class PosterSchema(ma.Schema):
    title = ma.fields.String(required=True)
    file = FileField(required=True, content_types=("image/png", "image/jpeg"))


class PosterModel(pydantic.BaseModel):
    title: str
    files: list[Annotated[FileStorage, Upload()]]


class Site:
    """An application whose views are all there is to tell of."""

    def __init__(self) -> None:
        self.app = Flask("site")
        self.app.config.update(API_LOG_REQUESTS=False, API_FULL_AUTO=False)
        self.architect = Architect(self.app, parts=[RestPart(), DocsPart()])
        self.client = self.app.test_client()

    def serve(self, name: str, method: str = "POST", **arguments: Any) -> None:
        def view(deserialized_data: Any = None) -> Any:
            return deserialized_data if "output_schema" in arguments else None

        view.__name__ = name
        decorated = self.architect.schema_constructor(**arguments)(view)
        self.app.add_url_rule(f"/{name}", f"{name}_{method}", decorated, methods=[method])

    def document(self, version: str | None = None) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(state_of(self.app).documents.current(version).json)
        return document


@pytest.fixture(scope="module")
def site() -> Site:
    site = Site()
    site.serve("booking", input_schema=Booking, output_schema=Booking)
    site.serve("booking", "PATCH", input_schema=Booking)
    site.serve("seat", input_schema=Seat, output_schema=Seat, many=True)
    site.serve("party", input_schema=Party, output_schema=Party)
    site.serve("party", "PATCH", input_schema=Party)
    site.serve("guest", "GET", output_schema=Guest, many=True)
    site.serve("bill", input_schema=Bill, output_schema=Bill)
    site.serve("poster", input_schema=PosterSchema, request_examples={"one": {"title": "Low Tide", "file": "…"}})
    site.serve("posters", input_schema=PosterModel)
    site.serve("guests", "GET", output_schema=Guest, stream=True)
    site.serve("anything", "GET", stream=True)
    return site


VALIDATORS = {"3.0": OpenAPIV30SpecValidator, "3.1": OpenAPIV31SpecValidator}


@pytest.mark.parametrize("version", VALIDATORS)
def test_the_document_is_valid(site: Site, version: str) -> None:
    document = site.document(version)
    assert [str(error)[:500] for error in VALIDATORS[version](document).iter_errors()] == []
    assert list(problems_of(document)) == []


def test_the_document_is_the_same_whichever_view_comes_first(site: Site) -> None:
    assert site.document() == site.document()
    other = Site()
    other.serve("guest", "GET", output_schema=Guest, many=True)
    schema = site.document()["components"]["schemas"]["guest"]
    assert other.document()["components"]["schemas"]["guest"] == schema


def content_of(document: Mapping[str, Any], path: str, method: str = "post") -> dict[str, Any]:
    content: dict[str, Any] = document["paths"][path][method]["requestBody"]["content"]
    return content


def fits(document: Mapping[str, Any], schema: Mapping[str, Any], value: Any) -> bool:
    return jsonschema.Draft202012Validator({**schema, "components": document["components"]}).is_valid(value)


BOOKING = {"film": "Low Tide", "seats": [{"row": 3}]}
PARTY = {"name": "Premiere", "guests": [{"name": "Ida"}]}


@pytest.mark.parametrize(
    "path, body",
    [
        ("/booking", BOOKING),
        ("/booking", {**BOOKING, "on": "2026-05-06", "colour": "RED", "size": "large"}),
        ("/booking", {**BOOKING, "film": "a longer title"}),
        ("/booking", {**BOOKING, "size": "huge"}),
        ("/booking", {**BOOKING, "colour": "GREEN"}),
        ("/booking", {**BOOKING, "seats": [{"place": 1}]}),
        ("/booking", {"film": "Low Tide"}),
        ("/party", PARTY),
        ("/party", {**PARTY, "pet": {"kind": "dog", "size": [2, "y"]}, "load": 6}),
        ("/party", {**PARTY, "pet": {"kind": "cow"}}),
        ("/party", {**PARTY, "load": 5}),
        ("/party", {"name": "Premiere"}),
        ("/bill", {"fee": "1.50", "parts": [{"fee": 2}]}),
        ("/bill", {"fee": []}),
        ("/booking", {**BOOKING, "price": 12}),
        ("/booking", {**BOOKING, "price": "much"}),
    ],
)
def test_the_document_says_what_is_taken(site: Site, path: str, body: Any) -> None:
    document = site.document()
    response = site.client.post(path, json=body)
    assert response.status_code in (200, 400)
    is_taken = response.status_code == 200
    assert fits(document, content_of(document, path)["application/json"]["schema"], body) is is_taken
    if is_taken:
        answer = document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]
        assert fits(document, answer["schema"], response.json)


def test_every_example_of_an_answer_fits(site: Site) -> None:
    document = site.document()
    for item in document["paths"].values():
        for operation in item.values():
            for media in operation["responses"]["200"]["content"].values():
                if "example" in media:
                    assert fits(document, media["schema"], media["example"]), operation["operationId"]


def test_classes_are_components_of_their_names(site: Site) -> None:
    schemas = site.document()["components"]["schemas"]
    names = {"booking", "bookingUpdate", "seat", "party", "partyUpdate", "guest", "cat", "dog", "bill", "billInput"}
    assert names <= schemas.keys()
    assert "seat1" not in schemas
    assert schemas["booking"]["properties"]["seats"]["items"] == {"$ref": "#/components/schemas/seat"}
    assert schemas["seat"]["properties"]["place"]["description"] == "From the left."
    assert schemas["party"]["properties"]["guests"]["items"] == {"$ref": "#/components/schemas/guest"}
    assert "required" not in schemas["partyUpdate"]
    assert "doubled" in schemas["bill"]["properties"]
    assert "doubled" not in schemas["billInput"]["properties"]
    assert schemas["billInput"]["properties"]["parts"]["items"] == {"$ref": "#/components/schemas/billInput"}


def test_another_model_of_the_same_name_has_a_component_of_its_own() -> None:
    site = Site()
    others = [pydantic.create_model("Guest", __module__=module, age=(int, ...)) for module in ("a.b", "c")]
    site.serve("one", input_schema=Guest)
    site.serve("two", input_schema=others[0])
    document = site.document()
    assert "aBGuest" in document["components"]["schemas"]
    assert content_of(document, "/two")["application/json"]["schema"] == {"$ref": "#/components/schemas/aBGuest"}


def test_files_are_parts_of_a_form(site: Site) -> None:
    document = site.document()
    form = content_of(document, "/poster")
    assert list(form) == ["multipart/form-data"]
    assert form["multipart/form-data"]["encoding"] == {"file": {"contentType": "image/png, image/jpeg"}}
    assert "one" in form["multipart/form-data"]["examples"]
    schemas = document["components"]["schemas"]
    file = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
    assert schemas["poster"]["properties"]["file"] == {**file, "writeOnly": True}
    assert schemas["posterModel"]["properties"]["files"]["items"] == file
    older = site.document("3.0")["components"]["schemas"]
    assert older["posterModel"]["properties"]["files"]["items"] == {"type": "string", "format": "binary"}
    form = {"title": "Low Tide", "file": (io.BytesIO(b"PNG"), "low.png", "image/png")}
    assert site.client.post("/poster", data=form).status_code == 200


def test_a_stream_is_told_with_its_events(site: Site) -> None:
    paths = site.document()["paths"]
    content = paths["/guests"]["get"]["responses"]["200"]["content"]
    assert list(content) == ["text/event-stream"]
    assert content["text/event-stream"]["schema"] == {"type": "string"}
    data = content["text/event-stream"]["x-itemSchema"]["properties"]["data"]
    assert data["contentSchema"] == {"$ref": "#/components/schemas/guest"}
    assert list(paths["/anything"]["get"]["responses"]["200"]["content"]) == ["text/event-stream"]
