"""`search`: words in the columns that `Meta.search` names, by what each database has for it."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.errors import ConfigurationError
from flarchitect_core.testing import count_statements, error_of, make_app
from flarchitect_rest.part import RestPart


class Base(DeclarativeBase):
    pass


class Writer(Base):
    __tablename__ = "writers"

    class Meta:
        search = ["name"]

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(80))
    is_gone: Mapped[bool] = mapped_column(default=False)
    articles: Mapped[list[Article]] = relationship(back_populates="writer")


class Article(Base):
    __tablename__ = "articles"

    class Meta:
        search = ["title", "body", "writer.name"]

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(80))
    body: Mapped[str | None] = mapped_column(sa.Text)
    writer_id: Mapped[int | None] = mapped_column(sa.ForeignKey("writers.id"))
    writer: Mapped[Writer | None] = relationship(back_populates="articles")


class Page(Base):
    """Has a FULLTEXT index, where the database knows them."""

    __tablename__ = "search_pages"
    __table_args__ = (sa.Index("ft_pages", "title", "body", mysql_prefix="FULLTEXT", mariadb_prefix="FULLTEXT"),)

    class Meta:
        search = ("title", "body")

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(80))
    body: Mapped[str | None] = mapped_column(sa.Text)


TEXTS = [
    (1, "Winter sea", "The harbour sleeps", 1),
    (2, "Harbour lights", None, 2),
    (3, "Summer", "50%_off at the harbour", None),
    (4, "Winter", "Nothing to see", 2),
]


@pytest.fixture
def press(serve):
    served = serve(Base)
    served.execute(sa.insert(Writer), [{"id": 1, "name": "Ida Vik"}, {"id": 2, "name": "Olav Winter"}])
    served.execute(sa.insert(Article), [{"id": i, "title": t, "body": b, "writer_id": w} for i, t, b, w in TEXTS])
    served.execute(sa.insert(Page), [{"id": i, "title": t, "body": b} for i, t, b, _ in TEXTS])
    return served


@pytest.mark.contract("bar F27")
@pytest.mark.parametrize(
    "words, expected",
    [
        ("harbour", [1, 2, 3]),
        ("HARBOUR", [1, 2, 3]),
        ("winter", [1, 2, 4]),
        ("winter harbour", [1, 2]),
        ("harbour  winter harbour", [1, 2]),
        ("vik", [1]),
        ("olav lights", [2]),
        ("nowhere", []),
        ("", [1, 2, 3, 4]),
        ("   ", [1, 2, 3, 4]),
    ],
)
def test_every_word_must_be_in_one_of_the_columns(press, words, expected):
    body = press.get("/api/articles", query_string={"search": words}).get_json()
    assert [record["id"] for record in body["value"]] == expected
    assert body["total_count"] == len(expected)


@pytest.mark.contract("bar F27")
@pytest.mark.parametrize(
    "words, expected",
    [("harbour", [1, 2, 3]), ("winter sea", [1]), ("summer harbour", [3]), ("nothing winter", [4])],
)
def test_a_fulltext_index_is_searched(press, words, expected):
    assert [record["id"] for record in press.value(f"/api/pages?search={words}")] == expected


@pytest.mark.contract("bar F27, bar F21")
@pytest.mark.parametrize(
    "words",
    ["%", "_", "%25", "__", "'", '"', '""', '"harbour', "+", "-", "+-", "*", "(", "()", "@", "~", "<", ">", "&", "|",
     "!", ":", ":*", "a:*", "harbour*", "+harbour -winter", "\\", "/", "';--", "\u2028", "ж", "🙂", "or", "a\tb",
     "x" * 5000],
)  # fmt: skip
def test_any_text_is_searched_for_and_none_breaks_the_query(press, words):
    for url in ("/api/articles", "/api/pages"):
        response = press.get(url, query_string={"search": words})
        assert response.status_code == 200, response.get_data(as_text=True)
        assert len(response.get_json()["value"]) < 4 or not words.strip()


def test_wildcards_are_ordinary_characters(press, database_kind):
    if database_kind == "sqlite":
        for words, expected in (("%", [3]), ("50%_", [3]), ("harb_ur", []), ("off harb", [3])):
            found = press.get("/api/articles", query_string={"search": words}).get_json()["value"]
            assert [record["id"] for record in found] == expected


@pytest.mark.contract("bar F27")
def test_search_goes_with_everything_else(press):
    url = "/api/articles?search=harbour&order_by=-writer.name:nullslast&id__gt=0&limit=1&fields=id"
    body = press.get(url).get_json()
    assert (body["value"], body["total_count"]) == ([{"id": 2}], 3)
    assert "search=harbour" in body["next_url"]
    assert press.ids("/api/writers/2/articles?search=winter&join=writer&title__eq=Winter") == [4]


@pytest.mark.contract("bar F27")
def test_the_database_searches_as_it_can(press, database_kind):
    wanted = {"sqlite": "LIKE", "postgresql": "websearch_to_tsquery", "mariadb": "LIKE"}[database_kind]
    with count_statements(press.engine) as log:
        press.value("/api/articles?search=harbour winter")
    assert wanted in log.statements[0]
    assert "harbour" not in log.statements[0]
    wanted = {"sqlite": "LIKE", "postgresql": "websearch_to_tsquery", "mariadb": "MATCH"}[database_kind]
    with count_statements(press.engine) as log:
        press.value("/api/pages?search=harbour winter")
    assert wanted in log.statements[0]


def test_an_index_on_the_document_is_used(press, database_kind):
    if database_kind != "postgresql":
        pytest.skip("full text of PostgreSQL")
    document = "to_tsvector('simple', coalesce(title, '') || ' ' || coalesce(body, ''))"
    press.execute(sa.text(f"CREATE INDEX pages_document ON search_pages USING gin ({document})"))
    with count_statements(press.engine) as log:
        press.value("/api/pages?search=harbour")
    statement = log.statements[0].replace("%(flarchitect_search)s", "'harbour'")
    for name in ("row_limit", "row_offset"):
        statement = statement.replace(f"%({name})s", "1")
    for cast in ("::VARCHAR", "::BIGINT"):
        statement = statement.replace(cast, "")
    with press.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {statement}"))
    assert "pages_document" in plan


@pytest.mark.contract("rest 3.8")
def test_search_is_unknown_where_nothing_is_searched(cinema_app, press):
    error_of(cinema_app.get("/api/films?search=x"), 400, "unknown_parameter")
    error_of(press.get("/api/articles/1?search=x"), 400, "unknown_parameter")
    error_of(press.get("/api/articles?serch=x"), 400, "unknown_parameter")
    assert error_of(press.get("/api/articles?serch=x"), 400)["suggestions"] == ["search"]


@pytest.mark.parametrize(
    "words, reason, message",
    [
        (" ".join(map(str, range(11))), "too_many_words", "More than 10 words"),
        ("x" * 10_001, "search_too_long", "10000 characters"),
        ("a\0b", "invalid_text", "NUL"),
    ],
)
def test_a_search_has_bounds(press, words, reason, message):
    assert message in error_of(press.get("/api/articles", query_string={"search": words}), 400, reason)["message"]


def test_a_search_is_sent_once(press):
    error_of(press.get("/api/articles?search=a&search=b"), 400, "duplicate_parameter")


@pytest.mark.parametrize(
    "names, message",
    [
        (["titel"], "names 'titel', but 'titel' is no readable text column of Note. Did you mean 'title'?"),
        (["stars"], "names 'stars', but 'stars' is no readable text column of Note."),
        (["api_key"], "names 'api_key', but 'api_key' is no readable text column of Note."),
        (["note.title"], "but 'note' is no relationship of Note to one published row."),
        (["notes.title"], "but 'notes' is no relationship of Note to one published row. Did you mean 'parent'?"),
        (["parent.titel"], "Did you mean 'title'?"),
    ],
)
def test_what_cannot_be_searched_is_told_at_the_start(names, message):
    class Start(DeclarativeBase):
        pass

    attributes: dict[str, Any] = {
        "__tablename__": "notes",
        "Meta": type("Meta", (), {"search": names}),
        "id": mapped_column(sa.Integer, primary_key=True),
        "title": mapped_column(sa.String(40)),
        "api_key": mapped_column(sa.String(40)),
        "stars": mapped_column(sa.Integer),
        "parent_id": mapped_column(sa.ForeignKey("notes.id")),
    }
    note = type("Note", (Start,), attributes)
    note.parent = relationship(note, remote_side=note.id, back_populates="notes")
    note.notes = relationship(note, back_populates="parent")
    with pytest.raises(ConfigurationError) as caught:
        make_app(Start, "sqlite://", parts=[RestPart()])
    assert message.split(" Did you")[0] in str(caught.value)


def test_the_language_is_checked_at_the_start():
    with pytest.raises(ConfigurationError, match="API_SEARCH_LANGUAGE must name"):
        make_app(Base, "sqlite://", parts=[RestPart()], API_SEARCH_LANGUAGE="simple'; --")
