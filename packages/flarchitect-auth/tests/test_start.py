"""What stops the start, all together and each with its fix; commands; secrets that never leave (auth 2, S-14, S-20)."""

from __future__ import annotations

import datetime as dt
import logging
import re

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

from flarchitect_auth import PasswordMixin, hash_password, verify_password
from flarchitect_auth.functions import store_refresh_token
from flarchitect_auth.options import AUTH_OPTIONS
from flarchitect_auth.part import AuthPart
from flarchitect_core.architect import Architect
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.settings import owner_of
from flarchitect_core.testing import error_of

NO_USERS = {"API_USER_MODEL": None, "API_USER_LOOKUP_FIELD": None, "API_CREDENTIAL_CHECK_METHOD": None}


def refused(start, **config):
    with pytest.raises(ConfigurationError) as caught:
        start(**config)
    return caught.value


@pytest.mark.contract("auth 2")
@pytest.mark.parametrize(
    "config, said",
    [
        ({"SECRET_KEY": None}, "SECRET_KEY is not"),
        ({"API_USER_MODEL": None}, "API_USER_MODEL is not set"),
        ({"API_AUTHENTICATE_METHOD": "basic", "API_USER_MODEL": None}, "'basic', and API_USER_MODEL is not set"),
        ({"API_AUTHENTICATE_METHOD": "api_key", "API_USER_MODEL": None}, "'api_key', and API_USER_MODEL is not set"),
        ({"API_AUTHENTICATE_METHOD": None, "API_AUTHENTICATE": True}, "no API_AUTHENTICATE_METHOD"),
        ({"API_AUTHENTICATE_METHOD": "jwtt"}, "names 'jwtt'; the methods are 'jwt', 'basic', 'api_key', 'custom'"),
        ({"API_AUTHENTICATE_METHOD": ["jwt", ""]}, "names ''"),
        ({"API_AUTHENTICATE_METHOD": 7}, "API_AUTHENTICATE_METHOD must be"),
        ({"API_AUTHENTICATE_METHOD": (name for name in ["jwt"])}, "API_AUTHENTICATE_METHOD must be"),
        ({"API_AUTHENTICATE_METHOD": "custom", **NO_USERS}, "API_CUSTOM_AUTH is not set"),
        ({"API_CUSTOM_AUTH": "no callable"}, "API_CUSTOM_AUTH must be a callable"),
        ({"API_AUTHENTICATE_METHOD": "api_key"}, "API_CREDENTIAL_HASH_FIELD is not set"),
        ({"API_USER_LOOKUP_FIELD": None}, "API_USER_LOOKUP_FIELD is not set"),
        ({"API_USER_LOOKUP_FIELD": "user_name"}, "Did you mean 'username'?"),
        ({"API_CREDENTIAL_CHECK_METHOD": None}, "API_CREDENTIAL_CHECK_METHOD is not set"),
        ({"API_CREDENTIAL_CHECK_METHOD": "check_pasword"}, "Did you mean 'check_password'?"),
        ({"API_USER_ACTIVE_FIELD": "activ"}, "API_USER_ACTIVE_FIELD names 'activ'"),
        ({"API_KEY_LAST_USED_FIELD": "key_use"}, "Did you mean 'key_used'?"),
        ({"API_KEY_SCOPES_FIELD": "key_scope"}, "Did you mean 'key_scopes'?"),
        ({"API_USER_MODEL": Flask}, "is not a mapped class"),
        ({"API_JWT_EXPIRY_TIM": 5}, "Did you mean API_JWT_EXPIRY_TIME?"),
        ({"API_EXPOSE_REGISTER": True}, "API_REGISTER_USER"),
        ({"API_AUTH_LOGIN_RATE_LIMIT": "often"}, "API_AUTH_LOGIN_RATE_LIMIT must be rates"),
        ({"API_AUTH_REQUIREMENTS": "perhaps"}, "API_AUTH_REQUIREMENTS: 'perhaps' decides nothing"),
        ({"API_AUTH_REQUIREMENTS": {"GTE": True}}, "names no operation"),
        ({"API_REFRESH_TOKEN_STORAGE": "plane"}, "API_REFRESH_TOKEN_STORAGE must be"),
    ],
)
def test_a_mistake_stops_the_start_and_is_told_with_its_fix(start, config, said):
    assert said in str(refused(start, **config))


@pytest.mark.contract("auth 2")
def test_all_mistakes_are_told_together(start):
    error = refused(
        start,
        SECRET_KEY=None,
        ACCESS_SECRET_KEY=None,
        API_AUTHENTICATE_METHOD=["jwt", "basik"],
        API_USER_LOOKUP_FIELD="nmae",
        API_ROLE_MAP={"GTE": "x"},
        API_AUTH_TOKEN_PROVIDERS=["headr"],
    )
    assert len(error.problems) >= 6
    for word in ("SECRET_KEY", "ACCESS_SECRET_KEY", "basik", "nmae", "GTE", "headr"):
        assert any(word in problem for problem in error.problems), word


@pytest.mark.contract("auth 2")
@pytest.mark.contract("auth 17.33")
def test_no_message_holds_a_secret_that_could_be_used(start, kit):
    text = str(refused(start, SECRET_KEY=None, ACCESS_SECRET_KEY=None, REFRESH_SECRET_KEY="short"))
    assert not re.search(r"[A-Za-z0-9_\-+/]{40,}", text)


@pytest.mark.contract("auth 16.7")
@pytest.mark.contract("auth 17.11")
def test_the_least_configuration_starts(start):
    assert start(API_AUTHENTICATE=True).bearer()


@pytest.mark.contract("auth 5")
def test_a_route_that_is_taken_stops_the_start(start):
    def prepare(app):
        app.add_url_rule("/auth/login", "own", lambda: "mine", methods=["POST"])

    assert "POST /auth/login is already a route" in str(refused(start, prepare=prepare))
    assert start(prepare=prepare, API_AUTO_AUTH_ROUTES=False)


# Option to its default, and whether `Meta`, and a method in `Meta`, may set it.
OPTIONS = {
    "API_AUTHENTICATE": (None, True, True),
    "API_AUTHENTICATE_METHOD": (None, True, True),
    "API_USER_MODEL": (None, False, False),
    "API_USER_LOOKUP_FIELD": (None, True, False),
    "API_CREDENTIAL_CHECK_METHOD": (None, True, False),
    "API_CREDENTIAL_HASH_FIELD": (None, True, False),
    "API_KEY_AUTH_AND_RETURN_METHOD": (None, True, False),
    "API_CUSTOM_AUTH": (None, False, False),
    "API_AUTO_AUTH_ROUTES": (True, False, False),
    "API_AUTH_REFRESH_ROUTE": ("/auth/refresh", False, False),
    "API_AUTH_ME_ROUTE": ("/auth/me", False, False),
    "API_EXPOSE_ME": (True, False, False),
    "API_JWT_ALGORITHM": ("HS256", False, False),
    "API_JWT_ALLOWED_ALGORITHMS": (None, False, False),
    "API_JWT_EXPIRY_TIME": (360, False, False),
    "API_JWT_REFRESH_EXPIRY_TIME": (2880, False, False),
    "API_JWT_ISSUER": (None, False, False),
    "API_JWT_AUDIENCE": (None, False, False),
    "API_JWT_LEEWAY": (0, False, False),
    "ACCESS_SECRET_KEY": (None, False, False),
    "REFRESH_SECRET_KEY": (None, False, False),
    "ACCESS_PRIVATE_KEY": (None, False, False),
    "ACCESS_PUBLIC_KEY": (None, False, False),
    "REFRESH_PRIVATE_KEY": (None, False, False),
    "REFRESH_PUBLIC_KEY": (None, False, False),
    "API_ROLE_MAP": (None, True, False),
    "API_ROLES_REQUIRED": (None, True, False),
    "API_ROLES_ACCEPTED": (None, True, False),
    "API_AUTH_REQUIREMENTS": (None, True, False),
    "API_AUTH_TOKEN_PROVIDERS": (("header",), True, True),
    "API_AUTH_COOKIE_NAME": ("access_token", True, True),
}


@pytest.mark.contract("auth 1")
@pytest.mark.parametrize("key", OPTIONS)
def test_an_option_has_the_default_and_the_places_of_the_contract(key):
    (option,) = [option for option in AUTH_OPTIONS if key in (option.key, *option.aliases)]
    assert (option.default, option.meta, option.method) == OPTIONS[key]


def test_every_option_is_known_to_belong_to_this_distribution():
    assert {owner_of(option.key) for option in AUTH_OPTIONS} == {"flarchitect-auth"}


def test_without_any_option_nothing_is_guarded(kit):
    app = Flask("bare")
    kit.add_views(app)
    Architect(app, parts=[AuthPart()])
    assert app.test_client().get("/plain").get_json() == {"user": None}
    assert app.test_client().post("/auth/login").status_code == 404


@pytest.mark.parametrize("has_secret", [True, False])
def test_models_that_come_later_may_bring_their_own_methods(kit, tmp_path, has_secret):
    class Late(sa.orm.DeclarativeBase):
        pass

    class Note(Late):
        __tablename__ = "notes"

        class Meta:
            authenticate_method = "jwt"

        id = sa.orm.mapped_column(sa.Integer, primary_key=True)

    app = Flask("late")
    secret = {} if has_secret else {"ACCESS_SECRET_KEY": None}
    app.config.update(kit.configuration(API_AUTHENTICATE_METHOD=None, FULL_AUTO=False, **secret))
    app.config["API_DATABASE_URI"] = f"sqlite:///{tmp_path / 'late.db'}"
    architect = Architect(app, parts=[AuthPart()])
    if not has_secret:
        with pytest.raises(ConfigurationError, match="ACCESS_SECRET_KEY is not set"):
            architect.init_api(base_model=Late)
        return
    architect.init_api(base_model=Late)
    assert app.test_client().post("/auth/login", json={}).status_code == 400


# --- commands ---------------------------------------------------------------------------------------------------------


def run(served, *words):
    result = served.app.test_cli_runner().invoke(args=["flarchitect", *words])
    return result.exit_code, result.output.strip()


KEYS = {"API_KEY_ID_FIELD": "key_id", "API_CREDENTIAL_HASH_FIELD": "key_hash", "API_KEY_EXPIRES_FIELD": "key_ends"}


@pytest.mark.contract("auth S-17")
def test_a_key_is_made_once_and_works(start, sessions, kit):
    only_keys = {"API_AUTHENTICATE_METHOD": "api_key", "API_CREDENTIAL_CHECK_METHOD": None}
    served = start(sessions=sessions, **only_keys, **KEYS, API_KEY_PREFIX="shop")
    code, key = run(served, "auth", "create-api-key", "mira", "--days", "30")
    assert code == 0
    assert re.fullmatch(r"shop_[0-9a-f]{16}\.[\w-]{43}", key)
    assert served.get("/plain", headers={"Authorization": f"Api-Key {key}"}).get_json() == {"user": "mira"}
    (row,) = served.rows("SELECT key_hash, key_ends FROM users WHERE id = 1")
    assert key.partition(".")[2] not in str(row)
    assert str(row[1])[:10] == str((dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=30)).date())
    assert run(served, "auth", "create-api-key", "nobody")[0] == 1
    code, second = run(served, "auth", "create-api-key", "1")
    assert served.get("/plain", headers={"Authorization": f"Api-Key {key}"}).status_code == 401
    assert served.get("/plain", headers={"Authorization": f"Api-Key {second}"}).status_code == 200


def test_the_end_of_a_key_is_a_moment_in_utc_whatever_the_zone_of_the_server(start, database_kind):
    arguments = {"connect_args": {"options": "-c timezone=Asia/Tokyo"}} if database_kind == "postgresql" else {}
    served = start(API_AUTHENTICATE_METHOD="api_key", API_DATABASE_ENGINE_OPTIONS=arguments, **KEYS)
    assert run(served, "auth", "create-api-key", "mira", "--days", "1")[0] == 0
    ((ends,),) = served.rows("SELECT key_ends FROM users WHERE id = 1")
    left = dt.datetime.fromisoformat(str(ends)) - dt.datetime.now(dt.timezone.utc).replace(tzinfo=None)
    assert dt.timedelta(hours=23) < left <= dt.timedelta(days=1)


@pytest.mark.contract("auth S-17")
@pytest.mark.parametrize("keys, is_told", [(100, False), (101, True)])
def test_keys_without_id_are_told_at_the_start_when_more_than_a_hundred_users_have_one(
    start, sessions, kit, caplog, keys, is_told
):
    config = {"API_AUTHENTICATE_METHOD": "api_key", "API_CREDENTIAL_HASH_FIELD": "key_hash"}
    rows = [{"username": f"u{number}", "key_hash": "x", "is_active": True, "role_names": ""} for number in range(keys)]
    start().execute(sa.insert(kit.User), rows)
    start(sessions=sessions, **config)
    assert ("API_KEY_ID_FIELD" in caplog.text) is is_told
    caplog.clear()
    start(sessions=sessions, API_KEY_ID_FIELD="key_id", **config)
    assert "API_KEY_ID_FIELD" not in caplog.text


@pytest.mark.parametrize(
    "config, said",
    [
        ({}, "Set API_KEY_ID_FIELD"),
        ({"API_AUTHENTICATE_METHOD": None, **NO_USERS}, "Set API_USER_MODEL"),
    ],
)
def test_a_key_that_cannot_be_made_says_why(start, config, said):
    code, output = run(start(**config), "auth", "create-api-key", "mira")
    assert code == 1
    assert said in output


@pytest.mark.contract("auth S-12")
def test_all_logins_of_a_user_can_be_ended(start, sessions):
    served = start(sessions=sessions)
    mine, other = served.login()["refresh_token"], served.login("noor")["refresh_token"]
    assert run(served, "auth", "revoke", "mira") == (0, "1 revoked.")
    error_of(served.refresh(mine), 403)
    assert served.refresh(other).status_code == 200


@pytest.mark.contract("auth S-14")
@pytest.mark.parametrize("words", [["purge-tokens"], ["auth", "purge-tokens"]])
def test_tokens_that_expired_long_ago_can_be_deleted(start, sessions, words):
    served = start(sessions=sessions)
    with served.app.app_context():
        for days in (40, 10):
            ended = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=days)
            store_refresh_token(f"a.b.{days}", 1, "mira", ended)
    assert run(served, *words) == (0, "1 deleted.")
    assert run(served, *words, "--days", "5") == (0, "1 deleted.")


# --- Flask-SQLAlchemy -------------------------------------------------------------------------------------------------


def test_models_of_flask_sqlalchemy_log_in_too(kit, database_uri):
    db = SQLAlchemy()

    class Member(db.Model, PasswordMixin):
        __tablename__ = "members"
        id = db.Column(db.Integer, primary_key=True)
        email = db.Column(db.String(80), unique=True)
        password_hash = db.Column(db.String(255))

    app = Flask("with_flask_sqlalchemy")
    app.config.update(kit.configuration(API_USER_MODEL=Member, API_USER_LOOKUP_FIELD="email"))
    app.config["SQLALCHEMY_DATABASE_URI"] = database_uri
    db.init_app(app)
    kit.add_views(app)
    with app.app_context():
        db.create_all()
        member = Member(email="mira@example.org")
        member.set_password(kit.PASSWORD)
        db.session.add(member)
        db.session.commit()
    Architect(app, parts=[AuthPart()])
    client = app.test_client()
    login = client.post("/auth/login", json={"username": "mira@example.org", "password": kit.PASSWORD})
    value = login.get_json()["value"]
    me = client.get("/auth/me", headers=kit.bearer(value["access_token"])).get_json()["value"]
    assert (me["email"], "password_hash" in me) == ("mira@example.org", False)
    assert client.post("/auth/refresh", json={"refresh_token": value["refresh_token"]}).status_code == 200
    assert client.post("/auth/login", json={"username": "x", "password": kit.PASSWORD}).status_code == 401
    with app.app_context():
        from flarchitect_auth.token_store import Base

        Base.metadata.drop_all(db.engine)
        db.drop_all()
        db.engine.dispose()


def test_passwords_are_kept_as_argon2_and_a_broken_hash_is_nobodys():
    stored = hash_password("correct horse")
    assert stored.startswith("$argon2id$")
    assert verify_password(stored, "correct horse")
    assert not verify_password(stored, "wrong")
    assert not verify_password(None, "correct horse")
    assert not verify_password("no hash", "correct horse")


# --- S-20 -------------------------------------------------------------------------------------------------------------


@pytest.mark.contract("auth S-20")
@pytest.mark.contract("auth S-28")
def test_what_is_secret_is_in_no_answer_no_header_and_no_log(start, sessions, kit, caplog):
    caplog.set_level(logging.DEBUG)
    served = start(
        sessions=sessions,
        API_LOG_REQUESTS=True,
        API_AUTHENTICATE_METHOD=["jwt", "basic"],
        API_AUTH_SET_COOKIES=True,
        API_ROLE_MAP={"POST": "boss"},
    )
    canaries = {"totp_secret": "canary-totp", "key_hash": "canary-key"}
    served.execute(sa.update(kit.User).values(canaries))
    pair = served.login()
    headers = kit.bearer(pair["access_token"])
    answers = [
        served.get("/auth/me", headers=headers),
        served.get("/plain", headers=headers),
        served.post("/plain", headers=headers),
        served.get("/plain", headers=kit.bearer("canary-token.x.y")),
        served.get("/plain", headers={"Authorization": "Basic Y2FuYXJ5LW5hbWU6Y2FuYXJ5LXBhc3M="}),
        served.post("/auth/login", json={"username": "mira", "password": "canary-pass"}),
        served.post("/auth/login", json={"username": "mira", "password": ["canary-pass"]}),
        served.refresh("canary-token.x.y"),
        served.post("/auth/logout", json={"refresh_token": "canary-token.x.y"}, headers=headers),
    ]
    served.execute(sa.text("ALTER TABLE users RENAME TO elsewhere"))
    answers += [
        served.get("/plain", headers=headers),
        served.post("/auth/login", json={"username": "canary", "password": "canary-pass"}),
    ]
    served.execute(sa.text("ALTER TABLE elsewhere RENAME TO users"))
    told = "\n".join([caplog.text, *(f"{answer.headers}\n{answer.get_data(as_text=True)}" for answer in answers)])
    told += repr([vars(record) for record in caplog.records if record.name.startswith("flarchitect")])
    assert answers[-1].status_code >= 500
    secrets = ["canary-totp", "canary-key", "canary-pass", "canary-token", kit.hash_of(kit.PASSWORD)]
    secrets += [kit.ACCESS, kit.REFRESH, served.app.config["SECRET_KEY"]]
    for secret in secrets:
        assert secret not in told, secret
