"""How answers show relations, hybrid properties and column expressions, and how many statements that takes."""

from __future__ import annotations

import decimal
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from flarchitect_core.model.naming import field_name
from flarchitect_core.options import CASES
from flarchitect_core.testing import count_statements, error_of

pytestmark = pytest.mark.contract("rest 5.4, 13 group 15")

STUDIO = {"id": 1, "name": "Harbour", "city": "Oslo"}
ACTOR = {"id": 1, "full_name": "Ida Vik", "email": None}
FILM = {"id": 1, "title": "Film 1", "year": 2001, "budget": "1.00", "released": None, "studio_id": 1}
AWARD = {"id": 1, "label": "Award 1", "film_id": 1}
FILM_LINKS = {"studio": "/api/studios/1", "awards": "/api/films/1/awards", "actors": "/api/films/1/actors"}

SHOWN: dict[str, dict[str, Any]] = {
    "url": FILM_LINKS,
    "json": {"studio": STUDIO, "awards": [AWARD], "actors": [ACTOR]},
    "hybrid": {**FILM_LINKS, "studio": STUDIO},
    "dynamic": FILM_LINKS,
}


@pytest.mark.parametrize("mode", SHOWN)
def test_a_dump_mode_decides_how_relations_are_shown(cinema_app, mode):
    expected = {**FILM, **SHOWN[mode]}
    assert cinema_app.value(f"/api/films/1?dump={mode}") == expected
    assert cinema_app.value(f"/api/films?dump={mode}")[0] == expected
    assert cinema_app.value(f"/api/studios/1/films?dump={mode}")[0] == expected
    assert cinema_app.value(f"/api/awards/1/films?dump={mode}") == expected


@pytest.mark.parametrize("mode", [*SHOWN, False])
def test_the_configuration_sets_the_mode(serve, cinema, fill, mode):
    served = serve(cinema.Base, API_SERIALIZATION_TYPE=mode)
    fill(served, cinema)
    assert served.value("/api/films/1") == {**FILM, **SHOWN[mode or "json"]}
    assert served.value("/api/films/1?dump=url") == {**FILM, **FILM_LINKS}


@pytest.mark.parametrize("mode", SHOWN)
def test_written_rows_are_shown_in_the_mode(cinema_app, mode):
    expected = SHOWN[mode]["studio"]
    created = cinema_app.post(f"/api/films?dump={mode}", json={"title": "New", "studio_id": 1})
    location = created.headers["Location"]
    assert created.get_json()["value"]["studio"] == expected
    for method in ("patch", "put"):
        answer = getattr(cinema_app, method)(f"{location}?dump={mode}", json={"title": "x", "studio_id": 1})
        assert answer.get_json()["value"] == cinema_app.value(f"{location}?dump={mode}")


def test_the_mode_may_differ_by_method(serve, cinema, fill):
    served = serve(cinema.Base, API_POST_SERIALIZATION_TYPE="json", API_GET_SERIALIZATION_TYPE="hybrid")
    fill(served, cinema)
    created = served.post("/api/awards", json={"label": "a", "film_id": 1})
    assert created.get_json()["value"]["film"] == {**FILM, "studio": "/api/studios/1", "actors": FILM_LINKS["actors"]}
    assert served.value("/api/films/1")["awards"] == FILM_LINKS["awards"]
    assert served.patch("/api/awards/1", json={}).get_json()["value"]["film"] == "/api/films/1"


def test_an_unknown_mode_is_refused_with_the_nearest_one(cinema_app):
    errors = error_of(cinema_app.get("/api/films?dump=jsom"), 400, "invalid_dump_mode")
    assert errors["suggestions"] == ["json"]


# --- empty relations --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "mode, studio, films",
    [("url", None, "/api/studios/2/films"), ("json", None, []), ("hybrid", None, "/api/studios/2/films")],
)
def test_a_relation_to_nothing_is_null_or_empty(cinema_app, mode, studio, films):
    created = cinema_app.post(f"/api/films?dump={mode}", json={"title": "Alone"}).get_json()["value"]
    assert created["studio"] is studio
    assert cinema_app.value(f"/api/studios/2?dump={mode}")["films"] == films


@pytest.mark.parametrize("mode", SHOWN)
def test_an_empty_list_of_rows_is_empty_in_every_mode(serve, cinema, mode):
    assert serve(cinema.Base).value(f"/api/films?dump={mode}") == []


# --- dynamic ----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("decisions 14")
@pytest.mark.parametrize(
    "query, inlined",
    [
        ("join=studio", {"studio"}),
        ("join=studio,awards", {"studio", "awards"}),
        ("join=studio&join=actors", {"studio", "actors"}),
        ("join=STUDIO", {"studio"}),
        ("join=studios", {"studio"}),
        ("join= award ", {"awards"}),
        ("studio&awards", {"studio", "awards"}),
        ("join_models=actor", {"actors"}),
        ("join=", set()),
    ],
)
@pytest.mark.parametrize("url", ["/api/films", "/api/films/1"])
def test_dynamic_inlines_what_join_names_and_links_the_rest(cinema_app, url, query, inlined):
    value = cinema_app.value(f"{url}?dump=dynamic&{query}")
    record = value[0] if isinstance(value, list) else value
    for name, link in FILM_LINKS.items():
        assert record[name] == (SHOWN["json"][name] if name in inlined else link)


@pytest.mark.parametrize("mode", ["url", "json", "hybrid"])
def test_join_alone_changes_no_other_mode(cinema_app, mode):
    plain = cinema_app.value(f"/api/films/1?dump={mode}")
    assert cinema_app.value(f"/api/films/1?dump={mode}&join=studio,awards") == plain


def test_dynamic_inlines_a_named_relation_also_at_depth_zero(serve, cinema, fill):
    served = serve(cinema.Base, API_SERIALIZATION_DEPTH=0)
    fill(served, cinema)
    assert served.value("/api/films/1?dump=dynamic&join=studio")["studio"] == STUDIO


# --- depth ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["json", "hybrid", "url"])
def test_depth_zero_gives_links_only(serve, cinema, fill, mode):
    served = serve(cinema.Base, API_SERIALIZATION_DEPTH=0)
    fill(served, cinema)
    assert served.value(f"/api/films/1?dump={mode}") == {**FILM, **FILM_LINKS}


def depths(value: Any) -> int:
    """Count the levels of records inside a record."""
    if isinstance(value, list):
        return max(map(depths, value), default=0)
    return 1 + max(map(depths, value.values()), default=0) if isinstance(value, dict) else 0


@pytest.mark.contract("rest D48")
@pytest.mark.parametrize("depth", [0, 1, 2, 3, 4])
def test_records_are_nested_as_deep_as_allowed(serve, cinema, fill, depth):
    served = serve(cinema.Base, API_SERIALIZATION_DEPTH=depth)
    fill(served, cinema)
    for url in ("/api/films/1", "/api/studios/1", "/api/actors"):
        assert depths(served.value(f"{url}?dump=json")) == depth + 1


def test_at_the_cut_off_the_way_back_is_left_out_and_others_are_links(cinema_app):
    (film, *_) = cinema_app.value("/api/studios/1?dump=json")["films"]
    assert film == {**FILM, "awards": FILM_LINKS["awards"], "actors": FILM_LINKS["actors"]}
    actor = cinema_app.value("/api/actors/1?dump=json")
    assert actor["films"][0] == {**FILM, "studio": FILM_LINKS["studio"], "awards": FILM_LINKS["awards"]}
    award = cinema_app.value("/api/awards/1?dump=hybrid")
    assert award["film"] == {**FILM, "studio": FILM_LINKS["studio"], "actors": FILM_LINKS["actors"]}


def test_two_levels_show_each_relation_of_the_first(serve, cinema, fill):
    served = serve(cinema.Base, API_SERIALIZATION_DEPTH=2)
    fill(served, cinema, films=2)
    (first, second) = served.value("/api/studios/1?dump=json")["films"]
    assert first == {**FILM, "awards": [AWARD], "actors": [ACTOR]}
    assert second["awards"] == [{"id": 2, "label": "Award 2", "film_id": 2}]
    award = served.value("/api/awards/1?dump=hybrid")
    assert award["film"] == {**FILM, "studio": STUDIO, "actors": FILM_LINKS["actors"]}


def test_a_to_one_relation_never_repeats_the_record_it_came_from(serve, cinema, fill):
    served = serve(cinema.Base, API_SERIALIZATION_DEPTH=3)
    fill(served, cinema)
    for film in served.value("/api/studios/1?dump=json")["films"]:
        assert "studio" not in film
        assert all("film" not in award for award in film["awards"])


class Tree(DeclarativeBase):
    pass


class Node(Tree):
    __tablename__ = "nodes"

    class Meta:
        serialization_type = "json"
        serialization_depth = 3

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("nodes.id"))
    parent: Mapped[Node | None] = relationship(remote_side=id, back_populates="children")
    children: Mapped[list[Node]] = relationship(back_populates="parent")


def test_a_self_reference_is_nested_as_deep_as_its_meta_allows(serve):
    served = serve(Tree)
    served.execute(sa.insert(Node), [{"id": n, "parent_id": n - 1 or None} for n in range(1, 7)])
    node = served.value("/api/nodes/1")
    for number in range(1, 4):
        assert node["id"] == number
        (node,) = node["children"]
    assert (node["id"], node["children"]) == (4, "/api/nodes/4/children")
    upwards = served.value("/api/nodes/6?dump=hybrid")
    assert upwards["parent"]["parent"]["parent"]["id"] == 3
    assert upwards["parent"]["parent"]["parent"]["parent"] == "/api/nodes/2"


# --- leaving relations out --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["false", "0", "False", "no"])
@pytest.mark.parametrize("mode", SHOWN)
def test_dump_relationships_false_leaves_relations_out(cinema_app, mode, word):
    query = f"dump={mode}&join=studio&dump_relationships={word}"
    assert cinema_app.value(f"/api/films/1?{query}") == FILM
    assert cinema_app.value(f"/api/films?{query}")[0] == FILM


@pytest.mark.parametrize("word", ["true", "1", ""])
def test_dump_relationships_true_changes_nothing(cinema_app, word):
    assert cinema_app.value(f"/api/films/1?dump_relationships={word}") == {**FILM, **FILM_LINKS}


@pytest.mark.parametrize("mode", SHOWN)
def test_without_relations_only_join_brings_them(serve, cinema, fill, mode):
    served = serve(cinema.Base, API_ADD_RELATIONS=False)
    fill(served, cinema)
    assert served.value(f"/api/films/1?dump={mode}") == FILM
    shown = served.value(f"/api/films/1?dump={mode}&join=studio")
    assert shown == {**FILM, "studio": SHOWN[mode]["studio"] if mode != "dynamic" else STUDIO}
    joined = served.value("/api/films?dump=dynamic&join=studio,awards")[0]
    assert joined == {**FILM, "studio": STUDIO, "awards": [AWARD]}


def test_without_relations_and_joins_nothing_brings_them(serve, cinema, fill):
    served = serve(cinema.Base, API_ADD_RELATIONS=False, API_ALLOW_JOIN=False)
    fill(served, cinema)
    assert served.value("/api/films?dump=dynamic&join=studio")[0] == FILM


@pytest.mark.parametrize(
    "query, expected",
    [
        ("fields=title,studio", {"title": "Film 1", "studio": "/api/studios/1"}),
        ("fields=awards", {"awards": "/api/films/1/awards"}),
        ("fields=title,studio&dump=json", {"title": "Film 1", "studio": STUDIO}),
        ("fields=actors,title&dump=dynamic&join=actors", {"title": "Film 1", "actors": [ACTOR]}),
    ],
)
def test_selected_relations_are_shown_in_the_mode(cinema_app, query, expected):
    assert cinema_app.value(f"/api/films/1?{query}") == expected
    assert cinema_app.value(f"/api/films?{query}")[0] == expected


# --- what must never be inlined ---------------------------------------------------------------------------------------


class Guarded(DeclarativeBase):
    pass


class Meta:
    pass


class Account(Guarded):
    __tablename__ = "accounts"
    Meta = Meta
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(sa.String(40))
    password_hash: Mapped[str] = mapped_column(sa.String(40))
    salary: Mapped[int] = mapped_column(info={"write_only": True})
    ledger_id: Mapped[int | None] = mapped_column(sa.ForeignKey("ledgers.id"))
    log_id: Mapped[int | None] = mapped_column(sa.ForeignKey("logs.id"))
    ledger: Mapped[Ledger | None] = relationship(back_populates="accounts")
    log: Mapped[Log | None] = relationship()
    posts: Mapped[list[Post]] = relationship(back_populates="author")
    notes: Mapped[list[Note]] = relationship(back_populates="author")


class Ledger(Guarded):
    """Published without GET."""

    __tablename__ = "ledgers"

    class Meta:
        block_methods = ["GET"]

    id: Mapped[int] = mapped_column(primary_key=True)
    secret: Mapped[str] = mapped_column(sa.String(40))
    accounts: Mapped[list[Account]] = relationship(back_populates="ledger")


class Log(Guarded):
    """Not published."""

    __tablename__ = "logs"
    id: Mapped[int] = mapped_column(primary_key=True)
    secret: Mapped[str] = mapped_column(sa.String(40))


class Post(Guarded):
    __tablename__ = "posts"
    Meta = Meta
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("accounts.id"))
    author: Mapped[Account] = relationship(back_populates="posts")


class Note(Guarded):
    """Published without GET, leading to many from an account."""

    __tablename__ = "notes"

    class Meta:
        read_only = True
        allowed_methods = ["POST"]

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(sa.String(40))
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("accounts.id"))
    author: Mapped[Account] = relationship(back_populates="notes")


@pytest.fixture
def guarded(serve):
    served = serve(Guarded, API_SERIALIZATION_DEPTH=3)
    served.execute(sa.insert(Ledger), [{"id": 1, "secret": "hush"}])
    served.execute(sa.insert(Log), [{"id": 1, "secret": "hush"}])
    account = {"id": 1, "email": "a@b", "password_hash": "hush", "salary": 4711, "ledger_id": 1, "log_id": 1}
    served.execute(sa.insert(Account), [account])
    served.execute(sa.insert(Post), [{"id": 1, "author_id": 1}])
    served.execute(sa.insert(Note), [{"id": 1, "author_id": 1, "text": "hush"}])
    return served


@pytest.mark.contract("rest D46, 5.6")
@pytest.mark.parametrize("query", ["", "dump=json", "dump=hybrid", "dump=dynamic&join=posts"])
@pytest.mark.parametrize("url", ["/api/accounts/1", "/api/accounts", "/api/posts/1", "/api/posts"])
def test_no_mode_brings_out_what_is_not_published(guarded, url, query):
    if "join" in query and "posts" in url:
        query = "dump=dynamic&join=author"
    response = guarded.get(f"{url}?{query}")
    assert response.status_code == 200
    text = response.get_data(as_text=True)
    for word in ("hush", "4711", "secret", "password", "salary", '"log"'):
        assert word not in text


def test_a_blocked_target_has_neither_link_nor_record(guarded):
    for mode in ("url", "json", "hybrid"):
        account = guarded.value(f"/api/accounts/1?dump={mode}")
        assert not account.keys() & {"ledger", "notes", "log"}
        assert account["ledger_id"] == 1


# --- statements -------------------------------------------------------------------------------------------------------

QUERIES = [
    ("films", "dump=url", 1),
    ("films", "dump=url&dump_relationships=false", 1),
    ("films", "dump=json", 4),
    ("films", "dump=hybrid", 2),
    ("films", "dump=dynamic", 1),
    ("films", "dump=dynamic&join=studio", 2),
    ("films", "dump=dynamic&join=awards,actors", 3),
    ("awards", "dump=json", 2),
    ("actors/1/films", "dump=json", 4),
    ("actors/1/films", "dump=url", 1),
    ("studios/1/films", "dump=hybrid", 2),
]


def filled(serve: Any, cinema: Any, fill: Any, films: int, **config: Any) -> Any:
    served = serve(cinema.Base, **config)
    fill(served, cinema, films=films)
    return served


@pytest.fixture
def two_sizes(serve, cinema, fill):
    """Count the statements of a request over 10 and over 100 rows."""

    def count(path: str, **config: Any) -> tuple[int, int]:
        served = filled(serve, cinema, fill, 10, **config)
        counts = []
        for films in (10, 100):
            if films == 100:
                numbers = range(11, 101)
                served.execute(
                    sa.insert(cinema.Film), [{"id": n, "title": f"Film {n}", "studio_id": n % 2 + 1} for n in numbers]
                )
                served.execute(sa.insert(cinema.Award), [{"id": n, "label": "x", "film_id": n} for n in numbers])
                served.execute(sa.insert(cinema.film_actor), [{"film_id": n, "actor_id": 1} for n in numbers])
            with count_statements(served.engine) as log:
                body = served.get(path).get_json()
            assert body["status_code"] == 200
            counts.append(len(log))
        return counts[0], counts[1]

    return count


@pytest.mark.contract("rest 12, D48")
@pytest.mark.parametrize("path, query, expected", QUERIES)
def test_the_number_of_statements_is_fixed_by_the_request(two_sizes, path, query, expected):
    # Fewer rows than the limit: the page itself shows where the rows end, and nothing is counted.
    assert two_sizes(f"/api/{path}?{query}&limit=101", API_PAGINATION_SIZE_MAX=101) == (expected, expected)


@pytest.mark.contract("rest 12, D48")
@pytest.mark.parametrize("mode", ["url", "json", "hybrid"])
@pytest.mark.parametrize("depth", [0, 1, 2, 3])
@pytest.mark.parametrize("path", ["studios", "films", "actors", "awards"])
def test_the_number_of_statements_is_fixed_at_every_depth(two_sizes, mode, depth, path):
    small, large = two_sizes(
        f"/api/{path}?dump={mode}&limit=101", API_SERIALIZATION_DEPTH=depth, API_PAGINATION_SIZE_MAX=101
    )
    assert small == large
    assert mode != "url" or small == 1
    assert depth != 0 or small == 1


@pytest.mark.parametrize(
    "query, expected",
    [
        ("limit=10", 1),
        ("limit=5", 2),
        ("limit=2&page=2", 2),
        ("limit=5&page=2", 2),
        ("limit=3&page=2", 1),
        ("page=9", 2),
    ],
)
def test_rows_are_counted_only_when_the_page_does_not_show_their_number(cinema_app, query, expected):
    with count_statements(cinema_app.engine) as log:
        assert cinema_app.get(f"/api/films?{query}").get_json()["total_count"] == 5
    assert len(log) == expected


@pytest.mark.parametrize("mode, expected", [("url", 1), ("dynamic", 1), ("hybrid", 2), ("json", 4)])
def test_an_item_takes_one_statement_and_one_for_each_inlined_relation(cinema_app, mode, expected):
    with count_statements(cinema_app.engine) as log:
        cinema_app.value(f"/api/films/1?dump={mode}")
    assert len(log) == expected


@pytest.mark.parametrize("mode", SHOWN)
def test_an_empty_page_loads_no_relation(serve, cinema, mode):
    served = serve(cinema.Base)
    with count_statements(served.engine) as log:
        served.value(f"/api/films?dump={mode}")
    assert len(log) == 1


def test_links_read_no_table_but_the_own(cinema_app):
    with count_statements(cinema_app.engine) as log:
        cinema_app.value("/api/films?dump=url")
    (statement,) = log.statements
    assert "studios" not in statement
    assert "awards" not in statement


def test_relations_that_are_not_shown_are_not_read(cinema_app):
    with count_statements(cinema_app.engine) as log:
        cinema_app.value("/api/films?dump=json&fields=title")
        cinema_app.value("/api/films?dump=json&dump_relationships=false")
    assert len(log) == 2


def test_only_selected_columns_are_read(cinema_app):
    with count_statements(cinema_app.engine) as log:
        cinema_app.value("/api/films?fields=title")
    assert "year" not in log.statements[0]


# --- hybrids and expressions ------------------------------------------------------------------------------------------


class Shop(DeclarativeBase):
    pass


class Currency(Shop):
    __tablename__ = "currencies"
    Meta = Meta
    id: Mapped[int] = mapped_column(primary_key=True)
    sign: Mapped[str] = mapped_column(sa.String(3))
    orders: Mapped[list[Order]] = relationship(back_populates="currency")


class Order(Shop):
    __tablename__ = "orders"
    Meta = Meta
    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[str] = mapped_column(sa.String(20))
    currency_id: Mapped[int] = mapped_column(sa.ForeignKey("currencies.id"))
    currency: Mapped[Currency] = relationship(back_populates="orders")
    lines: Mapped[list[Line]] = relationship(back_populates="order")
    events: Mapped[list[Event]] = relationship(lazy="joined")

    @hybrid_property
    def label(self) -> str:
        """Works on instances and in SQL."""
        return "#" + self.customer

    @hybrid_property
    def total(self) -> decimal.Decimal:
        """Works on instances only: SQL knows no sum over a relationship."""
        return sum((line.price * line.count for line in self.lines), decimal.Decimal(0))

    @hybrid_property
    def summary(self) -> str:
        return f"{self.customer}: {len(self.lines)} in {self.currency.sign}"


class Event(Shop):
    """Not published, and loaded with every order by its relationship."""

    __tablename__ = "events"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(sa.ForeignKey("orders.id"))


class Line(Shop):
    __tablename__ = "order_lines"
    Meta = Meta
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(sa.ForeignKey("orders.id"))
    price: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(8, 2))
    count: Mapped[int] = mapped_column(default=1)
    order: Mapped[Order] = relationship(back_populates="lines")

    @hybrid_property
    def cost(self) -> decimal.Decimal | None:
        return self.price * self.count

    @hybrid_property
    def sign(self) -> str:
        """Works on instances only, over two relationships."""
        return str(self.order.currency.sign)

    @hybrid_property
    def note(self):
        return None


Order.line_count = column_property(
    sa.select(sa.func.count(Line.id)).where(Line.order_id == Order.id).correlate_except(Line).scalar_subquery()
)


@pytest.fixture
def shop(serve):
    def start(orders: int = 3, **config: Any) -> Any:
        served = serve(Shop, API_PAGINATION_SIZE_MAX=200, **config)
        served.execute(sa.insert(Currency), [{"id": 1, "sign": "EUR"}, {"id": 2, "sign": "NOK"}])
        numbers = range(1, orders + 1)
        rows = [{"id": n, "customer": f"c{n}", "currency_id": n % 2 + 1} for n in numbers]
        served.execute(sa.insert(Order), rows)
        pairs = [(n, n * 2 + second) for n in numbers for second in (0, 1)]
        lines = [{"id": line, "order_id": n, "price": decimal.Decimal(n), "count": 2} for n, line in pairs]
        served.execute(sa.insert(Line), lines)
        served.execute(sa.insert(Event), [{"id": line, "order_id": n} for n, line in pairs])
        return served

    return start


def test_hybrids_and_expressions_are_shown(shop):
    order = shop().value("/api/orders/1?dump_relationships=false")
    assert order == {
        "id": 1,
        "customer": "c1",
        "currency_id": 2,
        "line_count": 2,
        "label": "#c1",
        "total": "4.00",
        "summary": "c1: 2 in NOK",
    }


def test_hybrids_are_shown_in_lists_and_inlined_records(shop):
    served = shop()
    line = {"id": 2, "order_id": 1, "price": "1.00", "count": 2, "cost": "2.00", "sign": "NOK", "note": None}
    assert served.value("/api/orders?dump=json")[0]["lines"][0] == line
    assert [row["summary"] for row in served.value("/api/orders")] == ["c1: 2 in NOK", "c2: 2 in EUR", "c3: 2 in NOK"]
    assert served.value("/api/lines/2?dump=json")["order"]["total"] == "4.00"


def test_hybrids_and_expressions_are_only_for_answers(shop):
    served = shop()
    before = served.value("/api/orders/1")
    answer = served.patch("/api/orders/1", json={**before, "line_count": 9, "total": "9", "label": "x"})
    assert answer.get_json()["value"] == before


def test_hybrids_and_expressions_in_sql_are_filtered_and_sorted(shop):
    served = shop()
    assert [row["id"] for row in served.value("/api/orders?label__in=(%23c2,%23c3)&order_by=-label")] == [3, 2]
    assert [row["id"] for row in served.value("/api/orders?line_count__ge=2&order_by=-line_count")] == [1, 2, 3]
    assert [row["id"] for row in served.value("/api/lines?cost__ge=6")] == [6, 7]
    error_of(served.get("/api/orders?total__gt=1"), 400, "invalid_column")
    error_of(served.get("/api/orders?order_by=summary"), 400, "invalid_column")


def test_hybrids_can_be_selected_alone(shop):
    served = shop()
    assert served.value("/api/orders?fields=total&limit=2") == [{"total": "4.00"}, {"total": "8.00"}]
    assert served.value("/api/orders/2?fields=label,summary") == {"label": "#c2", "summary": "c2: 2 in EUR"}


def test_hybrids_can_be_left_out(shop):
    served = shop(API_DUMP_HYBRID_PROPERTIES=False)
    order = served.value("/api/orders/1?dump_relationships=false")
    assert order == {"id": 1, "customer": "c1", "currency_id": 2, "line_count": 2}
    with count_statements(served.engine) as log:
        served.value("/api/orders?dump=url")
    assert len(log) == 1


@pytest.mark.parametrize(
    "path",
    ["orders", "lines", "orders?dump=json", "lines?dump=json", "orders/1/lines?dump=hybrid", "currencies?dump=json"],
)
@pytest.mark.parametrize("depth", [1, 2])
def test_the_number_of_statements_with_hybrids_is_fixed_by_the_request(shop, path, depth):
    served = shop(orders=5, API_SERIALIZATION_DEPTH=depth, API_PAGINATION_SIZE_DEFAULT=200)
    counts = []
    for orders in (5, 50):
        if orders == 50:
            numbers = range(6, 51)
            served.execute(sa.insert(Currency), [{"id": n, "sign": f"C{n}"} for n in numbers])
            rows = [{"id": n, "customer": f"c{n}", "currency_id": n} for n in numbers]
            served.execute(sa.insert(Order), rows)
            served.execute(sa.insert(Line), [{"id": 1000 + n, "order_id": n, "price": 1, "count": 1} for n in numbers])
        with count_statements(served.engine) as log:
            served.value(f"/api/{path}")
        counts.append(len(log))
    assert counts[0] == counts[1]


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_more_related_rows_than_allowed_are_refused(serve, cinema, fill):
    served = filled(serve, cinema, fill, 5, API_INLINE_ROWS_MAX=4)
    errors = error_of(served.get("/api/studios?dump=json"), 400, "too_many_related_rows")
    assert (errors["relation"], errors["maximum"]) == ("films", 4)
    assert served.value("/api/studios?dump=url")[0]["films"] == "/api/studios/1/films"
    assert len(served.value("/api/films?dump=json&limit=4")) == 4
    error_of(served.get("/api/films?dump=json"), 400, "too_many_related_rows")


def test_as_many_related_rows_as_allowed_are_shown(serve, cinema, fill):
    served = filled(serve, cinema, fill, 5, API_INLINE_ROWS_MAX=5)
    assert len(served.value("/api/studios/1?dump=json")["films"]) == 5


def test_a_refused_answer_to_a_write_changes_nothing(serve, cinema, fill):
    served = filled(serve, cinema, fill, 5, API_INLINE_ROWS_MAX=4)
    error_of(served.patch("/api/studios/1?dump=json", json={"name": "Changed"}), 400, "too_many_related_rows")
    assert served.value("/api/studios/1")["name"] == "Harbour"


def test_to_one_relations_need_no_bound(serve, cinema, fill):
    served = filled(serve, cinema, fill, 5, API_INLINE_ROWS_MAX=1)
    assert all(film["studio"] == STUDIO for film in served.value("/api/films?dump=hybrid"))


# --- cases ------------------------------------------------------------------------------------------------------------


class Cased(DeclarativeBase):
    pass


class PaperBook(Cased):
    __tablename__ = "paper_books"
    Meta = Meta
    book_number: Mapped[int] = mapped_column(primary_key=True)
    main_writer_id: Mapped[int | None] = mapped_column(sa.ForeignKey("writers.id"))
    main_writer: Mapped[Writer | None] = relationship(back_populates="paper_books")


class Writer(Cased):
    __tablename__ = "writers"
    Meta = Meta
    id: Mapped[int] = mapped_column(primary_key=True)
    pen_name: Mapped[str | None] = mapped_column(sa.String(20))
    paper_books: Mapped[list[PaperBook]] = relationship(back_populates="main_writer")


def cased(name: str, case: str) -> str:
    return field_name(name, case)


@pytest.mark.contract("rest 2.2, 13 group 8")
@pytest.mark.parametrize("case", CASES)
def test_links_and_inlined_records_have_the_names_of_every_case(serve, case):
    served = serve(Cased, API_FIELD_CASE=case)
    number, writer_id, writer, books, pen, value = (
        cased(name, case)
        for name in ("book_number", "main_writer_id", "main_writer", "paper_books", "pen_name", "value")
    )
    identifier = cased("id", case)
    served.post("/api/writers", json={pen: "Vik"})
    created = served.post("/api/paper-books", json={writer_id: 1})
    assert created.get_json()[value] == {number: 1, writer_id: 1, writer: "/api/writers/1"}

    def read(url: str) -> Any:
        return served.get(url).get_json()[value]

    assert read("/api/writers/1") == {identifier: 1, pen: "Vik", books: "/api/writers/1/paper-books"}
    assert read("/api/writers/1/paper-books")[0][writer] == "/api/writers/1"
    assert read("/api/paper-books/1?dump=json")[writer] == {identifier: 1, pen: "Vik"}
    assert read("/api/writers?dump=json")[0][books] == [{number: 1, writer_id: 1}]
    for token in (writer, "main_writer", "main-writer", "writers"):
        assert read(f"/api/paper-books/1?dump=dynamic&join={token}")[writer] == {identifier: 1, pen: "Vik"}


@pytest.mark.parametrize("case", CASES)
def test_the_case_of_fields_leaves_urls_alone(serve, case):
    served = serve(Cased, API_FIELD_CASE=case, API_RELATION_ROUTE_NAMING="relationship", API_DUMP_TOTAL_COUNT=True)
    served.post("/api/writers", json={})
    assert served.get("/api/writers/1/paper_books").get_json()[cased("value", case)] == []


def test_the_envelope_has_the_case_of_the_fields(serve):
    body = serve(Cased, API_FIELD_CASE="camel").get("/api/writers").get_json()
    words = {
        "api_version",
        "status_code",
        "total_count",
        "next_url",
        "previous_url",
        "response_ms",
        "datetime",
        "value",
    }
    assert {cased(word, "camel") for word in words} == set(body)


class Lands(DeclarativeBase):
    pass


class Land(Lands):
    __tablename__ = "lands"

    class Meta:
        pass

    code: Mapped[str] = mapped_column(sa.String(10), primary_key=True)
    towns: Mapped[list[Town]] = relationship(back_populates="land")


class Town(Lands):
    __tablename__ = "towns"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    land_code: Mapped[str] = mapped_column(sa.String(10), sa.ForeignKey("lands.code"))
    land: Mapped[Land] = relationship(back_populates="towns")


def test_text_keys_match_as_the_database_compares_them(serve, database_kind):
    served = serve(Lands)
    written = "nor" if database_kind == "mariadb" else "NOR"
    served.execute(sa.insert(Land), [{"code": "NOR"}])
    served.execute(sa.insert(Town), [{"id": 1, "land_code": written}])
    assert served.value("/api/towns/1?dump=json")["land"] == {"code": "NOR"}
    assert served.value("/api/lands/NOR?dump=json")["towns"] == [{"id": 1, "land_code": written}]


class Pairs(DeclarativeBase):
    pass


class Pair(Pairs):
    __tablename__ = "pairs"

    class Meta:
        pass

    left: Mapped[int] = mapped_column(primary_key=True)
    right: Mapped[int] = mapped_column(primary_key=True)
    remarks: Mapped[list[Remark]] = relationship(back_populates="pair")


class Remark(Pairs):
    __tablename__ = "remarks"
    __table_args__ = (sa.ForeignKeyConstraint(["pair_left", "pair_right"], ["pairs.left", "pairs.right"]),)

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    pair_left: Mapped[int]
    pair_right: Mapped[int]
    pair: Mapped[Pair] = relationship(back_populates="remarks")


@pytest.mark.parametrize("rows", [1000, 1001])
def test_composite_keys_are_inlined_up_to_what_every_database_takes(serve, rows):
    served = serve(Pairs, API_PAGINATION_SIZE_MAX=2000)
    served.execute(sa.insert(Pair), [{"left": n, "right": n} for n in range(rows)])
    served.execute(sa.insert(Remark), [{"id": 1, "pair_left": 5, "pair_right": 5}])
    response = served.get("/api/pairs?dump=json&limit=2000")
    if rows > 1000:
        error_of(response, 400, "too_many_related_rows")
    else:
        assert response.get_json()["value"][5]["remarks"] == [{"id": 1, "pair_left": 5, "pair_right": 5}]
