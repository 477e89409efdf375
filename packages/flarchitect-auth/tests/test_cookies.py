"""Tokens in cookies, and requests that pages of others make (auth 12, S-22, 17.29)."""

from __future__ import annotations

import datetime as dt

import pytest

from flarchitect_auth import functions, providers
from flarchitect_auth.decorators import public
from flarchitect_core.access.identity import get_current_user
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.testing import error_of

COOKIES = {"API_AUTH_TOKEN_PROVIDERS": ["cookie", "header"], "API_AUTH_SET_COOKIES": True}
HTTPS = {"base_url": "https://localhost"}


def login(served, **arguments):
    body = {"username": "mira", "password": "correct horse battery"}
    response = served.post("/auth/login", json=body, **{**HTTPS, **arguments})
    assert response.status_code == 200
    return response


def cookie(served, name):
    found = served.client.get_cookie(name)
    return None if found is None else found.decoded_value


@pytest.mark.contract("auth S-22")
def test_cookies_are_of_this_host_alone_and_scripts_see_none_of_the_tokens(start):
    set_cookies = {line.split("=")[0]: line for line in login(start(**COOKIES)).headers.getlist("Set-Cookie")}
    assert set_cookies.keys() == {"__Host-access_token", "__Host-refresh_token", "__Host-csrf_token"}
    for name, line in set_cookies.items():
        attributes = set(line.split("; ")[1:])
        assert {"Secure", "Path=/", "SameSite=Lax"} <= attributes
        assert ("HttpOnly" in attributes) == (name != "__Host-csrf_token")
        assert not any(each.startswith("Domain") for each in attributes)


@pytest.mark.contract("auth S-22")
@pytest.mark.parametrize(
    "config, names, attributes",
    [
        ({"DEBUG": True}, {"access_token", "refresh_token", "csrf_token"}, set()),
        ({"DEBUG": True, "SESSION_COOKIE_SECURE": True}, {"__Host-access_token"}, {"Secure"}),
        ({"SESSION_COOKIE_SECURE": False, "SESSION_COOKIE_HTTPONLY": False}, {"__Host-access_token"}, {"HttpOnly"}),
        ({"SESSION_COOKIE_SAMESITE": "Strict"}, {"__Host-access_token"}, {"SameSite=Strict"}),
        ({"API_COOKIE_DEFAULTS": {"domain": "shop.test"}}, {"access_token"}, {"Domain=shop.test", "Secure"}),
        ({"API_COOKIE_DEFAULTS": {"path": "/api"}}, {"access_token"}, {"Path=/api", "Secure"}),
        ({"API_COOKIE_DEFAULTS": {"secure": False}}, {"access_token"}, {"HttpOnly"}),
        ({"API_AUTH_COOKIE_NAME": "at"}, {"__Host-at"}, {"Secure"}),
    ],
)
def test_the_configuration_decides_names_and_attributes(start, config, names, attributes):
    served = start(prepare=lambda app: setattr(app, "debug", config.pop("DEBUG", False)), **COOKIES, **config)
    lines = login(served).headers.getlist("Set-Cookie")
    assert names <= {line.split("=")[0] for line in lines}
    (access,) = [line for line in lines if line.split("=")[0] in names and "csrf" not in line and "refresh" not in line]
    assert attributes <= set(access.split("; "))


@pytest.mark.contract("auth 12")
def test_a_cookie_carries_the_token_of_reading_requests(start):
    served = start(**COOKIES)
    login(served)
    assert served.get("/plain", **HTTPS).get_json() == {"user": "mira"}
    assert served.head("/plain", **HTTPS).status_code == 200


@pytest.mark.contract("auth S-22")
@pytest.mark.contract("auth 17.29")
@pytest.mark.parametrize(
    "headers, status",
    [
        ({}, 403),
        ({"X-CSRF-Token": "wrong"}, 403),
        ({"X-CSRF-Token": "é"}, 403),
        ({"X-CSRF-Token": "wrong", "Sec-Fetch-Site": "same-origin"}, 403),
        ({"Origin": "https://evil.test"}, 403),
        ({"Origin": "http://localhost"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({"Origin": "https://localhost:99999"}, 403),
        ({"Origin": "https://localhost.evil.test"}, 403),
        ({"Origin": "https://localhost", "Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Referer": "https://localhost/"}, 403),
        ({"Origin": "https://localhost"}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
def test_a_request_that_changes_something_shows_whose_page_makes_it(start, headers, status):
    served = start(**COOKIES)
    login(served)
    response = served.post("/plain", headers=headers, **HTTPS)
    assert response.status_code == status
    if status == 403:
        assert "__Host-csrf_token" in error_of(response, 403, "csrf_failed")["message"]


@pytest.mark.contract("auth S-22")
def test_the_value_of_the_cookie_repeated_in_the_header_shows_it(start):
    served = start(**COOKIES)
    login(served)
    value = cookie(served, "__Host-csrf_token")
    assert served.post("/plain", headers={"X-CSRF-Token": value}, **HTTPS).status_code == 200
    login(served)
    # It belongs to the token of the first login, and to no other.
    error_of(served.post("/plain", headers={"X-CSRF-Token": value}, **HTTPS), 403, "csrf_failed")


@pytest.mark.contract("auth S-22")
def test_a_token_in_the_header_needs_no_such_proof(start, kit):
    served = start(**COOKIES)
    token = login(served).get_json()["value"]["access_token"]
    client = served.app.test_client(use_cookies=False)
    assert client.post("/plain", headers=kit.bearer(token), **HTTPS).status_code == 200


@pytest.mark.contract("auth S-22")
@pytest.mark.contract("auth 5.3")
def test_cookies_are_renewed_for_pages_of_ours_alone(start):
    served = start(**COOKIES)
    login(served)
    before = cookie(served, "__Host-refresh_token")
    error_of(served.post("/auth/refresh", **HTTPS), 403, "csrf_failed")
    value = cookie(served, "__Host-csrf_token")
    response = served.post("/auth/refresh", headers={"X-CSRF-Token": value}, **HTTPS)
    assert response.status_code == 200
    assert cookie(served, "__Host-refresh_token") != before
    assert cookie(served, "__Host-csrf_token") != value
    assert served.get("/plain", **HTTPS).status_code == 200
    assert served.post("/auth/refresh", headers={"Sec-Fetch-Site": "same-origin"}, **HTTPS).status_code == 200


def test_without_any_refresh_token_there_is_nothing_to_renew(start):
    error_of(start(**COOKIES).post("/auth/refresh", **HTTPS), 400, "refresh_token_missing")


@pytest.mark.contract("auth S-22")
def test_a_proof_can_still_be_given_after_the_access_token_has_expired(start):
    served = start(**COOKIES)
    login(served)
    value = cookie(served, "__Host-csrf_token")
    served.client.delete_cookie("__Host-access_token")
    assert served.post("/auth/refresh", headers={"X-CSRF-Token": value}, **HTTPS).status_code == 200


@pytest.mark.contract("auth 5.4")
def test_a_logout_clears_the_cookies(start):
    served = start(**COOKIES)
    login(served)
    error_of(served.post("/auth/logout", **HTTPS), 403, "csrf_failed")
    value = cookie(served, "__Host-csrf_token")
    token = cookie(served, "__Host-refresh_token")
    assert served.post("/auth/logout", headers={"X-CSRF-Token": value}, **HTTPS).status_code == 200
    for name in ("access", "refresh", "csrf"):
        assert cookie(served, f"__Host-{name}_token") is None
    error_of(served.refresh(token), 403)


def test_a_strange_cookie_is_401(start):
    served = start(**COOKIES)
    for value in ("x", "a.b.c", "\u00e9", "x" * 9000):
        response = served.get("/plain", headers={"Cookie": f"__Host-access_token={value}"}, **HTTPS)
        error_of(response, 401)


# --- providers --------------------------------------------------------------------------------------------------------


def from_query(request):
    return request.args.get("token")


def failing(request):
    raise RuntimeError("canary")


@pytest.mark.contract("auth 12")
def test_the_first_provider_with_a_token_decides(start, kit, caplog):
    served = start(API_AUTH_TOKEN_PROVIDERS=[failing, from_query, "header"])
    token = served.login()["access_token"]
    assert served.get(f"/plain?token={token}").status_code == 200
    assert served.get("/plain?token=%20", headers=kit.bearer(token)).status_code == 200
    error_of(served.get("/plain?token=x", headers=kit.bearer(token)), 401, "invalid_token")
    assert "failing" in caplog.text
    assert "canary" not in caplog.text


@pytest.mark.contract("auth 12")
@pytest.mark.parametrize("entry", ["headr", "no.such.module", "os.path.nothing", "os.sep", ["header", 7], [None]])
def test_what_is_no_provider_stops_the_start(start, entry):
    with pytest.raises(ConfigurationError, match="API_AUTH_TOKEN_PROVIDERS"):
        start(API_AUTH_TOKEN_PROVIDERS=entry)


@pytest.mark.contract("auth 12")
def test_code_can_look_for_tokens_too(start):
    served = start(API_AUTH_TOKEN_PROVIDERS="cookie, header")
    with served.app.test_request_context(headers={"Cookie": "access_token=a.b.c; other=d.e.f"}):
        assert providers.extract_token_from_request() == ("a.b.c", "cookie")
        assert providers.extract_token_from_cookie("other") == "d.e.f"
        assert providers.extract_token_from_cookie("none") is None
    with served.app.test_request_context(headers={"Authorization": "Bearer g.h.i"}):
        assert providers.extract_token_from_request() == ("g.h.i", "header")
        assert [name for name, _ in providers.resolve_token_providers()] == ["cookie", "header"]
    with served.app.app_context():
        assert providers.extract_token_from_request() == (None, None)


@pytest.mark.contract("auth 12")
def test_a_public_view_can_load_the_user_from_a_cookie(start, kit):
    outcomes = []

    def prepare(app):
        @app.route("/page", methods=["GET", "POST"])
        @public
        def page():
            silent = "silent" in app_request.args
            outcomes.append(functions.load_user_from_cookie(silent=silent))
            user = get_current_user()
            return {"user": None if user is None else user.username}

    from flask import request as app_request

    served = start(prepare=prepare)
    token = served.login()["access_token"]
    assert served.get("/page").get_json() == {"user": None}
    headers = {"Cookie": f"access_token={token}"}
    client = served.app.test_client(use_cookies=False)
    assert client.get("/page", headers=headers).get_json() == {"user": "mira"}
    error_of(client.get("/page", headers={"Cookie": "access_token=x"}), 401, "invalid_token")
    assert client.get("/page?silent", headers={"Cookie": "access_token=x"}).get_json() == {"user": None}
    error_of(client.post("/page", headers=headers), 403, "csrf_failed")
    assert outcomes == [False, True, False]


def test_cookies_end_with_their_tokens(start):
    line = next(each for each in login(start(**COOKIES)).headers.getlist("Set-Cookie") if "access" in each)
    expires = next(each for each in line.split("; ") if each.startswith("Expires="))
    ends = dt.datetime.strptime(expires[8:], "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=dt.timezone.utc)
    left = ends - dt.datetime.now(dt.timezone.utc)
    assert dt.timedelta(minutes=355) < left <= dt.timedelta(minutes=360)
