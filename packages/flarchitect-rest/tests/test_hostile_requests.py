"""Requests that are made to cost much, or to get an answer that says something untrue."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.testing import error_of

MANY = 30_000


@pytest.mark.contract("rest 4.2")
def test_many_unknown_keys_get_a_short_answer(cinema_app):
    body = {f"titl{number}": 1 for number in range(MANY)}
    response = cinema_app.post("/api/films", json=body)
    errors = error_of(response, 400, "validation_failed")
    told = [name for name in errors["fields"] if name.startswith("titl") and name != "title"]
    # The client sends the keys in the order of the alphabet; the first of them are told.
    assert sorted(told) == sorted(body)[:20]
    assert errors["fields"]["…"] == [f"… and {MANY - 20} more unknown fields."]
    assert errors["fields"]["title"] == ["Missing data for required field."]
    assert errors["suggestions"] == ["title"]
    assert len(response.data) < 5_000


def test_a_long_unknown_key_is_shortened(cinema_app):
    response = cinema_app.post("/api/studios", json={"name": "A", "x" * 500_000: 1})
    assert list(error_of(response, 400)["fields"]) == ["x" * 100 + "…"]


def test_many_wrong_items_get_a_short_answer(serve, database_kind):
    if database_kind != "postgresql":
        pytest.skip("The other databases have no arrays.")

    class Base(DeclarativeBase):
        pass

    class Row(Base):
        __tablename__ = "array_rows"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        numbers: Mapped[Any | None] = mapped_column(postgresql.ARRAY(sa.Integer))

    response = serve(Base).post("/api/rows", json={"numbers": ["x"] * MANY})
    told = error_of(response, 400, "validation_failed")["fields"]["numbers"]
    assert len(told) == 21
    assert told["…"] == ["… and perhaps more: the items after this one were not checked."]


@pytest.mark.parametrize("host", ["", "[::1", 'x"><y', "a/b"])
def test_a_host_that_is_none_is_not_repeated_in_links(cinema_app, host):
    response = cinema_app.get("/api/films?limit=1", headers={"Host": host})
    if response.status_code == 200:
        assert response.get_json()["next_url"] == "/api/films?limit=1&page=2"
    else:
        assert response.status_code == 400


PROBLEM, JSON = "application/problem+json", "application/json"


@pytest.mark.parametrize(
    "accept, mimetype",
    [
        (PROBLEM, PROBLEM),
        (f"{PROBLEM}, {JSON}", PROBLEM),
        (f"{JSON}, {PROBLEM}", PROBLEM),
        (f"{PROBLEM};q=0.1, {JSON}", JSON),
        (f"{JSON};q=0.5, {PROBLEM};q=0.6", PROBLEM),
        (f"{PROBLEM};q=0", JSON),
        (f"{PROBLEM};q=0.1, */*", JSON),
        ("*/*", JSON),
    ],
)
def test_problem_details_are_given_to_who_prefers_them(cinema_app, accept, mimetype):
    assert cinema_app.get("/api/films/77", headers={"Accept": accept}).mimetype == mimetype


class WordBase(DeclarativeBase):
    pass


class Größe(WordBase):
    __tablename__ = "groessen"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    teile: Mapped[list[Teil]] = relationship(back_populates="größe")


class Teil(WordBase):
    __tablename__ = "teile"

    class Meta:
        relation_route_naming = "relationship"

    id: Mapped[int] = mapped_column(primary_key=True)
    größe_id: Mapped[int | None] = mapped_column(sa.ForeignKey("groessen.id"))
    größe: Mapped[Größe | None] = relationship(back_populates="teile")
    nächste: Mapped[list[Teil]] = relationship(
        primaryjoin="foreign(Teil.größe_id) == remote(Teil.id)", uselist=True, viewonly=True
    )


@pytest.mark.contract("rest 2.7")
def test_links_are_percent_encoded(serve):
    api = serve(WordBase)
    location = api.post("/api/größes", json={}).headers["Location"]
    assert location == f"/api/{quote('größes')}/1"
    made = api.post("/api/teils", json={"größe_id": 1}).get_json()["value"]
    assert made["größe"] == location
    assert made["nächste"] == f"/api/teils/1/{quote('nächste')}"
    assert api.get(made["nächste"]).status_code == 200
    teile = api.value(location)["teile"]
    assert teile.isascii()
    assert len(api.value(teile)) == 1
    page = api.get("/api/größes?limit=1&page=2").get_json()
    assert page["previous_url"].startswith(f"http://localhost/api/{quote('größes')}?")
    with api.app.app_context():
        assert Größe(id=1).to_url() == location
