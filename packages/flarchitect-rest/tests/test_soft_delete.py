"""Soft delete: hidden everywhere, shown and restored on demand, configured globally, per model or both (rest 6.1)."""

from __future__ import annotations

import datetime as dt
import re

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.errors import ConfigurationError
from flarchitect_core.testing import count_statements, error_of, make_app
from flarchitect_rest.part import RestPart

MARKED = {"API_SOFT_DELETE": True, "API_SOFT_DELETE_ATTRIBUTE": "deleted", "API_SOFT_DELETE_VALUES": (False, True)}
AS_META = {name.removeprefix("API_").lower(): value for name, value in MARKED.items()}


def shelf_models(**meta):
    """Shelves of books with tags; books and shelves carry a mark, tags do not."""

    class Base(DeclarativeBase):
        pass

    book_tag = sa.Table(
        "book_tags",
        Base.metadata,
        sa.Column("book_id", sa.ForeignKey("books.id"), primary_key=True),
        sa.Column("tag_id", sa.ForeignKey("tags.id"), primary_key=True),
    )

    class Shelf(Base):
        __tablename__ = "shelves"
        Meta = type("Meta", (), meta)

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(40))
        deleted: Mapped[bool | None] = mapped_column(default=False)
        books: Mapped[list[Book]] = relationship(back_populates="shelf")

    class Book(Base):
        __tablename__ = "books"
        Meta = type("Meta", (), meta)

        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str] = mapped_column(sa.String(40))
        deleted: Mapped[bool | None] = mapped_column(default=False)
        shelf_id: Mapped[int | None] = mapped_column(sa.ForeignKey("shelves.id"))
        shelf: Mapped[Shelf | None] = relationship(back_populates="books")
        tags: Mapped[list[Tag]] = relationship(secondary=book_tag, back_populates="books")

    class Tag(Base):
        __tablename__ = "tags"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(40))
        books: Mapped[list[Book]] = relationship(secondary=book_tag, back_populates="tags")

    Base.registry.configure()
    return Base, Shelf, Book, Tag, book_tag


def fill_shelves(served, models):
    """Book 2 and shelf 2 are deleted; the mark of book 3 is NULL."""
    _, shelf, book, tag, book_tag = models
    served.execute(sa.insert(shelf), [{"id": n, "name": f"S{n}", "deleted": n == 2} for n in (1, 2)])
    served.execute(sa.insert(tag), [{"id": 1, "name": "T"}])
    marks = {1: False, 2: True, 3: None, 4: False}
    rows = [{"id": n, "title": f"B{n}", "deleted": mark, "shelf_id": 2 if n == 4 else 1} for n, mark in marks.items()]
    served.execute(sa.insert(book), rows)
    served.execute(sa.insert(book_tag), [{"book_id": n, "tag_id": 1} for n in marks])
    served.advance_sequences("books")


@pytest.fixture(params=["global", "meta"])
def shelves(request, serve):
    meta, config = (AS_META, {}) if request.param == "meta" else ({}, MARKED)
    models = shelf_models(**meta)
    served = serve(models[0], API_ALLOW_EXPORT=True, **config)
    fill_shelves(served, models)
    return served


def ids(records):
    return [record["id"] for record in records]


@pytest.mark.contract("rest 6.1, D13, D15, D16")
@pytest.mark.contract("rest 13 group 12")
@pytest.mark.contract("bar F49")
@pytest.mark.contract("bar R52")
def test_marked_rows_are_hidden_everywhere(shelves):
    page = shelves.get("/api/books").get_json()
    assert ids(page["value"]) == [1, 3, 4]
    assert page["total_count"] == shelves.get("/api/books?limit=1").get_json()["total_count"] == 3
    for url in ("/api/books/2", "/api/shelves/2", "/api/shelves/2/books", "/api/books/2/tags", "/api/books/4/shelves"):
        error_of(shelves.get(url), 404)
    assert ids(shelves.value("/api/shelves/1/books")) == [1, 3]
    assert ids(shelves.value("/api/tags/1/books")) == [1, 3, 4]
    assert ids(shelves.value("/api/shelves/1?dump=json")["books"]) == [1, 3]
    assert ids(shelves.value("/api/tags/1?dump=json")["books"]) == [1, 3, 4]
    assert ids(shelves.value("/api/tags/1?dump=dynamic&join=books")["books"]) == [1, 3, 4]
    assert shelves.value("/api/books/4")["shelf"] is None
    assert shelves.value("/api/books/4?dump=json")["shelf"] is None
    for method in ("PATCH", "PUT", "DELETE"):
        body = None if method == "DELETE" else {"title": "x"}
        error_of(shelves.open("/api/books/2", method=method, json=body), 404)
    for accept in ("text/csv", "application/x-ndjson"):
        text = shelves.get("/api/books?fields=id", headers={"Accept": accept}).get_data(as_text=True)
        assert re.findall(r"\d+", text) == ["1", "3", "4"]


@pytest.mark.contract("rest 6.1")
def test_filters_by_relation_do_not_see_marked_rows(shelves):
    assert shelves.value("/api/books?shelf.name__eq=S2") == []
    assert shelves.value("/api/shelves?books.title__eq=B2") == []
    assert ids(shelves.value("/api/shelves?books.title__eq=B1")) == [1]
    assert ids(shelves.value("/api/tags?books.title__eq=B2&include_deleted=1")) == [1]


@pytest.mark.contract("rest 6.1, D11, D12")
def test_include_deleted_shows_them(shelves):
    assert ids(shelves.value("/api/books?include_deleted=true&title__in=B1,B2")) == [1, 2]
    assert shelves.get("/api/books?include_deleted").get_json()["total_count"] == 4
    assert ids(shelves.value("/api/books?include_deleted=false")) == [1, 3, 4]
    assert shelves.value("/api/books/2?include_deleted=1")["deleted"] is True
    assert ids(shelves.value("/api/shelves/1/books?include_deleted=1")) == [1, 2, 3]
    assert ids(shelves.value("/api/shelves/2/books?include_deleted=1")) == [4]
    assert shelves.value("/api/books/4/shelves?include_deleted=1")["id"] == 2
    assert ids(shelves.value("/api/shelves/1?dump=json&include_deleted=1")["books"]) == [1, 2, 3]
    assert shelves.value("/api/books/4?include_deleted=1")["shelf"] == "/api/shelves/2"
    error_of(shelves.get("/api/books?include_deleted=maybe"), 400, "invalid_boolean")
    text = shelves.get("/api/books?fields=id&include_deleted=1", headers={"Accept": "text/csv"}).get_data(as_text=True)
    assert re.findall(r"\d+", text) == ["1", "2", "3", "4"]


@pytest.mark.contract("rest 6.1")
def test_delete_marks_and_patch_restores(shelves):
    response = shelves.delete("/api/books/1")
    assert (response.status_code, response.get_json()["value"]) == (200, None)
    error_of(shelves.delete("/api/books/1"), 404)
    assert shelves.scalar("SELECT count(*) FROM books") == 4
    error_of(shelves.patch("/api/books/1", json={"deleted": False}), 404)
    restored = shelves.patch("/api/books/1?include_deleted=true", json={"deleted": False})
    assert restored.get_json()["value"]["deleted"] is False
    assert shelves.value("/api/books/1")["title"] == "B1"
    shelves.delete("/api/shelves/1")
    assert ids(shelves.value("/api/books")) == [1, 3, 4]


@pytest.mark.contract("rest 6.1")
@pytest.mark.contract("decisions 18")
def test_bodies_cannot_mark(shelves):
    created = shelves.post("/api/books", json={"title": "New", "deleted": True}).get_json()["value"]
    assert created["deleted"] is False
    for method in ("PATCH", "PUT"):
        changed = shelves.open(f"/api/books/{created['id']}", method=method, json={"title": "Y", "deleted": True})
        assert changed.get_json()["value"]["deleted"] is False
    error = error_of(shelves.patch("/api/books/1?include_deleted=1", json={"deleted": True}), 400, "validation_failed")
    assert list(error["fields"]) == ["deleted"]


@pytest.mark.contract("rest 6.1")
def test_include_deleted_can_be_forbidden(serve):
    models = shelf_models(**AS_META, allow_include_deleted=False)
    served = serve(models[0])
    fill_shelves(served, models)
    assert ids(served.value("/api/books?include_deleted=1")) == [1, 3, 4]
    error_of(served.get("/api/books/2?include_deleted=1"), 404)
    error_of(served.patch("/api/books/2?include_deleted=1", json={"deleted": False}), 404)


@pytest.mark.contract("rest 6.1, D14")
def test_models_without_the_attribute_are_removed(shelves):
    shelves.execute(sa.text("DELETE FROM book_tags"))
    assert shelves.delete("/api/tags/1").status_code == 200
    assert shelves.scalar("SELECT count(*) FROM tags") == 0


@pytest.mark.contract("rest 6.1")
def test_mixed_configuration(serve):
    models = shelf_models()
    models[1].Meta.soft_delete = False
    served = serve(models[0], **MARKED)
    fill_shelves(served, models)
    assert ids(served.value("/api/shelves")) == [1, 2]
    assert ids(served.value("/api/books")) == [1, 3, 4]


@pytest.mark.contract("rest 6.1")
def test_a_time_as_mark(serve, sessions):
    class Base(DeclarativeBase):
        pass

    class Note(Base):
        __tablename__ = "notes"

        class Meta:
            soft_delete = True
            soft_delete_attribute = "deleted_at"
            soft_delete_values = (None, lambda: dt.datetime(2026, 1, 2, 3, 4, 5))

        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str] = mapped_column(sa.String(40))
        deleted_at: Mapped[dt.datetime | None]

    served = serve(Base, sessions=sessions)
    for text in ("a", "b"):
        served.post("/api/notes", json={"text": text})
    served.delete("/api/notes/1")
    assert ids(served.value("/api/notes")) == [2]
    assert served.value("/api/notes/1?include_deleted=1")["deleted_at"].startswith("2026-01-02T03:04:05")
    served.patch("/api/notes/1?include_deleted=1", json={"deleted_at": None})
    assert ids(served.value("/api/notes")) == [1, 2]


@pytest.mark.contract("rest 6.1")
def test_words_as_marks(serve):
    class Base(DeclarativeBase):
        pass

    class Note(Base):
        __tablename__ = "notes"

        class Meta:
            soft_delete = True
            soft_delete_attribute = "state"
            soft_delete_values = ("active", "deleted")

        id: Mapped[int] = mapped_column(primary_key=True)
        state: Mapped[str] = mapped_column(sa.String(40))

    served = serve(Base)
    assert served.post("/api/notes", json={}).get_json()["value"]["state"] == "active"
    served.execute(sa.insert(Note), [{"id": 2, "state": "deleted"}, {"id": 3, "state": "archived"}])
    assert ids(served.value("/api/notes")) == [1, 3]


@pytest.mark.contract("rest 1.2")
@pytest.mark.contract("decisions 13")
@pytest.mark.parametrize(
    "changed, key",
    [
        ({"API_SOFT_DELETE_ATTRIBUTE": None}, "API_SOFT_DELETE_ATTRIBUTE"),
        ({"API_SOFT_DELETE_VALUES": None}, "API_SOFT_DELETE_VALUES"),
        ({"API_SOFT_DELETE_VALUES": [False, True]}, "API_SOFT_DELETE_VALUES"),
        ({"API_SOFT_DELETE_VALUES": (False,)}, "API_SOFT_DELETE_VALUES"),
        ({"API_SOFT_DELETE_VALUES": (True, True)}, "API_SOFT_DELETE_VALUES"),
    ],
)
def test_mistakes_stop_the_start(changed, key):
    models = shelf_models()
    with pytest.raises(ValueError, match=key):
        make_app(models[0], "sqlite://", parts=[RestPart()], **{**MARKED, **changed})


@pytest.mark.contract("decisions 13")
def test_a_misspelt_attribute_of_a_model_is_named():
    models = shelf_models(**{**AS_META, "soft_delete_attribute": "deletet"})
    with pytest.raises(ConfigurationError, match="Did you mean 'deleted'"):
        make_app(models[0], "sqlite://", parts=[RestPart()])


@pytest.mark.contract("rest 13 group 15")
def test_the_mark_costs_no_statement(serve):
    models, plain = shelf_models(**AS_META), shelf_models()
    counts = []
    for some in (plain, models):
        served = serve(some[0])
        fill_shelves(served, some)
        for url in ("/api/books?limit=2", "/api/books/1", "/api/shelves/1/books", "/api/shelves/1?dump=json"):
            with count_statements(served.engine) as log:
                served.value(url)
            counts.append(len(log))
        served.execute(sa.text("DELETE FROM book_tags"))
        some[0].metadata.drop_all(served.engine)
    assert counts[:4] == counts[4:]
