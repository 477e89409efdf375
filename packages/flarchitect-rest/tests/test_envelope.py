"""The envelope of every answer: its members and switches, the request id, and errors that nobody foresaw."""

from __future__ import annotations

import datetime as dt
import json
import logging
import re

import pytest
import sqlalchemy as sa
from flask import Flask, abort, jsonify
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, validates
from werkzeug.exceptions import HTTPException

from flarchitect_core.architect import Architect
from flarchitect_core.errors import ApiError
from flarchitect_core.state import state_of
from flarchitect_core.testing import error_of
from flarchitect_rest.part import RestPart

pytestmark = pytest.mark.contract("rest 4.1")

DEFAULT = ["api_version", "datetime", "value", "status_code", "response_ms", "total_count", "next_url", "previous_url"]
OURS = re.compile(r"[0-9a-f]{32}")


class Base(DeclarativeBase):
    pass


class Bomb(Base):
    """Reading or writing it fails in the application's own code."""

    __tablename__ = "bombs"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))

    @hybrid_property
    def fuse(self) -> int:
        if str(self.name) == "live":
            raise RuntimeError("secret of /etc/passwd: SELECT 1")
        return 1

    @fuse.inplace.expression
    @classmethod
    def _fuse(cls):
        raise NotImplementedError

    @validates("name")
    def _explode(self, key, value):
        if value == "boom":
            raise RuntimeError("secret of /etc/passwd: SELECT 1")
        return value


@pytest.fixture
def bombs(serve):
    served = serve(Base)
    served.execute(sa.insert(Bomb.__table__), [{"name": "live"}])
    return served


# --- members ----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 12, D37")
def test_the_members_stand_in_the_documented_order(cinema_app):
    for url in ("/api/films", "/api/films/1", "/api/studios/1/films", "/api/films/1/studios"):
        assert list(cinema_app.get(url).get_json()) == DEFAULT
    refused = cinema_app.get("/api/films/9").get_json()
    assert list(refused) == [*DEFAULT[:4], "errors", *DEFAULT[4:]]
    assert list(refused["errors"])[:3] == ["error", "message", "reason"]


@pytest.mark.contract("rest 13 group 9")
@pytest.mark.parametrize(
    "switch, member",
    [
        ("VERSION", "api_version"),
        ("DATETIME", "datetime"),
        ("STATUS_CODE", "status_code"),
        ("RESPONSE_MS", "response_ms"),
        ("TOTAL_COUNT", "total_count"),
        ("NULL_NEXT_URL", "next_url"),
        ("NULL_PREVIOUS_URL", "previous_url"),
    ],
)
def test_a_switch_that_is_off_leaves_its_member_out(serve, cinema, switch, member):
    served = serve(cinema.Base, **{f"API_DUMP_{switch}": False})
    expected = [name for name in DEFAULT if name != member]
    assert list(served.get("/api/films").get_json()) == expected
    assert [name for name in served.get("/api/films/9").get_json() if name != "errors"] == expected


@pytest.mark.parametrize("switch, member", [("NULL_ERRORS", "errors"), ("REQUEST_ID", "request_id")])
def test_a_switch_that_is_on_adds_its_member(serve, cinema, switch, member):
    served = serve(cinema.Base, **{f"API_DUMP_{switch}": True})
    response = served.get("/api/films")
    body = response.get_json()
    assert list(body) == ([*DEFAULT[:4], member, *DEFAULT[4:]] if member == "errors" else [*DEFAULT, member])
    assert body[member] == (None if member == "errors" else response.headers["X-Request-ID"])


def test_with_every_switch_off_only_the_value_is_left(serve, cinema, fill):
    names = ("VERSION", "DATETIME", "STATUS_CODE", "RESPONSE_MS", "TOTAL_COUNT", "NULL_NEXT_URL", "NULL_PREVIOUS_URL")
    served = serve(cinema.Base, **{f"API_DUMP_{name}": False for name in names})
    fill(served, cinema)
    assert list(served.get("/api/films").get_json()) == ["value"]
    assert list(served.get("/api/films?limit=2&page=2").get_json()) == ["value", "next_url", "previous_url"]
    assert list(served.get("/api/films/9").get_json()) == ["value", "errors"]


@pytest.mark.contract("rest 1.4")
def test_a_switch_can_be_moved_while_the_application_runs(cinema_app):
    cinema_app.app.config["API_DUMP_VERSION"] = False
    cinema_app.app.config["API_DUMP_NULL_ERRORS"] = True
    body = cinema_app.get("/api/films").get_json()
    assert "api_version" not in body
    assert body["errors"] is None


def test_the_members_say_what_they_are(cinema_app):
    body = cinema_app.get("/api/films").get_json()
    moment = dt.datetime.fromisoformat(body["datetime"])
    assert moment.utcoffset() == dt.timedelta(0)
    assert abs(dt.datetime.now(dt.timezone.utc) - moment) < dt.timedelta(minutes=5)
    assert body["api_version"] == "1.0"
    assert type(body["response_ms"]) is int
    assert body["response_ms"] >= 0
    assert body["total_count"] == 5


def test_an_application_without_a_version_says_null(serve, cinema):
    assert serve(cinema.Base, API_VERSION=None).get("/api/films").get_json()["api_version"] is None


@pytest.mark.contract("core 12 21")
@pytest.mark.contract("rest 13 group 9")
@pytest.mark.parametrize(
    "method, url, body, status, total",
    [
        ("GET", "/api/films", None, 200, 5),
        ("GET", "/api/films?title__eq=x", None, 200, 0),
        ("GET", "/api/films/1", None, 200, 1),
        ("GET", "/api/films/1/studios", None, 200, 1),
        ("GET", "/api/films/1/awards", None, 200, 1),
        ("PUT", "/api/films/1", {"title": "New"}, 200, 1),
        ("PATCH", "/api/films/1", {"title": "New"}, 200, 1),
        ("DELETE", "/api/awards/1", None, 200, 1),
        ("GET", "/api/films?page=0", None, 400, 0),
        ("POST", "/api/films", {}, 400, 0),
        ("GET", "/api/films/9", None, 404, 0),
        ("DELETE", "/api/films/9", None, 404, 0),
        ("GET", "/api/flims", None, 404, 0),
        ("PUT", "/api/films", {}, 405, 0),
        ("POST", "/api/films", {"title": "x", "studio_id": 99}, 409, 0),
    ],
)
def test_the_status_in_the_body_is_that_of_the_answer(serve, cinema, fill, method, url, body, status, total):
    served = serve(cinema.Base)
    fill(served, cinema)
    response = served.open(url, method=method, **({} if body is None else {"json": body}))
    answer = response.get_json()
    assert (answer["status_code"], answer["total_count"]) == (status, total)
    assert ("errors" in answer) == (status >= 400)
    if status >= 400:
        error_of(response, status)


def test_a_delete_answers_with_a_null_value(cinema_app):
    response = cinema_app.delete("/api/awards/1")
    assert response.get_json()["value"] is None
    assert "errors" not in response.get_json()


def test_a_create_counts_one_record(serve, cinema):
    body = serve(cinema.Base).post("/api/studios", json={"name": "New"}).get_json()
    assert (body["status_code"], body["total_count"]) == (201, 1)


def test_a_create_answers_200_where_the_old_code_is_asked_for(serve, cinema):
    served = serve(cinema.Base, API_CREATED_STATUS=200)
    response = served.post("/api/studios", json={"name": "New"})
    assert (response.status_code, response.get_json()["status_code"]) == (200, 200)
    assert served.get(response.headers["Location"]).get_json()["value"]["name"] == "New"


def test_answers_are_json_in_utf_8(serve, cinema):
    served = serve(cinema.Base)
    created = served.post("/api/studios", json={"name": "Fjærland 😀"})
    assert created.content_type == "application/json"
    assert "Fjærland 😀".encode() in created.data
    assert json.loads(created.data)["value"]["name"] == "Fjærland 😀"


def test_head_and_options_answer_without_a_body(cinema_app):
    head = cinema_app.open("/api/films", method="HEAD")
    assert (head.status_code, head.data, head.mimetype) == (200, b"", "application/json")
    assert cinema_app.open("/api/films/9", method="HEAD").status_code == 404
    options = cinema_app.open("/api/films", method="OPTIONS")
    assert options.status_code == 200
    assert "POST" in options.headers["Allow"]


# --- request id -------------------------------------------------------------------------------------------------------

ANYWHERE = [
    ("GET", "/api/films", 200),
    ("OPTIONS", "/api/films", 200),
    ("HEAD", "/api/films", 200),
    ("GET", "/api/films?page=0", 400),
    ("GET", "/api/films/9", 404),
    ("GET", "/api/flims", 404),
    ("PUT", "/api/films", 405),
    ("POST", "/api/films", 415),
    ("GET", "/elsewhere", 404),
]


@pytest.mark.contract("rest 4.3")
@pytest.mark.parametrize("method, url, status", ANYWHERE)
def test_every_response_repeats_the_callers_id_or_has_one_of_ours(cinema_app, method, url, status):
    given = cinema_app.open(url, method=method, headers={"X-Request-ID": "checkout-42_A.b:c"})
    assert (given.status_code, given.headers.getlist("X-Request-ID")) == (status, ["checkout-42_A.b:c"])
    ours = [cinema_app.open(url, method=method).headers["X-Request-ID"] for _ in range(2)]
    assert all(OURS.fullmatch(request_id) for request_id in ours)
    assert ours[0] != ours[1]


@pytest.mark.contract("rest 12, D58")
@pytest.mark.contract("core 12 13")
@pytest.mark.contract("rest 4.3")
@pytest.mark.parametrize("given", ["", " ", "a b", "a" * 129, "a" * 800, "é", "a\tb", "a/b", "<script>", "a;b", "a,b"])
def test_an_id_that_cannot_be_repeated_safely_is_replaced(cinema_app, given):
    response = cinema_app.get("/api/films", headers={"X-Request-ID": given})
    assert OURS.fullmatch(response.headers["X-Request-ID"])


@pytest.mark.contract("rest 4.3")
def test_the_longest_id_is_128_characters(cinema_app):
    assert cinema_app.get("/api/films", headers={"X-Request-ID": "a" * 128}).headers["X-Request-ID"] == "a" * 128


@pytest.mark.contract("rest 4.3")
def test_the_header_of_the_id_can_have_another_name(serve, cinema):
    served = serve(cinema.Base, API_REQUEST_ID_HEADER="X-Correlation")
    response = served.get("/api/films/9", headers={"X-Correlation": "c-1", "X-Request-ID": "r-1"})
    assert response.headers["X-Correlation"] == "c-1"
    assert "X-Request-ID" not in response.headers
    assert response.get_json()["errors"]["request_id"] == "c-1"


# --- what nobody foresaw ----------------------------------------------------------------------------------------------

CRASHES = [
    ("GET", "/api/bombs", None),
    ("GET", "/api/bombs/1", None),
    ("POST", "/api/bombs", {"name": "boom"}),
    ("POST", "/api/bombs", {"name": "live"}),
    ("PATCH", "/api/bombs/1", {"name": "boom"}),
    ("PUT", "/api/bombs/1", {"name": "boom"}),
]


@pytest.mark.contract("core 12 8")
@pytest.mark.contract("rest 13 group 9")
@pytest.mark.contract("rest 4.2")
@pytest.mark.parametrize("method, url, body", CRASHES)
def test_a_failure_nobody_foresaw_is_generic_outside_and_told_in_the_log(bombs, caplog, method, url, body):
    arguments = {} if body is None else {"json": body}
    with caplog.at_level(logging.ERROR):
        response = bombs.open(url, method=method, headers={"X-Request-ID": "crash-1"}, **arguments)
    errors = error_of(response, 500, "unexpected_error")
    assert errors["error"] == "internal_server_error"
    assert errors["request_id"] == "crash-1"
    text = response.get_data(as_text=True)
    assert not re.search(r"secret|passwd|SELECT|Runtime|Traceback|\.py", text)
    told = [record for record in caplog.records if getattr(record, "request_id", None) == "crash-1"]
    assert "secret of /etc/passwd" in told[0].getMessage()
    assert bombs.scalar("SELECT count(*) FROM bombs") == 1
    assert bombs.scalar("SELECT name FROM bombs") == "live"
    assert bombs.delete("/api/bombs/1").status_code == 200


@pytest.mark.contract("rest 4.2")
@pytest.mark.contract("rest 11")
@pytest.mark.parametrize("printed", [True, False])
def test_tracebacks_can_be_left_out_of_the_log(serve, caplog, capsys, printed):
    served = serve(Base, API_PRINT_EXCEPTIONS=printed)
    other = serve(Base, API_PRINT_EXCEPTIONS=not printed)
    for asked, shown in ((served, printed), (other, not printed), (served, printed)):
        caplog.clear()
        assert asked.post("/api/bombs", json={"name": "boom"}).status_code == 500
        assert any("RuntimeError" in record.getMessage() for record in caplog.records)
        assert any(record.exc_info for record in caplog.records) is shown
    caplog.clear()
    error_of(served.get("/api/bombs?page=0"), 400)
    assert not [record for record in caplog.records if record.exc_info]
    capsys.readouterr()
    in_json = serve(Base, API_PRINT_EXCEPTIONS=printed, API_JSON_LOGS=True)
    assert in_json.post("/api/bombs", json={"name": "boom"}).status_code == 500
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert ("exception" in line) is printed


@pytest.mark.contract("rest 4.2")
def test_a_failure_is_one_json_line_with_its_id_where_logs_are_json(serve, capsys):
    served = serve(Base, API_JSON_LOGS=True)
    assert served.post("/api/bombs", json={"name": "boom"}, headers={"X-Request-ID": "crash-2"}).status_code == 500
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    failure = next(line for line in lines if line["event"] == "error")
    assert (failure["request_id"], failure["method"], failure["path"]) == ("crash-2", "POST", "/api/bombs")
    assert "RuntimeError" in failure["message"]


@pytest.mark.contract("rest 4.2")
@pytest.mark.parametrize("config", [{"API_EXPOSE_EXCEPTIONS": True}, {"DEBUG": True}])
def test_developers_can_ask_for_the_text_of_a_failure(serve, config):
    served = serve(Base, PROPAGATE_EXCEPTIONS=False, **config)
    errors = error_of(served.post("/api/bombs", json={"name": "boom"}), 500, "unexpected_error")
    assert "RuntimeError: secret of /etc/passwd" in errors["message"]


# --- pages of the application -----------------------------------------------------------------------------------------


@pytest.fixture(params=["before", "after"])
def site(database_uri, serve, request):
    """Make an application with pages of its own, prepared before or after the extension is bound; gives a client."""
    served = serve(Base)
    served.execute(sa.insert(Bomb.__table__), [{"name": "live"}])
    apps = []

    def make(prepare):
        app = Flask("site")
        app.config.update(API_BASE_MODEL=Base, API_DATABASE_URI=database_uri, API_LOG_REQUESTS=False)
        if request.param == "before":
            prepare(app)
        Architect(app, parts=[RestPart()])
        if request.param == "after":
            prepare(app)
        apps.append(app)
        return app.test_client()

    yield make
    for app in apps:
        state_of(app).database.engine.dispose()


def pages(app):
    app.add_url_rule("/page", "page", lambda: "page")
    app.add_url_rule("/gone", "gone", lambda: abort(410))
    app.add_url_rule("/crash", "crash", lambda: 1 // 0)
    app.add_url_rule("/refuse", "refuse", lambda: (_ for _ in ()).throw(ApiError("No.", reason="no", status=418)))
    app.add_url_rule("/apidocs", "apidocs", lambda: abort(404))
    app.add_url_rule("/old", "old", lambda: (_ for _ in ()).throw(AssertionError), redirect_to="/page")
    app.add_url_rule("/slash/", "slash", lambda: "slash")


@pytest.mark.contract("rest 4.2")
@pytest.mark.parametrize("url, status", [("/nowhere", 404), ("/gone", 410), ("/crash", 500), ("/apidocs", 404)])
def test_pages_elsewhere_keep_the_error_pages_of_flask(site, url, status):
    client = site(pages)
    for headers in ({}, {"Accept": "text/html"}, {"Accept": "*/*"}, {"Accept": "text/html,application/json;q=0.9"}):
        response = client.get(url, headers=headers)
        assert (response.status_code, response.mimetype) == (status, "text/html")


@pytest.mark.contract("rest 12, D37")
@pytest.mark.contract("core 12 10")
@pytest.mark.contract("rest 4.2")
@pytest.mark.parametrize("url, status", [("/nowhere", 404), ("/gone", 410), ("/crash", 500), ("/apidocs", 404)])
@pytest.mark.parametrize("accept", ["application/json", "application/json,text/html;q=0.5"])
def test_a_client_elsewhere_that_prefers_json_gets_the_one_error_shape(site, url, status, accept):
    error_of(site(pages).get(url, headers={"Accept": accept}), status)


def test_redirects_and_pages_are_no_errors(site):
    client = site(pages)
    assert client.get("/page", headers={"Accept": "application/json"}).data == b"page"
    for url in ("/old", "/slash"):
        assert client.get(url, headers={"Accept": "application/json"}).status_code in (301, 302, 308)


def test_our_error_is_given_in_its_shape_wherever_it_is_raised(site):
    assert error_of(site(pages).get("/refuse"), 418, "no")["message"] == "No."


HANDLERS = [400, 404, 405, 415, 500, Exception, HTTPException, LookupError, ValueError]


@pytest.mark.contract("rest 4.2")
@pytest.mark.parametrize("handled", HANDLERS, ids=str)
def test_handlers_of_the_application_do_not_take_over_the_api(site, handled):
    def prepare(app):
        pages(app)
        app.register_error_handler(handled, lambda error: ("<h1>ours</h1>", 400))

    client = site(prepare)
    error_of(client.get("/api/bombs/9"), 404, "row_not_found")
    error_of(client.get("/api/bmobs"), 404, "unknown_path")
    error_of(client.put("/api/bombs"), 405, "method_not_allowed")
    error_of(client.post("/api/bombs"), 415, "unsupported_content_type")
    error_of(client.get("/api/bombs?page=0"), 400, "invalid_page")
    error_of(client.post("/api/bombs", json={"name": "boom"}), 500, "unexpected_error")


@pytest.mark.contract("rest 4.2")
@pytest.mark.parametrize(
    "handled, url", [(404, "/nowhere"), (410, "/gone"), (500, "/crash"), (ZeroDivisionError, "/crash")]
)
def test_error_pages_of_the_application_stay_for_its_own_pages(site, handled, url):
    def prepare(app):
        pages(app)
        app.register_error_handler(handled, lambda error: ("<h1>ours</h1>", 400))

    client = site(prepare)
    for accept in ("text/html", "application/json"):
        assert client.get(url, headers={"Accept": accept}).data == b"<h1>ours</h1>"


def test_a_handler_for_every_http_error_stays_for_the_pages_of_the_application(site):
    def prepare(app):
        pages(app)
        app.register_error_handler(HTTPException, lambda error: (jsonify(mine=error.code), error.code))

    client = site(prepare)
    for url, status in (("/nowhere", 404), ("/gone", 410), ("/crash", 500)):
        for accept in ("text/html", "application/json"):
            assert client.get(url, headers={"Accept": accept}).get_json() == {"mine": status}


@pytest.mark.contract("rest 12, D60")
@pytest.mark.contract("core 12 11")
def test_a_prefix_is_compared_by_whole_segments(site):
    client = site(pages)
    assert client.get("/apidocs/x").mimetype == "text/html"
    assert client.get("/api").mimetype == "application/json"
    assert client.get("/api/").mimetype == "application/json"
