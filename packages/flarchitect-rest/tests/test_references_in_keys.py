"""What a row refers to by its key, or by its place in a body, is judged as what a body says of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import request
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.access.identity import set_current_user
from flarchitect_core.access.rules import Policy
from flarchitect_core.testing import count_statements, error_of

pytestmark = pytest.mark.contract("bar F78, F80", "auth 11.2, S-21")

TENANTS = {"ada": SimpleNamespace(id=1, tenant_id=1, roles=[]), "bob": SimpleNamespace(id=2, tenant_id=2, roles=[])}
ADA = {"X-User": "ada"}
OWN, ALSO_OWN, HIDDEN, ABSENT = 1, 3, 2, 99


def models() -> SimpleNamespace:
    """Members of two tenants, with what hangs on them by its key."""

    class Base(DeclarativeBase):
        pass

    class Member(Base):
        __tablename__ = "key_members"

        class Meta:
            tenant_field = "tenant_id"
            allow_nested_writes = True

        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[int]
        profile: Mapped[Profile | None] = relationship(back_populates="member")

    class Profile(Base):
        __tablename__ = "key_profiles"

        class Meta:
            tenant_field = False
            allow_nested_writes = True

        member_id: Mapped[int] = mapped_column(sa.ForeignKey("key_members.id"), primary_key=True)
        motto: Mapped[str] = mapped_column(sa.String(20), default="")
        member: Mapped[Member] = relationship(back_populates="profile")

    class Seat(Base):
        __tablename__ = "key_seats"

        class Meta:
            tenant_field = False

        # No relationship speaks of this one.
        member_id: Mapped[int] = mapped_column(sa.ForeignKey("key_members.id"), primary_key=True)
        number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        color: Mapped[str] = mapped_column(sa.String(20), default="")

    for model in (Member, Profile, Seat):
        model.__module__ = __name__
    return SimpleNamespace(Base=Base, Member=Member, Profile=Profile, Seat=Seat)


def with_users(api: Any) -> Any:
    api.app.before_request(lambda: set_current_user(TENANTS.get(request.headers.get("X-User", ""))))
    return api


@pytest.fixture
def club(serve):
    kinds = models()
    api = with_users(serve(kinds.Base, API_TENANT_RESOLVER=lambda user: user.tenant_id))
    api.execute(sa.insert(kinds.Member), [{"id": n, "tenant_id": 2 - n % 2} for n in (OWN, HIDDEN, ALSO_OWN)])
    api.kinds = kinds
    return api


def told(response: Any) -> tuple[int, dict[str, Any]]:
    errors = response.get_json()["errors"]
    return response.status_code, {name: value for name, value in errors.items() if name != "request_id"}


PUTS = {
    "one to one": lambda key: (f"/api/profiles/{key}", {"motto": "x"}),
    "key in the body, too": lambda key: (f"/api/profiles/{key}", {"motto": "x", "member_id": key}),
    "a part of the key": lambda key: (f"/api/seats/{key}/7", {"color": "x"}),
}


@pytest.mark.parametrize("put", PUTS.values(), ids=PUTS)
def test_a_row_is_made_for_a_hidden_one_as_little_as_for_an_absent_one(club, put):
    answers = [told(club.put(url, json=body, headers=ADA)) for url, body in map(put, (HIDDEN, ABSENT))]
    assert answers[0] == answers[1]
    assert answers[0][0] == 409
    assert answers[0][1]["reason"] == "foreign_key_violation"
    assert answers[0][1]["fields"] == {"member_id": ["Refers to a row that does not exist."]}
    assert club.scalar("SELECT count(*) FROM key_profiles") == club.scalar("SELECT count(*) FROM key_seats") == 0
    url, body = put(OWN)
    assert club.put(url, json=body, headers=ADA).status_code == 201
    assert club.put(url, json=body, headers=ADA).status_code == 200


@pytest.mark.parametrize("headers", [{"If-None-Match": "*"}, {"If-Match": "*"}], ids=["new", "known"])
@pytest.mark.parametrize("put", PUTS.values(), ids=PUTS)
def test_conditions_tell_nothing_of_a_hidden_row(club, put, headers):
    answers = [told(club.put(url, json=body, headers={**ADA, **headers})) for url, body in map(put, (HIDDEN, ABSENT))]
    assert answers[0] == answers[1]


def test_a_row_that_is_there_may_be_replaced_whatever_became_of_the_other(club):
    """The profile is of nobody's tenant, and the member may have gone to another one since."""
    club.execute(sa.insert(club.kinds.Profile), [{"member_id": HIDDEN, "motto": "old"}])
    assert club.put(f"/api/profiles/{HIDDEN}", json={"motto": "new"}, headers=ADA).status_code == 200
    assert club.patch(f"/api/profiles/{HIDDEN}", json={"motto": "newer"}, headers=ADA).status_code == 200


def test_where_keys_are_not_chosen_there_is_nothing_to_look_up(serve, club):
    class Base(DeclarativeBase):
        pass

    class Owner(Base):
        __tablename__ = "key_owners"

        class Meta:
            access_policy = Policy(read=lambda Owner, user: Owner.id == user.id)

        id: Mapped[int] = mapped_column(primary_key=True)

    class Card(Base):
        __tablename__ = "key_cards"

        class Meta:
            block_methods = ["POST"]

        owner_id: Mapped[int] = mapped_column(sa.ForeignKey("key_owners.id"), primary_key=True)
        text: Mapped[str] = mapped_column(sa.String(20), default="")

    api = with_users(serve(Base))
    api.execute(sa.insert(Owner), [{"id": n} for n in (OWN, HIDDEN)])
    api.execute(sa.insert(Card), [{"owner_id": OWN}])
    for key in (HIDDEN, ABSENT):
        error_of(api.put(f"/api/cards/{key}", json={"text": "x"}, headers=ADA), 404, "row_not_found")
    with count_statements(api.engine) as log:
        assert api.put(f"/api/cards/{OWN}", json={"text": "x"}, headers=ADA).status_code == 200
    assert not any("FROM key_owners" in statement for statement in log.statements)


@pytest.mark.parametrize("key", [HIDDEN, ABSENT, ALSO_OWN])
@pytest.mark.parametrize("member", [{"id": OWN}, {}], ids=["another", "new"])
def test_a_new_row_has_the_key_of_its_url_whatever_is_nested_in_it(club, key, member):
    answer = club.put(f"/api/profiles/{key}", json={"member": member}, headers=ADA)
    assert error_of(answer, 400)["fields"] == {"member": ["The key in the body differs from the key in the URL."]}
    assert club.scalar("SELECT count(*) FROM key_profiles") == 0
    assert club.scalar("SELECT count(*) FROM key_members") == 3


def test_a_new_row_may_name_what_it_refers_to_twice(club):
    answer = club.put(f"/api/profiles/{OWN}", json={"member": {"id": OWN}, "motto": "x"}, headers=ADA)
    assert (answer.status_code, answer.get_json()["value"]["member_id"]) == (201, OWN)


# --- foreign keys of which a part comes from elsewhere ----------------------------------------------------------------


def library() -> SimpleNamespace:
    """Books that stand on shelves of their hall, some of which a request must not see."""

    class Base(DeclarativeBase):
        pass

    class Hall(Base):
        __tablename__ = "key_halls"

        class Meta:
            allow_nested_writes = True

        id: Mapped[int] = mapped_column(primary_key=True)
        books: Mapped[list[Book]] = relationship(back_populates="hall")

    class Shelf(Base):
        __tablename__ = "key_shelves"

        class Meta:
            access_policy = Policy(read=lambda Shelf, user: Shelf.number != HIDDEN)

        hall_id: Mapped[int] = mapped_column(sa.ForeignKey("key_halls.id"), primary_key=True)
        number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)

    class Book(Base):
        __tablename__ = "key_books"
        __table_args__ = (sa.ForeignKeyConstraint(["hall_id", "shelf"], ["key_shelves.hall_id", "key_shelves.number"]),)

        class Meta:
            allow_nested_writes = True

        hall_id: Mapped[int] = mapped_column(sa.ForeignKey("key_halls.id"), primary_key=True)
        code: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        shelf: Mapped[int | None]
        hall: Mapped[Hall] = relationship(back_populates="books", foreign_keys=[hall_id])

    for model in (Hall, Shelf, Book):
        model.__module__ = __name__
    return SimpleNamespace(Base=Base, Hall=Hall, Shelf=Shelf, Book=Book)


@pytest.fixture
def shelves(serve):
    kinds = library()
    api = with_users(serve(kinds.Base))
    api.execute(sa.insert(kinds.Hall), [{"id": 1}])
    api.execute(sa.insert(kinds.Shelf), [{"hall_id": 1, "number": n} for n in (OWN, HIDDEN)])
    api.execute(sa.insert(kinds.Book), [{"hall_id": 1, "code": 1, "shelf": OWN}])
    return api


PARTS = {
    "POST": lambda shelf: ("POST", "/api/books", {"hall_id": 1, "code": 5, "shelf": shelf}),
    "PUT of a row": lambda shelf: ("PUT", "/api/books/1/1", {"shelf": shelf}),
    "PUT of a new row": lambda shelf: ("PUT", "/api/books/1/5", {"shelf": shelf}),
    "PATCH": lambda shelf: ("PATCH", "/api/books/1/1", {"shelf": shelf}),
    "below the hall": lambda shelf: (
        "PATCH",
        "/api/halls/1",
        {"books": [{"hall_id": 1, "code": 1}, {"code": 5, "shelf": shelf}]},
    ),
    "a row below the hall": lambda shelf: ("PATCH", "/api/halls/1", {"books": [{"code": 1, "shelf": shelf}]}),
    "beside the hall": lambda shelf: ("POST", "/api/books", {"hall": {"id": 1}, "code": 5, "shelf": shelf}),
    "in place of a row": lambda shelf: ("PUT", "/api/books/1/1", {"hall": {"id": 1}, "shelf": shelf}),
}


@pytest.mark.parametrize("write", PARTS.values(), ids=PARTS)
def test_a_part_that_comes_from_elsewhere_completes_a_reference(shelves, write):
    answers = []
    for shelf in (HIDDEN, ABSENT):
        method, url, body = write(shelf)
        answers.append(told(shelves.open(url, method=method, json=body, headers=ADA)))
    assert answers[0] == answers[1]
    assert (answers[0][0], answers[0][1]["reason"]) == (409, "foreign_key_violation")
    assert shelves.scalar(f"SELECT count(*) FROM key_books WHERE shelf = {HIDDEN}") == 0
    method, url, body = write(OWN)
    assert shelves.open(url, method=method, json=body, headers=ADA).status_code in (200, 201)


def test_a_tenant_completes_a_reference(serve):
    class Base(DeclarativeBase):
        pass

    class Person(Base):
        __tablename__ = "key_people"

        class Meta:
            soft_delete = True
            soft_delete_attribute = "gone"
            soft_delete_values = (False, True)

        tenant_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        gone: Mapped[bool] = mapped_column(default=False)

    class Project(Base):
        __tablename__ = "key_projects"

        class Meta:
            allow_nested_writes = True

        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[int]
        tasks: Mapped[list[Task]] = relationship(back_populates="project")

    class Task(Base):
        __tablename__ = "key_tasks"
        __table_args__ = (
            sa.ForeignKeyConstraint(["tenant_id", "person_id"], ["key_people.tenant_id", "key_people.id"]),
        )

        class Meta:
            allow_nested_writes = True

        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[int]
        person_id: Mapped[int | None]
        project_id: Mapped[int] = mapped_column(sa.ForeignKey("key_projects.id"))
        project: Mapped[Project] = relationship(back_populates="tasks")

    api = with_users(serve(Base, API_TENANT_FIELD="tenant_id"))
    api.execute(sa.insert(Person), [{"tenant_id": 1, "id": n, "gone": n == HIDDEN} for n in (OWN, HIDDEN)])
    for person in (HIDDEN, ABSENT):
        body = {"tasks": [{"person_id": person}]}
        error_of(api.post("/api/projects", json=body, headers=ADA), 409, "foreign_key_violation")
    assert api.post("/api/projects", json={"tasks": [{"person_id": OWN}]}, headers=ADA).status_code == 201
