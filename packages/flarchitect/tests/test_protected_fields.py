"""What gives users their rights is not theirs to set (auth S-20)."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from flarchitect_auth.part import AuthPart
from flarchitect_core.state import state_of
from flarchitect_core.testing import make_app
from flarchitect_rest.part import RestPart


class Base(DeclarativeBase):
    pass


class Member(Base):
    __tablename__ = "members"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    is_admin: Mapped[bool] = mapped_column(default=False)


class Badge(Base):
    __tablename__ = "badges"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    is_admin: Mapped[bool] = mapped_column(default=False)


@pytest.fixture
def start(tmp_path):
    def make(**config: Any) -> Any:
        uri = f"sqlite:///{tmp_path / 'x.db'}"
        app = make_app(Base, uri, parts=[AuthPart(), RestPart()], API_USER_MODEL=Member, **config)
        engine = state_of(app).database.engine
        assert engine is not None
        Base.metadata.create_all(engine)
        with engine.begin() as connection:
            connection.execute(sa.insert(Member), {"id": 1, "name": "ann"})
        return app.test_client()

    return make


@pytest.mark.contract("S-20")
def test_a_user_does_not_become_an_administrator_by_a_body(start):
    client = start()
    for answer in (
        client.post("/api/members", json={"name": "bob", "is_admin": True}),
        client.patch("/api/members/1", json={"is_admin": True}),
        client.put("/api/members/1", json={"name": "ann", "is_admin": True}),
    ):
        assert answer.get_json()["value"]["is_admin"] is False


@pytest.mark.contract("S-20")
def test_in_the_strict_profile_such_a_body_is_refused(start):
    answer = start(API_SECURITY_PROFILE="strict").patch("/api/members/1", json={"is_admin": True})
    assert answer.status_code == 422
    assert answer.get_json()["errors"]["reason"] == "protected_field"


@pytest.mark.contract("S-20")
def test_other_models_may_have_such_columns(start):
    assert start().post("/api/badges", json={"is_admin": True}).get_json()["value"]["is_admin"] is True
