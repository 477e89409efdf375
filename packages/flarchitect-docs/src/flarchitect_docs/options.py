"""The options that the docs part reads besides those of core."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flarchitect_core.rates import rate_limit
from flarchitect_core.settings import Expectation, Option, anything, boolean, choice, integer, mapping, text

__all__ = ["DOCS_OPTIONS"]

_OWNER = "flarchitect-docs"
_DOCUMENT = "The OpenAPI document"
_PAGES = "Documentation pages"
_DISCOVERY = "Discovery"
_STYLES = ("redoc", "swagger", "scalar")


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value[:1] == "/" and not set("<>?# ") & set(value)


_path = Expectation("a URL path that begins with '/', without variables", _is_path)
_path_or_off = Expectation(
    "a URL path that begins with '/', without variables, or False for no route",
    lambda value: value is False or value == "" or _is_path(value),
)
_style = Expectation(
    "one of 'redoc', 'swagger', 'scalar'", lambda value: isinstance(value, str) and value.lower() in _STYLES
)
_servers = Expectation(
    "a list of dictionaries with url, and description where you want one",
    lambda value: (
        isinstance(value, (list, tuple))
        and all(isinstance(item, Mapping) and isinstance(item.get("url"), str) for item in value)
    ),
)
_assets = Expectation(
    "'bundled', 'cdn', or the URL of a folder that has the files",
    lambda value: isinstance(value, str) and (value in ("bundled", "cdn") or bool(urlsplit(value).path.strip("/"))),
)
_policy = Expectation(
    "True, False, or a policy in which '{nonce}' may stand", lambda value: isinstance(value, (bool, str))
)
_origins = Expectation(
    "'*', an origin such as 'https://docs.example.org', or a list of origins",
    lambda value: (
        isinstance(value, str) or (isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value))
    ),
)

# What stands below the page itself.
_TAKEN = frozenset({"assets", "bundle", "logout"})


def _is_audiences(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and re.fullmatch("[A-Za-z0-9_-]+", name) and name not in _TAKEN and _is_filter(each)
        for name, each in value.items()
    )


def _is_filter(value: object) -> bool:
    is_list = isinstance(value, (list, tuple, set)) and all(isinstance(tag, str) for tag in value)
    return callable(value) or is_list


_audiences = Expectation(
    "a dictionary of names, such as 'partners', to lists of tags or to callables (path, method, operation)",
    _is_audiences,
)

CREATE_DOCS = Option(
    "CREATE_DOCS",
    True,
    boolean,
    "Serve the document and the pages; when off, none of their routes exists.",
    owner=_OWNER,
    topic=_DOCUMENT,
)
OPENAPI_VERSION = Option(
    "OPENAPI_VERSION",
    "3.1",
    choice("3.1", "3.0"),
    "Version of OpenAPI in which the document is written.",
    owner=_OWNER,
    topic=_DOCUMENT,
)
CONTACT_NAME: Option[str | None] = Option(
    "CONTACT_NAME", None, text, "Whom to ask about the API.", owner=_OWNER, topic=_DOCUMENT
)
CONTACT_EMAIL: Option[str | None] = Option(
    "CONTACT_EMAIL", None, text, "Address of the contact.", owner=_OWNER, topic=_DOCUMENT
)
CONTACT_URL: Option[str | None] = Option(
    "CONTACT_URL", None, text, "Page of the contact.", owner=_OWNER, topic=_DOCUMENT
)
LICENCE_NAME: Option[str | None] = Option(
    "LICENCE_NAME",
    None,
    text,
    "Licence under which the API may be used.",
    aliases=("API_LICENSE_NAME",),
    owner=_OWNER,
    topic=_DOCUMENT,
)
LICENCE_URL: Option[str | None] = Option(
    "LICENCE_URL",
    None,
    text,
    "Where the licence can be read.",
    aliases=("API_LICENSE_URL",),
    owner=_OWNER,
    topic=_DOCUMENT,
)
LOGO_URL: Option[str | None] = Option(
    "LOGO_URL", None, text, "Picture that Redoc shows above the menu.", owner=_OWNER, topic=_DOCUMENT
)
LOGO_BACKGROUND = Option(
    "LOGO_BACKGROUND", "#ffffff", text, "Colour behind the logo, as in CSS.", owner=_OWNER, topic=_DOCUMENT
)
SERVER_URLS: Option[Any] = Option(
    "SERVER_URLS", None, _servers, "The servers that the document names.", owner=_OWNER, topic=_DOCUMENT
)
AUTO_NAME_ENDPOINTS = Option(
    "AUTO_NAME_ENDPOINTS",
    True,
    boolean,
    "Write a summary for each operation that has none.",
    aliases=("AUTO_NAME_ENDPOINTS",),
    owner=_OWNER,
    topic=_DOCUMENT,
)
OPENAPI_FIELD_EXAMPLE_DEFAULTS: Option[Any] = Option(
    "OPENAPI_FIELD_EXAMPLE_DEFAULTS",
    None,
    mapping,
    "Examples by the name of the field's class, on top of those for `Integer`, `Float`, `Decimal` and `Boolean`.",
    aliases=("API_FIELD_EXAMPLE_DEFAULTS",),
    owner=_OWNER,
    topic=_DOCUMENT,
)
DOCS_ENVELOPE = Option(
    "DOCS_ENVELOPE",
    True,
    boolean,
    "Describe answers with their envelope; when off, only what stands in `value`.",
    owner=_OWNER,
    topic=_DOCUMENT,
)

DOCS_CODE_SAMPLES = Option(
    "DOCS_CODE_SAMPLES",
    False,
    boolean,
    "Show in the document how each operation is called, in curl, Python and JavaScript.",
    owner=_OWNER,
    topic=_DOCUMENT,
)

DOCUMENTATION_URL = Option(
    "DOCUMENTATION_URL", "/docs", _path, "Path of the page, below the prefix.", owner=_OWNER, topic=_PAGES
)
DOCUMENTATION_URL_PREFIX = Option(
    "DOCUMENTATION_URL_PREFIX",
    "/",
    _path,
    "Prefix of the pages and of the document.",
    aliases=("DOCUMENTATION_URL_PREFIX",),
    owner=_OWNER,
    topic=_PAGES,
)
DOCS_SPEC_ROUTE: Option[str | None] = Option(
    "DOCS_SPEC_ROUTE",
    None,
    _path,
    "Path of the document, below the prefix; `<API_DOCUMENTATION_URL>/apispec.json` by default.",
    owner=_OWNER,
    topic=_PAGES,
)
SPEC_ROUTE: Option[Any] = Option(
    "SPEC_ROUTE",
    "/openapi.json",
    _path_or_off,
    "Path that redirects to the document, below no prefix; False for none.",
    owner=_OWNER,
    topic=_PAGES,
)
DOCS_STYLE = Option(
    "DOCS_STYLE", "redoc", _style, "Which page shows the document, in any letter case.", owner=_OWNER, topic=_PAGES
)
DOCS_ALLOW_STYLE_SWITCH = Option(
    "DOCS_ALLOW_STYLE_SWITCH",
    False,
    boolean,
    "Let readers choose another page by `?style=`.",
    owner=_OWNER,
    topic=_PAGES,
)
DOCUMENTATION_HEADERS = Option(
    "DOCUMENTATION_HEADERS",
    "",
    text,
    "HTML for the head of the pages, put there as it is; its scripts and styles get the nonce of the policy.",
    owner=_OWNER,
    topic=_PAGES,
)
DOC_HTML_HEADERS = Option(
    "DOC_HTML_HEADERS",
    "",
    text,
    "The same, read where `API_DOCUMENTATION_HEADERS` is empty.",
    owner=_OWNER,
    topic=_PAGES,
)
DOCUMENTATION_PASSWORD: Option[str | None] = Option(
    "DOCUMENTATION_PASSWORD",
    None,
    text,
    "Password that opens the pages and the document.",
    owner=_OWNER,
    topic=_PAGES,
    secret=True,
)
DOCUMENTATION_REQUIRE_AUTH = Option(
    "DOCUMENTATION_REQUIRE_AUTH",
    False,
    boolean,
    "Demand a login for the pages and the document; users of the application have one.",
    owner=_OWNER,
    topic=_PAGES,
)
DOCS_CSP: Option[Any] = Option(
    "DOCS_CSP",
    True,
    _policy,
    "Content-Security-Policy of the pages: True for the strict one, a policy of yours, or False for none.",
    owner=_OWNER,
    topic=_PAGES,
)
DOCS_ASSETS = Option(
    "DOCS_ASSETS",
    "bundled",
    _assets,
    "Where the scripts of the pages come from: `bundled` with us, `cdn` for jsDelivr, or the URL of a folder of yours.",
    owner=_OWNER,
    topic=_PAGES,
)
DOCS_CACHE_SECONDS = Option(
    "DOCS_CACHE_SECONDS",
    0,
    integer(0),
    "How long readers may use the document without asking again; 0 lets them ask each time.",
    owner=_OWNER,
    topic=_PAGES,
)
DOCS_EXPOSE_YAML = Option(
    "DOCS_EXPOSE_YAML", True, boolean, "Serve the document in YAML too.", owner=_OWNER, topic=_PAGES
)
DOCS_AUDIENCES: Option[Any] = Option(
    "DOCS_AUDIENCES",
    None,
    _audiences,
    "Name to the tags, or to a callable `(path, method, operation)`, that say what is shown at `/docs/<name>`.",
    owner=_OWNER,
    topic=_PAGES,
)
DOCS_FILTER_BY_ROLE = Option(
    "DOCS_FILTER_BY_ROLE",
    False,
    boolean,
    "Show readers only the operations that their roles allow.",
    owner=_OWNER,
    topic=_PAGES,
)
DOCS_CORS_ORIGINS: Option[Any] = Option(
    "DOCS_CORS_ORIGINS",
    None,
    _origins,
    "Origins whose pages may read the document.",
    owner=_OWNER,
    topic=_PAGES,
)
DOCS_LOGIN_RATE_LIMIT: Option[Any] = Option(
    "DOCS_LOGIN_RATE_LIMIT",
    "5 per minute",
    rate_limit,
    "How often one client may fail to log in to the pages.",
    owner=_OWNER,
    topic=_PAGES,
)
DOCS_SESSION_MINUTES = Option(
    "DOCS_SESSION_MINUTES",
    60,
    integer(1),
    "Minutes for which a login to the pages lasts.",
    owner=_OWNER,
    topic=_PAGES,
)

SCHEMA_DISCOVERY_ROUTE: Option[Any] = Option(
    "SCHEMA_DISCOVERY_ROUTE",
    "/schema/discovery",
    _path_or_off,
    "Path that tells models, fields and joins as data.",
    owner=_OWNER,
    topic=_DISCOVERY,
)
SCHEMA_DISCOVERY_AUTH = Option(
    "SCHEMA_DISCOVERY_AUTH", True, boolean, "Ask who calls it.", owner=_OWNER, topic=_DISCOVERY
)
SCHEMA_DISCOVERY_ROLES: Option[Any] = Option(
    "SCHEMA_DISCOVERY_ROLES",
    None,
    anything,
    "Roles that its callers need, as in `schema_constructor`.",
    owner=_OWNER,
    topic=_DISCOVERY,
)
SCHEMA_DISCOVERY_ROLES_ANY_OF = Option(
    "SCHEMA_DISCOVERY_ROLES_ANY_OF", False, boolean, "One of the roles is enough.", owner=_OWNER, topic=_DISCOVERY
)
SCHEMA_DISCOVERY_MAX_DEPTH = Option(
    "SCHEMA_DISCOVERY_MAX_DEPTH",
    2,
    integer(1),
    "How many relations long the told join paths are, unless `depth` says otherwise.",
    owner=_OWNER,
    topic=_DISCOVERY,
)
SCHEMA_DISCOVERY_MAX_DEPTH_LIMIT = Option(
    "SCHEMA_DISCOVERY_MAX_DEPTH_LIMIT",
    5,
    integer(1, 10),
    "The largest `depth` that can be asked for.",
    owner=_OWNER,
    topic=_DISCOVERY,
)
DOCS_BUNDLE_ROUTE: Option[Any] = Option(
    "DOCS_BUNDLE_ROUTE",
    "/docs/bundle",
    _path_or_off,
    "Path that tells every route of the application as data.",
    owner=_OWNER,
    topic=_DISCOVERY,
)
DOCS_BUNDLE_AUTH = Option("DOCS_BUNDLE_AUTH", True, boolean, "Ask who calls it.", owner=_OWNER, topic=_DISCOVERY)
DOCS_BUNDLE_ROLES: Option[Any] = Option(
    "DOCS_BUNDLE_ROLES",
    None,
    anything,
    "Roles that its callers need, as in `schema_constructor`.",
    owner=_OWNER,
    topic=_DISCOVERY,
)
DOCS_BUNDLE_ROLES_ANY_OF = Option(
    "DOCS_BUNDLE_ROLES_ANY_OF", False, boolean, "One of the roles is enough.", owner=_OWNER, topic=_DISCOVERY
)

DOCS_OPTIONS: tuple[Option[Any], ...] = tuple(value for value in list(globals().values()) if isinstance(value, Option))
