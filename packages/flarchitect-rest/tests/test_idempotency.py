"""`Idempotency-Key`: what is sent twice is done once, also at the same moment, and also when the process dies."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flarchitect_core.operations.idempotency import TABLE
from flarchitect_core.state import state_of
from flarchitect_core.testing import count_statements, error_of

TWINS = 20
KEY = {"Idempotency-Key": "8e03978e-40d5-43dd-bc93-6894a57f9324"}


class Base(DeclarativeBase):
    pass


class Payment(Base):
    __tablename__ = "payments"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[int]
    note: Mapped[str | None] = mapped_column(sa.String(40), unique=True)


@pytest.fixture
def app(serve, sessions):
    return serve(Base, sessions=sessions, API_IDEMPOTENCY=True, API_ALLOW_BULK=True, API_ETAGS=True)


def number_of(served: Any, table: str = "payments") -> int:
    return served.scalar(f"SELECT count(*) FROM {table}")


@pytest.mark.contract("rest-F47, R33")
def test_a_repeated_create_is_done_once_and_answered_alike(app):
    first = app.post("/api/payments", json={"amount": 5}, headers=KEY)
    assert first.status_code == 201
    assert "Idempotency-Replayed" not in first.headers
    again = app.post("/api/payments", json={"amount": 5}, headers=KEY)
    assert (again.status_code, again.data) == (201, first.data)
    assert again.headers["Idempotency-Replayed"] == "true"
    for name in ("Location", "ETag", "Content-Type", "Vary"):
        assert again.headers[name] == first.headers[name]
    assert number_of(app) == 1
    assert app.engine.pool.checkedout() == 0


@pytest.mark.contract("rest-F47")
def test_a_repeated_change_is_answered_as_it_was(app):
    url = app.post("/api/payments", json={"amount": 5}).headers["Location"]
    first = app.patch(url, json={"amount": 6}, headers=KEY)
    app.patch(url, json={"amount": 7})
    again = app.patch(url, json={"amount": 6}, headers=KEY)
    assert again.data == first.data
    assert app.value(url)["amount"] == 7


@pytest.mark.contract("rest-F47, R33")
@pytest.mark.parametrize("url, body", [("/api/payments", {"amount": 6}), ("/api/payments?dump=json", {"amount": 5})])
def test_a_key_is_for_one_request(app, url, body):
    app.post("/api/payments", json={"amount": 5}, headers=KEY)
    error_of(app.post(url, json=body, headers=KEY), 422, "idempotency_key_reused")
    assert number_of(app) == 1


@pytest.mark.contract("rest-F47, R33")
def test_a_key_is_for_one_caller(app):
    ada, bob = ({**KEY, "Authorization": f"Bearer {name}"} for name in ("ada", "bob"))
    first = app.post("/api/payments", json={"amount": 5}, headers=ada)
    other = app.post("/api/payments", json={"amount": 5}, headers=bob)
    assert first.headers["Location"] != other.headers["Location"]
    assert app.post("/api/payments", json={"amount": 5}, headers=ada).headers["Location"] == first.headers["Location"]
    assert number_of(app) == 2


@pytest.mark.contract("rest-F47, R33")
@pytest.mark.parametrize("cache", [None, "SimpleCache"])
def test_a_key_is_for_one_tenant(serve, sessions, cache):
    app = serve(Base, sessions=sessions, API_IDEMPOTENCY=True, API_CACHE_VARY=["X-Tenant"], API_CACHE_TYPE=cache)
    places = []
    for tenant in ("one", "two", "one"):
        headers = {**KEY, "Authorization": "Bearer ada", "X-Tenant": tenant}
        places.append(app.post("/api/payments", json={"amount": 5}, headers=headers).headers["Location"])
    assert places[0] == places[2] != places[1]
    assert number_of(app) == 2


@pytest.mark.contract("rest-F47, R33")
def test_callers_without_a_name_are_told_by_their_address(app):
    places = []
    for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1"):
        overrides = {"REMOTE_ADDR": address}
        response = app.post("/api/payments", json={"amount": 5}, headers=KEY, environ_overrides=overrides)
        places.append(response.headers["Location"])
    assert places[0] == places[2] != places[1]
    named = {**KEY, "Authorization": "Bearer ada"}
    for address in ("192.0.2.1", "192.0.2.2"):
        overrides = {"REMOTE_ADDR": address}
        app.post("/api/payments", json={"amount": 5}, headers=named, environ_overrides=overrides)
    assert number_of(app) == 3


@pytest.mark.contract("rest-F47, R33")
def test_a_key_is_for_one_format_and_content_type(app):
    body = b'{"amount": 5}'
    first = {**KEY, "Content-Type": "application/json"}
    url = app.post("/api/payments", data=body, headers={"Content-Type": "application/json"}).headers["Location"]
    assert app.patch(url, data=body, headers=first).status_code == 200
    again = app.patch(url, data=body, headers={**first, "Accept": "application/json, */*;q=0.1"})
    assert again.headers["Idempotency-Replayed"] == "true"
    other = app.patch(url, data=body, headers={**KEY, "Content-Type": "application/merge-patch+json"})
    assert "content type" in error_of(other, 422, "idempotency_key_reused")["message"]


@pytest.mark.contract("rest-F47, R33")
def test_a_repetition_is_in_the_format_that_is_asked_for(serve, sessions):
    app = serve(Base, sessions=sessions, API_IDEMPOTENCY=True)
    app.post("/api/payments", json={"amount": 5}, headers=KEY)
    response = app.post("/api/payments", json={"amount": 5}, headers={**KEY, "Accept": "application/xml"})
    assert (response.status_code, response.mimetype) == (422, "application/xml")
    assert b"idempotency_key_reused" in response.data


@pytest.mark.contract("rest-F47")
def test_an_error_is_not_kept(app):
    app.post("/api/payments", json={"amount": 1, "note": "taken"})
    body = {"amount": 2, "note": "taken"}
    error_of(app.post("/api/payments", json=body, headers=KEY), 409, "unique_violation")
    error_of(app.post("/api/payments", json={"amount": "x"}, headers=KEY), 400, "validation_failed")
    assert number_of(app, TABLE) == 0
    app.delete("/api/payments/1")
    assert app.post("/api/payments", json=body, headers=KEY).status_code == 201


@pytest.mark.contract("rest-F47, F42, F50")
def test_lists_and_answers_without_body_are_repeated_too(app):
    headers = {**KEY, "Prefer": "return=minimal"}
    for _ in range(2):
        response = app.post("/api/payments", json=[{"amount": 1}, {"amount": 2}], headers=headers)
        assert (response.status_code, response.data) == (201, b"")
    assert number_of(app) == 2


@pytest.mark.contract("rest-F47")
def test_a_repetition_tells_nobody_of_a_change(app):
    told: list[Any] = []
    state_of(app.app).listeners.append(told.append)
    for _ in range(3):
        app.post("/api/payments", json={"amount": 5}, headers=KEY)
    assert len(told) == 1


@pytest.mark.contract("rest-F47")
@pytest.mark.parametrize("key", ["", " ", '""', "x" * 256, "a\u0080b"])
def test_a_key_that_is_none_is_refused(app, key):
    response = app.post("/api/payments", json={"amount": 5}, headers={"Idempotency-Key": key})
    error_of(response, 400, "invalid_idempotency_key")
    assert number_of(app) == 0


@pytest.mark.contract("rest-F47")
def test_quotes_do_not_make_another_key(app):
    app.post("/api/payments", json={"amount": 5}, headers={"Idempotency-Key": '"k"'})
    assert app.post("/api/payments", json={"amount": 5}, headers={"Idempotency-Key": "k"}).headers[
        "Idempotency-Replayed"
    ]


@pytest.mark.contract("rest-F47")
def test_without_the_option_a_key_does_nothing_and_costs_nothing(serve):
    class Plain(DeclarativeBase):
        pass

    class Item(Plain):
        __tablename__ = "items"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)

    served = serve(Plain)
    with count_statements(served.engine) as log:
        for _ in range(2):
            assert served.post("/api/items", json={}, headers=KEY).status_code == 201
    assert number_of(served, "items") == 2
    assert not any(TABLE in statement for statement in log.statements)
    assert TABLE not in Plain.metadata.tables


@pytest.mark.contract("rest-F47, R33")
def test_of_twins_at_the_same_moment_one_writes(serve, sessions):
    served = serve(Base, sessions=sessions, API_IDEMPOTENCY=True)
    barrier = Barrier(TWINS)

    def send(_: int) -> Any:
        client = served.app.test_client()
        barrier.wait()
        return client.post("/api/payments", json={"amount": 5}, headers=KEY)

    with ThreadPoolExecutor(TWINS) as pool:
        responses = list(pool.map(send, range(TWINS)))
    statuses = [response.status_code for response in responses]
    assert set(statuses) <= {201, 409}, statuses
    done = [response for response in responses if response.status_code == 201]
    assert len({response.data for response in done}) == 1
    assert sum("Idempotency-Replayed" not in response.headers for response in done) == 1
    for response in responses:
        if response.status_code == 409:
            error_of(response, 409, "request_in_progress")
            assert response.headers["Retry-After"]
    assert number_of(served) == 1
    assert served.engine.pool.checkedout() == 0


@pytest.mark.contract("rest-F47")
def test_an_expired_key_can_be_used_again_and_is_purged(app):
    app.post("/api/payments", json={"amount": 5}, headers=KEY)
    app.post("/api/payments", json={"amount": 5}, headers={"Idempotency-Key": "other"})
    app.execute(sa.update(Base.metadata.tables[TABLE]).values(expires_at=int(time.time()) - 1))
    assert app.post("/api/payments", json={"amount": 6}, headers=KEY).status_code == 201
    assert number_of(app) == 3
    result = app.app.test_cli_runner().invoke(args=["flarchitect", "purge-idempotency-keys"])
    assert (result.exit_code, result.output) == (0, "1 deleted.\n")
    assert number_of(app, TABLE) == 1
    assert app.engine.pool.checkedout() == 0


@pytest.mark.contract("rest-F47")
def test_a_missing_table_is_told_and_nothing_is_written(app):
    Base.metadata.tables[TABLE].drop(app.engine)
    errors = error_of(app.post("/api/payments", json={"amount": 5}, headers=KEY), 503, "idempotency_table_missing")
    assert TABLE in errors["message"]
    assert number_of(app) == 0
    assert app.post("/api/payments", json={"amount": 5}).status_code == 201
    findings = app.app.test_cli_runner().invoke(args=["flarchitect", "doctor"]).output
    assert f"missing-table: The table {TABLE}" in findings
    Base.metadata.create_all(app.engine)


KILLED = """
import os, signal, sys
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from flarchitect_core.state import state_of
from flarchitect_core.testing import make_app
from flarchitect_rest.part import RestPart

class Base(DeclarativeBase):
    pass

class Payment(Base):
    __tablename__ = "payments"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    amount: Mapped[int]
    note: Mapped[str | None] = mapped_column(sa.String(40), unique=True)

app = make_app(Base, sys.argv[1], parts=[RestPart()], API_IDEMPOTENCY=True)
moment, key = sys.argv[2:]

def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

if moment == "after the commit":
    state_of(app).listeners.append(die)
else:
    sa.event.listen(state_of(app).database.engine, "commit", die)
app.test_client().post("/api/payments", json={"amount": 5}, headers={"Idempotency-Key": key})
"""


@pytest.mark.contract("rest-F47, R33")
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("moment, rows", [("before the commit", 0), ("after the commit", 1)])
def test_a_killed_process_leaves_both_the_row_and_the_answer_or_neither(serve, moment, rows):
    served = serve(Base, API_IDEMPOTENCY=True)
    url = served.engine.url.render_as_string(hide_password=False)
    command = [sys.executable, "-c", KILLED, url, moment, "k"]
    killed = subprocess.run(command, check=False)  # noqa: S603 - a program of our own
    assert killed.returncode == -signal.SIGKILL
    assert number_of(served) == rows
    response = served.post("/api/payments", json={"amount": 5}, headers={"Idempotency-Key": "k"})
    assert response.status_code == 201, response.get_data(as_text=True)
    assert ("Idempotency-Replayed" in response.headers) is bool(rows)
    assert response.get_json()["value"]["amount"] == 5
    assert number_of(served) == 1
