"""Filters and sorts by the path of a relation, without a join."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.testing import count_statements, error_of


@pytest.mark.contract("bar F20, rest D32")
@pytest.mark.parametrize(
    "query, expected",
    [
        ("home_team.city__eq=Oslo", [1, 4, 5]),
        ("home_team.city__ne=Oslo", [2]),
        ("home_team.city__isnull=true", [3]),
        ("away_team.city__isnull=true", [4, 5]),
        ("goals.player__eq=Ada", [1]),
        ("goals.player__in=(Bo,Cy)", [1, 2, 4]),
        ("goals.minute__isnull=true", [2]),
        ("tags.word__eq=rain", [1, 2]),
        ("tag.word__eq=rain", [1, 2]),
        ("home_team.stadium.name__eq=Arena", [1, 5]),
        ("home_team.parent.parent.name__eq=Ajax", [4]),
        ("home-team.reserves.name__eq=Cork", [1, 5]),
        ("bookings.seat.price__gt=10", [1]),
        ("bookings.seat.stadium.name__eq=Arena", [1]),
        ("match.home_team.city__eq=Bergen", [2]),
        ("tags.matches.goals.player__eq=Cy", [4]),
        ("home_team.initial__eq=C", [3]),
    ],
)
def test_rows_are_found_by_what_a_relation_leads_to(league_app, query, expected):
    assert league_app.ids(f"/api/matches?{query}") == expected


@pytest.mark.contract("bar F20")
@pytest.mark.parametrize(
    "query, expected",
    [
        # Side by side: one goal must meet both.
        ("goals.player__eq=Bo&goals.minute__eq=7", [1]),
        ("goals.player__eq=Bo&goals.minute__eq=5", []),
        ("and[goals.player__eq=Ada,goals.minute__gt=50]", [1]),
        ("goals.player__eq=Bo&goals.match.tags.word__eq=rain&goals.match.tags.word__eq=derby", []),
        # In a group of their own: each may be met by another goal.
        ("goals.player__eq=Bo&and[goals.minute__eq=5]", [1]),
        ("or[goals.player__eq=Cy,goals.minute__eq=7]", [1, 4]),
        ("or[goals.player__eq=Cy,name__eq=Trial,home_team.name__eq=Cork]", [3, 4, 5]),
        # Not one goal may meet it.
        ("not[goals.player__eq=Ada]", [2, 3, 4, 5]),
        ("not[goals.id__isnull=false]", [3, 5]),
        ("not[goals.player__eq=Bo,goals.minute__eq=5]", [1, 2, 3, 4, 5]),
        ("not[away_team.city__eq=Oslo]&id__lt=4", [1, 3]),
    ],
)
def test_conditions_side_by_side_speak_of_the_same_related_row(league_app, query, expected):
    assert league_app.ids(f"/api/matches?{query}") == expected


@pytest.mark.contract("bar F20")
@pytest.mark.parametrize(
    "query",
    [
        "goals.player__eq=Ada",
        "goals.player__eq=Bo&goals.minute__eq=7",
        "not[goals.player__eq=Ada]",
        "or[tags.word__eq=rain,goals.player__eq=Cy]",
        "goals.minute__isnull=true",
    ],
)
def test_a_join_gives_the_same_filters_the_same_meaning(league_app, query):
    plain = league_app.ids(f"/api/matches?{query}")
    assert league_app.ids(f"/api/matches?{query}&join=goals,tags&join_type=left") == plain


@pytest.mark.contract("bar F20")
def test_related_rows_never_multiply_rows(league_app):
    url = "/api/matches?goals.minute__ge=0&tags.word__ne=x&bookings.id__gt=0&order_by=home_team.parent.name&limit=1"
    body = league_app.get(url).get_json()
    assert (len(body["value"]), body["total_count"], body["next_url"]) == (1, 1, None)


@pytest.mark.contract("bar F22")
@pytest.mark.parametrize(
    "order, expected",
    [
        ("-home_team.name", [4, 3, 2, 1, 5]),
        ("home_team.city:nullslast,-home_team.name,-id", [2, 4, 5, 1, 3]),
        ("away_team.name:nullsfirst,id", [3, 2, 1, 4, 5]),
        ("-away_team.name:nullslast,-id", [5, 4, 1, 2, 3]),
        ("home_team.stadium.name:nullslast,-id", [5, 1, 2, 4, 3]),
        ("home_team.parent.name:nullslast,id", [3, 4, 1, 2, 5]),
        ("home_team.parent.parent.name:nullsfirst,id", [1, 2, 3, 5, 4]),
        ("match.home_team.initial,id", [1, 5, 2, 3, 4]),
    ],
)
def test_rows_are_sorted_by_what_a_reference_leads_to(league_app, order, expected):
    assert league_app.ids(f"/api/matches?order_by={order}") == expected


@pytest.mark.contract("bar F20")
def test_a_relation_route_is_filtered_and_sorted_by_paths(league_app):
    assert league_app.ids("/api/tags/1/matches?home_team.city__eq=Oslo") == [1]
    assert league_app.ids("/api/tags/1/matches?order_by=-home_team.name&tags.word__eq=rain") == [2, 1]
    assert league_app.ids("/api/clubs/1/reserves?parent.name__eq=Ajax&order_by=parent.name") == [3]
    assert league_app.ids("/api/matches/1/goals?match.name__eq=Cup&order_by=match.name,-id") == [3, 2, 1]


@pytest.mark.contract("rest D21, core decisions 18")
@pytest.mark.parametrize(
    "query, reason, message",
    [
        ("home_team.api_key__like=hush", "invalid_column", "Invalid column name: api_key."),
        ("home_team.contracts.salary__gt=1", "invalid_table", "Invalid table name: contracts."),
        ("order_by=home_team.contracts.salary", "invalid_table", "Invalid table name: contracts."),
        ("order_by=home_team.api_key", "invalid_column", "Invalid column name: api_key."),
        ("home_taem.name__eq=x", "invalid_table", "Invalid table name: home_taem. Did you mean home_team?"),
        ("home_team.nmae__eq=x", "invalid_column", "Invalid column name: nmae. Did you mean name?"),
        ("home_team.metadata__eq=x", "invalid_column", "Invalid column name: metadata."),
        ("home_team.__class__.x__eq=1", "invalid_table", "Invalid table name: __class__."),
        (".name__eq=x", "invalid_table", "Invalid table name: ."),
        ("home_team..name__eq=x", "invalid_table", "Invalid table name: ."),
        ("home_team.__eq=x", "invalid_column", "Invalid column name: ."),
        ("home_team__eq=x", "invalid_column", "Invalid column name: home_team."),
        ("home_team.name__gte=x", "invalid_operator", "Invalid operator: gte. The column 'name' takes"),
        ("goals.minute__eq=x", "invalid_value", "Invalid value for minute: x."),
        ("home_team.parent.parent.parent.name__eq=x", "relation_path_too_deep", "over more than 3 relations."),
        ("order_by=home_team.parent.parent.parent.name", "relation_path_too_deep", "over more than 3 relations."),
        ("order_by=goals.minute", "not_sortable", "Cannot sort by goals.minute: 'goals' may lead to many rows."),
        ("order_by=-home_team.reserves.name", "not_sortable", "'reserves' may lead to many rows."),
        ("order_by=home_team.name:nullfirst", "invalid_order", "nullsfirst or nullslast"),
        ("order_by=name:", "invalid_order", "nullsfirst or nullslast"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused_with_the_reason(league_app, query, reason, message):
    assert message in error_of(league_app.get(f"/api/matches?{query}"), 400, reason)["message"]


def test_the_length_of_paths_is_an_option(serve, league, fill_league):
    served = serve(league.Base, API_FILTER_DEPTH_MAX=0)
    fill_league(served)
    error_of(served.get("/api/matches?home_team.name__eq=Ajax"), 400, "relation_path_too_deep")
    error_of(served.get("/api/matches?join=home_team&home_team.parent.name__eq=Ajax"), 400, "relation_path_too_deep")
    assert served.ids("/api/matches?join=home_team&home_team.name__eq=Ajax") == [1, 5]
    assert served.ids("/api/matches?match.name__eq=Cup") == [1]


def test_relations_that_are_not_shown_are_for_joins_only(serve, league, fill_league):
    served = serve(league.Base, API_ADD_RELATIONS=False)
    fill_league(served)
    error_of(served.get("/api/matches?home_team.name__eq=Ajax"), 400, "invalid_table")
    assert served.ids("/api/matches?join=home_team&home_team.name__eq=Ajax") == [1, 5]


@pytest.mark.contract("bar F20")
def test_a_path_adds_no_statement_and_its_values_are_parameters(league_app):
    url = "/api/matches?home_team.parent.name__eq={0}&goals.player__like={0}&order_by=home_team.name&limit=1"
    texts = []
    for value in ("Ajax", "x"):
        with count_statements(league_app.engine) as log:
            league_app.get(url.format(value))
        assert value not in log.statements[0]
        texts.append(log.statements[0])
    assert texts[0] == texts[1]
    assert texts[0].upper().count("EXISTS") == 3


# --- rows that a request must not see ---------------------------------------------------------------------------------


class Soft(DeclarativeBase):
    pass


class Author(Soft):
    __tablename__ = "soft_authors"

    class Meta:
        soft_delete = True
        soft_delete_attribute = "is_deleted"
        soft_delete_values = (False, True)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    is_deleted: Mapped[bool] = mapped_column(default=False)
    books: Mapped[list[Book]] = relationship(back_populates="author")


class Book(Soft):
    __tablename__ = "soft_books"

    class Meta:
        filter_callback = staticmethod(lambda query, model, params: query.where(model.is_public))

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(40))
    is_public: Mapped[bool] = mapped_column(default=True)
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("soft_authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="books")


@pytest.fixture
def library(serve):
    served = serve(Soft)
    served.execute(
        sa.insert(Author),
        [{"id": 1, "name": "Ann", "is_deleted": False}, {"id": 2, "name": "Ben", "is_deleted": True}],
    )
    books = [(1, "Atlas", True, 1), (2, "Secret", False, 1), (3, "Ghost", True, 2), (4, "Orphan", True, None)]
    served.execute(sa.insert(Book), [{"id": i, "title": t, "is_public": p, "author_id": a} for i, t, p, a in books])
    return served


@pytest.mark.contract("rest 6.1, rest 7.2, bar F20")
@pytest.mark.parametrize(
    "url, expected",
    [
        ("/api/books?author.name__eq=Ben", []),
        ("/api/books?author.name__eq=Ann", [1]),
        ("/api/books?author.books.title__eq=Secret", []),
        ("/api/books?join=author", [1]),
        ("/api/books?join=author&join_type=left", [1, 3, 4]),
        ("/api/books?order_by=-author.name:nullslast", [1, 3, 4]),
        ("/api/books?not[author.id__isnull=false]", [3, 4]),
        ("/api/authors?books.title__eq=Secret", []),
        ("/api/authors?books.title__eq=Atlas", [1]),
        ("/api/authors?join=books&order_by=-books.title", [1]),
        ("/api/authors/1/books?author.name__eq=Ann", [1]),
    ],
)
def test_rows_that_are_hidden_are_hidden_from_paths_and_joins(library, url, expected):
    assert library.ids(url) == expected


@pytest.mark.contract("rest 6.1, rest 7.2")
def test_joined_columns_of_hidden_rows_are_not_shown(library):
    url = "/api/books?join=author&join_type=left&fields=id,author.name&order_by=author.name:nullslast"
    assert library.value(url) == [{"id": 1, "name": "Ann"}, {"id": 3, "name": None}, {"id": 4, "name": None}]
    assert library.value("/api/authors?join=books&fields=id,books.title") == [{"id": 1, "title": "Atlas"}]
    assert library.value("/api/books/3?join=author&fields=author.name") == {"name": None}
    shown = library.value("/api/books?include_deleted=true&join=author&fields=id,author.name")
    assert shown == [{"id": 1, "name": "Ann"}, {"id": 3, "name": "Ben"}]
