"""Own the generated models that start-up is measured with: any number, each related to the one before."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import islice, product
from typing import Any

from sqlalchemy import Boolean, Column, Date, Engine, ForeignKey, Integer, Numeric, String, insert
from sqlalchemy.orm import DeclarativeBase, relationship

FIRST_URL = "/api/bab-products"
ROWS = 20


class Base(DeclarativeBase):
    """Declarative base of the generated models."""


def make_models(count: int) -> list[type[Any]]:
    """Map classes `BabProduct`, `BacProduct` and so on, on tables of the same names.

    Args:
        count: How many, at most 2,000.
    """
    models: list[type[Any]] = []
    for letters in islice(product("bcdfghklmnprstvwxyz", "aeiou", "bcdfghklmnprstvwxyz"), count):
        models.append(_model(f"{''.join(letters).title()}Product", models[-1] if models else None))
    return models


def fill(engine: Engine, first: type[Any]) -> None:
    """Create all tables and write the rows of the first one."""
    Base.metadata.create_all(engine)
    row = {"price": Decimal("9.90"), "made": date(2024, 2, 29), "is_sold": False}
    rows = [{**row, "name": f"Product {number}", "code": f"P{number:04d}"} for number in range(ROWS)]
    with engine.begin() as connection:
        connection.execute(insert(first), rows)


def _model(name: str, before: type[Any] | None) -> type[Any]:
    members: dict[str, Any] = {
        "__tablename__": name.lower(),
        "Meta": type("Meta", (), {"tag": name}),
        "id": Column(Integer, primary_key=True),
        "name": Column(String(80), nullable=False),
        "code": Column(String(20), nullable=False, unique=True),
        "price": Column(Numeric(10, 2), nullable=False),
        "made": Column(Date, nullable=False),
        "is_sold": Column(Boolean, nullable=False),
    }
    if before is not None:
        members["parent_id"] = Column(ForeignKey(f"{before.__tablename__}.id"))
        members["parent"] = relationship(before, back_populates="children")
        before.children = relationship(name, back_populates="parent")
    return type(name, (Base,), members)
