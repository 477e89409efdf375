"""Models of every make: dataclasses, own constructors, hybrids, eager relationships, odd attribute names."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedAsDataclass, mapped_column, relationship, validates

from flarchitect_core.testing import count_statements, error_of


class DataBase(MappedAsDataclass, DeclarativeBase):
    pass


class Shelf(DataBase):
    __tablename__ = "shelves"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    label: Mapped[str] = mapped_column(sa.String(40))
    note: Mapped[str | None] = mapped_column(sa.String(40))
    books: Mapped[list[Volume]] = relationship(back_populates="shelf")
    status: Mapped[str] = mapped_column(sa.String(40), default="new")
    tags: Mapped[Any] = mapped_column(sa.JSON, default_factory=list)
    serial: Mapped[int | None] = mapped_column(init=False, default=5)
    inserted: Mapped[str] = mapped_column(sa.String(40), insert_default="core", init=False)


class Volume(DataBase):
    __tablename__ = "volumes"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    title: Mapped[str] = mapped_column(sa.String(40))
    shelf_id: Mapped[int | None] = mapped_column(sa.ForeignKey("shelves.id"))
    shelf: Mapped[Shelf | None] = relationship(back_populates="books")

    @hybrid_property
    def place(self) -> str | None:
        return self.shelf.label if self.shelf else None


class Sticker(DataBase):
    """A reference that the constructor sets to None by itself."""

    __tablename__ = "stickers"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    shelf_id: Mapped[int | None] = mapped_column(sa.ForeignKey("shelves.id"), default=None)
    shelf: Mapped[Shelf | None] = relationship(default=None)


class Base(DeclarativeBase):
    pass


class Slugged(Base):
    """A constructor of its own that takes some columns, changes one, and fills another."""

    __tablename__ = "sluggeds"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    title: Mapped[str] = mapped_column(sa.String(40))
    slug: Mapped[str | None] = mapped_column(sa.String(40))
    note: Mapped[str | None] = mapped_column(sa.String(40))

    def __init__(self, title: str) -> None:
        self.title = title.strip()
        self.slug = self.title.lower()


class Wired(Base):
    """A constructor that needs what no request can give."""

    __tablename__ = "wireds"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))

    def __init__(self, name: str, mailer: Any) -> None:
        self.name = mailer(name)


class Person(Base):
    __tablename__ = "people"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    first: Mapped[str | None] = mapped_column(sa.String(40))
    last: Mapped[str | None] = mapped_column(sa.String(40))
    age: Mapped[int | None]
    extra: Mapped[Any] = mapped_column(MutableDict.as_mutable(sa.JSON), nullable=True)
    pets: Mapped[list[Pet]] = relationship(back_populates="person", lazy="joined", cascade="all, delete-orphan")

    @hybrid_property
    def full(self) -> str:
        return self.first + " " + self.last

    @full.inplace.setter
    def _set_full(self, value: str) -> None:
        self.first, self.last = value.split(" ")

    @hybrid_property
    def grown(self) -> bool:
        # Works on instances only.
        return bool(self.age is not None and self.age >= 18)

    @grown.inplace.setter
    def _set_grown(self, value: bool) -> None:
        self.age = 18 if value else 1

    @hybrid_property
    def initial(self) -> str | None:
        return self.first

    @hybrid_property
    def pet_count(self) -> int:
        return len(self.pets)

    @validates("age")
    def check_age(self, key: str, value: int | None) -> int | None:
        return None if value == -1 else value


class Pet(Base):
    __tablename__ = "pets"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    person_id: Mapped[int] = mapped_column(sa.ForeignKey("people.id"))
    person: Mapped[Person] = relationship(back_populates="pets", lazy="joined", innerjoin=True)


class Kennel(Base):
    __tablename__ = "kennels"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40))
    bowls: Mapped[list[Bowl]] = relationship(lazy="joined")

    @hybrid_property
    def is_long(self) -> bool:
        return len(self.name) > 3


class Bowl(Base):
    __tablename__ = "bowls"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    kennel_id: Mapped[int | None] = mapped_column(sa.ForeignKey("kennels.id"))


class Strict(Base):
    __tablename__ = "stricts"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("stricts.id"))
    children: Mapped[list[Strict]] = relationship(lazy="raise", passive_deletes="all")
    name: Mapped[str | None] = mapped_column(sa.String(40))


class Renamed(Base):
    __tablename__ = "renameds"

    class Meta:
        pass

    ident: Mapped[int] = mapped_column("renamed_id", primary_key=True)
    colour: Mapped[str] = mapped_column("clr", sa.String(40), unique=True)
    level: Mapped[int] = mapped_column("lvl", default=lambda context: len(context.get_current_parameters()["clr"]))


ODD = ("fields", "load", "dump", "context", "resource", "opts", "kwargs", "validate", "items", "keys", "class_")

OddBase: Any = type("OddBase", (DeclarativeBase,), {})
Odd: Any = type(
    "Odd",
    (OddBase,),
    {
        "__tablename__": "odds",
        "Meta": type("Meta", (), {}),
        "id": mapped_column(sa.Integer, primary_key=True),
        **{name: mapped_column(f"c_{name}", sa.String(20)) for name in ODD},
    },
)


@pytest.fixture
def app(serve):
    return serve(Base)


def created(response: Any) -> Any:
    assert response.status_code == 201, response.get_data(as_text=True)
    return response.get_json()["value"]


def updated(response: Any) -> Any:
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.get_json()["value"]


def test_a_dataclass_model_is_created_replaced_and_changed(serve):
    served = serve(DataBase)
    value = created(served.post("/api/shelves", json={"label": "A"}))
    defaults = {"note": None, "status": "new", "tags": [], "serial": 5, "inserted": "core"}
    assert value == {"id": 1, "label": "A", **defaults, "books": "/api/shelves/1/volumes"}
    body = {"label": "B", "note": "n", "status": "old", "tags": ["x"], "serial": 7, "inserted": "mine"}
    value = created(served.post("/api/shelves", json=body))
    assert value == {"id": 2, **body, "books": "/api/shelves/2/volumes"}
    assert updated(served.patch("/api/shelves/2", json={"note": None})) == {**value, "note": None}
    assert updated(served.put("/api/shelves/2", json=value)) == value
    replaced = updated(served.put("/api/shelves/2", json={"label": "C"}))
    assert replaced == {"id": 2, "label": "C", **defaults, "books": "/api/shelves/2/volumes"}
    volume = created(served.post("/api/volumes", json={"title": "x", "shelf_id": 1}))
    assert volume["shelf"] == "/api/shelves/1"
    assert volume["place"] == "A"
    assert created(served.post("/api/volumes", json={"title": "y"}))["shelf"] is None
    assert created(served.post("/api/stickers", json={"shelf_id": 1}))["shelf_id"] == 1


def test_the_constructor_of_a_model_runs(app):
    value = created(app.post("/api/sluggeds", json={"title": " Low Tide ", "note": "x"}))
    assert value == {"id": 1, "title": "Low Tide", "slug": "low tide", "note": "x"}
    value = created(app.post("/api/sluggeds", json={"title": "x", "slug": "own"}))
    assert value["slug"] == "own"


def test_a_constructor_that_needs_more_than_columns_is_left_out(app):
    assert created(app.post("/api/wireds", json={"name": "Ida"})) == {"id": 1, "name": "Ida"}


def test_hybrids_with_a_setter_are_written(app):
    value = created(app.post("/api/people", json={"full": "Ida Vik", "grown": True}))
    assert (value["first"], value["last"], value["full"]) == ("Ida", "Vik", "Ida Vik")
    assert (value["age"], value["grown"]) == (18, True)
    value = updated(app.patch("/api/people/1", json={"full": "Ada Berg"}))
    assert (value["first"], value["last"], value["age"]) == ("Ada", "Berg", 18)
    value = updated(app.put("/api/people/1", json=value))
    assert (value["first"], value["last"]) == ("Ada", "Berg")
    assert updated(app.patch("/api/people/1", json={"grown": False}))["age"] == 1


def test_hybrids_without_a_setter_are_dropped(app):
    value = created(app.post("/api/people", json={"first": "Ida", "initial": "Q", "pet_count": 5}))
    assert (value["first"], value["initial"], value["pet_count"]) == ("Ida", "Ida", 0)


def test_validators_of_the_model_run(app):
    assert created(app.post("/api/people", json={"age": -1}))["age"] is None
    assert updated(app.patch("/api/people/1", json={"age": 5}))["age"] == 5
    assert updated(app.patch("/api/people/1", json={"age": -1}))["age"] is None


def test_mutable_json_is_replaced(app):
    assert created(app.post("/api/people", json={"extra": {"a": 1}}))["extra"] == {"a": 1}
    assert updated(app.patch("/api/people/1", json={"extra": {"b": {"c": []}}}))["extra"] == {"b": {"c": []}}
    assert updated(app.put("/api/people/1", json={}))["extra"] is None


def test_eager_relationships_change_no_statement(app):
    created(app.post("/api/people", json={"first": "Ida"}))
    for name in ("Rex", "Max"):
        created(app.post("/api/pets", json={"name": name, "person_id": 1}))
    assert [row["pet_count"] for row in app.value("/api/people")] == [2]
    assert updated(app.patch("/api/people/1", json={"first": "Ada"}))["pet_count"] == 2
    assert updated(app.put("/api/people/1", json={"first": "Oda"}))["pet_count"] == 2
    with count_statements(app.engine) as log:
        assert updated(app.patch("/api/pets/1", json={"name": "Moritz"}))["person"] == "/api/people/1"
    assert not [statement for statement in log.statements if "JOIN" in statement]
    assert updated(app.delete("/api/people/1")) is None
    assert app.scalar("SELECT count(*) FROM pets") == 0


def test_an_eager_collection_does_not_disturb_a_hybrid_on_instances(app):
    assert created(app.post("/api/kennels", json={"name": "Paws"}))["is_long"] is True
    for _ in range(2):
        created(app.post("/api/bowls", json={"kennel_id": 1}))
    assert [row["is_long"] for row in app.value("/api/kennels")] == [True]
    assert updated(app.patch("/api/kennels/1", json={"name": "x"}))["is_long"] is False


def test_relationships_that_must_not_load_are_left_alone(app):
    created(app.post("/api/stricts", json={}))
    created(app.post("/api/stricts", json={"parent_id": 1}))
    assert updated(app.patch("/api/stricts/1", json={"name": "x"}))["name"] == "x"
    error_of(app.delete("/api/stricts/1"), 409, "row_is_referred_to")
    assert updated(app.delete("/api/stricts/2")) is None
    assert updated(app.delete("/api/stricts/1")) is None


def test_columns_may_have_other_names_than_attributes(app):
    value = created(app.post("/api/renameds", json={"colour": "red"}))
    assert value == {"ident": 1, "colour": "red", "level": 3}
    assert updated(app.put("/api/renameds/1", json={"colour": "green", "ident": 1}))["level"] == 5
    errors = error_of(app.post("/api/renameds", json={"colour": "green"}), 409, "unique_violation")
    assert errors["fields"] == {"colour": ["Already in use."]}
    error_of(app.post("/api/renameds", json={"clr": "green"}), 400, "validation_failed")


def test_attributes_may_be_called_anything(serve):
    served = serve(OddBase)
    names = [*ODD[:-1], "class"]
    body = {name: f"<{name}>" for name in names}
    value = created(served.post("/api/odds", json=body))
    assert value == {"id": 1, **body}
    assert updated(served.put("/api/odds/1", json=value)) == value
    assert updated(served.patch("/api/odds/1", json={"fields": "f", "resource": None}))["fields"] == "f"
