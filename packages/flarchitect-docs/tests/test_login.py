"""The shared password in front of the documentation (docs 2.1, D-17 to D-19); accounts are tested with the facade."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, session
from itsdangerous import TimestampSigner
from werkzeug.test import Client, TestResponse

from flarchitect_core.errors import ConfigurationError
from flarchitect_core.testing import error_of

PASSWORD = "open sesame"
SPEC = "/docs/apispec.json"
# Everything that tells the document.
TELLING = (SPEC, "/docs/openapi.yaml", "/apispec.json", "/swagger.json", "/openapi.json")
BROWSER = {"Sec-Fetch-Site": "same-origin", "Origin": "null"}


@pytest.fixture
def app(make_app: Callable[..., Flask]) -> Flask:
    return make_app(API_DOCUMENTATION_PASSWORD=PASSWORD)


@pytest.fixture
def client(app: Flask) -> Client:
    return app.test_client()


def log_in(client: Client, password: str = PASSWORD, **more: Any) -> TestResponse:
    return client.post("/docs", data={"password": password}, **more)


def token_of(page: TestResponse) -> str:
    found = re.search(r'name="csrf_token" value="([0-9a-f]+)"', page.text)
    assert found, page.text
    return found[1]


def cookie_of(answer: TestResponse, name: str) -> str:
    (found,) = (cookie for cookie in answer.headers.getlist("Set-Cookie") if f"{name}=" in cookie)
    return found


@pytest.mark.contract("docs 2.1")
@pytest.mark.contract("docs 8.3")
@pytest.mark.contract("docs D-18")
def test_nothing_is_told_before_the_login_and_everything_after_it(app: Flask) -> None:
    client, other = app.test_client(), app.test_client()
    for path in TELLING:
        error_of(client.get(path), 401, "login_required")
    form = client.get("/docs")
    assert form.status_code == 200
    assert "API Documentation Login" in form.text
    assert "apispec.json" not in form.text
    answer = log_in(client)
    assert (answer.status_code, answer.location) == (302, "/docs")
    assert 'spec-url="/docs/apispec.json"' in client.get("/docs").text
    for path in TELLING:
        assert client.get(path, follow_redirects=True).status_code == 200, path
        error_of(other.get(path), 401, "login_required")


@pytest.mark.contract("docs 2.1")
@pytest.mark.contract("docs 9 16")
def test_a_wrong_password_is_401_with_the_form(client: Client) -> None:
    answer = log_in(client, "open barley")
    assert answer.status_code == 401
    assert "Invalid credentials" in answer.text
    assert "API Documentation Login" in answer.text
    # Of another scheme, the browser would ask by a window of its own.
    assert answer.headers["WWW-Authenticate"] == 'Form realm="documentation"'
    assert client.get(SPEC).status_code == 401


@pytest.mark.parametrize("password", ["", "open sesame ", "Open sesame", "öffne dich", "\ud800", "x" * 5000])
def test_no_other_password_opens(client: Client, password: str) -> None:
    data = b"password=" + password.encode("utf-8", "surrogatepass").replace(b" ", b"+")
    answer = client.post("/docs", data=data, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 401


def test_a_form_of_many_bytes_is_not_read(client: Client) -> None:
    assert log_in(client, "x" * 100_000).status_code == 413


def test_the_shared_password_may_have_any_letters(client_of: Callable[..., Client]) -> None:
    client = client_of(API_DOCUMENTATION_PASSWORD="öffne dich 🪄")
    assert log_in(client, "öffne dich 🪄").status_code == 302


@pytest.mark.contract("docs D-11")
def test_the_form_can_be_used_by_everybody(client: Client) -> None:
    page = client.get("/docs").text
    assert '<label for="password">' in page
    assert re.search(r'<input id="password" [^>]*autocomplete="current-password" required autofocus', page)
    assert 'name="username"' not in page
    wrong = log_in(client, "open barley").text
    assert 'role="alert"' in wrong
    assert 'aria-describedby="message"' in wrong


@pytest.mark.contract("docs D-17")
def test_the_cookie_is_out_of_reach_of_scripts_and_of_others(client: Client) -> None:
    cookie = cookie_of(log_in(client), "docs_session")
    assert cookie.startswith("__Host-docs_session=")
    for word in ("HttpOnly", "Secure", "SameSite=Lax", "Path=/", "Max-Age=3600"):
        assert word in cookie.split("; ")


@pytest.mark.contract("docs D-17")
def test_what_the_application_says_of_cookies_is_heard(client_of: Callable[..., Client]) -> None:
    client = client_of(API_DOCUMENTATION_PASSWORD=PASSWORD, API_COOKIE_DEFAULTS={"secure": False, "path": "/docs"})
    cookie = cookie_of(log_in(client), "docs_session")
    assert cookie.startswith("docs_session=")
    assert "Secure" not in cookie
    assert "Path=/docs" in cookie


@pytest.mark.contract("docs 9 28")
@pytest.mark.contract("auth 17.34")
def test_the_session_of_the_application_is_left_alone(make_app: Callable[..., Flask]) -> None:
    def prepare(app: Flask) -> None:
        app.add_url_rule("/put", "put", lambda: session.setdefault("cart", "full"))
        app.add_url_rule("/see", "see", lambda: session.get("cart", "empty"))

    client = make_app(prepare, API_DOCUMENTATION_PASSWORD=PASSWORD).test_client()
    client.get("/put")
    log_in(client)
    assert client.get("/see").text == "full"


@pytest.mark.contract("docs D-17")
def test_a_login_ends_by_logging_out(client: Client) -> None:
    log_in(client)
    page = client.get("/docs")
    answer = client.post("/docs/logout", data={"csrf_token": token_of(page)}, headers=BROWSER)
    assert (answer.status_code, answer.location) == (302, "/docs")
    assert "API Documentation Login" in client.get("/docs").text


@pytest.mark.contract("docs D-17")
def test_a_login_lasts_as_long_as_the_option_says(
    client_of: Callable[..., Client], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = client_of(API_DOCUMENTATION_PASSWORD=PASSWORD, API_DOCS_SESSION_MINUTES=5)
    assert "Max-Age=300" in cookie_of(log_in(client), "docs_session")
    now = TimestampSigner.get_timestamp
    # The browser would drop it by then; who keeps it all the same is refused here.
    for seconds, status in ((299, 200), (301, 401)):
        monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda self, late=seconds: now(self) + late)
        assert client.get(SPEC).status_code == status


@pytest.mark.contract("docs D-17")
def test_another_password_ends_every_login(make_app: Callable[..., Flask]) -> None:
    cookie = cookie_of(log_in(make_app(API_DOCUMENTATION_PASSWORD=PASSWORD).test_client()), "docs_session")
    sent = {"Cookie": cookie.partition(";")[0]}
    same = make_app(API_DOCUMENTATION_PASSWORD=PASSWORD).test_client(use_cookies=False)
    other = make_app(API_DOCUMENTATION_PASSWORD="open barley").test_client(use_cookies=False)
    assert same.get(SPEC, headers=sent).status_code == 200
    assert other.get(SPEC, headers=sent).status_code == 401


@pytest.mark.contract("docs D-17")
def test_a_key_that_was_replaced_is_taken_until_it_is_dropped(make_app: Callable[..., Flask]) -> None:
    def with_keys(key: str, *older: str) -> Client:
        return make_app(
            API_DOCUMENTATION_PASSWORD=PASSWORD, SECRET_KEY=key, SECRET_KEY_FALLBACKS=list(older)
        ).test_client(use_cookies=False)

    sent = {"Cookie": cookie_of(log_in(with_keys("first" * 8)), "docs_session").partition(";")[0]}
    assert with_keys("second" * 8, "first" * 8).get(SPEC, headers=sent).status_code == 200
    assert with_keys("second" * 8).get(SPEC, headers=sent).status_code == 401


@pytest.mark.parametrize("value", ["", "x", "WyIiLCJ4Il0.aaaa.bbbb", "%00", "é"])
def test_no_other_cookie_opens(client: Client, value: str) -> None:
    client.set_cookie("__Host-docs_session", value)
    assert client.get(SPEC).status_code == 401


@pytest.mark.contract("docs D-17")
def test_browsers_send_the_token_of_their_form(client: Client) -> None:
    token = token_of(client.get("/docs"))
    answer = client.post("/docs", data={"password": PASSWORD, "csrf_token": token}, headers=BROWSER)
    assert answer.status_code == 302


@pytest.mark.contract("docs D-17")
@pytest.mark.contract("docs 9 16")
@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "same-site", "Origin": "https://sister.localhost"},
        {"Origin": "https://evil.example"},
        BROWSER,
    ],
    ids=["cross-site", "same-site", "origin alone", "no token"],
)
def test_a_page_of_somebody_else_logs_nobody_in(app: Flask, headers: dict[str, str]) -> None:
    victim = app.test_client()
    victim.get("/docs")
    stolen = token_of(app.test_client().get("/docs"))
    data = {"password": PASSWORD} if headers is BROWSER else {"password": PASSWORD, "csrf_token": stolen}
    answer = victim.post("/docs", data=data, headers=headers)
    assert answer.status_code == 403
    assert "docs_session" not in "".join(answer.headers.getlist("Set-Cookie"))
    assert token_of(answer)


@pytest.mark.contract("docs D-17")
def test_a_page_of_somebody_else_logs_nobody_out(client: Client) -> None:
    log_in(client)
    client.post("/docs/logout", headers={"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"})
    assert client.get(SPEC).status_code == 200


@pytest.mark.contract("docs D-17")
def test_the_sixth_wrong_password_of_a_minute_is_429_and_others_get_in(client: Client) -> None:
    there, elsewhere = ({"REMOTE_ADDR": address} for address in ("203.0.113.7", "198.51.100.9"))
    for _ in range(5):
        assert log_in(client, "open barley", environ_base=there).status_code == 401
    answer = log_in(client, environ_base=there)
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert "Too many attempts" in answer.text
    assert client.get(SPEC).status_code == 401
    assert log_in(client, environ_base=elsewhere).status_code == 302


@pytest.mark.contract("docs D-17")
def test_logins_and_guesses_are_logged_without_what_was_typed(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="flarchitect.docs"):
        log_in(client, "open barley", environ_base={"REMOTE_ADDR": "203.0.113.7"})
        log_in(client)
    told = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "flarchitect.docs"]
    assert told == [
        ("WARNING", "docs.login.failed reason=invalid_credentials remote_addr=203.0.113.7"),
        ("INFO", "docs.login.ok remote_addr=127.0.0.1"),
    ]


@pytest.mark.contract("docs D-17")
def test_one_client_of_ipv6_has_one_count(client: Client) -> None:
    for number in range(5):
        log_in(client, "open barley", environ_base={"REMOTE_ADDR": f"2001:db8::{number:x}"})
    assert log_in(client, environ_base={"REMOTE_ADDR": "2001:db8::ffff"}).status_code == 429


@pytest.mark.contract("docs D-17")
def test_right_passwords_are_not_counted(client: Client) -> None:
    for _ in range(8):
        assert log_in(client).status_code == 302


def test_the_limit_can_be_another_one_or_none(client_of: Callable[..., Client]) -> None:
    tight = client_of(API_DOCUMENTATION_PASSWORD=PASSWORD, API_DOCS_LOGIN_RATE_LIMIT="1 per minute")
    assert [log_in(tight, "no").status_code for _ in range(2)] == [401, 429]
    loose = client_of(API_DOCUMENTATION_PASSWORD=PASSWORD, API_DOCS_LOGIN_RATE_LIMIT=False)
    assert {log_in(loose, "no").status_code for _ in range(8)} == {401}


@pytest.mark.contract("docs D-19")
@pytest.mark.parametrize("query", ["next=https://evil.example", "next=//evil.example", "style=//evil.example"])
def test_a_login_leads_to_the_page_and_nowhere_else(client: Client, query: str) -> None:
    for path in ("/docs", "/docs/"):
        answer = client.post(f"{path}?{query}", data={"password": PASSWORD, "next": "https://evil.example"})
        assert answer.status_code == 302
        assert answer.location in (path, f"{path}?style=redoc")


def test_what_is_protected_is_kept_by_no_shared_cache(client: Client) -> None:
    assert client.get("/docs").headers["Cache-Control"] == "no-store"
    log_in(client)
    for path in (SPEC, "/docs"):
        answer = client.get(path)
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert {"Cookie", "Authorization"} <= set(answer.vary)


def test_the_files_of_the_login_are_open(client: Client) -> None:
    sheet = re.search(r'href="(/docs/assets/docs-[^"]+)"', client.get("/docs").text)
    assert sheet
    assert client.get(sheet[1]).status_code == 200


def test_the_strict_profile_takes_no_password_over_plain_http(client_of: Callable[..., Client]) -> None:
    client = client_of(API_DOCUMENTATION_PASSWORD=PASSWORD, API_SECURITY_PROFILE="strict")
    answer = log_in(client)
    assert answer.status_code == 403
    assert "HTTPS" in answer.text
    assert log_in(client, base_url="https://localhost").status_code == 302


@pytest.mark.contract("docs 2.1")
@pytest.mark.parametrize(
    "config, told",
    [
        ({"API_DOCUMENTATION_REQUIRE_AUTH": True}, "API_DOCUMENTATION_REQUIRE_AUTH is True, and nobody could log in"),
        ({"API_DOCUMENTATION_PASSWORD": ""}, "API_DOCUMENTATION_PASSWORD is empty"),
        ({"API_DOCUMENTATION_PASSWORD": "x", "SECRET_KEY": None}, "SECRET_KEY, which signs it, is not set"),
        ({"API_DOCS_LOGIN_RATE_LIMIT": "often"}, "API_DOCS_LOGIN_RATE_LIMIT must be rates"),
        (
            {"API_DOCUMENTATION_PASSWORD": "x", "API_RATE_LIMIT_STORAGE_URI": "postgresql://there"},
            "API_RATE_LIMIT_STORAGE_URI is no storage",
        ),
    ],
)
def test_what_would_leave_the_documentation_open_or_shut_stops_the_start(
    make_app: Callable[..., Flask], config: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigurationError, match=told):
        make_app(**config)


def test_two_applications_know_nothing_of_each_other(make_app: Callable[..., Flask]) -> None:
    first = make_app(API_DOCUMENTATION_PASSWORD=PASSWORD).test_client()
    second = make_app(API_DOCUMENTATION_PASSWORD="open barley", API_TITLE="Other").test_client()
    for _ in range(5):
        log_in(first, "no")
    assert log_in(first).status_code == 429
    assert log_in(second, "open barley").status_code == 302
