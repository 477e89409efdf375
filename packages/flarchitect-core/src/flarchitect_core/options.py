"""The options that core reads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from flarchitect_core.settings import (
    Expectation,
    Option,
    anything,
    boolean,
    choice,
    class_or_classes,
    function,
    integer,
    mapping,
    names,
    share,
    text,
    url_path,
)

_texts = Expectation(
    "a text, or a dictionary of methods and texts",
    lambda value: (
        isinstance(value, str)
        or (isinstance(value, Mapping) and all(isinstance(part, str) for each in value.items() for part in each))
    ),
)
_parameters = Expectation(
    "a list of parameter objects of OpenAPI, each a dictionary with a name",
    lambda value: (
        isinstance(value, (list, tuple))
        and all(isinstance(each, Mapping) and each.get("name") and isinstance(each["name"], str) for each in value)
    ),
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
SECURITY_PROFILE = Option(
    "SECURITY_PROFILE",
    "standard",
    choice("standard", "strict"),
    "`strict` makes rules of advice: weak keys stop the start, credentials need HTTPS, refusals tell less.",
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
DATABASE_CLAIMS: Option[dict[str, Any]] = Option(
    "DATABASE_CLAIMS",
    {},
    mapping,
    "PostgreSQL setting to an attribute of the user or a callable that takes it, set in each transaction for policies "
    "of the database: `{'app.user_id': 'id'}`.",
    topic="Database",
)

ENDPOINT_CASE = Option("ENDPOINT_CASE", "kebab", choice(*CASES), "Case of URL segments.", topic="Names")
FIELD_CASE = Option(
    "FIELD_CASE",
    "snake",
    choice(*CASES),
    "Case of JSON keys, of records and of the envelope; of a model, of its records only.",
    meta=True,
    topic="Names",
)
SCHEMA_CASE = Option(
    "SCHEMA_CASE",
    "camel",
    choice(*CASES),
    "Case of schema names and of the table in query parameters.",
    meta=True,
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
ALLOW_NESTED_WRITES = Option(
    "ALLOW_NESTED_WRITES",
    False,
    boolean,
    "Take objects below relationship keys of a body and write them with the row; each model on the path must allow it.",
    meta=True,
    method=True,
    topic="Fields",
)
NESTED_DEPTH_MAX = Option(
    "NESTED_DEPTH_MAX",
    2,
    integer(1),
    "Levels of nested objects below the object of a body.",
    meta=True,
    topic="Fields",
)
NESTED_ROWS_MAX = Option(
    "NESTED_ROWS_MAX",
    1000,
    integer(1),
    "Most nested objects in one body, and most rows that one of its lists may replace.",
    topic="Fields",
)
BASE_SCHEMA: Option[Any] = Option(
    "BASE_SCHEMA",
    None,
    class_or_classes,
    "Subclass of `AutoSchema` below which own schemas are looked for, and from which the generated ones are derived.",
    meta=True,
    topic="Fields",
)
SERIALIZATION_IGNORE_DETACHED = Option(
    "SERIALIZATION_IGNORE_DETACHED",
    True,
    boolean,
    "Let a schema give null or an empty list for a relation that can no longer be loaded, instead of failing.",
    meta=True,
    topic="Fields",
)
AUTO_VALIDATE = Option(
    "AUTO_VALIDATE",
    True,
    boolean,
    "Check string columns by `info['format']` or by words in their names, such as `email` or `url`.",
    meta=True,
    method=True,
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
COUNT: Option[Any] = Option(
    "COUNT",
    "exact",
    choice("exact", "capped", "estimated", "none"),
    "How the rows of pages by number are counted when `count` is not sent.",
    meta=True,
    method=True,
    topic="Reading",
)
COUNT_CAP = Option(
    "COUNT_CAP",
    1000,
    integer(1),
    "How far rows are counted when `count` is `capped`.",
    meta=True,
    method=True,
    topic="Reading",
)
ALLOW_COUNT = Option(
    "ALLOW_COUNT",
    True,
    boolean,
    "Accept `count`, by which clients choose how rows are counted.",
    meta=True,
    method=True,
    topic="Reading",
)
CURSOR_SECRET: Option[str | None] = Option(
    "CURSOR_SECRET",
    None,
    text,
    "Key that cursors are signed with, the application's `SECRET_KEY` by default.",
    topic="Reading",
    secret=True,
)
ALLOW_FILTERS = Option("ALLOW_FILTERS", True, boolean, "Accept filters.", meta=True, method=True, topic="Reading")
ALLOW_ORDER_BY = Option("ALLOW_ORDER_BY", True, boolean, "Accept `order_by`.", meta=True, method=True, topic="Reading")
ALLOW_SELECT_FIELDS = Option(
    "ALLOW_SELECT_FIELDS", True, boolean, "Accept `fields`.", meta=True, method=True, topic="Reading"
)
ALLOW_JOIN = Option("ALLOW_JOIN", True, boolean, "Accept `join`.", meta=True, method=True, topic="Reading")
ALLOW_GROUPBY = Option(
    "ALLOW_GROUPBY",
    False,
    boolean,
    "Accept `groupby`, which gives groups of rows instead of rows.",
    meta=True,
    method=True,
    topic="Reading",
)
ALLOW_AGGREGATION = Option(
    "ALLOW_AGGREGATION",
    False,
    boolean,
    "Accept aggregates, such as `budget__sum=1`.",
    meta=True,
    method=True,
    topic="Reading",
)
GROUP_COLUMNS_MAX = Option(
    "GROUP_COLUMNS_MAX",
    20,
    integer(1, 100),
    "Most columns in `groupby` and aggregates together.",
    meta=True,
    topic="Reading",
)
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
FILTER_DEPTH_MAX = Option(
    "FILTER_DEPTH_MAX",
    3,
    integer(0, 10),
    "Most relations that the path of a filter or sort key may lead over; 0 allows joined ones only.",
    meta=True,
    topic="Reading",
)
SEARCH: Option[Any] = Option(
    "SEARCH",
    (),
    names,
    "Text columns that `search` looks into, such as `title` or `studio.name`; without them there is no `search`.",
    meta=True,
    config=False,
    topic="Reading",
)
SEARCH_LANGUAGE = Option(
    "SEARCH_LANGUAGE",
    "simple",
    text,
    "Text search configuration of PostgreSQL that `search` uses.",
    meta=True,
    topic="Reading",
)
SEARCH_WORDS_MAX = Option(
    "SEARCH_WORDS_MAX", 10, integer(1, 100), "Most words of one `search`.", meta=True, topic="Reading"
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
    _parameters,
    "Parameter objects for the document; hooks read their values from the request.",
    meta=True,
    method=True,
    topic="Reading",
)

SOFT_DELETE = Option(
    "SOFT_DELETE", False, boolean, "Mark rows as deleted instead of removing them.", meta=True, topic="Deleting"
)
SOFT_DELETE_ATTRIBUTE: Option[str | None] = Option(
    "SOFT_DELETE_ATTRIBUTE",
    None,
    text,
    "Attribute that carries the mark of a soft delete.",
    meta=True,
    topic="Deleting",
)
SOFT_DELETE_VALUES: Option[Any] = Option(
    "SOFT_DELETE_VALUES",
    None,
    anything,
    "Tuple `(active, deleted)` of the values of the mark; a callable as the second makes the value anew each time.",
    meta=True,
    topic="Deleting",
)
ALLOW_INCLUDE_DELETED = Option(
    "ALLOW_INCLUDE_DELETED",
    True,
    boolean,
    "Accept `include_deleted`, which shows rows that are marked as deleted.",
    meta=True,
    method=True,
    topic="Deleting",
)
ALLOW_CASCADE_DELETE = Option(
    "ALLOW_CASCADE_DELETE",
    False,
    boolean,
    "Accept `cascade_delete`, which removes dependent rows too.",
    meta=True,
    topic="Deleting",
)
ALLOW_DELETE_RELATED = Option(
    "ALLOW_DELETE_RELATED",
    True,
    boolean,
    "Let a cascade remove the rows of child models.",
    meta=True,
    meta_aliases=("delete_related",),
    topic="Deleting",
)
ALLOW_DELETE_DEPENDENTS = Option(
    "ALLOW_DELETE_DEPENDENTS",
    True,
    boolean,
    "Let a cascade remove the association rows of many-to-many relationships.",
    meta=True,
    meta_aliases=("delete_dependents",),
    topic="Deleting",
)
CASCADE_ROWS_MAX = Option(
    "CASCADE_ROWS_MAX", 10_000, integer(1), "Most rows that one cascade may remove.", meta=True, topic="Deleting"
)

GLOBAL_PRE_DESERIALIZE_HOOK: Option[Any] = Option(
    "GLOBAL_PRE_DESERIALIZE_HOOK",
    None,
    function,
    "Called with every decoded body as `f(data)`; gives the body to use.",
    topic="Hooks",
)
GLOBAL_SETUP_CALLBACK: Option[Any] = Option(
    "GLOBAL_SETUP_CALLBACK",
    None,
    function,
    "Called before every operation as `f(model=..., **kwargs)`; what it returns is merged over the arguments.",
    method=True,
    topic="Hooks",
)
SETUP_CALLBACK: Option[Any] = Option(
    "SETUP_CALLBACK",
    None,
    function,
    "Called after the global setup callback, in the same way.",
    meta=True,
    method=True,
    topic="Hooks",
)
FILTER_CALLBACK: Option[Any] = Option(
    "FILTER_CALLBACK",
    None,
    function,
    "Called as `f(query, model, params)` for every lookup of a model; gives the query with further conditions.",
    meta=True,
    method=True,
    topic="Hooks",
)
ADD_CALLBACK: Option[Any] = Option(
    "ADD_CALLBACK", None, function, "Called as `f(obj, model)` before a row is added.", meta=True, topic="Hooks"
)
UPDATE_CALLBACK: Option[Any] = Option(
    "UPDATE_CALLBACK",
    None,
    function,
    "Called as `f(obj, model)` before a changed row is stored.",
    meta=True,
    topic="Hooks",
)
REMOVE_CALLBACK: Option[Any] = Option(
    "REMOVE_CALLBACK", None, function, "Called as `f(obj, model)` before a row is deleted.", meta=True, topic="Hooks"
)
RETURN_CALLBACK: Option[Any] = Option(
    "RETURN_CALLBACK",
    None,
    function,
    'Called as `f(model=..., output=..., **kwargs)` after an operation; gives `{"output": new_output}`.',
    meta=True,
    method=True,
    topic="Hooks",
)
DUMP_CALLBACK: Option[Any] = Option(
    "DUMP_CALLBACK",
    None,
    function,
    "Called as `f(data, **kwargs)` with every record of an answer; gives the record to send.",
    meta=True,
    method=True,
    topic="Hooks",
)
FINAL_CALLBACK: Option[Any] = Option(
    "FINAL_CALLBACK", None, function, "Called as `f(envelope)` last of all; gives the envelope to send.", topic="Hooks"
)
ERROR_CALLBACK: Option[Any] = Option(
    "ERROR_CALLBACK",
    None,
    function,
    "Called as `f(error, status_code, value)` once for every answer that is an error.",
    topic="Hooks",
)
PLUGINS: Option[Any] = Option(
    "PLUGINS", (), anything, "Plugins: subclasses of `PluginBase`, instances or factories, in order.", topic="Hooks"
)
PLUGINS_IGNORE_ERRORS = Option(
    "PLUGINS_IGNORE_ERRORS",
    False,
    boolean,
    "Leave out plugins that cannot be made, with a warning, instead of stopping the start.",
    topic="Hooks",
)

BODY_SIZE_MAX_BYTES = Option(
    "BODY_SIZE_MAX_BYTES",
    1_048_576,
    integer(1),
    "Largest accepted request body; a set MAX_CONTENT_LENGTH wins.",
    topic="Request bodies",
)
BODY_DEPTH_MAX = Option(
    "BODY_DEPTH_MAX", 64, integer(1, 200), "Deepest accepted nesting of a body.", topic="Request bodies"
)

ALLOW_BULK = Option(
    "ALLOW_BULK",
    False,
    boolean,
    "Create, change and delete many rows by one request: lists in bodies, and PATCH and DELETE with a filter.",
    meta=True,
    method=True,
    topic="Many rows at once",
)
BULK_ROWS_MAX = Option(
    "BULK_ROWS_MAX",
    1000,
    integer(1, 30_000),
    "Most rows that one request may write.",
    meta=True,
    method=True,
    topic="Many rows at once",
)

IDEMPOTENCY = Option(
    "IDEMPOTENCY",
    False,
    boolean,
    "Do a POST or PATCH with an `Idempotency-Key` once, however often it is sent.",
    meta=True,
    method=True,
    topic="Safe repetition",
)
IDEMPOTENCY_TTL_SECONDS = Option(
    "IDEMPOTENCY_TTL_SECONDS",
    86_400,
    integer(1),
    "Seconds for which the answer to an `Idempotency-Key` is kept.",
    meta=True,
    topic="Safe repetition",
)
ETAGS = Option(
    "ETAGS",
    False,
    boolean,
    "Send an `ETag` with every row and list; always on where `API_REQUIRE_IF_MATCH` is.",
    meta=True,
    topic="Safe repetition",
)
REQUIRE_IF_MATCH = Option(
    "REQUIRE_IF_MATCH",
    False,
    boolean,
    "Refuse to change or delete a row without `If-Match`, with 428.",
    meta=True,
    method=True,
    topic="Safe repetition",
)

CREATED_STATUS = Option(
    "CREATED_STATUS", 201, choice(200, 201), "Status of an answer that created a row.", topic="Answers"
)
COOKIE_DEFAULTS: Option[Any] = Option(
    "COOKIE_DEFAULTS",
    {},
    mapping,
    "Attributes of cookies, by the names of `Response.set_cookie`, for `cookie_settings`.",
    topic="Answers",
)
ALLOW_XML = Option("ALLOW_XML", True, boolean, "Give and take XML besides JSON.", topic="Answers")
XML_AS_TEXT = Option(
    "XML_AS_TEXT", False, boolean, "Give XML as `text/xml` instead of `application/xml`.", topic="Answers"
)
ALLOW_EXPORT = Option(
    "ALLOW_EXPORT",
    False,
    boolean,
    "Give all rows of a collection at once to clients that accept `text/csv` or `application/x-ndjson`.",
    meta=True,
    topic="Answers",
)
EXPORT_ROWS_MAX = Option(
    "EXPORT_ROWS_MAX", 1_000_000, integer(1), "Most rows of one export.", meta=True, topic="Answers"
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
PRINT_EXCEPTIONS = Option(
    "PRINT_EXCEPTIONS",
    True,
    boolean,
    "Log the tracebacks of unexpected exceptions; off, a line names each of them.",
    topic="Logs and request ids",
)
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
    "LOG_EXCLUDE",
    (),
    names,
    "Paths that get no request line; by default those of the health checks and metrics.",
    topic="Logs and request ids",
)
LOG_SLOW_MS: Option[int | None] = Option(
    "LOG_SLOW_MS",
    None,
    integer(0),
    "Milliseconds from which a request line is a warning.",
    topic="Logs and request ids",
)
LOG_SAMPLE_RATE = Option(
    "LOG_SAMPLE_RATE",
    1.0,
    share,
    "Share of the requests that get a line; slow ones and those answered with 5xx always do.",
    topic="Logs and request ids",
)
LOG_STATEMENTS = Option(
    "LOG_STATEMENTS",
    False,
    boolean,
    "Add `sql_count` and `sql_ms` to request lines.",
    topic="Logs and request ids",
)
LOG_QUERY = Option(
    "LOG_QUERY",
    False,
    boolean,
    "Add the query to request lines, without the values that `API_LOG_REDACT` names.",
    topic="Logs and request ids",
)
LOG_REDACT: Option[Any] = Option(
    "LOG_REDACT",
    ("*password*", "*passwd*", "*secret*", "*token*", "*api_key*", "*apikey*", "*_hash", "code", "key", "signature"),
    names,
    "Name patterns of query parameters whose values are never logged.",
    topic="Logs and request ids",
)
VERBOSITY_LEVEL = Option(
    "VERBOSITY_LEVEL",
    0,
    integer(0),
    "Highest level of `flarchitect.logging.logger` that is written; request lines do not depend on it.",
    topic="Logs and request ids",
)

EXPOSE_HEALTH = Option(
    "EXPOSE_HEALTH",
    False,
    boolean,
    "Answer whether the process lives and whether its databases do.",
    topic="Operations",
)
HEALTH_PATH = Option(
    "HEALTH_PATH", "/healthz", url_path, "Path that answers 200 while the process lives.", topic="Operations"
)
READY_PATH = Option(
    "READY_PATH",
    "/readyz",
    url_path,
    "Path that answers 200 when every database answers, else 503.",
    topic="Operations",
)
READY_TIMEOUT_MS = Option(
    "READY_TIMEOUT_MS",
    2000,
    integer(1),
    "Milliseconds that the databases have for the readiness check, all together.",
    topic="Operations",
)
EXPOSE_METRICS = Option(
    "EXPOSE_METRICS",
    False,
    boolean,
    "Serve metrics for Prometheus; needs the extra `metrics` of flarchitect-core.",
    topic="Operations",
)
METRICS_PATH = Option("METRICS_PATH", "/metrics", url_path, "Path of the metrics.", topic="Operations")
SERVER_TIMING: Option[bool | None] = Option(
    "SERVER_TIMING",
    None,
    boolean,
    "Send `Server-Timing` with the time and number of SQL statements; unset, in debug mode only.",
    topic="Operations",
)
STATEMENT_REPEATS_MAX = Option(
    "STATEMENT_REPEATS_MAX",
    5,
    integer(1),
    "In debug mode, how often one request may run the same SELECT before a warning names it.",
    topic="Operations",
)

CASCADE_ROWS_MAX = Option(
    "CASCADE_ROWS_MAX", 10_000, integer(1), "Most rows that one cascade may remove.", meta=True, topic="Deleting"
)

RATE_LIMIT_STORAGE_URI: Option[str | None] = Option(
    "RATE_LIMIT_STORAGE_URI",
    None,
    text,
    "Service that counts for all processes, such as `redis://127.0.0.1:6379/0`; without it each process counts.",
    topic="Rate limits",
)
RATE_LIMIT_STORAGE_OPTIONS: Option[Any] = Option(
    "RATE_LIMIT_STORAGE_OPTIONS",
    {},
    mapping,
    "Further arguments for the client of that service.",
    topic="Rate limits",
)

NAME: Option[str | None] = Option(
    "NAME", None, text, "Name of a model in the document.", meta=True, config=False, topic="Documentation"
)
TAG = Option(
    "TAG", "Unknown", text, "Tag of a model in the document.", meta=True, aliases=("TAG",), topic="Documentation"
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
    _texts,
    "Description of a model, or of one method of it, in the document.",
    True,
    True,
    topic="Documentation",
)
SUMMARY: Option[Any] = Option(
    "SUMMARY", None, _texts, "Summary of a method in the document.", True, True, topic="Documentation"
)
GET_MANY_DESCRIPTION: Option[str | None] = Option(
    "GET_MANY_DESCRIPTION",
    None,
    text,
    "Description of GET on a collection, in the document.",
    meta=True,
    config=False,
    topic="Documentation",
)
GET_SINGLE_DESCRIPTION: Option[str | None] = Option(
    "GET_SINGLE_DESCRIPTION",
    None,
    text,
    "Description of GET on one row, in the document.",
    meta=True,
    config=False,
    topic="Documentation",
)
GET_MANY_SUMMARY: Option[str | None] = Option(
    "GET_MANY_SUMMARY",
    None,
    text,
    "Summary of GET on a collection, in the document.",
    meta=True,
    config=False,
    topic="Documentation",
)
GET_SINGLE_SUMMARY: Option[str | None] = Option(
    "GET_SINGLE_SUMMARY",
    None,
    text,
    "Summary of GET on one row, in the document.",
    meta=True,
    config=False,
    topic="Documentation",
)

OPERATION_ID: Option[str | None] = Option(
    "OPERATION_ID",
    None,
    text,
    "What generated clients call the operation of a method, in the document.",
    meta=True,
    method=True,
    config=False,
    topic="Documentation",
)
GET_MANY_OPERATION_ID: Option[str | None] = Option(
    "GET_MANY_OPERATION_ID",
    None,
    text,
    "The same of GET on a collection.",
    meta=True,
    config=False,
    topic="Documentation",
)
DEPRECATED: Option[bool | dt.date] = Option(
    "DEPRECATED",
    False,
    Expectation("True, False or a date", lambda value: isinstance(value, (bool, dt.date))),
    "Whether clients should leave a method, or since when they should: told in the document and in `Deprecation`.",
    meta=True,
    method=True,
    config=False,
    topic="Documentation",
)
SUNSET: Option[dt.date | None] = Option(
    "SUNSET",
    None,
    Expectation("a date", lambda value: isinstance(value, dt.date)),
    "When a method will be gone: told in `Sunset`.",
    meta=True,
    method=True,
    config=False,
    topic="Documentation",
)
LINKS: Option[Any] = Option(
    "LINKS",
    None,
    mapping,
    "Links of OpenAPI on the answers of errors, in the document: status to name to link.",
    meta=True,
    method=True,
    topic="Documentation",
)

ACCESS_POLICY: Option[Any] = Option(
    "ACCESS_POLICY",
    None,
    anything,
    "Which rows a caller may see and write: a `Policy`, or an object or mapping with `scope_query` and `can_*`.",
    meta=True,
    protects=True,
    meta_aliases=("policy",),
    topic="Row policies",
)
POLICY_NONE_ALLOWS = Option(
    "POLICY_NONE_ALLOWS",
    False,
    boolean,
    "Take `None` from a `can_*` hook of a policy for yes, as it once was; otherwise it refuses.",
    topic="Row policies",
)
TENANT_FIELD: Option[Any] = Option(
    "TENANT_FIELD",
    None,
    Expectation("the name of an attribute, or False for none", lambda value: value is False or isinstance(value, str)),
    "Attribute with the tenant of a row; models that have it show a caller the rows of its own tenant only.",
    meta=True,
    protects=True,
    topic="Row policies",
)
TENANT_RESOLVER: Option[Any] = Option(
    "TENANT_RESOLVER",
    None,
    function,
    "Callable that gives the tenant of a user; by default it is the attribute of the same name.",
    topic="Row policies",
)
FIELD_POLICY: Option[Any] = Option(
    "FIELD_POLICY",
    {},
    mapping,
    "Field to the roles that may read and write it: `{'salary': {'read': ['hr'], 'write': ['hr']}}`.",
    meta=True,
    protects=True,
    topic="Row policies",
)
PROTECTED_FIELDS: Option[Any] = Option(
    "PROTECTED_FIELDS",
    ("roles", "is_admin", "is_active", "is_superuser", "is_staff"),
    names,
    "Fields of the user model that no body may set.",
    meta=True,
    topic="Row policies",
)

CORE_OPTIONS: tuple[Option[Any], ...] = tuple(value for value in list(globals().values()) if isinstance(value, Option))
