"""Hand-written views with dataclasses or pydantic models for schemas, with files in bodies, and with streams."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import io
import subprocess
import sys
import textwrap
import uuid
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import marshmallow as ma
import pydantic
import pytest
from flask import Flask
from werkzeug.datastructures import FileStorage

from flarchitect_core.architect import Architect
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.testing import error_of
from flarchitect_core.views.files import FileField, Upload, UploadedFile
from flarchitect_rest.part import RestPart

pytestmark = pytest.mark.contract("docs D-26")


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Seat:
    row: int
    places: tuple[int, ...] = ()


@dataclass
class Booking:
    """Seats for one evening."""

    film: Annotated[str, ma.validate.Length(max=10)]
    seats: list[Seat]
    on: dt.date
    price: decimal.Decimal = decimal.Decimal("9.50")
    colour: Colour | None = None
    size: Literal["small", "large"] = "small"
    tags: set[str] = field(default_factory=set)
    extra: dict[str, int] = field(default_factory=dict)
    note: str | None = field(default=None, metadata={"validate": ma.validate.Length(max=5)})
    code: uuid.UUID | None = None
    fields: str = ""
    number: int = field(default=7, init=False)

    def __post_init__(self) -> None:
        if not self.seats:
            raise ValueError("A booking needs seats.")


class Guest(pydantic.BaseModel):
    name: str = pydantic.Field(max_length=10)
    born: dt.date | None = None


class Party(pydantic.BaseModel):
    title: str = pydantic.Field(alias="name", max_length=10)
    guests: list[Guest]
    fee: decimal.Decimal = decimal.Decimal(0)
    load: int = pydantic.Field(default=1, ge=1)

    @pydantic.field_validator("guests")
    @classmethod
    def _some(cls, guests: list[Guest]) -> list[Guest]:
        if not guests:
            raise ValueError("A party needs guests.")
        return guests

    @pydantic.model_validator(mode="after")
    def _fits(self) -> Party:
        if self.guests and len(self.guests) > self.load * 2:
            raise ValueError("Too many guests for the load.")
        return self

    @pydantic.computed_field
    def count(self) -> int:
        return len(self.guests)


class Site:
    """An application without models, and a client."""

    def __init__(self, **config: Any) -> None:
        self.app = Flask("site")
        self.app.config.update(API_LOG_REQUESTS=False, API_FULL_AUTO=False, **config)
        self.architect = Architect(self.app, parts=[RestPart()])
        self.client = self.app.test_client()
        self.given: list[Any] = []

    def take(self, schema: Any, method: str = "POST", **arguments: Any) -> Any:
        """Serve a view at `/` that keeps what it is given, and give it back."""

        def view(deserialized_data: Any) -> Any:
            self.given.append(deserialized_data)
            return self.given[-1] if "output_schema" in arguments else "taken"

        decorated = self.architect.schema_constructor(input_schema=schema, **arguments)(view)
        self.app.add_url_rule("/", "view", decorated, methods=[method])
        return self

    def ask(self, body: Any = None, method: str = "POST", **arguments: Any) -> Any:
        how = {"json": body} if body is not None else arguments
        return self.client.open("/", method=method, **how)

    def refused(self, body: Any = None, **arguments: Any) -> dict[str, Any]:
        fields: dict[str, Any] = error_of(self.ask(body, **arguments), 400, "validation_failed")["fields"]
        assert self.given == []
        return fields


BOOKING = {"film": "Low Tide", "seats": [{"row": 3, "places": [1, "2"]}], "on": "2026-05-06"}
PARTY = {"name": "Premiere", "guests": [{"name": "Ida", "born": "1990-01-01"}]}


# --- dataclasses ------------------------------------------------------------------------------------------------------


def test_a_body_becomes_an_instance_of_the_dataclass() -> None:
    site = Site().take(Booking)
    body = {**BOOKING, "colour": "RED", "tags": ["a", "a"], "price": "12.25", "extra": {"a": 1}, "fields": "x"}
    assert site.ask(body).status_code == 200
    (given,) = site.given
    assert given.seats == [Seat(3, (1, 2))]
    assert (given.on, given.colour, given.tags) == (dt.date(2026, 5, 6), Colour.RED, {"a"})
    assert (given.price, given.size, given.note, given.number) == (decimal.Decimal("12.25"), "small", None, 7)
    assert (given.extra, given.fields) == ({"a": 1}, "x")


@pytest.mark.parametrize(
    "change, fields",
    [
        ({"film": None}, {"film": ["Field may not be null."]}),
        ({"film": "a longer title"}, {"film": ["Longer than maximum length 10."]}),
        ({"note": "too long"}, {"note": ["Longer than maximum length 5."]}),
        ({"seats": [{"row": "x"}, {}]}, {"seats": {
            "0": {"row": ["Not a valid integer."]}, "1": {"row": ["Missing data for required field."]}}}),
        ({"seats": [{"row": True}]}, {"seats": {"0": {"row": ["Not a valid integer."]}}}),
        ({"seats": [{"row": 1.5}]}, {"seats": {"0": {"row": ["Not a valid integer."]}}}),
        ({"size": "huge"}, {"size": ["Must be one of: small, large."]}),
        ({"colour": "GREEN"}, {"colour": ["Must be one of: RED, BLUE."]}),
        ({"seats": []}, {"_schema": ["A booking needs seats."]}),
        ({"flim": "x"}, {"flim": ["Unknown field. Did you mean 'film'?"]}),
    ],
)  # fmt: skip
def test_what_a_dataclass_does_not_take_is_told_by_field(change: dict[str, Any], fields: dict[str, Any]) -> None:
    assert Site().take(Booking).refused({**BOOKING, **change}) == fields


def test_a_patch_gives_what_the_body_has() -> None:
    site = Site().take(Booking, "PATCH")
    assert site.ask({"on": "2026-05-07"}, "PATCH").status_code == 200
    assert site.given == [{"on": dt.date(2026, 5, 7)}]


def test_instances_are_dumped_by_their_dataclass() -> None:
    site = Site().take(Booking, output_schema=Booking)
    value = site.ask(BOOKING).json["value"]
    assert value["seats"] == [{"row": 3, "places": [1, 2]}]
    assert (value["on"], value["price"], value["number"]) == ("2026-05-06", "9.50", 7)
    assert site.client.post("/?fields=film,on", json=BOOKING).json["value"] == {"film": "Low Tide", "on": "2026-05-06"}


@pytest.mark.parametrize("annotation", [int | str, complex, tuple[int, str], Literal["a", 1]])
def test_an_annotation_that_no_body_can_have_is_refused_where_the_view_is_decorated(annotation: Any) -> None:
    kind = dataclass(type("Odd", (), {"__annotations__": {"value": annotation}}))
    with pytest.raises(TypeError, match=r"input_schema of .*: Odd\.value: "):
        Site().take(kind)


# --- pydantic ---------------------------------------------------------------------------------------------------------


def test_a_body_becomes_an_instance_of_the_model() -> None:
    site = Site().take(Party)
    assert site.ask({**PARTY, "load": "2"}).status_code == 200
    (given,) = site.given
    assert isinstance(given, Party)
    assert (given.title, given.load, given.guests[0].born) == ("Premiere", 2, dt.date(1990, 1, 1))


@pytest.mark.parametrize(
    "change, fields",
    [
        ({"name": None}, {"name": ["Input should be a valid string."]}),
        ({"guests": [{"name": "Ida"}, {"born": "soon"}]}, {"guests": {"1": {
            "name": ["Missing data for required field."],
            "born": ["Input should be a valid date or datetime, input is too short."]}}}),
        ({"guests": []}, {"guests": ["A party needs guests."]}),
        ({"guests": [{"name": "Ida"}] * 3}, {"_schema": ["Too many guests for the load."]}),
        ({"nmae": "x"}, {"nmae": ["Unknown field. Did you mean 'name'?"]}),
        ({"title": "x"}, {"title": ["Unknown field."]}),
        ({"load": 0, "fee": "x"}, {
            "load": ["Input should be greater than or equal to 1."], "fee": ["Input should be a valid decimal."]}),
    ],
)  # fmt: skip
def test_what_a_model_does_not_take_is_told_by_field(change: dict[str, Any], fields: dict[str, Any]) -> None:
    assert Site().take(Party).refused({**PARTY, **change}) == fields


@pytest.mark.parametrize("extra, taken", [("forbid", False), ("ignore", True), ("allow", True), (None, False)])
def test_a_model_may_decide_about_unknown_keys_itself(extra: Any, taken: bool) -> None:
    config = {} if extra is None else {"model_config": pydantic.ConfigDict(extra=extra)}
    model = type("Open", (pydantic.BaseModel,), {"__annotations__": {"name": str}, "__module__": __name__, **config})
    site = Site().take(model)
    assert (site.ask({"name": "x", "more": 1}).status_code == 200) is taken
    assert [getattr(given, "more", None) for given in site.given] == (
        [1 if extra == "allow" else None] if taken else []
    )


def test_unknown_keys_are_dropped_where_the_application_says_so() -> None:
    site = Site(API_UNKNOWN_FIELDS="ignore").take(Party)
    assert site.ask({**PARTY, "more": 1}).status_code == 200


def test_a_patch_gives_a_model_that_knows_what_was_given() -> None:
    site = Site().take(Party, "PATCH")
    assert site.ask({"load": 3}, "PATCH").status_code == 200
    (given,) = site.given
    assert isinstance(given, Party)
    assert given.model_fields_set == {"load"}
    assert "load" in error_of(site.ask({"load": 0}, "PATCH"), 400)["fields"]


def test_instances_dictionaries_and_objects_are_dumped_by_their_model() -> None:
    site = Site()

    class Row:
        name, born = "Jon", dt.date(2000, 1, 1)

    results = iter([Guest(name="Ida"), {"name": "Ola"}, Row(), [Row(), Guest(name="Ida")]])
    view = site.architect.schema_constructor(output_schema=Guest)(lambda: next(results))
    site.app.add_url_rule("/", "view", view)
    values = [site.client.get("/").json["value"] for _ in range(4)]
    jon, ida = {"name": "Jon", "born": "2000-01-01"}, {"name": "Ida", "born": None}
    assert values == [ida, {"name": "Ola", "born": None}, jon, [jon, ida]]


def test_an_answer_has_the_names_and_the_computed_fields_of_the_model() -> None:
    site = Site().take(Party, output_schema=Party)
    assert site.ask(PARTY).json["value"]["count"] == 1
    value = site.client.post("/?fields=name,count", json=PARTY).json["value"]
    assert value == {"name": "Premiere", "count": 1}


@pytest.mark.parametrize("model", [pydantic.RootModel[list[int]], pydantic.create_model("Odd", value=(Any, object()))])
def test_a_model_of_no_object_is_refused(model: Any) -> None:
    if model.__name__ == "Odd":
        model = pydantic.create_model("Odd", __config__={"arbitrary_types_allowed": True}, value=(FileStorage, ...))
    with pytest.raises(TypeError, match="input_schema of "):
        Site().take(model)


def test_nobody_needs_pydantic() -> None:
    program = """
        import sys
        sys.modules["pydantic"] = sys.modules["pydantic_core"] = None
        from dataclasses import dataclass
        from flask import Flask
        from flarchitect_core.architect import Architect

        @dataclass
        class Name:
            name: str

        app = Flask("site")
        app.config.update(API_FULL_AUTO=False, API_LOG_REQUESTS=False)
        architect = Architect(app, parts=[])

        @app.post("/")
        @architect.schema_constructor(input_schema=Name, output_schema=Name)
        def view(deserialized_data):
            return deserialized_data

        assert app.test_client().post("/", json={"name": "x"}).json["value"] == {"name": "x"}
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)  # noqa: S603


# --- files ------------------------------------------------------------------------------------------------------------

Poster = Annotated[FileStorage, Upload(max_bytes=10, content_types=("image/png", "image/jpeg"))]


class PosterSchema(ma.Schema):
    title = ma.fields.String(required=True)
    year = ma.fields.Integer()
    file = FileField(required=True, max_bytes=10, content_types=("image/png", "image/jpeg"))
    more = ma.fields.List(FileField())
    tags = ma.fields.List(ma.fields.String())
    place = ma.fields.Dict()


@dataclass
class PosterData:
    title: str
    file: Poster
    year: int | None = None
    more: list[UploadedFile] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    place: dict[str, Any] | None = None


class PosterModel(pydantic.BaseModel):
    title: str
    file: Poster
    year: int | None = None
    more: list[UploadedFile] = []
    tags: list[str] = []
    place: dict[str, Any] | None = None


FORMS = pytest.mark.parametrize("schema", [PosterSchema, PosterData, PosterModel])


def png(content: bytes = b"PNG", name: str = "low.png", media_type: str = "image/png") -> tuple[Any, ...]:
    return io.BytesIO(content), name, media_type


def members_of(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else dict(given) if isinstance(given, pydantic.BaseModel) else vars(given)


@FORMS
def test_a_form_with_files_is_taken(schema: Any) -> None:
    site, read = Site(), []

    def view(deserialized_data: Any) -> None:
        given = members_of(deserialized_data)
        # The files are there as long as the request.
        read.append({**given, "file": given["file"].read(), "more": [each.read() for each in given["more"]]})

    site.app.add_url_rule("/", "view", site.architect.schema_constructor(input_schema=schema)(view), methods=["POST"])
    form = {
        "title": "Low Tide",
        "year": "2024",
        "file": png(),
        "more": [png(b"1"), png(b"2")],
        "tags": ["a", "b"],
        "place": '{"row": 1}',
    }
    assert site.ask(data=form).status_code == 200
    expected = {"file": b"PNG", "more": [b"1", b"2"], "year": 2024, "tags": ["a", "b"], "place": {"row": 1}}
    assert read == [{"title": "Low Tide", **expected}]


@FORMS
@pytest.mark.parametrize(
    "change, fields",
    [
        ({"file": None}, {"file": ["Missing data for required field."]}),
        ({"file": png(name="")}, {"file": ["Missing data for required field."]}),
        ({"file": "text"}, {"file": ["Not a file."]}),
        ({"file": png(b"x" * 11)}, {"file": ["Larger than 10 bytes."]}),
        ({"file": png(media_type="text/plain")}, {"file": ["Must be image/png or image/jpeg; it is text/plain."]}),
        ({"file": [png(), png()]}, {"file": ["Must be sent once."]}),
        ({"more": [png(), "text"]}, {"more": {"0": ["Not a file."]}}),
        ({"flie": "x"}, {"flie": ["Unknown field. Did you mean 'file'?"]}),
    ],
)
def test_what_is_wrong_in_a_form_is_told_by_field(schema: Any, change: Any, fields: Any) -> None:
    form = {key: value for key, value in {"title": "Low Tide", "file": png(), **change}.items() if value is not None}
    form = {key: fresh(value) for key, value in form.items()}
    assert Site().take(schema).refused(data=form, content_type="multipart/form-data") == fields


def fresh(value: Any) -> Any:
    """Give files that nobody has closed."""
    if isinstance(value, list):
        return [fresh(each) for each in value]
    return (io.BytesIO(value[0].getvalue()), *value[1:]) if isinstance(value, tuple) else value


@FORMS
@pytest.mark.parametrize(
    "arguments, status, reason",
    [
        ({"json": {"title": "x"}}, 415, "unsupported_content_type"),
        ({"data": {"title": "x"}}, 415, "unsupported_content_type"),
        ({"data": {"title": "x" * 3000, "file": png()}}, 413, "body_too_large"),
        ({"data": {"title": "x\0", "file": png()}}, 400, "invalid_text"),
        ({"data": {"title": "x", "place": "{", "file": png()}}, 400, "malformed_json"),
    ],
)
def test_a_body_that_is_no_such_form_is_a_4xx(schema: Any, arguments: Any, status: int, reason: str) -> None:
    site = Site(API_BODY_SIZE_MAX_BYTES=2000).take(schema)
    if "data" in arguments:
        arguments = {"data": {key: fresh(value) for key, value in arguments["data"].items()}}
    response = site.ask(**arguments)
    error_of(response, status, reason)
    if status == 415:
        assert response.headers["Accept"] == "multipart/form-data"


def test_a_long_text_in_a_form_is_bounded_as_the_body_is() -> None:
    site = Site(API_BODY_SIZE_MAX_BYTES=2_000_000).take(PosterData)
    head = "--edge\r\nContent-Disposition: form-data; name="
    text = f'{head}"title"\r\n\r\n{"x" * 1_000_000}\r\n'
    file = f'{head}"file"; filename="low.png"\r\nContent-Type: image/png\r\n\r\nPNG\r\n--edge--\r\n'
    # Written by hand, as the client leaves a long form of its own open.
    response = site.ask(data=(text + file).encode(), content_type="multipart/form-data; boundary=edge")
    assert response.status_code == 200
    assert len(site.given[0].title) == 1_000_000


# --- streams ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("schema", [Guest, Seat])
def test_an_iterator_is_sent_as_events(schema: Any) -> None:
    site = Site()
    values = [Guest(name="Ida"), Guest(name="Jon")] if schema is Guest else [Seat(1), Seat(2, (1,))]
    view = site.architect.schema_constructor(output_schema=schema, stream=True)(lambda: iter(values))
    site.app.add_url_rule("/", "view", view)
    response = site.client.get("/")
    assert response.mimetype == "text/event-stream"
    events = response.text.strip().split("\n\n")
    shown = ['{"name":"Ida","born":null}', '{"name":"Jon","born":null}']
    expected = shown if schema is Guest else ['{"row":1,"places":[]}', '{"row":2,"places":[1]}']
    assert events == [f"data: {each}" for each in expected]


def test_a_stream_may_have_events_that_the_view_writes_and_is_closed() -> None:
    site, closed = Site(), []

    def events() -> Any:
        try:
            yield "event: begin\ndata: 0"
            yield {"row": 1}
        finally:
            closed.append(True)

    view = site.architect.schema_constructor(stream=True, deprecated=True)(events)
    site.app.add_url_rule("/", "view", view)
    response = site.client.get("/")
    assert response.text == 'event: begin\ndata: 0\n\ndata: {"row":1}\n\n'
    assert response.headers["Deprecation"] == "@0"
    assert closed == [True]


def test_what_is_raised_before_the_stream_is_an_error() -> None:
    site = Site()

    def view() -> Any:
        raise CustomHTTPException(404, "No such film.")

    site.app.add_url_rule("/", "view", site.architect.schema_constructor(stream=True)(view))
    error_of(site.client.get("/"), 404)
