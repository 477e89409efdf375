"""Conditional requests: tags, 304, 412, 428, and of many writers with one tag exactly one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from flarchitect_core.plugins import PluginBase
from flarchitect_core.testing import count_statements, error_of

WRITERS = 32


class Base(DeclarativeBase):
    pass


class Shop(Base):
    __tablename__ = "shops"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    goods: Mapped[list[Good]] = relationship(back_populates="shop")


class Good(Base):
    """Without a version: its state is what is in its columns."""

    __tablename__ = "goods"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    stock: Mapped[int] = mapped_column(default=0)
    pin_hash: Mapped[str | None] = mapped_column(sa.String(40))
    data: Mapped[Any] = mapped_column(sa.JSON, nullable=True)
    shop_id: Mapped[int | None] = mapped_column(sa.ForeignKey("shops.id"))
    shop: Mapped[Shop | None] = relationship(back_populates="goods")


class Versioned(Base):
    __tablename__ = "versioneds"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    stock: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column()
    __mapper_args__ = {"version_id_col": version}


class Page(Base):
    """A model whose key the client chooses."""

    __tablename__ = "pages"

    class Meta:
        pass

    slug: Mapped[str] = mapped_column(sa.String(40), primary_key=True)
    text: Mapped[str | None] = mapped_column(sa.String(40))


COLLECTIONS = ("goods", "versioneds")


@pytest.fixture
def app(serve, sessions):
    served = serve(Base, sessions=sessions, SECRET_KEY="secret", API_ETAGS=True)
    served.post("/api/shops", json={"name": "s"})
    for collection in COLLECTIONS:
        served.post(f"/api/{collection}", json={"name": "a"})
    return served


def tag_of(served: Any, url: str, **headers: str) -> str:
    response = served.get(url, headers=headers)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.headers["ETag"]


# --- tags -------------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest-F48, R31")
@pytest.mark.parametrize("collection", COLLECTIONS)
def test_a_tag_is_strong_and_changes_with_the_row_whatever_is_shown_of_it(app, collection):
    url = f"/api/{collection}/1"
    seen = tag_of(app, url)
    assert seen.startswith('"')
    assert tag_of(app, url) == seen
    assert tag_of(app, f"{url}?fields=name") == seen
    response = app.patch(url, json={"stock": 1})
    assert response.headers["ETag"] != seen
    assert tag_of(app, url) == tag_of(app, f"{url}?fields=name") == response.headers["ETag"]


@pytest.mark.contract("rest-R31")
def test_another_format_and_embedded_rows_have_tags_of_their_own(app):
    app.patch("/api/goods/1", json={"shop_id": 1})
    plain = tag_of(app, "/api/goods/1")
    assert tag_of(app, "/api/goods/1", Accept="application/xml") != plain
    embedded = tag_of(app, "/api/goods/1?dump=json")
    app.patch("/api/shops/1", json={"name": "other"})
    assert tag_of(app, "/api/goods/1") == plain
    assert tag_of(app, "/api/goods/1?dump=json") != embedded


@pytest.mark.contract("rest-R31")
def test_a_hidden_column_is_in_the_tag_only_with_a_secret(serve):
    for secret, differs in (("secret", True), (None, False)):
        served = serve(Base, SECRET_KEY=secret, API_ETAGS=True)
        url = served.post("/api/goods", json={"name": "a", "pin_hash": "1"}).headers["Location"]
        seen = tag_of(served, url)
        served.patch(url, json={"pin_hash": "2"})
        assert (tag_of(served, url) != seen) is differs


def without_names(record, *, many):
    return {name: value for name, value in record.items() if name != "name"}


@pytest.mark.contract("rest-R31")
@pytest.mark.parametrize("option", ["API_DUMP_CALLBACK", "API_GET_RETURN_CALLBACK", "API_PLUGINS"])
def test_without_a_secret_no_tag_tells_of_what_code_may_leave_out(serve, option):
    class Passing(PluginBase):
        def after_model_op(self, context, output):
            return output

    code = {
        "API_DUMP_CALLBACK": without_names,
        "API_GET_RETURN_CALLBACK": lambda output, **arguments: {"output": output},
        "API_PLUGINS": [Passing],
    }
    served = serve(Base, API_ETAGS=True, **{option: code[option]})
    url = served.post("/api/goods", json={"name": "a"}).headers["Location"]
    assert "ETag" not in served.get(url).headers
    for tag in ('"old"', '""'):
        error_of(served.patch(url, json={"name": "b"}, headers={"If-Match": tag}), 412, "precondition_failed")
    assert served.patch(url, json={"name": "b"}, headers={"If-Match": "*"}).status_code == 200
    error_of(served.put(url, json={"name": "c"}, headers={"If-None-Match": "*"}), 412, "precondition_failed")
    versioned = served.post("/api/versioneds", json={"name": "a"}).headers["Location"]
    seen = served.get(versioned).headers["ETag"]
    assert served.patch(versioned, json={"stock": 2}, headers={"If-Match": seen}).status_code == 200
    assert served.patch(versioned, json={"stock": 3}, headers={"If-Match": seen}).status_code == 412


@pytest.mark.contract("rest-F48")
def test_created_and_changed_rows_carry_the_tag_that_a_read_gives(app):
    created = app.post("/api/goods", json={"name": "b", "data": {"b": 1, "a": 2}})
    url = created.headers["Location"]
    assert created.headers["ETag"] == tag_of(app, url)
    assert app.put(url, json={"name": "c"}).headers["ETag"] == tag_of(app, url)
    assert app.patch(url, json={"name": "d"}, headers={"Prefer": "return=minimal"}).headers["ETag"] == tag_of(app, url)


@pytest.mark.contract("rest-F48")
def test_a_tag_costs_no_statement(serve):
    counts = []
    for etags in (True, False):
        served = serve(Base, API_ETAGS=etags)
        url = served.post("/api/goods", json={"name": "a"}).headers["Location"]
        with count_statements(served.engine) as log:
            served.get(url)
            served.patch(url, json={"stock": 1})
            served.get("/api/goods")
        counts.append(len(log))
    assert counts[0] == counts[1]


@pytest.mark.contract("rest-F48")
def test_without_the_option_there_are_no_tags(serve):
    served = serve(Base)
    url = served.post("/api/goods", json={"name": "a"}).headers["Location"]
    assert "ETag" not in served.get(url).headers
    assert "ETag" not in served.get("/api/goods").headers
    # What a client demands counts nevertheless.
    error_of(served.patch(url, json={"stock": 1}, headers={"If-Match": '"x"'}), 412)


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest-F48")
@pytest.mark.parametrize("url", ["/api/goods/1", "/api/goods", "/api/goods/1/shops", "/api/shops/1/goods"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_has_it_gets_304(app, url, method):
    app.patch("/api/goods/1", json={"shop_id": 1})
    first = app.open(url, method=method)
    seen = first.headers["ETag"]
    assert seen.startswith("W/") == isinstance(app.value(url), list)
    for header in (seen, f'"x", {seen}', "*", seen.removeprefix("W/")):
        response = app.open(url, method=method, headers={"If-None-Match": header})
        assert (response.status_code, response.data) == (304, b""), header
        assert response.headers["ETag"] == seen
        assert "Content-Type" not in response.headers
    assert app.open(url, method=method, headers={"If-None-Match": '"x"'}).status_code == 200


@pytest.mark.contract("rest-F48")
def test_a_changed_row_or_list_is_sent_again(app):
    item, rows = tag_of(app, "/api/goods/1"), tag_of(app, "/api/goods")
    app.patch("/api/goods/1", json={"stock": 3})
    assert app.get("/api/goods/1", headers={"If-None-Match": item}).get_json()["value"]["stock"] == 3
    assert app.get("/api/goods", headers={"If-None-Match": rows}).get_json()["value"][0]["stock"] == 3


@pytest.mark.contract("rest-R31")
def test_a_read_may_demand_a_state(app):
    seen = tag_of(app, "/api/goods/1")
    assert app.get("/api/goods/1", headers={"If-Match": seen}).status_code == 200
    error_of(app.get("/api/goods/1", headers={"If-Match": '"x"'}), 412, "precondition_failed")
    # A weak tag never matches.
    error_of(app.get("/api/goods", headers={"If-Match": tag_of(app, "/api/goods")}), 412, "precondition_failed")


# --- writing ----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest-F48, R31")
@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("method, body", [("patch", {"stock": 1}), ("put", {"name": "b"}), ("delete", None)])
def test_a_write_with_an_old_tag_changes_nothing(app, collection, method, body):
    url = f"/api/{collection}/1"
    old = tag_of(app, url)
    app.patch(url, json={"stock": 9})
    write = getattr(app, method)
    for header in (old, '"x"', f"W/{tag_of(app, url)}", "garbage"):
        error_of(write(url, json=body, headers={"If-Match": header}), 412, "precondition_failed")
    assert app.value(url)["stock"] == 9
    assert write(url, json=body, headers={"If-Match": f'"x", {tag_of(app, url)}'}).status_code == 200
    assert app.engine.pool.checkedout() == 0


@pytest.mark.contract("rest-F48")
def test_the_tag_of_any_view_will_do(app):
    app.patch("/api/goods/1", json={"shop_id": 1})
    for query in ("?dump=json", "?fields=name", ""):
        seen = tag_of(app, f"/api/goods/1{query}")
        assert app.patch("/api/goods/1", json={"name": f"n{query}"}, headers={"If-Match": seen}).status_code == 200
    seen = tag_of(app, "/api/goods/1", Accept="application/xml")
    assert app.delete("/api/goods/1", headers={"If-Match": seen}).status_code == 200


@pytest.mark.contract("rest-F48")
def test_any_state_will_do_for_a_star_but_none_will_not(app):
    assert app.patch("/api/goods/1", json={"stock": 1}, headers={"If-Match": "*"}).status_code == 200
    error_of(app.put("/api/pages/new", json={"text": "x"}, headers={"If-Match": "*"}), 412, "precondition_failed")
    error_of(app.patch("/api/goods/99", json={"stock": 1}, headers={"If-Match": "*"}), 404, "row_not_found")


@pytest.mark.contract("rest-F48")
def test_put_may_only_create(app):
    only_new = {"If-None-Match": "*"}
    assert app.put("/api/pages/new", json={"text": "x"}, headers=only_new).status_code == 201
    error_of(app.put("/api/pages/new", json={"text": "y"}, headers=only_new), 412, "precondition_failed")
    assert app.value("/api/pages/new")["text"] == "x"


@pytest.mark.contract("rest-F48")
def test_a_condition_can_be_required(serve):
    served = serve(Base, API_REQUIRE_IF_MATCH=True)
    assert served.post("/api/goods", json={"name": "a"}).status_code == 201
    for method, body in (("patch", {"stock": 1}), ("put", {"name": "b"}), ("delete", None)):
        error_of(getattr(served, method)("/api/goods/1", json=body), 428, "precondition_required")
    seen = tag_of(served, "/api/goods/1")
    assert served.patch("/api/goods/1", json={"stock": 1}, headers={"If-Match": seen}).status_code == 200
    assert served.put("/api/pages/a", json={"text": "x"}, headers={"If-None-Match": "*"}).status_code == 201
    error_of(served.put("/api/pages/a", json={"text": "x"}), 428, "precondition_required")


@pytest.mark.contract("rest-F48, R31, R32")
@pytest.mark.parametrize("collection", COLLECTIONS)
@pytest.mark.parametrize("kind", ["patch", "put", "delete", "merge"])
def test_of_many_writers_with_one_tag_exactly_one_wins(serve, collection, kind):
    kept = {"pool_size": WRITERS}
    served = serve(Base, API_ETAGS=True, API_DATABASE_ENGINE_OPTIONS=kept)
    served.post(f"/api/{collection}", json={"name": "a"})
    url = f"/api/{collection}/1"
    seen = tag_of(served, url)
    barrier = Barrier(WRITERS)

    def write(number: int) -> int:
        client = served.app.test_client()
        barrier.wait()
        headers = {"If-Match": seen}
        if kind == "delete":
            return client.delete(url, headers=headers).status_code
        body = {"name": f"n{number}", "stock": number + 1}
        if kind == "merge":
            headers["Content-Type"] = "application/merge-patch+json"
            return client.patch(url, json=body, headers=headers).status_code
        return getattr(client, kind)(url, json=body, headers=headers).status_code

    with ThreadPoolExecutor(WRITERS) as pool:
        found = list(pool.map(write, range(WRITERS)))
    # Who finds the row gone is told that it is gone.
    lost = {404, 412} if kind == "delete" else {412}
    assert found.count(200) == 1
    assert set(found) - {200} <= lost, found
    if kind != "delete":
        row = served.value(url)
        assert found[row["stock"] - 1] == 200
    assert served.engine.pool.checkedout() == 0


@pytest.mark.contract("rest F48")
def test_a_tag_changes_with_text_that_other_rows_decide(serve):
    class Own(DeclarativeBase):
        pass

    class Owner(Own):
        __tablename__ = "tag_owners"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20))

    class Thing(Own):
        __tablename__ = "tag_things"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        owner_id: Mapped[int] = mapped_column(sa.ForeignKey("tag_owners.id"))
        owner = relationship(Owner)
        owner_name = column_property(
            sa.select(Owner.name).where(Owner.id == owner_id).correlate_except(Owner).scalar_subquery()
        )

    served = serve(Own, API_ETAGS=True)
    served.post("/api/owners", json={"name": "Ann"})
    served.post("/api/things", json={"owner_id": 1})
    tag = served.get("/api/things/1").headers["ETag"]
    assert served.get("/api/things/1", headers={"If-None-Match": tag}).status_code == 304
    served.patch("/api/owners/1", json={"name": "Bob"})
    answer = served.get("/api/things/1", headers={"If-None-Match": tag})
    assert (answer.status_code, answer.get_json()["value"]["owner_name"]) == (200, "Bob")
