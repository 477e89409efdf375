"""Times of day with an offset: what an answer gives is taken back, in bodies and filters."""

from __future__ import annotations

import datetime as dt
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flarchitect_core.testing import error_of

pytestmark = pytest.mark.contract("rest 5.2")


class Base(DeclarativeBase):
    pass


class Shop(Base):
    __tablename__ = "shops"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    opens: Mapped[dt.time | None] = mapped_column(sa.Time(timezone=True))
    closes: Mapped[dt.time | None] = mapped_column(sa.Time())


@pytest.fixture
def shops(serve):
    return serve(Base)


@pytest.fixture
def keeps_offsets(database_kind):
    """Only PostgreSQL has a type for times with a zone; the others keep the time and drop the offset."""
    return database_kind == "postgresql"


@pytest.mark.parametrize(
    "given, kept, bare",
    [
        ("07:08:09+02:00", "07:08:09+02:00", "07:08:09"),
        # MariaDB keeps no fraction in a column that declares none.
        ("07:08:09.250-0530", "07:08:09.250000-05:30", None),
        ("07:08Z", "07:08:00+00:00", "07:08:00"),
        ("07:08", "07:08:00+00:00", "07:08:00"),
        ("23:59:59+15:59", "23:59:59+15:59", "23:59:59"),
    ],
)
def test_a_time_with_an_offset_comes_back_as_it_was_sent(shops, keeps_offsets, given, kept, bare):
    created = shops.post("/api/shops", json={"opens": given})
    assert created.status_code == 201, created.get_json()
    shown = created.get_json()["value"]["opens"]
    if keeps_offsets:
        assert shown == kept
    elif bare is not None:
        assert shown == bare
    assert shops.patch("/api/shops/1", json={"opens": shown}).get_json()["value"]["opens"] == shown
    assert len(shops.value(f"/api/shops?opens__eq={quote(shown)}")) == 1


@pytest.mark.parametrize("value", ["07:08:09+2", "07:08:09+25:00", "07:08:09+16:00", "07:08:09 CET", "24:00:00+00:00"])
def test_no_offset_is_refused(shops, value):
    error_of(shops.post("/api/shops", json={"opens": value}), 400, "validation_failed")
    error_of(shops.get(f"/api/shops?opens__eq={quote(value)}"), 400, "invalid_value")


def test_a_column_without_a_zone_takes_no_offset(shops):
    error_of(shops.post("/api/shops", json={"closes": "07:08:09+02:00"}), 400, "validation_failed")
    assert shops.post("/api/shops", json={"closes": "07:08:09"}).get_json()["value"]["closes"] == "07:08:09"


def test_a_time_without_offset_is_utc_wherever_the_server_stands(shops, keeps_offsets):
    if not keeps_offsets:
        pytest.skip("needs a database with zones")
    shops.execute(sa.text("INSERT INTO shops (id, opens) VALUES (1, '07:08:00+00')"))
    assert [row["id"] for row in shops.value("/api/shops?opens__eq=07:08")] == [1]
