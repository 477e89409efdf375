"""The document over HTTP: forms, tags, compression, caching, and pages of other origins (docs D-13 to D-15)."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

import brotli
import pytest
import yaml
from flask import Flask
from werkzeug.test import Client

from flarchitect_core.state import state_of

SPEC = "/docs/apispec.json"
EVERY_URL = (SPEC, "/docs/openapi.yaml", "/apispec.json", "/swagger.json")


@pytest.fixture
def client(client_of: Callable[..., Client]) -> Client:
    return client_of()


@pytest.mark.contract("docs D-13")
@pytest.mark.parametrize("path", EVERY_URL)
def test_a_client_that_has_the_document_does_not_get_it_again(client: Client, path: str) -> None:
    first = client.get(path)
    assert first.status_code == 200
    assert not first.headers["ETag"].startswith("W/")
    assert first.headers["Cache-Control"] == "no-cache"
    again = client.get(path, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert client.get(path, headers={"If-None-Match": '"another"'}).data == first.data


@pytest.mark.contract("docs D-13")
def test_the_tag_is_the_hash_of_what_is_sent(client: Client, client_of: Callable[..., Client]) -> None:
    assert client.get(SPEC).headers["ETag"] == client_of().get(SPEC).headers["ETag"]
    assert client.get(SPEC).headers["ETag"] != client_of(API_VERSION="2.2").get(SPEC).headers["ETag"]


@pytest.mark.contract("docs D-13")
@pytest.mark.parametrize("path", EVERY_URL)
def test_head_tells_what_get_would(client: Client, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert head.data == b""
    for name in ("ETag", "Content-Type", "Content-Length", "Cache-Control", "Vary"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.contract("docs D-13")
def test_the_document_is_compressed_for_those_who_take_it(client_of: Callable[..., Client]) -> None:
    client = client_of(API_DESCRIPTION="Long. " * 1000)
    plain = client.get(SPEC)
    packed = client.get(SPEC, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert packed.headers["ETag"] != plain.headers["ETag"]
    assert {"Accept", "Accept-Encoding"} <= set(plain.vary)
    assert plain.vary == packed.vary
    refused = client.get(SPEC, headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert refused.data == plain.data


@pytest.mark.contract("docs D-13")
def test_brotli_is_taken_by_those_who_like_it_best(client_of: Callable[..., Client]) -> None:
    client = client_of(API_DESCRIPTION="Long. " * 1000)
    plain = client.get(SPEC)
    # As browsers say it over HTTPS.
    packed = client.get(SPEC, headers={"Accept-Encoding": "gzip, deflate, br, zstd"})
    assert packed.headers["Content-Encoding"] == "br"
    assert brotli.decompress(packed.data) == plain.data
    assert packed.headers["ETag"] == f'"{plain.get_etag()[0]}-br"'
    assert plain.vary == packed.vary
    again = client.get(SPEC, headers={"Accept-Encoding": "br", "If-None-Match": packed.headers["ETag"]})
    assert again.status_code == 304
    rather = client.get(SPEC, headers={"Accept-Encoding": "br;q=0.5, gzip"})
    assert rather.headers["Content-Encoding"] == "gzip"


@pytest.mark.contract("docs D-13")
@pytest.mark.contract("docs 9 17")
def test_the_document_is_written_once_and_again_when_a_route_comes(make_app: Callable[..., Flask]) -> None:
    app = make_app()
    state = state_of(app)
    before = state.documents.current()

    @app.get("/late")
    @state.architect.schema_constructor()
    def late() -> dict[str, str]:
        """Come late."""
        return {}

    client = app.test_client()
    answer = client.get(SPEC)
    assert "/late" in answer.json["paths"]
    assert answer.get_etag()[0] != before.etag
    after = state.documents.current()
    client.get(SPEC)
    assert state.documents.current() is after


@pytest.mark.contract("docs D-25")
def test_yaml_is_written_when_somebody_wants_it(client: Client) -> None:
    assert client.get(SPEC).status_code == 200
    document = state_of(client.application).documents.current()
    assert "yaml" not in vars(document)
    assert client.get("/docs/openapi.yaml").data == vars(document)["yaml"]


@pytest.mark.contract("docs D-14")
def test_the_yaml_twin_says_the_same(client: Client) -> None:
    answer = client.get("/docs/openapi.yaml")
    assert answer.content_type == "application/yaml; charset=utf-8"
    assert yaml.safe_load(answer.data) == client.get(SPEC).json


@pytest.mark.contract("docs D-14")
@pytest.mark.parametrize(
    "accept, content_type",
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("application/yaml", "application/yaml; charset=utf-8"),
        ("text/yaml, application/json;q=0.5", "application/yaml; charset=utf-8"),
        ("application/vnd.oai.openapi+json;version=3.1", "application/vnd.oai.openapi+json;version=3.1"),
        ("application/vnd.oai.openapi+json", "application/vnd.oai.openapi+json;version=3.1"),
    ],
)
def test_the_document_comes_in_the_form_that_is_asked_for(
    client: Client, accept: str | None, content_type: str
) -> None:
    answer = client.get(SPEC, headers={} if accept is None else {"Accept": accept})
    assert answer.content_type == content_type
    read = yaml.safe_load if "yaml" in content_type else json.loads
    assert read(answer.data) == client.get(SPEC).json


@pytest.mark.contract("docs D-14")
def test_forms_have_tags_of_their_own(client: Client) -> None:
    accepted = ("application/json", "application/yaml", "application/vnd.oai.openapi+json")
    assert len({client.get(SPEC, headers={"Accept": accept}).headers["ETag"] for accept in accepted}) == 3


def test_yaml_can_be_left_out(client_of: Callable[..., Client]) -> None:
    client = client_of(API_DOCS_EXPOSE_YAML=False)
    assert client.get("/docs/openapi.yaml").status_code == 404
    assert client.get(SPEC, headers={"Accept": "application/yaml"}).status_code == 406


@pytest.mark.contract("docs 1")
def test_readers_may_keep_the_document_for_a_while(client_of: Callable[..., Client]) -> None:
    assert client_of(API_DOCS_CACHE_SECONDS=60).get(SPEC).headers["Cache-Control"] == "public, max-age=60"
    protected = client_of(API_DOCS_CACHE_SECONDS=60, API_DOCUMENTATION_PASSWORD="open sesame")
    protected.post("/docs", data={"password": "open sesame"})
    assert protected.get(SPEC).headers["Cache-Control"] == "private, max-age=60"


# --- pages of other origins -------------------------------------------------------------------------------------------

ELSEWHERE = {"Origin": "https://editor.example.org"}


@pytest.mark.contract("docs D-15")
def test_pages_of_other_origins_read_nothing_by_default(client: Client) -> None:
    answer = client.get(SPEC, headers=ELSEWHERE)
    assert "Access-Control" not in str(answer.headers)


@pytest.mark.contract("docs D-15")
def test_pages_of_named_origins_read_the_document_alone(client_of: Callable[..., Client]) -> None:
    client = client_of(API_DOCS_CORS_ORIGINS=["https://editor.example.org"])
    for path in (*EVERY_URL, "/openapi.json"):
        allowed = client.get(path, headers=ELSEWHERE)
        assert allowed.headers["Access-Control-Allow-Origin"] == "https://editor.example.org", path
        refused = client.get(path, headers={"Origin": "https://other.example.org"})
        assert "Access-Control-Allow-Origin" not in refused.headers
        assert "Origin" in allowed.vary
        assert "Origin" in refused.vary
        assert "Access-Control-Allow-Credentials" not in allowed.headers
    assert "Access-Control-Allow-Origin" not in client.get("/docs", headers=ELSEWHERE).headers


@pytest.mark.contract("docs D-15")
def test_every_origin_may_read_where_that_is_said(client_of: Callable[..., Client]) -> None:
    client = client_of(API_DOCS_CORS_ORIGINS="*")
    assert client.get(SPEC, headers=ELSEWHERE).headers["Access-Control-Allow-Origin"] == "*"
    asked = client.options(SPEC, headers={**ELSEWHERE, "Access-Control-Request-Method": "GET"})
    assert asked.status_code == 204
    assert asked.headers["Access-Control-Allow-Methods"] == "GET, HEAD"
    assert "Authorization" in asked.headers["Access-Control-Allow-Headers"]
