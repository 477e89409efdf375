"""The OpenAPI document of bodies with nested objects: it says what the API takes, to the depth that it takes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jsonschema
import pytest
import sqlalchemy as sa
from flask import Flask
from openapi_spec_validator import OpenAPIV30SpecValidator, OpenAPIV31SpecValidator
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from flarchitect_core.state import state_of
from flarchitect_core.testing import make_app
from flarchitect_docs.document.check import problems_of
from flarchitect_docs.part import DocsPart
from flarchitect_rest.part import RestPart

pytestmark = [pytest.mark.contract("docs 3.4"), pytest.mark.contract("rest 5.7")]


class Base(DeclarativeBase):
    type_annotation_map = {str: sa.String(40)}


casting = sa.Table(
    "casting",
    Base.metadata,
    sa.Column("film_id", sa.ForeignKey("film.id"), primary_key=True),
    sa.Column("actor_id", sa.ForeignKey("actor.id"), primary_key=True),
)


class Studio(Base):
    __tablename__ = "studio"

    class Meta: ...

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    country_code: Mapped[str | None] = mapped_column(sa.ForeignKey("country.code"))
    country: Mapped[Country | None] = relationship()
    films: Mapped[list[Film]] = relationship(back_populates="studio", order_by="Film.id")
    newest: Mapped[list[Film]] = relationship(viewonly=True)
    letters: Mapped[list[Letter]] = relationship()


class Film(Base):
    __tablename__ = "film"

    class Meta: ...

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str]
    year: Mapped[int | None]
    studio_id: Mapped[int] = mapped_column(sa.ForeignKey("studio.id"))
    studio: Mapped[Studio] = relationship(back_populates="films")
    awards: Mapped[list[Award]] = relationship(back_populates="film", cascade="all, delete-orphan")
    actors: Mapped[list[Actor]] = relationship(secondary=casting, back_populates="films")


class Award(Base):
    __tablename__ = "award"

    class Meta: ...

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]
    film_id: Mapped[int | None] = mapped_column(sa.ForeignKey("film.id"))
    film: Mapped[Film | None] = relationship(back_populates="awards")


class Actor(Base):
    __tablename__ = "actor"

    class Meta: ...

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    films: Mapped[list[Film]] = relationship(secondary=casting, back_populates="actors")
    passport: Mapped[Passport | None] = relationship(back_populates="actor", cascade="all, delete-orphan")


class Passport(Base):
    """Its key is that of its holder."""

    __tablename__ = "passport"

    class Meta: ...

    actor_id: Mapped[int] = mapped_column(sa.ForeignKey("actor.id"), primary_key=True)
    number: Mapped[str]
    actor: Mapped[Actor] = relationship(back_populates="passport")


class Country(Base):
    __tablename__ = "country"

    class Meta:
        allow_client_pk = True

    code: Mapped[str] = mapped_column(sa.String(2), primary_key=True)
    name: Mapped[str]


class Letter(Base):
    __tablename__ = "letter"

    class Meta:
        allow_nested_writes = False

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]
    studio_id: Mapped[int | None] = mapped_column(sa.ForeignKey("studio.id"))


Make = Callable[..., Flask]


@pytest.fixture(scope="module")
def make() -> Iterator[Make]:
    """Make applications with the models, one of each configuration."""
    made: dict[str, Flask] = {}

    def make(models: type[DeclarativeBase] = Base, **config: Any) -> Flask:
        name = repr((models, config))
        if name not in made:
            config = {"API_ALLOW_NESTED_WRITES": True, "API_RELATION_ROUTE_NAMING": "relationship", **config}
            made[name] = make_app(models, "sqlite://", parts=[RestPart(), DocsPart()], **config)
        return made[name]

    yield make
    for app in made.values():
        state_of(app).database.engine.dispose()


def fill(app: Flask) -> None:
    """Give the database of an application a few rows, and no others."""
    engine = state_of(app).database.engine
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        harbour = Studio(id=1, name="Harbour", country=Country(code="NO", name="Norway"))
        tide = Film(id=1, title="Low Tide", studio=harbour, awards=[Award(id=1, label="Best Sound")])
        ida = Actor(id=1, name="Ida Vik", films=[tide], passport=Passport(number="N1"))
        session.add_all([harbour, Studio(id=2, name="Quay"), ida, Letter(id=1, text="Dear", studio_id=1)])
        session.commit()


def document_of(app: Flask, version: str | None = None) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(state_of(app).documents.current(version).json)
    return document


def schema_of(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    schema: dict[str, Any] = document["components"]["schemas"][name]
    return schema


def fits(document: Mapping[str, Any], method: str, path: str, body: Any) -> bool:
    """Say whether a body is one that the document describes."""
    content = document["paths"][path][method.lower()]["requestBody"]["content"]["application/json"]
    validator = jsonschema.Draft202012Validator({**content["schema"], "components": document["components"]})
    return validator.is_valid(body)


STUDIO, STUDIOS = "/api/studios/{id}", "/api/studios"
FILM, FILMS = "/api/films/{id}", "/api/films"
ACTORS = "/api/actors"

TAKEN: list[tuple[str, str, Any]] = [
    # To one.
    ("POST", FILMS, {"title": "High Tide", "studio_id": 1}),
    ("POST", FILMS, {"title": "High Tide", "studio": {"id": 1}}),
    ("POST", FILMS, {"title": "High Tide", "studio": {"id": "1", "name": "Harbour Films"}}),
    ("POST", FILMS, {"title": "High Tide", "studio": {"name": "New"}}),
    ("POST", FILMS, {"title": "High Tide", "studio": {"name": "New"}, "studio_id": 0}),
    ("POST", FILMS, {"title": "High Tide", "studio": "/api/studios/1", "studio_id": 1}),
    ("POST", FILMS, {"title": "High Tide", "studio": None, "studio_id": 1}),
    ("PATCH", FILM, {"studio": {"id": 2}}),
    ("PATCH", FILM, {"studio": "/api/studios/1"}),
    ("PATCH", FILM, {"studio": None, "studio_id": 1}),
    ("PUT", FILM, {"title": "Low Tide", "studio": {"id": 2}}),
    ("PUT", FILM, {"title": "Low Tide", "studio": {"name": "New"}}),
    ("PATCH", STUDIO, {"country": None}),
    ("PATCH", STUDIO, {"country": {"code": "NO", "name": "Noreg"}}),
    ("POST", STUDIOS, {"name": "New", "country": {"code": "SE", "name": "Sweden"}}),
    ("POST", STUDIOS, {"name": "New", "country": {"code": "NO"}}),
    # To many.
    ("POST", STUDIOS, {"name": "New", "films": []}),
    ("POST", STUDIOS, {"name": "New", "films": [{"title": "High Tide"}, {"title": "Ebb", "year": "2024"}]}),
    ("POST", STUDIOS, {"name": "New", "films": [{"title": "High Tide", "studio_id": None}]}),
    ("POST", STUDIOS, {"name": "New", "films": [{"title": "High Tide", "id": None}]}),
    ("POST", STUDIOS, {"name": "New", "films": "/api/studios/1/films"}),
    ("POST", STUDIOS, {"name": "New", "films": ["/api/films/1"]}),
    ("PATCH", STUDIO, {"films": [{"id": 1, "year": 2021}, {"title": "High Tide"}]}),
    ("PATCH", STUDIO, {"films": [{"id": 1, "studio_id": 1, "studio": "/api/studios/1", "awards": "/api/x"}]}),
    ("PUT", STUDIO, {"name": "Harbour", "films": [{"id": 1}]}),
    ("POST", FILMS, {"title": "Ebb", "studio_id": 1, "actors": [{"id": 1}, {"name": "Jon"}]}),
    # Two levels.
    ("POST", STUDIOS, {"name": "New", "films": [{"title": "Ebb", "awards": [{"label": "Best"}]}]}),
    ("POST", STUDIOS, {"name": "New", "films": [{"title": "Ebb", "actors": [{"name": "Jon", "passport": None}]}]}),
    ("POST", STUDIOS, {"name": "New", "films": [{"title": "Ebb", "actors": [{"name": "Jon", "films": []}]}]}),
    ("POST", ACTORS, {"name": "Jon", "films": [{"title": "Ebb", "studio": {"name": "New"}}]}),
    ("POST", ACTORS, {"name": "Jon", "films": [{"title": "Ebb", "studio_id": 1}]}),
    # The way back is read as little as the key that leads there.
    ("POST", STUDIOS, {"name": "New", "films": [{"title": "Ebb", "studio": None}]}),
    ("PATCH", FILM, {"awards": [{"id": 1, "film": None}, {"label": "Best", "film": None}]}),
    ("PATCH", FILM, {"actors": [{"id": 1, "films": []}]}),
    # One to one, with the key of the parent.
    ("POST", ACTORS, {"name": "Jon", "passport": {"number": "N2"}}),
    ("POST", ACTORS, {"name": "Jon", "passport": {"number": "N2", "actor_id": 7, "actor": "/api/actors/7"}}),
    ("POST", ACTORS, {"name": "Jon", "passport": None}),
    # Not written through.
    ("PATCH", STUDIO, {"letters": "/api/studios/1/letters", "newest": ["/api/films/1"]}),
    ("PATCH", STUDIO, {"letters": None, "newest": []}),
]
REFUSED: list[tuple[str, str, Any]] = [
    ("POST", FILMS, {"title": "High Tide"}),
    ("POST", FILMS, {"title": "High Tide", "studio": "/api/studios/1"}),
    ("POST", FILMS, {"title": "High Tide", "studio": None}),
    ("POST", FILMS, {"title": "High Tide", "studio": {}}),
    ("POST", FILMS, {"title": "High Tide", "studio": {"name": None}}),
    ("POST", FILMS, {"title": "High Tide", "studio": {"name": "New", "nam": "New"}}),
    ("POST", FILMS, {"title": "High Tide", "studio": {"id": "x"}}),
    ("POST", FILMS, {"title": "High Tide", "studio": {"id": 1, "name": 7}}),
    ("POST", FILMS, {"title": "High Tide", "studio": 1, "studio_id": 1}),
    ("POST", FILMS, {"title": "High Tide", "studio": [{"id": 1}]}),
    ("POST", FILMS, {"title": "High Tide", "studio": ["/api/studios/1"], "studio_id": 1}),
    ("POST", FILMS, {"title": "High Tide", "studio": [], "studio_id": 1}),
    ("POST", FILMS, {"studio": {"id": 1}}),
    ("PATCH", FILM, {"studio": None}),
    ("PATCH", FILM, {"studio": {"name": "New", "year": 1}}),
    ("PUT", FILM, {"title": "Low Tide"}),
    ("PUT", FILM, {"title": "Low Tide", "studio": None}),
    ("POST", STUDIOS, {"name": "New", "country": {"code": "SE"}, "films": None}),
    ("POST", STUDIOS, {"name": "New", "country": {"name": "Sweden"}}),
    ("POST", STUDIOS, {"name": "New", "country": {"code": None, "name": "Sweden"}}),
    ("POST", STUDIOS, {"name": "New", "country": {"code": "too long", "name": "Sweden"}}),
    ("POST", STUDIOS, {"name": "New", "films": {"title": "Ebb"}}),
    ("POST", STUDIOS, {"name": "New", "films": None}),
    ("POST", STUDIOS, {"name": "New", "films": [1]}),
    ("POST", STUDIOS, {"name": "New", "films": ["/api/films/1", {"title": "Ebb"}]}),
    ("POST", STUDIOS, {"name": "New", "films": [{"year": 2000}]}),
    ("POST", STUDIOS, {"name": "New", "films": [{"title": "Ebb", "year": "soon"}]}),
    ("PATCH", STUDIO, {"films": [{"id": 1, "title": None}]}),
    ("PATCH", STUDIO, {"films": [{"id": 1, "award": []}]}),
    # The way back, and more levels than may be.
    ("POST", STUDIOS, {"name": "New", "films": [{"title": "Ebb", "studio": {"name": "Other"}}]}),
    (
        "POST",
        STUDIOS,
        {"name": "New", "films": [{"title": "Ebb", "actors": [{"name": "Jon", "passport": {"number": "N2"}}]}]},
    ),
    # Not written through.
    ("PATCH", STUDIO, {"letters": [{"text": "Dear"}]}),
    ("PATCH", STUDIO, {"newest": [{"id": 1}]}),
    ("PATCH", STUDIO, {"letters": {"text": "Dear"}}),
    ("PATCH", STUDIO, {"letters": [None]}),
]


@pytest.mark.parametrize("unknown", ["refuse", "ignore"])
@pytest.mark.parametrize("method, path, body", TAKEN)
def test_a_body_that_is_taken_fits_the_document(make: Make, method: str, path: str, body: Any, unknown: str) -> None:
    app = make(API_UNKNOWN_FIELDS=unknown)
    fill(app)
    response = app.test_client().open(path.replace("{id}", "1"), method=method, json=body)
    assert response.status_code < 300, response.json
    assert fits(document_of(app), method, path, body)


@pytest.mark.parametrize("method, path, body", REFUSED)
def test_a_body_of_another_shape_fits_neither(make: Make, method: str, path: str, body: Any) -> None:
    app = make()
    fill(app)
    response = app.test_client().open(path.replace("{id}", "1"), method=method, json=body)
    assert response.status_code == 400, response.json
    assert not fits(document_of(app), method, path, body)


# --- the document -----------------------------------------------------------------------------------------------------

VALIDATORS = {"3.0": OpenAPIV30SpecValidator, "3.1": OpenAPIV31SpecValidator}


@pytest.mark.contract("docs D-1")
@pytest.mark.contract("docs D-2")
@pytest.mark.parametrize("version", VALIDATORS)
def test_the_document_with_nested_bodies_is_valid(make: Make, version: str) -> None:
    document = document_of(make(), version)
    assert [str(error)[:500] for error in VALIDATORS[version](document).iter_errors()] == []
    assert list(problems_of(document)) == []


@pytest.mark.contract("docs D-3")
def test_components_of_nested_objects_have_names_that_stay(make: Make) -> None:
    names = [name for name in document_of(make())["components"]["schemas"] if "Nested" in name]
    assert names == sorted(
        f"{relation}{use}"
        for relation, uses in {
            "actorNestedFilms": ("Create", "Update", "Create1", "Update1"),
            "actorNestedPassport": ("Update",),
            "awardNestedFilm": ("Create1", "Update1"),
            "filmNestedActors": ("Create", "Update", "Create1", "Update1"),
            "filmNestedAwards": ("Create", "Update"),
            "filmNestedStudio": ("Create", "Update", "Create1", "Update1"),
            "passportNestedActor": ("Create1", "Update1"),
            "studioNestedCountry": ("Create", "Update"),
            "studioNestedFilms": ("Create1", "Update1"),
        }.items()
        for use in uses
    )


def test_a_relationship_is_read_only_where_nothing_is_written_through_it(make: Make) -> None:
    studio = schema_of(document_of(make()), "studioCreate")["properties"]
    assert studio["letters"]["readOnly"] is studio["newest"]["readOnly"] is True
    assert "readOnly" not in studio["films"]


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_objects_are_described_as_deep_as_they_may_stand(make: Make, depth: int) -> None:
    class Circle(DeclarativeBase):
        pass

    class Folder(Circle):
        __tablename__ = "folder"

        class Meta: ...

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str]
        parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("folder.id"))
        folders: Mapped[list[Folder]] = relationship()

    app = make(Circle, API_NESTED_DEPTH_MAX=depth)
    Circle.metadata.create_all(state_of(app).database.engine)
    body: dict[str, Any] = {"name": "innermost"}
    for level in range(depth + 1):
        is_taken = app.test_client().post("/api/folders", json=body).status_code == 201
        assert is_taken is fits(document_of(app), "POST", "/api/folders", body) is True, level
        body = {"name": "outer", "folders": [body]}
    assert app.test_client().post("/api/folders", json=body).status_code == 400
    assert not fits(document_of(app), "POST", "/api/folders", body)


def test_methods_are_told_apart_where_they_take_other_objects(make: Make) -> None:
    class Shop(DeclarativeBase):
        pass

    class Customer(Shop):
        __tablename__ = "customer"

        class Meta: ...

        id: Mapped[int] = mapped_column(primary_key=True)
        orders: Mapped[list[Order]] = relationship()

    class Order(Shop):
        __tablename__ = "order"

        class Meta: ...

        id: Mapped[int] = mapped_column(primary_key=True)
        customer_id: Mapped[int | None] = mapped_column(sa.ForeignKey("customer.id"))
        lines: Mapped[list[Line]] = relationship()
        remarks: Mapped[list[Remark]] = relationship()

    class Remark(Shop):
        __tablename__ = "remark"

        class Meta: ...

        id: Mapped[int] = mapped_column(primary_key=True)
        order_id: Mapped[int | None] = mapped_column(sa.ForeignKey("order.id"))

    class Line(Shop):
        __tablename__ = "line"

        class Meta:
            patch_allow_nested_writes = False

        id: Mapped[int] = mapped_column(primary_key=True)
        order_id: Mapped[int | None] = mapped_column(sa.ForeignKey("order.id"))

    document = document_of(make(Shop))
    made, changed = schema_of(document, "customerCreate"), schema_of(document, "customerUpdate")
    assert "customerNestedOrdersUpdate1" in json.dumps(made)
    assert "customerNestedOrdersUpdateInUpdate1" in json.dumps(changed)
    lines = [
        schema_of(document, f"customerNestedOrdersUpdate{word}1")["properties"]["lines"] for word in ("", "InUpdate")
    ]
    assert ["readOnly" in each for each in lines] == [False, True]


def test_nothing_is_told_of_relationships_where_nothing_is_nested(make: Make) -> None:
    document = document_of(make(API_ALLOW_NESTED_WRITES=False))
    assert "studio" not in schema_of(document, "filmCreate")["properties"]
    assert schema_of(document, "filmCreate")["required"] == ["title", "studio_id"]
