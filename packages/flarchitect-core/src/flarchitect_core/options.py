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

TITLE = Option("TITLE", "API", text, "Title of the API, shown in its documents.", topic="Application")
VERSION: Option[str | None] = Option(
    "VERSION", None, text, "Version of your API, sent as `api_version`.", topic="Application"
)
PREFIX = Option(
    "PREFIX", "/api", text, "URL prefix of every generated route; it may have several segments.", topic="Application"
)
FULL_AUTO = Option(
    "FULL_AUTO",
    True,
    boolean,
    "Generate routes at start-up; when off, call `architect.init_api(app)` yourself.",
    aliases=("FULL_AUTO",),
    topic="Application",
)
BASE_MODEL: Option[Any] = Option(
    "BASE_MODEL",
    None,
    class_or_classes,
    "Declarative base class, or list of them, whose models are published.",
    topic="Application",
)
CONFIG_STRICT = Option(
    "CONFIG_STRICT",
    False,
    boolean,
    "Refuse to start on any unknown `API_` key, not only on likely misspellings.",
    topic="Application",
)

SESSION_GETTER: Option[Any] = Option(
    "SESSION_GETTER",
    None,
    function,
    "Callable without arguments that returns the SQLAlchemy session of the current request.",
    meta=True,
    topic="Database",
)
DATABASE_URI: Option[str | None] = Option(
    "DATABASE_URI",
    None,
    text,
    "SQLAlchemy URL; the extension then opens the engine and a session per request itself.",
    topic="Database",
)
DATABASE_ENGINE_OPTIONS: Option[dict[str, Any]] = Option(
    "DATABASE_ENGINE_OPTIONS",
    {},
    mapping,
    "Keyword arguments of `create_engine` for `API_DATABASE_URI`.",
    topic="Database",
)

ENDPOINT_CASE = Option("ENDPOINT_CASE", "kebab", choice(*CASES), "Case of URL segments.", topic="Names")
FIELD_CASE = Option(
    "FIELD_CASE", "snake", choice(*CASES), "Case of JSON keys, of records and of the envelope.", topic="Names"
)
SCHEMA_CASE = Option(
    "SCHEMA_CASE",
    "camel",
    choice(*CASES),
    "Case of schema names and of the table in query parameters.",
    topic="Names",
)
ENDPOINT_NAMER: Option[Any] = Option(
    "ENDPOINT_NAMER",
    None,
    function,
    "Callable `(model, input_schema, output_schema)` that gives a model's URL segment.",
    meta=True,
    topic="Names",
)
ENDPOINT: Option[Any] = Option(
    "ENDPOINT",
    None,
    names,
    "Further URL segments under which a model is published.",
    meta=True,
    config=False,
    topic="Names",
)

ALLOWED_METHODS: Option[Any] = Option(
    "ALLOWED_METHODS",
    (),
    names,
    "HTTP methods that exist, all by default.",
    meta=True,
    topic="Methods",
)
BLOCK_METHODS: Option[Any] = Option(
    "BLOCK_METHODS",
    (),
    names,
    "HTTP methods that do not exist.",
    meta=True,
    meta_aliases=("blocked_methods",),
    topic="Methods",
)
READ_ONLY = Option(
    "READ_ONLY", False, boolean, "Give no writing methods, but those in `allowed_methods`.", meta=True, topic="Methods"
)
REGISTER_CANONICAL_ROUTES: Option[Any] = Option(
    "REGISTER_CANONICAL_ROUTES",
    True,
    choice(True, False, "0", "1", "false", "true", "no", "yes"),
    "Give the collection and item routes; when off, your application owns these URLs.",
    meta=True,
    topic="Methods",
)

ADD_RELATIONS = Option(
    "ADD_RELATIONS", True, boolean, "Give relation routes and relation fields.", meta=True, topic="Relations"
)
RELATION_ROUTE_NAMING = Option(
    "RELATION_ROUTE_NAMING",
    "model",
    choice("model", "relationship", "auto"),
    "Name relation routes by the related model, by the relationship, or by the relationship only where two collide.",
    meta=True,
    topic="Relations",
)
RELATION_URL_STYLE: Option[str | None] = Option(
    "RELATION_URL_STYLE",
    None,
    choice("relation-key", "target-model"),
    "Older spelling of `API_RELATION_ROUTE_NAMING`.",
    topic="Relations",
)
RELATION_ROUTE_MAP: Option[dict[str, str]] = Option(
    "RELATION_ROUTE_MAP",
    {},
    mapping,
    "Relationship name to URL segment, where relationship naming is in effect.",
    meta=True,
    config=False,
    topic="Relations",
)

IGNORE_UNDERSCORE_ATTRIBUTES = Option(
    "IGNORE_UNDERSCORE_ATTRIBUTES",
    True,
    boolean,
    "Leave out attributes whose name starts with `_`.",
    meta=True,
    topic="Fields",
)
DUMP_HYBRID_PROPERTIES = Option(
    "DUMP_HYBRID_PROPERTIES",
    True,
    boolean,
    "Give hybrid properties in answers.",
    meta=True,
    method=True,
    topic="Fields",
)
IGNORE_FIELDS: Option[Any] = Option(
    "IGNORE_FIELDS",
    (),
    names,
    "Fields that are neither accepted nor returned.",
    meta=True,
    method=True,
    aliases=("IGNORE_FIELDS",),
    topic="Fields",
)
IGNORE_OUTPUT_FIELDS: Option[Any] = Option(
    "IGNORE_OUTPUT_FIELDS",
    (),
    names,
    "Fields that are accepted and never returned.",
    meta=True,
    method=True,
    aliases=("IGNORE_OUTPUT_FIELDS",),
    topic="Fields",
)
IGNORE_INPUT_FIELDS: Option[Any] = Option(
    "IGNORE_INPUT_FIELDS",
    (),
    names,
    "Fields that are returned and not accepted.",
    meta=True,
    method=True,
    aliases=("IGNORE_INPUT_FIELDS",),
    topic="Fields",
)
SECRET_FIELDS: Option[Any] = Option(
    "SECRET_FIELDS",
    ("password*", "*_hash", "*secret*", "*token*", "api_key*", "passwd*", "*_password", "private_key*"),
    names,
    "Name patterns of columns that are accepted and never returned; `info={'secret': False}` opts one column out.",
    meta=True,
    topic="Fields",
)
ALLOW_CLIENT_PK = Option(
    "ALLOW_CLIENT_PK",
    False,
    boolean,
    "Let clients choose a primary key that is generated otherwise.",
    meta=True,
    topic="Fields",
)
UNKNOWN_FIELDS = Option(
    "UNKNOWN_FIELDS",
    "refuse",
    choice("refuse", "ignore"),
    "What an unknown key in a body does: a 400 with the nearest valid name, or nothing.",
    meta=True,
    topic="Fields",
)
DECIMAL_FORMAT = Option(
    "DECIMAL_FORMAT",
    "string",
    choice("string", "number"),
    "Give decimals as exact strings or as JSON numbers.",
    meta=True,
    topic="Fields",
)

SERIALIZATION_TYPE: Option[Any] = Option(
    "SERIALIZATION_TYPE",
    "url",
    choice("url", "json", "dynamic", "hybrid", False),
    "How relations are given: links, objects, objects named in `join`, or objects for to-one and links for to-many.",
    meta=True,
    method=True,
    aliases=("API_SERIALISATION_TYPE",),
    topic="Reading",
)
SERIALIZATION_DEPTH = Option(
    "SERIALIZATION_DEPTH",
    1,
    integer(0, 10),
    "Levels of relations that may be inlined; 0 gives links only.",
    meta=True,
    method=True,
    aliases=("API_SERIALISATION_DEPTH",),
    topic="Reading",
)
INLINE_ROWS_MAX = Option(
    "INLINE_ROWS_MAX",
    10_000,
    integer(1, 30_000),
    "Most related rows that one relation may add to one answer.",
    meta=True,
    topic="Reading",
)
PAGINATION_SIZE_DEFAULT = Option(
    "PAGINATION_SIZE_DEFAULT",
    20,
    integer(1),
    "Rows per page when `limit` is not sent.",
    meta=True,
    method=True,
    topic="Reading",
)
PAGINATION_SIZE_MAX = Option(
    "PAGINATION_SIZE_MAX",
    100,
    integer(1),
    "Largest accepted `limit`.",
    meta=True,
    method=True,
    topic="Reading",
)
ALLOW_FILTERS = Option("ALLOW_FILTERS", True, boolean, "Accept filters.", meta=True, method=True, topic="Reading")
ALLOW_ORDER_BY = Option("ALLOW_ORDER_BY", True, boolean, "Accept `order_by`.", meta=True, method=True, topic="Reading")
ALLOW_SELECT_FIELDS = Option(
    "ALLOW_SELECT_FIELDS", True, boolean, "Accept `fields`.", meta=True, method=True, topic="Reading"
)
ALLOW_JOIN = Option("ALLOW_JOIN", True, boolean, "Accept `join`.", meta=True, method=True, topic="Reading")
FILTER_CONDITIONS_MAX = Option(
    "FILTER_CONDITIONS_MAX",
    50,
    integer(1),
    "Most filter conditions in one request.",
    meta=True,
    topic="Reading",
)
FILTER_VALUES_MAX = Option(
    "FILTER_VALUES_MAX",
    500,
    integer(1, 30_000),
    "Most values in one `in` or `nin` list.",
    meta=True,
    topic="Reading",
)
ORDER_KEYS_MAX = Option("ORDER_KEYS_MAX", 10, integer(1), "Most sort keys in one request.", meta=True, topic="Reading")
UNKNOWN_PARAMETERS = Option(
    "UNKNOWN_PARAMETERS",
    "refuse",
    choice("refuse", "ignore"),
    "What an unknown query parameter does: a 400 with the nearest valid name, or nothing.",
    meta=True,
    topic="Reading",
)
ADDITIONAL_QUERY_PARAMS: Option[Any] = Option(
    "ADDITIONAL_QUERY_PARAMS",
    (),
    anything,
    "Parameter objects for the document; hooks read their values from the request.",
    meta=True,
    method=True,
    topic="Reading",
)

BODY_SIZE_MAX_BYTES = Option(
    "BODY_SIZE_MAX_BYTES",
    1_048_576,
    integer(1),
    "Largest accepted request body; a set MAX_CONTENT_LENGTH wins.",
    topic="Request bodies",
)
BODY_DEPTH_MAX = Option(
    "BODY_DEPTH_MAX", 64, integer(1, 200), "Deepest accepted nesting of a JSON body.", topic="Request bodies"
)

CREATED_STATUS = Option(
    "CREATED_STATUS", 201, choice(200, 201), "Status of an answer that created a row.", topic="Answers"
)
ERROR_FORMAT = Option(
    "ERROR_FORMAT",
    "envelope",
    choice("envelope", "problem"),
    "Give errors in the envelope, or as RFC 9457 problem details.",
    topic="Answers",
)
DUMP_VERSION = Option("DUMP_VERSION", True, boolean, "Send `api_version`.", topic="Answers")
DUMP_DATETIME = Option("DUMP_DATETIME", True, boolean, "Send `datetime`.", topic="Answers")
DUMP_STATUS_CODE = Option("DUMP_STATUS_CODE", True, boolean, "Send `status_code`.", topic="Answers")
DUMP_RESPONSE_MS = Option("DUMP_RESPONSE_MS", True, boolean, "Send `response_ms`.", topic="Answers")
DUMP_TOTAL_COUNT = Option("DUMP_TOTAL_COUNT", True, boolean, "Send `total_count`.", topic="Answers")
DUMP_REQUEST_ID = Option("DUMP_REQUEST_ID", False, boolean, "Send `request_id`.", topic="Answers")
DUMP_NULL_NEXT_URL = Option("DUMP_NULL_NEXT_URL", True, boolean, "Send `next_url` when it is null.", topic="Answers")
DUMP_NULL_PREVIOUS_URL = Option(
    "DUMP_NULL_PREVIOUS_URL", True, boolean, "Send `previous_url` when it is null.", topic="Answers"
)
DUMP_NULL_ERRORS = Option("DUMP_NULL_ERRORS", False, boolean, "Send `errors` when it is null.", topic="Answers")
EXPOSE_EXCEPTIONS = Option(
    "EXPOSE_EXCEPTIONS",
    False,
    boolean,
    "Show the text of unexpected exceptions to clients; for development only.",
    topic="Answers",
)

REQUEST_ID_HEADER = Option(
    "REQUEST_ID_HEADER", "X-Request-ID", text, "Header that carries the request id.", topic="Logs and request ids"
)
JSON_LOGS = Option(
    "JSON_LOGS", False, boolean, "Write log records as one JSON object per line.", topic="Logs and request ids"
)
LOG_REQUESTS = Option("LOG_REQUESTS", True, boolean, "Write one line per request.", topic="Logs and request ids")
LOG_EXCLUDE: Option[Any] = Option(
    "LOG_EXCLUDE", (), names, "Paths that get no request line.", topic="Logs and request ids"
)
LOG_SLOW_MS: Option[int | None] = Option(
    "LOG_SLOW_MS",
    None,
    integer(0),
    "Milliseconds from which a request line is a warning.",
    topic="Logs and request ids",
)

CASCADE_ROWS_MAX = Option(
    "CASCADE_ROWS_MAX", 10_000, integer(1), "Most rows that one cascade may remove.", meta=True, topic="Deleting"
)

NAME: Option[str | None] = Option(
    "NAME", None, text, "Name of a model in the document.", meta=True, config=False, topic="Documentation"
)
TAG: Option[str | None] = Option(
    "TAG", None, text, "Tag of a model in the document.", meta=True, config=False, topic="Documentation"
)
TAG_GROUP: Option[str | None] = Option(
    "TAG_GROUP",
    None,
    text,
    "Group of tags in the document.",
    meta=True,
    config=False,
    topic="Documentation",
)
DESCRIPTION: Option[Any] = Option(
    "DESCRIPTION",
    None,
    anything,
    "Description of a model, or of one method of it, in the document.",
    True,
    True,
    topic="Documentation",
)
SUMMARY: Option[Any] = Option(
    "SUMMARY", None, anything, "Summary of a method in the document.", True, True, topic="Documentation"
)

CORE_OPTIONS: tuple[Option[Any], ...] = tuple(value for value in list(globals().values()) if isinstance(value, Option))
