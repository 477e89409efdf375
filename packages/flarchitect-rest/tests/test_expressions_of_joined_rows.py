"""Column expressions that read other tables give the same values wherever their row stands in a statement."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, aliased, column_property, mapped_column, relationship

pytestmark = pytest.mark.contract("rest 3.3, 3.4, 3.6, 3.7")


def library():
    """Shelves of books with tags. Each of them tells of the others by SQL that correlates as it likes."""

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

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20))
        books: Mapped[list[Book]] = relationship(back_populates="shelf", order_by="Book.id")

        @hybrid_property
        def book_count(self) -> int:
            return len(self.books)

        @book_count.inplace.expression
        @classmethod
        def _book_count(cls):
            return sa.select(sa.func.count(Book.id)).where(Book.shelf_id == cls.id).scalar_subquery()

    class Book(Base):
        __tablename__ = "books"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str] = mapped_column(sa.String(20))
        hidden: Mapped[bool] = mapped_column(default=False)
        shelf_id: Mapped[int] = mapped_column(sa.ForeignKey("shelves.id"))
        shelf: Mapped[Shelf] = relationship(back_populates="books")
        tags: Mapped[list[Tag]] = relationship(secondary=book_tag, back_populates="books")
        shelf_name: Mapped[str] = column_property(
            sa.select(Shelf.name).where(Shelf.id == shelf_id).scalar_subquery(), info={"secret": False}
        )

    class Tag(Base):
        __tablename__ = "tags"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        books: Mapped[list[Book]] = relationship(secondary=book_tag, back_populates="tags", order_by="Book.id")

    Tag.uses = column_property(
        sa.select(sa.func.count(book_tag.c.book_id)).where(book_tag.c.tag_id == Tag.id).scalar_subquery()
    )
    Tag.titles = column_property(
        sa.select(sa.func.max(Book.title))
        .join(Book.tags.of_type(other := aliased(Tag)))
        .where(other.id == Tag.id)
        .scalar_subquery()
    )
    Base.registry.configure()
    return Base, Shelf, Book, Tag, book_tag


@pytest.fixture
def books(serve):
    """Shelf s1 has the books b1 and b2, shelf s2 the book b3; tag 1 is on b1 and b3, tag 2 on b1."""

    def start(**config):
        base, shelf, book, tag, book_tag = library()
        served = serve(base, API_ALLOW_JOIN=True, API_ALLOW_GROUPBY=True, API_ALLOW_AGGREGATION=True, **config)
        served.execute(sa.insert(shelf), [{"id": n, "name": f"s{n}"} for n in (1, 2)])
        rows = [{"id": n, "title": f"b{n}", "shelf_id": s, "hidden": n == 2} for n, s in ((1, 1), (2, 1), (3, 2))]
        served.execute(sa.insert(book), rows)
        served.execute(sa.insert(tag), [{"id": n} for n in (1, 2)])
        served.execute(book_tag.insert(), [{"book_id": b, "tag_id": t} for b, t in ((1, 1), (3, 1), (1, 2))])
        return served

    return start


def test_columns_of_joined_rows(books):
    served = books()
    rows = served.value("/api/shelves?join=books&fields=id,books.shelf_name")
    assert [(row["id"], row["shelf_name"]) for row in rows] == [(1, "s1"), (1, "s1"), (2, "s2")]
    rows = served.value("/api/books?join=shelf&fields=id,shelf.book_count")
    assert [(row["id"], row["book_count"]) for row in rows] == [(1, 2), (2, 2), (3, 1)]
    rows = served.value("/api/books?join=tags&fields=id,tags.uses,tags.titles")
    assert [(row["id"], row["uses"], row["titles"]) for row in rows] == [(1, 2, "b3"), (1, 1, "b1"), (3, 2, "b3")]
    assert served.value("/api/books/1?join=shelf&fields=id,shelf.book_count")["book_count"] == 2


def test_filters_of_joined_rows(books):
    served = books()
    assert served.ids("/api/books?shelf.book_count__eq=2") == [1, 2]
    assert served.ids("/api/books?join=shelf&shelf.book_count__eq=2&fields=id") == [1, 2]
    assert served.ids("/api/shelves?books.shelf_name__eq=s2") == [2]
    rows = served.value("/api/shelves?join=books&books.shelf_name__eq=s1&fields=id,books.title")
    assert [row["title"] for row in rows] == ["b1", "b2"]
    assert served.ids("/api/books?tags.uses__eq=1") == [1]
    rows = served.value("/api/books?join=tags&tags.uses__eq=1&fields=id,tags.uses")
    assert rows == [{"id": 1, "uses": 1}]


def test_order_by_joined_rows(books):
    served = books()
    assert served.ids("/api/books?order_by=shelf.book_count,-id") == [3, 2, 1]
    assert served.ids("/api/shelves?join=books&order_by=-books.shelf_name") == [2, 1]
    page = served.get("/api/books?order_by=shelf.book_count&fields=id&limit=1&cursor=").get_json()
    assert [row["id"] for row in page["value"]] == [3]
    assert served.get(page["next_url"]).get_json()["value"] == [{"id": 1}]


def test_groups_by_joined_rows(books):
    served = books()
    rows = served.value("/api/shelves?join=books&groupby=books.shelf_name&books.id|n__count=1")
    assert [row["n"] for row in rows] == [2, 1]
    rows = served.value("/api/books?join=shelf&groupby=shelf.book_count&id|n__count=1")
    assert sorted((row["book_count"], row["n"]) for row in rows) == [(1, 1), (2, 2)]
    rows = served.value("/api/books?join=tags&groupby=tags.uses&id|n__count=1")
    assert sorted((row["uses"], row["n"]) for row in rows) == [(1, 1), (2, 2)]


def test_rows_that_a_relation_leads_to(books):
    served = books()
    assert [(row["id"], row["uses"]) for row in served.value("/api/books/1/tags")] == [(1, 2), (2, 1)]
    assert [row["id"] for row in served.value("/api/books/1/tags?order_by=uses&uses__ge=1")] == [2, 1]
    assert [row["shelf_name"] for row in served.value("/api/shelves/1/books")] == ["s1", "s1"]
    assert served.value("/api/books/3/shelves")["book_count"] == 1
    (book,) = served.value("/api/books?id__eq=1&dump=json")
    assert ([tag["uses"] for tag in book["tags"]], book["shelf"]["book_count"]) == ([2, 1], 2)
    assert served.value("/api/books/1/tags?groupby=uses&id__count=1")
    (tag, _) = served.value("/api/tags?dump=json")
    assert [each["shelf_name"] for each in tag["books"]] == ["s1", "s2"]


@pytest.mark.contract("rest 6.1, 7.2, D10")
@pytest.mark.parametrize(
    "config",
    [
        {"API_SOFT_DELETE": True, "API_SOFT_DELETE_ATTRIBUTE": "hidden", "API_SOFT_DELETE_VALUES": (False, True)},
        {
            "API_FILTER_CALLBACK": lambda query, model, params: (
                query.where(model.hidden.is_(False)) if model.__name__ == "Book" else query
            )
        },
    ],
)
def test_they_read_only_rows_that_the_caller_sees(books, config):
    served = books(**config)
    assert [row["book_count"] for row in served.value("/api/shelves")] == [1, 1]
    assert served.value("/api/shelves/1")["book_count"] == 1
    assert served.value("/api/books/1/shelves")["book_count"] == 1
    assert served.value("/api/books/1?dump=json")["shelf"]["book_count"] == 1
    rows = served.value("/api/books?join=shelf&fields=id,shelf.book_count")
    assert [(row["id"], row["book_count"]) for row in rows] == [(1, 1), (3, 1)]
    assert served.ids("/api/books?join=shelf&shelf.book_count__ge=2&fields=id") == []
    assert served.ids("/api/shelves?book_count__ge=2") == []
    assert served.value("/api/shelves?groupby=book_count&id|n__count=1") == [{"book_count": 1, "n": 2}]
