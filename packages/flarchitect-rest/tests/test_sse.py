"""Server-sent events and cookies of hand-written views (rest 8.3, 8.4)."""

from __future__ import annotations

import datetime as dt
import decimal

import marshmallow as ma
import pytest
import sqlalchemy as sa
from flask import Flask

from flarchitect_core.http.cookies import cookie_settings
from flarchitect_core.session import get_session
from flarchitect_core.testing import count_statements, make_app
from flarchitect_core.views.sse import model_event, sse_message, stream_model_events, stream_sse_response


@pytest.mark.contract("rest-8.3")
@pytest.mark.parametrize(
    "data, members, text",
    [
        ({"id": 31}, {"event": "film", "id": 31}, 'event: film\nid: 31\ndata: {"id":31}\n\n'),
        (None, {"id": 0, "retry": 0}, "id: 0\nretry: 0\ndata: null\n\n"),
        ("a\nb", {}, 'data: "a\\nb"\n\n'),
        ("a\nb\r\nc\rd", {"encoder": str}, "data: a\ndata: b\ndata: c\ndata: d\n\n"),
        ("", {"encoder": str}, "data: \n\n"),
        (b"x", {"encoder": bytes}, "data: x\n\n"),
        (
            [dt.date(2026, 1, 2), dt.datetime(2026, 1, 2, 3, 4), decimal.Decimal("1.50")],
            {},
            'data: ["2026-01-02","2026-01-02T03:04:00","1.50"]\n\n',
        ),
    ],
)
def test_a_message_is_written_line_by_line(data, members, text):
    assert sse_message(data, **members) == text


@pytest.mark.contract("rest-8.3")
@pytest.mark.parametrize(
    "members",
    [{"event": "a\nb"}, {"event": "a\rdata: b"}, {"id": "1\n"}, {"id": "\0"}, {"retry": -1}, {"retry": "5"}],
)
def test_what_would_break_the_stream_is_refused(members):
    with pytest.raises(ValueError, match=r"event|retry"):
        sse_message(1, **members)


@pytest.mark.contract("rest-D63")
def test_a_record_is_dumped_by_the_schema_of_its_model(serve):
    class Base(sa.orm.DeclarativeBase):
        pass

    class Account(Base):
        __tablename__ = "accounts"

        class Meta:
            pass

        id: sa.orm.Mapped[int] = sa.orm.mapped_column(primary_key=True)
        name: sa.orm.Mapped[str] = sa.orm.mapped_column(sa.String(20))
        password: sa.orm.Mapped[str | None] = sa.orm.mapped_column(sa.String(20))

    class Unpublished(Base):
        __tablename__ = "unpublished"
        id: sa.orm.Mapped[int] = sa.orm.mapped_column(primary_key=True)

    served = serve(Base)
    ida = Account(id=1, name="Ida", password="secret")
    with served.app.app_context():
        assert model_event(ida, event="account", id=1) == 'event: account\nid: 1\ndata: {"id":1,"name":"Ida"}\n\n'
        with pytest.raises(ValueError, match="no published model"):
            model_event(Unpublished(id=1))
    shape = ma.Schema.from_dict({"name": ma.fields.String()})
    for schema in (shape, shape()):
        assert model_event(ida, schema=schema) == 'data: {"name":"Ida"}\n\n'


@pytest.mark.contract("rest-8.3")
def test_records_are_streamed_from_the_session_of_the_request(cinema_app, cinema):
    @cinema_app.app.get("/stream")
    def stream():
        with get_session(cinema.Studio) as session:
            studios = session.scalars(sa.select(cinema.Studio).order_by(cinema.Studio.id))
            return stream_model_events(studios, event="studio", id_factory=lambda studio, at: at, retry=500)

    with count_statements(cinema_app.engine) as log:
        answer = cinema_app.get("/stream")
        text = answer.text
    assert text == (
        "event: studio\nid: 0\nretry: 500\n"
        'data: {"id":1,"name":"Harbour","city":"Oslo","films":"/api/studios/1/films"}\n\n'
        'event: studio\nid: 1\ndata: {"id":2,"name":"Quay","city":null,"films":"/api/studios/2/films"}\n\n'
    )
    assert len(log) == 1
    assert answer.mimetype == "text/event-stream"
    assert (answer.headers["Cache-Control"], answer.headers["X-Accel-Buffering"]) == ("no-cache", "no")
    assert cinema_app.client.head("/stream").data == b""


@pytest.mark.contract("rest-8.3")
def test_messages_end_with_one_empty_line_and_their_source_is_closed():
    app = make_app(None, parts=[], API_FULL_AUTO=False)
    ended = []

    def messages():
        try:
            yield sse_message(1)
            yield "data: by hand"
            yield "data: 3\n"
        finally:
            ended.append(True)

    app.add_url_rule("/stream", "stream", lambda: stream_sse_response(messages()))
    assert app.test_client().get("/stream").text == "data: 1\n\ndata: by hand\n\ndata: 3\n\n"
    assert ended == [True]
    gone = app.test_client().get("/stream", buffered=False)
    next(gone.iter_encoded())
    gone.close()
    assert ended == [True, True]
    assert b"".join(stream_sse_response([sse_message(1)]).response) == b"data: 1\n\n"


@pytest.mark.contract("rest-8.4")
def test_cookie_settings_are_merged_by_their_strength():
    app = Flask("cookies")
    assert cookie_settings({"path": "/a"}, max_age=600) == {"path": "/a", "max_age": 600}
    app.config.update(SESSION_COOKIE_DOMAIN="shop.example", SESSION_COOKIE_SAMESITE="Lax", SESSION_COOKIE_MAX_AGE=60)
    app.config["API_COOKIE_DEFAULTS"] = {"secure": True, "samesite": "Strict", "path": "/api"}
    with app.app_context():
        assert cookie_settings({"path": "/over", "secure": False}, path="/named") == {
            "domain": "shop.example",
            "secure": False,
            "httponly": True,
            "samesite": "Strict",
            "path": "/named",
            "max_age": 60,
        } | ({"partitioned": False} if "SESSION_COOKIE_PARTITIONED" in app.config else {})


@pytest.mark.contract("rest-8.4")
def test_cookie_settings_are_what_set_cookie_takes():
    app = make_app(None, parts=[], API_FULL_AUTO=False, API_COOKIE_DEFAULTS={"secure": True, "samesite": "Strict"})
    with app.test_request_context():
        answer = app.make_response("")
        answer.set_cookie("token", "x", **cookie_settings(max_age=600))
    written = answer.headers["Set-Cookie"]
    assert all(part in written for part in ("token=x", "Secure", "HttpOnly", "SameSite=Strict", "Max-Age=600"))
