"""Failed attempts are counted, and those who know their password are not locked out (auth S-15, S-16)."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Lock

import pytest
import sqlalchemy as sa

from flarchitect_core.testing import error_of

THERE = {"REMOTE_ADDR": "203.0.113.7"}
ELSEWHERE = {"REMOTE_ADDR": "198.51.100.9"}


def attempt(served, name="mira", password="wrong horse", address=THERE, client=None):
    body = {"username": name, "password": password}
    return (client or served.client).post("/auth/login", json=body, environ_base=address)


@pytest.fixture
def counted(kit, monkeypatch):
    """Count the passwords that are really checked."""
    lock, checked = Lock(), []
    original = kit.User.check_password

    def check_password(self, password):
        with lock:
            checked.append(password)
        return original(self, password)

    monkeypatch.setattr(kit.User, "check_password", check_password)
    return checked


@pytest.mark.contract("auth S-16")
@pytest.mark.contract("auth 17.17")
def test_the_eleventh_wrong_password_is_429_and_the_victim_gets_in_from_elsewhere(served, kit):
    for _ in range(10):
        error_of(attempt(served), 401, "invalid_credentials")
    response = attempt(served, password=kit.PASSWORD)
    errors = error_of(response, 429, "too_many_attempts")
    assert errors["message"].startswith("Too many attempts")
    assert 1 <= int(response.headers["Retry-After"]) <= 60
    assert attempt(served, password=kit.PASSWORD, address=ELSEWHERE).status_code == 200
    assert attempt(served, "noor", kit.PASSWORD).status_code == 200


@pytest.mark.contract("auth S-16")
def test_of_two_hundred_wrong_passwords_at_once_no_more_than_the_limit_are_checked(start, kit, counted):
    served = start()
    parallel(served, counted)
    assert attempt(served, password=kit.PASSWORD, address=ELSEWHERE).status_code == 200


@pytest.mark.contract("auth S-16")
def test_the_same_with_redis(start, kit, counted, redis_url, unique_name):
    def prepare(app):
        app.name = unique_name

    served = start(prepare=prepare, API_RATE_LIMIT_STORAGE_URI=redis_url)
    parallel(served, counted)
    other_process = start(prepare=prepare, API_RATE_LIMIT_STORAGE_URI=redis_url)
    error_of(attempt(other_process, password=kit.PASSWORD), 429, "too_many_attempts")
    assert attempt(other_process, password=kit.PASSWORD, address=ELSEWHERE).status_code == 200


def parallel(served, counted):
    threads = 20
    barrier = Barrier(threads)

    def attack(_):
        client = served.app.test_client()
        barrier.wait(30)
        return [attempt(served, client=client).status_code for _ in range(10)]

    with ThreadPoolExecutor(threads) as pool:
        statuses = [status for each in pool.map(attack, range(threads)) for status in each]
    assert len(counted) <= 10
    assert (statuses.count(401), statuses.count(429)) == (len(counted), 200 - len(counted))


@pytest.mark.contract("auth S-16")
def test_when_the_storage_is_away_this_process_counts(start, unused_tcp_port):
    served = start(API_RATE_LIMIT_STORAGE_URI=f"redis://127.0.0.1:{unused_tcp_port}/0")
    statuses = [attempt(served).status_code for _ in range(12)]
    assert statuses == [401] * 10 + [429] * 2


@pytest.fixture
def unused_tcp_port():
    import socket

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.mark.contract("auth S-16")
def test_who_is_right_is_never_counted(served, kit):
    for _ in range(30):
        assert attempt(served, password=kit.PASSWORD).status_code == 200


@pytest.mark.contract("auth S-16")
@pytest.mark.parametrize("name", ["MIRA", " mira", "mira ", "mi\u200bra", "m\u00edra", "\uff4dira", "mi\u00adra"])
def test_another_spelling_of_a_name_is_counted_as_the_same(served, name):
    for _ in range(10):
        attempt(served)
    error_of(attempt(served, name), 429)


@pytest.mark.contract("auth S-16")
def test_one_address_fails_a_hundred_times_whatever_it_tries(start):
    served = start(API_AUTH_LOGIN_RATE_LIMIT="10 per minute", API_AUTH_IP_RATE_LIMIT="20 per minute")
    statuses = [attempt(served, f"name{number}").status_code for number in range(25)]
    assert statuses == [401] * 20 + [429] * 5
    error_of(served.refresh("a.b.c"), 401)
    assert attempt(served, "name", address=ELSEWHERE).status_code == 401


@pytest.mark.contract("auth S-16")
@pytest.mark.parametrize("limit", ["3 per minute; 5 per hour", "3/minute;4/minute"])
def test_each_of_several_rates_counts_by_itself(start, limit):
    served = start(API_AUTH_LOGIN_RATE_LIMIT=limit)
    assert [attempt(served).status_code for _ in range(5)] == [401] * 3 + [429] * 2


@pytest.mark.contract("auth S-16")
def test_addresses_of_one_network_of_ipv6_are_one(served):
    for number in range(10):
        attempt(served, address={"REMOTE_ADDR": f"2001:db8:1:2::{number}"})
    error_of(attempt(served, address={"REMOTE_ADDR": "2001:db8:1:2:ffff::1"}), 429)
    error_of(attempt(served, address={"REMOTE_ADDR": "2001:db8:1:3::1"}), 401)


@pytest.mark.contract("auth S-16")
def test_refresh_tokens_are_counted_by_address(start):
    served = start(API_AUTH_IP_RATE_LIMIT="5 per minute")
    assert [served.refresh("a.b.c").status_code for _ in range(6)] == [401] * 5 + [429]


@pytest.mark.contract("auth S-16")
def test_basic_and_keys_are_counted_on_every_route(start, kit):
    served = start(
        API_AUTHENTICATE_METHOD=["basic", "api_key"],
        API_KEY_ID_FIELD="key_id",
        API_CREDENTIAL_HASH_FIELD="key_hash",
    )
    basic = {"Authorization": "Basic " + base64.b64encode(b"mira:wrong").decode()}
    assert [served.get("/plain", headers=basic).status_code for _ in range(11)] == [401] * 10 + [429]
    key = {"Authorization": "Api-Key key_abc.secret"}
    assert [served.get("/plain", headers=key).status_code for _ in range(11)] == [401] * 10 + [429]
    good = {"Authorization": "Basic " + base64.b64encode(f"noor:{kit.PASSWORD}".encode()).decode()}
    assert served.get("/plain", headers=good).status_code == 200


def test_limits_can_be_switched_off(start):
    served = start(API_AUTH_LOGIN_RATE_LIMIT=False, API_AUTH_IP_RATE_LIMIT=False)
    assert {attempt(served).status_code for _ in range(120)} == {401}


# --- S-15 -------------------------------------------------------------------------------------------------------------


@pytest.mark.contract("auth S-15")
def test_for_an_unknown_name_a_password_is_checked_all_the_same(served, counted):
    attempt(served, "nobody")
    assert len(counted) == 1
    assert attempt(served, "nobody", "correct horse battery").status_code == 401


@pytest.mark.contract("auth S-15")
@pytest.mark.parametrize("way", ["login", "basic"])
def test_an_unknown_name_costs_the_work_of_a_known_one(start, sessions, counted, way):
    served = start(sessions=sessions, API_AUTHENTICATE_METHOD=["jwt", "basic"])

    def work_of(name):
        statements, checks = [], len(counted)
        listener = lambda *a: statements.append(a[2])  # noqa: E731
        sa.event.listen(served.engine, "before_cursor_execute", listener)
        if way == "login":
            attempt(served, name)
        else:
            encoded = base64.b64encode(f"{name}:wrong horse".encode()).decode()
            error_of(served.get("/plain", headers={"Authorization": f"Basic {encoded}"}), 401, "invalid_credentials")
        sa.event.remove(served.engine, "before_cursor_execute", listener)
        return statements, len(counted) - checks

    work_of("the first nobody")  # who is judged like some user, whom we read once
    statements, checks = work_of("mira")
    assert (len(statements), checks) == (1, 1)
    assert work_of("nobody") == (statements, checks)


@pytest.mark.contract("auth S-15")
def test_a_user_without_a_password_is_no_model_for_the_unknown(served, kit, monkeypatch):
    served.execute(sa.update(kit.User).where(kit.User.id == 1).values(password_hash=None))
    seen = []
    monkeypatch.setattr(kit.User, "check_password", lambda self, password: seen.append(self.password_hash))
    attempt(served, "nobody")
    assert seen == [kit.hash_of(kit.PASSWORD)]


@pytest.mark.contract("auth S-15")
def test_what_a_check_changes_of_somebody_who_does_not_exist_is_lost(start, sessions, kit, monkeypatch):
    served = start(sessions=sessions)

    def check_password(self, password):
        self.role_names = "changed"
        session = sa.orm.object_session(self) or extra["session"]()
        session.add(self)
        session.flush()
        return True

    extra = {}
    from flarchitect_core.state import state_of

    extra["session"] = lambda: state_of().database.session(kit.User)
    monkeypatch.setattr(kit.User, "check_password", check_password)
    error_of(attempt(served, "nobody"), 401, "invalid_credentials")
    assert served.rows("SELECT count(*) FROM users WHERE role_names = 'changed'") == [(0,)]
    assert len(served.rows("SELECT id FROM users")) == 2


def test_what_a_check_changes_of_a_user_who_gets_in_is_kept(start, sessions, kit, monkeypatch):
    served = start(sessions=sessions)

    def check_password(self, password):
        self.password_hash = "renewed"
        return True

    monkeypatch.setattr(kit.User, "check_password", check_password)
    attempt(served)
    assert served.rows("SELECT password_hash FROM users WHERE id = 1") == [("renewed",)]


def test_a_password_that_the_check_cannot_take_is_wrong(served, kit, monkeypatch, caplog):
    def check_password(self, password):
        raise ValueError(f"password {password} cannot be longer than 72 bytes")

    monkeypatch.setattr(kit.User, "check_password", check_password)
    error_of(attempt(served, password="canary" * 20), 401, "invalid_credentials")
    assert "canary" not in caplog.text


@pytest.mark.contract("auth S-15")
def test_without_any_user_nobody_gets_in(served):
    served.execute(sa.text("DELETE FROM users"))
    error_of(attempt(served), 401, "invalid_credentials")
