"""Pages by cursor: every row once in any order, and cursors that nobody else can write."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import logging
import random
import uuid
from urllib.parse import parse_qs, urlsplit

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.testing import count_statements, error_of

pytestmark = pytest.mark.contract("rest 3.5")


class Base(DeclarativeBase):
    pass


class Colour(enum.Enum):
    RED = 1
    AMBER = 2
    GREEN = 3


class Guid(sa.TypeDecorator[uuid.UUID]):
    """Has values of its own in Python, and text in the database."""

    impl = sa.CHAR(32)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        return None if value is None else value.hex

    def process_result_value(self, value, dialect):
        return None if value is None else uuid.UUID(value)


class Depot(Base):
    __tablename__ = "depots"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    town: Mapped[str | None] = mapped_column(sa.String(20))
    parcels: Mapped[list[Parcel]] = relationship(back_populates="depot", order_by="Parcel.rank.desc()")


class Parcel(Base):
    """Rows with a column of each kind that can be sorted."""

    __tablename__ = "parcels"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    rank: Mapped[int]
    label: Mapped[str | None] = mapped_column(sa.String(20))
    mark: Mapped[str | None] = mapped_column(sa.CHAR(6))
    price: Mapped[decimal.Decimal | None] = mapped_column(sa.Numeric(10, 2))
    weight: Mapped[float | None] = mapped_column(sa.Float)
    height: Mapped[float | None] = mapped_column(sa.REAL)
    seen: Mapped[dt.datetime | None] = mapped_column(sa.DateTime(timezone=True))
    packed: Mapped[dt.datetime | None] = mapped_column(server_default=sa.func.current_timestamp())
    day: Mapped[dt.date | None]
    hour: Mapped[dt.time | None]
    span: Mapped[dt.timedelta | None]
    colour: Mapped[Colour | None] = mapped_column(sa.Enum(Colour))
    is_open: Mapped[bool | None]
    code: Mapped[uuid.UUID | None] = mapped_column(sa.Uuid)
    guid: Mapped[uuid.UUID | None] = mapped_column(Guid)
    depot_id: Mapped[int | None] = mapped_column(sa.ForeignKey("depots.id"))
    depot: Mapped[Depot | None] = relationship(back_populates="parcels")


class Shelf(Base):
    """Has a composite key of text that no URL holds as it is."""

    __tablename__ = "shelves"

    class Meta:
        pass

    aisle: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class Blob(Base):
    __tablename__ = "blobs"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    body: Mapped[str] = mapped_column(sa.Text)


def parcels(count=40, seed=7):
    """Give rows with ties and without values in every column."""
    pick = random.Random(seed)  # noqa: S311

    def maybe(*values):
        return pick.choice((None, *values))

    zone = dt.timezone.utc
    return [
        {
            "id": number,
            "rank": pick.randrange(4),
            "label": maybe("a", "b", "zz", "ü"),
            "mark": maybe("x", "y ", "z"),
            "price": maybe(decimal.Decimal("0.10"), decimal.Decimal("99999999.99"), decimal.Decimal(-1)),
            "weight": maybe(0.1, 1.2345678901, -1e30, 1e-30),
            "height": maybe(0.1, 1.2345678901, 3.25),
            "seen": maybe(dt.datetime(2020, 1, 1, 10, tzinfo=zone), dt.datetime(2020, 1, 1, 10, 0, 0, 5, tzinfo=zone)),
            "day": maybe(dt.date(2020, 1, 1), dt.date(1999, 12, 31)),
            "hour": maybe(dt.time(10, 0), dt.time(23, 59, 59)),
            "span": maybe(dt.timedelta(days=400), dt.timedelta(seconds=1)),
            "colour": maybe(*Colour),
            "is_open": maybe(True, False),
            "code": maybe(uuid.UUID(int=1), uuid.UUID(int=2**127)),
            "guid": maybe(uuid.UUID(int=1), uuid.UUID(int=2**127)),
            "depot_id": maybe(1, 2, 3),
        }
        for number in range(1, count + 1)
    ]


@pytest.fixture
def depot(serve):
    served = serve(Base, SECRET_KEY="a key of the tests")
    served.execute(sa.insert(Depot), [{"id": n, "town": town} for n, town in enumerate(("Oslo", None, "Bergen"), 1)])
    served.execute(sa.insert(Parcel), parcels())
    return served


def pages(served, url, link="next_url"):
    """Follow links from a URL and give the bodies."""
    found = []
    while url is not None:
        assert len(found) < 200, "the links go on for ever"
        response = served.get(url)
        assert response.status_code == 200, response.get_data(as_text=True)
        found.append(response.get_json())
        url = found[-1][link]
    return found


def ids(bodies):
    """Give the keys on each page."""
    return [[record["id"] for record in body["value"]] for body in bodies]


def flat(lists):
    return [item for each in lists for item in each]


def forth_and_back(served, url):
    """Walk to the end and back to the start, and give the keys in both directions."""
    forth = pages(served, url)
    last = forth[-1]["previous_url"]
    back = pages(served, last, "previous_url") if last else []
    return flat(ids(forth)), flat(ids(back[::-1])) + ids(forth)[-1]


SORTABLE = [
    "rank", "label", "mark", "price", "weight", "height", "seen", "packed", "day", "hour", "span", "colour",
    "is_open", "code", "guid", "depot_id", "depot.town", "id",
]  # fmt: skip


@pytest.mark.contract("F33")
@pytest.mark.parametrize("direction", ["", "-"])
@pytest.mark.parametrize("column", SORTABLE)
def test_every_row_comes_once_whatever_the_order(depot, column, direction):
    everything = set(range(1, 41))
    for nulls in ("", ":nullsfirst", ":nullslast"):
        url = f"/api/parcels?order_by={direction}{column}{nulls}&limit=3&fields=id&cursor="
        forth, back = forth_and_back(depot, url)
        assert (len(forth), set(forth)) == (40, everything)
        assert forth == back
        if column != "colour" and (nulls or column in ("rank", "id")):
            assert forth == [
                record["id"] for record in depot.value(f"/api/parcels?order_by={direction}{column}{nulls}&limit=100")
            ]


@pytest.mark.contract("F33")
@pytest.mark.parametrize(
    "order",
    [
        "rank,label,-price",
        "-label:nullslast,rank,-day:nullsfirst",
        "-rank,-id",
        "depot.town,-label,seen",
        "-rank,depot_id,-weight,colour,is_open",
    ],
)
def test_every_row_comes_once_with_several_keys_and_directions(depot, order):
    for size in (1, 7, 39, 40, 41):
        forth, back = forth_and_back(depot, f"/api/parcels?order_by={order}&limit={size}&fields=id&cursor=")
        assert sorted(forth) == list(range(1, 41))
        assert forth == back


def test_rows_without_a_value_are_the_least_on_every_database(depot):
    def places(order):
        rows = flat(body["value"] for body in pages(depot, f"/api/parcels?order_by={order}&cursor=&limit=100"))
        return [index for index, row in enumerate(rows) if row["label"] is None]

    first = places("label")
    assert first == list(range(len(first)))
    assert places("-label") == list(range(40 - len(first), 40))
    assert places("label:nullslast") == list(range(40 - len(first), 40))


@pytest.mark.contract("F4")
def test_composite_keys_and_any_text_in_them(serve):
    served = serve(Base)
    keys = [(aisle, number) for aisle in ("a/b", "a,b", "ü", "", "%") for number in range(3)]
    served.execute(sa.insert(Shelf), [{"aisle": aisle, "number": number} for aisle, number in keys])
    for order in ("", "order_by=-number&", "order_by=-aisle,-number&"):
        found = flat(body["value"] for body in pages(served, f"/api/shelves?{order}limit=2&cursor="))
        assert sorted((row["aisle"], row["number"]) for row in found) == sorted(keys)


@pytest.mark.contract("rest 2.6")
def test_relation_routes_keep_the_order_of_their_relationship(depot):
    expected = [row["id"] for row in depot.value("/api/depots/1/parcels?limit=100")]
    forth, back = forth_and_back(depot, "/api/depots/1/parcels?limit=2&cursor=")
    assert forth == back == expected
    assert len(expected) > 4
    body = depot.get("/api/depots/2/parcels?limit=100&cursor=&count=exact").get_json()
    assert body["total_count"] == len(body["value"])
    error_of(depot.get("/api/depots/99/parcels?cursor="), 404, "parent_not_found")


def test_many_to_many_relations_and_joins_of_many_rows(league_app):
    expected = [row["id"] for row in league_app.value("/api/matches/1/tags")]
    assert flat(ids(pages(league_app, "/api/matches/1/tags?limit=1&cursor="))) == expected
    # Sorted by the first of many rows.
    first = flat(ids(pages(league_app, "/api/matches?join=goals&join_type=left&order_by=goals.minute&limit=1&cursor=")))
    assert sorted(first) == [1, 2, 3, 4, 5]
    # One row for each joined one.
    url = "/api/matches?join=goals&join_type=left&fields=name,goals.player&order_by=-name&limit=2&cursor="
    assert len(flat(body["value"] for body in pages(league_app, url))) == 7


LABELS, WEIGHTS, RANKS = st.sampled_from([None, "a", "b"]), st.sampled_from([None, -1.5, 0.1]), st.integers(0, 2)
ROWS = st.tuples(LABELS, WEIGHTS, RANKS)
KEYS = st.tuples(
    st.sampled_from(["", "-"]),
    st.sampled_from(["label", "weight", "rank"]),
    st.sampled_from(["", ":nullsfirst", ":nullslast"]),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(ROWS, max_size=10),
    order=st.lists(KEYS, unique_by=lambda key: key[1]),
    size=st.integers(1, 4),
    added=st.lists(ROWS, max_size=5),
)
@pytest.mark.contract("F33")
def test_rows_that_were_there_are_seen_once_whatever_is_added_between_pages(depot, rows, order, size, added):
    if depot.engine.dialect.name != "sqlite":
        pytest.skip("hundreds of commits; the orders are compared on every database above")

    def add(number, row):
        depot.execute(sa.insert(Parcel), {"id": number, "label": row[0], "weight": row[1], "rank": row[2]})

    depot.execute(sa.delete(Parcel))
    for number, row in enumerate(rows):
        add(number * 2 + 2, row)
    sort = ",".join("".join(key) for key in order)
    start = f"/api/parcels?order_by={sort}&limit={size}&fields=id&cursor="
    forth, back = forth_and_back(depot, start)
    assert (sorted(forth), forth) == ([number * 2 + 2 for number in range(len(rows))], back)
    url, seen, fresh = start, [], list(enumerate(added))
    while url is not None:
        body = depot.get(url).get_json()
        seen += [record["id"] for record in body["value"]]
        url = body["next_url"]
        if fresh:
            number, row = fresh.pop()
            add(number * 2 + 1, row)
    assert len(seen) == len(set(seen))
    assert [number for number in seen if number % 2 == 0] == forth


# --- what a cursor is -------------------------------------------------------------------------------------------------


def cursor_of(url):
    return parse_qs(urlsplit(url).query)["cursor"][0]


@pytest.mark.contract("F36")
def test_a_cursor_is_refused_when_anything_but_the_page_size_changes(depot):
    body = depot.get("/api/parcels?order_by=-rank&rank__ge=0&limit=2&cursor=").get_json()
    cursor = cursor_of(body["next_url"])
    assert depot.get(f"/api/parcels?order_by=-rank&rank__ge=0&limit=9&cursor={cursor}&fields=id").status_code == 200
    for query in (
        "order_by=rank&rank__ge=0",
        "order_by=-rank,label&rank__ge=0",
        "order_by=-rank:nullsfirst&rank__ge=0",
        "order_by=-rank",
        "order_by=-rank&rank__ge=1",
        "order_by=-rank&rank__gt=0",
        "order_by=-rank&not[rank__ge=0]",
        "order_by=-rank&rank__ge=0&depot.town__eq=Oslo",
        "order_by=-rank&rank__ge=0&include_deleted",
    ):
        error_of(depot.get(f"/api/parcels?{query}&cursor={cursor}"), 400, "invalid_cursor")
    for url in ("/api/depots", "/api/depots/1/parcels"):
        error_of(depot.get(f"{url}?cursor={cursor}"), 400, "invalid_cursor")
    first = depot.get("/api/depots/1/parcels?limit=1&cursor=").get_json()["next_url"]
    error_of(depot.get(f"/api/depots/2/parcels?limit=1&cursor={cursor_of(first)}"), 400, "invalid_cursor")


@pytest.mark.contract("F36")
def test_a_cursor_that_was_changed_is_refused(depot):
    cursor = cursor_of(depot.get("/api/parcels?limit=2&cursor=").get_json()["next_url"])
    for position in range(0, len(cursor), 3):
        changed = cursor[:position] + ("A" if cursor[position] != "A" else "B") + cursor[position + 1 :]
        response = depot.get("/api/parcels", query_string={"cursor": changed})
        if changed[:-1] != cursor[:-1]:  # The last character of base64 has bits that mean nothing.
            error_of(response, 400, "invalid_cursor")
    for text in ("x", ".", "...", "a.b.c", "\0", "é", "1", "null", "A" * 5000, cursor * 40, " ", cursor[:-4], "'"):
        error_of(depot.get("/api/parcels", query_string={"cursor": text}), 400, "invalid_cursor")


@pytest.mark.contract("F36")
def test_a_cursor_is_signed_with_the_key_of_the_application(serve):
    def first(**config):
        served = serve(Base, **config)
        served.execute(sa.delete(Shelf))
        served.execute(sa.insert(Shelf), [{"aisle": "a", "number": n} for n in range(3)])
        return served, cursor_of(served.get("/api/shelves?limit=1&cursor=").get_json()["next_url"])

    one, cursor = first(SECRET_KEY="one")
    two, _ = first(SECRET_KEY="two")
    error_of(two.get(f"/api/shelves?cursor={cursor}"), 400, "invalid_cursor")
    three, other = first(SECRET_KEY="two", API_CURSOR_SECRET="one")
    assert three.get(f"/api/shelves?cursor={cursor}").status_code == 200
    assert one.get(f"/api/shelves?cursor={other}").status_code == 200
    assert other == cursor


def test_without_any_key_cursors_hold_for_the_process_and_a_warning_says_so(serve, caplog):
    served = serve(Base)
    served.execute(sa.insert(Shelf), [{"aisle": "a", "number": n} for n in range(5)])
    with caplog.at_level(logging.WARNING, "flarchitect.startup"):
        served.get("/api/shelves?limit=1")
        assert not caplog.records
        assert len(pages(served, "/api/shelves?limit=1&cursor=")) == 5
    assert [record.name for record in caplog.records] == ["flarchitect.startup"]
    assert "API_CURSOR_SECRET" in caplog.text


def test_a_cursor_is_bounded(serve):
    served = serve(Base, SECRET_KEY="k")
    pick = random.Random(3)  # noqa: S311
    bodies = ["".join(chr(pick.randrange(32, 1000)) for _ in range(5000)) for _ in range(3)]
    served.execute(sa.insert(Blob), [{"id": n, "body": body} for n, body in enumerate(bodies, 1)])
    error_of(served.get("/api/blobs?order_by=body&limit=1&cursor="), 400, "cursor_too_long")
    assert ids(pages(served, "/api/blobs?limit=1&cursor=&fields=id")) == [[1], [2], [3]]


def test_page_and_cursor_exclude_each_other_and_a_cursor_stands_once(depot):
    error_of(depot.get("/api/parcels?cursor=&page=2"), 400, "invalid_cursor")
    error_of(depot.get("/api/parcels?cursor=&cursor="), 400, "duplicate_parameter")
    error_of(depot.get("/api/parcels/1?cursor="), 400, "unknown_parameter")
    depot.app.config["API_ALLOW_EXPORT"] = True
    error_of(depot.get("/api/parcels?cursor=", headers={"Accept": "text/csv"}), 400, "invalid_cursor")


@pytest.mark.contract("rest 6.1")
def test_rows_that_a_callback_hides_are_on_no_page(serve):
    def visible(query, model, parameters):
        return query.where(model.number != 1)

    served = serve(Base, API_FILTER_CALLBACK=visible)
    served.execute(sa.insert(Shelf), [{"aisle": "a", "number": n} for n in range(4)])
    found = pages(served, "/api/shelves?limit=1&cursor=&count=exact")
    assert [body["value"][0]["number"] for body in found] == [0, 2, 3]
    assert {body["total_count"] for body in found} == {3}


@pytest.mark.contract("rest 7.2")
def test_a_return_callback_sees_pages_by_cursor(serve):
    seen = []

    def returned(output, **context):
        seen.append(output)
        return {"output": output}

    served = serve(Base, API_RETURN_CALLBACK=returned)
    served.execute(sa.insert(Shelf), [{"aisle": "a", "number": n} for n in range(4)])
    found = pages(served, "/api/shelves?limit=3&cursor=")
    assert [[row["number"] for row in body["value"]] for body in found] == [[0, 1, 2], [3]]
    assert (seen[0]["page"], seen[0]["total_count"], seen[0]["next_url"]) == (None, None, found[0]["next_url"])


# --- what it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.contract("F33")
def test_a_page_is_one_statement_that_an_index_serves(depot, database_kind):
    url = depot.get("/api/parcels?order_by=rank&limit=5&cursor=").get_json()["next_url"]
    with count_statements(depot.engine) as log:
        depot.value(url)
    (statement,) = (" ".join(text.replace("`", "").split()) for text in log.statements)
    assert "OFFSET" not in statement or database_kind == "sqlite"
    assert "count(" not in statement
    assert "IS NULL" not in statement
    if database_kind == "mariadb":
        assert "parcels.rank >=" in statement
    else:
        assert "(parcels.rank, parcels.id) >" in statement


def test_statements_are_kept_for_every_position(depot):
    bodies = pages(depot, "/api/parcels?order_by=rank&limit=1&cursor=")
    depot.engine.clear_compiled_cache()
    for body in bodies[:6]:
        depot.value(body["next_url"])
    compiled = len(depot.engine._compiled_cache)
    for body in bodies[6:-1]:
        depot.value(body["next_url"])
    assert len(depot.engine._compiled_cache) == compiled
