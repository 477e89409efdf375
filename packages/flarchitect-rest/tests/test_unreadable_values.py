"""Stored values that are none of their column's type: the client is not to blame, and the rest stays readable."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flarchitect_core.testing import error_of

pytestmark = pytest.mark.contract("rest 4.2")


class Colour(enum.Enum):
    red = 1


class Base(DeclarativeBase):
    pass


class Sample(Base):
    __tablename__ = "samples"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str | None] = mapped_column(sa.String(20))
    moment: Mapped[dt.datetime | None]
    day: Mapped[dt.date | None]
    colour: Mapped[Colour | None]
    code: Mapped[uuid.UUID | None]
    price: Mapped[decimal.Decimal | None] = mapped_column(sa.Numeric(8, 2))
    extra: Mapped[Any | None] = mapped_column(sa.JSON)


ODD = {
    "sqlite": [
        ("moment", "'secret'"),
        ("moment", "5"),
        ("day", "''"),
        ("colour", "'secret'"),
        ("code", "'secret'"),
        ("price", "'secret'"),
        ("extra", "'{secret'"),
    ],
    "postgresql": [("moment", "'infinity'"), ("day", "'-infinity'")],
    "mariadb": [],
}


def test_an_unreadable_value_is_told_without_blaming_the_client(serve, database_kind, caplog):
    if not ODD[database_kind]:
        pytest.skip("MariaDB stores nothing that its column cannot hold.")
    api = serve(Base)
    for column, value in ODD[database_kind]:
        api.execute(sa.delete(Sample))
        api.execute(sa.text(f"INSERT INTO samples (id, label, {column}) VALUES (1, 'kept', {value})"))
        for response in (api.get("/api/samples"), api.get("/api/samples/1"), api.patch("/api/samples/1", json={})):
            errors = error_of(response, 500, "unreadable_value")
            assert "Sample" in errors["message"]
            assert "secret" not in errors["message"]
        assert api.value("/api/samples?fields=label") == [{"label": "kept"}]
        mended = api.patch("/api/samples/1", json={column: None})
        assert mended.status_code == 200, column
    assert "A stored value of Sample is none of its column's type" in caplog.text
    assert "secret" not in caplog.text


def test_what_an_expression_of_the_server_gets_wrong_is_no_fault_of_a_plain_read(serve, database_kind):
    if database_kind != "postgresql":
        pytest.skip("The other databases divide by zero without a failure.")

    class OwnBase(DeclarativeBase):
        pass

    class Rate(OwnBase):
        __tablename__ = "rates"

        class Meta:
            pass

        id: Mapped[int] = mapped_column(primary_key=True)
        parts: Mapped[int]

    Rate.share = sa.orm.column_property(100 / Rate.parts)
    api = serve(OwnBase)
    api.app.config["PROPAGATE_EXCEPTIONS"] = False
    api.execute(sa.insert(Rate), [{"id": 1, "parts": 0}])
    error_of(api.get("/api/rates"), 500, "unexpected_error")
