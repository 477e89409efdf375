"""The format of answers and bodies: JSON, XML and problem details by `Accept` and `Content-Type` (rest 4.4)."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flarchitect_core.http.xml import xml_to_dict
from flarchitect_core.testing import error_of

XML = {"Accept": "application/xml"}


def root_of(response):
    """Give the members of the root element of an XML answer."""
    assert response.mimetype == "application/xml", response.get_data(as_text=True)
    return xml_to_dict(response.data)["root"]


@pytest.mark.contract("rest 4.4, D35")
def test_an_answer_in_xml_says_what_the_answer_in_json_says(cinema_app):
    url = "/api/films?limit=2&dump=json"
    document, plain = root_of(cinema_app.get(url, headers=XML)), cinema_app.get(url).get_json()
    assert list(document) == list(plain)
    for film, expected in zip(document["value"]["item"], plain["value"], strict=True):
        assert (film["title"], film["year"]) == (expected["title"], str(expected["year"]))
        assert film["released"] is None
        assert film["awards"]["item"]["label"] == expected["awards"][0]["label"]
        assert film["studio"]["city"] == "Oslo"
    assert (document["total_count"], document["status_code"], document["previous_url"]) == ("5", "200", None)


@pytest.mark.contract("core 12 6")
@pytest.mark.contract("rest 13 group 9")
@pytest.mark.contract("rest 4.4, D35")
@pytest.mark.parametrize(
    "method, url, body, status",
    [
        ("GET", "/api/films/1", None, 200),
        ("POST", "/api/studios", {"name": "Kelp"}, 201),
        ("PATCH", "/api/studios/1", {"name": "Kelp"}, 200),
        ("DELETE", "/api/awards/1", None, 200),
        ("GET", "/api/films/99", None, 404),
        ("GET", "/api/nothing", None, 404),
        ("GET", "/api/films?year=2000", None, 400),
        ("POST", "/api/studios", {}, 400),
        ("PATCH", "/api/studios", {}, 405),
        ("DELETE", "/api/films/1", None, 409),
        ("GET", "/api/broken", None, 500),
    ],
)
def test_the_status_of_an_xml_answer_is_that_of_the_envelope(serve, cinema, fill, method, url, body, status):
    served = serve(cinema.Base)
    fill(served, cinema)
    served.app.add_url_rule("/api/broken", view_func=lambda: 1 / 0)
    served.execute(sa.update(cinema.Award).where(cinema.Award.id == 5).values(film_id=1))
    served.execute(sa.delete(cinema.film_actor))
    response = served.open(url, method=method, json=body, headers=XML)
    document = root_of(response)
    if status == 409 and response.status_code == 422:
        status = 422  # the ORM empties the foreign key of the children first, which may not be empty
    assert (response.status_code, document["status_code"]) == (status, str(status))
    assert ("errors" in document) == (status >= 400)


def test_an_error_in_xml_has_the_one_error_shape(cinema_app):
    response = cinema_app.get("/api/films?yaer__gt=1", headers=XML)
    errors = root_of(response)["errors"]
    assert (errors["error"], errors["reason"]) == ("bad_request", "invalid_column")
    assert errors["request_id"] == response.headers["X-Request-ID"]
    assert errors["suggestions"] == {"item": "year"}


@pytest.mark.parametrize("name", ["application/xml", "text/xml"])
def test_both_names_of_xml_choose_it(cinema_app, name):
    assert cinema_app.get("/api/films", headers={"Accept": f"{name}, */*;q=0.1"}).content_type == (
        "application/xml; charset=utf-8"
    )


def test_xml_may_be_given_as_text(serve, cinema):
    served = serve(cinema.Base, API_XML_AS_TEXT=True)
    for url, status in (("/api/films", 200), ("/api/films/1", 404)):
        response = served.get(url, headers=XML)
        assert (response.status_code, response.content_type) == (status, "text/xml; charset=utf-8")


@pytest.mark.contract("core 12 7")
def test_the_content_type_of_the_body_does_not_choose_the_answer(cinema_app):
    response = cinema_app.post("/api/studios", data="<s><name>Kelp</name></s>", content_type="application/xml")
    assert (response.status_code, response.mimetype) == (201, "application/json")
    response = cinema_app.post("/api/studios", json={"name": "Kelp"}, headers=XML)
    assert root_of(response)["value"]["name"] == "Kelp"


# --- bodies in XML ----------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 4.4, D35")
@pytest.mark.parametrize("content_type", ["application/xml", "text/xml; charset=utf-8"])
def test_a_row_is_created_replaced_and_changed_in_xml(cinema_app, content_type):
    def send(method, url, document):
        return cinema_app.open(url, method=method, data=document.encode(), content_type=content_type)

    film = "<film><title>Låw &amp; Tide</title><year>1999</year><budget>1.50</budget><studio_id>1</studio_id></film>"
    created = send("POST", "/api/films", film)
    value = created.get_json()["value"]
    assert created.status_code == 201
    assert (value["title"], value["year"], value["budget"]) == ("Låw & Tide", 1999, "1.50")
    url = f"/api/films/{value['id']}"
    assert send("PATCH", url, "<x><year/><released>2001-02-03</released></x>").get_json()["value"] == {
        **value,
        "year": None,
        "released": "2001-02-03",
    }
    replaced = send("PUT", url, "<x><title>Neap</title></x>").get_json()["value"]
    assert (replaced["title"], replaced["budget"], replaced["studio_id"]) == ("Neap", None, None)


def test_an_answer_in_xml_can_be_sent_back(cinema_app):
    before = cinema_app.value("/api/films/1")
    answer = cinema_app.get("/api/films/1", headers=XML).get_data(as_text=True)
    value = answer[answer.index("<value>") : answer.index("</value>") + len("</value>")]
    response = cinema_app.patch("/api/films/1", data=value, content_type="application/xml")
    assert response.status_code == 200
    assert cinema_app.value("/api/films/1") == before


def test_a_body_in_xml_is_validated_as_json_is(cinema_app):
    response = cinema_app.post("/api/films", data="<f><year>many</year><tite>x</tite></f>", content_type="text/xml")
    fields = error_of(response, 400, "validation_failed")["fields"]
    json_fields = error_of(cinema_app.post("/api/films", json={"year": "many", "tite": "x"}), 400)["fields"]
    assert fields == json_fields
    assert set(fields) == {"title", "year", "tite"}


@pytest.mark.parametrize(
    "body, reason",
    [
        ("", "malformed_xml"),
        ("<studio>", "malformed_xml"),
        ('{"name": "json"}', "malformed_xml"),
        ("<studio>text</studio>", "not_an_object"),
        ("<studio>text<name>Kelp</name></studio>", "mixed_content"),
        ('<!DOCTYPE s SYSTEM "file:///etc/passwd"><s><name>x</name></s>', "unsafe_xml"),
        ('<!DOCTYPE s [<!ENTITY e "x">]><s><name>&e;</name></s>', "unsafe_xml"),
        ("<a>" * 100 + "</a>" * 100, "nested_too_deep"),
        ('<?xml version="1.0" encoding="no-such"?><s/>', "malformed_xml"),
        ("<s><name>Kelp</name><name>Reed</name></s>", "validation_failed"),
        ("<s><name><item>Kelp</item></name></s>", "validation_failed"),
        ("<s/>", "validation_failed"),
    ],
)
@pytest.mark.contract("bar R25")
def test_a_wrong_body_in_xml_is_400(cinema_app, body, reason):
    response = cinema_app.post("/api/studios", data=body, content_type="application/xml")
    errors = error_of(response, 400, reason)
    assert "passwd" not in errors["message"]
    assert cinema_app.scalar("SELECT count(*) FROM studios") == 2


def test_the_size_of_a_body_in_xml_is_limited(serve, cinema):
    served = serve(cinema.Base, API_BODY_SIZE_MAX_BYTES=40)
    body = f"<s><name>{'x' * 40}</name></s>"
    error_of(served.post("/api/studios", data=body, content_type="application/xml"), 413, "body_too_large")


class ShelfBase(DeclarativeBase):
    pass


class Shelf(ShelfBase):
    __tablename__ = "shelves"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    is_open: Mapped[bool]
    first_labels: Mapped[dict | list | str | None] = mapped_column(sa.JSON)
    note: Mapped[str | None] = mapped_column(sa.String(40))


def test_lists_objects_and_cases_of_names(serve):
    served = serve(ShelfBase, API_FIELD_CASE="kebab")
    for body, labels in (
        ("<first-labels>a</first-labels><first-labels>b</first-labels>", ["a", "b"]),
        ("<first-labels><item>a</item></first-labels>", ["a"]),
        ("<first-labels><a>1</a><b/></first-labels>", {"a": "1", "b": None}),
    ):
        document = f"<shelf><is-open>true</is-open>{body}</shelf>"
        created = served.post("/api/shelves", data=document, content_type="application/xml")
        assert created.status_code == 201, created.get_data(as_text=True)
        assert created.get_json()["value"]["first-labels"] == labels


def test_text_that_xml_cannot_hold_is_replaced(serve):
    served = serve(ShelfBase)
    served.execute(sa.insert(Shelf), [{"id": 1, "is_open": True, "note": "a\x01b\r\n<c>"}])
    document = root_of(served.get("/api/shelves/1", headers=XML))
    assert document["value"]["note"] == "a\ufffdb\r\n<c>"
    assert document["value"]["is_open"] == "true"


def test_xml_can_be_switched_off(serve, cinema):
    served = serve(cinema.Base, API_ALLOW_XML=False)
    refused = served.post("/api/studios", data="<s><name>x</name></s>", content_type="application/xml")
    error_of(refused, 415, "unsupported_content_type")
    assert refused.headers["Accept"] == "application/json"
    errors = error_of(served.get("/api/studios", headers=XML), 406, "not_acceptable")
    assert errors["available"] == ["application/json"]
    error_of(served.get("/api/studios/1", headers={"Accept": "application/xml, */*;q=0.1"}), 404)


# --- 406 and Vary -----------------------------------------------------------------------------------------------------


@pytest.mark.contract("bar F60, F118")
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_what_suits_nobody_is_406_before_anything_is_done(cinema_app, method):
    before = cinema_app.value("/api/awards/1")
    response = cinema_app.open("/api/awards/1", method=method, json={"label": "x"}, headers={"Accept": "text/html"})
    errors = error_of(response, 406, "not_acceptable")
    assert errors["available"] == ["application/json", "application/xml"]
    assert "text/html" in errors["message"]
    assert cinema_app.value("/api/awards/1") == before


@pytest.mark.parametrize(
    "url", ["/api/films", "/api/films/1/studios", "/api/studios/1/films", "/api/films/1", "/api/films/99"]
)
def test_every_route_refuses_what_suits_nobody(cinema_app, url):
    error_of(cinema_app.get(url, headers={"Accept": "image/png"}), 406, "not_acceptable")
    assert cinema_app.client.head(url, headers={"Accept": "image/png"}).status_code == 406


def test_an_answer_says_that_it_depends_on_accept(cinema_app):
    for url in ("/api/films", "/api/films/1", "/api/films/99", "/api/nothing"):
        for accept in ("application/json", "application/xml", "application/problem+json"):
            assert cinema_app.get(url, headers={"Accept": accept}).headers.getlist("Vary") == ["Accept"]


def test_problem_details_are_for_errors_only(cinema_app):
    for accept in ("application/problem+json", "application/problem+json, application/json;q=0.9"):
        assert cinema_app.get("/api/films", headers={"Accept": accept}).mimetype == "application/json"
        assert cinema_app.get("/api/films/99", headers={"Accept": accept}).mimetype == "application/problem+json"
    less = "application/problem+json;q=0.5, application/json"
    assert cinema_app.get("/api/films/99", headers={"Accept": less}).mimetype == "application/json"
    both = "application/problem+json, application/xml;q=0.5"
    assert cinema_app.get("/api/films/99", headers={"Accept": both}).mimetype == "application/problem+json"
