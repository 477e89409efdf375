"""Many requests at once, many requests in one application context, and nothing left behind by any of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from flarchitect_core.testing import error_of, make_app
from flarchitect_rest.part import RestPart

PARALLEL = 20


class Base(DeclarativeBase):
    pass


class Item(Base):
    __tablename__ = "items"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), unique=True)
    stock: Mapped[int] = mapped_column(default=0)

    @hybrid_property
    def is_sold_out(self) -> bool:
        return not self.stock > 0


class Watched(Base):
    """Written through the ORM, because it listens to its own rows."""

    __tablename__ = "watcheds"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), unique=True)
    stock: Mapped[int] = mapped_column(default=0)


@sa.event.listens_for(Watched, "before_insert")
@sa.event.listens_for(Watched, "before_update")
def refuse_boom(mapper: Any, connection: Any, target: Watched) -> None:
    if target.name == "boom":
        raise RuntimeError("secret detail")


def at_once(served: Any, calls: list[Callable[[Any], Any]]) -> list[Any]:
    """Send all requests at the same moment, each from a thread and a client of its own."""
    barrier = Barrier(len(calls))

    def run(call: Callable[[Any], Any]) -> Any:
        client = served.app.test_client()
        barrier.wait()
        return call(client)

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def creating(collection: str, name: str) -> Callable[[Any], Any]:
    return lambda client: client.post(f"/api/{collection}", json={"name": name})


@pytest.mark.contract("rest 13 group 16, D39")
@pytest.mark.parametrize("collection, status", [("items", 409), ("watcheds", 409), ("watcheds", 500)])
def test_one_failing_insert_among_twenty_harms_no_other(serve, sessions, collection, status):
    served = serve(Base, sessions=sessions)
    bad = "boom" if status == 500 else "taken"
    assert served.post(f"/api/{collection}", json={"name": "taken"}).status_code == 201
    names = [f"n{number}" for number in range(PARALLEL - 1)]
    responses = at_once(served, [creating(collection, name) for name in [*names[:10], bad, *names[10:]]])
    assert [response.status_code for response in responses] == [201] * 10 + [status] + [201] * 9
    assert [response.get_json()["value"]["name"] for response in responses if response.status_code == 201] == names
    error_of(responses[10], status)
    assert served.engine.pool.checkedout() == 0
    assert served.get(f"/api/{collection}?limit=100").get_json()["total_count"] == PARALLEL


@pytest.mark.contract("rest 13 group 16")
def test_requests_of_every_kind_at_once_answer_each_for_itself(serve, sessions):
    served = serve(Base, sessions=sessions)
    served.execute(sa.insert(Item), [{"id": number, "name": f"n{number}"} for number in range(1, 11)])

    def get(number: int) -> Callable[[Any], Any]:
        return lambda client: client.get(f"/api/items/{number}")

    def change(number: int) -> Callable[[Any], Any]:
        return lambda client: client.patch(f"/api/items/{number}", json={"stock": number})

    wrong: list[Callable[[Any], Any]] = [
        lambda client: client.patch("/api/items/1", json={"name": None}),
        lambda client: client.get("/api/items/99"),
        lambda client: client.get("/api/items?nam=x"),
        lambda client: client.put("/api/items/2", data="{", content_type="application/json"),
    ]
    responses = at_once(served, [*map(get, range(1, 7)), *map(change, range(1, 11)), *wrong])
    assert [response.get_json()["value"]["name"] for response in responses[:6]] == [f"n{n}" for n in range(1, 7)]
    assert [response.get_json()["value"]["stock"] for response in responses[6:16]] == list(range(1, 11))
    assert [response.status_code for response in responses[16:]] == [400, 404, 400, 400]
    assert len({response.headers["X-Request-ID"] for response in responses}) == PARALLEL
    assert served.engine.pool.checkedout() == 0
    assert [row["stock"] for row in served.value("/api/items")] == list(range(1, 11))


@pytest.mark.contract("rest 13 group 16")
def test_of_many_requests_for_one_name_one_gets_it(serve, sessions):
    served = serve(Base, sessions=sessions)
    responses = at_once(served, [creating("items", "one")] * PARALLEL)
    assert sorted(response.status_code for response in responses) == [201] + [409] * (PARALLEL - 1)
    assert served.scalar("SELECT count(*) FROM items") == 1
    assert served.engine.pool.checkedout() == 0


ENDINGS: dict[str, tuple[Callable[[Any], Any], int]] = {
    "list": (lambda client: client.get("/api/items"), 200),
    "item": (lambda client: client.get("/api/items/1"), 200),
    "created": (lambda client: client.post("/api/items", json={"name": "x"}), 201),
    "changed": (lambda client: client.patch("/api/items/1", json={"name": "y"}), 200),
    "replaced": (lambda client: client.put("/api/items/1", json={"name": "y"}), 200),
    "deleted": (lambda client: client.delete("/api/items/1"), 200),
    "missing": (lambda client: client.delete("/api/items/99"), 404),
    "invalid": (lambda client: client.patch("/api/items/1", json={"name": None}), 400),
    "conflict": (lambda client: client.post("/api/items", json={"name": "a"}), 409),
    "failed": (lambda client: client.post("/api/watcheds", json={"name": "boom"}), 500),
}


@pytest.mark.contract("rest 1.3, D08")
@pytest.mark.parametrize("ending", ENDINGS)
def test_every_session_is_closed_when_its_request_ends(serve, database_uri, ending):
    opened: list[Session] = []
    served = serve(Base)
    served.execute(sa.insert(Item).values(name="a"))
    engine = sa.create_engine(database_uri)

    def getter() -> Session:
        opened.append(Session(engine))
        return opened[-1]

    client = make_app(Base, parts=[RestPart()], API_SESSION_GETTER=getter).test_client()
    send, status = ENDINGS[ending]
    assert send(client).status_code == status
    assert len(opened) == 1
    assert not opened[0].in_transaction()
    assert not opened[0].identity_map
    assert engine.pool.checkedout() == 0
    engine.dispose()


@pytest.mark.contract("rest 1.3, D08")
def test_no_session_is_opened_for_a_request_that_needs_none(serve, database_uri):
    def getter() -> Session:
        raise AssertionError("opened")

    serve(Base)
    client = make_app(Base, parts=[RestPart()], API_SESSION_GETTER=getter).test_client()
    assert client.get("/api/nothing").status_code == 404
    assert client.delete("/api/items").status_code == 405
    assert client.get("/api/items?nam=x").status_code == 400
    assert client.post("/api/items", data="{", content_type="application/json").status_code == 400


# --- several requests in one application context ----------------------------------------------------------------------


@pytest.mark.contract("rest 1.3")
@pytest.mark.parametrize("collection", ["items", "watcheds"])
@pytest.mark.parametrize("method", ["patch", "put"])
def test_requests_in_one_application_context_see_what_others_did(serve, sessions, collection, method):
    served = serve(Base, sessions=sessions)
    table: Any = Item if collection == "items" else Watched
    url = f"/api/{collection}/1"
    with served.app.app_context():
        assert served.post(f"/api/{collection}", json={"name": "a", "stock": 1}).status_code == 201
        for round_ in (1, 2):
            assert served.value(url)["stock"] == round_
            served.execute(sa.update(table).values(stock=0))
            value = served.value(url)
            assert value["stock"] == 0
            assert value.get("is_sold_out") in (None, True)
            assert [row["stock"] for row in served.value(f"/api/{collection}")] == [0]
            # To the session of the first request the row has this stock already.
            served.execute(sa.update(table).values(stock=5))
            response = getattr(served, method)(url, json={"name": "a", "stock": round_ + 1})
            assert response.get_json()["value"]["stock"] == round_ + 1
            assert served.scalar(f"SELECT stock FROM {collection}") == round_ + 1
            assert served.engine.pool.checkedout() == 0
        served.execute(sa.delete(table))
        error_of(served.get(url), 404)
        error_of(served.patch(url, json={"stock": 1}), 404)
        error_of(served.delete(url), 404)


@pytest.mark.contract("rest 13 group 16")
def test_a_failure_in_one_application_context_harms_no_later_request(serve, sessions):
    served = serve(Base, sessions=sessions)
    with served.app.app_context():
        for ending in ("created", "conflict", "failed", "invalid", "missing", "failed", "conflict"):
            send, _ = ENDINGS[ending]
            if ending == "conflict":
                assert served.post("/api/items", json={"name": "x"}).status_code == 409
            else:
                send(served.client)
            assert served.engine.pool.checkedout() == 0
            assert served.get("/api/items").status_code == 200
    assert served.scalar("SELECT count(*) FROM items") == 1
    assert served.scalar("SELECT count(*) FROM watcheds") == 0


@pytest.mark.contract("rest 1.3")
def test_work_that_the_application_has_begun_is_its_own(serve):
    served = serve(Base, sessions="flask_sqlalchemy")
    with served.app.app_context():
        session = served.app.extensions["sqlalchemy"].session
        session.add(Item(name="pending"))
        session.flush()
        assert [row["name"] for row in served.value("/api/items")] == ["pending"]
        assert session.query(Item).one().name == "pending"
        session.rollback()
        assert served.value("/api/items") == []


@pytest.mark.contract("rest 1.3")
def test_what_a_test_holds_stays_usable(serve):
    served = serve(Base, sessions="flask_sqlalchemy")
    with served.app.app_context():
        session = served.app.extensions["sqlalchemy"].session
        item = Item(name="held", stock=1)
        session.add(item)
        session.commit()
        assert served.patch("/api/items/1", json={"stock": 2}).status_code == 200
        assert item.stock == 2
        assert served.get("/api/items").status_code == 200
        assert item in session


@pytest.mark.contract("rest 1.3")
@pytest.mark.parametrize("method", ["patch", "put"])
def test_what_the_application_holds_is_read_anew_before_a_change(serve, method):
    served = serve(Base, sessions="flask_sqlalchemy")
    served.execute(sa.insert(Watched).values(id=1, name="a", stock=1))
    with served.app.app_context():
        held = served.app.extensions["sqlalchemy"].session.get(Watched, 1)
        assert held.stock == 1
        served.execute(sa.update(Watched).values(stock=5))
        # The session still believes that the row has this stock.
        assert getattr(served, method)("/api/watcheds/1", json={"name": "a", "stock": 1}).status_code == 200
    assert served.scalar("SELECT stock FROM watcheds") == 1


@pytest.mark.contract("rest 1.3")
def test_a_change_waits_for_one_that_has_begun(serve, database_kind):
    if database_kind == "sqlite":
        pytest.skip("SQLite locks the whole file, and refuses at once a change of what was read before.")
    served = serve(Base)
    served.execute(sa.insert(Watched).values(id=1, name="a", stock=1))
    with served.engine.connect() as other, ThreadPoolExecutor(1) as pool:
        other.execute(sa.update(Watched).values(stock=5))
        # What is sent is what everybody else still sees.
        waiting = pool.submit(served.app.test_client().patch, "/api/watcheds/1", json={"stock": 1})
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.5)
        other.commit()
        assert waiting.result(timeout=20).get_json()["value"]["stock"] == 1
    assert served.scalar("SELECT stock FROM watcheds") == 1


@pytest.mark.contract("rest 4.2")
def test_a_deadlock_says_to_try_again(serve, database_kind):
    if database_kind == "sqlite":
        pytest.skip("SQLite has one writer at a time.")
    served = serve(Base)
    served.execute(sa.insert(Watched), [{"id": n, "name": f"n{n}", "stock": 0} for n in range(1, 21)])
    has_first = Barrier(2)

    def want_second(mapper: Any, connection: Any, target: Watched) -> None:
        has_first.wait()
        connection.execute(sa.update(Watched).where(Watched.id == 2).values(stock=1))

    sa.event.listen(Watched, "before_update", want_second)
    try:
        with served.engine.connect() as other, ThreadPoolExecutor(1) as pool:
            if database_kind == "postgresql":
                # Who finds the deadlock gives up.
                other.exec_driver_sql("SET deadlock_timeout = '60s'")
            # On MariaDB, who has changed less gives up.
            other.execute(sa.update(Watched).where(Watched.id > 1).values(stock=5))
            waiting = pool.submit(served.app.test_client().patch, "/api/watcheds/1", json={"stock": 2})
            has_first.wait()
            other.execute(sa.update(Watched).where(Watched.id == 1).values(stock=5))
            other.commit()
            response = waiting.result(timeout=20)
    finally:
        sa.event.remove(Watched, "before_update", want_second)
    error_of(response, 503, "write_conflict")
    assert int(response.headers["Retry-After"]) >= 1
    assert served.scalar("SELECT sum(stock) FROM watcheds") == 100


@pytest.mark.contract("rest-F42")
@pytest.mark.parametrize("collection", ["items", "watcheds"])
@pytest.mark.parametrize("query", ["", "?atomic=false"])
def test_lists_in_other_orders_never_wait_for_each_other(serve, collection, query):
    served = serve(Base, API_ALLOW_BULK=True)
    model = Item if collection == "items" else Watched
    served.execute(sa.insert(model), [{"id": n, "name": f"n{n}"} for n in range(1, 31)])

    def change(number: int) -> Callable[[Any], Any]:
        bodies = [{"id": n, "stock": number} for n in range(1, 31)]
        return lambda client: client.patch(
            f"/api/{collection}{query}", json=bodies if number % 2 else list(reversed(bodies))
        )

    responses = at_once(served, [change(number) for number in range(1, 9)])
    assert [response.status_code for response in responses] == [207 if query else 200] * 8
    assert {item.get("status", 200) for response in responses for item in response.get_json()["value"]} == {200}
    assert served.scalar(f"SELECT count(DISTINCT stock) FROM {collection}") == 1


@pytest.mark.contract("rest 1.3")
def test_a_row_that_is_being_changed_may_be_referred_to(serve, cinema, fill, database_kind):
    if database_kind != "postgresql":
        pytest.skip("Only PostgreSQL has a lock that leaves the key alone.")
    served = serve(cinema.Base)
    fill(served, cinema)
    created: list[int] = []

    def refer(*arguments: Any) -> None:
        answer = served.app.test_client().post("/api/films", json={"title": "New", "studio_id": 1})
        created.append(answer.status_code)

    sa.event.listen(cinema.Studio, "before_update", refer)
    try:
        assert served.patch("/api/studios/1", json={"city": "Bergen"}).status_code == 200
    finally:
        sa.event.remove(cinema.Studio, "before_update", refer)
    assert created == [201]
