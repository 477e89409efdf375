"""The application that `test_load.py` lets gunicorn serve; run as a program, it makes the tables and first rows."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask, Response
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from flarchitect_core.state import state_of
from flarchitect_core.testing import make_app
from flarchitect_rest.part import RestPart

SHARED = range(1, 9)
"""Keys of the rows that all clients write."""


class Base(DeclarativeBase):
    pass


order_tag = sa.Table(
    "order_tags",
    Base.metadata,
    sa.Column("order_id", sa.ForeignKey("orders.id"), primary_key=True),
    sa.Column("tag_id", sa.ForeignKey("tags.id"), primary_key=True),
)


class Account(Base):
    """A counter whose state is told by all its columns."""

    __tablename__ = "accounts"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(default=0)


class Meter(Base):
    """A counter whose state is told by its version."""

    __tablename__ = "meters"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    value: Mapped[int] = mapped_column(default=0)
    version: Mapped[int] = mapped_column()

    __mapper_args__ = {"version_id_col": version}


class Customer(Base):
    __tablename__ = "customers"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    # Not unique, so that a write which is done twice is seen.
    code: Mapped[str] = mapped_column(sa.String(40), index=True)
    number: Mapped[str | None] = mapped_column(sa.String(40), unique=True)
    note: Mapped[str | None] = mapped_column(sa.String(40))
    orders: Mapped[list[Order]] = relationship(back_populates="customer")


class Order(Base):
    __tablename__ = "orders"

    class Meta:
        soft_delete = True
        soft_delete_attribute = "deleted"
        soft_delete_values = (False, True)

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(40), index=True)
    number: Mapped[str | None] = mapped_column(sa.String(40), unique=True)
    owner: Mapped[str] = mapped_column(sa.String(40), index=True)
    status: Mapped[str] = mapped_column(sa.String(20), default="new")
    deleted: Mapped[bool] = mapped_column(default=False)
    customer_id: Mapped[int] = mapped_column(sa.ForeignKey("customers.id"))
    customer: Mapped[Customer] = relationship(back_populates="orders")
    lines: Mapped[list[Line]] = relationship(back_populates="order", cascade="all, delete-orphan")
    tags: Mapped[list[Tag]] = relationship(secondary=order_tag, back_populates="orders")


class Line(Base):
    __tablename__ = "order_lines"
    __table_args__ = (sa.CheckConstraint("quantity > 0"),)

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    code: Mapped[str] = mapped_column(sa.String(40), index=True)
    number: Mapped[str | None] = mapped_column(sa.String(40), unique=True)
    quantity: Mapped[int]
    order_id: Mapped[int] = mapped_column(sa.ForeignKey("orders.id"))
    order: Mapped[Order] = relationship(back_populates="lines")


class Tag(Base):
    __tablename__ = "tags"

    class Meta:
        pass

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(40), unique=True)
    orders: Mapped[list[Order]] = relationship(secondary=order_tag, back_populates="tags")


def make() -> Flask:
    """Make the application; `FLARCHITECT_LOAD_DATABASE` is the URL of its database."""
    app = make_app(
        Base,
        os.environ["FLARCHITECT_LOAD_DATABASE"],
        parts=[RestPart()],
        SECRET_KEY="the same in all workers",
        API_ALLOW_BULK=True,
        API_ALLOW_EXPORT=True,
        API_ALLOW_NESTED_WRITES=True,
        API_ETAGS=True,
        API_IDEMPOTENCY=True,
    )

    @app.after_request
    def name_worker(response: Response) -> Response:
        response.headers["X-Worker"] = str(os.getpid())
        return response

    @app.get("/worker")
    def tell() -> dict[str, Any]:
        pool: Any = state_of(app).database.engine.pool
        return {"pid": os.getpid(), "checked_out": pool.checkedout(), "memory": resident_kilobytes()}

    return app


def resident_kilobytes() -> int:
    """Give the memory that this process holds; its highest mark where the system tells nothing else."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmRSS:"))


def prepare(app: Flask) -> None:
    """Make the tables, and the rows that all clients write."""
    engine = state_of(app).database.engine
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        for key in SHARED:
            connection.execute(sa.insert(Account).values(value=0))
            connection.execute(sa.insert(Meter).values(value=0, version=1))
            connection.execute(sa.insert(Customer).values(code="shared", number=f"taken {key}"))
            connection.execute(sa.insert(Tag).values(name=f"tag {key}"))
        taken = {"code": "shared", "number": "taken"}
        connection.execute(sa.insert(Order).values(**taken, owner="shared", customer_id=1))
        connection.execute(sa.insert(Line).values(**taken, quantity=1, order_id=1))
    engine.dispose()


if __name__ == "__main__":
    prepare(make())
