"""The options that core reads."""

from __future__ import annotations

from typing import Any

from flarchitect_core.settings import (
    Option,
    anything,
    boolean,
    choice,
    class_or_classes,
    function,
    integer,
    mapping,
    names,
    text,
)

CASES = ("camel", "pascal", "snake", "screaming_snake", "kebab", "screaming_kebab")

# --- application ------------------------------------------------------------------------------------------------------
TITLE = Option("TITLE", "API", text, "Title of the API, shown in its documents.")
VERSION: Option[str | None] = Option("VERSION", None, text, "Version of your API, sent as `api_version`.")
PREFIX = Option("PREFIX", "/api", text, "URL prefix of every generated route; it may have several segments.")
FULL_AUTO = Option(
    "FULL_AUTO",
    True,
    boolean,
    "Generate routes at start-up; when off, call `architect.init_api(app)` yourself.",
    aliases=("FULL_AUTO",),
)
BASE_MODEL: Option[Any] = Option(
    "BASE_MODEL", None, class_or_classes, "Declarative base class, or list of them, whose models are published."
)
CONFIG_STRICT = Option(
    "CONFIG_STRICT", False, boolean, "Refuse to start on any unknown `API_` key, not only on likely misspellings."
)

# --- database ---------------------------------------------------------------------------------------------------------
SESSION_GETTER: Option[Any] = Option(
    "SESSION_GETTER",
    None,
    function,
    "Callable without arguments that returns the SQLAlchemy session of the current request.",
    meta=True,
)
DATABASE_URI: Option[str | None] = Option(
    "DATABASE_URI", None, text, "SQLAlchemy URL; the extension then opens the engine and a session per request itself."
)
DATABASE_ENGINE_OPTIONS: Option[dict[str, Any]] = Option(
    "DATABASE_ENGINE_OPTIONS", {}, mapping, "Keyword arguments of `create_engine` for `API_DATABASE_URI`."
)

# --- names ------------------------------------------------------------------------------------------------------------
ENDPOINT_CASE = Option("ENDPOINT_CASE", "kebab", choice(*CASES), "Case of URL segments.")
FIELD_CASE = Option("FIELD_CASE", "snake", choice(*CASES), "Case of JSON keys, of records and of the envelope.")
SCHEMA_CASE = Option(
    "SCHEMA_CASE", "camel", choice(*CASES), "Case of schema names and of the table in query parameters."
)
ENDPOINT_NAMER: Option[Any] = Option(
    "ENDPOINT_NAMER",
    None,
    function,
    "Callable `(model, input_schema, output_schema)` that gives a model's URL segment.",
    meta=True,
)
ENDPOINT: Option[Any] = Option(
    "ENDPOINT", None, names, "Further URL segments under which a model is published.", meta=True, config=False
)

# --- methods ----------------------------------------------------------------------------------------------------------
ALLOWED_METHODS: Option[Any] = Option(
    "ALLOWED_METHODS", (), names, "HTTP methods that exist, all by default.", meta=True
)
BLOCK_METHODS: Option[Any] = Option(
    "BLOCK_METHODS", (), names, "HTTP methods that do not exist.", meta=True, meta_aliases=("blocked_methods",)
)
READ_ONLY = Option("READ_ONLY", False, boolean, "Give no writing methods, but those in `allowed_methods`.", meta=True)
REGISTER_CANONICAL_ROUTES: Option[Any] = Option(
    "REGISTER_CANONICAL_ROUTES",
    True,
    choice(True, False, "0", "1", "false", "true", "no", "yes"),
    "Give the collection and item routes; when off, your application owns these URLs.",
    meta=True,
)

# --- relations --------------------------------------------------------------------------------------------------------
ADD_RELATIONS = Option("ADD_RELATIONS", True, boolean, "Give relation routes and relation fields.", meta=True)
RELATION_ROUTE_NAMING = Option(
    "RELATION_ROUTE_NAMING",
    "model",
    choice("model", "relationship", "auto"),
    "Name relation routes by the related model, by the relationship, or by the relationship only where two collide.",
    meta=True,
)
RELATION_URL_STYLE: Option[str | None] = Option(
    "RELATION_URL_STYLE",
    None,
    choice("relation-key", "target-model"),
    "Older spelling of `API_RELATION_ROUTE_NAMING`.",
)
RELATION_ROUTE_MAP: Option[dict[str, str]] = Option(
    "RELATION_ROUTE_MAP",
    {},
    mapping,
    "Relationship name to URL segment, where relationship naming is in effect.",
    meta=True,
    config=False,
)

# --- fields -----------------------------------------------------------------------------------------------------------
IGNORE_UNDERSCORE_ATTRIBUTES = Option(
    "IGNORE_UNDERSCORE_ATTRIBUTES", True, boolean, "Leave out attributes whose name starts with `_`.", meta=True
)
DUMP_HYBRID_PROPERTIES = Option(
    "DUMP_HYBRID_PROPERTIES", True, boolean, "Give hybrid properties in answers.", meta=True, method=True
)
IGNORE_FIELDS: Option[Any] = Option(
    "IGNORE_FIELDS",
    (),
    names,
    "Fields that are neither accepted nor returned.",
    meta=True,
    method=True,
    aliases=("IGNORE_FIELDS",),
)
IGNORE_OUTPUT_FIELDS: Option[Any] = Option(
    "IGNORE_OUTPUT_FIELDS",
    (),
    names,
    "Fields that are accepted and never returned.",
    meta=True,
    method=True,
    aliases=("IGNORE_OUTPUT_FIELDS",),
)
IGNORE_INPUT_FIELDS: Option[Any] = Option(
    "IGNORE_INPUT_FIELDS",
    (),
    names,
    "Fields that are returned and not accepted.",
    meta=True,
    method=True,
    aliases=("IGNORE_INPUT_FIELDS",),
)
SECRET_FIELDS: Option[Any] = Option(
    "SECRET_FIELDS",
    ("password*", "*_hash", "*secret*", "*token*", "api_key*", "passwd*", "*_password", "private_key*"),
    names,
    "Name patterns of columns that are accepted and never returned; `info={'secret': False}` opts one column out.",
    meta=True,
)
ALLOW_CLIENT_PK = Option(
    "ALLOW_CLIENT_PK", False, boolean, "Let clients choose a primary key that is generated otherwise.", meta=True
)
UNKNOWN_FIELDS = Option(
    "UNKNOWN_FIELDS",
    "refuse",
    choice("refuse", "ignore"),
    "What an unknown key in a body does: a 400 with the nearest valid name, or nothing.",
    meta=True,
)
DECIMAL_FORMAT = Option(
    "DECIMAL_FORMAT",
    "string",
    choice("string", "number"),
    "Give decimals as exact strings or as JSON numbers.",
    meta=True,
)

# --- reading ----------------------------------------------------------------------------------------------------------
SERIALIZATION_TYPE: Option[Any] = Option(
    "SERIALIZATION_TYPE",
    "url",
    choice("url", "json", "dynamic", "hybrid", False),
    "How relations are given: links, objects, objects named in `join`, or objects for to-one and links for to-many.",
    meta=True,
    method=True,
    aliases=("API_SERIALISATION_TYPE",),
)
SERIALIZATION_DEPTH = Option(
    "SERIALIZATION_DEPTH",
    1,
    integer(0, 10),
    "Levels of relations that may be inlined; 0 gives links only.",
    meta=True,
    method=True,
    aliases=("API_SERIALISATION_DEPTH",),
)
INLINE_ROWS_MAX = Option(
    "INLINE_ROWS_MAX",
    10_000,
    integer(1, 30_000),
    "Most related rows that one relation may add to one answer.",
    meta=True,
)
PAGINATION_SIZE_DEFAULT = Option(
    "PAGINATION_SIZE_DEFAULT", 20, integer(1), "Rows per page when `limit` is not sent.", meta=True, method=True
)
PAGINATION_SIZE_MAX = Option(
    "PAGINATION_SIZE_MAX", 100, integer(1), "Largest accepted `limit`.", meta=True, method=True
)
ALLOW_FILTERS = Option("ALLOW_FILTERS", True, boolean, "Accept filters.", meta=True, method=True)
ALLOW_ORDER_BY = Option("ALLOW_ORDER_BY", True, boolean, "Accept `order_by`.", meta=True, method=True)
ALLOW_SELECT_FIELDS = Option("ALLOW_SELECT_FIELDS", True, boolean, "Accept `fields`.", meta=True, method=True)
ALLOW_JOIN = Option("ALLOW_JOIN", True, boolean, "Accept `join`.", meta=True, method=True)
FILTER_CONDITIONS_MAX = Option(
    "FILTER_CONDITIONS_MAX", 50, integer(1), "Most filter conditions in one request.", meta=True
)
FILTER_VALUES_MAX = Option(
    "FILTER_VALUES_MAX", 500, integer(1, 30_000), "Most values in one `in` or `nin` list.", meta=True
)
ORDER_KEYS_MAX = Option("ORDER_KEYS_MAX", 10, integer(1), "Most sort keys in one request.", meta=True)
UNKNOWN_PARAMETERS = Option(
    "UNKNOWN_PARAMETERS",
    "refuse",
    choice("refuse", "ignore"),
    "What an unknown query parameter does: a 400 with the nearest valid name, or nothing.",
    meta=True,
)
ADDITIONAL_QUERY_PARAMS: Option[Any] = Option(
    "ADDITIONAL_QUERY_PARAMS",
    (),
    anything,
    "Parameter objects for the document; hooks read their values from the request.",
    meta=True,
    method=True,
)

# --- bodies -----------------------------------------------------------------------------------------------------------
BODY_SIZE_MAX_BYTES = Option(
    "BODY_SIZE_MAX_BYTES", 1_048_576, integer(1), "Largest accepted request body; a set MAX_CONTENT_LENGTH wins."
)
BODY_DEPTH_MAX = Option("BODY_DEPTH_MAX", 64, integer(1, 200), "Deepest accepted nesting of a JSON body.")

# --- answers ----------------------------------------------------------------------------------------------------------
CREATED_STATUS = Option("CREATED_STATUS", 201, choice(200, 201), "Status of an answer that created a row.")
ERROR_FORMAT = Option(
    "ERROR_FORMAT",
    "envelope",
    choice("envelope", "problem"),
    "Give errors in the envelope, or as RFC 9457 problem details.",
)
DUMP_VERSION = Option("DUMP_VERSION", True, boolean, "Send `api_version`.")
DUMP_DATETIME = Option("DUMP_DATETIME", True, boolean, "Send `datetime`.")
DUMP_STATUS_CODE = Option("DUMP_STATUS_CODE", True, boolean, "Send `status_code`.")
DUMP_RESPONSE_MS = Option("DUMP_RESPONSE_MS", True, boolean, "Send `response_ms`.")
DUMP_TOTAL_COUNT = Option("DUMP_TOTAL_COUNT", True, boolean, "Send `total_count`.")
DUMP_REQUEST_ID = Option("DUMP_REQUEST_ID", False, boolean, "Send `request_id`.")
DUMP_NULL_NEXT_URL = Option("DUMP_NULL_NEXT_URL", True, boolean, "Send `next_url` when it is null.")
DUMP_NULL_PREVIOUS_URL = Option("DUMP_NULL_PREVIOUS_URL", True, boolean, "Send `previous_url` when it is null.")
DUMP_NULL_ERRORS = Option("DUMP_NULL_ERRORS", False, boolean, "Send `errors` when it is null.")
EXPOSE_EXCEPTIONS = Option(
    "EXPOSE_EXCEPTIONS", False, boolean, "Show the text of unexpected exceptions to clients; for development only."
)

# --- observability ----------------------------------------------------------------------------------------------------
REQUEST_ID_HEADER = Option("REQUEST_ID_HEADER", "X-Request-ID", text, "Header that carries the request id.")
JSON_LOGS = Option("JSON_LOGS", False, boolean, "Write log records as one JSON object per line.")
LOG_REQUESTS = Option("LOG_REQUESTS", True, boolean, "Write one line per request.")
LOG_EXCLUDE: Option[Any] = Option("LOG_EXCLUDE", (), names, "Paths that get no request line.")
LOG_SLOW_MS: Option[int | None] = Option(
    "LOG_SLOW_MS", None, integer(0), "Milliseconds from which a request line is a warning."
)

# --- documentation ----------------------------------------------------------------------------------------------------
NAME: Option[str | None] = Option("NAME", None, text, "Name of a model in the document.", meta=True, config=False)
TAG: Option[str | None] = Option("TAG", None, text, "Tag of a model in the document.", meta=True, config=False)
TAG_GROUP: Option[str | None] = Option(
    "TAG_GROUP", None, text, "Group of tags in the document.", meta=True, config=False
)
DESCRIPTION: Option[Any] = Option(
    "DESCRIPTION", None, anything, "Description of a model, or of one method of it, in the document.", True, True
)
SUMMARY: Option[Any] = Option("SUMMARY", None, anything, "Summary of a method in the document.", True, True)

CORE_OPTIONS: tuple[Option[Any], ...] = tuple(value for value in list(globals().values()) if isinstance(value, Option))
