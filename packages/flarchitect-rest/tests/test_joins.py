"""Joins along relationships: which rows stay, how joined columns are named, and that pages count base records."""

from __future__ import annotations

import pytest

from flarchitect_core.testing import count_statements, error_of

# --- which rows stay --------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 3.6")
@pytest.mark.parametrize(
    "query, expected",
    [
        ("join=away_team", [1, 2, 4, 5]),
        ("join=away_team&join_type=inner", [1, 2, 4, 5]),
        ("join=away_team&join_type=right", [1, 2, 4, 5]),
        ("join=away_team&join_type=left", [1, 2, 3, 4, 5]),
        ("join=away_team&join_type=outer", [1, 2, 3, 4, 5]),
        ("away_team", [1, 2, 4, 5]),
        ("join_models=away-team", [1, 2, 4, 5]),
        ("join=goals", [1, 2, 4]),
        ("join=goal", [1, 2, 4]),
        ("join=GOALS,tags", [1, 2, 4]),
        ("join=goals&join=bookings", [1, 2]),
        ("join=goals&join_type=left", [1, 2, 3, 4, 5]),
        ("join=goals&dump=dynamic", [1, 2, 3, 4, 5]),
        ("join=goals&dump=dynamic&join_type=inner", [1, 2, 4]),
        ("join=away_team&dump=dynamic&away_team.name__eq=Ajax", [2]),
        ("join=tags&tags.word__eq=rain", [1, 2]),
        ("tags.word__eq=rain&join=tags", [1, 2]),
        ("join=tags&Tag.word__eq=rain", [1, 2]),
        ("join=tags&tag.word__eq=rain", [1, 2]),
        ("join=tags&word__eq=rain", [1, 2]),
        ("join=tags&match.id__gt=1", [2, 4]),
        ("join=home_team&join_type=left&city__eq=Oslo", [1, 4, 5]),
    ],
)
def test_a_join_keeps_rows_as_its_type_says(league_app, query, expected):
    assert league_app.ids(f"/api/matches?{query}") == expected


@pytest.mark.contract("rest 13 group 6")
@pytest.mark.contract("rest D32")
@pytest.mark.parametrize(
    "query, expected",
    [
        ("join=home_team,away_team&home_team.name__eq=Ajax", [1, 5]),
        ("join=home_team,away_team&away_team.name__eq=Ajax", [2]),
        ("join=home_team,away_team&home_team.name__eq=Ajax&away_team.name__eq=Brann", [1]),
        ("join=away_team,home_team&away_team.city__isnull=true&home_team.city__eq=Oslo", [4, 5]),
        ("join=home_team,away_team&order_by=away_team.name,-home_team.name", [2, 1, 4, 5]),
    ],
)
def test_two_relations_to_one_model_stay_apart(league_app, query, expected):
    assert league_app.ids(f"/api/matches?{query}") == expected


@pytest.mark.contract("rest D32")
@pytest.mark.parametrize(
    "url, expected",
    [
        ("/api/clubs?join=parent", [3, 4]),
        ("/api/clubs?join=parent&parent.name__eq=Cork", [4]),
        ("/api/clubs?join=reserves", [1, 3]),
        ("/api/clubs?join=reserves&reserves.name__eq=Cork&name__eq=Ajax", [1]),
        ("/api/clubs?join=parent,reserves&parent.name__eq=Ajax&reserves.name__eq=Derby", [3]),
        ("/api/clubs?join=parent&join_type=left&order_by=-parent.name:nullslast", [4, 3, 1, 2]),
        ("/api/clubs?join=stadium&order_by=-stadium.name", [2, 1]),
        ("/api/bookings?join=seat", [1, 2]),
        ("/api/bookings?join=seat&seat.price__ge=20", [2]),
        ("/api/bookings?join=seat&join_type=left&order_by=-seat.price:nullslast", [2, 1, 3]),
        ("/api/tags?join=matches&matches.name__eq=Cup", [1, 2]),
    ],
)
def test_self_references_secondary_tables_and_composite_keys_are_joined(league_app, url, expected):
    assert league_app.ids(url) == expected


@pytest.mark.contract("rest 13 group 6")
@pytest.mark.contract("rest D32")
@pytest.mark.parametrize("join_type", ["inner", "left"])
def test_pages_of_a_to_many_join_count_base_records(league_app, join_type):
    seen, url = [], f"/api/matches?join=goals,tags,bookings&join_type={join_type}&goals.minute__gt=1&limit=1"
    while url:
        body = league_app.get(url).get_json()
        assert len(body["value"]) == 1
        assert body["total_count"] == (1 if join_type == "inner" else 2)
        seen.append(body["value"][0]["id"])
        url = body["next_url"]
    assert seen == ([1] if join_type == "inner" else [1, 4])


@pytest.mark.contract("rest 13 group 6")
@pytest.mark.contract("rest 3.6, core decisions 10")
def test_a_join_names_what_a_dynamic_dump_inlines(league_app):
    record = league_app.value("/api/matches?join=goals,home_team&dump=dynamic&goals.player__eq=Bo&limit=1")[0]
    assert [goal["player"] for goal in record["goals"]] == ["Ada", "Ada", "Bo"]
    assert record["home_team"]["name"] == "Ajax"
    assert record["tags"] == "/api/matches/1/tags"


@pytest.mark.contract("rest 3.6")
def test_a_relation_route_takes_joins_too(league_app):
    assert league_app.ids("/api/tags/1/matches?join=home_team&home_team.city__eq=Oslo") == [1]
    assert league_app.ids("/api/tags/1/matches?join=home_team&order_by=-home_team.name") == [2, 1]
    assert league_app.ids("/api/clubs/1/reserves?join=parent&parent.name__eq=Ajax&fields=id,parent.name") == [3]


@pytest.mark.contract("rest 13 group 6")
@pytest.mark.contract("rest 3.6")
@pytest.mark.parametrize("sessions", ["getter", "sessionmaker", "flask_sqlalchemy"])
def test_joins_work_with_every_kind_of_session(serve, league, fill_league, sessions):
    served = serve(league.Base, sessions=sessions)
    fill_league(served)
    url = "/api/matches?join=away_team,tags&away_team.name__eq=Ajax&order_by=away_team.name&fields=id,away_team.name"
    assert served.value(url) == [{"id": 2, "name": "Ajax"}]


# --- fields -----------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 3.3, rest D34")
@pytest.mark.parametrize(
    "query, first",
    [
        ("join=home_team&fields=id,home_team.city", {"id": 1, "city": "Oslo"}),
        ("join=home_team&fields=id,city", {"id": 1, "city": "Oslo"}),
        ("join=home_team&fields=id,Club.city", {"id": 1, "city": "Oslo"}),
        ("join=home_team&fields=home_team.city", {"city": "Oslo"}),
        ("join=home_team&fields=name,home_team.name", {"name": "Cup", "home_team.name": "Ajax"}),
        ("join=home_team&fields=match.name,home_team.name", {"name": "Cup", "home_team.name": "Ajax"}),
        (
            "join=home_team,away_team&fields=home_team.name,away_team.name",
            {"away_team.name": "Brann", "home_team.name": "Ajax"},
        ),
        ("join=home_team&fields=id,home_team.initial", {"id": 1, "initial": "A"}),
        ("join=home_team&fields=id,goals", {"id": 1, "goals": "/api/matches/1/goals"}),
        ("join=goals&fields=id,goals.player&goals.minute__eq=7", {"id": 1, "player": "Bo"}),
    ],
)
def test_columns_of_joined_rows_can_be_selected(league_app, query, first):
    assert league_app.value(f"/api/matches?{query}")[0] == first


@pytest.mark.contract("rest 3.3")
def test_a_joined_row_that_is_missing_shows_null(league_app):
    url = "/api/matches?join=away_team&join_type=left&fields=id,away_team.name&limit=3"
    assert [record["name"] for record in league_app.value(url)] == ["Brann", "Ajax", None]
    url = "/api/clubs?join=stadium&join_type=left&fields=id,stadium.name"
    assert [record["stadium.name" if "stadium.name" in record else "name"] for record in league_app.value(url)] == [
        "Arena",
        "Bowl",
        None,
        None,
    ]


@pytest.mark.contract("rest 3.6")
def test_fields_of_many_joined_rows_give_one_record_for_each(league_app):
    url = "/api/matches?join=goals&fields=id,goals.player,goals.minute&limit=2"
    first = league_app.get(url).get_json()
    assert first["total_count"] == 5
    assert first["value"] == [{"id": 1, "minute": 5, "player": "Ada"}, {"id": 1, "minute": 80, "player": "Ada"}]
    seen = list(first["value"])
    while first["next_url"]:
        first = league_app.get(first["next_url"]).get_json()
        seen += first["value"]
    assert [(record["id"], record["player"]) for record in seen] == [
        (1, "Ada"),
        (1, "Ada"),
        (1, "Bo"),
        (2, "Bo"),
        (4, "Cy"),
    ]


@pytest.mark.contract("rest 3.6")
def test_filters_and_sorts_of_many_joined_rows_are_of_the_row_that_is_shown(league_app):
    url = "/api/matches?join=goals&fields=id,goals.minute&goals.player__eq=Ada&order_by=-goals.minute"
    assert league_app.value(url) == [{"id": 1, "minute": 80}, {"id": 1, "minute": 5}]
    url = "/api/matches?join=tags&join_type=left&fields=id,tags.word&order_by=tags.word:nullsfirst,-id&limit=3"
    assert [record["id"] for record in league_app.value(url)] == [5, 3, 1]


@pytest.mark.contract("rest 3.2", "rest 3.6")
@pytest.mark.parametrize(
    "condition, shown",
    [
        ("goals.minute__isnull=true", [(2, "Bo")]),
        ("or[goals.minute__isnull=true,goals.player__eq=Cy]", [(2, "Bo"), (4, "Cy")]),
        ("not[goals.id__isnull=false]", [(3, None), (5, None)]),
    ],
)
def test_a_match_without_goals_has_no_goal_without_a_minute(league_app, condition, shown):
    url = f"/api/matches?join=goals&join_type=left&{condition}&fields=id"
    assert league_app.ids(url) == [key for key, _ in shown]
    assert [(record["id"], record["player"]) for record in league_app.value(f"{url},goals.player")] == shown


@pytest.mark.contract("rest 3.3")
def test_joined_columns_are_shown_on_routes_of_one_row(league_app):
    url = "/api/matches/3?join=home_team,away_team&fields=home_team.name,away_team.city"
    assert league_app.value(url) == {"name": "Cork", "city": None}
    changed = league_app.patch("/api/matches/1?join=home_team&fields=name,home_team.city", json={"name": "Derby"})
    assert changed.get_json()["value"] == {"name": "Derby", "city": "Oslo"}
    error_of(league_app.get("/api/matches/1?join=goals&fields=goals.player"), 400, "invalid_table")


# --- order ------------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest D20")
@pytest.mark.parametrize(
    "query, expected",
    [
        ("join=home_team&order_by=-home_team.name", [4, 3, 2, 1, 5]),
        ("join=home_team&order_by=home_team.city:nullslast,-id", [2, 5, 4, 1, 3]),
        ("join=home_team&order_by=home_team.city:nullsfirst,-id", [3, 2, 5, 4, 1]),
        ("join=home_team&order_by=city:nullslast,name", [2, 1, 4, 5, 3]),
        ("join=goals&order_by=goals.player,-id", [1, 2, 4]),
        ("join=goals&order_by=-goals.player", [4, 1, 2]),
        ("join=goals&join_type=left&order_by=goals.player:nullsfirst", [3, 5, 1, 2, 4]),
    ],
)
def test_rows_are_sorted_by_joined_columns(league_app, query, expected):
    assert league_app.ids(f"/api/matches?{query}") == expected


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest 3.6, rest D31, rest D21")
@pytest.mark.parametrize(
    "url, reason, message",
    [
        ("/api/matches?join=gaols", "invalid_join", "Invalid join model: gaols. Did you mean goals?"),
        ("/api/matches?join=home_team.stadium", "invalid_join", "Invalid join model: home_team.stadium"),
        ("/api/clubs?join=contracts", "invalid_join", "Invalid join model: contracts"),
        ("/api/matches?join=goals&join_type=full", "invalid_join_type", "Supported: inner,left,right,outer"),
        ("/api/matches?join_type=full", "invalid_join_type", "Supported: inner,left,right,outer"),
        ("/api/matches?join=goals&goals.playr__eq=Ada", "invalid_column", "Did you mean player?"),
        ("/api/matches?join=goals&playr__eq=Ada", "invalid_column", "Did you mean player?"),
        ("/api/matches?join=goals&fields=goals.playr", "invalid_column", "Did you mean player?"),
        ("/api/matches?fields=goals.player", "invalid_table", "Name the relation in `join`"),
        ("/api/matches?join=goals&fields=home_team.name", "invalid_table", "Name the relation in `join`"),
        ("/api/matches?join=home_team&fields=home_team.api_key", "invalid_column", "Invalid column name: api_key"),
        ("/api/matches?join=home_team&home_team.api_key__like=h", "invalid_column", "Invalid column name: api_key"),
        ("/api/matches?join=home_team&order_by=home_team.api_key", "invalid_column", "Invalid column name: api_key"),
        ("/api/matches?join=home_team&fields=api_key", "invalid_column", "Invalid column name: api_key"),
        ("/api/matches?Stadium.name__eq=Ada", "invalid_table", "Invalid table name: Stadium"),
    ],
)
def test_what_cannot_be_joined_is_refused_with_the_reason(league_app, url, reason, message):
    assert message in error_of(league_app.get(url), 400, reason)["message"]


@pytest.mark.contract("rest D27")
def test_joins_that_are_off_change_nothing_and_cannot_fail(serve, league, fill_league):
    served = serve(league.Base, API_ALLOW_JOIN=False)
    fill_league(served)
    assert served.ids("/api/matches?join=goals&join_type=full") == [1, 2, 3, 4, 5]
    assert served.ids("/api/matches?join=nothing&goals") == [1, 2, 3, 4, 5]


# --- statements -------------------------------------------------------------------------------------------------------


@pytest.mark.contract("rest D32")
@pytest.mark.parametrize(
    "query",
    [
        "join=goals,tags,home_team&home_team.name__eq=Ajax&order_by=home_team.city&fields=id,home_team.name",
        "join=goals&fields=id,goals.player",
        "join=goals,tags&tags.word__eq=rain&goals.player__eq=Ada",
    ],
)
def test_a_join_is_one_statement_and_one_count(league_app, query):
    with count_statements(league_app.engine) as log:
        league_app.value(f"/api/matches?limit=1&{query}")
    assert len([text for text in log.statements if text.lstrip().upper().startswith("SELECT")]) <= 2
    assert not any("DISTINCT" in text for text in log.statements)


def test_a_relation_for_sorting_and_showing_is_joined_once(league_app):
    with count_statements(league_app.engine) as log:
        url = "/api/matches?join=home_team&order_by=home_team.name,home_team.city&fields=home_team.name,home_team.id"
        league_app.value(url)
    assert log.statements[0].upper().count("JOIN") == 1
