"""One external name for each field, in every case style and wherever a client names it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.errors import ConfigurationError
from flarchitect_core.testing import error_of

pytestmark = pytest.mark.contract("rest 2.2, D25, 13 group 8")

ENVELOPE = ["api_version", "datetime", "value", "status_code", "response_ms", "total_count", "next_url", "previous_url"]
CASES = ["snake", "camel", "pascal", "screaming_snake", "kebab", "screaming_kebab"]
# Attribute to its name in each case, in the order of CASES.
NAMES = {
    "id": ["id", "id", "Id", "ID", "id", "ID"],
    "full_title": ["full_title", "fullTitle", "FullTitle", "FULL_TITLE", "full-title", "FULL-TITLE"],
    "page_count": ["page_count", "pageCount", "PageCount", "PAGE_COUNT", "page-count", "PAGE-COUNT"],
    "line1": ["line1", "line1", "Line1", "LINE1", "line1", "LINE1"],
    "book_shelf_id": ["book_shelf_id", "bookShelfId", "BookShelfId", "BOOK_SHELF_ID", "book-shelf-id", "BOOK-SHELF-ID"],
    "title_length": ["title_length", "titleLength", "TitleLength", "TITLE_LENGTH", "title-length", "TITLE-LENGTH"],
    "book_shelf": ["book_shelf", "bookShelf", "BookShelf", "BOOK_SHELF", "book-shelf", "BOOK-SHELF"],
    "status_code": ["status_code", "statusCode", "StatusCode", "STATUS_CODE", "status-code", "STATUS-CODE"],
    "total_count": ["total_count", "totalCount", "TotalCount", "TOTAL_COUNT", "total-count", "TOTAL-COUNT"],
    "next_url": ["next_url", "nextUrl", "NextUrl", "NEXT_URL", "next-url", "NEXT-URL"],
    "previous_url": ["previous_url", "previousUrl", "PreviousUrl", "PREVIOUS_URL", "previous-url", "PREVIOUS-URL"],
    "api_version": ["api_version", "apiVersion", "ApiVersion", "API_VERSION", "api-version", "API-VERSION"],
    "response_ms": ["response_ms", "responseMs", "ResponseMs", "RESPONSE_MS", "response-ms", "RESPONSE-MS"],
    "request_id": ["request_id", "requestId", "RequestId", "REQUEST_ID", "request-id", "REQUEST-ID"],
    "full_titel": ["full_titel", "fullTitel", "FullTitel", "FULL_TITEL", "full-titel", "FULL-TITEL"],
}
WORDS = ("value", "errors", "datetime", "error", "message", "reason", "fields", "suggestions")


class Base(DeclarativeBase):
    pass


class BookShelf(Base):
    __tablename__ = "book_shelves"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    all_books: Mapped[list[Book]] = relationship(back_populates="book_shelf")


class Book(Base):
    __tablename__ = "books"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    full_title: Mapped[str] = mapped_column("title_of_the_book", sa.String(20))
    page_count: Mapped[int | None] = mapped_column(unique=True)
    line1: Mapped[str | None] = mapped_column(sa.String(20))
    book_shelf_id: Mapped[int | None] = mapped_column(sa.ForeignKey("book_shelves.id"))
    book_shelf: Mapped[BookShelf | None] = relationship(back_populates="all_books")

    @hybrid_property
    def title_length(self) -> int:
        return len(self.full_title)

    @title_length.inplace.expression
    @classmethod
    def _title_length(cls):
        return sa.func.length(cls.full_title)


class Library:
    """The served books, and the name of everything in one case."""

    def __init__(self, served, case):
        self.served = served
        self.case = case

    def __call__(self, attribute):
        if attribute in NAMES:
            return NAMES[attribute][CASES.index(self.case)]
        assert attribute in WORDS
        words = {
            "pascal": attribute.title(),
            "screaming_snake": attribute.upper(),
            "screaming_kebab": attribute.upper(),
        }
        return words.get(self.case, attribute)

    def body(self, **values):
        return {self(name): value for name, value in values.items()}

    def value(self, response, status=200):
        body = response.get_json()
        assert response.status_code == status, body
        return body[self("value")]

    def ids(self, query):
        records = self.value(self.served.get("/api/books", query_string=query))
        return [record[self("id")] for record in records]

    def errors(self, response, status, reason):
        body = response.get_json()
        assert response.status_code == status, body
        errors = body[self("errors")]
        assert body[self("value")] is None
        assert errors[self("reason")] == reason
        assert errors[self("request_id")] == response.headers["X-Request-ID"]
        assert errors[self("error")]
        assert errors[self("message")]
        return errors


@pytest.fixture(params=CASES)
def library(serve, request):
    served = serve(Base, API_FIELD_CASE=request.param)
    served.execute(sa.insert(BookShelf.__table__), [{"id": 1}])
    # Without ids, so that the database's own numbering goes on after them.
    rows = [
        {"title_of_the_book": "x" * n, "page_count": n * 10, "line1": f"l{n}", "book_shelf_id": 1} for n in (1, 2, 3)
    ]
    served.execute(sa.insert(Book.__table__), rows)
    return Library(served, request.param)


def test_records_have_their_keys_in_the_case(library):
    record = library.value(library.served.get("/api/books/2"))
    fields = ("id", "full_title", "page_count", "line1", "book_shelf_id", "title_length", "book_shelf")
    assert list(record) == [library(name) for name in fields]
    assert record[library("full_title")] == "xx"
    assert record[library("title_length")] == 2
    assert record[library("book_shelf")] == "/api/book-shelves/1"


def test_inlined_records_have_their_keys_in_the_case(library):
    record = library.value(library.served.get("/api/books/2?dump=json"))
    assert record[library("book_shelf")][library("id")] == 1
    joined = library.value(library.served.get("/api/books/2", query_string={"dump": "dynamic", "join": "book_shelf"}))
    assert joined == library.value(
        library.served.get("/api/books/2", query_string={"dump": "dynamic", "join": library("book_shelf")})
    )
    assert joined[library("book_shelf")][library("id")] == 1


def test_the_envelope_has_its_keys_in_the_case_and_in_order(library):
    assert list(library.served.get("/api/books?limit=1").get_json()) == [
        library(member) if member in NAMES or member in WORDS else member for member in ENVELOPE
    ]


def test_an_answer_can_be_sent_back_in_the_case(library):
    created = library.served.post("/api/books", json=library.body(full_title="new", page_count=99, book_shelf_id=1))
    record = library.value(created, 201)
    assert (record[library("full_title")], record[library("page_count")]) == ("new", 99)
    record[library("full_title")] = "newer"
    url = f"/api/books/{record[library('id')]}"
    assert library.value(library.served.put(url, json=record))[library("full_title")] == "newer"
    changed = library.served.patch(url, json=library.body(page_count=98))
    assert library.value(changed) == {**record, library("page_count"): 98, library("title_length"): 5}
    assert library.served.scalar("SELECT page_count FROM books WHERE title_of_the_book = 'newer'") == 98


def test_filters_take_the_name_in_the_case_and_the_attribute(library):
    for name in (library("page_count"), "page_count"):
        assert library.ids({f"{name}__gt": "10"}) == [2, 3]
        assert library.ids(f"or[{name}__eq=10,{name}__eq=30]") == [1, 3]
    assert library.ids({f"{library('title_length')}__eq": "2"}) == [2]
    assert library.ids({f"{library('line1')}__eq": "l3"}) == [3]
    assert library.ids({f"Book.{library('full_title')}__eq": "xx"}) == [2]


def test_sorting_takes_the_name_in_the_case_and_the_attribute(library):
    for name in (library("page_count"), "page_count"):
        assert library.ids({"order_by": f"-{name}"}) == [3, 2, 1]


def test_fields_take_the_name_in_the_case_and_the_attribute(library):
    for names in ("full_title,book_shelf", f"{library('full_title')},{library('book_shelf')}"):
        record = library.value(library.served.get("/api/books/1", query_string={"fields": names}))
        assert record == {library("full_title"): "x", library("book_shelf"): "/api/book-shelves/1"}


def test_errors_of_a_body_are_keyed_by_the_name_in_the_case(library):
    body = {**library.body(page_count="many", line1=5), library("full_titel"): "x"}
    errors = library.errors(library.served.post("/api/books", json=body), 400, "validation_failed")
    fields = errors[library("fields")]
    assert fields[library("page_count")] == ["Not a valid integer."]
    assert fields[library("line1")] == ["Not a valid string."]
    assert fields[library("full_title")] == ["Missing data for required field."]
    assert fields[library("full_titel")] == [f"Unknown field. Did you mean {library('full_title')!r}?"]
    assert errors[library("suggestions")] == [library("full_title")]
    assert len(fields) == 4


def test_errors_of_the_database_are_keyed_by_the_name_in_the_case(library):
    response = library.served.post("/api/books", json=library.body(full_title="new", page_count=10))
    errors = library.errors(response, 409, "unique_violation")
    assert errors[library("fields")] == {library("page_count"): ["Already in use."]}


def test_errors_of_a_query_suggest_the_name_in_the_case(library):
    response = library.served.get("/api/books", query_string={f"{library('full_titel')}__eq": "x"})
    errors = library.errors(response, 400, "invalid_column")
    assert errors[library("suggestions")][0] == library("full_title")
    library.errors(library.served.get("/api/bookz"), 404, "unknown_path")
    library.errors(library.served.put("/api/books"), 405, "method_not_allowed")


def test_the_attribute_is_no_synonym_in_bodies(library):
    if library("full_title") != "full_title":
        response = library.served.post("/api/books", json={"full_title": "x"})
        assert "full_title" in library.errors(response, 400, "validation_failed")[library("fields")]


@pytest.mark.contract("rest 11")
def test_the_table_of_a_filter_has_its_own_case(serve, monkeypatch):
    url = "/api/book-shelves?book-shelf.id__eq=1"
    error_of(serve(Base).get(url), 400, "invalid_table")
    assert serve(Base, API_SCHEMA_CASE="kebab").value(url) == []
    monkeypatch.setattr(BookShelf.Meta, "schema_case", "kebab", raising=False)
    assert serve(Base).value(url) == []


@pytest.mark.contract("rest 11")
def test_a_model_may_have_a_case_of_its_own(serve, monkeypatch):
    monkeypatch.setattr(Book.Meta, "field_case", "camel", raising=False)
    served = serve(Base, API_ALLOW_NESTED_WRITES=True, API_ALLOW_GROUPBY=True, API_ALLOW_AGGREGATION=True)
    created = served.post("/api/book-shelves", json={"all_books": [{"fullTitle": "x", "pageCount": 3}]})
    assert (created.status_code, created.get_json()["total_count"]) == (201, 1)
    (book,) = served.value("/api/book-shelves/1?dump=json")["all_books"]
    assert (book["fullTitle"], book["pageCount"]) == ("x", 3)
    assert served.value("/api/book-shelves/1/books?pageCount__eq=3&fields=fullTitle,bookShelf") == [
        {"fullTitle": "x", "bookShelf": "/api/book-shelves/1"}
    ]
    assert served.value("/api/book-shelves?all_books.pageCount__eq=4") == []
    assert served.value("/api/books?groupby=bookShelfId&pageCount__sum") == [{"bookShelfId": 1, "pageCountSum": 3}]
    refused = served.patch("/api/books/1", json={"page_count": "x", "pageCount": "x"}).get_json()["errors"]
    assert refused["fields"]["pageCount"] == ["Not a valid integer."]
    assert refused["suggestions"] == ["pageCount"]


@pytest.mark.parametrize(
    "case, first, second",
    [("camel", "line_one", "lineOne"), ("snake", "lineOne", "line_one"), ("kebab", "a_b", "a__b")],
)
def test_two_columns_that_collapse_to_one_name_stop_the_start(serve, case, first, second):
    class Collapsing(DeclarativeBase):
        pass

    columns = {name: mapped_column(name + "_column", sa.Integer) for name in (first, second)}
    members = {"__tablename__": "t", "Meta": type("Meta", (), {}), "id": mapped_column(sa.Integer, primary_key=True)}
    twin = type("Twin", (Collapsing,), {**members, **columns})
    with pytest.raises(ConfigurationError, match=twin.__name__) as raised:
        serve(Collapsing, API_FIELD_CASE=case)
    assert isinstance(raised.value, ValueError)
    assert repr(first) in str(raised.value)
    assert repr(second) in str(raised.value)
