"""Objects below relationship keys: created, changed, linked and unlinked together with the row (rest 5.7)."""

from __future__ import annotations

import decimal

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, attribute_keyed_dict, mapped_column, relationship

from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.testing import count_statements, error_of

pytestmark = pytest.mark.contract("rest 5.7")

NESTED = {"API_ALLOW_NESTED_WRITES": True}


class ShelfBase(DeclarativeBase):
    pass


class Shelf(ShelfBase):
    __tablename__ = "shelf"

    class Meta: ...

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str | None] = mapped_column(sa.String(10))
    volumes: Mapped[list[Volume]] = relationship()


class Volume(ShelfBase):
    __tablename__ = "volume"

    class Meta: ...

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(10), unique=True)
    shelf_id: Mapped[int | None] = mapped_column(sa.ForeignKey("shelf.id"))


class LibraryBase(DeclarativeBase):
    pass


class Author(LibraryBase):
    __tablename__ = "author"

    class Meta:
        allow_nested_writes = True

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    password: Mapped[str | None] = mapped_column(sa.String(20))
    books: Mapped[list[Book]] = relationship(cascade="all, delete-orphan", back_populates="author")
    notes: Mapped[list[Note]] = relationship()
    profile: Mapped[Profile | None] = relationship(cascade="all, delete-orphan", back_populates="author")
    drafts: Mapped[list[Book]] = relationship(viewonly=True)
    chapters: Mapped[dict[str, Chapter]] = relationship(
        collection_class=attribute_keyed_dict("title"), cascade="all, delete-orphan"
    )


class Book(LibraryBase):
    __tablename__ = "book"

    class Meta:
        allow_nested_writes = True
        ignore_input_fields = ["rating"]

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(20), info={"validate": "slug"})
    rating: Mapped[int | None]
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("author.id"))
    author: Mapped[Author] = relationship(back_populates="books")


class Note(LibraryBase):
    __tablename__ = "note"

    class Meta: ...

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(20))
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("author.id"))


class Profile(LibraryBase):
    __tablename__ = "profile"

    class Meta:
        allow_nested_writes = True

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(20))
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("author.id"), unique=True)
    author: Mapped[Author] = relationship(back_populates="profile")


class Chapter(LibraryBase):
    __tablename__ = "chapter"

    class Meta:
        allow_nested_writes = True

    author_id: Mapped[int] = mapped_column(sa.ForeignKey("author.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(20))


class CartBase(DeclarativeBase):
    pass


class Cart(CartBase):
    __tablename__ = "cart"

    class Meta: ...

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(sa.String(20))
    lines: Mapped[list[Line]] = relationship(cascade="all, delete-orphan")


class Line(CartBase):
    __tablename__ = "line"

    class Meta: ...

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(20))
    deleted: Mapped[bool] = mapped_column(default=False)
    cart_id: Mapped[int] = mapped_column(sa.ForeignKey("cart.id"))


class TreeBase(DeclarativeBase):
    pass


class Node(TreeBase):
    __tablename__ = "node"

    class Meta: ...

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("node.id"))
    children: Mapped[list[Node]] = relationship(back_populates="parent")
    parent: Mapped[Node | None] = relationship(back_populates="children", remote_side=[id])


class HikeBase(DeclarativeBase):
    pass


class Hiker(HikeBase):
    __tablename__ = "hiker"

    class Meta: ...

    id: Mapped[int] = mapped_column(primary_key=True)
    entries: Mapped[list[Entry]] = relationship(back_populates="hiker", cascade="all, delete-orphan")


class Hike(HikeBase):
    __tablename__ = "hike"

    class Meta:
        filter_callback = staticmethod(lambda query, model, params: query.where(model.id != 2))

    id: Mapped[int] = mapped_column(primary_key=True)


class Entry(HikeBase):
    """Its key has the references."""

    __tablename__ = "entry"

    class Meta: ...

    hiker_id: Mapped[int] = mapped_column(sa.ForeignKey("hiker.id"), primary_key=True)
    hike_id: Mapped[int] = mapped_column(sa.ForeignKey("hike.id"), primary_key=True)
    note: Mapped[str | None] = mapped_column(sa.String(20))
    hiker: Mapped[Hiker] = relationship(back_populates="entries")
    hike: Mapped[Hike] = relationship()


class LedgerBase(DeclarativeBase):
    pass


class Account(LedgerBase):
    __tablename__ = "account"

    class Meta: ...

    tenant: Mapped[str] = mapped_column(sa.String(5), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    received: Mapped[list[Transfer]] = relationship(
        back_populates="payee", foreign_keys="[Transfer.tenant, Transfer.payee_number]", overlaps="payer"
    )


class Transfer(LedgerBase):
    """Refers to two accounts of one tenant."""

    __tablename__ = "transfer"
    __table_args__ = (
        sa.ForeignKeyConstraint(["tenant", "payer_number"], ["account.tenant", "account.number"]),
        sa.ForeignKeyConstraint(["tenant", "payee_number"], ["account.tenant", "account.number"]),
    )

    class Meta: ...

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant: Mapped[str] = mapped_column(sa.String(5))
    payer_number: Mapped[int] = mapped_column()
    payee_number: Mapped[int | None] = mapped_column()
    payer: Mapped[Account] = relationship(foreign_keys=[tenant, payer_number], overlaps="received")
    payee: Mapped[Account | None] = relationship(
        back_populates="received", foreign_keys=[tenant, payee_number], overlaps="payer"
    )


@pytest.fixture
def app(serve, cinema, fill):
    served = serve(cinema.Base, **NESTED)
    fill(served, cinema)
    return served


def fields_of(response):
    return error_of(response, 400, "validation_failed")["fields"]


def titles(app, studio):
    return sorted(film["title"] for film in app.value(f"/api/studios/{studio}/films?limit=100"))


# --- create -----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 13 group 11")
@pytest.mark.contract("rest-D50")
def test_two_levels_are_created_with_the_row(app):
    body = {
        "name": "Pier",
        "films": [
            {"title": "Low Tide", "year": 2022, "awards": [{"label": "Best Sound"}, {"label": "Best Score"}]},
            {"title": "High Tide", "studio_id": 0},
        ],
    }
    created = app.post("/api/studios", json=body)
    assert created.status_code == 201
    studio = created.get_json()["value"]["id"]
    assert titles(app, studio) == ["High Tide", "Low Tide"]
    film = app.value(f"/api/studios/{studio}/films?title__eq=Low%20Tide")[0]
    assert [award["label"] for award in app.value(f"/api/films/{film['id']}/awards")] == ["Best Sound", "Best Score"]


def test_a_new_row_is_linked_by_a_reference_and_by_an_association(app):
    body = {"title": "Tide", "studio_id": 1, "studio": {"name": "New"}, "actors": [{"full_name": "Ada"}, {"id": 1}]}
    film = app.post("/api/films?dump=json", json=body).get_json()["value"]
    assert film["studio"]["name"] == "New"
    assert film["studio_id"] == film["studio"]["id"] != 1
    assert sorted(actor["full_name"] for actor in film["actors"]) == ["Ada", "Ida Vik"]


def test_null_for_a_new_row_is_no_reference(app):
    film = app.post("/api/films", json={"title": "Tide", "studio": None}).get_json()["value"]
    assert film["studio_id"] is None
    assert fields_of(app.post("/api/awards", json={"label": "A", "film": None})) == {"film": ["Field may not be null."]}


@pytest.mark.contract("rest 13 group 11")
def test_errors_stand_under_their_path(app):
    body = {"films": [{"title": "A"}, {"year": "soon", "awards": [{"label": "x"}, {}, {"lable": "y"}]}]}
    assert fields_of(app.post("/api/studios", json=body)) == {
        "name": ["Missing data for required field."],
        "films": {
            "1": {
                "title": ["Missing data for required field."],
                "year": ["Not a valid integer."],
                "awards": {
                    "1": {"label": ["Missing data for required field."]},
                    "2": {
                        "label": ["Missing data for required field."],
                        "lable": ["Unknown field. Did you mean 'label'?"],
                    },
                },
            }
        },
    }


@pytest.mark.contract("rest 13 group 11")
def test_nothing_is_written_when_a_nested_row_is_refused(app):
    before = [app.scalar(f"SELECT count(*) FROM {table}") for table in ("studios", "films", "awards")]
    body = {"name": "Pier", "films": [{"title": "A", "awards": [{"label": "x"}]}, {"title": "y" * 81}]}
    assert app.post("/api/studios", json=body).status_code == 400
    body = {"name": "Pier", "films": [{"title": "A", "awards": [{"label": "x"}]}, {"id": 999}]}
    assert fields_of(app.post("/api/studios", json=body)) == {"films": {"1": ["There is no Film with this id."]}}
    assert [app.scalar(f"SELECT count(*) FROM {table}") for table in ("studios", "films", "awards")] == before


# --- change -----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 13 group 11")
@pytest.mark.contract("rest-D50")
def test_an_object_with_a_key_is_updated_and_linked(app):
    value = app.patch("/api/films/1?dump=json", json={"studio": {"id": 2, "city": "Bergen"}}).get_json()["value"]
    assert value["studio"] == {"id": 2, "name": "Quay", "city": "Bergen", "films": "/api/studios/2/films"} or (
        value["studio"]["city"] == "Bergen" and value["studio_id"] == 2
    )
    assert app.value("/api/studios/2")["city"] == "Bergen"


def test_null_unlinks_a_reference(app):
    assert app.patch("/api/films/1", json={"studio": None}).get_json()["value"]["studio_id"] is None
    assert fields_of(app.patch("/api/awards/1", json={"film": None})) == {"film": ["Field may not be null."]}


def test_null_beside_the_key_says_nothing(app):
    # An answer shows null where the row that the key leads to is hidden.
    value = app.patch("/api/films/1", json={"studio": None, "studio_id": 2}).get_json()["value"]
    assert value["studio_id"] == 2


@pytest.mark.contract("decisions 15")
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_null_beside_a_key_that_has_the_reference_says_nothing(serve, method):
    app = serve(HikeBase, **NESTED)
    for table, rows in (
        ("hiker", [{"id": 1}]),
        ("hike", [{"id": 1}, {"id": 2}]),
        ("entry", [{"hiker_id": 1, "hike_id": 1}, {"hiker_id": 1, "hike_id": 2}]),
    ):
        app.execute(HikeBase.metadata.tables[table].insert(), rows)
    answer = app.value("/api/hikers/1?dump=json")
    assert [entry["hike"] for entry in answer["entries"]] == ["/api/hikes/1", None]
    answer["entries"][1]["note"] = "Fog"
    response = app.open("/api/hikers/1?dump=json", method=method, json=answer)
    assert response.get_json()["value"] == answer
    # Nor is it a reference of a row that has no such key.
    errors = fields_of(app.patch("/api/hikers/1", json={"entries": [{"note": "Rain", "hike": None}]}))
    assert errors == {"entries": {"0": {"hike": ["Field may not be null."]}}}


@pytest.fixture
def ledger(serve):
    """Accounts 1 and 2 of the tenants a and b, and a transfer from a/1 to nobody."""
    app = serve(LedgerBase, **NESTED)
    accounts = [{"tenant": tenant, "number": number} for tenant in "ab" for number in (1, 2)]
    app.execute(Account.__table__.insert(), accounts)
    app.execute(Transfer.__table__.insert(), [{"id": 1, "tenant": "a", "payer_number": 1}])
    app.advance_sequences("transfer")
    return app


B2 = {"tenant": "b", "number": 2}


@pytest.mark.contract("rest 5.7")
@pytest.mark.parametrize(
    "method, url, body, wrong",
    [
        ("POST", "/api/transfers", {"payer": {"tenant": "a", "number": 1}, "payee": B2}, ["payee", "payer"]),
        ("PATCH", "/api/transfers/1", {"payer": {"tenant": "a", "number": 1}, "payee": B2}, ["payee", "payer"]),
        ("PATCH", "/api/transfers/1", {"payee": B2}, ["payee"]),
        ("PATCH", "/api/accounts/b/2", {"received": [{"id": 1}]}, ["received"]),
    ],
)
def test_a_reference_moves_no_other_one_that_shares_a_column(ledger, method, url, body, wrong):
    assert sorted(fields_of(ledger.open(url, method=method, json=body))) == wrong
    assert [(row["payer"], row["payee"]) for row in ledger.value("/api/transfers")] == [("/api/accounts/a/1", None)]


@pytest.mark.contract("rest 5.7")
def test_references_that_share_a_column_can_be_moved_together(ledger):
    body = {"payer": {"tenant": "b", "number": 1}, "payee": B2}
    for response in (ledger.post("/api/transfers", json=body), ledger.patch("/api/transfers/1", json=body)):
        value = response.get_json()["value"]
        assert (value["payer"], value["payee"]) == ("/api/accounts/b/1", "/api/accounts/b/2")
    # One that is not there moves nowhere, and one that stays in its tenant moves no other.
    assert ledger.patch("/api/transfers/1", json={"payer": B2}).get_json()["value"]["payer"] == "/api/accounts/b/2"


@pytest.mark.contract("rest 13 group 11")
def test_a_list_replaces_the_collection(app):
    body = {"films": [{"id": 1, "title": "One"}, {"title": "New"}]}
    assert app.patch("/api/studios/1", json=body).status_code == 200
    assert titles(app, 1) == ["New", "One"]
    assert app.scalar("SELECT count(*) FROM films WHERE studio_id IS NULL") == 4
    assert app.patch("/api/studios/1", json={"films": []}).status_code == 200
    assert titles(app, 1) == []


def test_a_list_replaces_associations(app):
    app.patch("/api/films/1", json={"actors": [{"full_name": "Ada"}]})
    assert [actor["full_name"] for actor in app.value("/api/films/1/actors")] == ["Ada"]
    assert app.scalar("SELECT count(*) FROM actors") == 2
    assert len(app.value("/api/films/2/actors")) == 1


def test_rows_whose_key_may_not_be_null_cannot_be_left_out(app):
    errors = fields_of(app.patch("/api/films/1", json={"awards": [{"label": "New"}]}))
    assert errors == {"awards": ["No Award can be left out, as its film_id may not be null."]}
    assert app.patch("/api/films/1", json={"awards": [{"id": 1, "label": "Kept"}, {"label": "New"}]}).status_code == 200
    assert [award["label"] for award in app.value("/api/films/1/awards")] == ["Kept", "New"]


def test_a_row_moves_from_one_list_to_another(app):
    assert app.patch("/api/studios/2", json={"films": [{"id": 3}]}).status_code == 200
    assert titles(app, 2) == ["Film 3"]
    assert titles(app, 1) == ["Film 1", "Film 2", "Film 4", "Film 5"]


def test_put_replaces_with_nested_objects(app):
    film = app.value("/api/films/1?dump=json")
    replaced = app.put("/api/films/1?dump=json", json=film).get_json()["value"]
    assert replaced == film
    body = {"title": "One", "studio": {"id": 1}}
    assert app.put("/api/films/1", json=body).get_json()["value"]["studio_id"] == 1
    assert app.put("/api/films/1", json={"title": "One"}).get_json()["value"]["studio_id"] is None


def test_links_are_dropped_as_before(app):
    film = app.value("/api/films/1")
    assert app.patch("/api/films/1", json=film).get_json()["value"] == film
    assert len(app.value("/api/films/1/actors")) == 1


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url, body, expected",
    [
        ("studios/1", {"films": [{"id": 1}, {"id": 999}]}, {"films": {"1": ["There is no Film with this id."]}}),
        ("studios/1", {"films": [{"id": "x"}]}, {"films": {"0": {"id": ["Not a valid integer."]}}}),
        ("studios/1", {"films": [{"id": 1}, {"id": 1}]}, {"films": {"1": ["This row is given twice."]}}),
        ("studios/1", {"films": {"id": 1}}, {"films": ["Must be a list of objects."]}),
        ("studios/1", {"films": None}, {"films": ["Must be a list of objects."]}),
        ("studios/1", {"films": 5}, {"films": ["Must be a list of objects."]}),
        ("films/1", {"studio": {"id": 99}}, {"studio": ["There is no Studio with this id."]}),
        ("films/1", {"studio": {"id": 1, "name": None}}, {"studio": {"name": ["Field may not be null."]}}),
        ("films/1", {"studio": {"id": 10**30}}, {"studio": ["There is no Studio with this id."]}),
    ],
)
def test_a_wrong_body_is_refused_by_path(app, url, body, expected):
    given = fields_of(app.patch(f"/api/{url}", json=body))
    if body == {"studio": {"id": 10**30}}:
        assert "studio" in given
    else:
        assert given == expected


@pytest.mark.parametrize("entry", [5, "/api/films/2", None, [], True])
def test_entries_that_are_no_objects_are_refused(app, entry):
    errors = fields_of(app.patch("/api/studios/1", json={"films": [{"id": 1}, entry]}))
    assert errors == {
        "films": {"1": ["Must be an object. To link a row that is there, give its key in an object: id."]}
    }


def test_the_way_back_is_an_error(app):
    body = {"name": "P", "films": [{"title": "A", "studio": {"id": 1}}]}
    errors = fields_of(app.post("/api/studios", json=body))
    assert errors == {"films": {"0": {"studio": ["Leads back to the object in which it stands. Leave it out."]}}}


@pytest.mark.parametrize("nothing", [None, "/api/studios/1"])
def test_what_answers_have_for_the_way_back_says_nothing(app, nothing):
    body = {"name": "Pier", "films": [{"title": "Ebb", "year": 2024, "studio": nothing}]}
    assert app.post("/api/studios?dump=json", json=body).json["value"]["films"][0]["title"] == "Ebb"


@pytest.mark.parametrize("value", [["/api/studios/1"], []])
@pytest.mark.parametrize("allowed", [True, False])
def test_a_list_is_no_link_to_one_row(serve, cinema, fill, value, allowed):
    app = serve(cinema.Base, API_ALLOW_NESTED_WRITES=allowed)
    fill(app, cinema)
    fields = error_of(app.patch("/api/films/1", json={"studio": value}), 400)["fields"]
    assert list(fields) == ["studio"]


def test_the_number_of_nested_rows_is_bounded(serve, cinema, fill):
    app = serve(cinema.Base, **NESTED, API_NESTED_ROWS_MAX=3)
    fill(app, cinema)
    body = {"name": "P", "films": [{"title": str(number)} for number in range(4)]}
    error_of(app.post("/api/studios", json=body), 400, "too_many_nested_rows")
    error_of(app.patch("/api/studios/1", json={"films": []}), 400, "too_many_nested_rows")
    body = {"name": "P", "films": [{"title": str(number)} for number in range(3)]}
    assert app.post("/api/studios", json=body).status_code == 201


def test_a_clash_of_nested_rows_does_not_name_fields_of_the_row(serve):

    app = serve(ShelfBase, **NESTED)
    response = app.post("/api/shelves", json={"code": "a", "volumes": [{"code": "x"}, {"code": "x"}]})
    error = error_of(response, 409, "unique_violation")
    assert "Volume" in error["message"]
    assert "fields" not in error
    assert app.scalar("SELECT count(*) FROM shelf") == 0


# --- permission -------------------------------------------------------------------------------------------------------


def test_off_by_default(cinema_app):
    for body in ({"studio": {"name": "x"}}, {"actors": [{"id": 1}]}):
        (message,) = fields_of(cinema_app.patch("/api/films/1", json=body)).values()
        assert message[0].startswith("Nested writes are not accepted here.")
    assert cinema_app.patch("/api/films/1", json={"actors": [], "studio": None}).status_code == 200
    assert len(cinema_app.value("/api/films/1/actors")) == 1


@pytest.fixture
def library(serve):
    """A base whose models say for themselves what may be nested."""

    return serve(LibraryBase)


def author(app, **members):
    response = app.post("/api/authors?dump=json", json={"name": "Ida", **members})
    assert response.status_code == 201, response.get_json()
    return response.get_json()["value"]


def change(app, number, **members):
    response = app.patch(f"/api/authors/{number}?dump=json", json=members)
    assert response.status_code == 200, response.get_json()
    return response.get_json()["value"]


def test_every_model_on_the_path_must_allow_it(library):
    errors = fields_of(library.post("/api/authors", json={"name": "Ida", "notes": [{"text": "x"}]}))
    assert errors == {"notes": ["Nested writes are not accepted here."]}


def test_view_only_relations_are_never_written(library):
    errors = fields_of(library.post("/api/authors", json={"name": "Ida", "drafts": [{"title": "x"}]}))
    assert errors == {"drafts": ["Nested writes are not accepted here."]}


def test_the_rules_of_the_target_apply(library):
    errors = fields_of(library.post("/api/authors", json={"name": "Ida", "books": [{"title": "Not a slug"}]}))
    assert errors == {"books": {"0": {"title": ["Slug is not valid."]}}}
    value = author(library, books=[{"title": "one", "rating": 5}])
    assert value["books"][0]["rating"] is None


def test_left_out_orphans_are_deleted(library):
    value = author(library, books=[{"title": "one"}, {"title": "two"}])
    kept = value["books"][1]
    value = change(library, value["id"], books=[{"id": kept["id"]}, {"title": "three"}])
    assert [book["title"] for book in value["books"]] == ["two", "three"]
    assert library.scalar("SELECT count(*) FROM book") == 2


def test_a_one_to_one_relation_is_replaced_changed_and_removed(library):
    value = author(library, profile={"text": "a"})
    number, profile = value["id"], value["profile"]["id"]
    assert change(library, number, profile={"id": profile, "text": "b"})["profile"]["text"] == "b"
    replaced = change(library, number, profile={"text": "c"})["profile"]
    assert replaced["text"] == "c"
    assert library.scalar("SELECT count(*) FROM profile") == 1
    assert change(library, number, profile=None)["profile"] is None
    assert library.scalar("SELECT count(*) FROM profile") == 0


def test_parts_of_a_key_come_from_the_parent(library):
    value = author(library, chapters=[{"position": 1, "title": "a"}, {"position": 2, "title": "b"}])
    number = value["id"]
    value = change(library, number, chapters=[{"position": 2, "title": "B"}, {"position": 3, "title": "c"}])
    assert sorted((chapter["position"], chapter["title"]) for chapter in value["chapters"]) == [(2, "B"), (3, "c")]
    response = library.patch(f"/api/authors/{number}", json={"chapters": [{"position": 9}]})
    assert fields_of(response) == {"chapters": {"0": {"title": ["Missing data for required field."]}}}
    response = library.patch(f"/api/chapters/{number}/2", json={"title": "x"})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "blocked, body, message",
    [
        ("POST", {"films": [{"id": 1}, {"title": "x"}]}, {"1": ["A new Film cannot be made here."]}),
        ("PATCH", {"films": [{"id": 1, "title": "x"}]}, {"0": ["A Film cannot be changed."]}),
        ("PATCH", {"films": []}, ["No Film can be left out, as its studio_id cannot be changed."]),
    ],
)
def test_the_methods_of_the_target_decide(serve, cinema, fill, monkeypatch, blocked, body, message):
    monkeypatch.setattr(cinema.Film.Meta, "block_methods", [blocked], raising=False)
    app = serve(cinema.Base, **NESTED)
    fill(app, cinema, films=1)
    assert fields_of(app.patch("/api/studios/1", json=body)) == {"films": message}
    same = app.value("/api/studios/1?dump=json")
    assert app.patch("/api/studios/1", json=same).status_code == 200
    moved = app.patch("/api/studios/2", json={"films": [{"id": 1}]})
    assert (moved.status_code == 400) == (blocked == "PATCH")


def test_a_protected_key_is_no_way_around(serve, cinema, fill, monkeypatch):
    monkeypatch.setattr(cinema.Film.Meta, "ignore_input_fields", ["studio_id"], raising=False)
    app = serve(cinema.Base, **NESTED)
    fill(app, cinema)
    assert "studio" in fields_of(app.patch("/api/films/1", json={"studio": {"id": 2}}))
    assert "films" in fields_of(app.patch("/api/studios/2", json={"films": [{"id": 1}]}))
    assert "films" in fields_of(app.patch("/api/studios/2", json={"films": [{"title": "x"}]}))
    assert app.scalar("SELECT count(*) FROM films WHERE studio_id = 1") == 5


def test_a_row_that_is_hidden_is_unknown(serve, cinema, fill):
    def no_first(query, model, params):
        return query.where(model.id != 1) if model is cinema.Film else query

    app = serve(cinema.Base, **NESTED, API_FILTER_CALLBACK=no_first)
    fill(app, cinema)
    assert fields_of(app.patch("/api/studios/2", json={"films": [{"id": 1}]})) == {
        "films": {"0": ["There is no Film with this id."]}
    }
    assert app.patch("/api/studios/1", json={"films": []}).status_code == 200
    assert app.scalar("SELECT studio_id FROM films WHERE id = 1") == 1
    assert app.scalar("SELECT count(*) FROM films WHERE studio_id = 1") == 1


def test_hooks_and_validators_of_models_meet_nested_rows(serve, cinema, fill):
    seen = []

    def note(obj, model):
        seen.append((model.__name__, getattr(obj, "title", getattr(obj, "name", ""))))
        return obj

    app = serve(cinema.Base, **NESTED, API_ADD_CALLBACK=note, API_UPDATE_CALLBACK=note)
    fill(app, cinema, films=1)
    app.patch("/api/studios/1", json={"city": "Rome", "films": [{"id": 1, "title": "changed"}, {"title": "new"}]})
    assert seen == [("Film", "changed"), ("Film", "new"), ("Studio", "Harbour")]


def test_soft_deleted_rows_are_marked_and_stay_unseen(serve):

    app = serve(
        CartBase,
        **NESTED,
        API_SOFT_DELETE=True,
        API_SOFT_DELETE_ATTRIBUTE="deleted",
        API_SOFT_DELETE_VALUES=(False, True),
    )
    value = app.post("/api/carts?dump=json", json={"lines": [{"text": "a"}, {"text": "b"}]}).get_json()["value"]
    first, second = value["lines"]
    value = app.patch("/api/carts/1?dump=json", json={"lines": [{"id": second["id"]}]}).get_json()["value"]
    assert [line["text"] for line in value["lines"]] == ["b"]
    assert app.scalar("SELECT count(*) FROM line") == 2
    assert fields_of(app.patch("/api/carts/1", json={"lines": [{"id": first["id"]}]})) == {
        "lines": {"0": ["There is no Line with this id."]}
    }


# --- self-reference ---------------------------------------------------------------------------------------------------


@pytest.fixture
def tree(serve):

    return serve(TreeBase, **NESTED)


def test_a_tree_is_written_and_rearranged(tree):
    body = {"name": "a", "children": [{"name": "b", "children": [{"name": "c"}]}], "parent": {"name": "top"}}
    value = tree.post("/api/nodes?dump=json", json=body).get_json()["value"]
    assert (value["parent"]["name"], value["children"][0]["name"]) == ("top", "b")
    by_name = {node["name"]: node["id"] for node in tree.value("/api/nodes")}
    assert len(by_name) == 4
    response = tree.patch(
        f"/api/nodes/{by_name['a']}", json={"children": [{"id": by_name["c"], "children": [{"id": by_name["b"]}]}]}
    )
    assert response.status_code == 200, response.get_json()
    parents = {node["name"]: node["parent_id"] for node in tree.value("/api/nodes")}
    assert (parents["c"], parents["b"]) == (by_name["a"], by_name["c"])


def chain(depth):
    body = {"name": str(depth)}
    for level in reversed(range(depth)):
        body = {"name": str(level), "children": [body]}
    return body


@pytest.mark.contract("bar-F46")
def test_deeper_than_allowed_is_an_error(tree):
    assert tree.post("/api/nodes", json=chain(2)).status_code == 201
    errors = fields_of(tree.post("/api/nodes", json=chain(3)))
    deep = errors["children"]["0"]["children"]["0"]["children"]
    assert deep == ["Nested deeper than 2 levels. Write it by a request of its own."]


@pytest.mark.contract("bar-F46")
@pytest.mark.parametrize("depth", [1, 4])
def test_the_depth_is_an_option(serve, depth):
    app = serve(TreeBase, **NESTED, API_NESTED_DEPTH_MAX=depth)
    assert app.post("/api/nodes", json=chain(depth)).status_code == 201
    assert app.scalar("SELECT count(*) FROM node") == depth + 1
    assert app.post("/api/nodes", json=chain(depth + 1)).status_code == 400


def test_a_circle_is_no_failure_of_the_server(tree):
    tree.post("/api/nodes", json={"name": "a", "children": [{"name": "b"}]})
    body = {"children": [{"id": 2, "children": [{"id": 1}]}]}
    response = tree.patch("/api/nodes/1", json=body)
    assert response.status_code in (200, 409)
    response = tree.patch("/api/nodes/1", json={"children": [{"id": 1}]})
    assert response.status_code in (200, 409)


class BranchBase(DeclarativeBase):
    pass


class Branch(BranchBase):
    __tablename__ = "branch"

    class Meta: ...

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("branch.id"))
    children: Mapped[list[Branch]] = relationship(cascade="all, delete-orphan")
    leaf: Mapped[Leaf | None] = relationship(back_populates="branch")
    marks: Mapped[list[Mark]] = relationship(secondary="branch_mark", lazy="write_only", passive_deletes=True)


class Leaf(BranchBase):
    __tablename__ = "leaf"

    class Meta: ...

    branch_id: Mapped[int] = mapped_column(sa.ForeignKey("branch.id"), primary_key=True)
    text: Mapped[str | None] = mapped_column(sa.String(20))
    branch: Mapped[Branch] = relationship(back_populates="leaf")


class Mark(BranchBase):
    __tablename__ = "mark"

    class Meta: ...

    name: Mapped[str] = mapped_column(sa.String(20), primary_key=True)


branch_mark = sa.Table(
    "branch_mark",
    BranchBase.metadata,
    sa.Column("branch_id", sa.ForeignKey("branch.id"), primary_key=True),
    sa.Column("mark_name", sa.ForeignKey("mark.name"), primary_key=True),
)


@pytest.fixture
def branches(serve):
    app = serve(BranchBase, **NESTED)
    body = {"name": "a", "children": [{"name": "b", "children": [{"name": "c"}]}], "leaf": {"text": "x"}}
    assert app.post("/api/branches", json=body).status_code == 201
    return app


def test_a_row_that_is_deleted_with_another_is_not_kept_in_silence(branches):
    (low,) = branches.value("/api/branches?name__eq=c")
    (top,) = branches.value("/api/branches?name__eq=a")
    errors = fields_of(branches.patch(f"/api/branches/{top['id']}", json={"children": [{"id": low["id"]}]}))
    assert errors == {"children": {"0": ["Is deleted together with a row that is left out. Move it first."]}}
    assert branches.scalar("SELECT count(*) FROM branch") == 3


def test_a_row_whose_key_others_have_is_not_deleted(branches):
    (middle,) = branches.value("/api/branches?name__eq=b")
    branches.patch(f"/api/branches/{middle['id']}", json={"leaf": {"text": "y"}})
    (top,) = branches.value("/api/branches?name__eq=a")
    error_of(branches.patch(f"/api/branches/{top['id']}", json={"children": []}), 409, "row_is_referred_to")
    assert branches.scalar("SELECT count(*) FROM branch") == 3


def test_a_key_that_is_a_reference_stays(branches):
    (top,) = branches.value("/api/branches?name__eq=a")
    (middle,) = branches.value("/api/branches?name__eq=b")
    url = f"/api/leaves/{top['id']}"
    assert branches.patch(url, json={"branch": {"id": top["id"], "name": "A"}}).status_code == 200
    assert branches.value(f"/api/branches/{top['id']}")["name"] == "A"
    errors = fields_of(branches.patch(url, json={"branch": {"id": middle["id"]}}))
    assert errors == {"branch": ["Belongs to the key, which cannot be changed."]}


def test_rows_whose_key_clients_choose_are_made_or_linked(branches):
    (top,) = branches.value("/api/branches?name__eq=a")
    url = f"/api/branches/{top['id']}?dump=json"
    for names in (["x", "y"], ["y", "z"], []):
        response = branches.patch(url, json={"marks": [{"name": name} for name in names]})
        assert sorted(mark["name"] for mark in response.get_json()["value"]["marks"]) == names
    assert branches.scalar("SELECT count(*) FROM mark") == 3


# --- cost, sessions, events -------------------------------------------------------------------------------------------


def test_the_number_of_selects_is_that_of_the_levels(app):
    def selects(films):
        body = {"name": "P", "films": [{"title": "x", "awards": [{"label": "a"}], "actors": [{"id": 1}]}] * films}
        created = app.post("/api/studios", json=body).get_json()["value"]["id"]
        shown = app.value(f"/api/studios/{created}/films?dump=json&limit=100")
        body = {"films": [{"id": film["id"], "title": "y", "awards": film["awards"], "actors": []} for film in shown]}
        with count_statements(app.engine) as log:
            assert app.patch(f"/api/studios/{created}", json=body).status_code == 200
        return len([statement for statement in log.statements if statement.lstrip().upper().startswith("SELECT")])

    assert selects(2) == selects(20)


@pytest.mark.contract("rest 13 group 11")
def test_all_kinds_of_sessions(serve, cinema, fill, sessions):
    app = serve(cinema.Base, sessions=sessions, **NESTED)
    fill(app, cinema)
    body = {"name": "P", "films": [{"title": "A", "awards": [{"label": "x"}]}, {"id": 1, "title": "moved"}]}
    created = app.post("/api/studios", json=body).get_json()["value"]["id"]
    assert titles(app, created) == ["A", "moved"]


def test_listeners_are_told_of_every_row(app):
    from flarchitect_core.state import state_of

    told = []
    state_of(app.app).listeners.append(lambda changes: told.extend(_flat(changes)))
    app.patch("/api/studios/1", json={"films": [{"id": 1, "title": "x"}, {"id": 2}, {"title": "n"}]})
    named = sorted((change.resource.name, change.action) for change in told)
    assert named == [
        ("Film", "created"),
        ("Film", "updated"),
        ("Film", "updated"),
        ("Film", "updated"),
        ("Film", "updated"),
        ("Studio", "updated"),
    ]


def _flat(changes):
    return changes if isinstance(changes, (list, tuple)) else [changes]


# --- round trip -------------------------------------------------------------------------------------------------------

TEXT = st.text(
    st.characters(min_codepoint=32, max_codepoint=0x2FFF, exclude_categories=["Cs"]), min_size=1, max_size=12
)
AWARDS = st.lists(st.fixed_dictionaries({"label": TEXT}), max_size=3)
ACTORS = st.lists(st.fixed_dictionaries({"full_name": TEXT, "email": st.none()}), max_size=2)
FILMS = st.lists(
    st.fixed_dictionaries(
        {"title": TEXT, "year": st.none() | st.integers(-(2**31), 2**31 - 1), "awards": AWARDS, "actors": ACTORS}
    ),
    max_size=3,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=TEXT, films=FILMS)
def test_what_was_nested_is_read_back(app, name, films):
    created = app.post("/api/studios", json={"name": name, "films": films})
    assert created.status_code == 201, created.get_json()
    number = created.get_json()["value"]["id"]
    app.app.config["API_SERIALIZATION_DEPTH"] = 2
    value = app.value(f"/api/studios/{number}?dump=json")
    assert _without_keys(value, {"name": name, "city": None, "films": films}) == {
        "name": name,
        "city": None,
        "films": films,
    }
    # And an answer can be sent back as it is.
    again = app.patch(f"/api/studios/{number}?dump=json", json=value)
    assert again.get_json()["value"] == value


def _without_keys(value, like):
    if isinstance(like, list):
        return [_without_keys(one, other) for one, other in zip(value, like, strict=True)]
    if isinstance(like, dict):
        return {name: _without_keys(value[name], inner) for name, inner in like.items()}
    return value


def test_setup_callbacks_meet_nested_rows(serve, cinema, fill, monkeypatch):
    seen = []

    def set_up(model, method, deserialized_data=None, **others):
        seen.append((model.__name__, method))
        if deserialized_data.get("year", 2000) < 1888:
            raise CustomHTTPException(422, "No films before 1888.")
        return {"deserialized_data": {**deserialized_data, "budget": decimal.Decimal(7)}}

    monkeypatch.setattr(cinema.Film.Meta, "post_setup_callback", set_up, raising=False)
    monkeypatch.setattr(cinema.Film.Meta, "patch_setup_callback", set_up, raising=False)
    served = serve(cinema.Base, **NESTED)
    fill(served, cinema, films=1)
    body = {"films": [{"id": 1, "title": "Changed"}, {"title": "New"}]}
    assert served.patch("/api/studios/1", json=body).status_code == 200
    assert sorted(seen) == [("Film", "PATCH"), ("Film", "POST")]
    assert served.scalar("SELECT count(*) FROM films WHERE budget = 7") == 2
    error_of(served.post("/api/studios", json={"name": "x", "films": [{"title": "t", "year": 1800}]}), 422)
    assert served.scalar("SELECT count(*) FROM films") == 2


# --- rows that are linked with themselves -----------------------------------------------------------------------------


class TaskBase(DeclarativeBase):
    pass


task_needs = sa.Table(
    "needs",
    TaskBase.metadata,
    sa.Column("task_id", sa.ForeignKey("task.id"), primary_key=True),
    sa.Column("needed_id", sa.ForeignKey("task.id"), primary_key=True),
)


class Task(TaskBase):
    __tablename__ = "task"

    class Meta: ...

    id: Mapped[int] = mapped_column(primary_key=True)
    needs: Mapped[list[Task]] = relationship(
        secondary=task_needs,
        primaryjoin=lambda: Task.id == task_needs.c.task_id,
        secondaryjoin=lambda: Task.id == task_needs.c.needed_id,
        back_populates="needed_by",
    )
    needed_by: Mapped[list[Task]] = relationship(
        secondary=task_needs,
        primaryjoin=lambda: Task.id == task_needs.c.needed_id,
        secondaryjoin=lambda: Task.id == task_needs.c.task_id,
        back_populates="needs",
    )


@pytest.mark.parametrize(
    "body, links",
    [
        ({"needs": [], "needed_by": []}, []),
        ({"needs": [], "needed_by": [{"id": 2}]}, [(2, 1)]),
        ({"needs": [{"id": 2}], "needed_by": [{"id": 2}]}, [(1, 2), (2, 1)]),
        ({"needs": [{"id": 1}], "needed_by": [{"id": 1}]}, [(1, 1)]),
        ({"needs": [{"id": 1}, {"id": 2}], "needed_by": [{"id": 2}, {"id": 1}]}, [(1, 1), (1, 2), (2, 1)]),
    ],
)
@pytest.mark.parametrize("before", [[], [{"id": 1}], [{"id": 1}, {"id": 2}]])
def test_both_sides_of_a_relation_to_the_same_model_are_written(serve, body, links, before):
    served = serve(TaskBase, **NESTED)
    for _ in range(2):
        served.post("/api/tasks", json={})
    assert served.patch("/api/tasks/1", json={"needs": before}).status_code == 200
    assert served.patch("/api/tasks/1", json=body).status_code == 200
    with served.engine.connect() as connection:
        assert sorted(tuple(row) for row in connection.execute(sa.select(task_needs))) == links
