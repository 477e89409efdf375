"""Ways to recognise callers: Basic, API keys, and that of the application (auth 4, 5.2, S-17)."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt

import pytest
import sqlalchemy as sa
from flask import request

from flarchitect_auth.accounts import moment_of
from flarchitect_auth.decorators import require_scopes
from flarchitect_auth.strategies.api_key import hash_of_key
from flarchitect_core.access.identity import get_current_user, set_current_user
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.testing import error_of

NO_JWT = {"ACCESS_SECRET_KEY": None, "REFRESH_SECRET_KEY": None}


def basic(text):
    encoded = text if isinstance(text, bytes) else text.encode()
    return {"Authorization": f"Basic {base64.b64encode(encoded).decode()}"}


@pytest.mark.contract("auth 4.2")
@pytest.mark.contract("auth 16.8")
@pytest.mark.contract("auth 17.18")
def test_basic_lets_users_in(start, sessions, kit):
    served = start(sessions=sessions, API_AUTHENTICATE_METHOD="basic", **NO_JWT)
    assert served.get("/plain", headers=basic(f"mira:{kit.PASSWORD}")).get_json() == {"user": "mira"}
    lower = {"Authorization": basic(f"mira:{kit.PASSWORD}")["Authorization"].replace("Basic", "bAsIc")}
    assert served.get("/plain", headers=lower).status_code == 200


@pytest.mark.contract("auth 4.2")
def test_a_password_may_hold_colons_and_any_sign(start, kit):
    served = start(API_AUTHENTICATE_METHOD="basic", **NO_JWT)
    served.execute(sa.update(kit.User).values(password_hash=kit.hash_of("pa:ss:wörd€")))
    assert served.get("/plain", headers=basic("mira:pa:ss:wörd€")).status_code == 200


@pytest.mark.contract("auth 4.2")
@pytest.mark.contract("auth S-24")
def test_basic_that_cannot_be_read_is_401(start, kit):
    served = start(API_AUTHENTICATE_METHOD="basic", API_AUTH_IP_RATE_LIMIT=False, **NO_JWT)
    wrong = [
        basic(each) for each in (b"\xff\xfe:x", "mira", ":secret", "mira:", ":", "mi\0ra:x", "mira:\0", b"\xc3(:x")
    ]
    wrong += [{"Authorization": f"Basic {each}"} for each in ("%%%", "bWlyYQ", "é", "====", "a b c")]
    for headers in wrong:
        response = served.get("/plain", headers=headers)
        error_of(response, 401, "invalid_credentials")
        assert response.headers["WWW-Authenticate"] == 'Basic realm="api", charset="UTF-8"'


@pytest.mark.contract("auth 5.2")
def test_a_login_by_basic_tells_whose_it_is(start, kit):
    served = start(API_AUTHENTICATE_METHOD="basic", **NO_JWT)
    response = served.post("/auth/login", headers=basic(f"mira:{kit.PASSWORD}"))
    assert response.get_json()["value"] == {"user_pk": 1, "username": "mira"}
    assert response.headers["Cache-Control"] == "no-store"
    for headers in ({}, basic("mira:wrong horse")):
        errors = error_of(served.post("/auth/login", headers=headers), 401, "invalid_credentials")
        assert errors["message"] == "Invalid credentials"


# --- API keys ---------------------------------------------------------------------------------------------------------

KEYS = {"API_AUTHENTICATE_METHOD": "api_key", **NO_JWT}
BY_ID = {**KEYS, "API_KEY_ID_FIELD": "key_id", "API_CREDENTIAL_HASH_FIELD": "key_hash"}
BY_ID["API_CREDENTIAL_CHECK_METHOD"] = None


def give_key(served, kit, **columns):
    values = {"key_id": "k1", "key_hash": hash_of_key("s3cret"), **columns}
    served.execute(sa.update(kit.User).where(kit.User.id == 1).values(values))
    return {"Authorization": "Api-Key key_k1.s3cret"}


@pytest.mark.contract("auth S-17")
@pytest.mark.contract("auth 17.19")
def test_a_key_is_found_by_its_id_in_one_statement(start, sessions, kit):
    served = start(sessions=sessions, **BY_ID)
    headers = give_key(served, kit)
    statements = []
    sa.event.listen(served.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    assert served.get("/plain", headers=headers).get_json() == {"user": "mira"}
    assert len(statements) == 1
    for wrong in ("key_k1.wrong", "key_k2.s3cret", "k1.s3cret", "key_k1", ".", "key_.s3cret", "s3cret", "key_k1.", "é"):
        error_of(served.get("/plain", headers={"Authorization": f"Api-Key {wrong}"}), 401, "invalid_credentials")


@pytest.mark.contract("auth S-17")
def test_a_user_without_a_hash_has_no_key(start, kit):
    served = start(**BY_ID)
    headers = give_key(served, kit, key_hash=None)
    error_of(served.get("/plain", headers=headers), 401, "invalid_credentials")
    error_of(served.get("/plain", headers={"Authorization": "Api-Key key_k1."}), 401)


@pytest.mark.contract("auth S-17")
def test_a_key_ends_when_it_should_and_with_its_account(start, kit):
    served = start(API_KEY_EXPIRES_FIELD="key_ends", **BY_ID)
    now = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)
    headers = give_key(served, kit, key_ends=now + dt.timedelta(minutes=1))
    assert served.get("/plain", headers=headers).status_code == 200
    give_key(served, kit, key_ends=now - dt.timedelta(minutes=1))
    error_of(served.get("/plain", headers=headers), 401, "invalid_credentials")
    give_key(served, kit, key_ends=None, is_active=False)
    error_of(served.get("/plain", headers=headers), 401, "invalid_credentials")


@pytest.mark.contract("auth S-17")
def test_the_last_use_of_a_key_is_kept_to_the_minute(start, sessions, kit):
    served = start(sessions=sessions, API_KEY_LAST_USED_FIELD="key_used", **BY_ID)
    headers = give_key(served, kit)
    served.get("/plain", headers={"Authorization": "Api-Key key_k1.wrong"})
    assert last_use(served, kit) is None
    assert served.get("/plain", headers=headers).get_json() == {"user": "mira"}
    first = last_use(served, kit)
    assert abs(first - dt.datetime.now(dt.timezone.utc)) < dt.timedelta(seconds=30)
    statements = []
    sa.event.listen(served.engine, "before_cursor_execute", lambda *a: statements.append(a[2]))
    assert served.get("/plain", headers=headers).status_code == 200
    assert len(statements) == 1
    give_key(served, kit, key_used=first.replace(tzinfo=None) - dt.timedelta(minutes=2))
    assert served.get("/plain", headers=headers).get_json() == {"user": "mira"}
    assert last_use(served, kit) >= first


def test_a_last_use_that_cannot_be_kept_refuses_nobody(start, sessions, kit, caplog):
    served = start(sessions=sessions, API_KEY_LAST_USED_FIELD="key_used", **BY_ID)
    headers = give_key(served, kit)

    def refuse(connection, cursor, statement, *_):
        if statement.startswith("UPDATE"):
            raise sa.exc.OperationalError(statement, {}, Exception("read-only"))

    sa.event.listen(served.engine, "before_cursor_execute", refuse)
    assert served.get("/plain", headers=headers).get_json() == {"user": "mira"}
    assert "could not be kept" in caplog.text


def last_use(served, kit):
    with sa.orm.Session(served.engine) as session:
        return moment_of(session.scalar(sa.select(kit.User.key_used).where(kit.User.id == 1)))


@pytest.mark.contract("auth S-17")
def test_keys_by_id_and_passwords_live_side_by_side(start, kit):
    by_id = {"API_KEY_ID_FIELD": "key_id", "API_CREDENTIAL_HASH_FIELD": "key_hash"}
    served = start(API_AUTHENTICATE_METHOD=["jwt", "api_key"], **by_id)
    assert served.get("/plain", headers=give_key(served, kit)).get_json() == {"user": "mira"}
    assert served.get("/plain", headers=served.bearer()).get_json() == {"user": "mira"}
    password = {"Authorization": f"Api-Key key_k1.{kit.PASSWORD}"}
    error_of(served.get("/plain", headers=password), 401, "invalid_credentials")


@pytest.mark.contract("auth 4.3")
def test_a_hash_of_another_form_is_left_to_the_check_of_the_model(start, kit, monkeypatch):
    asked = []

    def check_key(self, secret):
        asked.append(self.key_hash)
        return self.key_hash == f"own:{secret}"

    monkeypatch.setattr(kit.User, "check_key", check_key)
    served = start(**{**BY_ID, "API_CREDENTIAL_CHECK_METHOD": "check_key"})
    headers = give_key(served, kit, key_hash="own:s3cret")
    assert served.get("/plain", headers=headers).get_json() == {"user": "mira"}
    for wrong in ("key_k1.wrong", "key_nobody.s3cret"):
        error_of(served.get("/plain", headers={"Authorization": f"Api-Key {wrong}"}), 401, "invalid_credentials")
    # Also for the key that nobody has, so that its time tells nothing.
    assert asked == ["own:s3cret"] * 3


@pytest.mark.contract("auth S-31")
def test_a_key_is_for_its_scopes(start, kit):
    def prepare(app):
        kit.add_views(app)
        app.add_url_rule("/read", "read", require_scopes("read")(lambda: "ok"))
        app.add_url_rule("/both", "both", require_scopes("read", "write")(lambda: "ok"))

    served = start(prepare=prepare, API_KEY_SCOPES_FIELD="key_scopes", **BY_ID)
    headers = give_key(served, kit, key_scopes="read, list")
    assert served.get("/read", headers=headers).status_code == 200
    assert error_of(served.get("/both", headers=headers), 403, "insufficient_scope")["required_scopes"] == [
        "read",
        "write",
    ]
    give_key(served, kit, key_scopes=None)
    error_of(served.get("/read", headers=headers), 403, "insufficient_scope")


@pytest.mark.contract("auth S-31")
def test_a_token_is_for_its_scopes_and_a_login_for_everything(start, kit):
    from flarchitect_core.state import state_of

    served = start(prepare=lambda app: app.add_url_rule("/read", "read", require_scopes("read")(lambda: "ok")))
    with served.app.app_context():
        tokens = state_of().authentication.tokens
        narrow = tokens.issue("access", "1", {}, scopes=["list"]).token
        right = tokens.issue("access", "1", {}, scopes=["list", "read"]).token
    error_of(served.get("/read", headers=kit.bearer(narrow)), 403, "insufficient_scope")
    assert served.get("/read", headers=kit.bearer(right)).status_code == 200
    assert served.get("/read", headers=served.bearer()).status_code == 200
    error_of(served.get("/read"), 401)


@pytest.mark.contract("auth 4.3")
def test_a_further_header_may_carry_a_key_and_a_query_never(start, kit):
    served = start(API_KEY_HEADER="X-API-Key", **BY_ID)
    give_key(served, kit)
    response = served.get("/plain", headers={"X-API-Key": "key_k1.s3cret"})
    assert response.status_code == 200
    assert {"Authorization", "Cookie", "X-API-Key"} <= set(response.vary)
    error_of(served.get("/plain?api_key=key_k1.s3cret&X-API-Key=key_k1.s3cret"), 401, "credentials_missing")
    error_of(start(**BY_ID).get("/plain", headers={"X-API-Key": "key_k1.s3cret"}), 401, "credentials_missing")


@pytest.mark.contract("auth 4.3")
@pytest.mark.contract("auth 16.11")
@pytest.mark.contract("auth 17.20")
@pytest.mark.parametrize("wrap", [lambda f: f, staticmethod], ids=["function", "staticmethod"])
def test_a_callable_alone_is_enough(start, wrap):
    asked = []

    def find(key):
        asked.append(key)
        return "the robot" if key == "a key with spaces" else None

    served = start(
        API_KEY_AUTH_AND_RETURN_METHOD=wrap(find),
        API_USER_MODEL=None,
        API_USER_LOOKUP_FIELD=None,
        API_CREDENTIAL_CHECK_METHOD=None,
        API_AUTHENTICATE=True,
        **KEYS,
    )
    assert served.get("/plain", headers={"Authorization": "Api-Key a key with spaces"}).get_json() == {
        "user": "the robot"
    }
    response = served.get("/plain", headers={"Authorization": "api-key other"})
    error_of(response, 401, "invalid_credentials")
    assert response.headers["WWW-Authenticate"] == 'Api-Key realm="api"'
    assert asked == ["a key with spaces", "other"]


@pytest.mark.contract("auth 4.3")
@pytest.mark.contract("auth 5.2")
@pytest.mark.contract("auth 16.8")
def test_without_an_id_every_hash_is_tried(start, sessions, kit):
    config = {**KEYS, "API_CREDENTIAL_HASH_FIELD": "key_hash", "API_CREDENTIAL_CHECK_METHOD": "check_key"}
    served = start(sessions=sessions, **config)
    served.execute(sa.update(kit.User).where(kit.User.id == 2).values(key_hash=hash_of_key("plain-key")))
    headers = {"Authorization": "Api-Key plain-key"}
    assert served.get("/plain", headers=headers).get_json() == {"user": "noor"}
    assert served.post("/auth/login", headers=headers).get_json()["value"] == {"user_pk": 2, "username": "noor"}
    error_of(served.post("/auth/login", headers={"Authorization": "Api-Key other"}), 401, "invalid_credentials")


# --- custom -----------------------------------------------------------------------------------------------------------


def custom(start, function, **config):
    return start(
        API_AUTHENTICATE_METHOD="custom",
        API_CUSTOM_AUTH=function,
        API_USER_MODEL=None,
        API_USER_LOOKUP_FIELD=None,
        API_CREDENTIAL_CHECK_METHOD=None,
        **{**NO_JWT, **config},
    )


@pytest.mark.contract("auth 4.4")
@pytest.mark.parametrize("wrap", [lambda f: f, staticmethod], ids=["function", "staticmethod"])
def test_the_application_recognises_callers_by_itself(start, wrap):
    served = custom(start, wrap(lambda: request.headers.get("X-Who")))
    assert served.get("/plain", headers={"X-Who": "me"}).get_json() == {"user": "me"}
    response = served.get("/plain")
    error_of(response, 401, "credentials_missing")
    assert response.headers["WWW-Authenticate"]
    assert served.post("/auth/login").status_code == 404


@pytest.mark.contract("auth 4.4")
def test_a_user_that_the_application_sets_stays(start):
    def recognise():
        set_current_user("set")
        return True

    assert custom(start, recognise).get("/plain").get_json() == {"user": "set"}

    def refuse():
        set_current_user("set")
        return False

    seen = []

    def prepare(app):
        app.add_url_rule("/plain", "plain", lambda: "ok")
        app.after_request(lambda response: seen.append(get_current_user()) or response)

    assert custom(start, refuse, prepare=prepare).get("/plain").status_code == 401
    assert seen == [None]


@pytest.mark.contract("auth 4.4")
@pytest.mark.contract("auth S-23")
def test_what_the_application_raises_is_answered(start):
    def refuse():
        raise CustomHTTPException(418, "No coffee here", code_name="teapot")

    def fail():
        raise KeyError("canary")

    error_of(custom(start, refuse).get("/plain"), 418, "teapot")
    served = custom(start, fail)
    assert served.get("/plain").status_code == 500
    assert b"canary" not in served.get("/plain").data


@pytest.mark.contract("auth 4.4")
def test_the_application_may_recognise_by_a_coroutine(start):
    async def recognise():
        return "later"

    served = custom(start, recognise)
    # Flask's own way needs a further library.
    served.app.async_to_sync = lambda function: lambda *given, **named: asyncio.run(function(*given, **named))
    assert served.get("/plain").get_json() == {"user": "later"}


# --- several ----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("auth 3")
@pytest.mark.contract("auth 14")
def test_the_first_strategy_that_succeeds_decides(start, kit):
    served = start(API_AUTHENTICATE_METHOD=["basic", "jwt"])
    assert served.get("/plain", headers=served.bearer()).get_json() == {"user": "mira"}
    assert served.get("/plain", headers=basic(f"noor:{kit.PASSWORD}")).get_json() == {"user": "noor"}
    missing = served.get("/plain")
    error_of(missing, 401, "credentials_missing")
    assert missing.headers["WWW-Authenticate"] == 'Basic realm="api", charset="UTF-8", Bearer realm="api"'
    error_of(served.get("/plain", headers=kit.bearer("a.b.c")), 401, "invalid_token")
    error_of(served.get("/plain", headers=basic("noor:wrong")), 401, "invalid_credentials")


@pytest.mark.contract("auth 2")
@pytest.mark.contract("auth 17.14")
@pytest.mark.parametrize("methods", [("JWT",), {"Jwt"}, frozenset({"jwt"}), ["jwt", "JWT"], " jwt "])
def test_methods_are_read_in_any_case_and_collection(start, methods):
    served = start(API_AUTHENTICATE_METHOD=methods)
    assert served.get("/plain", headers=served.bearer()).status_code == 200
    assert served.get("/plain").status_code == 401
