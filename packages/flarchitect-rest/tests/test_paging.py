"""Pages and their links, order, and the choice of fields."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flarchitect_core.testing import count_statements, error_of

pytestmark = pytest.mark.contract("rest 3.5")

MANY = 23


class Base(DeclarativeBase):
    pass


class Reel(Base):
    """Rows that are equal in everything but the key."""

    __tablename__ = "reels"

    class Meta:
        pagination_size_default = 3
        pagination_size_max = 7

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(80), default="same")
    year: Mapped[int | None]
    extra: Mapped[object | None] = mapped_column(sa.JSON)
    pin: Mapped[str | None] = mapped_column(sa.String(8), info={"write_only": True})


class Still(Base):
    __tablename__ = "stills"

    class Meta:
        get_pagination_size_default = 2
        post_pagination_size_max = 1

    id: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def reels(serve):
    served = serve(Base)
    served.execute(sa.insert(Reel.__table__), [{"id": n, "title": "same", "year": n % 3} for n in range(1, MANY + 1)])
    served.execute(sa.insert(Still.__table__), [{"id": n} for n in range(1, 6)])
    return served


def path_of(url):
    """Give what a client asks of the same server when it follows an absolute link."""
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc) == ("http", "localhost")
    return f"{parts.path}?{parts.query}"


def walk(served, url, link="next_url"):
    """Follow links and give the pages, each a list of ids, and the bodies."""
    pages, bodies = [], []
    while url is not None:
        assert len(pages) < 50, "the links go on for ever"
        response = served.get(url)
        assert response.status_code == 200, response.get_data(as_text=True)
        bodies.append(response.get_json())
        pages.append([record["id"] for record in bodies[-1]["value"]])
        following = bodies[-1][link]
        url = path_of(following) if following else None
    return pages, bodies


@pytest.mark.contract("rest 12, D19")
@pytest.mark.contract("rest 13 group 4")
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5])
def test_following_the_links_visits_every_row_once_forth_and_back(cinema_app, size):
    pages, bodies = walk(cinema_app, f"/api/films?limit={size}")
    assert [number for page in pages for number in page] == [1, 2, 3, 4, 5]
    assert all(len(page) == size for page in pages[:-1])
    assert {body["total_count"] for body in bodies} == {5}
    assert bodies[0]["previous_url"] is None
    back, _ = walk(cinema_app, f"/api/films?limit={size}&page={len(pages)}", "previous_url")
    assert back == pages[::-1]


def test_relation_collections_are_paged_alike(cinema_app):
    pages, bodies = walk(cinema_app, "/api/studios/1/films?limit=2&order_by=-year")
    assert pages == [[5, 4], [3, 2], [1]]
    assert {body["total_count"] for body in bodies} == {5}


def test_a_page_has_the_default_size_of_the_application(serve, cinema, fill):
    served = serve(cinema.Base, API_PAGINATION_SIZE_DEFAULT=4, API_PAGINATION_SIZE_MAX=4)
    fill(served, cinema)
    body = served.get("/api/films").get_json()
    assert [record["id"] for record in body["value"]] == [1, 2, 3, 4]
    assert dict(parse_qsl(urlsplit(body["next_url"]).query)) == {"limit": "4", "page": "2"}
    error_of(served.get("/api/films?limit=5"), 400, "limit_exceeds_maximum")


def test_without_any_option_a_page_has_twenty_rows_and_at_most_a_hundred(serve, cinema, fill):
    served = serve(cinema.Base)
    fill(served, cinema, films=101)
    assert len(served.value("/api/films")) == 20
    assert len(served.value("/api/films?limit=100")) == 100
    errors = error_of(served.get("/api/films?limit=101"), 400, "limit_exceeds_maximum")
    assert errors["message"] == "Limit exceeds maximum value of 100"


def test_meta_sets_the_sizes_of_one_model_and_of_one_method(reels):
    assert len(reels.value("/api/reels")) == 3
    assert len(reels.value("/api/reels?limit=7")) == 7
    assert "7" in error_of(reels.get("/api/reels?limit=8"), 400, "limit_exceeds_maximum")["message"]
    assert len(reels.value("/api/stills")) == 2
    assert len(reels.value("/api/stills?limit=100")) == 5


def test_a_default_above_the_maximum_is_cut_to_it(serve, cinema, fill):
    served = serve(cinema.Base, API_PAGINATION_SIZE_DEFAULT=50, API_PAGINATION_SIZE_MAX=2)
    fill(served, cinema)
    assert walk(served, "/api/films")[0] == [[1, 2], [3, 4], [5]]


NOT_NUMBERS = [
    "0",
    "-1",
    "-0",
    "00",
    "",
    "x",
    "1.0",
    "1e1",
    "+1",
    " 1",
    "0x1",
    "null",
    "1,2",
    "\uff19",
    "1" * 31,
    "9" * 5000,
]


@pytest.mark.parametrize("value", NOT_NUMBERS)
@pytest.mark.parametrize(
    "name, message", [("page", "Page number must be an integer."), ("limit", "Items per page must be an integer.")]
)
def test_a_page_or_limit_that_is_no_positive_number_is_refused(cinema_app, name, message, value):
    errors = error_of(cinema_app.get("/api/films", query_string={name: value}), 400, f"invalid_{name}")
    assert errors["message"].startswith(message)


@pytest.mark.contract("rest 12, D19")
@pytest.mark.contract("rest 13 group 4")
@pytest.mark.parametrize("value", ["101", "1000000", "9" * 24])
def test_a_limit_above_the_maximum_is_refused(cinema_app, value):
    error_of(cinema_app.get(f"/api/films?limit={value}"), 400, "limit_exceeds_maximum")


@pytest.mark.parametrize("limit", [1, 100])
def test_the_last_page_there_can_be_is_the_same_for_every_limit(cinema_app, limit):
    greatest = 2**62 // 100
    assert cinema_app.get(f"/api/films?limit={limit}&page={greatest}").get_json()["value"] == []
    error_of(cinema_app.get(f"/api/films?limit={limit}&page={greatest + 1}"), 400, "invalid_page")


@pytest.mark.parametrize("page", [3, 4, 1000, 2**31, 2**40])
def test_a_page_past_the_end_is_empty_and_leads_back_only_to_a_page_with_rows(cinema_app, page):
    body = cinema_app.get(f"/api/films?limit=5&page={page}").get_json()
    assert (body["status_code"], body["value"], body["total_count"]) == (200, [], 5)
    assert (body["next_url"], body["previous_url"]) == (None, None)


def test_the_first_page_past_the_end_leads_back_to_the_last_one(cinema_app):
    body = cinema_app.get("/api/films?limit=5&page=2").get_json()
    assert body["value"] == []
    assert path_of(body["previous_url"]) == "/api/films?limit=5&page=1"


@pytest.mark.parametrize("page", ["9" * 20, "9" * 30])
def test_a_page_beyond_any_table_is_refused(cinema_app, page):
    error_of(cinema_app.get(f"/api/films?page={page}"), 400, "invalid_page")


def test_an_empty_collection_is_one_empty_page(serve, cinema):
    body = serve(cinema.Base).get("/api/films").get_json()
    assert (body["value"], body["total_count"], body["next_url"], body["previous_url"]) == ([], 0, None, None)


def test_total_count_counts_what_the_filters_leave(reels):
    for query, total in (("year__eq=1", 8), ("year__eq=1&page=3", 8), ("year__eq=1&page=9", 8), ("year__gt=9", 0)):
        assert reels.get(f"/api/reels?{query}").get_json()["total_count"] == total


@pytest.mark.contract("rest 13 group 4")
@pytest.mark.parametrize("order", ["", "&order_by=title", "&order_by=-title,year", "&order_by=-year", "&order_by=-id"])
def test_rows_that_are_equal_in_the_order_keep_their_place_on_every_page(reels, order):
    pages, _ = walk(reels, f"/api/reels?limit=4{order}")
    seen = [number for page in pages for number in page]
    assert sorted(seen) == list(range(1, MANY + 1))
    again, _ = walk(reels, f"/api/reels?limit=7{order}")
    assert [number for page in again for number in page] == seen


# --- links ------------------------------------------------------------------------------------------------------------

LINKED = [
    "limit=2",
    "limit=2&page=1",
    "page=1&limit=2",
    "title__ilike=film&limit=2&order_by=-id&fields=id,title&page=1",
    "order_by=id&_=17&limit=2&dump=url",
    "or[title__ilike=film,year__gt=2000]&limit=2&or[id__in=(1,2,3,4,5),year__eq=null]",
    "or%5Btitle__ilike%3Dfilm%2Cyear__gt%3D2000%5D&limit=2",
    "or[title__ne=a%2Bb,title__ne=a b]&limit=2",
    "title__ne=a%2Bb&limit=2",
    "title__ne=a+b&limit=2",
    "title__ne=na%C3%AFve%20%F0%9F%98%80&limit=2",
    "title__ne=100%25%26x%3D1%23top&limit=2",
    "title__ne=a;b&limit=2",
    "title__ne=&limit=2&dump_relationships",
    "title__ne=a&title__ne=b&title__ne=c&limit=2",
    "id__in=1,2,3,4,5&limit=2",
    "released__eq=null&limit=2",
]


@pytest.mark.parametrize("query", LINKED)
def test_a_link_keeps_every_parameter_in_its_place_and_asks_the_same(cinema_app, query):
    body = cinema_app.get(f"/api/films?{query}").get_json()
    assert body["status_code"] == 200, body
    given = parse_qsl(query, keep_blank_values=True)
    linked = parse_qsl(urlsplit(body["next_url"]).query, keep_blank_values=True)
    expected = [(name, "2" if name == "page" else value) for name, value in given]
    if "page" not in dict(given):
        expected.append(("page", "2"))
    assert linked == expected
    # A query may hold these, and everything else percent-encoded (RFC 3986, 3.4).
    assert re.fullmatch(r"([A-Za-z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F]{2})*", urlsplit(body["next_url"]).query)
    pages, _ = walk(cinema_app, f"/api/films?{query}")
    assert sorted(number for page in pages for number in page) == [1, 2, 3, 4, 5]
    second = cinema_app.get(path_of(body["next_url"])).get_json()
    back = cinema_app.get(path_of(second["previous_url"])).get_json()
    assert back["value"] == body["value"]
    assert back["next_url"] == body["next_url"]


def test_links_are_absolute_and_know_the_host_and_the_mount_point(cinema_app):
    response = cinema_app.get("/api/films?limit=2", base_url="https://films.example:8443/shop")
    assert response.get_json()["next_url"] == "https://films.example:8443/shop/api/films?limit=2&page=2"


def test_a_parameter_that_can_have_one_value_only_is_refused_twice(cinema_app):
    for query in ("page=1&page=2", "limit=1&limit=1", "dump=url&dump=url"):
        error_of(cinema_app.get(f"/api/films?{query}"), 400, "duplicate_parameter")


# --- order_by ---------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 3.4")
@pytest.mark.parametrize(
    "query, expected",
    [
        ("order_by=-id", [5, 4, 3, 2, 1]),
        ("orderby=-id", [5, 4, 3, 2, 1]),
        ("orderby=id&order_by=-id", [5, 4, 3, 2, 1]),
        ("order_by=-id&orderby=id", [5, 4, 3, 2, 1]),
        ("order_by=-year,title", [5, 4, 3, 2, 1]),
        ("order_by= -year , title ", [5, 4, 3, 2, 1]),
        ("order_by=%2Byear", [1, 2, 3, 4, 5]),
        ("order_by=-film.year", [5, 4, 3, 2, 1]),
        ("order_by=-Film.year", [5, 4, 3, 2, 1]),
        ("order_by=studio_id", [1, 2, 3, 4, 5]),
        ("order_by=studio_id,-budget", [5, 4, 3, 2, 1]),
        ("order_by=-id,id", [5, 4, 3, 2, 1]),
        ("order_by=", [1, 2, 3, 4, 5]),
        ("order_by=,", [1, 2, 3, 4, 5]),
    ],
)
def test_rows_come_in_the_order_that_was_asked_for(cinema_app, query, expected):
    assert [record["id"] for record in cinema_app.value(f"/api/films?{query}")] == expected


@pytest.mark.contract("rest 3.4")
@pytest.mark.parametrize(
    "name",
    ["titel", "-titel", "studio", "awards", "metadata", "registry", "__table__", "-", "--", "studio.nmae", "id;x"],
)
def test_only_published_columns_can_be_sorted_by(cinema_app, name):
    errors = error_of(cinema_app.get("/api/films", query_string={"order_by": name}), 400)
    assert errors["reason"] in ("invalid_column", "invalid_table")
    if "titel" in name:
        assert errors["suggestions"] == ["title"]
        assert errors["message"] == "Invalid column name: titel. Did you mean title?"


@pytest.mark.contract("rest 3.4")
def test_hidden_and_json_columns_cannot_be_sorted_by(reels):
    error_of(reels.get("/api/reels?order_by=pin"), 400, "invalid_column")
    error_of(reels.get("/api/reels?order_by=extra"), 400, "not_sortable")


@pytest.mark.contract("rest 3.4")
def test_the_key_is_the_last_sort_key_of_every_page(cinema_app):
    with count_statements(cinema_app.engine) as log:
        cinema_app.value("/api/films?order_by=-title")
    assert "title DESC, films.id" in log.statements[0].replace("`", "").replace("\n", "")


# --- fields -----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 3.3")
@pytest.mark.parametrize(
    "fields, keys",
    [
        ("title", {"title"}),
        ("id,title", {"id", "title"}),
        (" id , title ", {"id", "title"}),
        ("id,id", {"id"}),
        ("film.title,Film.id", {"id", "title"}),
        ("title,studio", {"title", "studio"}),
        ("awards", {"awards"}),
    ],
)
def test_only_the_chosen_fields_are_shown_on_every_route(cinema_app, fields, keys):
    for url in ("/api/films", "/api/studios/1/films"):
        assert {frozenset(record) for record in cinema_app.value(url, query_string={"fields": fields})} == {
            frozenset(keys)
        }
    assert cinema_app.value("/api/films/1", query_string={"fields": fields}).keys() == keys
    changed = cinema_app.patch("/api/films/1", query_string={"fields": fields}, json={"year": 1999})
    assert changed.get_json()["value"].keys() == keys
    created = cinema_app.post("/api/films", query_string={"fields": fields}, json={"title": "New"})
    assert (created.status_code, created.get_json()["value"].keys()) == (201, keys)


@pytest.mark.contract("rest 3.3")
def test_fields_given_twice_add_up_and_empty_fields_count_as_absent(cinema_app):
    assert cinema_app.value("/api/films/1?fields=id&fields=title").keys() == {"id", "title"}
    assert cinema_app.value("/api/films/1?fields=") == cinema_app.value("/api/films/1")
    assert cinema_app.value("/api/films/1?fields=,") == cinema_app.value("/api/films/1")


@pytest.mark.contract("rest 3.3")
def test_the_choice_of_fields_reaches_sql(cinema_app):
    with count_statements(cinema_app.engine) as log:
        cinema_app.value("/api/films?fields=title&limit=2")
    selected = log.statements[0].partition("FROM")[0]
    assert "title" in selected
    assert not any(name in selected for name in ("year", "budget", "studio_id"))


@pytest.mark.contract("core 12 9")
@pytest.mark.contract("rest 3.3")
@pytest.mark.parametrize(
    "url, method", [("/api/films", "get"), ("/api/films/1", "get"), ("/api/studios/1/films", "get")]
)
def test_an_unknown_field_is_refused_on_every_route(cinema_app, url, method):
    errors = error_of(cinema_app.open(f"{url}?fields=id,titel", method=method.upper()), 400, "invalid_column")
    assert errors["message"] == "Invalid column name: titel. Did you mean title?"
    error_of(cinema_app.get(f"{url}?fields=awards.label"), 400, "invalid_table")


@pytest.mark.contract("rest 3.3")
@pytest.mark.parametrize("method, url", [("POST", "/api/films"), ("PATCH", "/api/films/1"), ("PUT", "/api/films/1")])
def test_an_unknown_field_is_refused_before_anything_is_written(cinema_app, method, url):
    body = {"title": "Changed"}
    error_of(cinema_app.open(f"{url}?fields=titel", method=method, json=body), 400, "invalid_column")
    assert cinema_app.scalar("SELECT count(*) FROM films WHERE title = 'Changed'") == 0


@pytest.mark.contract("rest 3.3")
def test_a_hidden_field_cannot_be_chosen(reels):
    error_of(reels.get("/api/reels?fields=pin"), 400, "invalid_column")


def test_only_parameters_of_a_collection_are_refused_on_an_item(cinema_app):
    for query in ("page=1", "limit=1", "order_by=id", "title__eq=x", "or[id__eq=1]", "include=studio"):
        error_of(cinema_app.get(f"/api/films/1?{query}"), 400, "unknown_parameter")
        error_of(cinema_app.delete(f"/api/films/1?{query}"), 400, "unknown_parameter")
    assert cinema_app.scalar("SELECT count(*) FROM films") == 5
