"""How rows are counted, and the links between pages."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from werkzeug.middleware.proxy_fix import ProxyFix

from flarchitect_core.testing import count_statements, error_of

pytestmark = pytest.mark.contract("F35")


@pytest.fixture
def films(serve, cinema, fill):
    """Serve 25 films with options of a test."""

    def start(**config):
        served = serve(cinema.Base, **config)
        fill(served, cinema, films=25)
        if served.engine.dialect.name == "postgresql":
            served.execute(sa.text("ANALYZE films"))
        return served

    return start


def links_of(response):
    """Read a `Link` header: relation to the parameters of its URL."""
    found = {}
    for part in response.headers["Link"].split(", <"):
        url, _, relation = part.lstrip("<").partition('>; rel="')
        found[relation.rstrip('"')] = url
    return found


def queries_of(response):
    return {name: parse_qs(urlsplit(url).query, keep_blank_values=True) for name, url in links_of(response).items()}


def walk(served, url):
    bodies = []
    while url is not None:
        bodies.append(served.get(url).get_json())
        url = bodies[-1]["next_url"]
    return bodies


def test_the_count_is_exact_by_default_and_nothing_else_is_said(films):
    response = films().get("/api/films?limit=10")
    assert response.get_json()["total_count"] == 25
    assert "X-Total-Count-Kind" not in response.headers


@pytest.mark.parametrize("kind", ["exact", "capped", "estimated", "none"])
@pytest.mark.parametrize("limit", [4, 5, 25, 30])
def test_the_links_lead_to_every_row_however_rows_are_counted(films, kind, limit):
    bodies = walk(films(), f"/api/films?limit={limit}&count={kind}")
    assert [row["id"] for body in bodies for row in body["value"]] == list(range(1, 26))
    assert [body["previous_url"] is None for body in bodies] == [True] + [False] * (len(bodies) - 1)


def test_without_a_count_there_is_no_total_and_one_statement(films):
    served = films()
    with count_statements(served.engine) as log:
        response = served.get("/api/films?limit=10&count=none")
    assert response.get_json()["total_count"] is None
    assert len(log.statements) == 1
    assert response.get_json()["next_url"] is not None
    assert "X-Total-Count-Kind" not in response.headers


def test_a_capped_count_says_whether_there_are_more(films):
    served = films(API_COUNT_CAP=12)
    response = served.get("/api/films?limit=5&count=capped")
    assert (response.get_json()["total_count"], response.headers["X-Total-Count-Kind"]) == (12, "capped")
    for query, total in (("id__le=12", 12), ("id__le=11", 11), ("id__gt=99", 0)):
        response = served.get(f"/api/films?limit=5&count=capped&{query}")
        assert response.get_json()["total_count"] == total
        assert "X-Total-Count-Kind" not in response.headers
    # Past the cap, pages go on.
    body = served.get("/api/films?limit=5&page=4&count=capped").get_json()
    assert len(body["value"]) == 5
    assert body["next_url"] is not None
    # A page that shows the end knows the total.
    response = served.get("/api/films?limit=10&page=3&count=capped")
    assert (response.get_json()["total_count"], response.headers.get("X-Total-Count-Kind")) == (25, None)


def test_an_estimate_is_the_planners_on_postgresql_and_capped_elsewhere(films, database_kind):
    served = films(API_COUNT_CAP=12)
    with count_statements(served.engine) as log:
        response = served.get("/api/films?limit=5&count=estimated")
    total, kind = response.get_json()["total_count"], response.headers["X-Total-Count-Kind"]
    assert len(log.statements) == 2
    if database_kind == "postgresql":
        assert (total, kind) == (25, "estimated")
        assert "EXPLAIN" in log.statements[1]
    else:
        assert (total, kind) == (12, "capped")
    filtered = served.get("/api/films?limit=2&count=estimated&id__in=(1,2,3,4)&title__like=Film&studio.city__eq=Oslo")
    assert filtered.status_code == 200
    assert isinstance(filtered.get_json()["total_count"], int)
    assert served.get("/api/studios/1/films?limit=2&count=estimated").get_json()["total_count"] > 0


@pytest.mark.parametrize("kind", ["capped", "estimated", "exact"])
def test_rows_that_a_callback_hides_are_not_counted(films, kind):
    def visible(query, model, parameters):
        if model.__name__ != "Film":
            return query
        return query.where(model.id <= int(parameters["seen"][0]))

    served = films(API_FILTER_CALLBACK=visible, API_UNKNOWN_PARAMETERS="ignore", API_COUNT_CAP=3)
    for seen in (9, 4, 20, 2):
        body = served.get(f"/api/films?limit=2&count={kind}&seen={seen}").get_json()
        assert body["total_count"] is not None
        if kind == "exact":
            assert body["total_count"] == seen
        elif served.engine.dialect.name != "postgresql" or kind == "capped":
            assert body["total_count"] == min(seen, 3)
        else:
            assert body["total_count"] < 25


def test_options_choose_the_default_and_may_refuse_the_parameter(films):
    served = films(API_COUNT="none")
    assert served.get("/api/films?limit=5").get_json()["total_count"] is None
    assert served.get("/api/films?limit=5&count=exact").get_json()["total_count"] == 25
    served.app.config["API_ALLOW_COUNT"] = False
    assert served.get("/api/films?limit=5&count=exact").get_json()["total_count"] is None


def test_an_unknown_kind_is_refused(films):
    served = films()
    errors = error_of(served.get("/api/films?count=exactly"), 400, "invalid_count")
    assert errors["message"] == "Invalid count: exactly. Supported: exact, capped, estimated, none."
    error_of(served.get("/api/films?count="), 400, "invalid_count")
    error_of(served.get("/api/films?count=none&count=none"), 400, "duplicate_parameter")
    error_of(served.get("/api/films/1?count=none"), 400, "unknown_parameter")


def test_pages_by_cursor_are_counted_only_when_that_is_asked_for(films):
    served = films()
    with count_statements(served.engine) as log:
        assert served.get("/api/films?limit=5&cursor=").get_json()["total_count"] is None
    assert len(log.statements) == 1
    bodies = walk(served, "/api/films?limit=10&cursor=&count=exact&id__gt=3")
    assert [body["total_count"] for body in bodies] == [22, 22, 22]


# --- Link -------------------------------------------------------------------------------------------------------------


@pytest.mark.contract("F37")
@pytest.mark.parametrize("path", ["/api/films", "/api/studios/1/films"])
def test_link_leads_to_the_other_pages(films, path):
    response = films().get(f"{path}?year__gt=0&limit=10&page=2&order_by=-id")
    found = queries_of(response)
    assert {name: query["page"] for name, query in found.items()} == {
        "next": ["3"], "prev": ["1"], "first": ["1"], "last": ["3"]
    }  # fmt: skip
    assert all(query["year__gt"] == ["0"] and query["order_by"] == ["-id"] for query in found.values())
    links, body = links_of(response), response.get_json()
    assert (links["next"], links["prev"]) == (body["next_url"], body["previous_url"])


@pytest.mark.contract("F37")
def test_link_has_the_last_page_only_when_rows_were_counted(films):
    served = films()
    assert queries_of(served.get("/api/films?limit=10&count=none")).keys() == {"next", "first"}
    assert queries_of(served.get("/api/films?limit=30")).keys() == {"first", "last"}
    assert queries_of(served.get("/api/films?limit=30&id__gt=99"))["last"]["page"] == ["1"]
    assert queries_of(served.get("/api/films?limit=10&page=9")).keys() == {"first", "last"}
    by_cursor = served.get("/api/films?limit=10&cursor=")
    assert queries_of(by_cursor).keys() == {"next", "first"}
    assert queries_of(by_cursor)["first"]["cursor"] == [""]
    following = queries_of(served.get(links_of(by_cursor)["next"]))
    assert following.keys() == {"next", "prev", "first"}


@pytest.mark.contract("F37")
def test_link_is_absolute_and_right_behind_a_proxy(films):
    served = films(API_PREFIX="/v1/äpi")
    served.app.wsgi_app = ProxyFix(served.app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)
    forwarded = {
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "shop.example",
        "X-Forwarded-Prefix": "/cinema",
    }
    response = served.get("/v1/äpi/films?limit=10", headers=forwarded)
    start = "https://shop.example/cinema/v1/%C3%A4pi/films?limit=10&page="
    assert links_of(response) == {"next": f"{start}2", "first": f"{start}1", "last": f"{start}3"}


@pytest.mark.contract("F37")
def test_link_never_grows_beyond_what_a_header_may_be(films):
    served = films()
    title = "x" * 1200
    response = served.get(f"/api/films?limit=10&title__ne={title}")
    assert links_of(response).keys() == {"next"}
    assert response.get_json()["next_url"] == links_of(response)["next"]
    assert "Link" not in served.get(f"/api/films?limit=10&title__ne={title * 2}").headers


@pytest.mark.contract("F37")
def test_link_holds_nothing_that_ends_a_url_early(films):
    response = films().get("/api/films", query_string={"title__ne": '>; rel="next", <http://x\r\n', "limit": "10"})
    assert links_of(response).keys() == {"next", "first", "last"}
    assert response.headers["Link"].count("<") == 3
