"""Calls from pages of other origins."""

from __future__ import annotations

import re

import pytest

from flarchitect_core.errors import ConfigurationError

SHOP = "https://shop.example"
URL = "/api/studios"


@pytest.fixture
def opened(serve, cinema, fill):
    """Serve the cinema to other origins."""

    def start(rules, **config):
        served = serve(cinema.Base, API_ENABLE_CORS=True, CORS_RESOURCES=rules, **config)
        fill(served, cinema)
        return served

    return start


def allowed(response):
    return response.headers.get("Access-Control-Allow-Origin")


@pytest.mark.contract("rest 9.3")
@pytest.mark.parametrize("origins", [SHOP, [SHOP, "https://other.example"], r"https://.*\.example"])
def test_a_named_origin_is_let_in_and_no_other(opened, origins):
    served = opened({r"/api/.*": {"origins": origins}})
    response = served.get(URL, headers={"Origin": SHOP})
    assert allowed(response) == SHOP
    assert "origin" in response.vary
    for headers in ({"Origin": "https://evil.invalid"}, {}):
        response = served.get(URL, headers=headers)
        assert allowed(response) is None
        assert "origin" in response.vary


@pytest.mark.contract("rest 9.3")
@pytest.mark.parametrize("headers", [{"Origin": SHOP}, {}])
def test_everybody_is_let_in_with_a_star(opened, headers):
    response = opened({r"/api/.*": {"origins": "*"}}).get(URL, headers=headers)
    assert allowed(response) == "*"
    assert "Access-Control-Allow-Credentials" not in response.headers
    assert "origin" not in response.vary


@pytest.mark.contract("rest 9.3, D57")
def test_a_preflight_is_answered_and_not_counted(opened):
    served = opened({r"/api/.*": {"origins": SHOP}}, API_RATE_LIMIT="1 per day")
    asked = {
        "Origin": SHOP,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "Content-Type, X-API-Key",
    }
    for _ in range(3):
        response = served.client.options(f"{URL}/1", headers=asked)
        assert response.status_code == 200
        assert allowed(response) == SHOP
        assert "PATCH" in response.headers["Access-Control-Allow-Methods"]
        assert response.headers["Access-Control-Allow-Headers"] == "Content-Type, X-API-Key"
        assert "origin" in response.vary
    asked["Origin"] = "https://evil.invalid"
    assert allowed(served.client.options(f"{URL}/1", headers=asked)) is None


@pytest.mark.contract("rest 9.3")
@pytest.mark.parametrize(
    "method, url, status",
    [("GET", f"{URL}/99", 404), ("GET", "/api/unknown", 404), ("PUT", URL, 405), ("GET", f"{URL}?nome=1", 400)],
)
def test_errors_can_be_read_by_the_page(opened, method, url, status):
    response = opened({r"/api/.*": {"origins": SHOP}}).open(url, method=method, headers={"Origin": SHOP})
    assert (response.status_code, allowed(response)) == (status, SHOP)


def test_limits_and_their_headers_can_be_read_by_the_page(opened):
    served = opened({r"/api/.*": {"origins": SHOP}}, API_RATE_LIMIT="1 per day")
    responses = [served.get(URL, headers={"Origin": SHOP}) for _ in range(2)]
    assert [response.status_code for response in responses] == [200, 429]
    for response in responses:
        assert allowed(response) == SHOP
        exposed = set(response.headers["Access-Control-Expose-Headers"].split(", "))
        assert {"X-Request-ID", "Location", "Retry-After", "X-RateLimit-Remaining"} <= exposed
        assert {"Content-Disposition", "Idempotency-Replayed", "Preference-Applied", "Deprecation", "Sunset"} <= exposed


def test_a_kept_answer_is_for_one_origin_only(opened):
    served = opened({r"/api/.*": {"origins": [SHOP, "https://other.example"]}}, API_CACHE_TYPE="SimpleCache")
    for origin in (SHOP, "https://other.example", SHOP):
        assert allowed(served.get(URL, headers={"Origin": origin})) == origin


@pytest.mark.contract("bar F122")
@pytest.mark.parametrize("origins", ["*", [SHOP, "*"], ".*", [r"https?://.*"]])
@pytest.mark.parametrize("where", ["rule", "config"])
def test_credentials_for_everybody_stop_the_start(opened, origins, where):
    rule = {"origins": origins, **({"supports_credentials": True} if where == "rule" else {})}
    config = {"CORS_SUPPORTS_CREDENTIALS": True} if where == "config" else {}
    with pytest.raises(ConfigurationError, match="CORS_RESOURCES"):
        opened({r"/api/.*": rule}, **config)


def test_credentials_for_a_named_origin(opened):
    served = opened({r"/api/.*": {"origins": SHOP, "supports_credentials": True}})
    response = served.get(URL, headers={"Origin": SHOP})
    assert (allowed(response), response.headers["Access-Control-Allow-Credentials"]) == (SHOP, "true")


@pytest.mark.contract("bar F122")
@pytest.mark.contract("decisions 13")
@pytest.mark.parametrize(
    "rules, problem",
    [
        ({"/api/.*": {}}, "names no origin"),
        ({"/api/.*": "*"}, "must be a dictionary"),
        ({"/api/(": {"origins": "*"}}, "does not take"),
        ("*", "must be a dictionary"),
    ],
)
def test_a_wrong_rule_stops_the_start(opened, rules, problem):
    with pytest.raises(ConfigurationError, match=re.escape(problem)):
        opened(rules)


@pytest.mark.contract("rest 9.3")
def test_without_rules_or_the_switch_nobody_is_let_in(serve, cinema, caplog):
    served = serve(cinema.Base, API_ENABLE_CORS=True)
    assert allowed(served.get(URL, headers={"Origin": SHOP})) is None
    assert "CORS_RESOURCES is empty" in caplog.text
    off = serve(cinema.Base, CORS_RESOURCES={"/api/.*": {"origins": "*"}})
    assert allowed(off.get(URL, headers={"Origin": SHOP})) is None


def test_the_rest_of_the_application_is_left_alone(opened):
    served = opened({r"/api/.*": {"origins": SHOP}})
    response = served.get("/static/none.css", headers={"Origin": SHOP})
    assert allowed(response) is None
    assert "origin" not in response.vary
