"""Groups and aggregates: what the rows of an answer are, which types fit, and that no row counts twice (rest 3.7)."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.testing import count_statements, error_of

GROUPS = {"API_ALLOW_GROUPBY": True, "API_ALLOW_AGGREGATION": True}
AGGREGATES = ("avg", "count", "count_distinct", "max", "min", "sum")


class Kind(enum.Enum):
    CASH = "c"
    CARD = "k"


class Cents(sa.types.TypeDecorator[decimal.Decimal]):
    """Money kept as whole cents."""

    impl = sa.Integer
    cache_ok = True
    python_type = decimal.Decimal

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return None if value is None else int(value * 100)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else decimal.Decimal(int(value)) / 100


def market() -> SimpleNamespace:
    """Shops with sales: a column of each type, NULLs, a hidden column, a hybrid, and a mark of deletion."""

    class Base(DeclarativeBase):
        pass

    class Shop(Base):
        __tablename__ = "shops"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(40))
        deleted: Mapped[bool] = mapped_column(default=False)
        sales: Mapped[list[Sale]] = relationship(back_populates="shop")

    class Sale(Base):
        __tablename__ = "sales"

        class Meta:
            search = ("note",)

        id: Mapped[int] = mapped_column(primary_key=True)
        shop_id: Mapped[int | None] = mapped_column(sa.ForeignKey("shops.id"))
        amount: Mapped[decimal.Decimal | None] = mapped_column(sa.Numeric(12, 2))
        pieces: Mapped[int] = mapped_column(sa.BigInteger)
        weight: Mapped[float | None]
        fee: Mapped[decimal.Decimal | None] = mapped_column(Cents)
        note: Mapped[str] = mapped_column(sa.String(40))
        day: Mapped[dt.date]
        sold_at: Mapped[dt.datetime]
        kind: Mapped[Kind]
        paid: Mapped[bool]
        code: Mapped[uuid.UUID]
        extra: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
        api_key: Mapped[str] = mapped_column(sa.String(40), default="hush")
        deleted: Mapped[bool] = mapped_column(default=False)
        shop: Mapped[Shop | None] = relationship(back_populates="sales")

        @hybrid_property
        def dozens(self) -> int:
            return self.pieces * 12

        @hybrid_property
        def starts(self) -> str:
            return self.note[:1]

        @starts.inplace.expression
        @classmethod
        def _starts(cls) -> Any:
            return sa.func.substr(cls.note, 1, 1)

        @hybrid_property
        def shouted(self) -> str:
            return self.note.upper() + "!" * self.id.bit_length()

        shouted = shouted.expression(None)  # type: ignore[assignment,arg-type]

    return SimpleNamespace(Base=Base, Shop=Shop, Sale=Sale)


def sale(number: int, shop_id: int | None, amount: str | None, **values: Any) -> dict[str, Any]:
    day = dt.date(2026, 1, number)
    return {
        "id": number,
        "shop_id": shop_id,
        "amount": None if amount is None else decimal.Decimal(amount),
        "pieces": number,
        "weight": number / 2,
        "fee": decimal.Decimal("0.25"),
        "note": "abcdef"[number - 1] * 3,
        "day": day,
        "sold_at": dt.datetime(2026, 1, number, 12, 30),
        "kind": Kind.CASH if number % 2 else Kind.CARD,
        "paid": number < 3,
        "code": uuid.UUID(int=number),
        "extra": {"n": number},
        "api_key": "hush",
        "deleted": False,
        **values,
    }


SALES = [
    sale(1, 1, "0.10"),
    sale(2, 1, "0.20"),
    sale(3, 1, "0.20"),
    sale(4, 2, None, weight=None),
    sale(5, None, "7.05"),
]


@pytest.fixture
def serve_market(serve):
    def start(**config: Any) -> Any:
        models = market()
        sessions = config.pop("sessions", "uri")
        served = serve(models.Base, sessions=sessions, **{**GROUPS, **config})
        served.execute(
            sa.insert(models.Shop),
            [{"id": 1, "name": "North", "deleted": False}, {"id": 2, "name": "South", "deleted": False}],
        )
        served.execute(sa.insert(models.Sale), SALES)
        served.models = models
        return served

    return start


@pytest.fixture
def served(serve_market):
    return serve_market()


# --- what the rows are ------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 3.7")
def test_the_example_of_the_contract(serve, cinema):
    served = serve(cinema.Base, **GROUPS)
    served.execute(sa.insert(cinema.Studio), [{"id": n, "name": f"Studio {n}"} for n in (2, 4)])
    budgets = [(4, "100.00"), (4, "141.00"), (4, None), (4, None), (4, None), (2, None)]
    served.execute(
        sa.insert(cinema.Film),
        [
            {"id": n, "title": f"Film {n}", "studio_id": studio, "budget": budget and decimal.Decimal(budget)}
            for n, (studio, budget) in enumerate(budgets, 1)
        ],
    )
    body = served.get("/api/films?groupby=studio_id&id|how_many__count=1&budget__avg=1&order_by=-how_many").get_json()
    assert body["value"] == [
        {"studio_id": 4, "how_many": 5, "budget_avg": "120.500000"},
        {"studio_id": 2, "how_many": 1, "budget_avg": None},
    ]
    assert (body["total_count"], body["next_url"], body["previous_url"]) == (2, None, None)
    assert served.value("/api/films?budget__sum=1") == [{"budget_sum": "241.00"}]


@pytest.mark.contract("rest 3.7, bar F26")
def test_groups_and_aggregates_are_plain_records_exact_to_the_last_digit(served):
    aggregates = "amount__sum&amount__avg&pieces__sum&weight__avg&note__max"
    assert served.value(f"/api/sales?groupby=shop_id&{aggregates}&order_by=shop_id:nullslast") == [
        {
            "shop_id": 1,
            "amount_sum": "0.50",
            "amount_avg": "0.166667",
            "pieces_sum": 6,
            "weight_avg": 1.0,
            "note_max": "ccc",
        },
        {
            "shop_id": 2,
            "amount_sum": None,
            "amount_avg": None,
            "pieces_sum": 4,
            "weight_avg": None,
            "note_max": "ddd",
        },
        {
            "shop_id": None,
            "amount_sum": "7.05",
            "amount_avg": "7.050000",
            "pieces_sum": 5,
            "weight_avg": 2.5,
            "note_max": "eee",
        },
    ]


@pytest.mark.contract("rest 13 group 7")
@pytest.mark.contract("rest D33")
def test_groupby_alone_gives_the_distinct_combinations(served):
    body = served.get("/api/sales?groupby=shop_id,paid&order_by=shop_id:nullslast").get_json()
    assert body["value"] == [
        {"shop_id": 1, "paid": False},
        {"shop_id": 1, "paid": True},
        {"shop_id": 2, "paid": False},
        {"shop_id": None, "paid": False},
    ]
    assert body["total_count"] == 4


@pytest.mark.contract("rest 3.7")
@pytest.mark.parametrize(
    "query, expected",
    [
        ("pieces__sum=1", {"pieces_sum": 15}),
        ("pieces__avg=anything", {"pieces_avg": 3.0}),
        ("pieces__min&pieces__max", {"pieces_min": 1, "pieces_max": 5}),
        ("amount__count", {"amount_count": 4}),
        ("amount__count_distinct", {"amount_count_distinct": 3}),
        ("shop_id|shops__count_distinct", {"shops": 2}),
        ("day__min&sold_at__max", {"day_min": "2026-01-01", "sold_at_max": "2026-01-05T12:30:00"}),
        ("fee__sum&fee__max", {"fee_sum": "1.25", "fee_max": "0.25"}),
        ("dozens__sum&dozens__avg", {"dozens_sum": 180, "dozens_avg": 36.0}),
        ("extra__count&code__count_distinct&kind__count_distinct", None),
        ("id|a__b__count=1", {"a__b": 5}),
        ("sale.pieces|total__sum", {"total": 15}),
        ("Sale.pieces__sum", {"pieces_sum": 15}),
        ("pieces|my.total - 2__sum", {"my.total - 2": 15}),
        ("pieces__sum&pieces__sum=2", {"pieces_sum": 15}),
        ("pieces__sum&fields=id", {"pieces_sum": 15}),
        ("pieces__sum&id__le=2", {"pieces_sum": 3}),
        ("pieces__sum&or[id__eq=1,id__eq=5]", {"pieces_sum": 6}),
        ("pieces__sum&search=aaa", {"pieces_sum": 1}),
        ("pieces__sum&id__count&id__eq=99", {"pieces_sum": None, "id_count": 0}),
        ("pieces__sum&order_by=-pieces_sum&dump=json", {"pieces_sum": 15}),
    ],
)
def test_aggregates_without_groups_give_one_row(served, query, expected):
    body = served.get(f"/api/sales?{query}").get_json()
    assert body["total_count"] == 1
    assert body["value"] == [expected or {"extra_count": 5, "code_count_distinct": 5, "kind_count_distinct": 2}]


@pytest.mark.contract("rest 3.7")
@pytest.mark.parametrize(
    "column, values",
    [
        ("kind", ["CARD", "CASH"]),
        ("paid", [False, True]),
        ("day", [f"2026-01-0{n}" for n in range(1, 6)]),
        ("code", [str(uuid.UUID(int=n)) for n in range(1, 6)]),
        ("fee", ["0.25"]),
        ("starts", [*"abcde"]),
        ("dozens", [12, 24, 36, 48, 60]),
        ("amount", [None, "0.10", "0.20", "7.05"]),
        ("shop.name", [None, "North", "South"]),
    ],
)
def test_rows_are_grouped_by_columns_of_all_kinds(served, column, values):
    name = column.rpartition(".")[2]
    records = served.value(f"/api/sales?groupby={column}&id|rows__count")
    assert sorted((record[name] for record in records), key=str) == sorted(values, key=str)
    assert sum(record["rows"] for record in records) == 5
    assert {key for record in records for key in record} == {name, "rows"}


@pytest.mark.contract("rest 3.7, core decisions 16")
def test_decimals_are_numbers_where_the_application_wants_them(serve_market):
    served = serve_market(API_DECIMAL_FORMAT="number")
    assert served.value("/api/sales?amount__sum&amount__avg&amount__max&id__le=3") == [
        {"amount_sum": 0.5, "amount_avg": pytest.approx(1 / 6, abs=1e-6), "amount_max": 0.2}
    ]


@pytest.mark.contract("rest 3.7, rest D25")
@pytest.mark.parametrize("asked", ["shopId", "shop_id"])
def test_keys_are_in_the_case_of_the_application(serve_market, asked):
    served = serve_market(API_FIELD_CASE="camel")
    url = f"/api/sales?groupby={asked}&soldAt__max&id__count_distinct&order_by=-soldAtMax&limit=1"
    assert served.value(url) == [{"shopId": None, "soldAtMax": "2026-01-05T12:30:00", "idCountDistinct": 1}]


# --- order and pages --------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 13 group 7")
@pytest.mark.contract("rest 3.7, rest D20")
@pytest.mark.parametrize(
    "order, expected",
    [
        ("shop_id:nullsfirst", [None, 1, 2]),
        ("-shop_id:nullslast", [2, 1, None]),
        ("how_many,shop_id:nullslast", [2, None, 1]),
        ("-how_many,-shop_id:nullslast", [1, 2, None]),
        ("amount_sum:nullsfirst", [2, 1, None]),
        ("-amount_sum:nullslast", [None, 1, 2]),
        ("Sale.shop_id:nullslast", [1, 2, None]),
        ("-amount_sum:nullslast,amount_sum", [None, 1, 2]),
    ],
)
def test_groups_are_sorted_by_columns_and_labels(served, order, expected):
    records = served.value(f"/api/sales?groupby=shop_id&id|how_many__count&amount__sum&order_by={order}")
    assert [record["shop_id"] for record in records] == expected


@pytest.mark.contract("rest 3.7")
def test_pages_and_totals_are_of_groups(served):
    seen: list[Any] = []
    url = "/api/sales?groupby=shop_id,paid&id__count&order_by=-id_count&limit=2"
    while url:
        body = served.get(url).get_json()
        assert body["total_count"] == 4
        seen += [(record["shop_id"], record["paid"]) for record in body["value"]]
        url = body["next_url"]
    assert len(seen) == len(set(seen)) == 4
    past = served.get("/api/sales?groupby=shop_id&page=9").get_json()
    assert (past["value"], past["total_count"]) == ([], 3)
    past = served.get("/api/sales?pieces__sum&page=2").get_json()
    assert (past["value"], past["total_count"]) == ([], 1)


@pytest.mark.contract("rest 3.7, core decisions 11")
@pytest.mark.parametrize("count, total", [("exact", 3), ("capped", 2), ("none", None)])
def test_groups_are_counted_as_asked(serve_market, count, total):
    served = serve_market(API_COUNT_CAP=2)
    body = served.get(f"/api/sales?groupby=shop_id&limit=2&count={count}").get_json()
    assert body["total_count"] == total
    assert body["next_url"] is not None
    body = served.get("/api/sales?groupby=shop_id&limit=2&count=estimated").get_json()
    assert body["total_count"] > 0


# --- joins ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def league_groups(serve, league, fill_league):
    served = serve(league.Base, **GROUPS)
    fill_league(served)
    return served


@pytest.mark.contract("rest 13 group 7")
@pytest.mark.contract("rest 3.7, rest 3.6")
@pytest.mark.parametrize(
    "query, expected",
    [
        # To one row, with a join and without.
        ("groupby=home_team.city&id__count&order_by=city:nullslast", [("Bergen", 1), ("Oslo", 3), (None, 1)]),
        ("join=home_team&groupby=city&id__count&order_by=-id_count&limit=1", [("Oslo", 3)]),
        (
            "groupby=home_team.stadium.name&id__count&order_by=-id_count,name:nullslast",
            [("Arena", 2), (None, 2), ("Bowl", 1)],
        ),
        ("home_team.stadium.name__count", [(3,)]),
        ("join=away_team&id__count", [(4,)]),
        ("join=away_team&join_type=left&id__count&away_team.id__count", [(5, 4)]),
        ("join=home_team&groupby=home_team.initial,home_team.name&home_team.name__eq=Ajax", [("A", "Ajax")]),
        # A joined relation that nothing reaches into repeats no row.
        ("join=goals&id__count&home_team_id__sum", [(3, 7)]),
        ("join=goals,tags&goals.id__count", [(5,)]),
        # One row for each joined row.
        (
            "join=goals&groupby=goals.player&goals.minute__sum&order_by=player",
            [("Ada", 85), ("Bo", 7), ("Cy", 12)],
        ),
        ("join=goals&groupby=player&goals.id__count&order_by=player", [("Ada", 2), ("Bo", 2), ("Cy", 1)]),
        ("join=goals&goals.id__count&goals.minute__gt=6", [(3,)]),
        # Each match once, however many goals of a player it has.
        ("join=goals&groupby=player&id__count&order_by=player", [("Ada", 1), ("Bo", 2), ("Cy", 1)]),
        ("join=goals&goals.id__count&match.id__count&away_team_id__count", [(5, 3, 3)]),
        ("join=goals&join_type=left&goals.id__count&match.id__count&away_team_id__count", [(5, 5, 4)]),
        ("join=goals&join_type=left&goals.minute__isnull=true&goals.id__count&match.id__count", [(1, 1)]),
        ("join=goals&groupby=player&id__min&order_by=player", [("Ada", 1), ("Bo", 1), ("Cy", 4)]),
        ("join=tags&groupby=tags.word&id__count&order_by=-id_count,word", [("rain", 2), ("derby", 1), ("dull", 1)]),
    ],
)
def test_joined_columns_group_and_aggregate(league_groups, query, expected):
    assert [tuple(record.values()) for record in league_groups.value(f"/api/matches?{query}")] == expected


@pytest.mark.contract("rest 3.7, rest 3.3")
@pytest.mark.parametrize(
    "query, keys",
    [
        ("join=home_team&groupby=home_team.name", ["name"]),
        ("join=home_team&groupby=name,home_team.name", ["home_team.name", "name"]),
        ("home_team.id__count", ["id_count"]),
        ("home_team.id__count&away_team.id__count&id__count", ["away_team.id_count", "home_team.id_count", "id_count"]),
    ],
)
def test_keys_of_two_like_columns_are_qualified(league_groups, query, keys):
    assert sorted(league_groups.value(f"/api/matches?{query}")[0]) == keys


@pytest.mark.contract("rest 3.7")
def test_relation_routes_group_their_own_rows(served, league_groups):
    assert served.value("/api/shops/1/sales?groupby=paid&id|n__count&order_by=n") == [
        {"paid": False, "n": 1},
        {"paid": True, "n": 2},
    ]
    assert served.value("/api/shops/2/sales?amount__sum&id__count") == [{"amount_sum": None, "id_count": 1}]
    error_of(served.get("/api/shops/99/sales?id__count"), 404, "parent_not_found")
    error_of(served.get("/api/shops/99/sales?groupby=paid"), 404, "parent_not_found")
    assert league_groups.value("/api/tags/1/matches?groupby=home_team.name&order_by=name") == [
        {"name": "Ajax"},
        {"name": "Brann"},
    ]


@pytest.mark.contract("rest 3.7")
@pytest.mark.parametrize(
    "url, reason",
    [
        ("/api/matches?join=goals&goals.id__count&away_team_id__sum", "rows_counted_twice"),
        ("/api/matches?join=goals&groupby=player&away_team_id__avg", "rows_counted_twice"),
        ("/api/matches?join=goals,tags&goals.id__count&tags.id__count", "rows_counted_twice"),
        ("/api/matches?join=goals,tags&groupby=goals.player,tags.word", "rows_counted_twice"),
        ("/api/seats?join=bookings&bookings.id__count&price__count", "rows_counted_twice"),
        ("/api/matches?groupby=goals.player", "not_groupable"),
        ("/api/clubs?join=parent&groupby=parent.reserves.name", "not_groupable"),
        ("/api/tags?join=matches&matches.goals.minute__sum", "not_groupable"),
        ("/api/matches?groupby=home_team.api_key", "invalid_column"),
        ("/api/clubs?join=contracts&contracts.salary__sum", "invalid_join"),
        ("/api/clubs?contracts.salary__sum", "invalid_table"),
    ],
)
def test_what_would_count_rows_twice_or_reveal_columns_is_refused(league_groups, url, reason):
    error_of(league_groups.get(url), 400, reason)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 3.7, rest D21, bar R43")
@pytest.mark.parametrize(
    "query, reason, message",
    [
        ("groupby=api_key", "invalid_column", "Invalid column name: api_key."),
        ("api_key|x__count", "invalid_column", "Invalid column name: api_key."),
        ("api_key__max", "invalid_column", "Invalid column name: api_key."),
        ("ammount|x__sum", "invalid_column", "Invalid column name: ammount. Did you mean amount?"),
        ("shop__count", "invalid_column", "Invalid column name: shop."),
        ("shouted__count", "invalid_column", "Invalid column name: shouted."),
        ("metadata__count", "invalid_column", "Invalid column name: metadata."),
        ("groupby=extra", "not_groupable", "Rows cannot be grouped by 'extra'."),
        ("note__sum", "invalid_aggregate", "The column 'note' takes count, count_distinct, max, min."),
        ("code__min", "invalid_aggregate", "The column 'code' takes count, count_distinct."),
        ("extra__max", "invalid_aggregate", "The column 'extra' takes count."),
        ("paid__avg", "invalid_aggregate", "takes count, count_distinct."),
        ("day__avg", "invalid_aggregate", "takes count, count_distinct, max, min."),
        ("pieces|__sum", "invalid_label", "Invalid label: ."),
        ("pieces|a,b__sum", "invalid_label", "Invalid label: a,b."),
        ("pieces|%00__sum", "invalid_label", "Invalid label"),
        (f"pieces|{'x' * 65}__sum", "invalid_label", "up to 64"),
        ("pieces|x__sum&amount|x__sum", "duplicate_label", "'x'"),
        ("groupby=paid&id|paid__count", "duplicate_label", "'paid'"),
        ("groupby=paid&order_by=id", "invalid_column", "Groups are sorted by what they have: paid."),
        ("groupby=paid&order_by=pad", "invalid_column", "Invalid column name: pad. Groups"),
        ("groupby=paid&order_by=paid:last", "invalid_order", "nullsfirst"),
        ("groupby=paid&cursor=", "invalid_cursor", "page numbers"),
        ("groupby=paid&fields=nope", "invalid_column", "Invalid column name: nope."),
        ("groupby=paid&limit=1000", "limit_exceeds_maximum", "Limit exceeds maximum value of 100"),
        ("groupby=paid&order_by=1;drop table sales", "invalid_column", "Invalid column name"),
        ("or[pieces__sum=1]", "invalid_operator", "Invalid operator: sum."),
    ],
)
def test_what_cannot_be_grouped_is_a_400_that_says_why(served, query, reason, message):
    assert message in error_of(served.get(f"/api/sales?{query}"), 400, reason)["message"]


@pytest.mark.contract("rest 3.7")
def test_columns_of_an_answer_are_bounded(serve_market):
    served = serve_market(API_GROUP_COLUMNS_MAX=2)
    assert len(served.value("/api/sales?groupby=paid&id__count")[0]) == 2
    error = error_of(served.get("/api/sales?groupby=paid,kind&id__count"), 400, "too_many_group_columns")
    assert error["maximum"] == 2


@pytest.mark.contract("rest 3.7")
def test_a_sum_beyond_what_the_database_holds_is_never_a_500(serve_market, database_kind):
    served = serve_market()
    served.execute(sa.update(served.models.Sale).values(pieces=2**63 - 1))
    response = served.get("/api/sales?pieces__sum")
    if database_kind == "sqlite":
        error_of(response, 400, "result_out_of_range")
    else:
        assert b'"pieces_sum":46116860184273879035' in response.data.replace(b" ", b"")


@pytest.mark.contract("rest 3.7")
def test_a_column_that_is_of_another_type_in_the_database_is_never_a_500(serve_market, database_kind):
    served = serve_market()
    if database_kind != "postgresql":
        pytest.skip("only PostgreSQL converts nothing by itself")
    served.execute(sa.text("ALTER TABLE sales ALTER pieces TYPE text"))
    assert "pieces__sum" in error_of(served.get("/api/sales?pieces__sum"), 400, "invalid_operator")["message"]


# --- switches ---------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest D27, core decisions 10")
def test_both_are_off_by_default_and_then_ignored(cinema_app):
    body = cinema_app.get("/api/films?groupby=nope&nope__sum=1&budget|x__avg=1&limit=1").get_json()
    assert body["total_count"] == 5
    assert body["value"][0]["title"] == "Film 1"


@pytest.mark.contract("rest 3.7, rest 3.1")
def test_each_has_a_switch_of_its_own(serve, cinema, fill):
    served = serve(cinema.Base, API_ALLOW_GROUPBY=True)
    fill(served, cinema)
    assert served.value("/api/films?groupby=studio_id&budget__sum=1") == [{"studio_id": 1}]


@pytest.mark.contract("rest 3.7")
def test_one_model_alone_may_be_grouped(serve):
    models = market()
    models.Sale.Meta.get_allow_aggregation = True
    served = serve(models.Base)
    assert served.value("/api/sales?id__count") == [{"id_count": 0}]
    assert served.value("/api/shops?id__count") == []


@pytest.mark.contract("rest 3.7")
def test_rows_by_key_take_no_groups(served):
    error_of(served.get("/api/sales/1?groupby=paid"), 400, "unknown_parameter")
    error_of(served.get("/api/sales/1?id__count"), 400, "unknown_parameter")


# --- what a request may see -------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 6.1, bar R2")
def test_deleted_rows_count_in_no_group(serve_market):
    served = serve_market(
        API_SOFT_DELETE=True, API_SOFT_DELETE_ATTRIBUTE="deleted", API_SOFT_DELETE_VALUES=(False, True)
    )
    sale_, shop = served.models.Sale, served.models.Shop
    served.execute(sa.update(sale_).where(sale_.id == 1).values(deleted=True))
    served.execute(sa.update(shop).where(shop.id == 2).values(deleted=True))
    assert served.value("/api/sales?id__count&pieces__sum") == [{"id_count": 4, "pieces_sum": 14}]
    assert served.value("/api/sales?id__count&include_deleted=true") == [{"id_count": 5}]
    url = "/api/sales?groupby=shop.name&id|n__count&order_by=name:nullslast"
    assert served.value(url) == [{"name": "North", "n": 2}, {"name": None, "n": 2}]
    assert served.value("/api/shops?join=sales&groupby=name&sales.id|n__count") == [{"name": "North", "n": 2}]
    body = served.get("/api/sales?groupby=shop.name&limit=1").get_json()
    assert body["total_count"] == 2


@pytest.mark.contract("rest 7.2, rest D10, bar R2")
def test_filter_callbacks_hide_rows_from_groups(serve):
    models = market()
    models.Sale.Meta.filter_callback = staticmethod(lambda query, model, params: query.where(model.id > 1))
    models.Shop.Meta.filter_callback = staticmethod(lambda query, model, params: query.where(model.name != "South"))
    served = serve(models.Base, **GROUPS)
    served.execute(
        sa.insert(models.Shop), [{"id": n, "name": name, "deleted": False} for n, name in ((1, "North"), (2, "South"))]
    )
    served.execute(sa.insert(models.Sale), SALES)
    assert served.value("/api/sales?id__count") == [{"id_count": 4}]
    url = "/api/sales?groupby=shop.name&id|n__count&order_by=name:nullslast"
    assert served.value(url) == [{"name": "North", "n": 2}, {"name": None, "n": 2}]
    body = served.get("/api/sales?groupby=shop.name&limit=1").get_json()
    assert body["total_count"] == 2
    assert served.value("/api/shops?join=sales&groupby=name&sales.id|n__count") == [{"name": "North", "n": 2}]
    assert served.value("/api/shops/1/sales?id__count") == [{"id_count": 2}]


@pytest.mark.contract("rest 7.2")
def test_hooks_see_the_page_and_the_records_but_no_dump_callback_runs(serve):
    models = market()
    seen: list[Any] = []

    def shown(output, **kwargs):
        seen.append({name: value for name, value in output.items() if name not in ("next_url", "previous_url")})
        return {"output": {**output, "dictionary": [{**record, "more": 1} for record in output["dictionary"]]}}

    models.Sale.Meta.return_callback = staticmethod(shown)
    models.Sale.Meta.dump_callback = staticmethod(lambda record, **kwargs: {"never": True})
    served = serve(models.Base, **GROUPS)
    served.execute(sa.insert(models.Shop), [{"id": n, "name": f"Shop {n}", "deleted": False} for n in (1, 2)])
    served.execute(sa.insert(models.Sale), SALES)
    assert served.value("/api/sales?groupby=paid&order_by=paid&limit=1") == [{"paid": False, "more": 1}]
    records = [{"paid": False}]
    assert seen == [
        {"query": records, "dictionary": records, "limit": 1, "page": 1, "total_count": 2}
        | {"current_page": 1, "total_pages": 2}
    ]


@pytest.mark.contract("rest 4.5")
@pytest.mark.parametrize("accept", ["text/csv", "application/x-ndjson"])
def test_groups_are_not_exported(serve_market, accept):
    served = serve_market(API_ALLOW_EXPORT=True)
    error_of(served.get("/api/sales?groupby=paid", headers={"Accept": accept}), 406, "export_not_allowed")
    assert served.get("/api/sales", headers={"Accept": accept}).status_code == 200


# --- statements -------------------------------------------------------------------------------------------------------


@pytest.mark.contract("core decisions 11, core decisions 22")
def test_one_statement_gives_all_groups_and_is_kept(served):
    with count_statements(served.engine) as log:
        served.value("/api/sales?groupby=shop.name&id|a__count&amount__sum")
    assert len(log) == 1
    with count_statements(served.engine) as log:
        served.value("/api/sales?groupby=shop.name&limit=1")
    assert len(log) == 2


@pytest.mark.contract("rest 13 group 7")
@pytest.mark.contract("rest 3.7")
def test_groups_work_with_every_kind_of_session(serve_market, sessions):
    served = serve_market(sessions=sessions)
    assert served.value("/api/sales?groupby=shop.name&amount__sum&shop.name__eq=North") == [
        {"name": "North", "amount_sum": "0.50"}
    ]


# --- random rows ------------------------------------------------------------------------------------------------------

_CELLS = st.one_of(st.none(), st.integers(0, 2))
_ROWS = st.lists(st.tuples(_CELLS, _CELLS, st.one_of(st.none(), st.integers(-5, 5))), max_size=12)


@pytest.mark.contract("rest 3.7")
def test_random_rows_are_grouped_as_python_groups_them(serve):
    class Base(DeclarativeBase):
        pass

    class Cell(Base):
        __tablename__ = "cells"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        a: Mapped[int | None]
        b: Mapped[int | None]
        n: Mapped[int | None]

    served = serve(Base, **GROUPS)
    functions = "&".join(f"n__{name}" for name in AGGREGATES)

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(_ROWS, st.lists(st.sampled_from("ab"), max_size=2, unique=True))
    def check(rows: Any, columns: list[str]) -> None:
        served.execute(sa.delete(Cell))
        if rows:
            served.execute(sa.insert(Cell), [{"a": a, "b": b, "n": n} for a, b, n in rows])
        groups: dict[Any, list[int]] = {} if columns else {(): []}
        for a, b, n in rows:
            key = tuple({"a": a, "b": b}[column] for column in columns)
            groups.setdefault(key, []).extend([] if n is None else [n])
        expected = [
            {
                **dict(zip(columns, key, strict=True)),
                "n_avg": pytest.approx(sum(values) / len(values)) if values else None,
                "n_count": len(values),
                "n_count_distinct": len(set(values)),
                "n_max": max(values, default=None),
                "n_min": min(values, default=None),
                "n_sum": sum(values) if values else None,
            }
            for key, values in groups.items()
        ]
        body = served.get(f"/api/cells?groupby={','.join(columns)}&{functions}").get_json()
        assert body["total_count"] == len(expected)
        by_key = {tuple(record[column] for column in columns): record for record in body["value"]}
        assert by_key == {tuple(record[column] for column in columns): record for record in expected}

    check()
