"""Logging in, renewing, logging out, and who one is (auth 5, 16)."""

from __future__ import annotations

import datetime as dt
import json

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import sessionmaker

from flarchitect_core.testing import error_of


@pytest.mark.contract("auth 5.1")
def test_login_gives_tokens_and_the_key_as_text(start, sessions):
    response = start(sessions=sessions).post(
        "/auth/login", json={"username": "mira", "password": "correct horse battery"}
    )
    assert response.status_code == 200
    assert response.get_json()["value"].keys() == {"access_token", "refresh_token", "user_pk"}
    assert response.get_json()["value"]["user_pk"] == "1"


@pytest.mark.contract("auth S-25")
def test_answers_with_tokens_are_never_stored(served):
    login = served.post("/auth/login", json={"username": "mira", "password": "correct horse battery"})
    renewed = served.refresh(login.get_json()["value"]["refresh_token"])
    for response in (login, renewed):
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Pragma"] == "no-cache"


@pytest.mark.contract("auth 16.1")
def test_an_access_token_opens_a_plain_view_and_a_changed_one_does_not(start, sessions, kit):
    served = start(sessions=sessions)
    token = served.login()["access_token"]
    assert served.get("/plain", headers=kit.bearer(token)).get_json() == {"user": "mira"}
    changed = token[:-5] + ("A" if token[-5] != "A" else "B") + token[-4:]
    assert (
        error_of(served.get("/plain", headers=kit.bearer(changed)), 401, "invalid_token")["message"] == "Invalid token"
    )


@pytest.mark.contract("auth 16.2")
@pytest.mark.contract("auth 17.1")
@pytest.mark.contract("auth S-5")
def test_two_logins_within_a_second_give_four_tokens_that_work(served):
    first, second = served.login(), served.login()
    assert len({pair[name] for pair in (first, second) for name in ("access_token", "refresh_token")}) == 4
    assert served.refresh(first["refresh_token"]).status_code == 200
    assert served.refresh(second["refresh_token"]).status_code == 200


@pytest.mark.contract("auth 16.3")
@pytest.mark.contract("auth 17.2")
def test_a_renewal_in_the_second_of_the_login_gives_another_token_that_works(served):
    first = served.login()["refresh_token"]
    second = served.refresh(first).get_json()["value"]["refresh_token"]
    assert second != first
    assert served.refresh(second).status_code == 200


@pytest.mark.contract("auth 16.4")
@pytest.mark.parametrize("word", ["Bearer", "bearer", "BEARER"])
def test_a_refresh_token_may_have_its_word_before_it(served, word):
    assert served.refresh(f"{word} {served.login()['refresh_token']}").status_code == 200


@pytest.mark.contract("auth 16.5")
@pytest.mark.contract("auth 17.6")
@pytest.mark.contract("auth S-4")
def test_one_kind_of_token_never_passes_for_the_other_also_with_equal_secrets(start, kit):
    served = start(REFRESH_SECRET_KEY=kit.ACCESS)
    pair = served.login()
    error_of(served.refresh(pair["access_token"]), 401, "invalid_token")
    error_of(served.get("/plain", headers=kit.bearer(pair["refresh_token"])), 401, "invalid_token")


@pytest.mark.contract("auth 5.1")
@pytest.mark.contract("auth S-15")
def test_an_unknown_user_and_a_wrong_password_are_answered_alike(served):
    answers = [
        served.post("/auth/login", json={"username": name, "password": password})
        for name, password in (("mira", "wrong horse battery"), ("nobody", "wrong horse battery"), ("mi", "x"))
    ]
    bodies = []
    for answer in answers:
        errors = error_of(answer, 401, "invalid_credentials")
        assert errors["message"] == "Invalid credentials"
        body = answer.get_json()
        for volatile in ("datetime", "response_ms"):
            body.pop(volatile, None)
        body["errors"].pop("request_id")
        bodies.append((body, sorted(set(answer.headers.keys()))))
    assert bodies[0] == bodies[1] == bodies[2]


@pytest.mark.contract("auth 5.1")
def test_a_missing_field_is_named(served):
    errors = error_of(served.post("/auth/login", json={"username": "mira"}), 400)
    assert errors["fields"] == {"password": ["Missing data for required field."]}


@pytest.mark.contract("auth 5.1")
@pytest.mark.contract("auth 17.16")
@pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh"])
@pytest.mark.parametrize("body", [[], "text", 1, True])
def test_a_body_that_is_no_object_is_400(served, path, body):
    error_of(served.post(path, json=body), 400)


@pytest.mark.contract("auth 5.1")
@pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh"])
def test_a_body_that_is_no_json_is_415(served, path):
    error_of(served.post(path, data="username=mira", content_type="text/plain"), 415)


def test_unknown_keys_of_a_login_are_passed_over(served, kit):
    body = {"username": "mira", "password": kit.PASSWORD, "remember": True}
    assert served.post("/auth/login", json=body).status_code == 200


@pytest.mark.parametrize(
    "name", ["mi\0ra", "m" * 10_000, "\ud800", "\udfff\ud800", "", " ", "' OR 1=1 --", "%", "😀" * 200, "mira\0"]
)
def test_a_strange_login_name_is_nobody(served, kit, name):
    body = json.dumps({"username": name, "password": kit.PASSWORD})
    response = served.post("/auth/login", data=body, content_type="application/json")
    assert response.status_code in (400, 401), response.get_data(as_text=True)


@pytest.mark.parametrize("password", ["\0", "p" * 100_000, "\ud800", ""])
def test_a_strange_password_is_wrong_for_all_alike(served, password):
    statuses = {
        served.post(
            "/auth/login",
            data=json.dumps({"username": name, "password": password}),
            content_type="application/json",
        ).status_code
        for name in ("mira", "nobody")
    }
    assert statuses in ({401}, {400})


@pytest.mark.contract("auth 5.3")
def test_an_empty_refresh_token_is_400(served):
    errors = error_of(served.refresh("  "), 400, "refresh_token_missing")
    assert errors["message"] == "Refresh token is missing"


@pytest.mark.contract("auth 5.3")
def test_a_missing_refresh_token_is_named(served):
    assert "refresh_token" in error_of(served.post("/auth/refresh", json={}), 400)["fields"]


@pytest.mark.contract("auth 5.3")
def test_what_is_no_refresh_token_is_401(served):
    for token in ("x", "a.b.c", "Bearer", "..", "é.é.é"):
        assert error_of(served.refresh(token), 401, "invalid_token")["message"] == "Invalid token"


@pytest.mark.contract("auth 5.3")
def test_an_expired_refresh_token_is_401_and_its_row_is_revoked(served, kit):
    from flarchitect_auth.functions import generate_refresh_token

    with served.app.test_request_context():
        token = generate_refresh_token(kit.User(id=1, username="mira"), expires_in_minutes=0)
    assert error_of(served.refresh(token), 401, "token_expired")["message"] == "Token has expired"
    assert served.rows("SELECT revoked_reason FROM refresh_tokens") == [("expired",)]


@pytest.mark.contract("auth 5.3")
def test_a_refresh_token_without_a_row_is_403(served):
    token = served.login()["refresh_token"]
    served.execute(sa.text("DELETE FROM refresh_tokens"))
    assert error_of(served.refresh(token), 403, "refresh_refused")["message"] == "Invalid or expired refresh token"


@pytest.mark.contract("auth 5.3")
def test_a_row_that_has_expired_is_403_and_goes(served):
    token = served.login()["refresh_token"]
    served.execute(sa.text("UPDATE refresh_tokens SET expires_at = '2001-01-01 00:00:00'"))
    error_of(served.refresh(token), 403, "refresh_refused")
    assert served.rows("SELECT * FROM refresh_tokens") == []


@pytest.mark.contract("auth 17.22")
@pytest.mark.contract("auth S-13")
@pytest.mark.parametrize(
    "change", ["DELETE FROM users WHERE username = 'mira'", "UPDATE users SET is_active = :no WHERE username = 'mira'"]
)
def test_a_user_who_is_gone_or_closed_is_401_everywhere(served, kit, change):
    pair = served.login()
    served.execute(sa.text(change).bindparams(**({"no": False} if ":no" in change else {})))
    error_of(served.get("/plain", headers=kit.bearer(pair["access_token"])), 401, "invalid_token")
    error_of(served.refresh(pair["refresh_token"]), 401, "invalid_token")
    body = {"username": "mira", "password": kit.PASSWORD}
    error_of(served.post("/auth/login", json=body), 401, "invalid_credentials")


@pytest.mark.contract("auth 16.12")
@pytest.mark.contract("auth 17.15")
@pytest.mark.contract("auth S-11")
def test_after_a_logout_the_refresh_token_is_403(start, sessions, kit):
    served = start(sessions=sessions)
    pair = served.login()
    for _ in range(2):
        response = served.post("/auth/logout", json={}, headers=kit.bearer(pair["access_token"]))
        assert (response.status_code, response.get_json()["value"]) == (200, {})
    error_of(served.refresh(pair["refresh_token"]), 403, "refresh_refused")


@pytest.mark.contract("auth 5.4")
def test_a_logout_needs_no_body(served, kit):
    pair = served.login()
    assert served.post("/auth/logout", headers=kit.bearer(pair["access_token"])).status_code == 200
    error_of(served.refresh(pair["refresh_token"]), 403)


@pytest.mark.contract("auth 5.4")
def test_a_logout_ends_the_login_that_is_named_and_no_other(served, kit):
    first, second, third = served.login(), served.login(), served.login()
    body = {"refresh_token": second["refresh_token"]}
    assert served.post("/auth/logout", json=body, headers=kit.bearer(first["access_token"])).status_code == 200
    error_of(served.refresh(second["refresh_token"]), 403)
    assert served.refresh(third["refresh_token"]).status_code == 200
    assert served.refresh(first["refresh_token"]).status_code == 200


@pytest.mark.contract("auth 5.4")
def test_a_logout_from_everywhere_ends_all_logins_of_this_user(served, kit):
    first, second, other = served.login(), served.login(), served.login("noor")
    served.post("/auth/logout", json={"all": True}, headers=kit.bearer(first["access_token"]))
    error_of(served.refresh(first["refresh_token"]), 403)
    error_of(served.refresh(second["refresh_token"]), 403)
    assert served.refresh(other["refresh_token"]).status_code == 200


@pytest.mark.contract("docs D-5")
@pytest.mark.parametrize("value", [0, 1, "yes", "on", None])
def test_a_logout_from_everywhere_is_asked_for_by_true_alone(served, kit, value):
    token = served.login()
    answer = served.post("/auth/logout", json={"all": value}, headers=kit.bearer(token["access_token"]))
    assert set(error_of(answer, 400, "validation_failed")["fields"]) == {"all"}
    assert served.refresh(token["refresh_token"]).status_code == 200


@pytest.mark.contract("docs D-5")
def test_a_logout_from_everywhere_may_be_asked_for_in_xml(served, kit):
    token = served.login()
    headers = {**kit.bearer(token["access_token"]), "Content-Type": "application/xml"}
    assert served.post("/auth/logout", data="<logout><all>true</all></logout>", headers=headers).status_code == 200
    error_of(served.refresh(token["refresh_token"]), 403)


def test_nobody_ends_the_login_of_somebody_else(served, kit):
    mine, theirs = served.login(), served.login("noor")
    body = {"refresh_token": theirs["refresh_token"]}
    assert served.post("/auth/logout", json=body, headers=kit.bearer(mine["access_token"])).status_code == 200
    assert served.refresh(theirs["refresh_token"]).status_code == 200


@pytest.mark.contract("auth 17.15")
def test_a_logout_by_nobody_is_401_in_json(served):
    error_of(served.post("/auth/logout"), 401, "credentials_missing")


@pytest.mark.contract("auth S-11")
def test_with_the_denylist_an_access_token_ends_with_its_login(start, sessions, kit):
    served = start(sessions=sessions, API_JWT_DENYLIST=True)
    headers, others = served.bearer(), served.bearer()
    assert served.get("/plain", headers=headers).status_code == 200
    assert served.post("/auth/logout", headers=headers).status_code == 200
    error_of(served.get("/plain", headers=headers), 401, "invalid_token")
    assert served.get("/plain", headers=others).status_code == 200


@pytest.mark.contract("auth S-11")
@pytest.mark.contract("auth 5.4")
def test_two_logouts_at_once_are_one_logout(start, sessions, kit):
    served = start(sessions=sessions, API_JWT_DENYLIST=True)
    headers = served.bearer()
    begun, others = [], []

    def be_faster(connection, cursor, statement, *_):
        if statement.startswith("INSERT INTO denied_access_tokens") and not begun:
            begun.append(statement)
            others.append(served.app.test_client().post("/auth/logout", headers=headers).status_code)

    sa.event.listen(served.engine, "before_cursor_execute", be_faster)
    assert served.post("/auth/logout", headers=headers).status_code == 200
    assert others == [200]
    error_of(served.get("/plain", headers=headers), 401, "invalid_token")


@pytest.mark.contract("auth S-12")
def test_tokens_from_before_a_moment_count_no_more(served, kit):
    pair = served.login()
    moment = dt.datetime.now(dt.timezone.utc).replace(tzinfo=None) + dt.timedelta(seconds=5)
    served.execute(sa.update(kit.User).values(tokens_valid_after=moment))
    error_of(served.get("/plain", headers=kit.bearer(pair["access_token"])), 401, "invalid_token")
    error_of(served.refresh(pair["refresh_token"]), 401, "invalid_token")


@pytest.mark.contract("auth 5.5")
@pytest.mark.contract("auth 17.27")
def test_me_describes_the_user_without_any_secret(start, sessions, kit):
    served = start(sessions=sessions)
    served.execute(sa.update(kit.User).values(totp_secret="canary", key_hash="canary"))
    response = served.get("/auth/me", headers=served.bearer())
    value = response.get_json()["value"]
    assert (value["id"], value["username"]) == (1, "mira")
    assert not {"password_hash", "key_hash", "totp_secret"} & value.keys()
    assert "canary" not in response.get_data(as_text=True)
    assert response.headers["Cache-Control"] == "private, no-store"


@pytest.mark.contract("auth 5.5")
def test_me_of_nobody_is_401(served):
    error_of(served.get("/auth/me"), 401, "credentials_missing")


@pytest.mark.contract("auth 5")
def test_routes_may_be_elsewhere_or_not_at_all(start, kit):
    served = start(API_AUTH_REFRESH_ROUTE="/session/renew", API_AUTH_ME_ROUTE="/session")
    pair = served.login()
    assert served.post("/session/renew", json={"refresh_token": pair["refresh_token"]}).status_code == 200
    assert served.get("/session", headers=kit.bearer(pair["access_token"])).status_code == 200
    assert served.get("/auth/me").status_code == 404
    assert start(API_AUTO_AUTH_ROUTES=False).post("/auth/login", json={}).status_code == 404
    assert start(API_EXPOSE_ME=False).get("/auth/me").status_code == 404


@pytest.mark.contract("auth 5")
def test_own_routes_at_the_paths_of_me_and_refresh_are_kept(start, kit):
    def prepare(app):
        app.add_url_rule("/auth/me", "own_me", lambda: "mine", methods=["GET"])
        app.add_url_rule("/auth/refresh", "own_refresh", lambda: "mine", methods=["POST"])

    served = start(prepare=prepare)
    assert served.get("/auth/me", headers=served.bearer()).get_data() == b"mine"
    assert served.post("/auth/refresh", headers=served.bearer()).get_data() == b"mine"


def registered(kit, session=None, **columns):
    """Make what `API_REGISTER_USER` may be: it gives the user, and stores it by itself where it has a session."""

    def register(data):
        user = kit.User(username=data["username"], password_hash=kit.hash_of(data["password"]), **columns)
        if session is not None:
            with session() as own:
                own.add(user)
                own.commit()
        return user

    return register


@pytest.mark.contract("auth 5.6")
@pytest.mark.parametrize("stores_itself", [False, True])
def test_a_registration_tells_nothing_about_accounts(start, sessions, kit, database_uri, stores_itself):
    engine = sa.create_engine(database_uri)
    register = registered(kit, sessionmaker(engine) if stores_itself else None)
    served = start(sessions=sessions, API_EXPOSE_REGISTER=True, API_REGISTER_USER=register)
    body = {"username": "lena", "password": "a long enough one"}
    first, second = (served.post("/auth/register", json=body) for _ in range(2))
    assert (first.status_code, first.get_json()["value"]) == (202, second.get_json()["value"])
    assert second.status_code == 202
    assert list(first.headers.keys()) == list(second.headers.keys())
    assert served.rows("SELECT count(*) FROM users WHERE username = 'lena'") == [(1,)]
    assert served.login(**body)["user_pk"]
    # Nobody takes an account over by registering it again.
    assert served.post("/auth/register", json={"username": "mira", "password": "another long one"}).status_code == 202
    assert served.login()
    engine.dispose()


@pytest.mark.contract("auth 5.6")
def test_a_registration_asks_for_a_long_password_and_the_login_name_by_its_own_name(start, kit):
    made = []
    config = {"API_EXPOSE_REGISTER": True, "API_REGISTER_USER": made.append}
    served = start(**config, API_USER_LOOKUP_FIELD="totp_secret")
    body = {"totp_secret": "lena", "password": "x" * 12}
    errors = error_of(served.post("/auth/register", json={**body, "password": "x" * 11}), 400)
    assert list(errors["fields"]) == ["password"]
    assert list(error_of(served.post("/auth/register", json={"password": "x" * 12}), 400)["fields"]) == ["totp_secret"]
    assert served.post("/auth/register", json={**body, "is_active": False, "roles": "boss"}).status_code == 202
    assert made == [body]
    assert start(**config, API_PASSWORD_MIN_LENGTH=3).post("/auth/register", json={}).status_code == 400


def test_a_registration_that_fails_for_another_reason_is_no_success(start, kit):
    served = start(API_EXPOSE_REGISTER=True, API_REGISTER_USER=registered(kit, role_names=sa.null()))
    body = {"username": "lena", "password": "a long enough one"}
    error_of(served.post("/auth/register", json=body), 422, "not_null_violation")
    served.execute(sa.text("ALTER TABLE users RENAME TO elsewhere"))
    assert served.post("/auth/register", json=body).status_code >= 500
    served.execute(sa.text("ALTER TABLE elsewhere RENAME TO users"))


@pytest.mark.contract("auth S-32")
def test_a_name_that_changes_hands_takes_no_token_with_it(served, kit):
    token = served.login()["access_token"]
    served.execute(sa.update(kit.User).where(kit.User.id == 1).values(username="mira-old"))
    served.execute(sa.update(kit.User).where(kit.User.id == 2).values(username="mira"))
    assert served.get("/plain", headers=kit.bearer(token)).get_json() == {"user": "mira-old"}
