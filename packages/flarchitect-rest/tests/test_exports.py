"""All rows of a collection as CSV or NDJSON, streamed (bar F140)."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import tracemalloc

import pytest
import sqlalchemy as sa
from flask import abort, got_request_exception
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from flarchitect_core.testing import count_statements, error_of

CSV = {"Accept": "text/csv"}
NDJSON = {"Accept": "application/x-ndjson"}
MANY = 1203


def records_of(response):
    """Give the records of an NDJSON export."""
    assert (response.status_code, response.mimetype) == (200, "application/x-ndjson"), response.get_data(as_text=True)
    return [json.loads(line) for line in response.get_data(as_text=True).splitlines()]


def table_of(response):
    """Give the rows of a CSV export, header first."""
    assert (response.status_code, response.content_type) == (200, "text/csv; charset=utf-8")
    return list(csv.reader(io.StringIO(response.get_data(as_text=True), newline="")))


@pytest.fixture
def exporting(serve, cinema, fill):
    """The cinema with more films than one chunk has."""
    served = serve(cinema.Base, API_ALLOW_EXPORT=True)
    fill(served, cinema, films=MANY)
    return served


def pages_of(served, url):
    """Give the records of all pages of a collection."""
    records = []
    while url:
        body = served.get(url).get_json()
        records += body["value"]
        url = body["next_url"]
    return records


@pytest.mark.contract("bar F140")
@pytest.mark.parametrize(
    "query",
    [
        "order_by=-year",
        "dump=json&order_by=title",
        "dump=json&year__gt=3100&fields=title,actors",
        "year__in=2001,2500&fields=id,studio",
        "year__gt=9000",
        "_=1",
    ],
)
def test_an_export_has_the_records_of_all_pages(exporting, query):
    expected = pages_of(exporting, f"/api/films?{query}&limit=100")
    assert records_of(exporting.get(f"/api/films?{query}", headers=NDJSON)) == expected
    header, *rows = table_of(exporting.get(f"/api/films?{query}", headers=CSV))
    assert len(rows) == len(expected)
    for row, record in zip(rows, expected, strict=True):
        assert header == list(record)
        for text, value in zip(row, record.values(), strict=True):
            assert text == (
                json.dumps(value, separators=(",", ":")) if isinstance(value, list | dict) else _text(value)
            )


def _text(value):
    return "" if value is None else str(value)


def test_the_rows_of_a_relation_are_exported(exporting):
    assert len(records_of(exporting.get("/api/studios/1/films", headers=NDJSON))) == MANY
    assert len(records_of(exporting.get("/api/actors/1/films?limit=700", headers=NDJSON))) == 700
    assert records_of(exporting.get("/api/studios/2/films", headers=NDJSON)) == []
    assert len(table_of(exporting.get("/api/studios/2/films", headers=CSV))) == 1
    error_of(exporting.get("/api/studios/9/films", headers=CSV), 404, "parent_not_found")


def test_an_export_works_with_every_kind_of_session(serve, cinema, fill, sessions):
    served = serve(cinema.Base, sessions=sessions, API_ALLOW_EXPORT=True)
    fill(served, cinema, films=MANY)
    assert len(records_of(served.get("/api/films?dump=json", headers=NDJSON))) == MANY
    assert len(table_of(served.get("/api/films", headers=CSV))) == MANY + 1
    assert served.engine.pool.checkedout() == 0


def test_the_name_of_the_file_and_what_the_answer_depends_on(exporting):
    response = exporting.get("/api/films?limit=1", headers=CSV)
    assert response.headers["Content-Disposition"] == "attachment; filename=films.csv"
    assert response.headers["Vary"] == "Accept"
    assert "Content-Length" not in response.headers


def test_a_client_that_likes_json_better_gets_a_page(exporting):
    accept = {"Accept": "text/csv;q=0.5, application/json"}
    assert exporting.get("/api/films", headers=accept).get_json()["total_count"] == MANY
    error_of(exporting.get("/api/films/1", headers=CSV), 406, "not_acceptable")
    error_of(exporting.post("/api/studios", json={"name": "x"}, headers=CSV), 406, "not_acceptable")


def test_head_gives_the_headers_and_returns_the_connection(exporting):
    response = exporting.client.head("/api/films", headers=CSV)
    assert (response.status_code, response.mimetype, response.data) == (200, "text/csv", b"")
    assert exporting.engine.pool.checkedout() == 0


@pytest.mark.contract("bar F140")
def test_exports_are_off_unless_allowed(cinema_app):
    for accept in (CSV, NDJSON):
        errors = error_of(cinema_app.get("/api/films", headers=accept), 406, "export_not_allowed")
        assert "API_ALLOW_EXPORT" in errors["message"]
    assert cinema_app.get("/api/films", headers={"Accept": "text/csv, */*;q=0.1"}).mimetype == "application/json"


@pytest.mark.parametrize(
    "query, status, reason",
    [
        ("limit=0", 400, "invalid_limit"),
        ("limit=x", 400, "invalid_limit"),
        ("limit=1&limit=2", 400, "duplicate_parameter"),
        ("limit=1001", 400, "limit_exceeds_maximum"),
        ("page=1", 400, "invalid_page"),
        ("yaer__eq=1", 400, "invalid_column"),
        ("", 400, "too_many_rows"),
        ("year__gt=2100", 400, "too_many_rows"),
    ],
)
def test_a_wrong_export_is_refused_before_it_begins(serve, cinema, fill, query, status, reason):
    served = serve(cinema.Base, API_ALLOW_EXPORT=True, API_EXPORT_ROWS_MAX=1000)
    fill(served, cinema, films=MANY)
    errors = error_of(served.get(f"/api/films?{query}", headers=CSV), status, reason)
    if reason == "too_many_rows":
        assert errors["maximum"] == 1000
    assert len(records_of(served.get("/api/films?limit=1000", headers=NDJSON))) == 1000
    assert len(records_of(served.get("/api/films?year__gt=2203", headers=NDJSON))) == 1000
    assert served.engine.pool.checkedout() == 0


def test_the_number_of_statements_grows_with_the_chunks_only(exporting):
    with count_statements(exporting.engine) as log:
        records_of(exporting.get("/api/films?dump=json", headers=NDJSON))
    # Three chunks, each with its studios, awards and actors; the count; rows, which MariaDB reads page by page.
    assert len(log) <= 3 * 3 + 1 + 3


def test_a_chunk_with_many_related_rows_is_read_in_parts(serve, cinema, fill):
    served = serve(cinema.Base, API_ALLOW_EXPORT=True, API_INLINE_ROWS_MAX=100)
    fill(served, cinema, films=300)
    records = records_of(served.get("/api/films?dump=json&fields=awards", headers=NDJSON))
    assert [record["awards"][0]["id"] for record in records] == list(range(1, 301))
    error_of(served.get("/api/studios?dump=json", headers=NDJSON), 400, "too_many_related_rows")


class Wild(DeclarativeBase):
    pass


class Cell(Wild):
    __tablename__ = "cells"

    class Meta:
        allow_export = True

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(200))
    number: Mapped[int | None]
    amount: Mapped[float | None]
    is_good: Mapped[bool | None]
    price: Mapped[object] = mapped_column(sa.Numeric(8, 2), nullable=True)
    extra: Mapped[object] = mapped_column(sa.JSON, nullable=True)


FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\tx", "\rx", "\nx", '=HYPERLINK("http://x","y")', "=cmd|' /C calc'!A0"]
HARMLESS = ["plain", "a=b", "a,b", 'quo"ted', "two\r\nlines", "-5", "-5.25", "'=1", " x", "ÅØ漢", "1e5", "null"]


@pytest.mark.contract("bar R26")
def test_csv_is_rfc_4180_and_no_formula(serve):
    served = serve(Wild)
    texts = [*FORMULAS, *HARMLESS]
    served.execute(sa.insert(Cell), [{"id": n, "text": text} for n, text in enumerate(texts, 1)])
    header, *rows = table_of(served.get("/api/cells?fields=id,text", headers=CSV))
    assert header == ["id", "text"]
    assert [row[1] for row in rows] == [*(f"'{text}" for text in FORMULAS), *HARMLESS]
    raw = served.get("/api/cells?fields=text&limit=1", headers=CSV).data
    assert raw == b"text\r\n'=1+1\r\n"
    # NDJSON is for programs, which run nothing.
    assert [record["text"] for record in records_of(served.get("/api/cells", headers=NDJSON))] == texts


def test_every_type_is_written_as_json_writes_it(serve):
    served = serve(Wild)
    values = {"text": "x", "number": -7, "amount": -1.5, "is_good": True, "price": -2.5, "extra": {"a": ["=1", None]}}
    served.execute(sa.insert(Cell), [{"id": 1, **values}])
    served.execute(sa.insert(Cell), [{"id": 2, "text": "y"}])
    _, full, empty = table_of(served.get("/api/cells", headers=CSV))
    assert full == ["1", "x", "-7", "-1.5", "true", "-2.50", '{"a":["=1",null]}']
    assert empty[:6] == ["2", "y", "", "", "", ""]


class Unreadable(sa.TypeDecorator):
    """A column type that cannot read what somebody else has stored."""

    impl = sa.String(20)
    cache_ok = True

    def process_result_value(self, value, dialect):
        if value == "broken":
            raise ValueError("secret of the server")
        return value


class Broken(DeclarativeBase):
    pass


class Thing(Broken):
    __tablename__ = "things"

    class Meta:
        allow_export = True

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Unreadable)


@pytest.fixture
def breaking(serve):
    """Rows of which one in the second chunk cannot be read."""
    served = serve(Broken)
    table = sa.table("things", sa.column("id"), sa.column("name"))
    rows = [{"id": n, "name": "broken" if n == 700 else "good"} for n in range(1, 1001)]
    served.execute(sa.insert(table), rows)
    return served


@pytest.mark.contract("bar F140")
@pytest.mark.parametrize("accept", [CSV, NDJSON], ids=["csv", "ndjson"])
def test_a_failure_in_the_middle_can_be_seen(breaking, accept):
    told = []
    with got_request_exception.connected_to(lambda app, exception: told.append(exception), breaking.app):
        response = breaking.get("/api/things", headers=accept, buffered=False)
        received = []
        # The server that sends this closes the connection without the end of the body.
        with pytest.raises(ValueError, match="secret of the server"):
            received.extend(response.iter_encoded())
        response.close()
    lines = b"".join(received).decode().splitlines()
    assert len(told) == 1
    if accept is NDJSON:
        errors = json.loads(lines.pop())["errors"]
        assert errors["reason"] == "unexpected_error"
        assert errors["request_id"] == response.headers["X-Request-ID"]
    assert "secret" not in str(lines[-1])
    assert len(lines) in (500, 501)
    assert breaking.engine.pool.checkedout() == 0


@pytest.mark.contract("rest 7.2, D10")
def test_callbacks_hold_for_exports(serve, cinema, fill):
    def only_late(query, model, params):
        return query.where(model.year > 2003) if model is cinema.Film else query

    def shout(data, **_):
        return {**data, "shouted": data["title"].upper()} if "title" in data else data

    served = serve(cinema.Base, API_ALLOW_EXPORT=True, API_FILTER_CALLBACK=only_late, API_DUMP_CALLBACK=shout)
    fill(served, cinema)
    assert [record["shouted"] for record in records_of(served.get("/api/films", headers=NDJSON))] == [
        "FILM 4",
        "FILM 5",
    ]
    header, *rows = table_of(served.get("/api/films?fields=title", headers=CSV))
    assert (header, rows[0]) == (["title", "shouted"], ["Film 4", "FILM 4"])


@pytest.mark.contract("rest 7.2")
def test_a_setup_callback_may_refuse_an_export_and_a_return_callback_excludes_it(serve, cinema, fill):
    def refuse(model, **arguments):
        abort(403)

    served = serve(cinema.Base, API_ALLOW_EXPORT=True, API_GLOBAL_SETUP_CALLBACK=refuse)
    fill(served, cinema)
    error_of(served.get("/api/films", headers=CSV), 403)
    other = serve(cinema.Base, API_ALLOW_EXPORT=True, API_RETURN_CALLBACK=lambda output, **_: {"output": output})
    error_of(other.get("/api/films", headers=CSV), 406, "export_not_allowed")


def test_a_failure_at_the_beginning_is_an_error_like_any_other(breaking):
    error_of(breaking.get("/api/things?id__gt=600", headers=NDJSON), 500, "unexpected_error")
    assert breaking.engine.pool.checkedout() == 0


@pytest.mark.contract("bar F140")
@pytest.mark.parametrize("query", ["", "?dump=json"])
def test_the_connection_is_returned_when_the_client_goes_away(exporting, query):
    response = exporting.get(f"/api/films{query}", headers=NDJSON, buffered=False)
    assert next(iter(response.iter_encoded())) is not None
    assert exporting.engine.pool.checkedout() == 1
    response.close()
    assert exporting.engine.pool.checkedout() == 0
    # Nobody has read a single byte of this one.
    exporting.get(f"/api/films{query}", headers=NDJSON, buffered=False).close()
    assert exporting.engine.pool.checkedout() == 0
    assert len(records_of(exporting.get(f"/api/films{query}", headers=NDJSON))) == MANY


@pytest.mark.contract("bar F140")
@pytest.mark.parametrize("query", ["fields=id,title", "dump=json&fields=id,title,awards"])
def test_an_export_is_of_one_moment(exporting, cinema, database_kind, query):
    if database_kind == "sqlite":
        pytest.skip("SQLite lets nobody write while an export reads")
    response = exporting.get(f"/api/films?{query}", headers=NDJSON, buffered=False)
    chunks = response.iter_encoded()
    received = [next(chunks), next(chunks)]
    exporting.execute(sa.update(cinema.Film).values(title="changed"))
    exporting.execute(sa.update(cinema.Award).values(label="changed"))
    exporting.execute(sa.insert(cinema.Film), [{"id": MANY + 1, "title": "new"}])
    received += chunks
    response.close()
    body = b"".join(received).decode()
    assert len(body.splitlines()) == MANY
    assert "changed" not in body


class Lazy(DeclarativeBase):
    pass


class Owner(Lazy):
    __tablename__ = "owners"

    class Meta:
        allow_export = True

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    pets: Mapped[list[Pet]] = relationship(back_populates="owner", lazy="selectin")


class Pet(Lazy):
    __tablename__ = "pets"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(sa.ForeignKey("owners.id"))
    owner: Mapped[Owner] = relationship(back_populates="pets")


Owner.shouted = column_property(sa.func.upper(Owner.name))


def test_what_a_model_loads_by_itself_is_left_alone(serve):
    served = serve(Lazy)
    served.execute(sa.insert(Owner), [{"id": n, "name": f"o{n}"} for n in range(1, 701)])
    served.execute(sa.insert(Pet), [{"id": n, "owner_id": n} for n in range(1, 701)])
    records = records_of(served.get("/api/owners", headers=NDJSON))
    assert records[-1] == {"id": 700, "name": "o700", "shouted": "O700", "pets": "/api/owners/700/pets"}


@pytest.mark.contract("bar F140")
@pytest.mark.parametrize("accept", [CSV, NDJSON], ids=["csv", "ndjson"])
def test_the_memory_of_an_export_does_not_grow_with_its_rows(serve, cinema, accept):
    served = serve(cinema.Base, API_ALLOW_EXPORT=True)
    insert_films(served, cinema, 50_000)

    def peak(limit):
        tracemalloc.start()
        try:
            response = served.get(f"/api/films?limit={limit}", headers=accept, buffered=False)
            lines = sum(chunk.count(b"\n") for chunk in response.iter_encoded())
            response.close()
            return lines, tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(1000)  # what is made once and kept
    _, few = peak(2_000)
    lines, many = peak(50_000)
    assert lines in (50_000, 50_001)
    assert many < few + 1_000_000


def insert_films(served, cinema, count):
    """Insert films in portions, so that the test itself needs little memory."""
    for start in range(0, count, 10_000):
        numbers = range(start + 1, min(start + 10_000, count) + 1)
        served.execute(sa.insert(cinema.Film), [{"id": n, "title": f"Film {n}", "year": n % 100} for n in numbers])


@pytest.mark.contract("bar F140")
@pytest.mark.stress
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform != "linux", reason="Only Linux tells the peak of a program apart from who started it.")
def test_a_million_rows_stay_under_150_megabytes(serve, cinema, database_uri):
    served = serve(cinema.Base)
    insert_films(served, cinema, 1_000_000)
    # A process of its own, whose peak is that of the export.
    program = f"""
from flarchitect_core.testing import make_app
from flarchitect_rest.part import RestPart
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase
engine = sa.create_engine({database_uri!r})
class Base(DeclarativeBase): pass
class Film(Base):
    __table__ = sa.Table("films", Base.metadata, autoload_with=engine)
    class Meta: pass
app = make_app(Base, {database_uri!r}, parts=[RestPart()], API_ALLOW_EXPORT=True)
response = app.test_client().get("/api/films", headers={NDJSON!r}, buffered=False)
lines = sum(chunk.count(b"\\n") for chunk in response.iter_encoded())
response.close()
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(lines, int(peak.split()[1]) // 1024)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=550)  # noqa: S603 - our own interpreter and text
    assert done.returncode == 0, done.stderr
    lines, megabytes = map(int, done.stdout.split())
    print(f"{lines} rows, {megabytes} MB")
    assert lines == 1_000_000
    assert megabytes < 150


def test_embedded_rows_that_need_instances_do_not_end_the_stream(serve):
    class Base(DeclarativeBase):
        pass

    class Team(Base):
        __tablename__ = "export_teams"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20))

        @hybrid_property
        def shouted(self) -> str:
            return "".join(sorted(self.name)).upper()

    class Player(Base):
        __tablename__ = "export_players"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        team_id: Mapped[int] = mapped_column(sa.ForeignKey("export_teams.id"))
        team = relationship(Team)

    served = serve(Base, API_ALLOW_EXPORT=True)
    served.execute(sa.insert(Team), [{"id": 1, "name": "ab"}])
    served.execute(sa.insert(Player), [{"id": number, "team_id": 1} for number in range(1, MANY + 1)])
    records = records_of(served.get("/api/players?dump=json", headers=NDJSON))
    assert len(records) == MANY
    assert {record["team"]["shouted"] for record in records} == {"AB"}
