"""What a subclass says of its rows holds on every way that leads to them as rows of its parent class."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.declarative import ConcreteBase
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

from flarchitect_core.access.identity import set_current_user
from flarchitect_core.access.rules import Policy
from flarchitect_core.testing import error_of

pytestmark = pytest.mark.contract("rest 6.1, 7.2, D10, D13, D16")

MARK = {"soft_delete": True, "soft_delete_attribute": "sunk", "soft_delete_values": (False, True)}


def only_small(query, model, params):
    return query.where(model.tons < 100)


def through_a_join(query, model, params):
    return query.join(model.port).where(model.tons < 100)


# What hides the second of three tugs.
RULES = {
    "mark": MARK,
    "filter": {"filter_callback": only_small},
    "joining filter": {"filter_callback": through_a_join},
}


def fleet(kind, rule):
    """Boats in ports; tugs are boats with a rule of their own. `kind` is how tugs are mapped."""

    class Base(DeclarativeBase):
        pass

    class Port(Base):
        __tablename__ = "ports"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        boats: Mapped[list[Boat]] = relationship(back_populates="port", order_by="Boat.id", passive_deletes="all")

    class Boat(Base):
        __tablename__ = "boats"

        class Meta:
            allow_cascade_delete = True

        id: Mapped[int] = mapped_column(primary_key=True)
        type: Mapped[str | None] = mapped_column(sa.String(10))
        name: Mapped[str] = mapped_column(sa.String(20))
        port_id: Mapped[int | None] = mapped_column(sa.ForeignKey("ports.id"))
        port: Mapped[Port | None] = relationship(back_populates="boats")
        if kind == "expression":
            __mapper_args__ = {"polymorphic_on": sa.func.coalesce(type, "boat"), "polymorphic_identity": "boat"}
        elif kind != "no discriminator":
            __mapper_args__ = {"polymorphic_on": "type", "polymorphic_identity": "boat"}

    class Tug(Boat):
        if kind not in ("single", "expression"):
            __tablename__ = "tugs"
            id: Mapped[int] = mapped_column(sa.ForeignKey("boats.id"), primary_key=True)
        if kind != "no discriminator":
            __mapper_args__ = {"polymorphic_identity": "tug"}
        Meta = type("Meta", (), RULES[rule])

        tons: Mapped[int | None] = mapped_column()
        sunk: Mapped[bool | None] = mapped_column()

    class Harbour(Tug):
        """Tugs of a kind, for which the rule of tugs holds as well."""

        if kind != "no discriminator":
            __mapper_args__ = {"polymorphic_identity": "harbour"}

        class Meta:
            pass

    Base.registry.configure()
    return Base, Port, Boat, Tug, Harbour


@pytest.fixture(params=["single", "joined", "no discriminator", "expression"])
def inheritance(request):
    return request.param


@pytest.fixture(params=list(RULES))
def boats(serve, inheritance, request):
    """Boat 1, tug 2, and the hidden tug 3, all in port 1; without `sunk`, a tug is as it says nothing of it."""
    base, port, boat, tug, harbour = fleet(inheritance, request.param)
    served = serve(base, API_ALLOW_BULK=True, API_ALLOW_JOIN=True)
    with Session(served.engine) as session:
        session.add(port(id=1))
        session.flush()
        session.add(boat(id=1, name="b1", port_id=1))
        rows = [
            tug(id=2, name="t2", port_id=1, tons=1, sunk=None),
            (tug if inheritance == "no discriminator" else harbour)(id=3, name="t3", port_id=1, tons=500, sunk=True),
        ]
        if inheritance == "expression":
            # SQLAlchemy leaves it to the application to write what the expression is made of.
            for row, kind in zip(rows, ("tug", "harbour"), strict=True):
                row.type = kind
        session.add_all(rows)
        session.commit()
    served.advance_sequences("ports", "boats")
    return served


def test_a_list_and_its_count_leave_the_row_out(boats):
    assert boats.ids("/api/boats") == [1, 2]
    assert boats.ids("/api/tugs") == [2]
    assert boats.ids("/api/boats?name__in=b1,t2,t3") == [1, 2]
    error_of(boats.get("/api/boats/3"), 404)


def test_relations_do_not_lead_to_it(boats):
    assert boats.ids("/api/ports/1/boats") == [1, 2]
    assert [boat["id"] for boat in boats.value("/api/ports/1?dump=json")["boats"]] == [1, 2]
    assert boats.value("/api/ports?boats.name__eq=t3") == []
    assert len(boats.value("/api/ports?join=boats&fields=id,boats.name")) == 2
    error_of(boats.get("/api/boats/3/port"), 404)


def test_it_cannot_be_written(boats, inheritance):
    error_of(boats.patch("/api/boats/3", json={"name": "x"}), 404)
    error_of(boats.delete("/api/boats/3"), 404)
    response = boats.patch("/api/boats?name__like=t&max_affected=5", json={"name": "t"})
    assert response.get_json()["total_count"] == 1
    response = boats.patch("/api/boats?atomic=false", json=[{"id": n, "name": "x"} for n in (1, 2, 3)])
    assert [item["status"] for item in response.get_json()["value"]] == [200, 200, 404]
    response = boats.delete("/api/boats?name__in=x,t3&max_affected=5")
    if inheritance == "no discriminator":
        # SQLAlchemy takes a tug for a boat here, and the row of the tug refers to it.
        error_of(response, 409, "row_is_referred_to")
    else:
        assert response.get_json()["total_count"] == 2
    assert boats.scalar("SELECT name FROM boats WHERE id = 3") == "t3"


def test_what_is_written_is_shown(boats):
    response = boats.patch("/api/boats/2", json={"name": "x"})
    assert (response.status_code, response.get_json()["value"]["name"]) == (200, "x")


@pytest.mark.parametrize("inheritance", ["single", "joined"], indirect=True)
@pytest.mark.parametrize("boats", ["mark"], indirect=True)
def test_a_row_that_is_only_marked_is_marked_on_the_route_of_the_parent_too(boats):
    assert boats.delete("/api/boats/2").status_code == 200
    assert boats.ids("/api/boats") == [1]
    assert boats.scalar("SELECT count(*) FROM boats") == 3
    assert boats.ids("/api/boats?include_deleted=true") == [1, 2, 3]
    assert boats.ids("/api/tugs?include_deleted=true") == [2, 3]
    assert boats.delete("/api/boats?id__in=1,2&max_affected=2").get_json()["total_count"] == 1
    assert boats.scalar("SELECT count(*) FROM boats") == 2
    assert boats.delete("/api/boats/2?cascade_delete=1").status_code == 200
    assert boats.ids("/api/boats?include_deleted=true") == [3]


class OwnWhere:
    """The rows of one owner; what it says of boats, it says by the class of boats."""

    def __init__(self, condition):
        self._condition = condition

    def scope_query(self, query, user, **_):
        return query.where(self._condition(user))


# What a parent class says of its rows, by its own name.
OWNERS = {
    "rule": lambda kinds: {"access_policy": Policy(read=lambda _, user: kinds.Boat.owner_id == user.id)},
    "relation": lambda kinds: {"access_policy": Policy(read=lambda m, user: m.owner.has(kinds.Owner.id == user.id))},
    "hook": lambda kinds: {"access_policy": OwnWhere(lambda user: kinds.Boat.owner_id == user.id)},
    "filter": lambda kinds: {"filter_callback": lambda query, model, params: query.where(kinds.Boat.owner_id == 1)},
}


@pytest.fixture(params=list(OWNERS))
def owned(serve, request):
    """Tug 1, of user 1, tows barge 2, of user 2; the pilot of job 1 is tug 1, its load is barge 2."""
    kinds, user = SimpleNamespace(), SimpleNamespace(id=1, roles=[])

    class Base(DeclarativeBase):
        pass

    class Owner(Base):
        __tablename__ = "owners"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Boat(Base):
        __tablename__ = "owned_boats"
        __mapper_args__ = {"polymorphic_on": "type", "polymorphic_identity": "boat"}
        Meta = type("Meta", (), OWNERS[request.param](kinds))
        id: Mapped[int] = mapped_column(primary_key=True)
        type: Mapped[str] = mapped_column(sa.String(10))
        name: Mapped[str] = mapped_column(sa.String(20))
        owner_id: Mapped[int] = mapped_column(sa.ForeignKey("owners.id"))
        owner: Mapped[Owner] = relationship()

    class Barge(Boat):
        __tablename__ = "barges"
        __mapper_args__ = {"polymorphic_identity": "barge"}
        Meta = type("Meta", (Boat.Meta,), {})

        id: Mapped[int] = mapped_column(sa.ForeignKey("owned_boats.id"), primary_key=True)
        freight: Mapped[str] = mapped_column(sa.String(20))

    class Tug(Boat):
        __tablename__ = "towing_tugs"
        Meta = type("Meta", (Boat.Meta,), {})
        id: Mapped[int] = mapped_column(sa.ForeignKey("owned_boats.id"), primary_key=True)
        barge_id: Mapped[int] = mapped_column(sa.ForeignKey("barges.id"))
        barge: Mapped[Barge] = relationship(foreign_keys=[barge_id])
        __mapper_args__ = {"polymorphic_identity": "tug", "inherit_condition": id == Boat.id}

    class Job(Base):
        __tablename__ = "jobs"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        pilot_id: Mapped[int] = mapped_column(sa.ForeignKey("owned_boats.id"))
        load_id: Mapped[int] = mapped_column(sa.ForeignKey("barges.id"))
        pilot: Mapped[Boat] = relationship(foreign_keys=[pilot_id])
        load: Mapped[Barge] = relationship(foreign_keys=[load_id])

    kinds.Owner, kinds.Boat = Owner, Boat
    served = serve(Base, API_ALLOW_GROUPBY=True, API_ALLOW_AGGREGATION=True)
    served.app.before_request(lambda: set_current_user(user))
    with Session(served.engine) as session:
        session.add_all([Owner(id=1), Owner(id=2)])
        session.flush()
        session.add(Barge(id=2, name="Hidden", owner_id=2, freight="Gold"))
        session.flush()
        session.add(Tug(id=1, name="Tug", owner_id=1, barge_id=2))
        session.flush()
        session.add(Job(id=1, pilot_id=1, load_id=2))
        session.commit()
    return served


@pytest.mark.contract("S-18")
@pytest.mark.parametrize(
    "url, value",
    [
        ("/api/tugs?join=barge&join_type=left&fields=id,barge.freight", [{"id": 1, "freight": None}]),
        ("/api/tugs?join=barge&join_type=left&fields=id,barge.name", [{"id": 1, "name": None}]),
        ("/api/tugs?join=barge&fields=id,barge.freight", []),
        ("/api/tugs?groupby=barge.freight", [{"freight": None}]),
        ("/api/tugs?barge.freight__max", [{"freight_max": None}]),
        ("/api/tugs?barge.freight__eq=Gold", []),
        ("/api/tugs?fields=barge", [{"barge": None}]),
        ("/api/jobs?groupby=load.freight", [{"freight": None}]),
        ("/api/jobs?order_by=pilot.name,load.freight&fields=id,load", [{"id": 1, "load": None}]),
        ("/api/jobs?pilot.name__eq=Tug&fields=id,load", [{"id": 1, "load": None}]),
        ("/api/jobs?pilot.name__eq=Tug&load.name__eq=Hidden&fields=id", []),
    ],
)
def test_what_a_subclass_inherits_holds_for_the_rows_that_are_joined(owned, url, value):
    """The condition is about the joined row, and not about the row of the same table that it is joined to."""
    assert owned.value(url) == value


def test_classes_with_a_table_each_are_served(serve):
    class Base(DeclarativeBase):
        pass

    class Letter(ConcreteBase, Base):
        __tablename__ = "letters"
        __mapper_args__ = {"polymorphic_identity": "letter", "concrete": True}

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str] = mapped_column(sa.String(20))

    class Memo(Letter):
        __tablename__ = "memos"
        __mapper_args__ = {"polymorphic_identity": "memo", "concrete": True}

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        text: Mapped[str] = mapped_column(sa.String(20))

    served = serve(Base)
    assert served.post("/api/letters", json={"text": "a"}).get_json()["value"] == {"id": 1, "text": "a"}
    assert served.post("/api/memos", json={"text": "b"}).status_code == 201
    assert served.value("/api/letters?fields=text&order_by=text") == [{"text": "a"}, {"text": "b"}]
    assert served.value("/api/memos?fields=text") == [{"text": "b"}]
