"""Links of a many-to-many relation whose secondary table a model is mapped to: they are rows of it, with its rules."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import request
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column, relationship

from flarchitect_core.access.identity import get_current_user, set_current_user
from flarchitect_core.access.rules import Policy, owner
from flarchitect_core.state import state_of
from flarchitect_core.testing import count_statements, error_of

USERS = {
    "ada": SimpleNamespace(id=1, tenant_id=1, roles=[]),
    "bob": SimpleNamespace(id=2, tenant_id=2, roles=[]),
    "none": SimpleNamespace(id=3, tenant_id=None, roles=[]),
    "sam": SimpleNamespace(id=4, tenant_id=1, roles=["staff"]),
}
OWN = Policy(owner("owner_id"))


def as_user(name: str) -> dict[str, str]:
    return {"X-User": name}


ADA = as_user("ada")


def clubs(
    meta: dict[str, Any] | None,
    *,
    has_own_key: bool = False,
    owner_default: Any = None,
    of_groups: dict[str, Any] | None = None,
    **to_groups: Any,
) -> Any:
    """Men and groups, and members with a key of their own or that of both.

    Args:
        meta: Of members; `None` for a class without.
        owner_default: What fills the owner of a member in.
        of_groups: The policy of groups.
        to_groups: Arguments of the relationship that leads to them.
    """

    class Base(DeclarativeBase):
        pass

    class Member(Base):
        __tablename__ = "members"
        if meta is not None:
            Meta = type("Meta", (), meta)
        if has_own_key:
            id: Mapped[int] = mapped_column(primary_key=True)

        man_id: Mapped[int] = mapped_column(sa.ForeignKey("men.id"), primary_key=not has_own_key)
        group_id: Mapped[int] = mapped_column(sa.ForeignKey("groups.id"), primary_key=not has_own_key)
        owner_id: Mapped[int | None] = mapped_column(
            default=owner_default or (lambda: getattr(get_current_user(), "id", None))
        )
        tenant_id: Mapped[int | None]
        is_gone: Mapped[bool] = mapped_column(default=False)

    class Man(Base):
        __tablename__ = "men"

        class Meta:
            allow_nested_writes = True
            allow_bulk = True
            allow_cascade_delete = True

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20), default="")
        groups: Mapped[list[Any]] = relationship("Group", secondary="members", back_populates="men", **to_groups)

    class Group(Base):
        __tablename__ = "groups"

        class Meta:
            allow_nested_writes = True
            access_policy = of_groups

        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(sa.String(20), default="")
        men: Mapped[list[Any]] = relationship("Man", secondary="members", back_populates="groups")

    class Note(Base):
        __tablename__ = "notes"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[int | None]

    Group.size = column_property(
        sa.select(sa.func.count(Member.man_id)).where(Member.group_id == Group.id).scalar_subquery()
    )
    return SimpleNamespace(Base=Base, Member=Member, Man=Man, Group=Group, Note=Note)


@pytest.fixture
def club(serve):
    """Two men and three groups; the first man is in the first two groups: by Ada in one, and by Bob in the other."""

    def start(meta: dict[str, Any] | None, *, config: Any = None, **arguments: Any) -> Any:
        models = clubs(meta, **arguments)
        api = serve(models.Base, API_RELATION_ROUTE_NAMING="relationship", **(config or {}))
        api.app.before_request(lambda: set_current_user(USERS.get(request.headers.get("X-User", ""))))
        api.execute(sa.insert(models.Man), [{"id": n, "name": f"m{n}"} for n in (1, 2)])
        api.execute(sa.insert(models.Group), [{"id": n, "name": f"g{n}"} for n in (1, 2, 3)])
        links = [{"man_id": 1, "group_id": n, "owner_id": n, "tenant_id": n, "is_gone": False} for n in (1, 2)]
        api.execute(sa.insert(models.Member), links)
        api.advance_sequences("men", "groups", *(["members"] if arguments.get("has_own_key") else []))
        api.models = models
        return api

    return start


def links(api: Any) -> list[tuple[int, int, int | None]]:
    """List the man, the group and the owner of all that there is in the table."""
    with api.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT man_id, group_id, owner_id FROM members ORDER BY 1, 2, 3")
        return [tuple(row) for row in rows]


def linked(*groups: int) -> dict[str, Any]:
    return {"groups": [{"id": group} for group in groups]}


pytestmark = pytest.mark.contract("auth-11", "S-18")


# --- removing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("has_own_key", [False, True])
@pytest.mark.parametrize("loaded", ["select", "selectin", "dynamic", "write_only"])
def test_a_list_replaces_the_links_that_the_caller_sees_and_leaves_the_others(club, has_own_key, loaded):
    api = club({"access_policy": OWN}, has_own_key=has_own_key, lazy=loaded)
    answer = api.patch("/api/men/1?dump=json", json=linked(3), headers=ADA)
    assert answer.status_code == 200, answer.get_json()
    assert [group["id"] for group in answer.get_json()["value"]["groups"]] == [3]
    assert links(api) == [(1, 2, 2), (1, 3, 1)]
    assert api.patch("/api/men/1", json=linked(), headers=ADA).status_code == 200
    assert links(api) == [(1, 2, 2)]
    assert api.put("/api/men/1", json={"name": "x", "groups": []}, headers=ADA).status_code == 200
    assert links(api) == [(1, 2, 2)]


def test_of_two_links_between_the_same_rows_the_hidden_one_stays(club):
    api = club({"access_policy": OWN}, has_own_key=True)
    api.execute(sa.insert(api.models.Member), [{"man_id": 1, "group_id": 1, "owner_id": 2}])
    assert api.patch("/api/men/1", json=linked(), headers=ADA).status_code == 200
    assert links(api) == [(1, 1, 2), (1, 2, 2)]


def test_a_link_is_kept_by_its_other_side_too(club):
    api = club({"access_policy": OWN})
    assert api.patch("/api/groups/2", json={"men": []}, headers=ADA).status_code == 200
    assert api.patch("/api/groups/1", json={"men": [{"id": 2}]}, headers=ADA).status_code == 200
    assert links(api) == [(1, 2, 2), (2, 1, 1)]


@pytest.mark.parametrize(
    "policy",
    [
        Policy(read=True, create=True, delete=False),
        Policy(read=True, create=True, delete=lambda member, user: member.group_id != 1),
        {"can_delete": lambda obj, user, **_: obj.group_id != 1},
    ],
    ids=["never", "by rule", "by hook"],
)
def test_what_may_not_be_deleted_is_not_unlinked(club, policy):
    api = club({"access_policy": policy})
    for body in (linked(2, 3), {"groups": []}, {"groups": [{"id": 2}, {"name": "new"}]}):
        answer = api.patch("/api/men/1", json=body, headers=ADA)
        errors = error_of(answer, 403, "policy_denied")
        assert (errors["message"], errors["action"]) == ("You may not delete this Member.", "delete")
    assert links(api) == [(1, 1, 1), (1, 2, 2)]
    assert api.scalar("SELECT count(*) FROM groups") == 3


ORPHANS = {"cascade": "all, delete-orphan", "single_parent": True}


def test_a_row_that_only_its_link_held_goes_with_it(club):
    api = club({"access_policy": OWN}, **ORPHANS)
    assert api.patch("/api/men/1", json=linked(), headers=ADA).status_code == 200
    assert links(api) == [(1, 2, 2)]
    assert api.ids("/api/groups") == [2, 3]


@pytest.mark.parametrize("meta", [{"access_policy": OWN}, {}, None], ids=["policy", "none", "unpublished"])
def test_a_row_that_only_its_link_held_and_that_may_not_be_deleted_stays(club, meta):
    api = club(meta, of_groups=Policy(read=True, delete=lambda group, user: group.id != 1), **ORPHANS)
    error_of(api.patch("/api/men/1", json=linked(2, 3), headers=ADA), 403, "policy_denied")
    assert links(api) == [(1, 1, 1), (1, 2, 2)]
    assert api.ids("/api/groups") == [1, 2, 3]


def test_a_link_of_a_model_that_marks_its_rows_is_marked(club):
    marks = {"soft_delete": True, "soft_delete_attribute": "is_gone", "soft_delete_values": (False, True)}
    api = club(marks, has_own_key=True)
    assert api.patch("/api/men/1", json=linked(1), headers=ADA).status_code == 200
    assert links(api) == [(1, 1, 1), (1, 2, 2)]
    assert [group["id"] for group in api.value("/api/men/1/groups", headers=ADA)] == [1]
    assert api.patch("/api/men/1", json=linked(1, 2), headers=ADA).status_code == 200
    assert links(api) == [(1, 1, 1), (1, 2, 1), (1, 2, 2)]


# --- adding -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "policy",
    [
        Policy(read=True, create=False, delete=True),
        Policy(read=True, create=lambda member, user: member.group_id == 1, delete=True),
        {"can_create": lambda obj, data, user, **_: obj.group_id == data["group_id"] == 1},
        {"can_create": lambda obj, **_: obj.man_id is None},
        {"scope_query": lambda query, model, action, **_: query.where(model.group_id < 3)},
    ],
    ids=["never", "by rule", "by hook", "by hook that sees the key", "by scope"],
)
def test_what_may_not_be_created_is_not_linked(club, policy):
    api = club({"access_policy": policy})
    for method, path, body in (
        ("post", "men", {"name": "new", **linked(3)}),
        ("post", "men", {"name": "new", "groups": [{"name": "new"}]}),
        ("patch", "men/1", linked(1, 2, 3)),
        ("put", "men/1", {"name": "x", **linked(1, 2, 3)}),
        ("patch", "groups/3", {"men": [{"id": 1}]}),
        ("patch", "groups/3", {"men": [{"name": "new"}]}),
    ):
        answer = api.open(f"/api/{path}", method=method.upper(), json=body, headers=ADA)
        errors = error_of(answer, 403, "policy_denied")
        assert (errors["message"], errors["action"]) == ("You may not create this Member.", "create"), body
    assert links(api) == [(1, 1, 1), (1, 2, 2)]
    assert [api.scalar(f"SELECT count(*) FROM {table}") for table in ("men", "groups")] == [2, 3]
    # Nothing is created here.
    assert api.patch("/api/men/1", json={"name": "y", **linked(1, 2)}, headers=ADA).status_code == 200


def test_what_may_be_created_is_linked_with_its_defaults_and_callbacks(club):
    def signed(member: Any, model: type) -> Any:
        member.owner_id = get_current_user().id
        return member

    api = club({"access_policy": OWN, "add_callback": signed}, owner_default=lambda: 9)
    body = {"name": "new", "groups": [{"id": 2}, {"id": 3}, {"name": "own"}]}
    answer = api.post("/api/men?dump=json", json=body, headers=ADA)
    assert answer.status_code == 201, answer.get_json()
    man = answer.get_json()["value"]
    assert sorted(group["name"] for group in man["groups"]) == ["g2", "g3", "own"]
    assert [row for row in links(api) if row[0] == man["id"]] == [(man["id"], n, 1) for n in (2, 3, 4)]
    assert api.value(f"/api/men/{man['id']}/groups", headers=as_user("bob")) == []


def test_a_default_that_makes_a_row_of_somebody_else_is_refused(club):
    api = club({"access_policy": OWN}, owner_default=lambda: 2)
    error_of(api.patch("/api/men/1", json=linked(1, 3), headers=ADA), 403, "policy_denied")
    assert links(api) == [(1, 1, 1), (1, 2, 2)]


def test_a_list_of_bodies_is_judged_as_each_of_them(club):
    api = club({"access_policy": Policy(read=True, create=lambda member, user: member.group_id != 3, delete=False)})
    bodies = [{"name": "a", **linked(1, 2)}, {"name": "b", **linked(1, 3)}]
    answer = api.post("/api/men?atomic=true", json=bodies, headers=ADA)
    assert answer.status_code == 400
    assert len(links(api)) == 2
    answer = api.post("/api/men?atomic=false", json=bodies, headers=ADA)
    assert [item["status"] for item in answer.get_json()["value"]] == [201, 403]
    assert len(links(api)) == 4
    bodies = [{"id": 1, **linked(1, 2)}, {"id": 2, **linked(3)}]
    assert api.patch("/api/men?atomic=true", json=bodies, headers=ADA).status_code == 400
    assert len(links(api)) == 4


def test_who_may_not_set_what_a_link_holds_links_nothing(club):
    api = club({"field_policy": {"group_id": {"write": "staff"}}}, has_own_key=True)
    for body in (linked(3), linked(1), {"groups": []}):
        api.patch("/api/men/1", json=body, headers=ADA)
        api.patch("/api/groups/3", json={"men": [{"id": 1}]}, headers=ADA)
        assert links(api) == [(1, 1, 1), (1, 2, 2)]
    error_of(api.patch("/api/men/1", json=linked(3), headers=ADA), 400, "validation_failed")
    assert api.patch("/api/men/1", json=linked(3), headers=as_user("sam")).status_code == 200
    assert len(links(api)) == 1


def test_a_link_that_is_there_and_hidden_is_one_that_is_taken(club):
    api = club({"access_policy": OWN})
    errors = error_of(api.patch("/api/men/1", json=linked(1, 2), headers=ADA), 409)
    posted = error_of(api.post("/api/members", json={"man_id": 1, "group_id": 2}, headers=ADA), 409)
    assert (errors["reason"], errors["message"]) == (posted["reason"], posted["message"])
    assert links(api) == [(1, 1, 1), (1, 2, 2)]


def serve_friends(serve: Any) -> Any:
    """People who know others and have one best friend, who made a friendship, and of which kind it is."""

    class Base(DeclarativeBase):
        pass

    class Friendship(Base):
        __tablename__ = "friendships"

        class Meta:
            access_policy = OWN

        house: Mapped[int] = mapped_column(primary_key=True)
        one: Mapped[int] = mapped_column(primary_key=True)
        other: Mapped[int] = mapped_column(primary_key=True)
        owner_id: Mapped[int] = mapped_column(default=lambda: get_current_user().id)

        __table_args__ = (
            sa.ForeignKeyConstraint(["house", "one"], ["people.house", "people.number"]),
            sa.ForeignKeyConstraint(["house", "other"], ["people.house", "people.number"]),
        )

    class Best(Base):
        __tablename__ = "bests"

        class Meta:
            access_policy = OWN

        id: Mapped[int] = mapped_column(primary_key=True)
        house: Mapped[int]
        one: Mapped[int]
        place_id: Mapped[int] = mapped_column(sa.ForeignKey("places.id"))
        owner_id: Mapped[int] = mapped_column(default=lambda: get_current_user().id)

        __table_args__ = (sa.ForeignKeyConstraint(["house", "one"], ["people.house", "people.number"]),)

    class Place(Base):
        __tablename__ = "places"

        class Meta:
            allow_nested_writes = True

        id: Mapped[int] = mapped_column(primary_key=True)

    class Person(Base):
        __tablename__ = "people"

        class Meta:
            allow_nested_writes = True
            allow_client_pk = True

        house: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        friends: Mapped[set[Any]] = relationship(
            "Person",
            secondary="friendships",
            primaryjoin=sa.and_(house == Friendship.house, number == Friendship.one),
            secondaryjoin=lambda: sa.and_(Person.house == Friendship.house, Person.number == Friendship.other),
        )
        place: Mapped[Any] = relationship(Place, secondary="bests", uselist=False)

    api = serve(Base, API_RELATION_ROUTE_NAMING="relationship")
    api.app.before_request(lambda: set_current_user(USERS.get(request.headers.get("X-User", ""))))
    api.execute(sa.insert(Person), [{"house": 7, "number": n} for n in (1, 2, 3, 4)])
    api.execute(sa.insert(Place), [{"id": n} for n in (1, 2)])
    rows = [{"house": 7, "one": 1, "other": n, "owner_id": n - 1} for n in (2, 3)]
    api.execute(sa.insert(Friendship), rows)
    api.execute(sa.insert(Best), [{"house": 7, "one": 1, "place_id": n, "owner_id": n} for n in (1, 2)])
    api.advance_sequences("bests", "places")
    return api


def rows_of(api: Any, query: str) -> list[tuple[Any, ...]]:
    with api.engine.connect() as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def test_links_among_rows_of_one_model_with_a_key_of_two_columns(serve):
    api = serve_friends(serve)
    body = {"friends": [{"house": 7, "number": 4}]}
    answer = api.patch("/api/people/7/1?dump=json", json=body, headers=ADA)
    assert answer.status_code == 200, answer.get_json()
    assert [friend["number"] for friend in answer.get_json()["value"]["friends"]] == [4]
    query = "SELECT one, other, owner_id FROM friendships ORDER BY 1, 2"
    assert rows_of(api, query) == [(1, 3, 2), (1, 4, 1)]
    assert api.patch("/api/people/7/1", json={"friends": []}, headers=ADA).status_code == 200
    assert rows_of(api, query) == [(1, 3, 2)]


def test_a_link_to_one_row_replaces_the_one_that_is_seen(serve):
    api = serve_friends(serve)
    query = "SELECT place_id, owner_id FROM bests ORDER BY 1, 2"
    assert api.patch("/api/people/7/1", json={"place": {"id": 2}}, headers=ADA).status_code == 200
    assert rows_of(api, query) == [(2, 1), (2, 2)]
    answer = api.patch("/api/people/7/1?dump=json", json={"place": {}}, headers=ADA)
    assert answer.get_json()["value"]["place"]["id"] == 3
    assert rows_of(api, query) == [(2, 2), (3, 1)]
    assert api.patch("/api/people/7/1", json={"place": None}, headers=ADA).status_code == 200
    assert rows_of(api, query) == [(2, 2)]


def test_strings_and_keys_link_nothing(club):
    api = club({"access_policy": OWN})
    for groups in (["/api/groups/3"], [3], "/api/men/1/groups"):
        api.patch("/api/men/1", json={"groups": groups}, headers=ADA)
        assert links(api) == [(1, 1, 1), (1, 2, 2)]


@pytest.mark.contract("rest 9")
def test_listeners_are_told_of_links(club):
    api = club({"access_policy": OWN})
    told: list[Any] = []
    state_of(api.app).listeners.append(
        lambda changes: told.extend((each.resource.name, each.action, each.key) for each in changes)
    )
    api.patch("/api/men/1", json=linked(3), headers=ADA)
    assert [each for each in told if each[0] == "Member"] == [
        ("Member", "deleted", (1, 1)),
        ("Member", "created", (1, 3)),
    ]


# --- tenants ----------------------------------------------------------------------------------------------------------


def tenants_of(api: Any) -> list[tuple[int, int, int | None]]:
    with api.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT man_id, group_id, tenant_id FROM members ORDER BY 1, 2, 3")
        return [tuple(row) for row in rows]


@pytest.mark.contract("S-21")
@pytest.mark.parametrize("meta", [{}, None], ids=["published", "unpublished"])
def test_a_link_is_one_of_the_tenant(club, meta):
    api = club(meta, config={"API_TENANT_FIELD": "tenant_id"})
    assert [group["id"] for group in api.value("/api/men/1/groups", headers=ADA)] == [1]
    assert api.patch("/api/men/1", json=linked(3), headers=ADA).status_code == 200
    assert tenants_of(api) == [(1, 2, 2), (1, 3, 1)]
    assert api.post("/api/men", json={"name": "n", **linked(1)}, headers=as_user("bob")).status_code == 201
    assert tenants_of(api)[-1][1:] == (1, 2)
    before = tenants_of(api)
    error_of(api.patch("/api/men/1", json=linked(1), headers=as_user("none")), 403)
    error_of(api.post("/api/men", json={"name": "n", **linked(1)}), 403)
    assert api.patch("/api/men/1", json=linked(), headers=as_user("none")).status_code == 200
    assert tenants_of(api) == before


# --- deleting what is linked ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["", "?cascade_delete=1"])
@pytest.mark.parametrize(
    "policy",
    [
        OWN,
        Policy(read=True, delete=owner("owner_id")),
        {"scope_query": lambda query, model, user, **_: query.where(model.owner_id == user.id)},
    ],
    ids=["hidden", "by rule", "by scope"],
)
def test_a_row_does_not_go_with_links_that_the_caller_may_not_delete(club, policy, query):
    api = club({"access_policy": policy})
    error_of(api.delete(f"/api/men/1{query}", headers=ADA), 409, "cascade_not_permitted")
    assert links(api) == [(1, 1, 1), (1, 2, 2)]
    api.execute(sa.delete(api.models.Member).where(api.models.Member.owner_id == 2))
    assert api.delete(f"/api/men/1{query}", headers=ADA).status_code == 200
    assert links(api) == []


@pytest.mark.parametrize("query", ["", "?cascade_delete=1"])
def test_a_row_does_not_go_with_links_that_a_hook_keeps(club, query):
    api = club({"access_policy": {"can_delete": lambda obj, user, **_: obj.owner_id == user.id}})
    error_of(api.delete(f"/api/men/1{query}", headers=ADA), 403, "policy_denied")
    assert links(api) == [(1, 1, 1), (1, 2, 2)]


def test_many_rows_do_not_go_with_links_that_the_caller_may_not_delete(club):
    api = club({"access_policy": OWN})
    error_of(api.delete("/api/men?id__in=1,2&max_affected=9", headers=ADA), 409, "cascade_not_permitted")
    assert api.delete("/api/men?id__in=2&max_affected=9", headers=ADA).status_code == 200
    assert links(api) == [(1, 1, 1), (1, 2, 2)]


# --- cost -------------------------------------------------------------------------------------------------------------


def test_the_number_of_statements_does_not_grow_with_the_links(club):
    api = club({"access_policy": OWN})
    api.execute(sa.insert(api.models.Group), [{"id": n, "name": f"g{n}"} for n in range(10, 40)])
    sizes = []
    for first, count in ((10, 3), (13, 25)):
        keys = range(first, first + count)
        with count_statements(api.engine) as added:
            assert api.patch("/api/men/2", json=linked(*keys), headers=ADA).status_code == 200
        with count_statements(api.engine) as removed:
            assert api.patch("/api/men/2", json=linked(), headers=ADA).status_code == 200
        sizes.append((len(added), len(removed)))
    assert sizes[0] == sizes[1]
    api.patch("/api/men/2", json=linked(*range(10, 40)), headers=ADA)
    with count_statements(api.engine) as many:
        assert api.delete("/api/men/2", headers=ADA).status_code == 200
    api.execute(sa.insert(api.models.Man), [{"id": 2, "name": "again"}])
    api.patch("/api/men/2", json=linked(10), headers=ADA)
    with count_statements(api.engine) as few:
        assert api.delete("/api/men/2", headers=ADA).status_code == 200
    assert len(many) == len(few)
