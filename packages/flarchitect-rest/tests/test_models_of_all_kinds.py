"""What real models bring along: validators, types of their own, literals in hybrids, and names that look like ours."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, validates
from sqlalchemy.types import TypeDecorator

from flarchitect_core.testing import error_of


class Base(DeclarativeBase):
    pass


class Even(TypeDecorator[int]):
    impl = sa.Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        if value is not None and value % 2:
            raise ValueError("secret words of the application")
        return value


class Setting(Base):
    __tablename__ = "settings"

    class Meta:
        allow_client_pk = True

    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int]
    key_0: Mapped[int | None]
    even: Mapped[int | None] = mapped_column(Even)
    email: Mapped[str | None] = mapped_column(sa.String(50))
    _password: Mapped[str | None] = mapped_column("pass", sa.String(50))

    @hybrid_property
    def is_big(self) -> bool:
        return self.value > 10

    @hybrid_property
    def password(self) -> str | None:
        return self._password

    @password.inplace.setter
    def _set_password(self, value: str | None) -> None:
        self._password = f"HASH:{value}"

    @validates("email")
    def check_email(self, key: str, value: str | None) -> str | None:
        if value is not None and "@" not in value:
            raise ValueError("secret words of the application")
        return value


class Hidden(Base):
    __tablename__ = "hiddens"

    class Meta:
        ignore_output_fields = ["id"]

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(20))


@pytest.fixture
def served(serve):
    served = serve(Base)
    assert served.post("/api/settings", json={"id": 1, "value": 20, "password": "pw"}).status_code == 201
    served.execute(sa.insert(Hidden), [{"id": 1, "name": "a"}])
    return served


def test_literals_in_hybrids_leave_filters_alone(served):
    rows = served.value("/api/settings?id__gt=0&value__gt=0&is_big__eq=true")
    assert [row["is_big"] for row in rows] == [True]


def test_a_column_named_like_a_parameter_of_ours_is_written(served):
    assert served.patch("/api/settings/1", json={"key_0": 7}).get_json()["value"]["key_0"] == 7


@pytest.mark.parametrize("body", [{"email": "nobody"}, {"even": 3}])
def test_a_value_that_the_model_refuses_is_no_error_of_ours(served, body):
    created = served.post("/api/settings", json={"id": 2, "value": 1, **body})
    changed = served.patch("/api/settings/1", json=body)
    for response in (created, changed):
        assert response.status_code in (400, 422)
        assert "secret words" not in response.get_data(as_text=True)
    assert served.scalar("SELECT count(*) FROM settings") == 1


def test_a_filter_value_that_the_type_refuses_is_400(served):
    error_of(served.get("/api/settings?even__eq=3"), 400, "invalid_value")


@pytest.mark.contract("decisions 18")
def test_a_hybrid_that_shows_a_secret_is_never_returned(served):
    assert "password" not in served.value("/api/settings/1")
    error_of(served.get("/api/settings?password__like=HASH"), 400, "invalid_column")
    assert served.scalar("SELECT pass FROM settings") == "HASH:pw"


def test_a_row_with_a_hidden_key_is_replaced(served):
    assert served.put("/api/hiddens/1", json={"name": "b"}).get_json()["value"] == {"name": "b"}
