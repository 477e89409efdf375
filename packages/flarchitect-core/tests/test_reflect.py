"""Reflection: an existing database as mapped classes, on SQLite and, when asked for, PostgreSQL and MariaDB."""

from __future__ import annotations

import datetime as dt
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session
from sqlalchemy.pool import NullPool

from flarchitect_core.errors import ConfigurationError
from flarchitect_core.model.naming import field_name, segment_name
from flarchitect_core.model.reflect import Reflection, reflect_models
from flarchitect_core.model.reflect_types import Lenient

SERVERS = {
    "postgresql": os.environ.get("FLARCHITECT_POSTGRESQL_URL", "postgresql+psycopg://postgres@127.0.0.1:5432/postgres"),
    "mariadb": os.environ.get("FLARCHITECT_MARIADB_URL", "mysql+pymysql://root@127.0.0.1:3306/test"),
}
ASKED_FOR = os.environ.get("FLARCHITECT_TEST_DATABASES", "sqlite").split(",")

Database = Callable[..., sa.Engine]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """Make databases of a kind with the given statements, dropped after the test."""
    made: list[tuple[sa.Engine, str, str]] = []

    def make(kind: str, *statements: str) -> sa.Engine:
        if kind not in ASKED_FOR and kind != "sqlite":
            pytest.skip(f"FLARCHITECT_TEST_DATABASES does not name {kind}")
        name = f"flarchitect_reflect_{uuid.uuid4().hex[:12]}"
        if kind == "sqlite":
            engine = sa.create_engine(f"sqlite:///{tmp_path / name}.db", poolclass=NullPool)
            sa.event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys = ON"))
        else:
            on_server(kind, f"CREATE DATABASE {name}")
            engine = sa.create_engine(sa.make_url(SERVERS[kind]).set(database=name), poolclass=NullPool)
        made.append((engine, kind, name))
        with engine.begin() as connection:
            for statement in statements:
                connection.exec_driver_sql(statement)
        return engine

    yield make
    for engine, kind, name in made:
        engine.dispose()
        if kind != "sqlite":
            on_server(kind, f"DROP DATABASE {name}")


def on_server(kind: str, statement: str) -> None:
    url = sa.make_url(SERVERS[kind])
    # The database that the MariaDB URL names need not exist.
    url = url.set(database=None) if kind == "mariadb" else url
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


every_database = pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])


def models_of(reflection: Reflection) -> dict[str, Any]:
    return {model.__name__: model for model in reflection.models}


def relations_of(model: Any) -> dict[str, tuple[str, bool]]:
    """Map the relationships of a class to their target and whether they are lists."""
    found = sa.inspect(model).relationships
    return {relation.key: (relation.mapper.class_.__name__, bool(relation.uselist)) for relation in found}


def columns_of(model: Any) -> list[str]:
    return [attribute.key for attribute in sa.inspect(model).column_attrs]


LIBRARY = (
    "CREATE TABLE author (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL)",
    "CREATE TABLE book (id INTEGER NOT NULL PRIMARY KEY, title VARCHAR(40), author_id INTEGER NOT NULL,"
    " FOREIGN KEY (author_id) REFERENCES author (id))",
    "CREATE TABLE tag (id INTEGER NOT NULL PRIMARY KEY, word VARCHAR(40))",
    "CREATE TABLE book_tag (book_id INTEGER NOT NULL, tag_id INTEGER NOT NULL, PRIMARY KEY (book_id, tag_id),"
    " FOREIGN KEY (book_id) REFERENCES book (id), FOREIGN KEY (tag_id) REFERENCES tag (id))",
    "INSERT INTO author VALUES (1, 'Ida')",
    "INSERT INTO book VALUES (1, 'Low Tide', 1)",
    "INSERT INTO tag VALUES (1, 'sea')",
    "INSERT INTO book_tag VALUES (1, 1)",
)


@pytest.mark.contract("issue 2")
@every_database
def test_tables_become_published_classes_with_relationships_both_ways(database, kind):
    reflection = reflect_models(database(kind, *LIBRARY))
    models = models_of(reflection)
    assert reflection.notices == []
    assert {name: relations_of(model) for name, model in models.items()} == {
        "Author": {"books": ("Book", True)},
        "Book": {"author": ("Author", False), "book_tags": ("BookTag", True), "tags": ("Tag", True)},
        "BookTag": {"book": ("Book", False), "tag": ("Tag", False)},
        "Tag": {"book_tags": ("BookTag", True), "books": ("Book", True)},
    }
    assert all(hasattr(model, "Meta") and issubclass(model, reflection.base) for model in models.values())


@pytest.mark.contract("issue 2")
@every_database
def test_every_relationship_can_be_followed(database, kind):
    engine = database(kind, *LIBRARY)
    models = models_of(reflect_models(engine))
    with Session(engine) as session:
        book = session.get_one(models["Book"], 1)
        assert (book.author.name, book.tags[0].word, book.tags[0].books[0].title) == ("Ida", "sea", "Low Tide")
        assert book.author.books == [book]
        assert session.get_one(models["BookTag"], (1, 1)).tag.word == "sea"


@pytest.mark.contract("issue 2")
@every_database
@pytest.mark.parametrize("is_loaded", [True, False])
def test_deleting_a_parent_leaves_the_decision_to_the_database(database, kind, is_loaded):
    engine = database(kind, *LIBRARY)
    models = models_of(reflect_models(engine))
    with Session(engine) as session:
        author = session.get_one(models["Author"], 1)
        if is_loaded:
            assert len(author.books) == 1
        session.delete(author)
        with pytest.raises(IntegrityError):
            session.flush()


@every_database
def test_rows_are_written_through_relationships(database, kind):
    engine = database(kind, *LIBRARY)
    models = models_of(reflect_models(engine))
    with Session(engine) as session:
        author = models["Author"](id=2, name="Bo")
        author.books.append(models["Book"](id=2, title="New", tags=[session.get_one(models["Tag"], 1)]))
        session.add(author)
        session.commit()
        assert session.get_one(models["BookTag"], (2, 1)).book.author.name == "Bo"


@pytest.mark.contract("issue 2, --include and --exclude")
@every_database
def test_left_out_tables_take_their_relationships_with_them(database, kind):
    reflection = reflect_models(database(kind, *LIBRARY), include=["BOOK*", "tag"], exclude=["*_tag"])
    assert {name: relations_of(model) for name, model in models_of(reflection).items()} == {"Book": {}, "Tag": {}}
    assert reflection.notices == []


@every_database
def test_rows_of_a_table_whose_parent_is_left_out_can_be_written(database, kind):
    engine = database(kind, *LIBRARY)
    book = models_of(reflect_models(engine, include=["book"]))["Book"]
    with Session(engine) as session:
        session.add(book(id=2, title="New", author_id=1))
        session.commit()


@pytest.mark.contract("decisions 13")
@pytest.mark.parametrize("arguments", [{"include": ["boook"]}, {"exclude": ["boook"]}])
def test_a_name_that_fits_no_table_is_refused_with_the_nearest(database, arguments):
    with pytest.raises(ConfigurationError, match=r"`boook` fits no table .* Did you mean `book`\?"):
        reflect_models(database("sqlite", *LIBRARY), **arguments)


@every_database
def test_views_and_tables_without_a_key_are_named(database, kind):
    reflection = reflect_models(
        database(
            kind,
            "CREATE TABLE keyed (id INTEGER NOT NULL PRIMARY KEY)",
            "CREATE TABLE log (message VARCHAR(40))",
            "CREATE VIEW latest AS SELECT message FROM log",
        )
    )
    assert list(models_of(reflection)) == ["Keyed"]
    assert sorted(reflection.notices) == [
        "Table `log` has no primary key and is not served.",
        "View `latest` has no primary key and is not served.",
    ]


def test_an_empty_database_gives_no_models(database):
    reflection = reflect_models(database("sqlite"))
    assert (reflection.models, reflection.notices) == ([], [])


# --- names ------------------------------------------------------------------------------------------------------------

ODD_TABLES = [
    "order details",
    "2024",
    "user",
    "users",
    "Users_",
    "class",
    "None",
    "日本語",
    "a-b.c",
    "%",
    "naïve café",
    'quo"te',
    "semi;colon",
    ":bind",
    "select",
]
ODD_COLUMNS = [
    "from name",
    "class",
    "metadata",
    "registry",
    "query",
    "2nd",
    "%",
    "(x)",
    "a:b",
    "100% of it",
    "Meta",
    "__init__",
    "__table__",
    "_sa_instance_state",
    "_rev",
    "_",
    "None",
    "self",
    "a__b",
    "line1",
    "naïve",
    "数量",
    "select",
    'quo"te',
]


def quoted(engine_kind: str, name: str) -> str:
    """Write an identifier for a driver that takes `%` for a placeholder where it has parameters."""
    mark = "`" if engine_kind == "mariadb" else '"'
    return mark + name.replace(mark, mark * 2) + mark


@pytest.mark.contract("issue 2, odd names")
@every_database
def test_odd_table_names_give_valid_classes_with_urls_of_their_own(database, kind):
    ddl = [f"CREATE TABLE {quoted(kind, name)} (id INTEGER NOT NULL PRIMARY KEY)" for name in ODD_TABLES]
    engine = database(kind, *(statement.replace("%", "%%") if kind != "sqlite" else statement for statement in ddl))
    models = models_of(reflect_models(engine))
    segments = {segment_name(name, "kebab") for name in models}
    assert all(name.isidentifier() for name in models)
    assert len(models) == len(segments) == len(ODD_TABLES)
    assert {"OrderDetails", "Table2024", "Class", "日本語", "TableNone", "NaïveCafé"} <= models.keys()
    with Session(engine) as session:
        for model in models.values():
            session.add(model(id=1))
        session.commit()


@pytest.mark.contract("issue 2, odd names; decisions 17")
@every_database
def test_odd_column_names_can_be_read_written_and_filtered(database, kind):
    columns = ", ".join(f"{quoted(kind, name)} VARCHAR(20)" for name in ODD_COLUMNS)
    ddl = f"CREATE TABLE odd (id INTEGER NOT NULL PRIMARY KEY, {columns})"
    engine = database(kind, ddl.replace("%", "%%") if kind != "sqlite" else ddl)
    reflection = reflect_models(engine)
    odd = models_of(reflection)["Odd"]
    names = columns_of(odd)
    with Session(engine) as session:
        session.add(odd(**{name: name if name != "id" else 1 for name in names}))
        session.commit()
        for name in names[1:]:
            attribute = getattr(odd, name)
            assert session.scalars(sa.select(attribute).where(attribute == name)).all() == [name]
    assert len({field_name(name, "snake") for name in names}) == len(ODD_COLUMNS) + 1
    renamed = {"from_name", "column_2nd", "column", "x", "Meta_", "init", "table", "sa_instance_state", "None_"}
    assert renamed <= set(names)
    assert {"query", "_rev", "a__b", "line1", "naïve", "数量"} <= set(names)
    assert {"class_", "metadata_", "registry_", "self_"} <= set(names)
    assert "Column `from name` of `odd` is served as `from_name`." in reflection.notices
    assert not any("`class`" in notice or "`metadata`" in notice for notice in reflection.notices)


def test_columns_that_clients_could_not_tell_apart_are_numbered(database):
    engine = database("sqlite", 'CREATE TABLE t (id INTEGER PRIMARY KEY, albumId, "album id", album_id)')
    reflection = reflect_models(engine)
    assert columns_of(reflection.models[0]) == ["id", "albumId_2", "album_id_3", "album_id"]
    assert "Column `album id` of `t` is served as `album_id_3`." in reflection.notices


# --- foreign keys -----------------------------------------------------------------------------------------------------


@every_database
def test_two_keys_to_one_table_are_named_by_their_columns(database, kind):
    reflection = reflect_models(
        database(
            kind,
            "CREATE TABLE team (id INTEGER NOT NULL PRIMARY KEY)",
            "CREATE TABLE game (id INTEGER NOT NULL PRIMARY KEY, home_team_id INTEGER, away_team_id INTEGER,"
            " FOREIGN KEY (home_team_id) REFERENCES team (id), FOREIGN KEY (away_team_id) REFERENCES team (id))",
        )
    )
    models = models_of(reflection)
    assert relations_of(models["Game"]) == {"home_team": ("Team", False), "away_team": ("Team", False)}
    assert relations_of(models["Team"]) == {"home_team_games": ("Game", True), "away_team_games": ("Game", True)}
    assert models["Team"].Meta.relation_route_naming == "relationship"


@every_database
def test_a_table_may_refer_to_itself(database, kind):
    engine = database(
        kind,
        "CREATE TABLE node (id INTEGER NOT NULL PRIMARY KEY, parent_id INTEGER, boss INTEGER,"
        " FOREIGN KEY (parent_id) REFERENCES node (id), FOREIGN KEY (boss) REFERENCES node (id))",
        "INSERT INTO node VALUES (1, NULL, NULL)",
        "INSERT INTO node VALUES (2, 1, 1)",
    )
    node = models_of(reflect_models(engine))["Node"]
    assert relations_of(node) == {
        "parent": ("Node", False),
        "parent_nodes": ("Node", True),
        "boss_node": ("Node", False),
        "boss_node_nodes": ("Node", True),
    }
    with Session(engine) as session:
        child = session.get_one(node, 2)
        assert child.parent.parent_nodes == child.boss_node.boss_node_nodes == [child]


@every_database
def test_composite_keys_may_share_a_column(database, kind):
    engine = database(
        kind,
        "CREATE TABLE tenant (id INTEGER NOT NULL PRIMARY KEY)",
        "CREATE TABLE folder (tenant_id INTEGER NOT NULL, id INTEGER NOT NULL, parent_id INTEGER,"
        " PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id) REFERENCES tenant (id),"
        " FOREIGN KEY (tenant_id, parent_id) REFERENCES folder (tenant_id, id))",
        "CREATE TABLE note (id INTEGER NOT NULL PRIMARY KEY, tenant_id INTEGER, folder_id INTEGER, copy_id INTEGER,"
        " FOREIGN KEY (tenant_id, folder_id) REFERENCES folder (tenant_id, id),"
        " FOREIGN KEY (tenant_id, copy_id) REFERENCES folder (tenant_id, id))",
        "INSERT INTO tenant VALUES (1), (2)",
        "INSERT INTO folder VALUES (1, 1, NULL), (2, 1, NULL), (1, 2, 1), (2, 2, 1)",
        "INSERT INTO note VALUES (1, 1, 2, 1)",
    )
    models = models_of(reflect_models(engine))
    assert relations_of(models["Note"]) == {"folder": ("Folder", False), "copy": ("Folder", False)}
    with Session(engine) as session:
        inner = session.get_one(models["Folder"], (2, 2))
        assert (inner.parent.tenant_id, inner.parent.id) == (2, 1)
        assert inner.parent.folders == [inner]
        assert inner.tenant.id == 2
        note = session.get_one(models["Note"], 1)
        assert (note.folder.id, note.copy.id, note.folder.folder_notes, note.folder.copy_notes) == (2, 1, [note], [])


@every_database
def test_a_key_may_lead_to_a_unique_column(database, kind):
    engine = database(
        kind,
        "CREATE TABLE country (id INTEGER NOT NULL PRIMARY KEY, code VARCHAR(2) NOT NULL UNIQUE)",
        "CREATE TABLE city (id INTEGER NOT NULL PRIMARY KEY, country_code VARCHAR(2),"
        " FOREIGN KEY (country_code) REFERENCES country (code))",
        "INSERT INTO country VALUES (7, 'NO')",
        "INSERT INTO city VALUES (1, 'NO')",
    )
    models = models_of(reflect_models(engine))
    with Session(engine) as session:
        country = session.get_one(models["City"], 1).country
        assert (country.id, len(country.cities)) == (7, 1)


@every_database
def test_a_key_may_be_the_primary_key(database, kind):
    reflection = reflect_models(
        database(
            kind,
            "CREATE TABLE person (id INTEGER NOT NULL PRIMARY KEY)",
            "CREATE TABLE profile (id INTEGER NOT NULL PRIMARY KEY, FOREIGN KEY (id) REFERENCES person (id))",
        )
    )
    models = models_of(reflection)
    assert relations_of(models["Profile"]) == {"person": ("Person", False)}
    assert relations_of(models["Person"]) == {"profiles": ("Profile", True)}


@every_database
def test_keys_may_form_a_cycle(database, kind):
    engine = database(
        kind,
        "CREATE TABLE person (id INTEGER NOT NULL PRIMARY KEY, city_id INTEGER)",
        "CREATE TABLE city (id INTEGER NOT NULL PRIMARY KEY, mayor INTEGER,"
        " FOREIGN KEY (mayor) REFERENCES person (id))",
        "INSERT INTO person VALUES (1, 1)",
        "INSERT INTO city VALUES (1, 1)",
        *(["ALTER TABLE person ADD FOREIGN KEY (city_id) REFERENCES city (id)"] if kind != "sqlite" else []),
    )
    models = models_of(reflect_models(engine))
    assert relations_of(models["City"])["mayor_person"] == ("Person", False)
    with Session(engine) as session:
        session.add(models["Person"](id=2, city_id=1))
        session.commit()
        assert session.get_one(models["City"], 1).mayor_person.id == 1


@every_database
def test_an_association_of_a_table_with_itself_leads_both_ways(database, kind):
    engine = database(
        kind,
        "CREATE TABLE person (id INTEGER NOT NULL PRIMARY KEY)",
        "CREATE TABLE follow (follower_id INTEGER NOT NULL, idol_id INTEGER NOT NULL,"
        " PRIMARY KEY (follower_id, idol_id), FOREIGN KEY (follower_id) REFERENCES person (id),"
        " FOREIGN KEY (idol_id) REFERENCES person (id))",
        "INSERT INTO person VALUES (1), (2)",
        "INSERT INTO follow VALUES (1, 2)",
    )
    person = models_of(reflect_models(engine))["Person"]
    with Session(engine) as session:
        one, two = session.get_one(person, 1), session.get_one(person, 2)
        assert (one.idols, one.followers, two.followers, two.idols) == ([two], [], [one], [])


@every_database
def test_an_association_with_a_column_of_its_own_is_no_many_to_many(database, kind):
    reflection = reflect_models(
        database(
            kind,
            "CREATE TABLE a (id INTEGER NOT NULL PRIMARY KEY)",
            "CREATE TABLE b (id INTEGER NOT NULL PRIMARY KEY)",
            "CREATE TABLE a_b (a_id INTEGER NOT NULL, b_id INTEGER NOT NULL, note VARCHAR(9), PRIMARY KEY (a_id, b_id),"
            " FOREIGN KEY (a_id) REFERENCES a (id), FOREIGN KEY (b_id) REFERENCES b (id))",
        )
    )
    assert list(relations_of(models_of(reflection)["A"]).values()) == [("AB", True)]


@pytest.mark.contract("issue 2, never a crash")
def test_broken_keys_of_sqlite_are_named_and_the_rest_is_served(database):
    engine = database(
        "sqlite",
        "CREATE TABLE Artist (ArtistId INTEGER PRIMARY KEY)",
        "CREATE TABLE keyless (a)",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, ghost_id REFERENCES ghost, gone_id REFERENCES ghost(id),"
        " nokey_id REFERENCES keyless, bad_id REFERENCES artist(nowhere), artist_id REFERENCES artist(artistid),"
        " FOREIGN KEY (artist_id) REFERENCES Artist)",
    )
    reflection = reflect_models(engine)
    assert relations_of(models_of(reflection)["T"]) == {"artist": ("Artist", False)}
    told = [notice for notice in reflection.notices if "foreign key" in notice]
    assert sorted(told) == [
        "The foreign key `t` (bad_id) names columns that do not exist or are left out.",
        "The foreign key `t` (ghost_id) leads to `ghost`, which is not served.",
        "The foreign key `t` (gone_id) leads to `ghost`, which is not served.",
        "The foreign key `t` (nokey_id) leads to `keyless`, which is not served.",
    ]
    with Session(engine) as session:
        session.execute(sa.text("PRAGMA foreign_keys = OFF"))
        session.add(models_of(reflection)["T"](id=1, artist_id=3))
        session.flush()


def test_relationships_never_take_the_name_of_a_column_or_of_each_other(database):
    engine = database(
        "sqlite",
        "CREATE TABLE author (id INTEGER PRIMARY KEY, books TEXT)",
        "CREATE TABLE team (id INTEGER PRIMARY KEY)",
        "CREATE TABLE book (id INTEGER PRIMARY KEY, author INTEGER REFERENCES author, team TEXT,"
        " team_id INTEGER REFERENCES team)",
        "CREATE TABLE books_team (book_id INTEGER REFERENCES book, team_id INTEGER REFERENCES team,"
        " PRIMARY KEY (book_id, team_id))",
    )
    models = models_of(reflect_models(engine))
    assert list(relations_of(models["Book"])) == ["author_record", "team_record", "books_teams", "teams"]
    assert "author_record_books" in relations_of(models["Author"])
    for model in models.values():
        names = [*columns_of(model), *relations_of(model)]
        assert len({field_name(name, "snake") for name in names}) == len(names)


# --- types of SQLite --------------------------------------------------------------------------------------------------


@pytest.mark.contract("issue 2; SQLite types")
@pytest.mark.parametrize(
    "declared,written,read",
    [
        ("INTEGER", 2**62, 2**62),
        ("INT", "'abc'", "abc"),
        ("DATETIME", "'2009-01-01 00:00:00'", dt.datetime(2009, 1, 1)),
        ("DATETIME", "'2009-01-01T10:20:30.123456'", dt.datetime(2009, 1, 1, 10, 20, 30, 123456)),
        ("DATETIME", "'2009-01-01'", dt.datetime(2009, 1, 1)),
        ("DATETIME", "'soon'", "soon"),
        ("DATETIME", "1230768000", 1230768000),
        ("DATETIME", "x'00ff'", b"\x00\xff"),
        ("TIMESTAMP WITH TIME ZONE", "'2009-01-01 00:00:00'", dt.datetime(2009, 1, 1)),
        ("TIMESTAMP", "'never'", "never"),
        ("DATE", "'2009-01-31'", dt.date(2009, 1, 31)),
        ("DATE", "'31.1.2009'", "31.1.2009"),
        ("TIME", "'10:20:30'", dt.time(10, 20, 30)),
        ("TIME", "'noon'", "noon"),
        ("NUMERIC(10,2)", "12.3", Decimal("12.30")),
        ("NUMERIC(10,2)", "5", Decimal("5.00")),
        ("NUMERIC(10,2)", "9007199254740993", Decimal("9007199254740993.00")),
        ("NUMERIC(10,2)", "'n/a'", "n/a"),
        ("NUMERIC(10,2)", "x'00'", b"\x00"),
        ("NUMERIC", "0.99", Decimal("0.99")),
        ("NUMERIC", "9e999", float("inf")),
        ("MONEY", "0.5", Decimal("0.5")),
        ("UUID", "'0b6f'", "0b6f"),
        ("STRING", "'text'", "text"),
        ("BOOLEAN", "1", True),
        ("BOOLEAN", "0", False),
        ("BOOLEAN", "'t'", "t"),
        ("BOOLEAN", "7", 7),
        ("JSON", "'{\"a\": [1]}'", {"a": [1]}),
        ("JSON", "'{'", "{"),
        ("BLOB", "x'00ff'", b"\x00\xff"),
        ("BLOB", "'text'", "text"),
        ("BLOB", "1000000000000", 1000000000000),
        ("", "'anything'", "anything"),
        ("FLOAT", "0.5", 0.5),
        ("FLOAT", "'high'", "high"),
    ],
)
def test_sqlite_values_are_read_whatever_they_are(database, declared, written, read):
    engine = database(
        "sqlite", f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared})", f"INSERT INTO t VALUES (1, {written})"
    )
    model = models_of(reflect_models(engine))["T"]
    with engine.connect() as connection:
        value = connection.execute(sa.select(model.v)).scalar_one()
    assert (value, type(value)) == (read, type(read))


@pytest.mark.contract("issue 2; SQLite types")
@pytest.mark.parametrize(
    "declared,stored,value",
    [
        ("DATETIME", "2009-01-01 00:00:00", dt.datetime(2009, 1, 1)),
        ("DATETIME", "2009-01-01 00:00:00", dt.datetime(2009, 1, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2)))),
        ("DATETIME", "2009-01-01 00:00:00.500000", dt.datetime(2009, 1, 1, 0, 0, 0, 500000)),
        ("TIME", "10:20:30", dt.time(10, 20, 30)),
        ("DATE", "2009-01-01", dt.date(2009, 1, 1)),
        ("NUMERIC(10,2)", 12.3, Decimal("12.30")),
        ("NUMERIC(20,0)", 9007199254740993, Decimal("9007199254740993")),
        ("DATETIME", None, None),
    ],
)
def test_sqlite_values_are_written_as_other_programs_write_them(database, declared, stored, value):
    engine = database("sqlite", f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared})")
    model = models_of(reflect_models(engine))["T"]
    with engine.begin() as connection:
        connection.execute(sa.insert(model).values(id=1, v=value))
        connection.exec_driver_sql("INSERT INTO t VALUES (2, ?)", (stored,))
        assert connection.exec_driver_sql("SELECT v FROM t WHERE id = 1").scalar_one() == stored
        assert len(connection.execute(sa.select(model.id).where(model.v.is_not_distinct_from(value))).all()) == 2


def test_lenient_columns_keep_the_reflected_type(database):
    engine = database("sqlite", "CREATE TABLE t (id INTEGER PRIMARY KEY, a NUMERIC(10,2), b NUMERIC(8,3))")
    model = models_of(reflect_models(engine))["T"]
    types = [model.__table__.c[name].type for name in ("a", "b")]
    assert all(isinstance(type_, Lenient) and isinstance(type_.impl_instance, sa.Numeric) for type_ in types)
    assert [type_.impl_instance.scale for type_ in types] == [2, 3]
    # One compiled statement may not serve both.
    assert types[0]._static_cache_key != types[1]._static_cache_key


def test_sqlite_columns_without_a_type_are_named(database):
    reflection = reflect_models(database("sqlite", "CREATE TABLE t (id INTEGER PRIMARY KEY, v)"))
    assert reflection.notices == ["Column `v` of `t` has no known type and is served as text."]


def test_only_the_row_id_of_sqlite_counts_itself_up(database):
    reflection = reflect_models(
        database("sqlite", "CREATE TABLE a (id INTEGER PRIMARY KEY)", "CREATE TABLE b (id INT PRIMARY KEY)")
    )
    counted = [model.__table__.autoincrement_column is not None for model in reflection.models]
    assert counted == [True, False]


def test_virtual_tables_of_sqlite_and_what_they_store_are_not_served(database):
    engine = database(
        "sqlite", "CREATE VIRTUAL TABLE found USING fts5(body)", "CREATE TABLE t (id INTEGER PRIMARY KEY)"
    )
    reflection = reflect_models(engine)
    assert list(models_of(reflection)) == ["T"]
    assert reflection.notices == ["Virtual table `found` has no primary key and is not served."]


# --- types of the servers ---------------------------------------------------------------------------------------------


@every_database
def test_generated_columns_and_defaults_are_known(database, kind):
    engine = database(
        kind,
        "CREATE TABLE t (id INTEGER NOT NULL PRIMARY KEY, a INTEGER NOT NULL DEFAULT 2,"
        " b INTEGER GENERATED ALWAYS AS (a * 2) STORED)",
    )
    model = models_of(reflect_models(engine))["T"]
    assert model.__table__.c.b.computed is not None
    with Session(engine) as session:
        row = model(id=1)
        session.add(row)
        session.commit()
        assert (row.a, row.b) == (2, 4)


def test_times_of_mariadb_are_times_within_a_day(database):
    engine = database("mariadb", "CREATE TABLE t (id INT PRIMARY KEY, at TIME(6))")
    model = models_of(reflect_models(engine))["T"]
    moment = dt.time(23, 59, 59, 999999)
    with engine.begin() as connection:
        connection.execute(sa.insert(model).values(id=1, at=moment))
        assert connection.execute(sa.select(model.at).where(model.at == moment)).scalar_one() == moment


def test_types_of_mariadb(database):
    engine = database(
        "mariadb",
        "CREATE TABLE t (id INT UNSIGNED AUTO_INCREMENT PRIMARY KEY, flag TINYINT(1), tiny TINYINT,"
        " big BIGINT UNSIGNED, word ENUM('a','b'), words SET('x','y'), made YEAR, spot POINT, long_time TIME,"
        " ratio DOUBLE, doc JSON, bits BIT(4), price DECIMAL(10,2), shape GEOMETRY NOT NULL)",
        "INSERT INTO t VALUES (4294967295, 1, -5, 18446744073709551615, 'b', 'y,x', 2024, NULL, '-26:00:00', 0.1,"
        " '{\"a\": 1}', b'101', 1.5, ST_GeomFromText('POINT(1 1)'))",
    )
    reflection = reflect_models(engine)
    model = models_of(reflection)["T"]
    with engine.connect() as connection:
        row = connection.execute(sa.select(*model.__table__.c)).one()._asdict()
    assert row == {
        "id": 4294967295,
        "flag": True,
        "tiny": -5,
        "big": 18446744073709551615,
        "word": "b",
        "words": "x,y",
        "made": 2024,
        "long_time": dt.timedelta(hours=-26),
        "ratio": 0.1,
        "doc": '{"a": 1}',
        "bits": 5,
        "price": Decimal("1.50"),
    }
    assert row["flag"] is True
    assert reflection.notices == [
        "Column `spot` of `t` has an unknown type and is left out.",
        "Column `shape` of `t` has an unknown type and is left out; rows cannot be created without it.",
    ]


def test_types_of_postgresql(database):
    engine = database(
        "postgresql",
        "CREATE TYPE mood AS ENUM ('sad', 'happy')",
        "CREATE DOMAIN positive AS integer CHECK (value > 0)",
        "CREATE DOMAIN tiny_positive AS positive CHECK (value < 9)",
        "CREATE TABLE t (id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, feels mood, size tiny_positive,"
        " words TEXT[], moods mood[], doc JSONB, span INT4RANGE, found TSVECTOR, host INET, spot POINT, key UUID,"
        " at TIMESTAMPTZ, wait INTERVAL, number DOUBLE PRECISION, sizes positive[], price NUMERIC(10,2))",
        "INSERT INTO t (feels, size, words, moods, doc, span, found, host, key, at, wait, number, sizes, price) VALUES"
        " ('sad', 3, '{a,NULL}', '{happy}', '{\"a\": 1}', '[1,5)', 'a b', '10.0.0.1',"
        " '0b6f1c9e-7c0e-4c55-9d3c-0242ac130003', '2009-01-01 00:00:00+00', '1 day', 0.1, '{1}', 1.5)",
    )
    reflection = reflect_models(engine)
    model = models_of(reflection)["T"]
    assert reflection.notices == [
        "Column `spot` of `t` has an unknown type and is left out.",
        "Column `sizes` of `t` has an unknown type and is left out.",
    ]
    assert isinstance(model.__table__.c.size.type, sa.Integer)
    assert model.__table__.c.id.identity is not None
    with engine.connect() as connection:
        row = connection.execute(sa.select(*model.__table__.c)).one()._asdict()
    assert json.loads(json.dumps(row, default=str)) == {
        "id": 1,
        "feels": "sad",
        "size": 3,
        "words": ["a", None],
        "moods": ["happy"],
        "doc": {"a": 1},
        "span": "[1,5)",
        "found": "'a' 'b'",
        "host": "10.0.0.1",
        "key": "0b6f1c9e-7c0e-4c55-9d3c-0242ac130003",
        "at": row["at"].isoformat(" "),
        "wait": "1 day, 0:00:00",
        "number": 0.1,
        "price": "1.50",
    }


def test_a_table_with_a_key_of_unknown_type_is_named(database):
    engine = database(
        "postgresql", "CREATE DOMAIN code AS integer", "CREATE TABLE t (codes code[] PRIMARY KEY, note TEXT)"
    )
    reflection = reflect_models(engine)
    assert reflection.models == []
    assert reflection.notices == [
        "Column `codes` of `t` has an unknown type and is left out; rows cannot be created without it.",
        "Table `t` is not served, because its key `codes` is left out.",
    ]


def test_schemas_of_postgresql(database):
    engine = database(
        "postgresql",
        "CREATE SCHEMA sales",
        "CREATE TABLE customer (id SERIAL PRIMARY KEY)",
        "CREATE TABLE sales.product (id SERIAL PRIMARY KEY)",
        "CREATE TABLE sales.purchase (id SERIAL PRIMARY KEY, product_id INT REFERENCES sales.product,"
        " customer_id INT REFERENCES customer)",
        "CREATE MATERIALIZED VIEW sales.total AS SELECT count(*) FROM sales.purchase",
    )
    assert list(models_of(reflect_models(engine))) == ["Customer"]
    reflection = reflect_models(engine, schema="sales")
    models = models_of(reflection)
    assert relations_of(models["Purchase"]) == {"product": ("Product", False)}
    assert "View `total` has no primary key and is not served." in reflection.notices
    assert any("(customer_id) leads to `customer`" in notice for notice in reflection.notices)
    with Session(engine) as session:
        session.add(models["Purchase"](product=models["Product"]()))
        session.commit()


# --- speed ------------------------------------------------------------------------------------------------------------


@pytest.mark.contract("issue 2, start-up")
def test_start_up_time_grows_with_the_number_of_tables_only(database):
    tables = [
        f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY, a TEXT, b DATETIME, t{n - 1}_id INTEGER REFERENCES t{n - 1})"
        for n in range(1, 201)
    ]
    engine = database("sqlite", "CREATE TABLE t0 (id INTEGER PRIMARY KEY)", *tables)
    # Half a second of work; the bound leaves room for slow machines and for measuring coverage.
    started = time.process_time()
    assert len(reflect_models(engine).models) == 201
    assert time.process_time() - started < 5


def test_the_name_that_needs_no_change_wins(database: Database) -> None:
    engine = database(
        "sqlite",
        'CREATE TABLE api (id INTEGER PRIMARY KEY, "x y" TEXT, "x-y" TEXT, x_y TEXT)',
        "CREATE TABLE apis (id INTEGER PRIMARY KEY)",
    )
    reflection = reflect_models(engine)
    classes = {str(sa.inspect(model).local_table.name): model.__name__ for model in reflection.models}
    assert classes == {"api": "Api2", "apis": "Apis"}
    columns = sa.inspect(next(model for model in reflection.models if model.__name__ == "Api2")).local_table.columns
    assert {column.name: column.key for column in columns} == {"id": "id", "x y": "x_y_2", "x-y": "x_y_3", "x_y": "x_y"}


def test_names_that_are_empty_are_left_out(database: Database) -> None:
    engine = database(
        "sqlite",
        'CREATE TABLE blank (id INTEGER PRIMARY KEY, "" TEXT, " " TEXT)',
        'CREATE TABLE "" (id INTEGER PRIMARY KEY)',
    )
    reflection = reflect_models(engine)
    assert [list(sa.inspect(model).columns.keys()) for model in reflection.models] == [["id", "column"]]
    assert "A column of `blank` has an empty name and is left out." in reflection.notices
    assert "A table has an empty name and is not served." in reflection.notices
