"""The options that the authentication part reads besides those of core."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from flarchitect_core.rates import rate_limit
from flarchitect_core.settings import (
    Expectation,
    Option,
    anything,
    boolean,
    choice,
    function,
    integer,
    mapping,
    names,
    text,
    url_path,
)

__all__ = ["AUTH_OPTIONS"]

_OWNER = "flarchitect-auth"
_METHODS, _USERS, _TOKENS, _KEYS = "Authentication", "Users", "Tokens", "Signing keys"
_ROUTES, _ROLES, _COOKIES, _FAILURES = "Authentication routes", "Roles", "Tokens in cookies", "Failed attempts"

_methods = Expectation(
    "'jwt', 'basic', 'api_key' or 'custom', a list of them, or False for none",
    lambda value: value is False or isinstance(value, str) or _are_texts(value),
)
_model = Expectation("a mapped class", lambda value: isinstance(value, type))
_minutes = integer(1)
_seconds = Expectation(
    "a number of seconds from 0 to 300",
    lambda value: isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 300,
)
_callable = Expectation("a callable", lambda value: callable(value) or isinstance(value, staticmethod))
_providers = Expectation(
    "'header', 'cookie', a dotted path, a callable, or a list of these",
    lambda value: isinstance(value, str) or callable(value) or isinstance(value, (list, tuple)),
)


def _are_texts(value: object) -> bool:
    # An iterator is used up by the first look at it, and would leave every route open after that.
    if isinstance(value, Mapping) or not isinstance(value, Collection):
        return False
    return all(isinstance(item, str) for item in value)


AUTHENTICATE: Option[bool | None] = Option(
    "AUTHENTICATE",
    None,
    boolean,
    "Whether callers must be known; False opens routes that a method of authentication would close.",
    meta=True,
    method=True,
    owner=_OWNER,
    topic=_METHODS,
)
AUTHENTICATE_METHOD: Option[Any] = Option(
    "AUTHENTICATE_METHOD",
    None,
    _methods,
    "How callers are recognised, tried in this order: `jwt`, `basic`, `api_key`, `custom`.",
    meta=True,
    method=True,
    owner=_OWNER,
    topic=_METHODS,
)
AUTH_REQUIREMENTS: Option[Any] = Option(
    "AUTH_REQUIREMENTS",
    None,
    anything,
    "Which operations need a known caller: a bool, a word, a mapping by operation, or a callable that gives one.",
    meta=True,
    owner=_OWNER,
    topic=_METHODS,
)
AUTH_EXEMPT_ENDPOINTS: Option[Any] = Option(
    "AUTH_EXEMPT_ENDPOINTS",
    ("static",),
    names,
    "Flask endpoints that anybody may ask.",
    owner=_OWNER,
    topic=_METHODS,
)
CUSTOM_AUTH: Option[Any] = Option(
    "CUSTOM_AUTH",
    None,
    _callable,
    "Callable without arguments that recognises the caller by itself; what is true, or a user, accepts.",
    owner=_OWNER,
    topic=_METHODS,
)
CUSTOM_AUTH_SCHEME: Option[Any] = Option(
    "CUSTOM_AUTH_SCHEME",
    None,
    mapping,
    "How callers show who they are to `API_CUSTOM_AUTH`: a security scheme object for the document.",
    owner=_OWNER,
    topic=_METHODS,
)
REQUIRE_TLS: Option[bool | None] = Option(
    "REQUIRE_TLS",
    None,
    boolean,
    "Refuse credentials over plain HTTP with 403; on by default in the profile `strict`.",
    owner=_OWNER,
    topic=_METHODS,
)

USER_MODEL: Option[Any] = Option("USER_MODEL", None, _model, "Mapped class of the users.", owner=_OWNER, topic=_USERS)
USER_LOOKUP_FIELD: Option[str | None] = Option(
    "USER_LOOKUP_FIELD",
    None,
    text,
    "Column of the user model that holds the login name.",
    meta=True,
    owner=_OWNER,
    topic=_USERS,
)
USER_ACTIVE_FIELD: Option[str | None] = Option(
    "USER_ACTIVE_FIELD",
    None,
    text,
    "Attribute of a user that is false while the account is closed; `is_active` where the model has it.",
    meta=True,
    owner=_OWNER,
    topic=_USERS,
)
TOKENS_VALID_AFTER_FIELD = Option(
    "TOKENS_VALID_AFTER_FIELD",
    "tokens_valid_after",
    text,
    "Column of a user with a moment; tokens that were issued before it count no more. Without the column nothing does.",
    meta=True,
    owner=_OWNER,
    topic=_USERS,
)
CREDENTIAL_CHECK_METHOD: Option[str | None] = Option(
    "CREDENTIAL_CHECK_METHOD",
    None,
    text,
    "Method of a user that takes a password, or a key, and says whether it is right.",
    meta=True,
    owner=_OWNER,
    topic=_USERS,
)
CREDENTIAL_HASH_FIELD: Option[str | None] = Option(
    "CREDENTIAL_HASH_FIELD",
    None,
    text,
    "Attribute of a user that holds the hash of the API key.",
    meta=True,
    owner=_OWNER,
    topic=_USERS,
)
KEY_AUTH_AND_RETURN_METHOD: Option[Any] = Option(
    "KEY_AUTH_AND_RETURN_METHOD",
    None,
    _callable,
    "Callable that takes an API key and gives its user, or nothing.",
    meta=True,
    owner=_OWNER,
    topic=_USERS,
)
KEY_ID_FIELD: Option[str | None] = Option(
    "KEY_ID_FIELD",
    None,
    text,
    "Indexed column with the public part of an API key `<prefix>_<id>.<secret>`, by which its user is found at once.",
    meta=True,
    owner=_OWNER,
    topic=_USERS,
)
KEY_PREFIX = Option(
    "KEY_PREFIX", "key", text, "First word of the API keys that `create-api-key` makes.", owner=_OWNER, topic=_USERS
)
KEY_EXPIRES_FIELD: Option[str | None] = Option(
    "KEY_EXPIRES_FIELD",
    None,
    text,
    "Column with the moment at which the API key of a user ends.",
    meta=True,
    owner=_OWNER,
    topic=_USERS,
)
KEY_LAST_USED_FIELD: Option[str | None] = Option(
    "KEY_LAST_USED_FIELD",
    None,
    text,
    "Column with the moment at which the API key of a user was last used, kept to the minute.",
    meta=True,
    owner=_OWNER,
    topic=_USERS,
)
KEY_SCOPES_FIELD: Option[str | None] = Option(
    "KEY_SCOPES_FIELD",
    None,
    text,
    "Attribute with the scopes of the API key of a user, a list or words between spaces.",
    meta=True,
    owner=_OWNER,
    topic=_USERS,
)
KEY_HEADER: Option[str | None] = Option(
    "KEY_HEADER",
    None,
    text,
    "Header that may carry an API key besides `Authorization: Api-Key`, such as `X-API-Key`.",
    owner=_OWNER,
    topic=_USERS,
)

JWT_ALGORITHM = Option(
    "JWT_ALGORITHM",
    "HS256",
    text,
    "Algorithm that signs tokens: HS256 to HS512, RS*, PS*, ES256 to ES512 or EdDSA.",
    owner=_OWNER,
    topic=_TOKENS,
)
JWT_ALLOWED_ALGORITHMS: Option[Any] = Option(
    "JWT_ALLOWED_ALGORITHMS",
    None,
    names,
    "Algorithms that tokens may be signed with, all of one kind of key; by default that of `API_JWT_ALGORITHM`.",
    owner=_OWNER,
    topic=_TOKENS,
)
JWT_EXPIRY_TIME = Option(
    "JWT_EXPIRY_TIME", 360, _minutes, "Minutes for which an access token counts.", owner=_OWNER, topic=_TOKENS
)
JWT_REFRESH_EXPIRY_TIME = Option(
    "JWT_REFRESH_EXPIRY_TIME", 2880, _minutes, "Minutes for which a refresh token counts.", owner=_OWNER, topic=_TOKENS
)
JWT_ISSUER: Option[str | None] = Option(
    "JWT_ISSUER", None, text, "Issuer that tokens name, and must name.", owner=_OWNER, topic=_TOKENS
)
JWT_AUDIENCE: Option[Any] = Option(
    "JWT_AUDIENCE", None, names, "Audience that tokens name; one of several is enough.", owner=_OWNER, topic=_TOKENS
)
JWT_LEEWAY: Option[Any] = Option(
    "JWT_LEEWAY", 0, _seconds, "Seconds by which clocks may differ, at most 300.", owner=_OWNER, topic=_TOKENS
)
JWT_DENYLIST = Option(
    "JWT_DENYLIST",
    False,
    boolean,
    "Keep the ids of access tokens that were logged out until they expire; one more lookup for each request.",
    owner=_OWNER,
    topic=_TOKENS,
)
JWT_USER_MISSING_STATUS = Option(
    "JWT_USER_MISSING_STATUS",
    401,
    choice(401, 404),
    "Status by which `get_user_from_token` says that the user is gone; requests always answer 401.",
    owner=_OWNER,
    topic=_TOKENS,
)
REFRESH_TOKEN_STORAGE = Option(
    "REFRESH_TOKEN_STORAGE",
    "hash",
    choice("hash", "plain"),
    "Store refresh tokens as SHA-256 hashes, or as they are.",
    owner=_OWNER,
    topic=_TOKENS,
)
REFRESH_REUSE_GRACE = Option(
    "REFRESH_REUSE_GRACE",
    0,
    integer(0, 300),
    "Seconds in which a refresh token may be used once more, for clients that lost the answer.",
    owner=_OWNER,
    topic=_TOKENS,
)
REFRESH_FAMILY_MAX_AGE = Option(
    "REFRESH_FAMILY_MAX_AGE",
    30,
    integer(1),
    "Days after a login for which its refresh tokens can be renewed.",
    owner=_OWNER,
    topic=_TOKENS,
)
TOKEN_STORE_AUTO_CREATE = Option(
    "TOKEN_STORE_AUTO_CREATE",
    True,
    boolean,
    "Create the tables of tokens at start-up where they are missing; off where migrations do.",
    owner=_OWNER,
    topic=_TOKENS,
)

JWT_KEYS: Option[Any] = Option(
    "JWT_KEYS",
    {},
    mapping,
    "Key id to key, for rotation: each a mapping with `secret`, or with `private` and `public`.",
    owner=_OWNER,
    topic=_KEYS,
    secret=True,
)
JWT_ACTIVE_KID: Option[str | None] = Option(
    "JWT_ACTIVE_KID", None, text, "Id of the key in `API_JWT_KEYS` that signs.", owner=_OWNER, topic=_KEYS
)
JWT_EXPOSE_JWKS = Option(
    "JWT_EXPOSE_JWKS",
    False,
    boolean,
    "Publish the public keys at `/.well-known/jwks.json`.",
    owner=_OWNER,
    topic=_KEYS,
)


def _key(name: str, sentence: str) -> Option[str | None]:
    return Option(name, None, text, sentence, aliases=(name,), owner=_OWNER, topic=_KEYS, secret=True)


ACCESS_SECRET_KEY = _key("ACCESS_SECRET_KEY", "Secret of access tokens (HS*); the environment comes first.")
REFRESH_SECRET_KEY = _key("REFRESH_SECRET_KEY", "Secret of refresh tokens (HS*); the environment comes first.")
ACCESS_PRIVATE_KEY = _key("ACCESS_PRIVATE_KEY", "PEM of the key that signs access tokens; the environment comes first.")
ACCESS_PUBLIC_KEY = _key("ACCESS_PUBLIC_KEY", "PEM of the key that verifies access tokens; the environment first.")
REFRESH_PRIVATE_KEY = _key("REFRESH_PRIVATE_KEY", "PEM of the key that signs refresh tokens; the environment first.")
REFRESH_PUBLIC_KEY = _key("REFRESH_PUBLIC_KEY", "PEM of the key that verifies refresh tokens; the environment first.")

AUTO_AUTH_ROUTES = Option(
    "AUTO_AUTH_ROUTES", True, boolean, "Give the routes below `/auth`.", owner=_OWNER, topic=_ROUTES
)
AUTH_REFRESH_ROUTE = Option(
    "AUTH_REFRESH_ROUTE", "/auth/refresh", url_path, "Path that renews tokens.", owner=_OWNER, topic=_ROUTES
)
AUTH_ME_ROUTE = Option("AUTH_ME_ROUTE", "/auth/me", url_path, "Path of the current user.", owner=_OWNER, topic=_ROUTES)
EXPOSE_ME = Option("EXPOSE_ME", True, boolean, "Give the route of the current user.", owner=_OWNER, topic=_ROUTES)
EXPOSE_REGISTER = Option("EXPOSE_REGISTER", False, boolean, "Give `POST /auth/register`.", owner=_OWNER, topic=_ROUTES)
REGISTER_USER: Option[Any] = Option(
    "REGISTER_USER",
    None,
    function,
    "Callable that takes the checked body of a registration, login name and password, and gives the user to store.",
    owner=_OWNER,
    topic=_ROUTES,
)
PASSWORD_MIN_LENGTH = Option(
    "PASSWORD_MIN_LENGTH", 12, integer(1), "Shortest password of a registration.", owner=_OWNER, topic=_ROUTES
)

ROLE_MAP: Option[Any] = Option(
    "ROLE_MAP",
    None,
    anything,
    "Roles by operation: `GET_MANY`, `GET_ONE`, `POST`, `RELATION_GET`, `ALL` and others.",
    meta=True,
    owner=_OWNER,
    topic=_ROLES,
)
ROLES_REQUIRED: Option[Any] = Option(
    "ROLES_REQUIRED",
    None,
    names,
    "Roles that a caller needs, all of them, where there is no role map.",
    meta=True,
    owner=_OWNER,
    topic=_ROLES,
)
ROLES_ACCEPTED: Option[Any] = Option(
    "ROLES_ACCEPTED",
    None,
    names,
    "Roles of which a caller needs one, where there is neither a role map nor `API_ROLES_REQUIRED`.",
    meta=True,
    owner=_OWNER,
    topic=_ROLES,
)
ROLE_ERROR_DETAIL: Option[str | None] = Option(
    "ROLE_ERROR_DETAIL",
    None,
    choice("full", "minimal"),
    "How much a 403 tells about roles; `full` by default, `minimal` in the profile `strict`.",
    owner=_OWNER,
    topic=_ROLES,
)

AUTH_TOKEN_PROVIDERS: Option[Any] = Option(
    "AUTH_TOKEN_PROVIDERS",
    ("header",),
    _providers,
    "Where access tokens are looked for, in this order: `header`, `cookie`, or callables that take the request.",
    meta=True,
    method=True,
    owner=_OWNER,
    topic=_COOKIES,
)
AUTH_COOKIE_NAME = Option(
    "AUTH_COOKIE_NAME",
    "access_token",
    text,
    "Cookie that carries the access token.",
    meta=True,
    method=True,
    owner=_OWNER,
    topic=_COOKIES,
)
AUTH_REFRESH_COOKIE_NAME = Option(
    "AUTH_REFRESH_COOKIE_NAME",
    "refresh_token",
    text,
    "Cookie that carries the refresh token.",
    owner=_OWNER,
    topic=_COOKIES,
)
AUTH_SET_COOKIES = Option(
    "AUTH_SET_COOKIES",
    False,
    boolean,
    "Let login and refresh set the tokens as cookies too.",
    owner=_OWNER,
    topic=_COOKIES,
)

AUTH_LOGIN_RATE_LIMIT: Option[Any] = Option(
    "AUTH_LOGIN_RATE_LIMIT",
    "10 per minute",
    rate_limit,
    "How often one address may fail with one login name.",
    owner=_OWNER,
    topic=_FAILURES,
)
AUTH_IP_RATE_LIMIT: Option[Any] = Option(
    "AUTH_IP_RATE_LIMIT",
    "100 per minute",
    rate_limit,
    "How often one address may fail at all.",
    owner=_OWNER,
    topic=_FAILURES,
)

AUTH_OPTIONS: tuple[Option[Any], ...] = tuple(value for value in list(globals().values()) if isinstance(value, Option))
