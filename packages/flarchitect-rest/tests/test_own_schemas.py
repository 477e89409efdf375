"""Schemas of the application's own in place of the generated ones, in routes and alone (rest 5.8)."""

from __future__ import annotations

from types import SimpleNamespace

import marshmallow as ma
import pytest
import sqlalchemy as sa
from marshmallow import fields, post_dump, post_load, pre_load, validates, validates_schema
from marshmallow.validate import Range
from sqlalchemy.orm import DeclarativeBase, Session, mapped_column, relationship

from flarchitect_core.errors import ConfigurationError
from flarchitect_core.model.schemas import AutoSchema
from flarchitect_core.schema_tools import (
    create_dynamic_schema,
    dump_schema_if_exists,
    filter_keys,
    get_input_output_from_model_or_make,
    get_schema_subclass,
    list_schema_fields,
)
from flarchitect_core.testing import count_statements, error_of

pytestmark = pytest.mark.contract("rest 5.8")


@pytest.fixture
def cinema():
    """The cinema in models of this test alone: a schema stands for its model in every application of the process."""

    class Base(DeclarativeBase):
        pass

    film_actor = sa.Table(
        "film_actor",
        Base.metadata,
        sa.Column("film_id", sa.ForeignKey("films.id"), primary_key=True),
        sa.Column("actor_id", sa.ForeignKey("actors.id"), primary_key=True),
    )

    class Studio(Base):
        __tablename__ = "studios"

        class Meta: ...

        id = mapped_column(sa.Integer, primary_key=True)
        name = mapped_column(sa.String(80), nullable=False)
        city = mapped_column(sa.String(80))
        films = relationship("Film", back_populates="studio")

    class Film(Base):
        __tablename__ = "films"

        class Meta: ...

        id = mapped_column(sa.Integer, primary_key=True)
        title = mapped_column(sa.String(80), nullable=False)
        year = mapped_column(sa.Integer)
        budget = mapped_column(sa.Numeric(10, 2))
        released = mapped_column(sa.Date)
        studio_id = mapped_column(sa.ForeignKey("studios.id"))
        studio = relationship("Studio", back_populates="films")
        awards = relationship("Award", back_populates="film")
        actors = relationship("Actor", secondary=film_actor, back_populates="films")

    class Award(Base):
        __tablename__ = "awards"

        class Meta: ...

        id = mapped_column(sa.Integer, primary_key=True)
        label = mapped_column(sa.String(80), nullable=False)
        film_id = mapped_column(sa.ForeignKey("films.id"), nullable=False)
        film = relationship("Film", back_populates="awards")

    class Actor(Base):
        __tablename__ = "actors"

        class Meta: ...

        id = mapped_column(sa.Integer, primary_key=True)
        full_name = mapped_column(sa.String(80), nullable=False)
        email = mapped_column(sa.String(80))
        films = relationship("Film", secondary=film_actor, back_populates="actors")

    return SimpleNamespace(Base=Base, Studio=Studio, Film=Film, Award=Award, Actor=Actor, film_actor=film_actor)


@pytest.fixture
def own():
    """A base of this test alone, so that no other test finds its schemas."""

    class OwnSchema(AutoSchema):
        pass

    return OwnSchema


@pytest.fixture
def start(serve, cinema, fill, own):
    def begin(**config):
        app = serve(cinema.Base, API_BASE_SCHEMA=own, **config)
        fill(app, cinema)
        return app

    return begin


def fields_of(response):
    return error_of(response, 400, "validation_failed")["fields"]


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest-D22")
def test_a_declared_field_wins_and_generated_ones_are_added(start, own, cinema):
    class ActorOut(own):
        class Meta:
            model = cinema.Actor

        dump = True
        email = fields.Email(load_only=True)
        initials = fields.Function(lambda actor: actor.full_name[:1])

    app = start()
    shown = app.value("/api/actors/1")
    assert shown == {"id": 1, "full_name": "Ida Vik", "initials": "I", "films": "/api/actors/1/films"}
    assert app.value("/api/actors") == [shown]
    assert app.value("/api/films/1/actors") == [shown]
    assert app.value("/api/films/1?dump=json")["actors"][0]["initials"] == "I"
    created = app.post("/api/actors", json={"full_name": "Ada", "email": "a@example.org"})
    assert created.get_json()["value"] == {
        "id": 2,
        "full_name": "Ada",
        "initials": "A",
        "films": "/api/actors/2/films",
    }
    assert app.scalar("SELECT email FROM actors WHERE id = 2") == "a@example.org"
    # What answers leave out cannot be asked for by filters either.
    assert app.get("/api/actors?email__eq=a@example.org").status_code == 400
    # And an answer can be sent back as it is.
    assert app.patch("/api/actors/1", json=shown).get_json()["value"] == shown


@pytest.mark.contract("rest-D23")
@pytest.mark.parametrize("marker", [True, False, None, "meta"])
def test_the_direction_decides_where_a_schema_is_used(start, own, cinema, marker):
    class Film(own):
        class Meta:
            model = cinema.Film
            dump = True

        if marker != "meta":
            dump = marker
        title = fields.String(data_key="name")

    assert callable(Film.dump)
    assert Film.direction is (True if marker == "meta" else marker)
    app = start()
    assert ("name" in app.value("/api/films/1")) == (marker is not False)
    is_input = marker in (False, None)
    assert (app.post("/api/films", json={"name": "x"}).status_code == 201) == is_input


def test_the_special_one_wins_over_the_general_one_and_the_last_over_the_first(start, own, cinema):
    class Deep(own):
        pass

    class First(Deep):
        class Meta:
            model = cinema.Film

        dump = True
        mark = fields.Constant("first")

    class Last(own):
        class Meta:
            model = cinema.Film

        dump = True
        mark = fields.Constant("last")

    class General(own):
        class Meta:
            model = cinema.Film

        mark = fields.Constant("general")

    assert start().value("/api/films/1")["mark"] == "last"


def test_dump_modes_relations_and_fields_are_those_of_generated_answers(start, own, cinema):
    class FilmOut(own):
        class Meta:
            model = cinema.Film

        dump = True
        label = fields.Method("make_label")

        def make_label(self, film):
            return f"{film.title} ({film.year})"

    app = start()
    url = app.value("/api/films/1")
    assert url["studio"] == "/api/studios/1"
    assert url["awards"] == "/api/films/1/awards"
    assert url["label"] == "Film 1 (2001)"
    nested = app.value("/api/films/1?dump=json")
    assert (nested["studio"]["name"], nested["awards"][0]["label"]) == ("Harbour", "Award 1")
    assert "studio" not in app.value("/api/films/1?dump_relationships=false")
    assert app.value("/api/films/1?fields=title,studio") == {"title": "Film 1", "studio": "/api/studios/1"}
    assert [film["label"] for film in app.value("/api/films?order_by=-id&limit=2")] == [
        "Film 5 (2005)",
        "Film 4 (2004)",
    ]
    assert app.value("/api/studios/1?dump=json")["films"][0]["label"] == "Film 1 (2001)"


def test_all_hooks_of_the_schema_run_and_see_relations(start, own, cinema):
    class FilmOut(own):
        class Meta:
            model = cinema.Film

        dump = True

        @post_dump
        def shout(self, data, **arguments):
            return {**data, "title": data["title"].upper(), "has_studio": data["studio"] is not None}

    film = start().value("/api/films/1")
    assert (film["title"], film["has_studio"]) == ("FILM 1", True)


@pytest.mark.contract("rest-D48")
def test_what_a_schema_follows_is_loaded_for_all_rows_at_once(serve, fill, own, cinema):
    class StudioOut(AutoSchema):
        class Meta:
            model = cinema.Studio

    class FilmOut(own):
        class Meta:
            model = cinema.Film

        dump = True
        studio = fields.Nested(StudioOut, only=["name"])
        actors = fields.List(fields.Nested(lambda: AutoActor(only=["full_name"])))
        prizes = fields.Function(lambda film: [award.label for award in film.awards])

    class AutoActor(AutoSchema):
        class Meta:
            model = cinema.Actor

    app = serve(cinema.Base, API_BASE_SCHEMA=own)
    fill(app, cinema, films=30)
    counts = []
    for limit in (2, 20):
        with count_statements(app.engine) as log:
            films = app.value(f"/api/films?limit={limit}")
        counts.append(len(log))
        assert films[0]["studio"] == {"name": "Harbour"}
        assert films[0]["prizes"] == ["Award 1"]
        assert films[0]["actors"] == [{"full_name": "Ida Vik"}]
    assert counts[0] == counts[1]


def test_rows_that_a_schema_follows_are_those_that_may_be_seen(start, own, cinema):
    class FilmOut(own):
        class Meta:
            model = cinema.Film

        dump = True
        prizes = fields.Function(lambda film: [award.label for award in film.awards])

    def no_awards(query, model, params):
        return query.where(model.id > 1) if model is cinema.Award else query

    app = start(API_FILTER_CALLBACK=no_awards)
    assert [film["prizes"] for film in app.value("/api/films?limit=2&order_by=id")] == [[], ["Award 2"]]


def test_a_base_schema_is_the_base_of_generated_ones(serve, cinema, fill):
    class House(AutoSchema):
        @post_dump
        def sign(self, data, **arguments):
            return {**data, "house": "ours"}

        @pre_load
        def unsign(self, data, **arguments):
            return {key: value for key, value in data.items() if key != "house"}

    app = serve(cinema.Base, API_BASE_SCHEMA=House)
    fill(app, cinema)
    studio = app.value("/api/studios/1?dump=json")
    assert studio["house"] == studio["films"][0]["house"] == "ours"
    assert app.patch("/api/studios/1", json={"name": "Pier", "house": "x"}).get_json()["value"]["name"] == "Pier"


def test_the_base_schema_of_one_model(serve, cinema, fill, monkeypatch):
    class House(AutoSchema):
        mark = fields.Constant("ours", dump_only=True)

    monkeypatch.setattr(cinema.Studio.Meta, "base_schema", House, raising=False)
    app = serve(cinema.Base)
    fill(app, cinema)
    assert app.value("/api/studios/1")["mark"] == "ours"
    assert "mark" not in app.value("/api/films/1")


@pytest.mark.contract("rest 12, D59")
@pytest.mark.contract("core 12 19")
def test_schemas_are_made_once_and_not_for_each_request(serve, cinema, fill):
    made = []

    class Counted(AutoSchema):
        def __init__(self, *arguments, **options):
            made.append(type(self))
            super().__init__(*arguments, **options)

        def __init_subclass__(cls, **options):
            made.append(cls)
            super().__init_subclass__(**options)

        @post_dump
        def seen(self, data, **arguments):
            return {**data, "seen": True}

    app = serve(cinema.Base, API_BASE_SCHEMA=Counted)
    fill(app, cinema)
    urls = ("/api/films", "/api/films/1", "/api/studios/1/films", "/api/films?dump=json", "/api/films?fields=title")
    for _ in range(2):
        made.clear()
        for url in urls:
            shown = app.value(url)
            assert (shown[0] if isinstance(shown, list) else shown)["seen"] is True
        assert app.post("/api/films", json={"title": "New"}).status_code == 201
        assert app.patch("/api/films/1", json={"year": 1}).status_code == 200
        assert app.put("/api/films/1", json={"title": "x"}).status_code == 200
    assert made == []


def test_exports_know_the_columns_of_the_schema(start, own, cinema):
    class ActorOut(own):
        class Meta:
            model = cinema.Actor

        dump = True
        email = fields.Email(load_only=True)
        initials = fields.Function(lambda actor: actor.full_name[:1])

    text = start(API_ALLOW_EXPORT=True).get("/api/actors", headers={"Accept": "text/csv"}).get_data(as_text=True)
    assert "initials" in text.splitlines()[0]
    assert "email" not in text


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest-D24")
@pytest.mark.parametrize("method", ["post", "put", "patch"])
def test_hooks_run_for_every_method(start, own, cinema, method):
    class FilmIn(own):
        class Meta:
            model = cinema.Film

        dump = False
        year = fields.Integer(required=True, validate=Range(min=1888))
        confirm = fields.String(load_only=True)

        @pre_load
        def rename(self, data, **arguments):
            return {("title" if key == "name" else key): value for key, value in data.items()}

        @validates("title")
        def no_shouting(self, value, **arguments):
            if value.isupper():
                raise ma.ValidationError("Do not shout.")

        @validates_schema
        def in_time(self, data, **arguments):
            if data.get("title") == "Future" and data.get("year", 0) < 2100:
                raise ma.ValidationError("Too early.", "year")

        @post_load
        def trim(self, data, **arguments):
            data.pop("confirm", None)
            return {name: value.strip() if name == "title" else value for name, value in data.items()}

    app = start()

    def send(body):
        return getattr(app, method)("/api/films" if method == "post" else "/api/films/1", json=body)

    sent = send({"name": " Tide ", "year": 2000, "confirm": "yes"})
    assert sent.status_code in (200, 201), sent.get_json()
    assert sent.get_json()["value"]["title"] == "Tide"
    assert fields_of(send({"title": "LOUD", "year": 2000})) == {"title": ["Do not shout."]}
    assert fields_of(send({"title": "Future", "year": 2000})) == {"year": ["Too early."]}
    assert "year" in fields_of(send({"title": "Old", "year": 1700}))
    assert fields_of(send({"titel": "x", "title": "y", "year": 2000})) == {
        "titel": ["Unknown field. Did you mean 'title'?"]
    }
    missing = send({"title": "No year"})
    if method == "patch":
        assert missing.status_code == 200
    else:
        assert fields_of(missing) == {"year": ["Missing data for required field."]}


def test_a_schema_that_gives_no_dictionary_is_told_in_the_log(start, own, cinema, caplog):
    class FilmIn(own):
        class Meta:
            model = cinema.Film

        dump = False

        @post_load
        def make(self, data, **arguments):
            return cinema.Film(**data)

    error_of(start().post("/api/films", json={"title": "x"}), 500)
    assert "FilmIn" in caplog.text


def test_dump_only_is_honoured_in_bodies(start, own, cinema):
    class Film(own):
        class Meta:
            model = cinema.Film

        year = fields.Integer(dump_only=True)

    app = start()
    assert app.patch("/api/films/1", json={"year": 1, "title": "x"}).get_json()["value"]["year"] == 2001


def test_names_of_declared_fields_follow_the_case(start, own, cinema):
    class ActorBoth(own):
        class Meta:
            model = cinema.Actor

        full_name = fields.String(required=True)
        first_letter = fields.Function(lambda actor: actor.full_name[:1])

    app = start(API_FIELD_CASE="camel")
    shown = app.value("/api/actors/1")
    assert (shown["fullName"], shown["firstLetter"]) == ("Ida Vik", "I")
    assert app.post("/api/actors", json={"fullName": "Ada"}).status_code == 201
    assert fields_of(app.post("/api/actors", json={})) == {"fullName": ["Missing data for required field."]}


@pytest.mark.contract("rest 3.3")
def test_declared_fields_are_selected_like_columns(start, own, cinema):
    class ActorOut(own):
        class Meta:
            model = cinema.Actor

        dump = True
        email = fields.Email(load_only=True)
        full_name = fields.String(data_key="called")
        first_letter = fields.Function(lambda actor: actor.full_name[:1])

    app = start(API_FIELD_CASE="camel", API_ALLOW_EXPORT=True)
    assert app.value("/api/actors/1?fields=firstLetter") == {"firstLetter": "I"}
    assert app.value("/api/actors?fields=id,firstLetter") == [{"id": 1, "firstLetter": "I"}]
    assert app.value("/api/films/1/actors?fields=firstLetter,films") == [
        {"firstLetter": "I", "films": "/api/actors/1/films"}
    ]
    for name in ("called", "fullName", "full_name"):
        assert app.value(f"/api/actors/1?fields={name}") == {"called": "Ida Vik"}
    created = app.post("/api/actors?fields=firstLetter", json={"fullName": "Ada"})
    assert created.get_json()["value"] == {"firstLetter": "A"}
    lines = app.get("/api/actors?fields=firstLetter,id", headers={"Accept": "text/csv"}).get_data(as_text=True)
    assert lines.split() == ["id,firstLetter", "1,I", "2,A"]
    error_of(app.get("/api/actors?fields=email"), 400, "invalid_column")
    assert error_of(app.get("/api/actors?fields=firstLeter"), 400, "invalid_column")["suggestions"][0] == "firstLetter"
    error_of(app.get("/api/actors?order_by=firstLetter"), 400, "invalid_column")


def test_switches_for_generated_answers_leave_own_schemas_in_use(start, own, cinema):
    class FilmOut(own):
        class Meta:
            model = cinema.Film

        dump = True
        mark = fields.Constant("own")

    app = start(API_ADD_RELATIONS=False, API_DUMP_HYBRID_PROPERTIES=False)
    film = app.value("/api/films/1")
    assert film["mark"] == "own"
    assert "studio" not in film
    assert app.value("/api/films/1?dump=dynamic&join=studio")["studio"]["name"] == "Harbour"


@pytest.mark.contract("rest 3.3, 3.6")
def test_a_joined_column_may_be_called_like_one_of_the_row_that_is_not_asked_for(start, own, cinema):
    class FilmOut(own):
        class Meta:
            model = cinema.Film

        dump = True
        mark = fields.Constant("own")

    app = start()
    for url in ("/api/films/1", "/api/films?id__eq=1"):
        value = app.value(f"{url}{'&' if '?' in url else '?'}join=studio&fields=title,mark,studio.id")
        assert (value[0] if isinstance(value, list) else value) == {"title": "Film 1", "mark": "own", "id": 1}
    value = app.value("/api/films?id__eq=1&join=studio&fields=id,studio.id")
    assert value == [{"id": 1, "studio.id": 1}]


def test_a_base_that_is_no_auto_schema_is_a_mistake_at_the_start(serve, cinema):
    with pytest.raises(ConfigurationError, match="not derived from AutoSchema"):
        serve(cinema.Base, API_BASE_SCHEMA=ma.Schema)


def test_a_schema_that_cannot_be_made_is_a_mistake_at_the_start(start, own, cinema):
    class FilmOut(own):
        class Meta:
            model = cinema.Film
            exclude = ("titel",)

    with pytest.raises(ConfigurationError, match="FilmOut of Film cannot be used"):
        start()


# --- alone ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def film_out(own, cinema):
    class FilmOut(own):
        class Meta:
            model = cinema.Film

        shown = fields.Method("say")

        def say(self, film):
            return self.context.get("prefix", "") + film.title

    return FilmOut


def test_a_schema_works_by_itself(start, film_out, cinema):
    app = start()
    with app.app.app_context(), Session(app.engine) as session:
        film = session.get(cinema.Film, 1)
        dumped = film_out(context={"prefix": "The "}).dump(film)
        assert dumped["shown"] == "The Film 1"
        assert dumped["studio"] == "/api/studios/1"
        assert dumped["actors"] == "/api/films/1/actors"
        assert film_out(only=["title"]).dump(film) == {"title": "Film 1"}
        assert "studio" not in film_out(render_nested=False).dump(film)
        deep = film_out(depth=1).dump(film)
        assert deep["studio"]["name"] == "Harbour"
        assert deep["awards"] == [{"id": 1, "label": "Award 1", "film_id": 1}]
        assert [entry["title"] for entry in film_out(many=True, only=["title"]).dump([film])] == ["Film 1"]
        assert film_out().load({"title": "x", "whatever": 1}) == {"title": "x"}
        with pytest.raises(ma.ValidationError):
            film_out().load({})


def test_relations_that_cannot_be_loaded_any_more_are_empty(start, film_out, cinema):
    app = start()
    with app.app.app_context():
        with Session(app.engine) as session:
            film = session.get(cinema.Film, 1)
        deep = film_out(depth=1).dump(film)
        assert (deep["studio"], deep["awards"]) == (None, [])


def test_a_schema_of_a_model_needs_an_application(film_out):
    with pytest.raises(RuntimeError, match="application context"):
        film_out()


def test_schemas_of_a_model_for_own_code(start, film_out, own, cinema):
    app = start()
    with app.app.app_context():
        assert get_schema_subclass(cinema.Film, dump=True) is film_out
        assert get_schema_subclass(cinema.Actor) is None
        for_bodies, for_answers = get_input_output_from_model_or_make(cinema.Film)
        assert "id" not in for_bodies.load_fields
        assert "shown" in for_answers.dump_fields
        assert get_input_output_from_model_or_make(cinema.Actor, many=True)[1].many
        made = create_dynamic_schema(own, cinema.Actor)
        assert list_schema_fields(made) == ["id", "full_name", "email", "films"]
        assert filter_keys(cinema.Actor, made, [{"full_name": "x", "y": 1}]) == [{"full_name": "x"}]
        actor = cinema.Actor(id=5, full_name="Ida")
        assert dump_schema_if_exists(made, [actor], is_list=True)[0]["full_name"] == "Ida"
        assert dump_schema_if_exists(None, {"a": 1}) == {"a": 1}


def test_members_keep_their_order_without_relations(start, own, cinema):
    class FilmOut(own):
        class Meta:
            model = cinema.Film

        dump = True
        first = fields.Function(lambda film: film.title[:1])
        second = fields.Function(lambda film: film.title[:2])

    served = start()
    every = served.value("/api/films/1")
    relations = {"studio", "awards", "actors"}
    assert list(served.value("/api/films/1?dump_relationships=false")) == [
        name for name in every if name not in relations
    ]
