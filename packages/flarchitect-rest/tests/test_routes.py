"""Which URLs exist, how they are named, and what an application that cannot start is told."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Blueprint, Flask, url_for
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.architect import Architect
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.resolution import get_config_or_model_meta
from flarchitect_core.testing import error_of, make_app
from flarchitect_rest.part import RestPart

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def films(*, name: str = "Film", **meta: Any) -> Any:
    """Make a base with one model that has the given `Meta`."""
    base: Any = type("Base", (DeclarativeBase,), {})
    base.model = add(base, name, "films", **meta)
    return base


def add(base: Any, name: str, table: str, /, columns: dict[str, Any] | None = None, **meta: Any) -> Any:
    members = {
        "__tablename__": table,
        "Meta": type("Meta", (), meta),
        "id": mapped_column(sa.Integer, primary_key=True),
        "title": mapped_column(sa.String(80)),
        **(columns or {}),
    }
    return type(name, (base,), members)


def problems(base: Any, uri: str | None = "sqlite://", /, parts: Any = None, **config: Any) -> list[str]:
    """Start an application that must not start, and give its problems."""
    with pytest.raises(ConfigurationError) as caught:
        make_app(base, uri, parts=[RestPart()] if parts is None else parts, **config)
    assert isinstance(caught.value, ValueError)
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    return caught.value.problems


def routes(app: Flask) -> set[tuple[str, str]]:
    """List `(method, rule)` of all generated routes."""
    return {
        (method, rule.rule)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("api.")
        for method in (rule.methods or set()) & set(METHODS)
    }


# --- methods ----------------------------------------------------------------------------------------------------------

ALL = set(METHODS)


@pytest.mark.contract("rest 12, D44")
@pytest.mark.contract("rest 13 group 2")
@pytest.mark.contract("rest 2.5")
@pytest.mark.parametrize(
    "config, meta, left",
    [
        ({}, {}, ALL),
        ({"block_methods": ["POST"]}, {}, ALL - {"POST"}),
        ({"block_methods": "post"}, {}, ALL - {"POST"}),
        ({"allowed_methods": ["GET"]}, {}, {"GET"}),
        ({"allowed_methods": ["get", "Put"]}, {}, {"GET", "PUT"}),
        ({"read_only": True}, {}, {"GET"}),
        ({"read_only": True}, {"allowed_methods": ["POST"]}, {"POST"}),
        ({"read_only": True}, {"allowed_methods": ["GET", "PUT"]}, {"GET", "PUT"}),
        ({"read_only": True}, {"read_only": False}, ALL),
        ({}, {"read_only": True}, {"GET"}),
        ({"block_methods": ["POST"]}, {"allowed_methods": ["POST", "GET"]}, {"GET", "POST"}),
        ({"block_methods": ["POST"]}, {"block_methods": ["DELETE"]}, ALL - {"DELETE"}),
        ({"block_methods": ["POST"]}, {"blocked_methods": ["delete"]}, ALL - {"DELETE"}),
        ({"allowed_methods": ["GET"]}, {"allowed_methods": ["DELETE"]}, {"DELETE"}),
        ({"allowed_methods": ["GET", "POST"], "block_methods": ["POST"]}, {}, {"GET"}),
        ({"block_methods": ["PUT"]}, {"read_only": True}, {"GET"}),
        ({}, {"allowed_methods": ["GET"], "block_methods": ["GET"]}, set()),
        ({}, {"allowed_methods": ["get"], "block_methods": ["post"]}, {"GET"}),
    ],
)
def test_the_methods_that_exist(config, meta, left):
    app = make_app(films(**meta), "sqlite://", parts=[RestPart()], **{f"API_{k.upper()}": v for k, v in config.items()})
    expected = {(m, "/api/films") for m in left & {"GET", "POST"}}
    expected |= {(m, "/api/films/<int(signed=True):id>") for m in left & {"GET", "PUT", "PATCH", "DELETE"}}
    assert routes(app) == expected


@pytest.mark.contract("rest 2.1")
def test_every_generated_route_answers(serve):
    served = serve(films())
    created = served.post("/api/films", json={"title": "Low Tide"})
    assert (created.status_code, created.headers["Location"]) == (201, "/api/films/1")
    assert served.get("/api/films").get_json()["total_count"] == 1
    assert served.value("/api/films/1") == {"id": 1, "title": "Low Tide"}
    assert served.patch("/api/films/1", json={}).get_json()["value"]["title"] == "Low Tide"
    assert served.put("/api/films/1", json={"title": "Moth"}).get_json()["value"]["title"] == "Moth"
    deleted = served.delete("/api/films/1").get_json()
    assert (deleted["value"], deleted["status_code"]) == (None, 200)
    error_of(served.delete("/api/films/1"), 404, "row_not_found")


def test_head_and_options_come_with_get(serve):
    served = serve(films())
    head = served.open("/api/films", method="HEAD")
    assert (head.status_code, head.data) == (200, b"")
    options = served.open("/api/films", method="OPTIONS")
    assert {"GET", "POST", "HEAD", "OPTIONS"} == set(options.headers["Allow"].replace(" ", "").split(","))


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_method_that_does_not_exist_is_405(serve, method):
    served = serve(films(read_only=True))
    url = "/api/films" if method == "post" else "/api/films/1"
    response = getattr(served, method)(url, json={})
    errors = error_of(response, 405, "method_not_allowed")
    assert errors["error"] == "method_not_allowed"
    assert "GET" in errors["allowed"]
    assert "GET" in response.headers["Allow"]


def test_a_model_without_any_method_has_no_url(serve):
    served = serve(films(allowed_methods=["GET"], block_methods=["GET"]))
    for url in ("/api/films", "/api/films/1"):
        error_of(served.get(url), 404, "unknown_path")


def test_a_url_that_keeps_one_method_is_405_for_the_others(serve):
    served = serve(films(allowed_methods=["POST"]))
    error_of(served.get("/api/films"), 405, "method_not_allowed")
    error_of(served.get("/api/films/1"), 404, "unknown_path")


def test_an_unknown_path_below_the_prefix_is_told_the_nearest_one(serve):
    served = serve(films())
    errors = error_of(served.get("/api/film"), 404, "unknown_path")
    assert errors["suggestions"] == ["/api/films"]
    error_of(served.post("/api", json={}), 404, "unknown_path")


def test_a_trailing_slash_is_another_url(serve):
    error_of(serve(films()).get("/api/films/"), 404, "unknown_path")


def test_paths_outside_the_prefix_keep_the_pages_of_the_application(serve):
    served = serve(films())
    for url in ("/nowhere", "/apis", "/apifilms"):
        response = served.get(url)
        assert (response.status_code, response.mimetype) == (404, "text/html")


@pytest.mark.parametrize("body", ["[]", '[{"title": "a"}]', '"text"', "1", "null"])
def test_a_body_that_is_no_object_is_400(serve, body):
    served = serve(films())
    error_of(served.post("/api/films", data=body, content_type="application/json"), 400, "not_an_object")
    assert served.value("/api/films") == []


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 2.2")
@pytest.mark.parametrize(
    "name, case, segment",
    [
        ("APICall", "kebab", "api-calls"),
        ("APICall", "snake", "api_calls"),
        ("APICall", "camel", "apiCalls"),
        ("APICall", "pascal", "ApiCalls"),
        ("APICall", "screaming_snake", "API_CALLS"),
        ("APICall", "screaming_kebab", "API-CALLS"),
        ("BookCategory", "kebab", "book-categories"),
        ("BookCategory", "pascal", "BookCategories"),
        ("BookCategory", "screaming_snake", "BOOK_CATEGORIES"),
        ("user_profile", "camel", "userProfiles"),
        ("Person", "kebab", "people"),
        ("News", "kebab", "news"),
        ("Status", "screaming_kebab", "STATUSES"),
        ("Address", "snake", "addresses"),
    ],
)
def test_segments_are_plural_words_in_the_endpoint_case(serve, name, case, segment):
    served = serve(films(name=name), API_ENDPOINT_CASE=case)
    created = served.post(f"/api/{segment}", json={"title": "a"})
    assert created.headers["Location"] == f"/api/{segment}/1"


def namer(model, input_schema, output_schema):
    assert input_schema is None
    assert output_schema is None
    return f"{model.__name__}_LIST"


def test_the_endpoint_namer_is_taken_verbatim(serve):
    served = serve(films(), API_ENDPOINT_NAMER=namer, API_ENDPOINT_CASE="camel")
    assert served.post("/api/Film_LIST", json={"title": "a"}).headers["Location"] == "/api/Film_LIST/1"


def test_the_endpoint_namer_of_a_model_beats_the_general_one(serve):
    served = serve(films(endpoint_namer=lambda model, *schemas: "moving-pictures"), API_ENDPOINT_NAMER=namer)
    assert served.value("/api/moving-pictures") == []


@pytest.mark.parametrize(
    "prefix, path",
    [
        ("/api", "/api"),
        ("api", "/api"),
        ("/api/", "/api"),
        ("/api/v2", "/api/v2"),
        ("api/v2/", "/api/v2"),
        ("/", ""),
        ("", ""),
        ("/überblick", "/%C3%BCberblick"),
    ],
)
def test_every_url_carries_the_prefix(serve, prefix, path):
    served = serve(films(), API_PREFIX=prefix)
    location = served.post(f"{path}/films", json={"title": "a"}).headers["Location"]
    assert location == f"{path}/films/1"
    served.post(f"{path}/films", json={"title": "b"})
    body = served.get(f"{path}/films?limit=1").get_json()
    assert body["next_url"] == f"http://localhost{path}/films?limit=1&page=2"
    error_of(served.get(f"{path}/nothing"), 404, "unknown_path")


@pytest.mark.contract("rest 2.4")
@pytest.mark.parametrize("endpoint", ["movies", "/movies/", ["movies"], ("movies", "movies"), {"movies"}])
def test_an_endpoint_of_meta_is_one_more_set_of_routes(serve, endpoint):
    served = serve(films(endpoint=endpoint))
    served.post("/api/movies", json={"title": "a"})
    assert served.value("/api/movies/1") == served.value("/api/films/1")
    assert served.put("/api/movies/1", json={"title": "b"}).status_code == 200
    assert served.patch("/api/movies/1", json={"title": "c"}).status_code == 200
    assert served.delete("/api/movies/1").status_code == 200
    assert served.value("/api/films") == served.value("/api/movies") == []


def test_an_endpoint_of_meta_may_have_several_segments(serve):
    served = serve(films(endpoint=["catalogue/films", "catalogue_films", "old.films"]))
    served.post("/api/catalogue/films", json={"title": "a"})
    assert served.value("/api/catalogue_films/1") == served.value("/api/old.films/1") == {"id": 1, "title": "a"}


def test_endpoint_names_are_unique_whatever_the_paths_look_like(serve):
    base = films(endpoint=["a/b", "a.c"])
    base.other = add(base, "Book", "books", endpoint=["a_b", "a_c"])
    served = serve(base)
    endpoints = [
        (rule.endpoint, method)
        for rule in served.app.url_map.iter_rules()
        for method in (rule.methods or set()) & set(METHODS)
    ]
    assert len(endpoints) == len(set(endpoints))
    served.post("/api/a_b", json={"title": "book"})
    assert served.value("/api/a/b") == []


def test_endpoint_names_are_the_same_after_every_start():
    first, second = (make_app(films(endpoint="a/b"), "sqlite://", parts=[RestPart()]) for _ in range(2))
    assert {rule.endpoint for rule in first.url_map.iter_rules()} == {
        rule.endpoint for rule in second.url_map.iter_rules()
    }


def test_generated_urls_can_be_built(serve):
    served = serve(films())
    item = next(rule for rule in served.app.url_map.iter_rules() if "id" in rule.arguments and "GET" in rule.methods)
    with served.app.test_request_context():
        assert url_for(item.endpoint, id=-3) == "/api/films/-3"


@pytest.mark.parametrize("value", [False, "0", "false", "no"])
@pytest.mark.parametrize("where", ["config", "meta"])
def test_canonical_routes_can_be_left_to_the_application(database_uri, value, where):
    app = Flask("own")
    app.config.update(API_BASE_MODEL=films(**({"register_canonical_routes": value} if where == "meta" else {})))
    app.config.update(API_DATABASE_URI=database_uri, API_LOG_REQUESTS=False)
    if where == "config":
        app.config["API_REGISTER_CANONICAL_ROUTES"] = value
    app.add_url_rule("/api/films", "own_films", lambda: {"own": True})
    Architect(app, parts=[RestPart()])
    assert app.test_client().get("/api/films").get_json() == {"own": True}
    assert routes(app) == set()


def test_links_use_the_endpoint_when_there_is_no_canonical_route(serve):
    served = serve(films(register_canonical_routes=False, endpoint=["movies", "pictures"]))
    assert served.post("/api/pictures", json={"title": "a"}).headers["Location"] == "/api/movies/1"
    error_of(served.get("/api/films"), 404, "unknown_path")


# --- which models -----------------------------------------------------------------------------------------------------


class Family(DeclarativeBase):
    pass


class Dated(Family):
    __abstract__ = True
    note: Mapped[str | None] = mapped_column(sa.String(20))


class Numbered(Dated):
    __abstract__ = True

    class Meta:
        tag = "Shared"

    id: Mapped[int] = mapped_column(primary_key=True)


class Depot(Numbered):
    __tablename__ = "depots"
    vehicles: Mapped[list[Vehicle]] = relationship(back_populates="depot")
    lorries: Mapped[list[Lorry]] = relationship(viewonly=True)


class Vehicle(Numbered):
    __tablename__ = "vehicles"
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "vehicle"}
    kind: Mapped[str] = mapped_column(sa.String(20))
    name: Mapped[str] = mapped_column(sa.String(20))
    depot_id: Mapped[int | None] = mapped_column(sa.ForeignKey("depots.id"))
    depot: Mapped[Depot | None] = relationship(back_populates="vehicles")


class Lorry(Vehicle):
    __tablename__ = "lorries"
    __mapper_args__ = {"polymorphic_identity": "lorry"}
    id: Mapped[int] = mapped_column(sa.ForeignKey("vehicles.id"), primary_key=True)
    axles: Mapped[int]
    trailer_id: Mapped[int | None] = mapped_column(sa.ForeignKey("trailers.id"))
    trailer: Mapped[Trailer | None] = relationship(back_populates="lorries")


class Tanker(Lorry):
    __tablename__ = "tankers"
    __mapper_args__ = {"polymorphic_identity": "tanker"}
    lorry_id: Mapped[int] = mapped_column(sa.ForeignKey("lorries.id"), primary_key=True)
    litres: Mapped[int]


class Bicycle(Vehicle):
    __mapper_args__ = {"polymorphic_identity": "bicycle"}
    gears: Mapped[int | None] = mapped_column(use_existing_column=True)


class Trailer(Numbered):
    __tablename__ = "trailers"
    lorries: Mapped[list[Lorry]] = relationship(back_populates="trailer")


class Workshop(Family):
    """Not published: it has no `Meta`."""

    __tablename__ = "workshops"
    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def fleet(serve):
    served = serve(Family)
    served.post("/api/depots", json={"note": "north"})
    served.post("/api/trailers", json={})
    bodies = {
        "vehicles": {"name": "cart", "depot_id": 1},
        "lorries": {"name": "lorry", "axles": 3, "depot_id": 1, "trailer_id": 1},
        "tankers": {"name": "tanker", "axles": 4, "litres": 900, "trailer_id": 1},
        "bicycles": {"name": "bicycle", "gears": 7, "depot_id": 1},
    }
    locations = {}
    for segment, body in bodies.items():
        created = served.post(f"/api/{segment}", json=body)
        assert created.status_code == 201, created.get_data(as_text=True)
        assert created.get_json()["value"].items() >= body.items()
        locations[segment] = created.headers["Location"]
    return SimpleNamespace(served=served, bodies=bodies, locations=locations)


@pytest.mark.contract("rest 1.2, D45")
@pytest.mark.parametrize(
    "segment, names",
    [
        ("vehicles", ["cart", "lorry", "tanker", "bicycle"]),
        ("lorries", ["lorry", "tanker"]),
        ("tankers", ["tanker"]),
        ("bicycles", ["bicycle"]),
    ],
)
def test_an_inherited_model_lists_and_counts_its_own_rows(fleet, segment, names):
    body = fleet.served.get(f"/api/{segment}").get_json()
    assert [row["name"] for row in body["value"]] == names
    assert body["total_count"] == len(names)
    counted = fleet.served.get(f"/api/{segment}?limit=1&order_by=-name").get_json()
    assert (counted["total_count"], counted["value"][0]["name"]) == (len(names), max(names))


@pytest.mark.parametrize("segment", ["vehicles", "lorries", "tankers", "bicycles"])
def test_an_inherited_model_reads_changes_and_deletes_a_row(fleet, segment):
    served, url = fleet.served, fleet.locations[segment]
    assert served.value(url).items() >= fleet.bodies[segment].items()
    assert served.patch(url, json={"note": "seen"}).get_json()["value"]["note"] == "seen"
    replaced = served.put(url, json={**fleet.bodies[segment], "name": "new"}).get_json()["value"]
    assert (replaced["name"], replaced["note"]) == ("new", None)
    assert served.delete(url).status_code == 200
    error_of(served.get(url), 404, "row_not_found")
    assert served.get("/api/vehicles").get_json()["total_count"] == 3


def test_a_row_of_another_class_is_not_found_under_a_narrower_one(fleet):
    identifier = fleet.locations["vehicles"].rsplit("/", 1)[1]
    for segment in ("lorries", "tankers", "bicycles"):
        error_of(fleet.served.get(f"/api/{segment}/{identifier}"), 404, "row_not_found")
        error_of(fleet.served.patch(f"/api/{segment}/{identifier}", json={"name": "x"}), 404, "row_not_found")
        error_of(fleet.served.delete(f"/api/{segment}/{identifier}"), 404, "row_not_found")


def test_relations_of_inherited_models_follow_their_class(fleet):
    served = fleet.served
    assert [row["name"] for row in served.value("/api/depots/1/vehicles")] == ["cart", "lorry", "bicycle"]
    assert [row["name"] for row in served.value("/api/depots/1/lorries")] == ["lorry"]
    assert [row["name"] for row in served.value("/api/trailers/1/lorries")] == ["lorry", "tanker"]
    assert served.value(f"{fleet.locations['tankers']}/trailers")["id"] == 1
    assert served.value(f"{fleet.locations['lorries']}/depots")["note"] == "north"


@pytest.mark.parametrize("mode", ["json", "hybrid", "url"])
@pytest.mark.parametrize("segment", ["vehicles", "lorries", "tankers", "bicycles", "depots", "trailers"])
def test_relations_of_inherited_models_are_dumped(fleet, segment, mode):
    served = fleet.served
    for row in served.value(f"/api/{segment}?dump={mode}"):
        for name in ("depot", "trailer"):
            if row.get(f"{name}_id") is not None:
                expected = {"url": f"/api/{name}s/1"}.get(mode) or served.value(f"/api/{name}s/1?dump_relationships=0")
                shown = row[name]
                assert shown == expected if mode == "url" else expected.items() <= shown.items()
    if mode == "json" and segment == "depots":
        depot = served.value("/api/depots/1?dump=json")
        assert [row["name"] for row in depot["vehicles"]] == ["cart", "lorry", "bicycle"]
        assert [(row["name"], row["axles"]) for row in depot["lorries"]] == [("lorry", 3)]


def test_abstract_classes_and_models_without_meta_have_no_routes(fleet):
    for segment in ("dateds", "numbereds", "families", "workshops"):
        error_of(fleet.served.get(f"/api/{segment}"), 404, "unknown_path")


class Outer(DeclarativeBase):
    pass


class Hidden(Outer):
    __tablename__ = "hiddens"
    id: Mapped[int] = mapped_column(primary_key=True)
    shown: Mapped[list[Shown]] = relationship(back_populates="hidden")


class Shown(Outer):
    __tablename__ = "showns"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    hidden_id: Mapped[int | None] = mapped_column(sa.ForeignKey("hiddens.id"))
    hidden: Mapped[Hidden | None] = relationship(back_populates="shown")


@pytest.mark.contract("rest 1.2")
def test_a_relation_to_a_model_that_is_not_published_has_no_route_and_no_field(serve):
    served = serve(Outer)
    served.execute(sa.insert(Hidden), [{"id": 1}])
    served.execute(sa.insert(Shown), [{"id": 1, "hidden_id": 1}])
    for mode in ("url", "json", "hybrid", "dynamic"):
        assert served.value(f"/api/showns/1?dump={mode}") == {"id": 1, "hidden_id": 1}
    error_of(served.get("/api/showns/1/hiddens"), 404, "unknown_path")
    error_of(served.get("/api/showns?join=hidden"), 400, "invalid_join")


def test_several_bases_are_published_together(serve):
    one, two = films(), films(name="Book")
    two.model.__table__.name = "films"
    app = make_app([one, two], "sqlite://", parts=[RestPart()])
    assert {rule.split("/")[2] for _, rule in routes(app)} == {"films", "books"}


# --- mistakes ---------------------------------------------------------------------------------------------------------


def test_two_models_on_one_url_are_a_mistake():
    base = films()
    base.other = add(base, "film", "more_films")
    (problem,) = problems(base)
    assert "/api/films" in problem
    assert "endpoint_namer" in problem


def test_an_endpoint_on_the_url_of_another_model_is_a_mistake():
    base = films()
    base.other = add(base, "Book", "books", endpoint="films")
    (problem,) = problems(base)
    assert "/api/films" in problem


def test_two_columns_under_one_name_are_a_mistake():
    base: Any = type("Base", (DeclarativeBase,), {})
    columns = {"page_count": mapped_column(sa.Integer), "pageCount": mapped_column("other", sa.Integer)}
    base.model = add(base, "Film", "films", columns)
    (problem,) = problems(base, API_FIELD_CASE="camel")
    assert "page_count" in problem
    assert "pageCount" in problem


def test_a_relationship_under_the_name_of_a_column_is_a_mistake():
    base: Any = type("Base", (DeclarativeBase,), {})
    columns = {
        "parent_film": mapped_column(sa.ForeignKey("films.id")),
        "parentFilm": relationship("Film", remote_side="Film.id"),
    }
    base.model = add(base, "Film", "films", columns)
    (problem,) = problems(base, API_FIELD_CASE="camel")
    assert "parentFilm" in problem


def occupied(rule: str, **arguments: Any) -> Flask:
    app = Flask("occupied")
    app.config.update(API_BASE_MODEL=films(), API_DATABASE_URI="sqlite://", API_LOG_REQUESTS=False)
    app.add_url_rule(rule, "mine", lambda **variables: "mine", **arguments)
    return app


@pytest.mark.parametrize(
    "rule, methods",
    [("/api/films", ["GET"]), ("/api/films", ["POST"]), ("/api/films/<int:number>", ["DELETE"])],
)
def test_a_route_of_the_application_on_a_generated_url_is_a_mistake(rule, methods):
    with pytest.raises(ConfigurationError, match="'mine'") as caught:
        Architect(occupied(rule, methods=methods), parts=[RestPart()])
    assert "register_canonical_routes" in str(caught.value)


@pytest.mark.parametrize("rule, methods", [("/api/films", ["DELETE"]), ("/films", ["GET"]), ("/api/films/x", ["GET"])])
def test_other_routes_of_the_application_stay(rule, methods):
    app = occupied(rule, methods=methods)
    Architect(app, parts=[RestPart()])
    assert app.test_client().open(rule, method=methods[0]).data == b"mine"


def test_a_blueprint_of_the_application_under_our_name_is_a_mistake():
    app = occupied("/mine")
    app.register_blueprint(Blueprint("api", "mine"))
    with pytest.raises(ConfigurationError, match="blueprint named 'api'"):
        Architect(app, parts=[RestPart()])


@pytest.mark.contract("rest 1.2")
def test_a_missing_base_is_a_mistake():
    (problem,) = problems(None)
    assert "FULL_AUTO" in problem
    assert "API_BASE_MODEL" in problem


def test_a_base_without_published_models_is_a_mistake():
    base: Any = type("Base", (DeclarativeBase,), {})
    (problem,) = problems(base)
    assert "API_BASE_MODEL" in problem
    assert "class Meta" in problem


@pytest.mark.parametrize("value", ["Base", 5, [1], {"a": 1}])
def test_a_base_that_is_no_class_is_a_mistake(value):
    assert any("API_BASE_MODEL must be a class" in problem for problem in problems(value))


def test_a_missing_session_is_a_mistake():
    (problem,) = problems(films(), None)
    for word in ("API_BASE_MODEL", "session", "API_SESSION_GETTER", "API_DATABASE_URI", "Film"):
        assert word in problem


def test_two_sources_of_sessions_are_a_mistake():
    (problem,) = problems(films(), API_SESSION_GETTER=lambda: None)
    assert "API_SESSION_GETTER" in problem
    assert "API_DATABASE_URI" in problem


@pytest.mark.parametrize("uri, word", [("nonsense", "API_DATABASE_URI"), ("nosuch://x", "API_DATABASE_URI")])
def test_a_database_that_cannot_be_is_a_mistake(uri, word):
    (problem,) = problems(films(), uri)
    assert word in problem


def test_a_misspelt_option_is_a_mistake_with_the_right_spelling():
    (problem,) = problems(films(), API_PREFFIX="/v1")
    assert problem == "API_PREFFIX is not an option. Did you mean API_PREFIX?"


@pytest.mark.contract("rest 12, D64")
def test_a_misspelt_option_of_a_model_is_a_mistake_with_the_right_spelling():
    (problem,) = problems(films(block_method=["GET"]))
    assert problem == 'Film.Meta.block_method is not an option. Did you mean "block_methods"?'


@pytest.mark.contract("rest 10")
def test_models_may_say_what_only_documents_show(caplog):
    verbs = ("get_many", "get_single", "post", "put", "patch", "delete")
    texts = {f"{verb}_{text}": "Words." for verb in verbs for text in ("summary", "description")}
    make_app(films(tag="Films", tag_group="Art", name="Film", description="A film.", **texts), "sqlite://", parts=[])
    assert "is not an option" not in caplog.text


@pytest.mark.contract("rest 12, D64")
def test_an_option_that_resembles_none_is_only_told(caplog):
    make_app(films(zzz=1), "sqlite://", parts=[RestPart()], API_QQQQQQ=1)
    assert "API_QQQQQQ is not an option." in caplog.text
    assert "Film.Meta.zzz is not an option." in caplog.text


def test_strict_configuration_refuses_what_resembles_nothing():
    found = problems(films(zzz=1), API_QQQQQQ=1, API_CONFIG_STRICT=True)
    assert found == ["API_QQQQQQ is not an option.", "Film.Meta.zzz is not an option."]


@pytest.mark.parametrize(
    "key, value",
    [
        ("API_PREFIX", 5),
        ("API_READ_ONLY", "yes"),
        ("API_ENDPOINT_CASE", "kebap"),
        ("API_PAGINATION_SIZE_MAX", 0),
        ("API_PAGINATION_SIZE_MAX", True),
        ("API_SESSION_GETTER", "getter"),
        ("API_BLOCK_METHODS", [1]),
        ("API_RELATION_ROUTE_NAMING", "both"),
        ("API_SERIALIZATION_DEPTH", 11),
        ("API_GET_SERIALIZATION_DEPTH", -1),
        ("API_INLINE_ROWS_MAX", 10**9),
        ("FULL_AUTO", "false"),
    ],
)
def test_a_value_of_the_wrong_type_is_a_mistake(key, value):
    (problem,) = problems(films(), **{key: value})
    assert problem.startswith(f"The configuration key {key} must be ")
    assert repr(value) in problem


def test_a_value_of_the_wrong_type_on_a_model_is_a_mistake():
    (problem,) = problems(films(read_only="yes"))
    assert problem.startswith("Film.Meta.read_only must be True or False")


@pytest.mark.contract("decisions 13")
@pytest.mark.parametrize(
    "key, distribution",
    [
        ("API_AUTHENTICATE", "flarchitect-auth"),
        ("API_CREATE_DOCS", "flarchitect-docs"),
        ("API_GRAPHQL_PATH", "flarchitect-graphql"),
        ("API_ENABLE_WEBSOCKETS", "flarchitect-ws"),
    ],
)
def test_an_option_of_a_part_that_is_not_installed_is_a_mistake(key, distribution):
    (problem,) = problems(films(), **{key: True})
    assert key in problem
    assert f"pip install {distribution}" in problem


@pytest.mark.contract("decisions 13")
def test_all_mistakes_are_reported_together():
    found = problems(
        films(read_ony=True, endpoint_namer=3),
        API_PREFFIX="/v1",
        API_READ_ONLY="yes",
        API_AUTHENTICATE=True,
        API_ENDPOINT_CASE="kebap",
    )
    words = ["read_ony", "endpoint_namer", "API_PREFFIX", "API_READ_ONLY", "flarchitect-auth", "API_ENDPOINT_CASE"]
    assert [word for word in words if not any(word in problem for problem in found)] == []
    assert len(found) == len(words)


def test_mistakes_of_models_and_sessions_are_reported_together():
    base = films()
    base.other = add(base, "film", "more_films")
    assert len(problems(base, None)) == 2


def test_an_application_that_cannot_start_is_left_alone():
    app = occupied("/api/films")
    before = {rule.rule for rule in app.url_map.iter_rules()}
    with pytest.raises(ConfigurationError):
        Architect(app, parts=[RestPart()])
    assert "flarchitect" not in app.extensions
    assert {rule.rule for rule in app.url_map.iter_rules()} == before


# --- starting ---------------------------------------------------------------------------------------------------------


def plain_app(uri: str = "sqlite://", **config: Any) -> Flask:
    app = Flask("plain")
    app.config.update(API_BASE_MODEL=films(), API_DATABASE_URI=uri, API_LOG_REQUESTS=False, **config)
    return app


@pytest.mark.contract("rest 1.1")
def test_the_object_is_kept_on_the_application():
    app = plain_app()
    architect = Architect(app, parts=[RestPart()])
    assert app.extensions["flarchitect"] is architect
    assert architect.app is app


def test_nothing_happens_before_init_app():
    architect = Architect()
    assert architect.app is None
    assert architect.get_config("API_TITLE", "unbound") == "unbound"
    app = plain_app(API_TITLE="Bound")
    architect.init_app(app, parts=[RestPart()])
    assert architect.get_config("API_TITLE") == "Bound"
    assert ("GET", "/api/films") in routes(app)


def test_a_second_binding_is_refused():
    app = plain_app()
    architect = Architect(app, parts=[RestPart()])
    with pytest.raises(RuntimeError, match="already initialised"):
        architect.init_app(app, parts=[RestPart()])
    with pytest.raises(RuntimeError, match="already initialised"):
        Architect(app, parts=[RestPart()])


def test_the_supervisor_of_the_reloader_does_not_bind(monkeypatch):
    monkeypatch.setenv("WERKZEUG_SERVER_FD", "3")
    monkeypatch.delenv("WERKZEUG_RUN_MAIN", raising=False)
    app = plain_app()
    architect = Architect(app, parts=[RestPart()])
    assert "flarchitect" not in app.extensions
    architect.init_app(app, parts=[RestPart()])
    assert app.extensions["flarchitect"] is architect


def test_the_child_of_the_reloader_binds(monkeypatch):
    monkeypatch.setenv("WERKZEUG_SERVER_FD", "3")
    monkeypatch.setenv("WERKZEUG_RUN_MAIN", "true")
    app = plain_app()
    Architect(app, parts=[RestPart()])
    assert "flarchitect" in app.extensions


@pytest.mark.parametrize("key", ["FULL_AUTO", "API_FULL_AUTO"])
def test_without_full_auto_routes_come_with_init_api(key):
    app = plain_app(**{key: False})
    architect = Architect(app, parts=[RestPart()])
    assert routes(app) == set()
    architect.init_api(app)
    assert ("GET", "/api/films") in routes(app)


def test_init_api_takes_the_bound_application():
    app = plain_app(FULL_AUTO=False)
    architect = Architect(app, parts=[RestPart()])
    architect.init_api()
    assert ("PUT", "/api/films/<int(signed=True):id>") in routes(app)


def test_init_api_needs_a_bound_application():
    with pytest.raises(RuntimeError, match="not initialised"):
        Architect().init_api(Flask("unbound"))
    with pytest.raises(RuntimeError):
        Architect().init_api()


@pytest.mark.parametrize("config", [{}, {"FULL_AUTO": False}])
def test_init_api_generates_routes_once(config):
    app = plain_app(**config)
    architect = Architect(app, parts=[RestPart()])
    if config:
        architect.init_api()
    with pytest.raises(RuntimeError, match="already"):
        architect.init_api()


@pytest.mark.contract("rest 1.1")
def test_init_api_takes_options_and_finds_models_that_came_later(database_uri):
    app = Flask("late")
    app.config.update(FULL_AUTO=False, API_LOG_REQUESTS=False, API_DATABASE_URI=database_uri)
    architect = Architect(app, parts=[RestPart()])
    architect.init_api(app, api_base_model=films(), api_prefix="/late")
    assert ("GET", "/late/films") in routes(app)


@pytest.mark.contract("rest 1.2")
def test_init_api_without_models_is_an_error(database_uri):
    app = Flask("nothing")
    app.config.update(FULL_AUTO=False, API_LOG_REQUESTS=False, API_DATABASE_URI=database_uri)
    architect = Architect(app, parts=[RestPart()])
    with pytest.raises(ConfigurationError, match="API_BASE_MODEL"):
        architect.init_api()


def test_without_full_auto_no_base_is_needed():
    app = Flask("empty")
    app.config.update(FULL_AUTO=False, API_LOG_REQUESTS=False)
    Architect(app, parts=[RestPart()])
    assert app.test_client().get("/api/films").status_code == 404


@pytest.mark.contract("core 12 4")
@pytest.mark.contract("decisions 13")
def test_a_keyword_beats_the_configuration(database_uri):
    app = Flask("keyword")
    app.config.update(API_PREFIX="/config", API_READ_ONLY=False, API_LOG_REQUESTS=False, FULL_AUTO=False)
    app.config.update(API_BASE_MODEL=films(name="Book"))
    Architect(
        app,
        parts=[RestPart()],
        base_model=films(),
        api_prefix="/keyword",
        read_only=True,
        full_auto=True,
        database_uri=database_uri,
    )
    assert routes(app) == {("GET", "/keyword/films"), ("GET", "/keyword/films/<int(signed=True):id>")}


def test_meta_beats_a_keyword():
    app = plain_app()
    app.config["API_BASE_MODEL"] = films(read_only=False)
    Architect(app, parts=[RestPart()], read_only=True)
    assert ("POST", "/api/films") in routes(app)


def test_a_misspelt_keyword_is_a_mistake():
    with pytest.raises(ConfigurationError, match=r"api_prefx of Architect is not an option\. Did you mean prefix\?"):
        Architect(plain_app(), parts=[RestPart()], api_prefx="/v1")


@pytest.mark.contract("rest 1.1, D43")
def test_keywords_stand_for_the_keys_of_services():
    app = plain_app()
    architect = Architect(
        app,
        parts=[RestPart()],
        base_model=films(),
        cache={"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": 7},
        enable_cors=True,
        cors_resources={"/api/*": {"origins": ["https://shop.example"]}},
    )
    assert architect.cache.set("a", 1)
    with app.app_context():
        assert get_config_or_model_meta("API_CACHE_TIMEOUT") == 7
    answer = app.test_client().options("/api/films", headers={"Origin": "https://shop.example"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"


@pytest.mark.contract("rest 1.1, D43")
@pytest.mark.parametrize(
    "keyword, problem",
    [
        ({"cache": {"CACHE_TYPE": "SimpleCache", "CACHE_THRESHOLD": 9}}, "a dictionary with CACHE_TYPE and"),
        ({"cache": "SimpleCache"}, "cache of Architect must be a dictionary"),
        ({"cache": {"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": "long"}}, "cache_timeout must be"),
        ({"create_docs": True}, "create_docs of Architect belongs to flarchitect-docs, which is not installed"),
    ],
)
def test_a_keyword_that_could_have_no_effect_is_a_mistake(keyword, problem):
    with pytest.raises(ConfigurationError, match=problem):
        Architect(plain_app(), parts=[RestPart()], **keyword)


def test_a_keyword_of_the_wrong_type_is_a_mistake():
    with pytest.raises(ConfigurationError, match="read_only must be True or False; it is 'yes'"):
        Architect(plain_app(), parts=[RestPart()], read_only="yes")


def test_flask_sqlalchemy_needs_no_context_and_no_option():
    app = Flask("flask_sqlalchemy")
    app.config.update(SQLALCHEMY_DATABASE_URI="sqlite://", API_LOG_REQUESTS=False)
    base: Any = type("Base", (DeclarativeBase,), {})
    db = SQLAlchemy(model_class=base)
    model = add(db.Model, "Film", "films")
    db.init_app(app)
    Architect(app, parts=[RestPart()], api_base_model=db.Model)
    with app.app_context():
        db.create_all()
        client = app.test_client()
        assert client.post("/api/films", json={"title": "a"}).headers["Location"] == "/api/films/1"
        assert db.session.get(model, 1).title == "a"
        db.session.remove()
        db.engine.dispose()


# --- several applications, and below a mount --------------------------------------------------------------------------

OPPOSITE = {
    "API_PREFIX": "/two",
    "API_ENDPOINT_CASE": "pascal",
    "API_FIELD_CASE": "camel",
    "API_RELATION_ROUTE_NAMING": "relationship",
    "API_SERIALIZATION_TYPE": "json",
    "API_READ_ONLY": True,
    "API_IGNORE_OUTPUT_FIELDS": ["city"],
    "API_DECIMAL_FORMAT": "number",
}


@pytest.mark.contract("core 12 22")
def test_two_applications_with_opposite_settings_do_not_meet(serve, cinema, fill):
    one = serve(cinema.Base)
    two = serve(cinema.Base, **OPPOSITE)
    fill(one, cinema)
    for _ in range(2):
        film = one.value("/api/films/1")
        assert (film["studio_id"], film["studio"], film["budget"]) == (1, "/api/studios/1", "1.00")
        assert film["awards"] == "/api/films/1/awards"
        other = two.value("/two/Films/1")
        assert (other["studioId"], other["studio"], other["budget"]) == (1, {"id": 1, "name": "Harbour"}, 1.0)
        assert one.value("/api/studios/1")["city"] == "Oslo"
    assert two.get("/two/Films").get_json()["totalCount"] == 5
    error_of(two.post("/two/Films", json={"title": "a"}), 405)
    assert one.post("/api/films", json={"title": "a"}).status_code == 201
    assert two.get("/two/Films/1/studio").status_code == one.get("/api/films/1/studios").status_code == 200


@pytest.mark.contract("rest 2.7")
def test_link_helpers_answer_for_the_current_application(serve, cinema):
    one = serve(cinema.Base)
    two = serve(cinema.Base, **OPPOSITE)
    film = cinema.Film(id=3)
    with one.app.app_context():
        assert film.to_url() == "/api/films/3"
        assert film.awards_to_url() == "/api/films/3/awards"
        assert film.studios_to_url() == "/api/films/3/studios"
    with two.app.app_context():
        assert film.to_url() == "/two/Films/3"
        assert film.studio_to_url() == "/two/Films/3/studio"


def test_one_object_may_serve_several_applications():
    architect = Architect()
    apps = [plain_app(), plain_app(API_PREFIX="/other")]
    for app in apps:
        architect.init_app(app, parts=[RestPart()])
    assert architect.app is None
    with apps[1].app_context():
        assert architect.app is apps[1]
        assert architect.get_config("API_PREFIX") == "/other"
    assert ("GET", "/api/films") in routes(apps[0])
    assert ("GET", "/other/films") in routes(apps[1])


def test_link_helpers_escape_the_key(serve):
    base: Any = type("Base", (DeclarativeBase,), {})
    meta = type("Meta", (), {})
    key = {"shop": mapped_column(sa.String(20), primary_key=True), "day": mapped_column(sa.Date, primary_key=True)}
    base.model = type("Sale", (base,), {"__tablename__": "sales", "Meta": meta, **key})
    served = serve(base)
    created = served.post("/api/sales", json={"shop": "a/b ü", "day": "2024-01-01"}).get_json()["value"]
    with served.app.app_context(), served.app.extensions["flarchitect.state"].database.session_scope(base.model) as s:
        row = s.scalars(sa.select(base.model)).one()
        assert row.to_url() == "/api/sales/a~1b%20%C3%BC/2024-01-01"
        assert served.value(row.to_url()) == created


def test_an_attribute_of_the_model_is_never_overwritten_by_a_link_helper(caplog):
    base = films()
    base.model.to_url = lambda self: "mine"
    app = make_app(base, "sqlite://", parts=[RestPart()])
    with app.app_context():
        assert base.model(id=1).to_url() == "mine"
    assert "Film has its own attribute 'to_url'" in caplog.text


def test_link_helpers_stay_without_canonical_routes(serve, cinema):
    served = serve(cinema.Base, API_REGISTER_CANONICAL_ROUTES=False)
    with served.app.app_context():
        assert cinema.Studio(id=4).to_url() == "/api/studios/4"
        assert cinema.Studio(id=4).films_to_url() == "/api/studios/4/films"


@pytest.mark.parametrize("mount", ["/mounted", "/a/b"])
@pytest.mark.parametrize("mode", ["url", "json", "hybrid"])
def test_every_link_works_below_a_mount(cinema_app, mount, mode):
    base_url = f"http://localhost{mount}"
    response = cinema_app.get(f"/api/films?limit=2&dump={mode}", base_url=base_url)
    body = response.get_json()
    links = [value for row in body["value"] for value in row.values() if str(value).startswith("/")]
    assert links or mode == "json"
    for link in links:
        assert link.startswith(f"{mount}/api/")
        assert cinema_app.get(link.removeprefix(mount), base_url=base_url).status_code == 200
    assert body["next_url"] == f"{base_url}/api/films?limit=2&dump={mode}&page=2"
    created = cinema_app.post("/api/studios", json={"name": "New"}, base_url=base_url)
    assert created.headers["Location"] == f"{mount}/api/studios/{created.get_json()['value']['id']}"
    error_of(cinema_app.get("/api/nothing", base_url=base_url), 404, "unknown_path")


def test_links_between_two_mounts_do_not_mix(cinema_app):
    for mount in ("/one", "", "/two", "/one"):
        film = cinema_app.value("/api/films/1", base_url=f"http://localhost{mount}")
        assert (film["studio"], film["awards"]) == (f"{mount}/api/studios/1", f"{mount}/api/films/1/awards")
