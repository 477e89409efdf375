"""Hand-written routes: what `schema_constructor` and its smaller relatives put around a view (rest 8.1, 8.2)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import marshmallow as ma
import pytest
import sqlalchemy as sa
from flask import Flask, Response, abort, jsonify, request

from flarchitect_core.architect import Architect
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.session import get_session
from flarchitect_core.testing import error_of
from flarchitect_core.views.bodies import deserialise_data
from flarchitect_core.views.dumping import serialise_output_with_mallow
from flarchitect_core.views.managed import handle_many, handle_one, standardise_response
from flarchitect_core.views.results import CustomResponse, create_response
from flarchitect_rest.part import RestPart


class PublishIn(ma.Schema):
    when = ma.fields.Date(required=True)
    note = ma.fields.String(validate=ma.validate.Length(max=10))
    number = ma.fields.Integer(dump_only=True)


class FilmOut(ma.Schema):
    id = ma.fields.Integer()
    title = ma.fields.String(data_key="name")
    year = ma.fields.Integer()


LOW_TIDE = {"id": 31, "title": "Low Tide", "year": 2004}
SHOWN = {"id": 31, "name": "Low Tide", "year": 2004}


class Site:
    """An application without models, its extension, and a client."""

    def __init__(self, **config: Any) -> None:
        self.app = Flask("site")
        self.app.config.update(API_LOG_REQUESTS=False, API_FULL_AUTO=False, **config)
        self.architect = Architect(self.app, parts=[RestPart()])
        self.client = self.app.test_client()

    def serve(self, function: Any, rule: str = "/films", methods: tuple[str, ...] = ("GET",), **arguments: Any) -> Any:
        """Register a function under `schema_constructor`."""
        decorated = self.architect.schema_constructor(**arguments)(function)
        return self.app.add_url_rule(rule, function.__name__, decorated, methods=list(methods))


@pytest.fixture
def site():
    return Site()


def post(site: Site, body: Any, path: str = "/films", **arguments: Any) -> Any:
    return site.client.post(path, json=body, **arguments)


# --- bodies -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def published(site):
    """A view that checks its body and answers with what it got."""

    def publish(deserialized_data):
        return {name: str(value) for name, value in deserialized_data.items()}

    site.serve(publish, methods=("GET", "POST", "PATCH"), input_schema=PublishIn)
    return site


@pytest.mark.contract("rest-8.1")
def test_the_body_is_checked_and_given(published):
    answer = post(published, {"when": "2026-01-01", "note": "soon"})
    assert (answer.status_code, answer.json["value"]) == (200, {"when": "2026-01-01", "note": "soon"})


@pytest.mark.contract("rest-8.1")
@pytest.mark.parametrize(
    "body, fields",
    [
        ({}, {"when": ["Missing data for required field."]}),
        ({"when": "soon"}, {"when": ["Not a valid date."]}),
        ({"when": None}, {"when": ["Field may not be null."]}),
        (
            {"when": "2026-01-01", "note": "x" * 11, "noot": 1},
            {"note": ["Longer than maximum length 10."], "noot": ["Unknown field. Did you mean 'note'?"]},
        ),
    ],
)
def test_a_wrong_body_is_a_400_that_names_the_fields(published, body, fields):
    errors = error_of(post(published, body), 400, "validation_failed")
    assert errors["fields"] == fields


@pytest.mark.parametrize(
    "arguments, status, reason",
    [
        ({"data": "{", "content_type": "application/json"}, 400, "malformed_json"),
        ({"data": "[]", "content_type": "application/json"}, 400, "not_an_object"),
        ({"data": "3", "content_type": "application/json"}, 400, "not_an_object"),
        ({"data": "a=1", "content_type": "text/plain"}, 415, "unsupported_content_type"),
        ({"data": "<root><when>x</when>", "content_type": "application/xml"}, 400, "malformed_xml"),
        ({"data": "", "content_type": "application/json"}, 400, "malformed_json"),
        ({}, 400, "validation_failed"),
    ],
)
def test_a_body_that_cannot_be_read_is_a_4xx(published, arguments, status, reason):
    error_of(published.client.post("/films", **arguments), status, reason)


@pytest.mark.contract("rest-8.1")
def test_a_body_may_be_xml(published):
    answer = published.client.post("/films", data="<root><when>2026-01-01</when></root>", content_type="text/xml")
    assert answer.json["value"] == {"when": "2026-01-01"}


@pytest.mark.contract("rest-8.1")
def test_patch_makes_every_field_optional(published):
    assert published.client.patch("/films", json={"note": "soon"}).json["value"] == {"note": "soon"}
    error_of(published.client.patch("/films", json={"when": "soon"}), 400, "validation_failed")


@pytest.mark.contract("decisions 15")
def test_keys_that_only_answers_have_are_dropped(published):
    assert post(published, {"when": "2026-01-01", "number": 3}).json["value"] == {"when": "2026-01-01"}


@pytest.mark.contract("rest-8.1")
def test_unknown_keys_are_dropped_where_the_application_says_so():
    site = Site(API_UNKNOWN_FIELDS="ignore")
    site.serve(lambda deserialized_data: sorted(deserialized_data), methods=("POST",), input_schema=PublishIn)
    assert post(site, {"when": "2026-01-01", "whom": 1}).json["value"] == ["when"]


@pytest.mark.parametrize("unknown, given", [(ma.EXCLUDE, ["when"]), (ma.INCLUDE, ["when", "whom"])])
def test_a_schema_may_decide_about_unknown_keys_itself(site, unknown, given):
    site.serve(
        lambda deserialized_data: sorted(deserialized_data),
        methods=("POST",),
        input_schema=PublishIn(unknown=unknown),
    )
    assert post(site, {"when": "2026-01-01", "whom": 1}).json["value"] == given


@pytest.mark.contract("rest-D61")
def test_no_key_of_a_body_replaces_the_body(published):
    fields = error_of(post(published, {"deserialized_data": {"when": "2026-01-01"}}), 400)["fields"]
    assert fields.keys() == {"deserialized_data", "when"}


@pytest.mark.contract("rest-8.2")
def test_links_in_place_of_nested_objects_are_dropped(site):
    class StudioIn(ma.Schema):
        name = ma.fields.String(required=True)

    class FilmIn(ma.Schema):
        title = ma.fields.String()
        studio = ma.fields.Nested(StudioIn)
        awards = ma.fields.List(ma.fields.Nested(StudioIn))

    site.serve(lambda deserialized_data: deserialized_data, methods=("POST",), input_schema=FilmIn)
    linked = {"title": "Fog", "studio": "/api/studios/1", "awards": ["/api/awards/1"]}
    assert post(site, linked).json["value"] == {"title": "Fog"}
    nested = {"studio": {"name": "Quay"}, "awards": []}
    assert post(site, nested).json["value"] == nested
    assert error_of(post(site, {"studio": {"name": 3}}), 400)["fields"] == {"studio": {"name": ["Not a valid string."]}}


def test_the_hook_on_bodies_runs_here_too():
    site = Site(API_GLOBAL_PRE_DESERIALIZE_HOOK=lambda body: body.get("data"))
    site.serve(lambda deserialized_data: str(deserialized_data["when"]), methods=("POST",), input_schema=PublishIn)
    assert post(site, {"data": {"when": "2026-01-01"}}).json["value"] == "2026-01-01"
    error_of(post(site, {"when": "2026-01-01"}), 400, "not_an_object")


def test_a_method_without_a_body_asks_for_none(site):
    def look(deserialized_data=None):
        return repr(deserialized_data)

    site.serve(look, input_schema=PublishIn)
    assert site.client.get("/films").json["value"] == "None"


# --- arguments of the view --------------------------------------------------------------------------------------------


@pytest.mark.contract("rest-8.1")
@pytest.mark.contract("rest-D01")
def test_a_view_gets_what_its_signature_names(site):
    def named(id):
        return [id]

    def everything(**given):
        return {name: str(value) for name, value in given.items()}

    for function in (named, everything):
        rule = f"/{function.__name__}/<int:id>"
        site.serve(function, rule, ("POST",), input_schema=PublishIn, model=Site)
    body = {"when": "2026-01-01"}
    assert post(site, body, "/named/0").json["value"] == [0]
    given = post(site, body, "/everything/7").json["value"]
    assert given == {"id": "7", "model": str(Site), "deserialized_data": "{'when': datetime.date(2026, 1, 1)}"}


def test_a_view_that_could_never_be_called_is_refused_at_once(site):
    def publish(deserialized_data):
        return None

    with pytest.raises(TypeError, match="has no input_schema"):
        site.serve(publish)
    with pytest.raises(TypeError, match="must be a marshmallow schema"):
        site.serve(publish, input_schema={"when": str})
    with pytest.raises(TypeError, match="for many objects"):
        site.serve(publish, input_schema=PublishIn(many=True))


def test_a_view_may_be_a_coroutine(site):
    async def slow():
        return LOW_TIDE

    site.app.async_to_sync = lambda function: lambda *given, **named: asyncio.run(function(*given, **named))
    site.serve(slow, output_schema=FilmOut)
    assert site.client.get("/films").json["value"] == SHOWN


# --- results ----------------------------------------------------------------------------------------------------------


PAGE = {"query": [LOW_TIDE], "total_count": 40, "next_url": "/films?page=2", "previous_url": None}
PAGED = ([SHOWN], 200, 40, "/films?page=2", None)
RESULTS = {
    "record": (LOW_TIDE, (SHOWN, 200, 1, None, None)),
    "list": ([LOW_TIDE, LOW_TIDE], ([SHOWN, SHOWN], 200, 2, None, None)),
    "nothing": (None, (None, 200, 1, None, None)),
    "status": ((LOW_TIDE, 201), (SHOWN, 201, 1, None, None)),
    "page": (PAGE, PAGED),
    "page with status": ((PAGE, 200), PAGED),
    "custom": (CustomResponse([LOW_TIDE], next_url="/films?page=2", count=40), PAGED),
    "custom, no count": (CustomResponse([LOW_TIDE]), ([SHOWN], 200, 1, None, None)),
}


@pytest.mark.contract("rest-8.1")
@pytest.mark.parametrize("name", RESULTS)
def test_every_form_of_a_result_is_dumped_and_wrapped(site, name):
    returned, expected = RESULTS[name]
    site.serve(lambda: returned, output_schema=FilmOut)
    answer = site.client.get("/films")
    body = answer.json
    assert body["status_code"] == answer.status_code
    given = (body["value"], answer.status_code, body["total_count"], body["next_url"], body["previous_url"])
    assert given == expected


@pytest.mark.contract("rest-8.1")
@pytest.mark.parametrize("value", [{"any": ["thing"]}, [1, 2], 3, "text", True, None, {"query": "fog", "results": []}])
def test_without_a_schema_the_value_is_unchanged(site, value):
    site.serve(lambda: value)
    assert site.client.get("/films").json["value"] == value


@pytest.mark.contract("rest-8.1")
def test_many_is_always_a_list(site):
    returned: list[Any] = [None]
    site.serve(lambda: returned[0], output_schema=FilmOut, many=True)
    for value, shown in (
        (None, []),
        (LOW_TIDE, [SHOWN]),
        ([], []),
        ((LOW_TIDE for _ in range(2)), [SHOWN, SHOWN]),
    ):
        returned[0] = value
        assert site.client.get("/films").json["value"] == shown


@pytest.mark.contract("rest-8.1")
def test_a_response_is_sent_as_it_is(site):
    site.serve(lambda: Response("plain", mimetype="text/plain"), "/one")
    site.app.add_url_rule("/two", "two", site.architect.schema_constructor()(lambda: (jsonify(a=1), 202)))
    assert site.client.get("/one").text == "plain"
    answer = site.client.get("/two")
    assert (answer.status_code, answer.json) == (202, {"a": 1})


def test_a_result_may_have_headers_and_may_have_no_body(site):
    site.serve(lambda: (LOW_TIDE, 201, {"Location": "/films/31"}))
    site.app.add_url_rule("/none", "none", site.architect.schema_constructor()(lambda: (None, 204)))
    answer = site.client.get("/films")
    assert (answer.status_code, answer.headers["Location"]) == (201, "/films/31")
    answer = site.client.get("/none")
    assert (answer.status_code, answer.data) == (204, b"")


@pytest.mark.contract("rest-8.1")
def test_the_answer_is_xml_for_who_wants_it(site):
    site.serve(lambda: LOW_TIDE, output_schema=FilmOut)
    answer = site.client.get("/films", headers={"Accept": "application/xml"})
    assert answer.mimetype == "application/xml"
    assert "<name>Low Tide</name>" in answer.text


# --- fields -----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest-D62")
@pytest.mark.parametrize(
    "query, shown",
    [
        ("fields=name", {"name": "Low Tide"}),
        ("fields=id,title", {"id": 31, "name": "Low Tide"}),
        ("fields=id&fields=year", {"id": 31, "year": 2004}),
        ("fields=", SHOWN),
        ("fields=,", SHOWN),
    ],
)
def test_fields_selects_keys_also_of_a_schema_without_a_model(site, query, shown):
    site.serve(lambda: LOW_TIDE, output_schema=FilmOut)
    assert site.client.get(f"/films?{query}").json["value"] == shown


def test_fields_selects_keys_of_every_record(site):
    site.serve(lambda: [LOW_TIDE, LOW_TIDE], output_schema=FilmOut, many=True)
    assert site.client.get("/films?fields=id").json["value"] == [{"id": 31}, {"id": 31}]


def test_an_unknown_name_in_fields_is_a_400_with_the_nearest(site):
    site.serve(lambda: LOW_TIDE, output_schema=FilmOut)
    assert error_of(site.client.get("/films?fields=nam"), 400, "invalid_column")["suggestions"] == ["name"]


def test_fields_can_be_switched_off_and_does_nothing_to_errors_and_null():
    site = Site(API_ALLOW_SELECT_FIELDS=False)
    site.serve(lambda: LOW_TIDE, output_schema=FilmOut)
    assert site.client.get("/films?fields=id").json["value"] == SHOWN
    site = Site()
    site.serve(lambda: None, output_schema=FilmOut)
    assert site.client.get("/films?fields=id").json["value"] is None


# --- failures ---------------------------------------------------------------------------------------------------------


def raise_(error: BaseException) -> Any:
    raise error


@pytest.mark.contract("rest-D51")
@pytest.mark.parametrize(
    "told, message, reason, more",
    [
        ("No such film.", "No such film.", "not_found", {}),
        (None, "Not Found", "not_found", {}),
        ({"message": "Gone.", "reason": "film_gone", "id": 3}, "Gone.", "film_gone", {"id": 3}),
        ({"error": "Not Found", "reason": "No such film"}, "No such film", "not_found", {}),
        (["No film.", "No studio."], "No film.; No studio.", "not_found", {"all": ["No film.", "No studio."]}),
    ],
)
@pytest.mark.parametrize("schema", [None, FilmOut])
def test_a_result_with_the_status_of_an_error_is_one(site, told, message, reason, more, schema):
    site.serve(lambda: (told, 404), output_schema=schema)
    errors = error_of(site.client.get("/films"), 404, reason)
    assert errors["message"] == message
    assert more.items() <= errors.items()


def test_messages_by_field_are_the_fields_of_the_error(site):
    site.serve(lambda: ({"title": ["Too long."]}, 400))
    assert error_of(site.client.get("/films"), 400, "validation_failed")["fields"] == {"title": ["Too long."]}


@pytest.mark.contract("rest-8.1")
@pytest.mark.parametrize(
    "raised, status, reason",
    [
        (lambda: abort(409, "Taken."), 409, "conflict"),
        (lambda: raise_(CustomHTTPException(403, "Not yours.")), 403, "forbidden"),
        (lambda: abort(Response("teapot", status=418)), 418, None),
    ],
)
def test_what_a_view_raises_is_answered_in_the_one_shape_on_any_path(site, raised, status, reason):
    site.app.register_error_handler(Exception, lambda error: ("<h1>the application's own page</h1>", 500))
    site.serve(raised)
    answer = site.client.get("/films")
    if reason is None:
        assert (answer.status_code, answer.text) == (418, "teapot")
    else:
        error_of(answer, status, reason)


@pytest.mark.contract("core C-7")
def test_what_nobody_foresaw_is_a_500_that_tells_nothing(site, caplog):
    site.app.register_error_handler(500, lambda error: ("<h1>the application's own page</h1>", 500))
    site.serve(lambda: raise_(RuntimeError("SELECT secret FROM films")))
    with caplog.at_level(logging.ERROR):
        answer = site.client.get("/films")
    errors = error_of(answer, 500, "unexpected_error")
    assert "SELECT" not in answer.text
    assert errors["request_id"] in {getattr(record, "request_id", None) for record in caplog.records}


def test_what_nobody_foresaw_flies_through_in_tests(site):
    site.app.testing = True
    site.serve(lambda: raise_(RuntimeError("mistake")))
    with pytest.raises(RuntimeError, match="mistake"):
        site.client.get("/films")


@pytest.mark.contract("rest-7.2")
@pytest.mark.parametrize(
    "view, told",
    [
        (lambda: ("No.", 409), [409]),
        (lambda: abort(410), [410]),
        (lambda: raise_(RuntimeError("mistake")), [500]),
        (lambda: ("Elsewhere.", 201), []),
        (lambda: create_response("No.", 409), []),
    ],
)
def test_the_error_callback_is_told_once(view, told):
    statuses: list[int] = []
    site = Site(API_ERROR_CALLBACK=lambda error, status_code, value: statuses.append(status_code))
    site.app.logger.disabled = True
    site.serve(view)
    site.client.get("/films")
    assert statuses == told


# --- roles and limits -------------------------------------------------------------------------------------------------


@pytest.mark.contract("decisions 13")
@pytest.mark.parametrize("roles", [True, "editor", ["editor", "admin"], {"roles": ["editor"], "any_of": True}])
def test_roles_without_the_part_that_knows_them_are_a_mistake(site, roles):
    with pytest.raises(ConfigurationError, match="pip install flarchitect-auth"):
        site.serve(lambda: None, roles=roles)
    late = Architect()
    late.schema_constructor(roles=roles)(lambda: None)
    with pytest.raises(ConfigurationError, match="pip install flarchitect-auth"):
        late.init_app(Flask("late"), parts=[RestPart()], full_auto=False)


@pytest.mark.parametrize("roles", [[], "", 3, {"roles": []}, {"role": "editor"}, [""], [None]])
def test_roles_that_say_nothing_are_refused(site, roles):
    with pytest.raises(ValueError, match="roles must"):
        site.serve(lambda: None, roles=roles)


@pytest.mark.contract("rest-8.1")
@pytest.mark.contract("rest-9.1")
def test_a_view_has_the_rate_limit_of_its_model_its_schema_or_the_application():
    class Slow:
        class Meta:
            rate_limit = "1 per minute"

    class SlowOut(FilmOut):
        class Meta:
            post_rate_limit = "2 per minute"

    class Free:
        class Meta:
            rate_limit = False

    site = Site(API_RATE_LIMIT="3 per minute")
    site.serve(lambda: 1, "/application/<int:id>")
    for path, arguments in (
        ("/model", {"model": Slow, "output_schema": SlowOut}),
        ("/schema", {"output_schema": SlowOut, "methods": ("GET", "POST")}),
        ("/free", {"model": Free}),
    ):
        view = site.architect.schema_constructor(
            **{name: value for name, value in arguments.items() if name != "methods"}
        )(lambda: None)
        site.app.add_url_rule(path, path[1:], view, methods=arguments.get("methods", ("GET",)))

    def statuses(path: str, method: str = "GET") -> list[int]:
        return [site.client.open(path, method=method).status_code for _ in range(5)]

    assert statuses("/model") == [200, 429, 429, 429, 429]
    assert statuses("/schema", "POST") == [200, 200, 429, 429, 429]
    assert statuses("/schema") == [200, 200, 200, 429, 429]
    assert statuses("/free") == [200] * 5
    assert [site.client.get(f"/application/{number}").status_code for number in range(4)] == [200, 200, 200, 429]
    answer = site.client.get("/model")
    error_of(answer, 429, "rate_limit_exceeded")
    assert answer.headers["X-RateLimit-Limit"] == "1"


def test_a_rate_limit_that_cannot_be_read_is_a_mistake_at_the_start(site):
    class Odd(FilmOut):
        class Meta:
            rate_limit = "often"

    with pytest.raises(ConfigurationError, match="'often' is not a rate"):
        site.serve(lambda: None, output_schema=Odd)


def test_the_limit_comes_before_the_body_and_views_count_for_themselves():
    site = Site(API_RATE_LIMIT="1 per minute")
    site.serve(lambda deserialized_data: None, methods=("POST",), input_schema=PublishIn)
    error_of(post(site, {}), 400)
    error_of(post(site, {}), 429)


# --- the extension ----------------------------------------------------------------------------------------------------


def test_one_view_serves_several_applications():
    architect = Architect()

    @architect.schema_constructor(output_schema=FilmOut)
    def film():
        return LOW_TIDE

    for case in ("snake", "camel"):
        app = Flask(case)
        app.add_url_rule("/film", view_func=film)
        architect.init_app(app, parts=[RestPart()], full_auto=False, field_case=case)
        body = app.test_client().get("/film").json
        assert body["value"] == SHOWN
        assert ("statusCode" in body) is (case == "camel")


@pytest.mark.contract("rest-1.1")
def test_descriptions_of_routes_are_kept(site):
    def film():
        return LOW_TIDE

    decorated = site.architect.schema_constructor(output_schema=FilmOut, group_tag="Films", summary="A film")(film)
    (route,) = site.architect.route_spec
    assert (route["function"], route["group_tag"], route["summary"]) == (decorated, "Films", "A film")
    assert (decorated.__name__, decorated.managed_view.info.auth) == ("film", None)
    site.architect.set_route({"function": film})
    assert site.architect.route_spec[1] == {"function": film}
    with pytest.raises(ValueError, match="function"):
        site.architect.set_route({"summary": "A film"})


@pytest.mark.contract("F10")
def test_a_view_beside_the_generated_routes_works_in_the_session_of_the_request(serve, cinema, fill, sessions):
    served = serve(cinema.Base, sessions=sessions)
    fill(served, cinema)
    architect = served.app.extensions["flarchitect"]

    @served.app.post("/api/films/<int:id>/publish")
    @architect.schema_constructor(input_schema=PublishIn, output_schema=FilmOut, model=cinema.Film)
    def publish(id, deserialized_data):
        with get_session(cinema.Film) as session:
            film = session.get(cinema.Film, id)
            if film is None:
                raise CustomHTTPException(404, "No such film")
            film.title = f"{film.title}!"
            session.commit()
            return film

    answer = served.post("/api/films/1/publish", json={"when": "2026-01-01"})
    assert answer.json["value"] == {"id": 1, "name": "Film 1!", "year": 2001}
    assert served.scalar("SELECT title FROM films WHERE id = 1") == "Film 1!"
    error_of(served.post("/api/films/99/publish", json={"when": "2026-01-01"}), 404, "not_found")
    error_of(served.post("/api/films/1/publish", json={}), 400, "validation_failed")
    assert served.value("/api/films/1")["title"] == "Film 1!"


# --- smaller relatives ------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest-8.2")
def test_standardise_response_wraps_a_plain_view(site):
    @site.app.get("/plain/<int:id>")
    @standardise_response
    def plain(id, **rest):
        if id == 0:
            abort(404, "No such film.")
        return ({"id": id, "rest": rest}, 200 + id)

    answer = site.client.get("/plain/2")
    assert (answer.status_code, answer.json["value"]) == (202, {"id": 2, "rest": {}})
    error_of(site.client.get("/plain/0"), 404, "not_found")


@pytest.mark.contract("rest-8.2")
def test_handle_one_and_handle_many_check_and_dump(site):
    @site.app.post("/one")
    @handle_one(FilmOut, PublishIn)
    def one(deserialized_data):
        return LOW_TIDE, 201

    @site.app.get("/many")
    @handle_many(FilmOut)
    def many():
        return [LOW_TIDE]

    answer = post(site, {"when": "2026-01-01"}, "/one")
    assert (answer.status_code, answer.json["value"]) == (201, SHOWN)
    error_of(post(site, {}, "/one"), 400, "validation_failed")
    assert site.client.get("/many?fields=id").json["value"] == [{"id": 31}]


@pytest.mark.contract("rest-8.2")
@pytest.mark.contract("rest-D61")
def test_deserialise_data_gives_the_data_or_the_errors(site):
    @site.app.route("/plain", methods=["POST", "PATCH"])
    @standardise_response
    def plain():
        data = deserialise_data(PublishIn, request)
        return data if isinstance(data, tuple) else sorted(data)

    assert post(site, {"when": "2026-01-01"}, "/plain").json["value"] == ["when"]
    assert post(site, {"deserialized_data": {"when": "2026-01-01"}}, "/plain").json["value"] == ["when"]
    errors = error_of(post(site, {}, "/plain"), 400, "validation_failed")
    assert errors["fields"] == {"when": ["Missing data for required field."]}
    assert site.client.patch("/plain", json={}).json["value"] == []
    error_of(site.client.post("/plain", data="{", content_type="application/json"), 400, "malformed_json")
    with site.app.test_request_context(method="POST", json={}):
        assert deserialise_data(PublishIn(), request) == ({"when": ["Missing data for required field."]}, 400)


@pytest.mark.contract("rest-8.2")
def test_serialise_output_says_what_there_is_to_a_page(site):
    page = {"query": [SHOWN], "total_count": 1, "next_url": None, "previous_url": None}
    assert serialise_output_with_mallow(FilmOut(), [LOW_TIDE]) == page
    assert serialise_output_with_mallow(FilmOut(many=True), [LOW_TIDE]) == page
    assert serialise_output_with_mallow(FilmOut, LOW_TIDE) == {**page, "query": SHOWN}
    assert serialise_output_with_mallow(FilmOut, PAGE) == {**PAGE, "query": [SHOWN]}

    class Picky(ma.Schema):
        @ma.post_dump
        def refuse(self, data: Any, **rest: Any) -> Any:
            raise ma.ValidationError({"title": ["Too long."], "studio": {"name": ["Unknown."]}})

    told = {"errors": ["title: Too long.", "studio.name: Unknown."]}
    assert serialise_output_with_mallow(Picky, {}) == (told, 422)


@pytest.mark.contract("rest-8.2")
@pytest.mark.contract("core-3")
def test_create_response_takes_every_documented_argument(site):
    def members(**arguments: Any) -> tuple[Any, ...]:
        with site.app.test_request_context("/x"):
            answer = create_response(**arguments)
        body = answer.json
        names = ("value", "total_count", "next_url", "previous_url")
        return (answer.status_code, *(body.get(name) for name in names))

    assert members() == (200, None, 1, None, None)
    assert members(value=[1, 2], count=2, next_url="/n", previous_url="/p") == (200, [1, 2], 2, "/n", "/p")
    assert members(value=("made", 201)) == (201, "made", 1, None, None)
    assert members(result=PAGE) == (200, [LOW_TIDE], 40, "/films?page=2", None)
    assert members(value="lost", result=CustomResponse(3, count=9)) == (200, 3, 9, None, None)
    assert members(value=CustomResponse("inner")) == (200, "inner", 1, None, None)


@pytest.mark.contract("core-3")
@pytest.mark.parametrize(
    "arguments, status, message",
    [
        ({"errors": "No.", "status": 409}, 409, "No."),
        ({"value": "No.", "status": 409}, 409, "No."),
        ({"value": ("No.", 409)}, 409, "No."),
        ({"result": ("No.", 409)}, 409, "No."),
    ],
)
def test_create_response_tells_an_error_in_the_one_shape(site, arguments, status, message):
    site.app.add_url_rule("/x", "x", lambda: create_response(**arguments))
    assert error_of(site.client.get("/x"), status, "conflict")["message"] == message


@pytest.mark.contract("core 12 12")
def test_every_error_of_a_list_is_told(site):
    site.app.add_url_rule("/x", "x", lambda: create_response(errors=["Too old.", "Too long."], status=409))
    errors = error_of(site.client.get("/x"), 409, "conflict")
    assert (errors["message"], errors["all"]) == ("Too old.; Too long.", ["Too old.", "Too long."])


@pytest.mark.contract("rest 12, D59")
@pytest.mark.contract("core 12 19")
def test_the_schemas_of_a_view_are_made_once(site):
    made = []

    class Counted(FilmOut):
        def __init__(self, *arguments, **options):
            made.append(type(self))
            super().__init__(*arguments, **options)

    site.serve(lambda: LOW_TIDE, methods=("GET", "POST", "PATCH"), input_schema=Counted, output_schema=Counted)
    site.client.get("/films")
    made.clear()
    for method in ("GET", "POST", "PATCH"):
        arguments = {} if method == "GET" else {"json": {"name": "x"}}
        for query in ("", "?fields=year"):
            assert site.client.open(f"/films{query}", method=method, **arguments).status_code == 200
    assert made == []


def test_create_response_may_say_how_long_it_took_and_what_went_wrong_beside_the_value(site):
    with site.app.test_request_context("/x"):
        body = create_response(value=1, errors={"note": "old"}, response_ms=12.5).json
    assert (body["value"], body["errors"], body["response_ms"]) == (1, {"note": "old"}, 12.5)


def test_rows_of_the_orm_are_dumped_without_a_statement_for_each(cinema_app, cinema):
    architect = cinema_app.app.extensions["flarchitect"]

    @cinema_app.app.get("/api/all-films")
    @architect.schema_constructor(output_schema=FilmOut, many=True)
    def all_films():
        with get_session() as session:
            return session.scalars(sa.select(cinema.Film).order_by(cinema.Film.id)).all()

    body = cinema_app.get("/api/all-films?fields=id").json
    assert (len(body["value"]), body["total_count"]) == (5, 5)
