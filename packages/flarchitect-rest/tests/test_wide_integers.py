"""Whole numbers beyond what a column declares: read where the database holds them, never stored, never a 500."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.testing import error_of

pytestmark = pytest.mark.contract("rest 5.5")

BIG = 3_000_000_000


class Base(DeclarativeBase):
    pass


class Sensor(Base):
    __tablename__ = "sensors"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))
    serial: Mapped[int | None]
    port: Mapped[int | None] = mapped_column(sa.SmallInteger)
    readings: Mapped[list[Reading]] = relationship(back_populates="sensor")


class Reading(Base):
    __tablename__ = "readings"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    sensor_id: Mapped[int] = mapped_column(sa.ForeignKey("sensors.id"))
    sensor: Mapped[Sensor] = relationship(back_populates="readings")


@pytest.fixture
def lab(serve, database_kind):
    """One ordinary sensor, and on SQLite one whose numbers need 64 bits."""
    served = serve(Base)
    served.execute(sa.insert(Sensor), [{"id": 1, "name": "small", "serial": 1, "port": 1}])
    if database_kind == "sqlite":
        served.execute(sa.insert(Sensor), [{"id": BIG, "name": "big", "serial": BIG, "port": BIG}])
        served.execute(sa.insert(Reading), [{"id": BIG + 1, "sensor_id": BIG}])
    return served


@pytest.fixture
def is_sqlite(database_kind):
    return database_kind == "sqlite"


def test_a_row_with_a_key_beyond_its_declaration_is_read(lab, is_sqlite):
    if not is_sqlite:
        error_of(lab.get(f"/api/sensors/{BIG}"), 404, "row_not_found")
        return
    assert lab.value(f"/api/sensors/{BIG}")["name"] == "big"
    assert [row["id"] for row in lab.value(f"/api/sensors/{BIG}/readings")] == [BIG + 1]
    link = lab.value(f"/api/readings/{BIG + 1}")["sensor"]
    assert lab.value(link)["id"] == BIG


def test_a_row_with_a_key_beyond_its_declaration_is_changed_and_deleted(lab, is_sqlite):
    url = f"/api/readings/{BIG + 1}"
    if not is_sqlite:
        error_of(lab.patch(url, json={"sensor_id": 1}), 404, "row_not_found")
        error_of(lab.delete(url), 404, "row_not_found")
        return
    assert lab.patch(url, json={"id": BIG + 1, "sensor_id": 1}).get_json()["value"]["sensor_id"] == 1
    assert lab.delete(url).status_code == 200


@pytest.mark.parametrize(
    "query, names",
    [
        (f"serial__eq={BIG}", ["big"]),
        (f"serial__in=1,{BIG}", ["small", "big"]),
        (f"serial__lt={BIG}", ["small"]),
        (f"or[serial__ge={BIG},id__eq=1]", ["small", "big"]),
        (f"port__eq={BIG}", ["big"]),
        (f"id__eq={BIG}", ["big"]),
    ],
)
def test_a_filter_beyond_the_declaration_finds_its_rows_or_says_why_not(lab, is_sqlite, query, names):
    response = lab.get(f"/api/sensors?{query}")
    if is_sqlite:
        assert [row["name"] for row in response.get_json()["value"]] == names
    else:
        message = error_of(response, 400, "invalid_value")["message"]
        assert message.startswith(f"Invalid value for {query.partition('__')[0].removeprefix('or[')}: {BIG}.")


@pytest.mark.parametrize("query", [f"serial__eq={2**63}", f"id__gt={-(2**63) - 1}", f"port__in=1,{2**70}"])
def test_a_filter_beyond_64_bits_is_refused(lab, query):
    error_of(lab.get(f"/api/sensors?{query}"), 400, "invalid_value")


def test_a_filter_within_the_declaration_works_as_ever(lab):
    assert [row["name"] for row in lab.value("/api/sensors?serial__eq=1&port__le=32767&id__in=1,2147483647")] == [
        "small"
    ]


@pytest.mark.parametrize("body", [{"serial": BIG}, {"port": 32768}])
def test_a_body_keeps_to_the_declaration(lab, body):
    errors = error_of(lab.patch("/api/sensors/1", json=body), 400, "validation_failed")
    assert errors["fields"].keys() == body.keys()


def test_keys_of_64_bits_that_no_row_has_are_not_found(lab):
    for url in (f"/api/sensors/{2**62}", f"/api/sensors/-{2**62}", f"/api/sensors/{2**62}/readings"):
        error_of(lab.get(url), 404)
