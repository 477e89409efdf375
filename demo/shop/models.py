"""The models of the shop: plain SQLAlchemy; the inner `Meta` publishes a model."""

from __future__ import annotations

import datetime as dt
import enum
from decimal import Decimal

from sqlalchemy import Column, ForeignKey, Numeric, String, Table, func
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """Base of the models, the value of `API_BASE_MODEL`."""


product_tag = Table(
    "product_tag",
    Base.metadata,
    Column("product_id", ForeignKey("product.id"), primary_key=True),
    Column("tag_id", ForeignKey("tag.id"), primary_key=True),
)


class Category(Base):
    """A department of the shop."""

    __tablename__ = "category"

    class Meta:
        tag = "Products"
        tag_group = "Shop"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40), unique=True)
    products: Mapped[list[Product]] = relationship(back_populates="category")


class Tag(Base):
    """A word that products share."""

    __tablename__ = "tag"

    class Meta:
        tag = "Products"
        tag_group = "Shop"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20), unique=True)
    products: Mapped[list[Product]] = relationship(secondary=product_tag, back_populates="tags")


class Product(Base):
    """Something to buy."""

    __tablename__ = "product"

    class Meta:
        tag = "Products"
        tag_group = "Shop"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    in_stock: Mapped[int] = mapped_column(default=0)
    since: Mapped[dt.date]
    category_id: Mapped[int] = mapped_column(ForeignKey("category.id"))
    category: Mapped[Category] = relationship(back_populates="products")
    tags: Mapped[list[Tag]] = relationship(secondary=product_tag, back_populates="products")

    @hybrid_property
    def is_available(self) -> bool:
        """Whether it can be sent today; a filter such as `is_available__eq=true` runs in the database."""
        return self.in_stock > 0


class Customer(Base):
    """Someone who buys."""

    __tablename__ = "customer"

    class Meta:
        tag = "Orders"
        tag_group = "Shop"

    id: Mapped[int] = mapped_column(primary_key=True)
    first_name: Mapped[str] = mapped_column(String(40))
    last_name: Mapped[str] = mapped_column(String(40))
    email: Mapped[str] = mapped_column(String(120), unique=True)
    city: Mapped[str | None] = mapped_column(String(60))
    joined: Mapped[dt.date] = mapped_column(default=dt.date.today)
    orders: Mapped[list[Order]] = relationship(back_populates="customer")

    @hybrid_property
    def full_name(self) -> str:
        """First and last name, in Python and in SQL."""
        return self.first_name + " " + self.last_name


class OrderStatus(enum.Enum):
    """Where an order is."""

    OPEN = "open"
    PAID = "paid"
    SHIPPED = "shipped"
    RETURNED = "returned"


class Order(Base):
    """What a customer bought at one time."""

    __tablename__ = "order"

    class Meta:
        tag = "Orders"
        tag_group = "Shop"

    id: Mapped[int] = mapped_column(primary_key=True)
    placed_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())
    status: Mapped[OrderStatus] = mapped_column(default=OrderStatus.OPEN)
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    customer: Mapped[Customer] = relationship(back_populates="orders")
    items: Mapped[list[OrderItem]] = relationship(back_populates="order", cascade="all, delete-orphan")


class OrderItem(Base):
    """One line of an order; the price is that of the day."""

    __tablename__ = "order_item"

    class Meta:
        tag = "Orders"
        tag_group = "Shop"

    order_id: Mapped[int] = mapped_column(ForeignKey("order.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    quantity: Mapped[int]
    unit_price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    product_id: Mapped[int] = mapped_column(ForeignKey("product.id"))
    order: Mapped[Order] = relationship(back_populates="items")
    product: Mapped[Product] = relationship()

    @hybrid_property
    def amount(self) -> Decimal:
        """Price of the line."""
        return self.unit_price * self.quantity
