"""Deleting with dependants: what goes, what stays, who may, and that it is all or nothing (rest 6.2)."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.testing import count_statements, error_of

ADVICE = "Error deleting object, use url parameter `cascade_delete=1` to attempt cascade delete"


def label_models(*, lazy="select"):
    """A label, its albums (never without one), their tracks and covers, and genres that albums share."""

    class Base(DeclarativeBase):
        pass

    album_genre = sa.Table(
        "album_genres",
        Base.metadata,
        sa.Column("album_id", sa.ForeignKey("albums.id"), primary_key=True),
        sa.Column("genre_id", sa.ForeignKey("genres.id"), primary_key=True),
    )

    class Label(Base):
        __tablename__ = "labels"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        albums: Mapped[list[Album]] = relationship(back_populates="label", lazy=lazy, passive_deletes="all")

    class Album(Base):
        __tablename__ = "albums"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        label_id: Mapped[int] = mapped_column(sa.ForeignKey("labels.id"))
        label: Mapped[Label] = relationship(back_populates="albums")
        tracks: Mapped[list[Track]] = relationship(back_populates="album", passive_deletes="all")
        cover: Mapped[Cover | None] = relationship(back_populates="album", uselist=False, passive_deletes="all")
        genres: Mapped[list[Genre]] = relationship(secondary=album_genre, back_populates="albums")

    class Track(Base):
        __tablename__ = "tracks"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        album_id: Mapped[int] = mapped_column(sa.ForeignKey("albums.id"))
        album: Mapped[Album] = relationship(back_populates="tracks")

    class Cover(Base):
        """Not published."""

        __tablename__ = "covers"

        id: Mapped[int] = mapped_column(primary_key=True)
        album_id: Mapped[int] = mapped_column(sa.ForeignKey("albums.id"))
        album: Mapped[Album] = relationship(back_populates="cover")

    class Genre(Base):
        __tablename__ = "genres"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        albums: Mapped[list[Album]] = relationship(secondary=album_genre, back_populates="genres")

    Base.registry.configure()
    return Base, Label, Album, Track, Cover, Genre


TABLES = ("labels", "albums", "tracks", "covers", "genres", "album_genres")


def fill_labels(served, *, albums=2):
    """Each label has albums; each album has three tracks, a cover and both genres."""
    numbers = range(1, albums + 1)
    tables = label_tables(served)
    served.execute(tables["labels"].insert(), [{"id": n} for n in (1, 2)])
    served.execute(tables["genres"].insert(), [{"id": n} for n in (1, 2)])
    owners = dict.fromkeys(numbers, 1) | {albums + 1: 2}
    served.execute(tables["albums"].insert(), [{"id": n, "label_id": label} for n, label in owners.items()])
    served.execute(tables["covers"].insert(), [{"id": n, "album_id": n} for n in owners])
    served.execute(tables["tracks"].insert(), [{"id": 3 * n + k, "album_id": n} for n in owners for k in range(3)])
    served.execute(
        tables["album_genres"].insert(), [{"album_id": n, "genre_id": genre} for n in owners for genre in (1, 2)]
    )


def label_tables(served):
    metadata = sa.MetaData()
    metadata.reflect(served.engine, only=TABLES)
    return metadata.tables


def counts(served):
    return {name: served.scalar(f"SELECT count(*) FROM {name}") for name in TABLES}


@pytest.fixture
def labels(serve):
    def start(*, albums=2, lazy="select", sessions="uri", **config):
        models = label_models(lazy=lazy)
        served = serve(models[0], sessions=sessions, **config)
        fill_labels(served, albums=albums)
        return served

    return start


REST = {"labels": 1, "albums": 1, "tracks": 3, "covers": 1, "genres": 2, "album_genres": 2}


@pytest.mark.contract("rest 6.2, D65")
@pytest.mark.contract("rest 13 group 12")
@pytest.mark.contract("core 12 24")
def test_a_cascade_takes_what_hangs_on_the_row_and_nothing_else(labels, sessions, capsys):
    served = labels(sessions=sessions, API_ALLOW_CASCADE_DELETE=True)
    before = counts(served)
    assert error_of(served.delete("/api/labels/1"), 409, "row_is_referred_to")["message"] == ADVICE
    assert error_of(served.delete("/api/labels/1?cascade_delete=no"), 409)["message"] == ADVICE
    assert counts(served) == before
    response = served.delete("/api/labels/1?cascade_delete=true")
    assert response.status_code == 200
    assert response.get_json()["value"] is None
    assert counts(served) == REST
    assert capsys.readouterr() == ("", "")


@pytest.mark.contract("rest 6.2, D17, D18")
def test_it_is_off_by_default(labels):
    served = labels()
    before = counts(served)
    for url in ("/api/labels/1", "/api/labels/1?cascade_delete=1"):
        message = error_of(served.delete(url), 409, "row_is_referred_to")["message"]
        assert message.startswith("Error deleting object")
        assert "cascade_delete" not in message
    assert counts(served) == before


@pytest.mark.contract("rest 6.2, D17")
def test_the_parameter_must_be_a_switch(labels):
    served = labels(API_ALLOW_CASCADE_DELETE=True)
    error_of(served.delete("/api/labels/1?cascade_delete=perhaps"), 400, "invalid_boolean")


@pytest.mark.contract("rest 6.2")
@pytest.mark.parametrize(
    "option, url, relation",
    [
        ("API_ALLOW_DELETE_RELATED", "/api/labels/1", "albums"),
        ("API_ALLOW_DELETE_DEPENDENTS", "/api/labels/1", "genres"),
        ("API_ALLOW_DELETE_DEPENDENTS", "/api/genres/1", "albums"),
    ],
)
def test_children_and_association_rows_can_be_kept(labels, option, url, relation):
    served = labels(API_ALLOW_CASCADE_DELETE=True, **{option: False})
    before = counts(served)
    error = error_of(served.delete(f"{url}?cascade_delete=1"), 409, "cascade_forbidden")
    assert error["relation"] == relation
    assert option in error["message"]
    assert counts(served) == before


@pytest.mark.contract("rest 6.2")
def test_there_is_a_limit(labels):
    served = labels(API_ALLOW_CASCADE_DELETE=True, API_CASCADE_ROWS_MAX=9)
    before = counts(served)
    error = error_of(served.delete("/api/labels/1?cascade_delete=1"), 409, "cascade_too_large")
    assert error["maximum"] == 9
    assert counts(served) == before
    assert served.delete("/api/labels/2?cascade_delete=1").status_code == 200


@pytest.mark.contract("rest 6.2")
@pytest.mark.contract("bar R34")
def test_a_failure_leaves_everything(labels):
    def refuse(obj, model):
        if model.__name__ == "Track":
            raise RuntimeError("kept")
        return obj

    served = labels(API_ALLOW_CASCADE_DELETE=True, API_REMOVE_CALLBACK=refuse)
    before = counts(served)
    error_of(served.delete("/api/labels/1?cascade_delete=1"), 500, "unexpected_error")
    assert counts(served) == before


@pytest.mark.contract("rest 6.2")
def test_rows_that_no_relationship_leads_to_stop_it(labels):
    served = labels(API_ALLOW_CASCADE_DELETE=True)
    with served.engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE plays (id INTEGER PRIMARY KEY, track_id INTEGER NOT NULL, "
            "FOREIGN KEY (track_id) REFERENCES tracks (id))"
        )
        connection.exec_driver_sql("INSERT INTO plays (id, track_id) VALUES (1, 3)")
    try:
        before = counts(served)
        message = error_of(served.delete("/api/labels/1?cascade_delete=1"), 409, "row_is_referred_to")["message"]
        assert message.startswith("Error deleting object")
        assert counts(served) == before
    finally:
        served.execute(sa.text("DROP TABLE plays"))


@pytest.mark.contract("rest 6.2")
@pytest.mark.contract("rest 13 group 15")
def test_the_number_of_reading_statements_is_that_of_relationships(labels):
    seen = []
    for albums in (2, 20):
        served = labels(albums=albums, API_ALLOW_CASCADE_DELETE=True)
        with count_statements(served.engine) as log:
            assert served.delete("/api/labels/1?cascade_delete=1").status_code == 200
        seen.append(sum(statement.startswith("SELECT") for statement in log.statements))
        for name in reversed(("labels", "genres", "albums", "tracks", "covers", "album_genres")):
            served.execute(sa.text(f"DELETE FROM {name}"))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("lazy", ["dynamic", "write_only", "joined", "raise"])
def test_every_way_of_loading(labels, lazy):
    served = labels(lazy=lazy, API_ALLOW_CASCADE_DELETE=True)
    assert served.delete("/api/labels/1?cascade_delete=1").status_code == 200
    assert counts(served) == REST


def place_models():
    class Base(DeclarativeBase):
        pass

    class Place(Base):
        __tablename__ = "places"

        class Meta:
            allow_cascade_delete = True

        id: Mapped[int] = mapped_column(primary_key=True)
        within_id: Mapped[int | None] = mapped_column(sa.ForeignKey("places.id"))
        within: Mapped[Place | None] = relationship(remote_side=id, back_populates="inner")
        inner: Mapped[list[Place]] = relationship(back_populates="within", passive_deletes="all")

    Base.registry.configure()
    return Base, Place


@pytest.mark.contract("rest 6.2")
@pytest.mark.parametrize(
    "within, left",
    [
        ({1: None, 2: 1, 3: 2, 4: None}, [4]),
        ({1: 1, 2: 1, 3: None}, [3]),
        ({1: 3, 2: 1, 3: 2, 4: 2, 5: None}, [5]),
        ({1: 2, 2: 1, 3: 4, 4: 3, 5: 1}, [3, 4]),
    ],
)
def test_self_references_and_circles(serve, sessions, within, left):
    base, place = place_models()
    served = serve(base, sessions=sessions)
    served.execute(sa.insert(place), [{"id": n, "within_id": None} for n in within])
    for n, other in within.items():
        served.execute(sa.update(place).where(place.id == n).values(within_id=other))
    response = served.delete("/api/places/1?cascade_delete=1")
    assert response.status_code == 200, response.get_data(as_text=True)
    assert [item["id"] for item in served.value("/api/places")] == left
    served.execute(sa.update(place).values(within_id=None))


def tied_models(*, nullable):
    class Base(DeclarativeBase):
        pass

    class Knot(Base):
        __tablename__ = "knots"

        class Meta:
            allow_bulk = True

        id: Mapped[int] = mapped_column(primary_key=True)
        to_id: Mapped[int | None] = mapped_column(sa.ForeignKey("knots.id"), nullable=nullable)
        to: Mapped[Knot | None] = relationship(remote_side=id, back_populates="tied")
        tied: Mapped[list[Knot]] = relationship(back_populates="to")

    Base.registry.configure()
    return Base, Knot


@pytest.mark.contract("rest 4.2")
@pytest.mark.parametrize(
    "path, ties, left",
    [
        ("/api/knots/1", {1: 1}, {}),
        ("/api/knots/1", {1: 1, 2: 1}, {2: None}),
        ("/api/knots/1", {1: 2, 2: 1}, {2: None}),
        ("/api/knots?id__in=1,2&max_affected=2", {1: 2, 2: 1, 3: 1}, {3: None}),
    ],
)
def test_rows_that_refer_to_themselves_can_be_deleted(serve, path, ties, left):
    base, knot = tied_models(nullable=True)
    served = serve(base)
    served.execute(sa.insert(knot), [{"id": number, "to_id": None} for number in ties])
    for number, other in ties.items():
        served.execute(sa.update(knot).where(knot.id == number).values(to_id=other))
    response = served.delete(path)
    assert response.status_code == 200, response.get_data(as_text=True)
    assert {item["id"]: item["to_id"] for item in served.value("/api/knots")} == left


@pytest.mark.contract("rest 4.2")
def test_a_row_that_must_refer_to_itself_is_a_conflict_and_no_failure(serve):
    base, knot = tied_models(nullable=False)
    served = serve(base)
    served.execute(sa.insert(knot), [{"id": 1, "to_id": 1}])
    error_of(served.delete("/api/knots/1"), 409, "row_is_referred_to")


@pytest.mark.contract("rest 6.2, D17")
def test_with_soft_delete_a_cascade_removes(serve):
    base, place = place_models()
    place.deleted = mapped_column(sa.Boolean, default=False)
    place.Meta = type("Meta", (), {})
    mark = {"API_SOFT_DELETE": True, "API_SOFT_DELETE_ATTRIBUTE": "deleted", "API_SOFT_DELETE_VALUES": (False, True)}
    served = serve(base, **mark)
    served.execute(sa.insert(place), [{"id": n, "within_id": None if n == 1 else n - 1} for n in (1, 2, 3)])
    # Not allowed: the parameter does nothing, the row is marked.
    assert served.delete("/api/places/3?cascade_delete=1").status_code == 200
    assert served.scalar("SELECT count(*) FROM places") == 3
    place.Meta.allow_cascade_delete = True
    served = serve(base, **mark)
    assert served.delete("/api/places/2?cascade_delete=1").status_code == 200
    assert served.scalar("SELECT count(*) FROM places") == 1
    assert served.delete("/api/places/1").status_code == 200
    assert served.delete("/api/places/1?cascade_delete=1").status_code == 200
    assert served.scalar("SELECT count(*) FROM places") == 0


def hide_track_four(query, model, params):
    return query.where(model.id != 4) if model.__name__ == "Track" else query


@pytest.mark.contract("rest 6.2, 7.2, D10")
def test_a_row_that_the_caller_may_not_see_stops_it(labels):
    served = labels(API_ALLOW_CASCADE_DELETE=True, API_FILTER_CALLBACK=hide_track_four)
    before = counts(served)
    error_of(served.delete("/api/labels/1?cascade_delete=1"), 409, "cascade_not_permitted")
    error_of(served.delete("/api/albums/1?cascade_delete=1"), 409, "cascade_not_permitted")
    assert counts(served) == before
    assert served.delete("/api/albums/2?cascade_delete=1").status_code == 200
    assert served.delete("/api/labels/2?cascade_delete=1").status_code == 200


@pytest.mark.contract("rest 6.2, 7.2, D10")
def test_rows_in_a_circle_are_judged_as_they_were(serve):
    base, place = place_models()
    served = serve(base, API_FILTER_CALLBACK=lambda query, model, params: query.where(model.within_id.is_not(None)))
    served.execute(sa.insert(place), [{"id": n, "within_id": None} for n in (1, 2)])
    served.execute(sa.update(place).values(within_id=3 - place.id))
    assert served.delete("/api/places/1?cascade_delete=1").status_code == 200
    assert served.scalar("SELECT count(*) FROM places") == 0


@pytest.mark.contract("rest 6.2, 2.5")
@pytest.mark.parametrize("meta", [{"block_methods": ["DELETE"]}, {"read_only": True}, {"allowed_methods": ["GET"]}])
def test_rows_of_a_model_without_delete_stop_it(serve, meta):
    base, _, _, track, *_ = label_models()
    track.Meta = type("Meta", (), meta)
    served = serve(base, API_ALLOW_CASCADE_DELETE=True)
    fill_labels(served)
    before = counts(served)
    error = error_of(served.delete("/api/labels/1?cascade_delete=1"), 409, "cascade_not_permitted")
    assert "Track" in error["message"]
    assert counts(served) == before
    served.execute(sa.delete(track))
    assert served.delete("/api/labels/1?cascade_delete=1").status_code == 200


@pytest.mark.contract("rest 6.2, F44")
def test_a_cascade_over_a_set_of_rows_stops_as_well(labels):
    served = labels(API_ALLOW_CASCADE_DELETE=True, API_ALLOW_BULK=True, API_FILTER_CALLBACK=hide_track_four)
    before = counts(served)
    url = "/api/labels?id__in=1,2&max_affected=2&cascade_delete=1"
    error_of(served.delete(url), 409, "cascade_not_permitted")
    assert counts(served) == before
