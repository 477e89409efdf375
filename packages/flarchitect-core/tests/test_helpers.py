"""Small helpers for the code of applications (rest 8.2, core 6 and 10)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from flarchitect_core.attribute_initialiser import AttributeInitialiserMixin, AttributeInitializerMixin
from flarchitect_core.errors import ApiError
from flarchitect_core.http.exceptions import CustomHTTPException
from flarchitect_core.http.hooks import handle_exception
from flarchitect_core.mappings import (
    case_no_change,
    make_base_dict,
    normalize_key,
    pretty_print_dict,
    search_all_keys,
    update_dict_if_flag_true,
)
from flarchitect_core.model.endpoints import endpoint_namer
from flarchitect_core.model.key_rules import (
    SQLALCHEMY_TO_FLASK_CONVERTER,
    get_foreign_key_to_parent,
    get_pk,
    get_primary_key_info,
    get_url_pk,
)
from flarchitect_core.operations.crud import CrudService
from flarchitect_core.query.plain import (
    AGGREGATE_FUNCS,
    OPERATORS,
    apply_sorting_to_query,
    get_all_columns_and_hybrids,
    get_model_columns,
    get_model_relationships,
    get_primary_key_filters,
    get_primary_keys,
    is_hybrid_property,
    paginate_query,
)
from flarchitect_core.route_list import find_rule_by_function
from flarchitect_core.state import state_of
from flarchitect_core.testing import error_of, make_app
from flarchitect_core.views.results import filter_response_data, get_count, handle_result


class Base(DeclarativeBase):
    pass


class Shelf(Base):
    __tablename__ = "shelves"

    class Meta:
        pagination_size_max = 50

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20), unique=True)
    secret_word: Mapped[str | None] = mapped_column(sa.String(20))
    books: Mapped[list[Book]] = relationship(back_populates="shelf")


class Book(Base):
    __tablename__ = "books"

    class Meta:
        pass

    isbn: Mapped[str] = mapped_column("isbn_13", sa.String(13), primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(20))
    place: Mapped[int | None] = mapped_column("shelf_id", sa.ForeignKey("shelves.id"))
    shelf: Mapped[Shelf | None] = relationship(back_populates="books")


class Loan(Base):
    __tablename__ = "loans"
    book: Mapped[str] = mapped_column(sa.ForeignKey("books.isbn_13"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[uuid.UUID | None]


# --- keys -------------------------------------------------------------------------------------------------------------


@pytest.mark.contract("core 10")
def test_the_key_of_a_model_is_known_by_attribute_and_url_rule():
    assert get_pk(Book) is Book.isbn
    assert get_primary_key_info(Shelf) == ("id", "int(signed=True)")
    assert get_url_pk(Shelf) == "<int(signed=True):id>"
    assert get_url_pk(Book) == "<row_key:isbn>"
    assert get_url_pk(Loan) == "<row_key:book>/<int(signed=True):number>"
    with pytest.raises(ValueError, match="several columns"):
        get_primary_key_info(Loan)
    assert SQLALCHEMY_TO_FLASK_CONVERTER[sa.Uuid] == "uuid"


@pytest.mark.contract("core 10")
def test_the_foreign_key_to_a_parent_is_the_attribute():
    assert get_foreign_key_to_parent(Book, Shelf) == "place"
    assert get_foreign_key_to_parent(Loan, Book) == "book"
    assert get_foreign_key_to_parent(Shelf, Book) is None


# --- attributes -------------------------------------------------------------------------------------------------------


@pytest.mark.contract("core 12 5")
@pytest.mark.contract("rest-8.2")
def test_attributes_come_from_keywords_and_the_configuration():
    class Ours(AttributeInitialiserMixin):
        page_size: int = 5
        _base_model: Any = None
        untouched = "as it is"
        annotated: str

        def method(self) -> str:
            return "method"

        @property
        def made(self) -> str:
            return "made"

    app = Flask("attributes")
    app.config.update(PAGE_SIZE=10, BASE_MODEL="configured", ANNOTATED="too", METHOD="no", MADE="no")
    ours = Ours(app, page_size=20, unknown=1)
    assert (ours.page_size, ours._base_model, ours.untouched, ours.annotated) == (20, "configured", "as it is", "too")
    assert (ours.method(), ours.made) == ("method", "made")
    assert not hasattr(ours, "unknown")
    assert Ours(app).page_size == 10
    assert issubclass(AttributeInitialiserMixin, AttributeInitializerMixin)


# --- columns and selects ----------------------------------------------------------------------------------------------


@pytest.mark.contract("core 10")
def test_columns_relationships_and_keys_are_listed():
    assert get_model_columns(Book) == ["isbn", "title", "place"]
    assert get_model_relationships(Book) == ["shelf"]
    assert get_all_columns_and_hybrids(Book)["place"] is Book.place
    assert get_primary_keys(Loan) == [Loan.book, Loan.number]
    assert get_primary_key_filters(Loan, ("1", 2)) == {"book": "1", "number": 2}
    assert get_primary_key_filters(Book, "1") == {"isbn": "1"}
    with pytest.raises(ValueError, match="book, number"):
        get_primary_key_filters(Loan, 1)
    assert is_hybrid_property(hybrid_property(lambda self: 1))
    assert not is_hybrid_property(Book.title)
    assert str(OPERATORS["ge"](Book.title, "a")) == "books.title >= :title_1"
    assert str(AGGREGATE_FUNCS["count"](Book.title)) == "count(books.title)"


@pytest.mark.contract("core 10")
def test_selects_are_paged_and_sorted():
    paged = str(paginate_query(sa.select(Book.title), 3, 10).compile(compile_kwargs={"literal_binds": True}))
    assert paged.split("\n")[-1].split() == ["LIMIT", "10", "OFFSET", "20"]
    with pytest.raises(ValueError, match="begin at 1"):
        paginate_query(sa.select(Book.title), 0)
    by = str(apply_sorting_to_query({"order_by": "-title, isbn"}, sa.select(Book.title), Book))
    assert by.endswith("ORDER BY books.title DESC, books.isbn_13 ASC")
    assert "ORDER" not in str(apply_sorting_to_query({}, sa.select(Book.title), Book))
    with refused(400, "invalid_column"):
        apply_sorting_to_query({"order_by": "titel"}, sa.select(Book.title), Book)


def test_a_published_model_is_sorted_by_what_clients_may_see(library):
    with refused(400, "invalid_column"):
        apply_sorting_to_query({"order_by": "secret_word"}, sa.select(Shelf.id), Shelf)


# --- descriptions -----------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest-8.2")
def test_the_namer_of_endpoints_is_the_default_one():
    assert endpoint_namer(Shelf) == "shelves"
    with pytest.raises(ValueError, match="needs the model"):
        endpoint_namer()
    app = make_app(Base, "sqlite://", parts=[], API_ENDPOINT_NAMER=endpoint_namer, API_ENDPOINT_CASE="pascal")
    assert state_of(app).registry.get(Shelf).segment == "Shelves"


@pytest.mark.contract("core 10")
def test_the_rule_of_a_view_is_found():
    app = make_app(None, parts=[], API_FULL_AUTO=False)
    app.add_url_rule("/a/<int:id>", "a", lambda id: "")
    architect = app.extensions["flarchitect"]
    assert str(find_rule_by_function(architect, app.view_functions["a"])) == "/a/<int:id>"
    assert find_rule_by_function(architect, len) is None


@pytest.mark.contract("core 10")
def test_dictionaries_are_printed_changed_and_searched(library):
    assert pretty_print_dict({"é": {1: None}}) == '{\n    "é": {\n        "1": null\n    }\n}'
    given: dict[str, Any] = {}
    update_dict_if_flag_true(given, True, "a", 1, str.upper)
    update_dict_if_flag_true(given, False, "b", 1)
    assert given == {"A": 1}
    assert (case_no_change("aB"), normalize_key("page size")) == ("aB", "PAGE_SIZE")
    assert search_all_keys(Base, "API_PAGINATION_SIZE_MAX")
    assert search_all_keys(Base, "title")
    assert not search_all_keys(Base, "API_RATE_LIMIT")
    body = make_base_dict()
    assert (body["value"], body["status_code"]) == ("...", 200)


@pytest.mark.contract("core-3")
def test_an_envelope_loses_what_is_switched_off():
    app = make_app(None, parts=[], API_FULL_AUTO=False, API_DUMP_VERSION=False, API_DUMP_NULL_NEXT_URL=False)
    envelope = {"api_version": "1", "value": 1, "next_url": None, "previous_url": None, "errors": None, "more": 1}
    with app.app_context():
        assert filter_response_data(envelope) == {"value": 1, "previous_url": None, "more": 1}


@pytest.mark.contract("rest-8.2")
def test_results_are_taken_apart():
    page = {"query": [1], "total_count": 9, "next_url": "/n", "previous_url": None}
    assert handle_result((page, 202)) == (202, [1], 9, "/n", None)
    assert handle_result([1, 2]) == (200, [1, 2], 2, None, None)
    assert get_count(page, [1]) == 9


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("core-4")
@pytest.mark.parametrize(
    "error, status, name, message, reason",
    [
        ("No such book.", 404, None, "No such book.", "not_found"),
        ("Gone.", 410, "Book Gone", "Gone.", "book_gone"),
        (RuntimeError("SELECT secret"), 500, None, "Internal Server Error", "internal_server_error"),
        (CustomHTTPException(403, "Not yours."), 403, None, "Not yours.", "forbidden"),
        ({"title": ["Too long."]}, 400, None, "Bad Request. See `fields` for: title.", "bad_request"),
    ],
)
def test_an_error_that_was_caught_is_answered_in_the_one_shape(error, status, name, message, reason):
    app = make_app(None, parts=[], API_FULL_AUTO=False)
    app.add_url_rule("/x", "x", lambda: handle_exception(error, status, name))
    app.logger.disabled = True
    errors = error_of(app.test_client().get("/x"), status, reason)
    assert errors["message"] == message


# --- CRUD without routes ----------------------------------------------------------------------------------------------


@pytest.fixture
def library(tmp_path):
    """An application over two models, and a session that it knows nothing of."""
    app = make_app(Base, f"sqlite:///{tmp_path / 'library.db'}", parts=[])
    engine = state_of(app).database.engine
    assert engine is not None
    Base.metadata.create_all(engine)
    with app.app_context(), Session(engine) as session:
        yield app, session
    engine.dispose()


@contextmanager
def refused(status: int, reason: str) -> Iterator[None]:
    """Expect an `ApiError`."""
    with pytest.raises(ApiError) as raised:
        yield
    assert (raised.value.status, raised.value.reason) == (status, reason)


@pytest.mark.contract("rest-8.2")
def test_crud_service_writes_and_reads_instances(library):
    _, session = library
    shelves = CrudService(Shelf, session)
    made = shelves.add_object({"name": "A"})
    assert (type(made), made.id, made.name) == (Shelf, 1, "A")
    shelves.add_object({"name": "B"})
    assert shelves.update_object(2, {"name": "C"}).name == "C"
    assert shelves.get_query(id=2)["query"].name == "C"
    page = shelves.get_query({"name__in": "(A,C)", "order_by": "-name", "limit": 1})
    assert ([each.name for each in page["query"]], page["total_count"], page["limit"]) == (["C"], 2, 1)
    assert [each.name for each in shelves.get_query({"id__eq": [1]})["query"]] == ["A"]
    shelves.delete_object(2)
    session.rollback()
    assert session.scalars(sa.select(Shelf.name)).all() == ["A"]


@pytest.mark.contract("rest-8.2")
def test_crud_service_refuses_what_the_routes_refuse(library):
    _, session = library
    shelves, books = CrudService(Shelf, session), CrudService(Book, session)
    shelves.add_object({"name": "A"})
    with refused(400, "validation_failed"):
        shelves.add_object({"name": "x" * 21, "nane": 1})
    with refused(409, "unique_violation"):
        shelves.add_object({"name": "A"})
    with refused(404, "row_not_found"):
        shelves.get_query(id=9)
    with refused(404, "row_not_found"):
        shelves.update_object(9, {"name": "B"})
    with refused(404, "row_not_found"):
        shelves.delete_object(9)
    with refused(400, "invalid_column"):
        shelves.get_query({"nane__eq": 1})
    books.add_object({"isbn": "1", "title": "Fog", "place": 1})
    assert books.get_query(id="1")["query"].shelf.name == "A"
    with pytest.raises(ValueError, match="not published"):
        CrudService(Loan, session)
