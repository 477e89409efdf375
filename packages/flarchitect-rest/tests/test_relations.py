"""Relations of every shape, under every naming of their routes: each leads where its relationship leads."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, foreign, mapped_column, relationship, remote

from flarchitect_core.errors import ConfigurationError
from flarchitect_core.testing import error_of, make_app
from flarchitect_rest.part import RestPart

pytestmark = pytest.mark.contract("rest 2.6, 13 group 2")

NAMINGS: dict[str, dict[str, Any]] = {
    "default": {},
    "model": {"API_RELATION_ROUTE_NAMING": "model"},
    "relationship": {"API_RELATION_ROUTE_NAMING": "relationship"},
    "auto": {"API_RELATION_ROUTE_NAMING": "auto"},
    "older relation-key": {"API_RELATION_URL_STYLE": "relation-key"},
    "older target-model": {"API_RELATION_URL_STYLE": "target-model"},
}


@pytest.fixture(params=NAMINGS.values(), ids=list(NAMINGS))
def naming(request):
    return request.param


class Base(DeclarativeBase):
    pass


# --- one to many, one to one, two keys to one target, self-reference --------------------------------------------------


class Meta:
    pass


class Team(Base):
    __tablename__ = "teams"
    Meta = Meta
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    home_games: Mapped[list[Game]] = relationship(foreign_keys="Game.home_id", back_populates="home")
    away_games: Mapped[list[Game]] = relationship(foreign_keys="Game.away_id", back_populates="away")
    arena: Mapped[Arena | None] = relationship(back_populates="team")
    fans: Mapped[list[Person]] = relationship(secondary="fans", back_populates="teams", order_by="Person.name.desc()")


class Game(Base):
    __tablename__ = "games"
    Meta = Meta
    id: Mapped[int] = mapped_column(primary_key=True)
    home_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"))
    away_id: Mapped[int | None] = mapped_column(sa.ForeignKey("teams.id"))
    home: Mapped[Team] = relationship(foreign_keys=home_id, back_populates="home_games")
    away: Mapped[Team | None] = relationship(foreign_keys=away_id, back_populates="away_games")


class Arena(Base):
    __tablename__ = "arenas"
    Meta = Meta
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("teams.id"), unique=True)
    team: Mapped[Team] = relationship(back_populates="arena")


fans = sa.Table(
    "fans",
    Base.metadata,
    sa.Column("team_id", sa.ForeignKey("teams.id"), primary_key=True),
    sa.Column("person_id", sa.ForeignKey("people.id"), primary_key=True),
    sa.Column("rank", sa.Integer, default=0),
)
friendships = sa.Table(
    "friendships",
    Base.metadata,
    sa.Column("person_id", sa.ForeignKey("people.id"), primary_key=True),
    sa.Column("friend_id", sa.ForeignKey("people.id"), primary_key=True),
)


class Person(Base):
    __tablename__ = "people"
    Meta = Meta
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("people.id"))
    parent: Mapped[Person | None] = relationship(remote_side=id, back_populates="children")
    children: Mapped[list[Person]] = relationship(back_populates="parent", order_by="Person.name")
    teams: Mapped[list[Team]] = relationship(secondary=fans, back_populates="fans", order_by=fans.c.rank)
    friends: Mapped[list[Person]] = relationship(
        secondary=friendships,
        primaryjoin=id == friendships.c.person_id,
        secondaryjoin=id == friendships.c.friend_id,
        back_populates="friend_of",
    )
    friend_of: Mapped[list[Person]] = relationship(
        secondary=friendships,
        primaryjoin=id == friendships.c.friend_id,
        secondaryjoin=id == friendships.c.person_id,
        back_populates="friends",
    )


# --- foreign keys to other columns, of several columns, and joins of one's own ----------------------------------------


class Country(Base):
    __tablename__ = "countries"
    Meta = Meta
    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(3), unique=True)
    ports: Mapped[list[Port]] = relationship(back_populates="country")
    open_ports: Mapped[list[Port]] = relationship(
        primaryjoin=lambda: sa.and_(Country.code == foreign(Port.country_code), Port.is_open.is_(True)), viewonly=True
    )
    capital: Mapped[Port | None] = relationship(
        primaryjoin=lambda: sa.and_(Country.code == foreign(Port.country_code), Port.is_capital.is_(True)),
        viewonly=True,
        uselist=False,
    )
    like_named: Mapped[list[Port]] = relationship(
        primaryjoin=lambda: sa.func.lower(Country.code) == foreign(remote(Port.nick)), viewonly=True
    )


class Port(Base):
    __tablename__ = "ports"
    Meta = Meta
    id: Mapped[int] = mapped_column(primary_key=True)
    country_code: Mapped[str | None] = mapped_column(sa.ForeignKey("countries.code"))
    nick: Mapped[str | None] = mapped_column(sa.String(10))
    is_open: Mapped[bool] = mapped_column(default=True)
    is_capital: Mapped[bool] = mapped_column(default=False)
    country: Mapped[Country | None] = relationship(back_populates="ports")
    shifts: Mapped[list[Shift]] = relationship(back_populates="port", order_by="Shift.crew.desc()")
    named_after: Mapped[Country | None] = relationship(
        primaryjoin=lambda: foreign(Port.nick) == sa.func.lower(remote(Country.code)), viewonly=True
    )


class Shift(Base):
    __tablename__ = "shifts"
    __table_args__ = (sa.UniqueConstraint("day", "port_id"),)
    Meta = Meta
    port_id: Mapped[int] = mapped_column(sa.ForeignKey("ports.id"), primary_key=True)
    day: Mapped[dt.date] = mapped_column(primary_key=True)
    crew: Mapped[int] = mapped_column(default=0)
    port: Mapped[Port] = relationship(back_populates="shifts")
    reports: Mapped[list[Report]] = relationship(back_populates="shift")


class Report(Base):
    __tablename__ = "reports"
    __table_args__ = (sa.ForeignKeyConstraint(["day", "port_number"], ["shifts.day", "shifts.port_id"]),)
    Meta = Meta
    name: Mapped[str] = mapped_column(sa.String(20), primary_key=True)
    day: Mapped[dt.date | None]
    port_id: Mapped[int | None] = mapped_column("port_number")
    shift: Mapped[Shift | None] = relationship(back_populates="reports")


DAY = dt.date(2024, 1, 1)
ROWS: list[tuple[Any, list[dict[str, Any]]]] = [
    (Team, [{"id": 1, "name": "Reds"}, {"id": 2, "name": "Blues"}, {"id": 3, "name": "Greens"}]),
    (Game, [{"id": 7, "home_id": 1, "away_id": 2}, {"id": 8, "home_id": 2, "away_id": 1}]),
    (Game, [{"id": 9, "home_id": 1, "away_id": None}]),
    (Arena, [{"id": 5, "team_id": 2}]),
    (Person, [{"id": 1, "name": "Ann", "parent_id": None}]),
    (Person, [{"id": 2, "name": "Zoe", "parent_id": 1}, {"id": 3, "name": "Bob", "parent_id": 1}]),
    (Person, [{"id": 4, "name": "Kim", "parent_id": 3}]),
    (
        fans,
        [{"team_id": 1, "person_id": n, "rank": -n} for n in (1, 2, 3)] + [{"team_id": 2, "person_id": 2, "rank": -7}],
    ),
    (
        friendships,
        [{"person_id": 1, "friend_id": 2}, {"person_id": 2, "friend_id": 3}, {"person_id": 1, "friend_id": 4}],
    ),
    (Country, [{"id": 10, "code": "NOR"}, {"id": 20, "code": "CHE"}]),
    (Port, [{"id": 1, "country_code": "NOR", "nick": "che", "is_open": True, "is_capital": True}]),
    (Port, [{"id": 2, "country_code": "NOR", "nick": None, "is_open": False, "is_capital": False}]),
    (Port, [{"id": 3, "country_code": None, "nick": "nor", "is_open": True, "is_capital": False}]),
    (Shift, [{"port_id": 1, "day": DAY, "crew": 1}, {"port_id": 1, "day": DAY + dt.timedelta(1), "crew": 9}]),
    (Shift, [{"port_id": 2, "day": DAY, "crew": 3}]),
    (Report, [{"name": "a/b", "day": DAY, "port_number": 1}, {"name": "..", "day": DAY, "port_number": 2}]),
    (Report, [{"name": "ü", "day": DAY, "port_number": None}, {"name": "", "day": None, "port_number": None}]),
]

# Model, key, relationship, and the keys it leads to in order; a to-one relation leads to one key or to `None`.
EXPECTED: list[tuple[str, str, str, Any]] = [
    ("teams", "1", "home_games", [7, 9]),
    ("teams", "2", "home_games", [8]),
    ("teams", "3", "home_games", []),
    ("teams", "1", "away_games", [8]),
    ("teams", "2", "away_games", [7]),
    ("teams", "1", "arena", None),
    ("teams", "2", "arena", 5),
    ("teams", "1", "fans", [2, 3, 1]),
    ("teams", "3", "fans", []),
    ("games", "7", "home", 1),
    ("games", "7", "away", 2),
    ("games", "8", "home", 2),
    ("games", "8", "away", 1),
    ("games", "9", "away", None),
    ("arenas", "5", "team", 2),
    ("people", "1", "parent", None),
    ("people", "2", "parent", 1),
    ("people", "4", "parent", 3),
    ("people", "1", "children", [3, 2]),
    ("people", "3", "children", [4]),
    ("people", "4", "children", []),
    ("people", "2", "teams", [2, 1]),
    ("people", "1", "friends", [2, 4]),
    ("people", "2", "friends", [3]),
    ("people", "2", "friend_of", [1]),
    ("people", "1", "friend_of", []),
    ("countries", "10", "ports", [1, 2]),
    ("countries", "20", "ports", []),
    ("countries", "10", "open_ports", [1]),
    ("countries", "10", "capital", 1),
    ("countries", "20", "capital", None),
    ("countries", "10", "like_named", [3]),
    ("countries", "20", "like_named", [1]),
    ("ports", "1", "country", 10),
    ("ports", "3", "country", None),
    ("ports", "1", "named_after", 20),
    ("ports", "2", "named_after", None),
    ("ports", "1", "shifts", [(1, "2024-01-02"), (1, "2024-01-01")]),
    ("ports", "2", "shifts", [(2, "2024-01-01")]),
    ("shifts", "1/2024-01-01", "port", 1),
    ("shifts", "1/2024-01-01", "reports", ["a/b"]),
    ("shifts", "1/2024-01-02", "reports", []),
    ("shifts", "2/2024-01-01", "reports", [".."]),
    ("reports", "a~1b", "shift", (1, "2024-01-01")),
    ("reports", "~..", "shift", (2, "2024-01-01")),
    ("reports", quote("ü"), "shift", None),
    ("reports", "~", "shift", None),
]
KEYS = {"shifts": ("port_id", "day"), "reports": ("name",)}
TARGETS = {
    "home_games": "games",
    "away_games": "games",
    "arena": "arenas",
    "fans": "people",
    "home": "teams",
    "away": "teams",
    "team": "teams",
    "parent": "people",
    "children": "people",
    "teams": "teams",
    "friends": "people",
    "friend_of": "people",
    "ports": "ports",
    "open_ports": "ports",
    "capital": "ports",
    "like_named": "ports",
    "country": "countries",
    "named_after": "countries",
    "shifts": "shifts",
    "port": "ports",
    "reports": "reports",
    "shift": "shifts",
}
TO_ONE = {name for _, _, name, expected in EXPECTED if not isinstance(expected, list)}


def key_of(target: str, record: Any) -> Any:
    names = KEYS.get(target, ("id",))
    key = tuple(record[name] for name in names)
    return key if len(key) > 1 else key[0]


@pytest.fixture
def world(serve):
    def start(**config: Any) -> Any:
        served = serve(Base, **config)
        for table, rows in ROWS:
            served.execute(sa.insert(table), rows)
        return served

    return start


def segments(served: Any) -> dict[tuple[str, str], str]:
    """Give `(parent segment, relationship)` to the segment of its relation route, as start-up decided."""
    registry = served.app.extensions["flarchitect.state"].registry
    return {
        (resource.segment, relation.fact.name): relation.segment
        for resource in registry
        for relation in resource.relations.values()
    }


def check_relations(served: Any) -> None:
    """Follow every expected relation over its own route."""
    named = segments(served)
    for parent, key, name, expected in EXPECTED:
        url = f"/api/{parent}/{key}/{named[parent, name]}"
        if expected is None:
            error_of(served.get(url), 404, "row_not_found")
        elif name in TO_ONE:
            assert key_of(TARGETS[name], served.value(url)) == expected, url
        else:
            body = served.get(url).get_json()
            assert sorted(key_of(TARGETS[name], row) for row in body["value"]) == sorted(expected), url
            assert body["total_count"] == len(expected)


def links_in(value: Any) -> set[str]:
    """Collect every link in a part of an answer."""
    if isinstance(value, dict):
        return {link for item in value.values() for link in links_in(item)}
    if isinstance(value, list):
        return {link for item in value for link in links_in(item)}
    return {value} if isinstance(value, str) and re.match(r"(http://localhost)?/api/", value) else set()


def crawl(served: Any, *starts: str) -> set[str]:
    """Follow every link of every answer; each must answer 200."""
    waiting, seen = set(starts), set()
    while waiting:
        url = waiting.pop()
        seen.add(url)
        response = served.get(url)
        assert response.status_code == 200, (url, response.get_data(as_text=True))
        waiting |= links_in(response.get_json()) - seen
    return seen


COLLECTIONS = ["teams", "games", "arenas", "people", "countries", "ports", "shifts", "reports"]


@pytest.mark.contract("rest 12, D03")
def test_every_relation_leads_where_its_relationship_leads(world, naming):
    check_relations(world(**naming))


def test_every_relation_works_with_any_source_of_sessions(world, sessions):
    check_relations(world(sessions=sessions))


@pytest.mark.contract("rest 12, D52")
def test_every_link_answers_under_every_naming(world, naming):
    seen = crawl(world(**naming), *(f"/api/{name}?limit=2" for name in COLLECTIONS))
    assert len(seen) > 60


@pytest.mark.parametrize("mode", ["url", "json", "hybrid", "dynamic"])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_every_link_answers_in_every_dump_mode(world, mode, depth):
    served = world(API_SERIALIZATION_DEPTH=depth)
    crawl(served, *(f"/api/{name}?limit=2&dump={mode}" for name in COLLECTIONS))


@pytest.mark.contract("rest 12, D03")
def test_every_relation_has_a_route_of_its_own(world, naming):
    served = world(**naming)
    named = segments(served)
    assert len(named) == len({name for _, _, name, _ in EXPECTED})
    assert len({(parent, segment) for (parent, _), segment in named.items()}) == len(named)
    assert all(named.values())


def test_every_relation_is_inlined_as_its_relationship_loads_it(world):
    served = world(API_SERIALIZATION_TYPE="json")
    for parent, key, name, expected in EXPECTED:
        shown = served.value(f"/api/{parent}/{key}")[name]
        target = TARGETS[name]
        if expected is None or name in TO_ONE:
            assert (shown and key_of(target, shown)) == expected, (parent, key, name)
        else:
            assert [key_of(target, row) for row in shown] == expected, (parent, key, name)


def test_inlined_lists_and_relation_routes_have_the_order_of_the_relationship(world):
    served = world(API_RELATION_ROUTE_NAMING="relationship")
    for parent, key, name, expected in EXPECTED:
        if isinstance(expected, list):
            rows = served.value(f"/api/{parent}/{key}/{name}")
            assert [key_of(TARGETS[name], row) for row in rows] == expected, (parent, key, name)


def test_an_order_of_the_client_beats_the_order_of_the_relationship(world):
    served = world()
    assert [row["name"] for row in served.value("/api/teams/1/people?order_by=name")] == ["Ann", "Bob", "Zoe"]


def test_pages_of_an_ordered_relation_give_every_row_once(world):
    served = world()
    url, seen = "/api/teams/1/people?limit=1", []
    while url:
        body = served.get(url).get_json()
        seen += [row["name"] for row in body["value"]]
        url = body["next_url"]
    assert seen == ["Zoe", "Bob", "Ann"]


# --- naming -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("config", [{}, NAMINGS["model"], NAMINGS["older target-model"]])
def test_model_naming_uses_the_segment_of_the_target(world, config, caplog):
    named = segments(world(**config))
    assert named["games", "home"] == "teams"
    assert named["games", "away"] == "away"
    assert named["teams", "home_games"] == "games"
    assert named["teams", "away_games"] == "away_games"
    assert named["teams", "arena"] == "arenas"
    assert named["people", "teams"] == "teams"
    assert "Two relationships of" in caplog.text


@pytest.mark.parametrize("config", [NAMINGS["relationship"], NAMINGS["older relation-key"]])
def test_relationship_naming_uses_the_name_of_the_relationship(world, config, caplog):
    assert all(segment == name for (_, name), segment in segments(world(**config)).items())
    assert "Two relationships of" not in caplog.text


def test_auto_naming_uses_the_relationship_only_where_two_collide(world, caplog):
    named = segments(world(**NAMINGS["auto"]))
    assert (named["games", "home"], named["games", "away"]) == ("home", "away")
    assert named["teams", "arena"] == "arenas"
    assert named["people", "teams"] == "teams"
    assert named["people", "parent"] == "parent"
    assert "Two relationships of" not in caplog.text


def test_the_newer_spelling_beats_the_older_one(world):
    config = {"API_RELATION_ROUTE_NAMING": "model", "API_RELATION_URL_STYLE": "relation-key"}
    assert segments(world(**config))["teams", "arena"] == "arenas"


def test_segments_keep_the_case_of_the_endpoint_and_the_name_of_the_relationship(world):
    named = segments(world(API_ENDPOINT_CASE="pascal"))
    assert named["Teams", "home_games"] == "Games"
    assert named["Teams", "away_games"] == "away_games"


def pair(*, naming: str | None = None, route_map: dict[str, str] | None = None, **child_meta: Any) -> Any:
    """Make `Film` with the relationships `studio` and `rival` to `Studio`."""
    base: Any = type("Base", (DeclarativeBase,), {})
    meta = {"relation_route_naming": naming, "relation_route_map": route_map or {}}
    film = {
        "__tablename__": "films",
        "Meta": type("Meta", (), meta),
        "id": mapped_column(sa.Integer, primary_key=True),
        "studio_id": mapped_column(sa.ForeignKey("studios.id")),
        "rival_id": mapped_column(sa.ForeignKey("studios.id")),
        "studio": relationship("Studio", foreign_keys="Film.studio_id"),
        "rival": relationship("Studio", foreign_keys="Film.rival_id"),
    }
    key = mapped_column(sa.Integer, primary_key=True)
    studio = {"__tablename__": "studios", "Meta": type("Meta", (), child_meta), "id": key}
    base.models = [type("Film", (base,), film), type("Studio", (base,), studio)]
    return base


@pytest.mark.parametrize(
    "naming, route_map, expected",
    [
        ("relationship", {"studio": "made-by"}, ["made-by", "rival"]),
        ("auto", {"studio": "made-by", "rival": "against"}, ["made-by", "against"]),
        ("model", {"studio": "made-by"}, ["studios", "rival"]),
        ("model", {"rival": "against"}, ["studios", "against"]),
        (None, {"rival": "against"}, ["studios", "against"]),
    ],
)
def test_the_route_map_renames_where_relationship_naming_is_in_effect(serve, naming, route_map, expected):
    served = serve(pair(naming=naming, route_map=route_map))
    served.post("/api/studios", json={})
    served.post("/api/studios", json={})
    served.post("/api/films", json={"studio_id": 1, "rival_id": 2})
    assert [served.value(f"/api/films/1/{segment}")["id"] for segment in expected] == [1, 2]
    crawl(served, "/api/films")


def test_the_naming_of_the_parent_beats_the_configuration(serve):
    served = serve(
        pair(naming="relationship"), API_RELATION_ROUTE_NAMING="model", API_RELATION_URL_STYLE="target-model"
    )
    assert set(segments(served).values()) == {"studio", "rival"}


def test_a_route_map_that_collides_is_a_mistake():
    with pytest.raises(ConfigurationError, match="both want the URL segment 'same'") as caught:
        make_app(
            pair(naming="relationship", route_map={"studio": "same", "rival": "same"}), "sqlite://", parts=[RestPart()]
        )
    assert "relation_route_map" in str(caught.value)


def test_a_route_map_of_a_relationship_that_does_not_exist_is_a_mistake():
    base = pair(naming="relationship", route_map={"studoi": "made-by"})
    with pytest.raises(ConfigurationError, match=r"studoi.*'studio'"):
        make_app(base, "sqlite://", parts=[RestPart()])


@pytest.mark.contract("rest D46")
def test_a_blocked_child_has_no_relation_route_and_no_link(serve):
    served = serve(pair(block_methods=["GET"]))
    served.post("/api/studios", json={})
    created = served.post("/api/films", json={"studio_id": 1})
    assert created.get_json()["value"] == {"id": 1, "studio_id": 1, "rival_id": None}
    for segment in ("studios", "studio", "rival"):
        error_of(served.get(f"/api/films/1/{segment}"), 404, "unknown_path")


def test_relation_routes_can_be_left_out(serve):
    served = serve(pair(), API_ADD_RELATIONS=False)
    created = served.post("/api/films", json={})
    assert created.get_json()["value"] == {"id": 1, "studio_id": None, "rival_id": None}
    error_of(served.get("/api/films/1/studios"), 404, "unknown_path")


def test_relation_routes_only_read(world):
    served = world()
    for method in ("post", "put", "patch", "delete"):
        error_of(getattr(served, method)("/api/teams/1/games", json={}), 405, "method_not_allowed")


def test_relation_routes_live_below_the_canonical_path_also_when_only_an_endpoint_is_registered(serve):
    base = pair()
    base.models[0].Meta.endpoint = "movies"
    base.models[0].Meta.register_canonical_routes = False
    served = serve(base)
    served.post("/api/studios", json={})
    served.post("/api/movies", json={"studio_id": 1})
    assert served.value("/api/films/1/studios") == {"id": 1}


# --- results ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url, message",
    [
        ("/api/teams/99/games", "Team not found."),
        ("/api/teams/99/people", "Team not found."),
        ("/api/teams/99/arenas", "Team not found."),
        ("/api/games/99/teams", "Game not found."),
        ("/api/people/99/people", "Person not found."),
        ("/api/shifts/1/2030-01-01/reports", "Shift not found."),
        ("/api/shifts/1/never/reports", "Shift not found."),
        ("/api/shifts/1/never/ports", "Shift not found."),
        ("/api/teams/99/games?id__eq=7&limit=1", "Team not found."),
    ],
)
def test_a_missing_parent_is_not_found(world, url, message):
    assert error_of(world().get(url), 404, "parent_not_found")["message"] == message


@pytest.mark.contract("rest D53")
@pytest.mark.parametrize("query", ["", "?limit=1", "?id__eq=1", "?order_by=-id"])
def test_a_parent_without_children_gives_an_empty_list(world, query):
    body = world().get(f"/api/teams/3/games{query}").get_json()
    assert (body["value"], body["total_count"], body["next_url"]) == ([], 0, None)


def test_children_that_are_filtered_away_give_an_empty_list(world):
    body = world().get("/api/teams/1/games?id__gt=100").get_json()
    assert (body["value"], body["total_count"]) == ([], 0)


def test_a_null_relation_is_not_found(world):
    assert error_of(world().get("/api/games/9/away"), 404, "row_not_found")["message"] == "Resource not found."


@pytest.mark.contract("rest D02")
def test_a_to_one_route_never_compares_the_key_of_the_parent_with_that_of_the_target(world):
    served = world()
    assert served.value("/api/games/8/teams")["id"] == 2
    assert served.value("/api/arenas/5/teams")["id"] == 2


def test_pages_of_a_relation_keep_its_url(world):
    served = world(API_RELATION_ROUTE_NAMING="relationship")
    first = served.get("/api/people/1/children?order_by=-name&limit=1").get_json()
    assert ([row["name"] for row in first["value"]], first["total_count"]) == (["Zoe"], 2)
    assert first["next_url"] == "http://localhost/api/people/1/children?order_by=-name&limit=1&page=2"
    second = served.get(first["next_url"]).get_json()
    assert ([row["name"] for row in second["value"]], second["next_url"]) == (["Bob"], None)


def test_a_page_past_the_end_of_a_relation_is_empty_and_still_counts(world):
    body = world().get("/api/teams/1/games?limit=1&page=9").get_json()
    assert (body["value"], body["total_count"], body["status_code"]) == ([], 2, 200)


def test_a_filter_of_a_self_reference_is_about_the_children(world):
    served = world(API_RELATION_ROUTE_NAMING="relationship")
    assert [row["id"] for row in served.value("/api/people/1/children?name__eq=Bob")] == [3]
    assert served.value("/api/people/1/children?name__eq=Ann") == []
    assert [row["id"] for row in served.value("/api/people/1/friends?id__gt=2")] == [4]


def test_links_of_pages_escape_the_key_of_the_parent(serve):
    base: Any = type("Base", (DeclarativeBase,), {})
    shop = {
        "__tablename__": "shops",
        "Meta": Meta,
        "name": mapped_column(sa.String(20), primary_key=True),
        "sales": relationship("Sale", back_populates="shop"),
    }
    sale = {
        "__tablename__": "sales",
        "Meta": Meta,
        "id": mapped_column(sa.Integer, primary_key=True),
        "shop_name": mapped_column(sa.ForeignKey("shops.name")),
        "shop": relationship("Shop", back_populates="sales"),
    }
    base.models = [type("Shop", (base,), shop), type("Sale", (base,), sale)]
    served = serve(base)
    for name in ("", "..", "a/b", "100%", "ü 日", "?#", "~"):
        assert served.post("/api/shops", json={"name": name}).status_code == 201
        for _ in range(2):
            served.post("/api/sales", json={"shop_name": name})
        url = served.value("/api/sales?order_by=-id&limit=1")[0]["shop"]
        first = served.get(f"{url}/sales?limit=1").get_json()
        assert first["next_url"].isascii()
        assert served.get(first["next_url"]).get_json()["value"][0]["shop_name"] == name
    crawl(served, "/api/shops?limit=2", "/api/sales?limit=2")


# --- one of many, and a key that is a foreign key ---------------------------------------------------------------------


class Feed(DeclarativeBase):
    pass


class Author(Feed):
    __tablename__ = "authors"
    Meta = Meta
    id: Mapped[int] = mapped_column(primary_key=True)
    passport: Mapped[Passport | None] = relationship(back_populates="author")
    articles: Mapped[list[Article]] = relationship(back_populates="author")
    latest: Mapped[Article | None] = relationship(
        uselist=False, viewonly=True, order_by="[Article.day.desc(), Article.id]"
    )
    first: Mapped[Article | None] = relationship(uselist=False, viewonly=True)


class Passport(Feed):
    __tablename__ = "passports"
    Meta = Meta
    author_id: Mapped[int] = mapped_column(sa.ForeignKey("authors.id"), primary_key=True)
    author: Mapped[Author] = relationship(back_populates="passport")


class Article(Feed):
    __tablename__ = "articles"
    Meta = Meta
    id: Mapped[int] = mapped_column(primary_key=True)
    day: Mapped[int]
    author_id: Mapped[int | None] = mapped_column(sa.ForeignKey("authors.id"))
    author: Mapped[Author | None] = relationship(back_populates="articles")


@pytest.fixture
def feed(serve):
    served = serve(Feed, API_RELATION_ROUTE_NAMING="relationship")
    served.execute(sa.insert(Author), [{"id": n} for n in (1, 2, 3)])
    served.execute(sa.insert(Passport), [{"author_id": 2}])
    days = [(1, 5, 1), (2, 9, 1), (3, 9, 1), (4, 1, 1), (5, 3, 2)]
    served.execute(sa.insert(Article), [{"id": n, "day": day, "author_id": author} for n, day, author in days])
    return served


@pytest.mark.parametrize("name, expected", [("latest", 2), ("first", 1)])
def test_a_to_one_relation_to_several_rows_gives_the_first_in_its_order(feed, name, expected):
    assert feed.value("/api/authors/1")[name] == f"/api/articles/{expected}"
    assert feed.value("/api/authors/1?dump=json")[name]["id"] == expected
    assert feed.value(f"/api/authors/1/{name}")["id"] == expected
    assert [row[name] and row[name]["id"] for row in feed.value("/api/authors?dump=hybrid")] == [expected, 5, None]


def test_the_reverse_of_a_key_that_is_a_foreign_key_is_linked_only_where_it_exists(feed):
    assert [row["passport"] for row in feed.value("/api/authors")] == [None, "/api/passports/2", None]
    assert [row["passport"] for row in feed.value("/api/authors?dump=json")] == [None, {"author_id": 2}, None]
    crawl(feed, "/api/authors?limit=1", "/api/passports", "/api/articles")
