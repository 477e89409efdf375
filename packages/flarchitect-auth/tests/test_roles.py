"""Roles: decorators, what a refusal tells, and the map of the configuration (auth 8, 9)."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from flarchitect_auth import role_answers, roles
from flarchitect_auth.decorators import (
    jwt_authentication,
    require_roles,
    require_scopes,
    roles_accepted,
    roles_required,
)
from flarchitect_core.access.identity import set_current_user
from flarchitect_core.errors import ConfigurationError
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.testing import error_of
from flarchitect_core.users import roles_of


def role_views(app):
    for path, decorate in (
        ("/a", require_roles("reader")),
        ("/b", require_roles("reader", "editor")),
        ("/c", require_roles("reader", "editor", any_of=True)),
        ("/d", roles_required("reader", "accounts")),
        ("/e", roles_accepted("editor", "accounts")),
        ("/f", require_roles()),
        ("/g", require_roles("reader, accounts")),
        ("/h", require_roles("Reader")),
    ):
        app.add_url_rule(path, path[1:], decorate(lambda: "ok"), methods=["GET", "DELETE"])


@pytest.mark.contract("auth 9.1")
def test_decorators_ask_for_all_roles_or_for_one(start, sessions):
    served = start(sessions=sessions, prepare=role_views)
    mira, noor = served.bearer(), served.bearer("noor")
    outcomes = {
        path: [served.get(f"/{path}", headers=headers).status_code for headers in (mira, noor)] for path in "abcdefgh"
    }
    assert outcomes == {
        "a": [200, 403],
        "b": [403, 403],
        "c": [200, 200],
        "d": [200, 403],
        "e": [200, 200],
        "f": [200, 200],
        "g": [200, 403],
        "h": [403, 403],
    }


@pytest.mark.contract("auth 9.1")
def test_without_a_user_roles_are_401(start):
    served = start(prepare=role_views, API_AUTHENTICATE_METHOD=None)
    errors = error_of(served.get("/f"), 401, "authentication_required")
    assert errors["message"] == "Authentication required"
    assert served.get("/a").headers["WWW-Authenticate"]


@pytest.mark.contract("auth 9.4")
def test_a_refusal_tells_which_rule_refused_and_whom(start):
    served = start(prepare=role_views)
    errors = error_of(served.delete("/b", headers=served.bearer()), 403, "missing_roles")
    errors.pop("request_id")
    assert errors == {
        "error": "forbidden",
        "message": "Missing required role(s) for this action.",
        "reason": "missing_roles",
        "required_roles": ["reader", "editor"],
        "any_of": False,
        "method": "DELETE",
        "path": "/b",
        "resource": "b",
        "user": {"id": 1, "username": "mira", "roles": ["reader", "accounts"]},
        "lookup": {"pk": 1, "lookups": {"username": "mira"}},
        "resolved_from": None,
    }


@pytest.mark.contract("auth S-29")
@pytest.mark.parametrize(
    "config", [{"API_ROLE_ERROR_DETAIL": "minimal"}, {"API_SECURITY_PROFILE": "strict", "API_REQUIRE_TLS": False}]
)
def test_a_refusal_may_tell_less(start, config):
    served = start(prepare=role_views, **config)
    errors = error_of(served.get("/b", headers=served.bearer()), 403, "missing_roles")
    assert errors.keys() == {"error", "message", "reason", "request_id"}


@pytest.mark.contract("auth 9.1")
def test_outside_of_requests_a_refusal_is_raised():
    guarded = require_roles("boss")(lambda: "ok")
    with pytest.raises(CustomHTTPException) as caught:
        guarded()
    assert (caught.value.status_code, caught.value.reason) == (401, "Authentication required")
    set_current_user(SimpleNamespace(roles=["clerk"]))
    try:
        with pytest.raises(CustomHTTPException, match="Insufficient role") as caught:
            guarded()
        assert caught.value.status_code == 403
        set_current_user(SimpleNamespace(roles=["boss"]))
        assert guarded() == "ok"
    finally:
        set_current_user(None)


@pytest.mark.contract("auth 9.1")
def test_a_decorated_view_says_which_roles_it_asks_for():
    (said,) = require_roles("a", "b", any_of=True)(lambda: "ok")._decorators
    assert (said.__name__, said._args, said._any_of) == ("require_roles", ("a", "b"), True)


@pytest.mark.contract("auth 9.1")
@pytest.mark.parametrize(
    "given, names",
    [
        (["a", "b"], ("a", "b")),
        ("a, b", ("a", "b")),
        (lambda: ["a"], ("a",)),
        ([SimpleNamespace(name="a"), "b"], ("a", "b")),
        (None, ()),
        (7, ()),
        ([None, 7, ""], ()),
    ],
)
def test_roles_of_users_may_be_written_in_many_ways(given, names):
    assert roles_of(SimpleNamespace(roles=given)) == names


@pytest.mark.contract("auth 8")
def test_the_decorator_of_tokens_stands_above_that_of_roles(start):
    def prepare(app):
        app.add_url_rule("/x", "x", jwt_authentication(require_roles("reader")(lambda: "ok")))

    served = start(prepare=prepare)
    assert served.get("/x", headers=served.bearer()).status_code == 200
    error_of(served.get("/x", headers=served.bearer("noor")), 403, "missing_roles")
    error_of(served.get("/x"), 401, "credentials_missing")


@pytest.mark.contract("auth 9.2")
@pytest.mark.parametrize(
    "role_map, said",
    [
        ({"GET": 7}, "is no rule"),
        ({"GET": []}, "is no rule"),
        ({"GTE": "a"}, "names no operation"),
        ({"GET": {"role": "a"}}, "is no rule"),
        (7, "is no rule"),
        ([], None),
    ],
)
def test_a_map_that_nobody_can_read_stops_the_start(start, role_map, said):
    if said is None:
        start(API_ROLE_MAP=role_map)
        return
    with pytest.raises(ConfigurationError, match="API_ROLE_MAP") as caught:
        start(API_ROLE_MAP=role_map)
    assert said in str(caught.value)


@pytest.mark.contract("auth 9.2")
@pytest.mark.contract("auth 16.9")
@pytest.mark.contract("auth 17.12")
@pytest.mark.parametrize(
    "config, get, post",
    [
        ({"API_ROLE_MAP": {"GET": "reader", "POST": ["reader", "editor"]}}, 200, 403),
        ({"API_ROLE_MAP": {"get": "reader", "*": {"roles": ["editor", "accounts"], "any_of": True}}}, 200, 200),
        ({"API_ROLE_MAP": "editor"}, 403, 403),
        ({"API_ROLE_MAP": {"roles": ["editor", "reader"], "any_of": True}}, 200, 200),
        ({"API_ROLE_MAP": {"GET": True, "ALL": None}}, 200, 200),
        ({"API_ROLES_REQUIRED": ["reader", "boss"]}, 403, 403),
        ({"API_ROLES_REQUIRED": "reader"}, 200, 200),
        ({"API_ROLES_ACCEPTED": ["boss", "reader"]}, 200, 200),
        ({"API_ROLES_ACCEPTED": ["boss"], "API_ROLES_REQUIRED": ["reader"]}, 200, 200),
        ({"API_ROLES_REQUIRED": ["boss"], "API_ROLE_MAP": {"POST": "reader"}}, 200, 200),
    ],
)
def test_the_map_and_its_fallbacks_decide(start, config, get, post):
    served = start(**config)
    headers = served.bearer()
    assert (served.get("/plain", headers=headers).status_code, served.post("/plain", headers=headers).status_code) == (
        get,
        post,
    )
    assert served.get("/plain").status_code == 401


@pytest.mark.contract("auth 9.3")
@pytest.mark.contract("auth 9.4")
@pytest.mark.parametrize("config", [{"API_ROLE_MAP": "boss"}, {"API_ROLES_REQUIRED": ["boss"]}])
def test_a_view_that_says_its_roles_is_judged_by_them_alone(start, config):
    def prepare(app):
        app.add_url_rule("/says-nothing", "a", lambda: "ok")
        app.add_url_rule("/reader", "b", require_roles("reader")(lambda: "ok"))
        app.add_url_rule("/known", "c", require_roles()(lambda: "ok"))
        app.add_url_rule("/token", "d", jwt_authentication(lambda: "ok"))

    served = start(prepare=prepare, **config)
    mira, noor = served.bearer(), served.bearer("noor")
    error_of(served.get("/says-nothing", headers=mira), 403, "missing_roles")
    assert served.get("/reader", headers=mira).status_code == 200
    errors = error_of(served.get("/reader", headers=noor), 403, "missing_roles")
    assert (errors["required_roles"], errors["resolved_from"]) == (["reader"], None)
    for path in ("/known", "/token"):
        assert served.get(path, headers=noor).status_code == 200
    for path in ("/says-nothing", "/reader", "/known", "/token"):
        error_of(served.get(path), 401, "credentials_missing")


@pytest.mark.contract("auth 10")
def test_where_nobody_is_asked_a_decorated_view_knows_who_calls(start):
    def prepare(app):
        app.add_url_rule("/reader", "b", require_roles("reader")(lambda: "ok"))
        app.add_url_rule("/scope", "c", require_scopes("much")(lambda: "ok"))

    served = start(prepare=prepare, API_AUTH_REQUIREMENTS={"GET": False})
    assert served.get("/scope", headers=served.bearer()).status_code == 200
    error_of(served.get("/scope"), 401, "authentication_required")
    assert served.get("/reader", headers=served.bearer()).status_code == 200
    error_of(served.get("/reader", headers=served.bearer("noor")), 403, "missing_roles")
    error_of(served.get("/reader"), 401, "authentication_required")


@pytest.mark.contract("auth 5.4")
@pytest.mark.parametrize("config", [{"API_ROLE_MAP": "boss"}, {"API_ROLES_REQUIRED": ["boss"]}])
def test_whoever_is_logged_in_may_log_out_whatever_the_roles(start, config):
    served = start(**config)
    headers = served.bearer()
    error_of(served.get("/plain", headers=headers), 403, "missing_roles")
    assert served.get("/auth/me", headers=headers).status_code == 200
    assert served.post("/auth/logout", headers=headers).status_code == 200


@pytest.mark.contract("auth 9.3")
def test_where_nobody_is_asked_a_role_is_still_needed(start):
    served = start(API_AUTH_REQUIREMENTS="off", API_ROLE_MAP={"POST": "editor"})
    assert served.get("/plain").status_code == 200
    assert error_of(served.post("/plain"), 401)["message"] == "Authentication required"
    assert served.post("/plain", headers=served.bearer("noor")).get_json() == {"user": "noor"}
    error_of(served.post("/plain", headers=served.bearer()), 403, "missing_roles")
    error_of(served.post("/plain", headers={"Authorization": "Bearer x"}), 401, "invalid_token")


# --- the documented functions -----------------------------------------------------------------------------------------


@pytest.mark.contract("core 10")
def test_code_can_ask_for_rules_and_refuse_by_them(start, kit):
    def prepare(app):
        @app.get("/own")
        def own():
            if not role_answers.resolve_required_roles("delete")[0]:
                return "open"
            return role_answers.forbidden_with_context(["boss"], True, "DELETE")

        app.add_url_rule("/who", "who", lambda: list(role_answers.build_user_context()))

    served = start(prepare=prepare, API_ROLE_MAP={"DELETE": {"roles": ["boss", "lead"], "any_of": True}})
    headers = served.bearer()
    errors = error_of(served.get("/own", headers=headers), 403, "missing_roles")
    assert (errors["required_roles"], errors["any_of"], errors["resolved_from"]) == (["boss"], True, "DELETE")
    user, lookup = served.get("/who", headers=headers).get_json()
    assert (user["username"], lookup["pk"]) == ("mira", 1)
    with served.app.app_context():
        assert role_answers.resolve_required_roles("DELETE") == (["boss", "lead"], True, "DELETE")
        assert role_answers.resolve_required_roles("GET", many=True) == (None, False, None)
    assert roles.normalise_roles_spec({"roles": ["a"], "any_of": True}) == (["a"], True)
    assert roles.normalise_roles_spec(True) == (None, False)
