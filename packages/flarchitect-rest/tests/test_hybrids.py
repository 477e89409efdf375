"""Hybrid properties without annotation, and what is made from hidden columns."""

from __future__ import annotations

import datetime as dt
import decimal
import enum

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, column_property, mapped_column

from flarchitect_core.state import state_of
from flarchitect_core.testing import error_of


class Base(DeclarativeBase):
    pass


class Grade(enum.Enum):
    good = "g"
    poor = "p"


class Box(Base):
    __tablename__ = "boxes"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[int]
    price: Mapped[decimal.Decimal] = mapped_column(sa.Numeric(10, 2))
    rate: Mapped[float]
    made: Mapped[dt.date]
    sealed: Mapped[dt.datetime] = mapped_column(sa.DateTime(timezone=True))
    grade: Mapped[Grade]
    label: Mapped[str] = mapped_column(sa.String(5))

    @hybrid_property
    def twice(self):
        return self.count * 2

    @hybrid_property
    def is_many(self):
        return self.count > 10

    @hybrid_property
    def cost(self):
        return self.price * self.count

    @hybrid_property
    def half_rate(self):
        return self.rate * 0.5

    @hybrid_property
    def day(self):
        return self.made

    @hybrid_property
    def moment(self):
        return self.sealed

    @hybrid_property
    def quality(self) -> Grade:
        return self.grade

    @hybrid_property
    def title(self):
        return self.label + "-box"

    @hybrid_property
    def unknown(self):
        return sa.func.nullif(self.label, "x") if isinstance(self, type) else self.label


@pytest.fixture
def boxes(serve):
    served = serve(Base)
    row = {"price": decimal.Decimal("1.50"), "rate": 0.5, "made": dt.date(2024, 2, 29), "label": "a"}
    row["sealed"] = dt.datetime(2024, 2, 29, 12, tzinfo=dt.timezone.utc)
    served.execute(
        sa.insert(Box),
        [{**row, "id": 1, "count": 20, "grade": Grade.good}, {**row, "id": 2, "count": 3, "grade": Grade.poor}],
    )
    return served


@pytest.mark.contract("rest 3.2")
@pytest.mark.parametrize(
    "query, expected",
    [
        ("twice__eq=40", [1]),
        ("twice__lt=10", [2]),
        ("twice__in=6,40", [1, 2]),
        (f"twice__lt={2**40}", [1, 2]),
        ("is_many__eq=true", [1]),
        ("is_many__eq=no", [2]),
        ("cost__gt=4.5", [1]),
        ("cost__eq=4.50", [2]),
        ("cost__gt=29.9999", [1]),
        ("half_rate__eq=0.25", [1, 2]),
        ("day__eq=2024-02-29", [1, 2]),
        ("day__lt=2024-02-29", []),
        ("moment__eq=2024-02-29T13:00:00%2B01:00", [1, 2]),
        ("quality__eq=good", [1]),
        ("title__eq=a-box", [1, 2]),
        ("title__like=BOX", None),
        ("unknown__eq=a", [1, 2]),
    ],
)
def test_a_hybrid_without_annotation_is_compared_as_its_sql_is(boxes, query, expected):
    found = [row["id"] for row in boxes.value(f"/api/boxes?{query}&order_by=id")]
    # Whether LIKE minds the case is the database's own affair.
    assert found == expected if expected is not None else found in ([], [1, 2])


@pytest.mark.parametrize("query", ["twice__eq=x", "is_many__eq=2", "cost__eq=cheap", "day__eq=now", "quality__eq=none"])
def test_a_value_that_is_none_of_the_hybrids_type_is_refused(boxes, query):
    assert error_of(boxes.get(f"/api/boxes?{query}"), 400)["reason"] in ("invalid_value", "invalid_boolean")


@pytest.mark.contract("rest 5.1")
def test_a_hybrid_without_annotation_is_given_as_its_sql_is(boxes):
    box = boxes.value("/api/boxes/1")
    assert {name: box[name] for name in ("twice", "is_many", "half_rate", "day", "quality")} == {
        "twice": 40,
        "is_many": True,
        "half_rate": 0.25,
        "day": "2024-02-29",
        "quality": "good",
    }
    assert decimal.Decimal(box["cost"]) == 30
    assert box["moment"] == box["sealed"] == "2024-02-29T12:00:00+00:00"


def test_a_hybrid_of_decimals_is_a_number_when_decimals_are(serve):
    served = serve(Base, API_DECIMAL_FORMAT="number")
    served.post(
        "/api/boxes",
        json={"count": 2, "price": 1.5, "rate": 1, "made": "2024-02-29", "sealed": "2024-02-29", "grade": "good",
              "label": "a"},
    )  # fmt: skip
    assert served.value("/api/boxes/1")["cost"] == 3.0


@pytest.mark.contract("bar F59")
@pytest.mark.parametrize("form, nothing", [("string", {"0", "0.00", "0.0000000000"}), ("number", {"0.0"})])
def test_no_decimal_is_a_negative_zero(serve, form, nothing):
    served = serve(Base, API_DECIMAL_FORMAT=form)
    body = {"count": 0, "price": -1.5, "rate": 1, "made": "2024-02-29", "sealed": "2024-02-29", "grade": "good"}
    created = served.post("/api/boxes", json={**body, "label": "a"}).get_json()["value"]
    for box in (created, served.value("/api/boxes/1"), *served.value("/api/boxes?dump=json")):
        assert str(box["cost"]) in nothing


# --- what is made from hidden columns ---------------------------------------------------------------------------------


class Vault(DeclarativeBase):
    pass


class Person(Vault):
    __tablename__ = "people"

    class Meta:
        ignore_output_fields = ["salary"]

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    password_hash: Mapped[str] = mapped_column(sa.String(20))
    pin: Mapped[str] = mapped_column(sa.String(20), info={"write_only": True})
    salary: Mapped[int]
    _note: Mapped[str] = mapped_column("note", sa.String(20))

    shouted = column_property(sa.func.upper(password_hash))

    @hybrid_property
    def same(self):
        return self.password_hash

    @hybrid_property
    def joined(self):
        return self.name + self.pin

    @hybrid_property
    def by_way(self):
        return self.same + "!"

    @hybrid_property
    def bonus(self) -> int:
        return self.salary * 2

    @hybrid_property
    def is_set(self) -> bool:
        return self.password_hash != ""

    @hybrid_property
    def tail(self) -> str:
        return str(self.password_hash)[-4:].strip()

    @tail.inplace.expression
    @classmethod
    def _tail(cls):
        raise NotImplementedError

    @hybrid_property
    def tail_by_way(self) -> str:
        return ",".join([self.tail])

    @hybrid_property
    def of_others(self) -> str:
        return ""

    @of_others.inplace.expression
    @classmethod
    def _of_others(cls):
        return sa.select(Ticket.token).where(Ticket.person_id == cls.id).limit(1).scalar_subquery()

    @hybrid_property
    def tickets(self) -> int:
        return 0

    @tickets.inplace.expression
    @classmethod
    def _tickets(cls):
        return sa.select(sa.func.count(Ticket.id)).where(Ticket.person_id == cls.id).scalar_subquery()

    @hybrid_property
    def note(self) -> str:
        return self._note

    @hybrid_property
    def has_password(self) -> bool:
        return self.password_hash != ""

    has_password.info["secret"] = False

    @hybrid_property
    def inner(self) -> str:
        return self.name

    inner.info["secret"] = True


class Ticket(Vault):
    __tablename__ = "tickets"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    token: Mapped[str] = mapped_column(sa.String(20))
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("people.id"))


HIDDEN = ["shouted", "same", "joined", "by_way", "bonus", "is_set", "tail", "tail_by_way", "of_others", "inner"]


@pytest.fixture
def people(serve):
    served = serve(Vault)
    person = {"name": "Ida", "password_hash": "hush", "pin": "hush", "salary": 4711, "note": "n"}
    with served.engine.begin() as connection:
        connection.execute(sa.insert(Person.__table__), [{**person, "id": 1}])
        connection.execute(sa.insert(Ticket.__table__), [{"id": 1, "token": "hush", "person_id": 1}])
    return served


@pytest.mark.contract("decisions 18")
def test_what_is_made_from_a_hidden_column_is_hidden(people):
    response = people.get("/api/people/1")
    assert response.get_json()["value"] == {"id": 1, "name": "Ida", "note": "n", "tickets": 1, "has_password": True}
    assert "hush" not in response.get_data(as_text=True)


@pytest.mark.contract("decisions 18")
@pytest.mark.parametrize("name", HIDDEN)
def test_what_is_made_from_a_hidden_column_cannot_be_asked_about(people, name):
    for query in (f"{name}__eq=1", f"{name}__like=h", f"order_by={name}", f"fields={name}"):
        error_of(people.get(f"/api/people?{query}"), 400)


def test_what_is_shown_by_its_author_can_be_asked_about(people):
    assert people.value("/api/people?has_password__eq=true&tickets__eq=1&order_by=note&fields=id") == [{"id": 1}]


def notices_of(served):
    return state_of(served.app).report.notices


def test_the_start_tells_what_is_hidden_for_what_it_is_made_from(people):
    (notice,) = [notice for notice in notices_of(people) if "made from hidden columns" in notice]
    named = {name for name in HIDDEN if f"Person.{name}," in notice or f"Person.{name}. " in notice}
    # What its author declared secret is no news.
    assert named == set(HIDDEN) - {"inner"}
    assert "info['secret'] = False" in notice


def test_a_column_hidden_for_one_method_hides_what_is_made_from_it_there(serve):
    class Own(DeclarativeBase):
        pass

    class Book(Own):
        __tablename__ = "books"

        class Meta:
            get_ignore_output_fields = ["title"]

        id: Mapped[int] = mapped_column(primary_key=True)
        title: Mapped[str] = mapped_column(sa.String(20))

        @hybrid_property
        def loud(self):
            return self.title + "!"

    served = serve(Own)
    created = served.post("/api/books", json={"title": "Tide"}).get_json()["value"]
    assert created == {"id": 1, "title": "Tide", "loud": "Tide!"}
    assert served.value("/api/books/1") == {"id": 1}


# --- keys that look like secrets --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "type_, info, told",
    [
        (sa.String(20), {}, True),
        (sa.Uuid(), {}, True),
        (sa.Integer(), {}, False),
        (sa.String(20), {"secret": False}, False),
    ],
)
def test_a_key_that_looks_like_a_secret_stays_and_is_told_at_the_start(serve, type_, info, told):
    class Own(DeclarativeBase):
        pass

    members = {
        "__tablename__": "invites",
        "Meta": type("Meta", (), {"allow_client_pk": True}),
        "token": sa.Column("token", type_, primary_key=True, info=info),
    }
    invite = type("Invite", (Own,), members)
    served = serve(Own)
    assert served.value("/api/invites") == [], invite
    notices = [notice for notice in notices_of(served) if "Invite.token" in notice]
    assert len(notices) == told
    for notice in notices:
        assert "URLs" in notice
        assert "rename the column" in notice
        assert "info={'secret': False}" in notice
    if isinstance(type_, sa.String):
        served.post("/api/invites", json={"token": "abc"})
        assert served.value("/api/invites?token__eq=abc") == [{"token": "abc"}]
