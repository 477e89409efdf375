"""The pages over HTTP: what they contain, what browsers may do with them, and where files come from (docs 1, 2)."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pytest
import yaml
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client, TestResponse

from flarchitect_core.errors import ConfigurationError
from flarchitect_core.state import state_of
from flarchitect_core.testing import error_of
from flarchitect_docs.pages.policy import WithNonce

STYLES = ("redoc", "swagger", "scalar")


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the texts of its scripts."""

    def __init__(self, page: TestResponse) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.script_texts: list[str] = []
        self._is_script = False
        self.feed(page.get_data(as_text=True))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._is_script = tag == "script"

    def handle_data(self, data: str) -> None:
        if self._is_script and data.strip():
            self.script_texts.append(data)

    def all(self, tag: str, **attributes: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.found if name == tag and attributes.items() <= found.items()]

    def urls(self) -> list[str]:
        return [str(found[name]) for _, found in self.found for name in ("src", "href") if found.get(name)]


def policy_of(page: TestResponse) -> dict[str, list[str]]:
    """Give the sources of each directive."""
    rules = (rule.split() for rule in page.headers["Content-Security-Policy"].split(";"))
    return {directive: sources for directive, *sources in rules}


def nonce_of(page: TestResponse) -> str:
    return next(source for source in policy_of(page)["script-src"] if source.startswith("'nonce-"))[7:-1]


@pytest.mark.contract("docs 2")
@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_the_page_is_there_with_and_without_a_slash(client_of: Callable[..., Client], path: str) -> None:
    page = client_of().get(path)
    assert page.status_code == 200
    assert page.content_type == "text/html; charset=utf-8"
    assert "apispec.json" in page.text


@pytest.mark.contract("docs 2")
def test_redoc_says_where_the_document_is_as_it_always_did(client_of: Callable[..., Client]) -> None:
    assert 'spec-url="/docs/apispec.json"' in client_of(API_DOCS_STYLE="ReDoc").get("/docs").text


@pytest.mark.contract("docs 2")
def test_swagger_says_where_the_document_is_as_it_always_did(client_of: Callable[..., Client]) -> None:
    page = client_of(API_DOCS_STYLE="SWAGGER").get("/docs")
    assert 'url: "/docs/apispec.json"' in page.text
    assert Elements(page).all("div", **{"data-spec-url": "/docs/apispec.json"})


@pytest.mark.contract("docs 9 26")
def test_an_unknown_style_stops_the_start(client_of: Callable[..., Client]) -> None:
    with pytest.raises(ConfigurationError, match="API_DOCS_STYLE"):
        client_of(API_DOCS_STYLE="rapidoc")


@pytest.mark.contract("docs D-12")
def test_readers_choose_another_style_only_where_they_may(client_of: Callable[..., Client]) -> None:
    assert 'id="scalar"' not in client_of().get("/docs?style=scalar").text
    client = client_of(API_DOCS_ALLOW_STYLE_SWITCH=True)
    assert 'id="scalar"' in client.get("/docs?style=scalar").text
    assert "<redoc" in client.get("/docs?style=other").text


@pytest.mark.contract("docs 1")
def test_without_docs_nothing_is_there(client_of: Callable[..., Client]) -> None:
    client = client_of(API_CREATE_DOCS=False)
    for path in (
        "/docs",
        "/docs/apispec.json",
        "/docs/openapi.yaml",
        "/openapi.json",
        "/apispec.json",
        "/swagger.json",
    ):
        assert client.get(path).status_code == 404, path


@pytest.mark.contract("docs D-18")
@pytest.mark.contract("docs 9 12")
def test_no_folder_of_the_package_can_be_read(client_of: Callable[..., Client]) -> None:
    client = client_of()
    for path in (
        "/html/base.html",
        "/docs/assets/",
        "/docs/assets/manifest.json",
        "/docs/assets/docs.js",
        "/docs/assets/..%2f..%2fpart.py",
        "/docs/assets/%2e%2e/%2e%2e/part.py",
    ):
        assert client.get(path).status_code == 404, path


# --- what browsers may do ---------------------------------------------------------------------------------------------


@pytest.mark.contract("docs D-9")
@pytest.mark.parametrize("style", STYLES)
def test_the_policy_is_strict_and_nothing_is_written_into_the_page(
    client_of: Callable[..., Client], style: str
) -> None:
    page = client_of(API_DOCS_STYLE=style).get("/docs")
    nonce, policy = nonce_of(page), policy_of(page)
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == ["'self'", f"'nonce-{nonce}'"]
    assert policy["connect-src"] == policy["form-action"] == ["'self'"]
    assert policy["img-src"] == ["'self'", "data:"]
    assert Elements(page).script_texts == []
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert page.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.contract("docs D-9")
def test_each_answer_has_a_nonce_of_its_own(client_of: Callable[..., Client]) -> None:
    client = client_of()
    first, second = (nonce_of(client.get("/docs")) for _ in range(2))
    assert first != second
    assert len(first) >= 20


@pytest.mark.contract("docs D-9")
def test_headers_of_the_operator_are_put_in_as_they_are_and_count(client_of: Callable[..., Client]) -> None:
    given = '<meta name="x" content="<y>"><link rel="icon" href="/i.png">'
    active = "<script>greet()</script><style nonce=own>b{}</style><LINK href='/a.css' rel=stylesheet>"
    page = client_of(API_DOCUMENTATION_HEADERS=given + active).get("/docs")
    nonce = nonce_of(page)
    assert given in page.text
    assert f'<script nonce="{nonce}">greet()</script><style nonce=own>b{{}}</style>' in page.text
    assert f"<LINK nonce=\"{nonce}\" href='/a.css' rel=stylesheet>" in page.text


@given(
    st.lists(
        st.sampled_from(
            ["<script>", "<style media=x>", "<link rel=stylesheet>", "<link>", "<script nonce=x>", "<a", ">"]
        )
        | st.text(max_size=5)
    ).map("".join)
)
def test_nothing_of_the_operator_is_changed_but_for_the_nonce(html: str) -> None:
    nonce = "j" * 40
    written = WithNonce(html).written(nonce)
    assert written.replace(f' nonce="{nonce}"', "") == html
    assert written.count(nonce) >= html.count("<script>") + html.count("<style media=x>")


@pytest.mark.contract("docs 1")
def test_the_older_key_of_headers_counts_where_the_newer_one_is_empty(client_of: Callable[..., Client]) -> None:
    old = {"API_DOC_HTML_HEADERS": '<meta name="old" content="1">'}
    assert 'name="old"' in client_of(**old).get("/docs").text
    page = client_of(**old, API_DOCUMENTATION_HEADERS='<meta name="new" content="1">').get("/docs").text
    assert 'name="old"' not in page


@pytest.mark.contract("docs D-10")
@pytest.mark.contract("docs 9 14")
@pytest.mark.parametrize("style", STYLES)
def test_a_title_is_text_and_never_a_script(client_of: Callable[..., Client], style: str) -> None:
    page = client_of(
        API_TITLE="</title><script>alert(1)</script>", API_VERSION='"><script>alert(2)</script>', API_DOCS_STYLE=style
    ).get("/docs")
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)" in page.text


@pytest.mark.contract("docs 1")
def test_a_policy_of_ones_own_or_none(client_of: Callable[..., Client]) -> None:
    page = client_of(API_DOCS_CSP="script-src 'self' 'nonce-{nonce}'").get("/docs")
    nonce = Elements(page).all("meta", property="csp-nonce")[0]["content"]
    assert page.headers["Content-Security-Policy"] == f"script-src 'self' 'nonce-{nonce}'"
    assert "Content-Security-Policy" not in client_of(API_DOCS_CSP=False).get("/docs").headers


def test_servers_and_logo_that_the_document_names_may_be_asked(client_of: Callable[..., Client]) -> None:
    page = client_of(
        API_SERVER_URLS=[{"url": "https://api.example.org/v1"}, {"url": "/v2"}, {"url": "https://{place}.example.org"}],
        API_LOGO_URL="https://cdn.example.org/logo.svg",
    ).get("/docs")
    assert policy_of(page)["connect-src"] == ["'self'", "https://api.example.org"]
    assert policy_of(page)["img-src"] == ["'self'", "data:", "https://cdn.example.org"]


# --- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.contract("docs D-8")
@pytest.mark.contract("docs 9 15")
@pytest.mark.parametrize("style", STYLES)
def test_every_file_of_a_page_is_ours_and_is_what_its_hash_says(client_of: Callable[..., Client], style: str) -> None:
    client = client_of(API_DOCS_STYLE=style)
    elements = Elements(client.get("/docs"))
    linked = [*elements.all("script"), *elements.all("link", rel="stylesheet")]
    assert len(linked) >= 2
    assert all(url.startswith(("/docs/", "data:")) for url in elements.urls())
    for attributes in linked:
        content = client.get(attributes.get("src") or attributes.get("href")).data
        digest = base64.b64encode(hashlib.sha384(content).digest()).decode()
        assert f"sha384-{digest}" in str(attributes["integrity"]).split()


@pytest.mark.contract("docs D-8")
def test_files_are_kept_for_ever_and_sent_compressed(client_of: Callable[..., Client]) -> None:
    client = client_of()
    (script,) = Elements(client.get("/docs")).all("script")
    plain = client.get(script["src"])
    packed = client.get(script["src"], headers={"Accept-Encoding": "gzip"})
    assert plain.content_type == packed.content_type == "text/javascript; charset=utf-8"
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 3
    for answer in (plain, packed):
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert plain.get_etag()[0] != packed.get_etag()[0]
    again = client.get(script["src"], headers={"If-None-Match": plain.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.contract("docs D-8")
@pytest.mark.parametrize("style", STYLES)
def test_a_public_network_is_asked_for_pinned_files_with_their_hashes(
    client_of: Callable[..., Client], style: str
) -> None:
    page = client_of(API_DOCS_ASSETS="cdn", API_DOCS_STYLE=style).get("/docs")
    elements = Elements(page)
    foreign = [each for each in elements.all("script") + elements.all("link") if "//" in str(each)]
    assert foreign
    for each in foreign:
        url = str(each.get("src") or each.get("href"))
        assert re.match(r"https://cdn\.jsdelivr\.net/npm/[\w@/-]+@\d+\.\d+\.\d+/", url)
        assert str(each["integrity"]).startswith("sha384-")
        assert each["crossorigin"] == "anonymous"
        directive = "script-src" if "src" in each else "style-src"
        assert url.rpartition("/")[0] + "/" in policy_of(page)[directive]


def test_files_may_come_from_a_folder_of_ones_own(client_of: Callable[..., Client]) -> None:
    page = client_of(API_DOCS_ASSETS="https://static.example.org/docs/").get("/docs")
    assert "https://static.example.org/docs/redoc.standalone.js" in Elements(page).urls()
    assert "https://static.example.org/docs/" in policy_of(page)["script-src"]
    same_host = client_of(API_DOCS_ASSETS="/static/docs").get("/docs")
    assert "/static/docs/redoc.standalone.js" in Elements(same_host).urls()


# --- where everything is ----------------------------------------------------------------------------------------------


@pytest.mark.contract("docs 8.1")
def test_everything_is_where_the_defaults_say(client_of: Callable[..., Client]) -> None:
    client = client_of()
    assert "apispec.json" in client.get("/docs").text
    assert "openapi" in client.get("/docs/apispec.json").json
    redirect = client.get("/openapi.json")
    assert (redirect.status_code, redirect.location) == (308, "/docs/apispec.json")


@pytest.mark.contract("docs 8.2")
@pytest.mark.contract("docs 9 13")
@pytest.mark.parametrize("prefix", [None, "/team"])
@pytest.mark.parametrize("page", [None, "/reference"])
@pytest.mark.parametrize("route", [None, "/files/api.json"])
def test_everything_is_where_the_options_say(
    client_of: Callable[..., Client], prefix: str | None, page: str | None, route: str | None
) -> None:
    given = {"DOCUMENTATION_URL_PREFIX": prefix, "API_DOCUMENTATION_URL": page, "API_DOCS_SPEC_ROUTE": route}
    client = client_of(**{key: value for key, value in given.items() if value is not None})
    base = (prefix or "") + (page or "/docs")
    spec = (prefix or "") + (route or f"{page or '/docs'}/apispec.json")
    assert f'spec-url="{spec}"' in client.get(base).text
    assert client.get(f"{base}/").status_code == 200
    document = client.get(spec).data
    assert client.get("/openapi.json").location == spec
    assert client.get("/openapi.json", follow_redirects=True).data == document
    for legacy in ("/apispec.json", "/swagger.json"):
        assert client.get((prefix or "") + legacy).data == document


def test_the_page_may_be_at_the_root(client_of: Callable[..., Client]) -> None:
    client = client_of(API_DOCUMENTATION_URL="/")
    assert 'spec-url="/apispec.json"' in client.get("/").text
    assert client.get("/openapi.json").location == "/apispec.json"


def test_the_document_may_be_where_the_redirect_would_be(client_of: Callable[..., Client]) -> None:
    assert "openapi" in client_of(API_DOCS_SPEC_ROUTE="/openapi.json").get("/openapi.json").json


@pytest.mark.contract("docs 2")
def test_below_a_proxy_every_url_has_its_prefix(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    app.wsgi_app = ProxyFix(app.wsgi_app, x_prefix=1)  # type: ignore[method-assign]
    client, headers = app.test_client(), {"X-Forwarded-Prefix": "/shop"}
    elements = Elements(client.get("/docs", headers=headers))
    assert elements.all("redoc", **{"spec-url": "/shop/docs/apispec.json"})
    assert all(url.startswith(("/shop/docs/", "data:")) for url in elements.urls())
    assert client.get("/openapi.json", headers=headers).location == "/shop/docs/apispec.json"


@pytest.mark.contract("docs 2")
@pytest.mark.parametrize("path", ["/docs/apispec.json", "/docs/openapi.yaml"])
def test_below_a_proxy_the_document_says_where_its_paths_begin(make_app: Callable[..., Flask], path: str) -> None:
    app = make_app()
    app.wsgi_app = ProxyFix(app.wsgi_app, x_prefix=1)  # type: ignore[method-assign]
    client = app.test_client()

    def served(prefix: str) -> tuple[object, str | None]:
        answer = client.get(path, headers={"X-Forwarded-Prefix": prefix} if prefix else {})
        return yaml.safe_load(answer.text).get("servers"), answer.get_etag()[0]

    assert served("")[0] is None
    assert served("/shop")[0] == [{"url": "/shop"}]
    assert served("/a shop/{x}")[0] == [{"url": "/a%20shop/%7Bx%7D"}]
    # Each is kept, and each has a tag of its own.
    assert served("/shop") == served("/shop")
    assert len({served(prefix)[1] for prefix in ("", "/shop", "/other")}) == 3
    for number in range(40):
        assert served(f"/{number}")[0] == [{"url": f"/{number}"}]


def test_servers_that_are_configured_are_told_below_a_proxy_too(make_app: Callable[..., Flask]) -> None:
    servers = [{"url": "https://api.example.org"}]
    app = make_app(API_SERVER_URLS=servers)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_prefix=1)  # type: ignore[method-assign]
    answer = app.test_client().get("/docs/apispec.json", headers={"X-Forwarded-Prefix": "/shop"})
    assert answer.get_json()["servers"] == servers


@pytest.mark.contract("docs 2")
@pytest.mark.parametrize("path", ["/docs", "/docs/", "/openapi.json", "/docs/apispec.json"])
def test_every_url_says_which_methods_it_has(client_of: Callable[..., Client], path: str) -> None:
    answer = client_of().options(path)
    assert answer.status_code in (200, 204)
    assert set(answer.allow) == {"GET", "HEAD", "OPTIONS"}


def test_a_taken_path_stops_the_start(make_app: Callable[..., Flask]) -> None:
    def prepare(app: Flask) -> None:
        app.add_url_rule("/docs", "handbook", lambda: "")

    with pytest.raises(ConfigurationError, match=r"API_DOCUMENTATION_URL is /docs, which is the route of 'handbook'"):
        make_app(prepare)


def test_routes_that_are_generated_later_do_not_meet_the_pages(make_app: Callable[..., Flask]) -> None:
    class Base(DeclarativeBase):
        pass

    class Book(Base):
        __tablename__ = "books"
        Meta = type("Meta", (), {})
        id: Mapped[int] = mapped_column(primary_key=True)

    app = make_app(API_BASE_MODEL=Base, API_DATABASE_URI="sqlite://")
    state_of(app).architect.init_api(app)
    assert app.test_client().get("/docs").status_code == 200


def test_an_older_url_that_the_application_has_itself_stays_its_own(make_app: Callable[..., Flask]) -> None:
    def prepare(app: Flask) -> None:
        app.add_url_rule("/swagger.json", "own", lambda: "own")

    assert make_app(prepare).test_client().get("/swagger.json").text == "own"


@pytest.mark.contract("docs 2.1")
def test_nobody_logs_in_where_everybody_may_read(client_of: Callable[..., Client]) -> None:
    client = client_of()
    assert client.post("/docs", data={"password": "x"}).status_code == 405
    assert client.post("/docs/logout").status_code in (404, 405)
    page = client.get("/docs")
    assert "Set-Cookie" not in page.headers
    assert page.headers["Cache-Control"] == "no-cache"


def test_an_error_of_the_api_is_no_page(client_of: Callable[..., Client]) -> None:
    answer: Any = client_of().get("/docs/apispec.json", headers={"Accept": "image/png"})
    error_of(answer, 406, "not_acceptable")
