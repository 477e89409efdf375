"""What is guarded on every request, and how often (auth 3, 8, 13, 17.23 to 17.32, S-23 to S-29)."""

from __future__ import annotations

import asyncio
import logging
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from threading import Barrier

import marshmallow as ma
import pytest
import sqlalchemy as sa
from flask import Blueprint, Flask, abort
from flask.views import MethodView
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flarchitect_auth.decorators import jwt_authentication, public, require_roles, require_scopes
from flarchitect_auth.part import AuthPart
from flarchitect_core.access.identity import current_user, get_current_user, set_current_user
from flarchitect_core.architect import Architect
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.plugins import PluginBase
from flarchitect_core.state import state_of
from flarchitect_core.testing import count_statements, error_of


class Recorder(PluginBase):
    def __init__(self):
        self.calls = []

    def before_authenticate(self, context):
        self.calls.append(("before", context["method"]))
        return {"seen": True}

    def after_authenticate(self, context, success, user):
        self.calls.append(("after", context["seen"], success, getattr(user, "username", user)))


@pytest.mark.contract("auth 3")
@pytest.mark.contract("auth 17.23")
@pytest.mark.contract("auth S-24")
def test_every_view_asks_for_a_token_and_unknown_urls_do_not(start, kit):
    def prepare(app):
        kit.add_views(app)
        blueprint = Blueprint("pages", __name__, url_prefix="/pages")
        blueprint.add_url_rule("/one", "one", lambda: "one")
        app.register_blueprint(blueprint)

        class Thing(MethodView):
            def get(self):
                return "thing"

            def delete(self):
                return "gone"

        app.add_url_rule("/thing", view_func=Thing.as_view("thing"))
        app.add_url_rule("/open", "open", public(lambda: "open"))

    served = start(prepare=prepare)
    for response in (served.get("/plain"), served.get("/pages/one"), served.get("/thing"), served.delete("/thing")):
        error_of(response, 401, "credentials_missing")
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    assert served.head("/plain").status_code == 401
    assert served.get("/open").status_code == 200
    assert served.get("/nothing").status_code == 404
    assert served.post("/pages/one").status_code == 405
    assert served.delete("/thing", headers=served.bearer()).data == b"gone"


@pytest.mark.contract("auth 3")
@pytest.mark.contract("auth 16.13")
@pytest.mark.contract("auth 17.24")
def test_preflights_and_static_files_are_open(start, kit, tmp_path):
    def prepare(app):
        kit.add_views(app)
        app.static_folder = str(tmp_path)

    (tmp_path / "site.css").write_text("a {}")
    served = start(prepare=prepare)
    preflight = {"Origin": "https://spa.test", "Access-Control-Request-Method": "POST"}
    assert served.options("/plain", headers=preflight).status_code == 200
    assert served.options("/plain").status_code == 401
    with served.get("/static/site.css") as response:
        assert response.data == b"a {}"


def test_health_checks_need_no_token(start):
    served = start(API_EXPOSE_HEALTH=True, API_READY_PATH="/ready")
    assert served.get("/healthz").status_code == 200
    assert served.get("/ready").status_code == 200
    assert served.get("/plain").status_code == 401


@pytest.mark.contract("auth 15")
def test_endpoints_can_be_exempt_by_name(start):
    served = start(API_AUTH_EXEMPT_ENDPOINTS=["plain"])
    assert served.get("/plain").get_json() == {"user": None}
    assert served.get("/static/x").status_code == 401


@pytest.mark.contract("auth 17.14")
def test_authentication_can_be_switched_off(start, caplog):
    with caplog.at_level(logging.WARNING):
        served = start(API_AUTHENTICATE=False)
    assert "every route is open" in caplog.text
    assert served.get("/plain").status_code == 200
    assert served.get("/auth/me").status_code == 401
    assert served.get("/auth/me", headers=served.bearer()).status_code == 200


@pytest.mark.contract("auth 10")
@pytest.mark.parametrize(
    "requirements, get, post",
    [
        ({"GET": False}, 200, 401),
        ({"post": "off", "*": "on"}, 401, 200),
        ("skip", 200, 200),
        (0, 200, 200),
        (True, 401, 401),
        ({"GET": "inherit", "ALL": "inherit"}, 401, 401),
        ({"DEFAULT": "no"}, 200, 200),
        (lambda http_method, **_: http_method == "GET", 401, 200),
        (lambda **_: {"GET": "no"}, 200, 401),
        (lambda **_: None, 401, 401),
        ({"GET": lambda **_: False}, 200, 401),
    ],
)
def test_requirements_decide_whether_anybody_is_asked(start, requirements, get, post):
    served = start(API_AUTH_REQUIREMENTS=requirements)
    assert (served.get("/plain").status_code, served.post("/plain").status_code) == (get, post)


@pytest.mark.contract("auth S-23")
def test_a_requirement_that_fails_opens_nothing(start):
    def fail(**_):
        raise KeyError("canary")

    for requirements in (fail, lambda **_: "perhaps"):
        response = start(API_AUTH_REQUIREMENTS=requirements).get("/plain")
        assert response.status_code == 500
        assert b"canary" not in response.data


@pytest.mark.contract("auth 10")
@pytest.mark.contract("auth 17.30")
def test_a_requirement_without_a_method_stops_the_start(start):
    with pytest.raises(ConfigurationError, match="API_AUTH_REQUIREMENTS demands"):
        start(API_AUTHENTICATE_METHOD=None, API_AUTH_REQUIREMENTS=True)


# --- hand-written views -----------------------------------------------------------------------------------------------


class Echo(ma.Schema):
    user = ma.fields.String()


def managed_views(app):
    architect = Architect()
    show = lambda: {"user": current_user.username if current_user else None}  # noqa: E731
    for path, said in (
        ("/asked", {}),
        ("/open", {"auth": False}),
        ("/known", {"roles": True}),
        ("/reader", {"roles": "reader"}),
        ("/both", {"roles": ["reader", "editor"]}),
        ("/either", {"roles": ["reader", "editor"], "roles_any_of": True}),
    ):
        app.add_url_rule(path, path[1:], architect.schema_constructor(output_schema=Echo, **said)(show))


@pytest.fixture
def with_managed(start, kit):
    """Serve views under `schema_constructor`, which are made before the application is bound."""

    def make(**config):
        return start(prepare=managed_views, **config)

    return make


@pytest.mark.contract("auth 8")
def test_hand_written_views_say_who_may_call_them(with_managed):
    served = with_managed()
    mira, noor = served.bearer(), served.bearer("noor")
    outcomes = {
        path: [served.get(path, headers=headers).status_code for headers in ({}, mira, noor)]
        for path in ("/asked", "/open", "/known", "/reader", "/both", "/either")
    }
    assert outcomes == {
        "/asked": [401, 200, 200],
        "/open": [200, 200, 200],
        "/known": [401, 200, 200],
        "/reader": [401, 200, 403],
        "/both": [401, 403, 403],
        "/either": [401, 200, 200],
    }


@pytest.mark.contract("auth 8")
@pytest.mark.contract("auth 17.31")
def test_roles_on_a_view_that_is_open_to_all_are_a_mistake():
    with pytest.raises(ValueError, match="auth=False"):
        Architect().schema_constructor(auth=False, roles=["admin"])(lambda: "x")


# --- decorators -------------------------------------------------------------------------------------------------------


def opaque(function):
    """Wrap a view as decorators do that tell nobody what they wrap."""

    def wrapper(*arguments, **variables):
        return function(*arguments, **variables)

    wrapper.__name__ = function.__name__
    return wrapper


@pytest.mark.contract("auth 8")
def test_a_decorated_view_needs_no_method_in_the_configuration(start, kit):
    def prepare(app):
        kit.add_views(app)

        @app.get("/mine")
        @jwt_authentication
        def mine():
            return {"user": current_user.username}

    served = start(prepare=prepare, API_AUTHENTICATE_METHOD=None)
    with served.app.app_context():
        from flarchitect_auth.functions import generate_access_token

        token = generate_access_token(kit.User(id=1, username="mira"))
    assert served.get("/mine", headers=kit.bearer(token)).get_json() == {"user": "mira"}
    for headers in ({}, {"Authorization": " "}, {"Authorization": "Basic x"}):
        response = served.get("/mine", headers=headers)
        assert error_of(response, 401, "credentials_missing")["message"] == "Authorization credentials missing"
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="api"'
    error_of(served.get("/mine", headers=kit.bearer("x")), 401, "invalid_token")
    assert served.get("/plain").status_code == 200


@pytest.mark.contract("auth 13")
@pytest.mark.contract("auth 17.32")
@pytest.mark.parametrize("hide", [lambda f: f, opaque, wraps], ids=["bare", "opaque", "wrapped"])
@pytest.mark.parametrize("kind", ["plain", "decorated", "managed"])
def test_plugins_are_told_once_before_and_once_after(start, kit, kind, hide):
    recorder = Recorder()

    def prepare(app):
        function = lambda: "ok"  # noqa: E731
        if kind == "decorated":
            function = jwt_authentication(function)
        if kind == "managed":
            function = Architect().schema_constructor()(function)
        if hide is wraps:
            inner = function
            function = wraps(inner)(lambda **variables: inner(**variables))
        else:
            function = hide(function)
        app.add_url_rule("/view", "view", function)

    served = start(prepare=prepare, API_PLUGINS=[recorder])
    headers = served.bearer()
    assert recorder.calls == []
    assert served.get("/view", headers=headers).status_code == 200
    assert recorder.calls == [("before", "GET"), ("after", True, True, "mira")]
    recorder.calls.clear()
    assert served.get("/view", headers=kit.bearer("x")).status_code == 401
    assert served.get("/view").status_code == 401
    assert recorder.calls == [("before", "GET"), ("after", True, False, None)] * 2


@pytest.mark.contract("auth S-23")
@pytest.mark.parametrize(
    "error, status",
    [(RuntimeError("canary"), 500), (CustomHTTPException(403, "Not you"), 403), (PermissionError("canary"), 500)],
)
def test_a_plugin_that_fails_before_authentication_refuses(start, error, status):
    class Failing(PluginBase):
        def before_authenticate(self, context):
            raise error

    served = start(API_PLUGINS=[Failing()])
    response = served.get("/plain", headers=served.bearer())
    assert response.status_code == status
    assert b"canary" not in response.data
    assert served.get("/plain").status_code == status


@pytest.mark.contract("auth S-23")
def test_a_plugin_may_refuse_who_was_recognised(start):
    class Refusing(PluginBase):
        def after_authenticate(self, context, success, user):
            if success:
                abort(403)

    served = start(API_PLUGINS=[Refusing()])
    assert served.get("/plain", headers=served.bearer()).status_code == 403


def test_views_may_be_coroutines(start):
    def prepare(app):
        # Flask's own way needs a further library.
        app.async_to_sync = lambda function: lambda *given, **named: asyncio.run(function(*given, **named))

        @app.get("/later")
        @jwt_authentication
        @require_roles("reader")
        async def later():
            return {"user": current_user.username}

        @app.get("/bare")
        async def bare():
            return {"user": current_user.username}

    served = start(prepare=prepare)
    for path in ("/later", "/bare"):
        error_of(served.get(path), 401)
        assert served.get(path, headers=served.bearer()).get_json() == {"user": "mira"}
    error_of(served.get("/later", headers=served.bearer("noor")), 403, "missing_roles")


# --- identity ---------------------------------------------------------------------------------------------------------


@pytest.mark.contract("auth 16.14")
@pytest.mark.contract("auth S-27")
def test_requests_at_once_never_see_the_user_of_another(start):
    barrier = Barrier(8)

    def prepare(app):
        @app.get("/who")
        def who():
            before = get_current_user().username
            barrier.wait(20)
            return {"before": before, "after": get_current_user().username}

    served = start(prepare=prepare)
    tokens = {name: served.bearer(name) for name in ("mira", "noor")}

    def ask(number):
        name = ("mira", "noor")[number % 2]
        return name, served.app.test_client().get("/who", headers=tokens[name]).get_json()

    with ThreadPoolExecutor(8) as pool:
        for name, answer in pool.map(ask, range(32)):
            assert answer == {"before": name, "after": name}


@pytest.mark.contract("auth S-27")
def test_the_user_is_forgotten_after_failures_and_within_requests_of_requests(start):
    def prepare(app):
        app.add_url_rule("/fail", "fail", lambda: 1 / 0)
        app.add_url_rule("/open", "open", public(lambda: {"user": bool(current_user)}))

        @app.get("/outer")
        def outer():
            inner = app.test_client().get("/open").get_json()
            return {"inner": inner["user"], "outer": current_user.username}

    served = start(prepare=prepare)
    headers = served.bearer()
    assert served.get("/fail", headers=headers).status_code == 500
    assert get_current_user() is None
    assert served.get("/open").get_json() == {"user": False}
    assert served.get("/outer", headers=headers).get_json() == {"inner": False, "outer": "mira"}


@pytest.mark.contract("auth 8")
def test_the_current_user_is_false_outside_of_requests_and_can_be_set_there():
    assert not current_user
    set_current_user("somebody")
    assert current_user == "somebody"
    set_current_user(None)
    assert get_current_user() is None


@pytest.mark.contract("auth 8")
def test_a_user_set_in_an_application_context_is_forgotten_with_it(start):
    served = start(prepare=lambda app: app.add_url_rule("/open", "open", public(lambda: {"user": bool(current_user)})))
    for context in (served.app.app_context, served.app.test_request_context):
        with context():
            set_current_user("somebody")
            assert current_user == "somebody"
            assert served.get("/open").get_json() == {"user": False}
            assert current_user == "somebody"
        assert get_current_user() is None


def test_two_applications_in_one_process_know_their_own_tokens_only(start, kit):
    first = start()
    second = start(ACCESS_SECRET_KEY="another-0dK3-secret-9sLq7WnE5rT1yU8", API_AUTHENTICATE_METHOD=["jwt", "basic"])
    token = first.login()["access_token"]
    assert first.get("/plain", headers=kit.bearer(token)).status_code == 200
    error_of(second.get("/plain", headers=kit.bearer(token)), 401, "invalid_token")
    assert first.get("/plain").headers["WWW-Authenticate"] == 'Bearer realm="api"'


def test_the_supervisor_of_the_reloader_starts_nothing(monkeypatch, kit):
    monkeypatch.setenv("WERKZEUG_SERVER_FD", "3")
    app = Flask("supervised")
    app.config.update(kit.configuration(API_USER_MODEL=None))
    Architect(app, parts=[AuthPart()])
    assert "flarchitect.state" not in app.extensions


# --- answers ----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("auth S-25")
def test_answers_to_one_caller_are_for_no_other(start, kit):
    def prepare(app):
        kit.add_views(app)
        app.add_url_rule("/kept", "kept", lambda: ("x", 200, {"Cache-Control": "max-age=60"}))
        app.add_url_rule("/open", "open", public(lambda: "x"))

    served = start(prepare=prepare)
    headers = served.bearer()
    response = served.get("/plain", headers=headers)
    assert response.headers["Cache-Control"] == "private"
    assert {"Authorization", "Cookie"} <= set(response.vary)
    assert served.get("/kept", headers=headers).cache_control.private
    assert "Cache-Control" not in served.get("/open", headers=headers).headers


@pytest.mark.contract("auth S-26")
def test_in_the_strict_profile_credentials_need_https(start, kit):
    served = start(API_SECURITY_PROFILE="strict")
    body = {"username": "mira", "password": kit.PASSWORD}
    for response in (
        served.post("/auth/login", json=body),
        served.refresh("a.b.c"),
        served.get("/plain", headers=kit.bearer("a.b.c")),
    ):
        error_of(response, 403, "tls_required")
    pair = served.post("/auth/login", json=body, base_url="https://localhost").get_json()["value"]
    headers = kit.bearer(pair["access_token"])
    assert served.get("/plain", headers=headers, base_url="https://localhost").status_code == 200
    assert start(API_SECURITY_PROFILE="strict", API_REQUIRE_TLS=False).post("/auth/login", json=body).status_code == 200


@pytest.mark.contract("auth S-24")
def test_a_401_of_the_application_names_the_schemes_too(start):
    served = start(prepare=lambda app: app.add_url_rule("/own", "own", public(lambda: abort(401))))
    assert served.get("/own").headers["WWW-Authenticate"] == 'Bearer realm="api"'


def test_a_token_costs_one_indexed_look_up(start, sessions):
    served = start(sessions=sessions)
    headers = served.bearer()
    served.get("/plain", headers=headers)
    with count_statements(served.engine) as log:
        assert served.get("/plain", headers=headers).status_code == 200
    (statement,) = log.statements
    assert "users.id = " in statement


def test_a_refused_token_costs_no_statement(served, kit):
    with count_statements(served.engine) as log:
        assert served.get("/plain", headers=kit.bearer("a.b.c")).status_code == 401
    assert log.statements == []


# --- S-28 -------------------------------------------------------------------------------------------------------------


@pytest.mark.contract("auth S-28")
def test_the_log_tells_what_happened_to_whom_and_never_a_secret(start, kit, caplog):
    caplog.set_level(logging.DEBUG)

    def prepare(app):
        app.add_url_rule("/boss", "boss", require_roles("boss")(lambda: "x"))
        app.add_url_rule("/scope", "scope", require_scopes("much")(lambda: "x"))

    served = start(prepare=prepare, API_LOG_REQUESTS=True)
    with served.app.app_context():
        narrow = state_of().authentication.tokens.issue("access", "1", {}, scopes=["little"]).token
    served.post("/auth/login", json={"username": "mira", "password": "canary-password"})
    first = served.login()
    second = served.refresh(first["refresh_token"]).get_json()["value"]
    served.refresh(first["refresh_token"])
    served.get("/boss", headers=kit.bearer(second["access_token"]))
    served.get("/scope", headers=kit.bearer(narrow))
    served.get("/boss", headers=kit.bearer(second["access_token"] + "x"))
    served.post("/auth/logout", headers=kit.bearer(second["access_token"]))
    records = [record for record in caplog.records if record.name == "flarchitect.auth"]
    told = [(record.auth_event, getattr(record, "user_pk", None)) for record in records]
    assert told == [
        ("auth.login.failed", None),
        ("auth.login.ok", "1"),
        ("auth.refresh.ok", "1"),
        ("auth.refresh_reuse", "1"),
        ("auth.denied", "1"),
        ("auth.denied", "1"),
        ("auth.denied", None),
        ("auth.logout", "1"),
    ]
    assert all(record.request_id and record.remote_addr == "127.0.0.1" for record in records)
    text = "\n".join([caplog.text, *(repr(vars(record)) for record in caplog.records)])
    secrets = [kit.PASSWORD, "canary-password", kit.ACCESS, kit.REFRESH, kit.hash_of(kit.PASSWORD)]
    secrets += [pair[name] for pair in (first, second) for name in ("access_token", "refresh_token")]
    for secret in secrets:
        assert secret not in text


# --- users of other kinds ---------------------------------------------------------------------------------------------


KEYS = {
    "uuid": (sa.Uuid, uuid.uuid4),
    "text": (sa.String(40), lambda: f"u/{uuid.uuid4()}"),
    "number": (sa.Integer, None),
}


def user_model(key):
    type_, default = KEYS[key]

    class OwnBase(DeclarativeBase):
        pass

    class Account(OwnBase):
        __tablename__ = "accounts"

        class Meta:
            user_lookup_field = "email"
            credential_check_method = "checks"
            soft_delete = True
            soft_delete_attribute = "state"
            soft_delete_values = ("open", "gone")

        ident = mapped_column(type_, primary_key=True, default=default)
        email: Mapped[str] = mapped_column(sa.String(80))
        state: Mapped[str] = mapped_column(sa.String(10), default="open")

        def checks(self, password):
            return password == "correct horse battery"

    return OwnBase, Account


@pytest.mark.parametrize("key", ["uuid", "text", "number"])
def test_keys_of_users_may_be_of_any_kind(start, sessions, key, kit):
    base, account = user_model(key)
    served = start(
        sessions=sessions,
        base=base,
        API_USER_MODEL=account,
        API_USER_LOOKUP_FIELD=None,
        API_CREDENTIAL_CHECK_METHOD=None,
        prepare=lambda app: app.add_url_rule("/who", "who", lambda: current_user.email),
    )
    with sa.orm.Session(served.engine) as session:
        session.add_all([account(email="mira@example.org"), account(email="noor@example.org")])
        session.commit()
        key_of_mira = str(session.scalars(sa.select(account).filter_by(email="mira@example.org")).one().ident)
    pair = served.login("mira@example.org")
    assert pair["user_pk"] == key_of_mira
    assert served.get("/who", headers=kit.bearer(pair["access_token"])).data == b"mira@example.org"
    assert served.refresh(pair["refresh_token"]).status_code == 200
    assert served.get("/auth/me", headers=kit.bearer(pair["access_token"])).status_code == 200
    served.execute(sa.update(account).values(state="gone"))
    error_of(served.get("/who", headers=kit.bearer(pair["access_token"])), 401, "invalid_token")
    body = {"username": "mira@example.org", "password": kit.PASSWORD}
    error_of(served.post("/auth/login", json=body), 401, "invalid_credentials")
